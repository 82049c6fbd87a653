"""Moments as people read them: stored in UTC, shown in Africa/Casablanca, Moroccan month names, Western digits.

Babel's `ar_MA` has ماي، يوليوز، غشت …; Django's `ar` has the names of other countries. The zone drops to +00 in
Ramadan, so lifetimes are computed in UTC and only shown in local time.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

ZONE = ZoneInfo("Africa/Casablanca")
LOCALES = {"ar": "ar_MA", "fr": "fr_MA", "en": "en_GB"}
_DAY_TIME = {"ar": "EEEE d MMMM y، HH:mm", "fr": "EEEE d MMMM y 'à' HH:mm", "en": "EEEE d MMMM y, HH:mm"}
_SHORT = {"ar": "d MMMM، HH:mm", "fr": "d MMMM 'à' HH:mm", "en": "d MMMM, HH:mm"}


def local(moment: datetime) -> datetime:
    """The moment in Moroccan time. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a naive time has no meaning here")
    return moment.astimezone(ZONE)


def clock_time(moment: datetime) -> str:
    """`14:35`."""
    return local(moment).strftime("%H:%M")


def day_time(moment: datetime, language: str) -> str:
    """`الإثنين 23 نونبر 2026، 14:35`."""
    return format_datetime(local(moment), _DAY_TIME[language], locale=LOCALES[language])


def short(moment: datetime, language: str) -> str:
    """`23 نونبر، 14:35`."""
    return format_datetime(local(moment), _SHORT[language], locale=LOCALES[language])


def until(moment: datetime, now: datetime, language: str) -> str:
    """Clock time when it is today, day and time otherwise."""
    return clock_time(moment) if local(moment).date() == local(now).date() else short(moment, language)
