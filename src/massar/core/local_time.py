"""Moments as people read them: stored in UTC, shown in MASSAR_TIME_ZONE, Moroccan month names, Western digits.

Babel's `ar_MA` has ماي، يوليوز، غشت …; Django's `ar` has the names of other countries. Lifetimes are computed in UTC,
only shown in local time: until September 2026 Morocco's clocks changed with Ramadan, and a law may change them again.
`zoneinfo` asks the system's table first, however old it is; governments change their hours at a few weeks' notice
(Morocco stays at +00 since 20 September 2026: IANA 2026c), and a "valid until" that is an hour off is worse than none.
So the newer of the system's table and of PyPI's `tzdata` holds."""

import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import tzdata
from babel.dates import format_date, format_datetime
from django.conf import settings

LOCALES = {"ar": "ar_MA", "fr": "fr_MA", "en": "en_GB"}
_DAY_TIME = {"ar": "EEEE d MMMM y، HH:mm", "fr": "EEEE d MMMM y 'à' HH:mm", "en": "EEEE d MMMM y, HH:mm"}
_SHORT = {"ar": "d MMMM، HH:mm", "fr": "d MMMM 'à' HH:mm", "en": "d MMMM, HH:mm"}
LOCKED = "2026f"  # the version that requirements/runtime.txt brings; a test holds the two together
STALE_AFTER = timedelta(days=365)
_VERSION = re.compile(r"(\d{4})([a-z]*)")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


@lru_cache(maxsize=8)  # read once in a process: every message and page asks
def zone_of(key: str) -> zoneinfo.ZoneInfo:
    """The zone by the newer of the two tables. Raises ValueError for a name that neither knows."""
    return newest(key).zone(key)


def local(moment: datetime) -> datetime:
    """The moment in the zone of the installation. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a naive time has no meaning here")
    return moment.astimezone(zone_of(settings.MASSAR.time_zone))


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


def begins(day: date) -> datetime:
    """When a day begins in the country."""
    return datetime.combine(day, time(), zone_of(settings.MASSAR.time_zone)).astimezone(UTC)


def next_day(now: datetime) -> datetime:
    """When the next day begins in the country."""
    return begins(local(now).date() + timedelta(days=1))


def in_words(day: date, language: str) -> str:
    """A day of the calendar, as `samedi 14 mars 2026`."""
    return format_date(day, "EEEE d MMMM y", locale=LOCALES[language])


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


@dataclass(frozen=True)
class ZoneTable:
    """A table of zones. `version`: IANA's, as `2026f`; empty where the table does not tell."""

    version: str
    name: str
    folder: Traversable

    def zone(self, key: str) -> zoneinfo.ZoneInfo:
        """Read the zone. Raises ValueError."""
        if not self.has(key):
            raise ValueError(f"no table has a zone {key!r}")
        try:
            with self.folder.joinpath(*key.split("/")).open("rb") as data:
                return zoneinfo.ZoneInfo.from_file(data, key=key)
        except (OSError, ValueError) as unreadable:
            raise ValueError(f"no table has a zone {key!r}") from unreadable

    def has(self, key: str) -> bool:
        return _KEY.fullmatch(key) is not None and self.folder.joinpath(*key.split("/")).is_file()

    def warnings(self, now: datetime) -> list[str]:
        """Why the hours may be wrong, one sentence each; nothing for a table that is fresh."""
        mend = "upgrade the system's package tzdata, or install requirements/runtime.txt again"
        told = self.version or "no version"
        doubt = ""
        if age(self.version) < age(LOCKED):
            doubt = f"older than the {LOCKED} that belongs to this release"
        elif now - datetime(max(age(self.version)[0], 1970), 7, 1, tzinfo=UTC) > STALE_AFTER:  # no version tells a day
            doubt = "which is more than a year old"
        return [f"Times are shown by {self.name} ({told}), {doubt}: {mend}."] if doubt else []


def newest(key: str) -> ZoneTable:
    """Find the newest table that has the zone; between equals the system's, which security updates reach. Raises
    ValueError. (Debian keeps the old names of zones in a package of their own.)"""
    places = map(Path, zoneinfo.TZPATH)  # PYTHONTZPATH counts
    tables = [ZoneTable(_version_in(place), f"the system's table in {place}", place) for place in places]
    tables.append(ZoneTable(tzdata.IANA_VERSION, "PyPI's tzdata", resources.files("tzdata") / "zoneinfo"))
    holding = [table for table in tables if table.has(key)]
    if not holding:
        raise ValueError(f"no table has a zone {key!r}")
    return max(holding, key=lambda table: age(table.version))


def _version_in(folder: Path) -> str:
    """As the table's own text says it: `# version 2025b`, the first line of tzdata.zi."""
    try:
        with (folder / "tzdata.zi").open(encoding="ascii", errors="replace") as lines:
            found = re.match(r"# version (\d{4}[a-z]*)", lines.readline(100))
    except OSError:
        return ""
    return found[1] if found else ""


def age(version: str) -> tuple[int, int, str]:
    """Sort older before newer: after 2025z comes 2025za (IANA's `tz-link`, "version numbers")."""
    found = _VERSION.match(version)
    return (int(found[1]), len(found[2]), found[2]) if found else (0, 0, "")
