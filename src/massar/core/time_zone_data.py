"""Which table of time zones holds: the newer of the system's and the one that PyPI's `tzdata` brings.

`zoneinfo` asks the system's table first, however old it is. Governments change their hours at a few weeks' notice
(Morocco stays at +00 since 20 September 2026: IANA 2026c), and a "valid until" that is an hour off is worse than none.
"""

import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import tzdata

LOCKED = "2026f"  # the version that requirements/runtime.txt brings; a test holds the two together
STALE_AFTER = timedelta(days=365)
_VERSION = re.compile(r"(\d{4})([a-z]*)")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


class UnknownZone(ValueError):
    """No table has a zone of that name."""


@dataclass(frozen=True)
class Table:
    """A table of zones. `version`: IANA's, as `2026f`; empty where the table does not tell."""

    version: str
    name: str
    folder: Traversable

    def zone(self, key: str) -> zoneinfo.ZoneInfo:
        """Read the zone. Raises UnknownZone."""
        if not self.has(key):
            raise UnknownZone(key)
        try:
            with self.folder.joinpath(*key.split("/")).open("rb") as data:
                return zoneinfo.ZoneInfo.from_file(data, key=key)
        except (OSError, ValueError) as unreadable:
            raise UnknownZone(key) from unreadable

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


def newest(key: str) -> Table:
    """Find the newest table that has the zone; between equals the system's, which security updates reach. Raises
    UnknownZone. (Debian keeps the old names of zones in a package of their own.)"""
    places = map(Path, zoneinfo.TZPATH)  # PYTHONTZPATH counts
    tables = [Table(_version_in(place), f"the system's table in {place}", place) for place in places]
    tables.append(Table(tzdata.IANA_VERSION, "PyPI's tzdata", resources.files("tzdata") / "zoneinfo"))
    holding = [table for table in tables if table.has(key)]
    if not holding:
        raise UnknownZone(key)
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
