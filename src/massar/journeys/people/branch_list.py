"""A list of who belongs to a branch, as an import reads it: each person once, at the first of what they belong as.

What stands in it is written here and nowhere else. Titles of the first columns are those that an import knows; what is
there to be read alone (how the account stands, contacts that are masked) has titles that it leaves alone. Of the
branch itself a list of its units is made in the same way."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from io import TextIOWrapper
from typing import BinaryIO, NamedTuple

from massar.core import local_time, sql
from massar.core.sheets import api as sheets
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.domain.people.api import Kind, members, rights
from massar.journeys.people.sheet_list import ListField
from massar.journeys.people.sheet_rows import PUPIL_CODE, Field
from massar.journeys.people.unit_rows import UnitField

ENDINGS = ("xlsx", "csv")
COLUMNS = (
    Field.LOGIN, Field.CODE, Field.OTHER_ADDRESS, Field.PAYROLL, Field.LAST_AR, Field.FIRST_AR, Field.LAST_LATIN,
    Field.FIRST_LATIN, Field.KIND, Field.UNIT, Field.SINCE, Field.LANGUAGE,
)  # fmt: skip
CONTACTS = (Field.EMAIL, Field.PHONE)  # whole
READ_ALONE = ("email_masked", "phone_masked")
ALSO = ("unit_name", "account")  # left alone by an import, too
UNIT_COLUMNS = (
    UnitField.CODE, UnitField.KIND, UnitField.PARENT, UnitField.NAME_AR, UnitField.NAME_LATIN, UnitField.SINCE,
    UnitField.UNTIL,
)  # fmt: skip
STATES = ("active", "never", "frozen", "disabled")
_ORDER = (Kind.STAFF, Kind.PUPIL, Kind.GUARDIAN, Kind.COMPLEMENT)
_UNITS_AT_ONCE, _PEOPLE_AT_ONCE = 50, 1000


class ListScope(NamedTuple):
    """Whose list it is. kinds: as what they belong. spared: whoever holds one of these roles is none of them. whole:
    with contacts as they are, to be imported; else they are masked."""

    unit: people.units.UnitFacts
    kinds: Collection[Kind]
    spared: Collection[rights.Role] = ()
    whole: bool = False


class ListWords(NamedTuple):
    """What stands in a list beside its people, in one language. above: over the header, with the list's number."""

    language: str
    above: str
    titles: Sequence[str]
    kinds: Mapping[int, str]
    states: Mapping[str, str]


class Titles(NamedTuple):
    """The columns of a list: fields that an import knows, and ids of those that it leaves alone, in this order."""

    fields: Sequence[ListField]
    also: Sequence[str] = ()


def titles(*, whole: bool) -> Titles:
    return Titles((*COLUMNS, *CONTACTS), ALSO) if whole else Titles(COLUMNS, (*READ_ALONE, *ALSO))


def write(file: BinaryIO, ending: str, rows: Iterator[Sequence[str]], words: ListWords) -> int:
    """Write rows into a file, as they come, and return how many there were. Raises ValueError where a sheet can't hold
    them."""
    if ending == "xlsx":
        return sheets.write_xlsx(
            file, words.titles, rows, name="massar", right_to_left=words.language == "ar", above=words.above
        )
    text = TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
    written = sheets.write_csv(text, words.titles, rows, above=words.above)
    text.detach()
    return written


def rows(
    scope: ListScope, words: ListWords, *, now: datetime, tell: Callable[[int], None] = lambda _: None
) -> Iterator[list[str]]:
    """The people of the branch today, by kind, unit and name. Nothing is held of those who were given. tell: how many
    rows more were made. Who comes or is moved meanwhile may be missing, and never stands twice."""
    on = local_time.local(now).date()
    given = _Given(people.selection.last_id())
    branch = {unit.id: (place, unit) for place, unit in enumerate(people.units.below(scope.unit.id, on=on))}
    for kind in (one for one in _ORDER if one in scope.kinds):
        for some in sql.parts(list(branch), _UNITS_AT_ONCE):
            found = [one for one in members.of_units(some, kind, spared=scope.spared, on=on) if given.add(one.id)]
            found.sort(key=lambda one: (branch[one.unit_id][0], one.by_name))
            for part in sql.parts(found, _PEOPLE_AT_ONCE):
                yield from _cells(part, kind, scope, {one.unit_id: branch[one.unit_id][1] for one in part}, words, now)
                tell(len(part))


def unit_rows(unit: people.units.UnitFacts, words: ListWords, *, now: datetime) -> Iterator[list[str]]:
    """The units of the branch that are open today, the highest first. What the branch itself stands below is named."""
    on = local_time.local(now).date()
    found = people.units.below(unit.id, on=on)
    above = people.units.by_id(unit.parent_id) if unit.parent_id else None
    codes = {one.id: one.code for one in (*found, *filter(None, [above]))}
    for one in found:
        until = one.until.isoformat() if one.until else ""
        since = one.since.isoformat() if one.since else ""
        parent = codes.get(one.parent_id or 0, "")
        yield [one.code, words.kinds[one.kind], parent, one.name_ar, one.name_latin, since, until]


class _Given:
    """Who was given already, a bit for each id: a megabyte for eight million."""

    def __init__(self, last: int) -> None:
        self._bits = bytearray(last // 8 + 1)

    def add(self, person_id: int) -> bool:
        """Whether this one was not given yet, and was there when it began."""
        place, bit = person_id // 8, 1 << person_id % 8
        if place >= len(self._bits) or self._bits[place] & bit:
            return False
        self._bits[place] |= bit
        return True


def _cells(
    part: Sequence[members.Member], kind: Kind, scope: ListScope, units: Mapping[int, people.units.UnitFacts],
    words: ListWords, now: datetime,
) -> Iterator[list[str]]:  # fmt: skip
    ids = [one.id for one in part]
    names, activated = members.other_names(ids), credentials.passwords.activated(ids)
    contacts = people.contacts.reached_by(ids, now=now)
    for one in part:
        held, unit = contacts.get(one.id, {}), units[one.unit_id]
        other = names.get(one.id, [])
        local = one.login.partition("@")[0]
        reached = (held.get("email"), held.get("phone"))
        yield [
            one.login, local if kind == Kind.PUPIL and PUPIL_CODE.fullmatch(local) else "",
            next((f"{name}@{domain}" for name, domain in other if domain), ""),
            next((name for name, domain in other if not domain), ""),
            one.last_ar, one.first_ar, one.last_latin, one.first_latin, words.kinds[kind], unit.code,
            one.since.isoformat(), one.language,
            *("" if contact is None else contact.value if scope.whole else contact.masked for contact in reached),
            unit.name(words.language), words.states[_state(one, activated)],
        ]  # fmt: skip


def _state(one: members.Member, activated: Collection[int]) -> str:
    if not one.enabled:
        return "disabled"
    if one.frozen_at:
        return "frozen"
    return "active" if one.id in activated else "never"
