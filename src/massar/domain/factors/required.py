"""Who must have a second factor, and from when: rules of the operator, pure functions.

A rule reads `role`, or `role:FROM..TO` with either date left out: a season, or a day from which it holds. `*` is every
role. Before that day its people are invited; from then on nothing opens without a factor, and a session that was open
without one ends at its next page."""

import re
from datetime import date, datetime
from typing import NamedTuple

from massar.core import local_time

EVERY_ROLE = "*"
_RULE = re.compile(r"(\*|[a-z][a-z0-9_-]{0,19})(?::(\d{4}-\d\d-\d\d)?\.\.(\d{4}-\d\d-\d\d)?)?", re.ASCII)


class Requirement(NamedTuple):
    """Both days belong to the span; None: since ever, for good."""

    role: str
    first: date | None = None
    last: date | None = None

    def __str__(self) -> str:
        return f"{self.role}:{self.first or ''}..{self.last or ''}".removesuffix(":..")


def read(words: tuple[str, ...]) -> tuple[Requirement, ...]:
    """Raises ValueError with the end of a sentence."""
    return tuple(_read(word) for word in words)


def _read(word: str) -> Requirement:
    found = _RULE.fullmatch(word)
    wish = "give a role, or a role and days, as operator,staff:2027-06-01..2027-07-15"
    if found is None:
        raise ValueError(f"holds {word[:60]!r}: {wish}")
    try:
        first, last = (date.fromisoformat(day) if day else None for day in found.groups()[1:])
    except ValueError:
        raise ValueError(f"holds {word[:60]!r}, which is no day of any year: {wish}") from None
    if first and last and last < first:
        raise ValueError(f"holds {word[:60]!r}, which ends before it begins: {wish}")
    return Requirement(found[1], first, last)


def applies(rules: tuple[Requirement, ...], role: str, *, now: datetime) -> bool:
    """Whether a person of that role must have, and use, a second factor today, by the country's calendar."""
    today = local_time.local(now).date()
    mine = [rule for rule in rules if rule.role in (EVERY_ROLE, role)]
    return any((not rule.first or rule.first <= today) and (not rule.last or today <= rule.last) for rule in mine)


def begins(rules: tuple[Requirement, ...], role: str, *, now: datetime) -> date | None:
    """The next day from which such a rule holds for that role; None where none is coming, or one holds already."""
    today = local_time.local(now).date()
    days = [rule.first for rule in rules if rule.role in (EVERY_ROLE, role) and rule.first and rule.first > today]
    return min(days) if days and not applies(rules, role, now=now) else None
