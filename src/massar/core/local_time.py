"""Moments as people read them: stored in UTC, shown in MASSAR_TIME_ZONE, Moroccan month names, Western digits.

Babel's `ar_MA` has ماي، يوليوز، غشت …; Django's `ar` has the names of other countries. Lifetimes are computed in UTC,
only shown in local time: until September 2026 Morocco's clocks changed with Ramadan, and a law may change them again.
"""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from django.conf import settings

from massar.core import time_zone_data

LOCALES = {"ar": "ar_MA", "fr": "fr_MA", "en": "en_GB"}
_DAY_TIME = {"ar": "EEEE d MMMM y، HH:mm", "fr": "EEEE d MMMM y 'à' HH:mm", "en": "EEEE d MMMM y, HH:mm"}
_SHORT = {"ar": "d MMMM، HH:mm", "fr": "d MMMM 'à' HH:mm", "en": "d MMMM, HH:mm"}


@lru_cache(maxsize=8)  # read once in a process: every message and page asks
def _zone(key: str) -> ZoneInfo:
    return time_zone_data.newest(key).zone(key)


def local(moment: datetime) -> datetime:
    """The moment in the zone of the installation. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a naive time has no meaning here")
    return moment.astimezone(_zone(settings.MASSAR.time_zone))


def clock_time(moment: datetime) -> str:
    """`14:35`."""
    return local(moment).strftime("%H:%M")


def stamp(moment: datetime) -> str:
    """`2026-11-29 12:00:05 +0000`: for operators, in the same zone as pages and letters."""
    return local(moment).strftime("%Y-%m-%d %H:%M:%S %z")


def day(moment: datetime) -> str:
    """`2026-11-29`: for operators."""
    return local(moment).strftime("%Y-%m-%d")


def day_time(moment: datetime, language: str) -> str:
    """`الإثنين 23 نونبر 2026، 14:35`."""
    return format_datetime(local(moment), _DAY_TIME[language], locale=LOCALES[language])


def short(moment: datetime, language: str) -> str:
    """`23 نونبر، 14:35`."""
    return format_datetime(local(moment), _SHORT[language], locale=LOCALES[language])


def until(moment: datetime, now: datetime, language: str) -> str:
    """Clock time when it is today, day and time otherwise."""
    return clock_time(moment) if local(moment).date() == local(now).date() else short(moment, language)


def elapsed(since: datetime, now: datetime) -> str:
    """`0:01:05`; nothing of what lies ahead."""
    seconds = max(0, int((now - since).total_seconds()))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
