"""What the columns of a list of guardians are called, and what one row of it says: who answers for which pupil."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings

from massar.core import text
from massar.core.sheets.api import SheetRow
from massar.domain.people import api as people
from massar.journeys.account import edit_profile
from massar.journeys.outcomes import Problem
from massar.journeys.people import import_people, sheet_list
from massar.journeys.people.sheet_list import WORDS, Faults, ListField, plain

Relation = people.guardians.Relation
OF_AGE = 18  # Family Code of Morocco, article 209


class LinkField(ListField):
    """What a column of a list of guardians may hold. code: the pupil's; guardian: the user name; phone: the guardian's
    proved one, in place of it; born: the pupil's date of birth, of which the end of the link is made, and nothing is
    kept."""

    CODE = "code"
    GUARDIAN = "guardian"
    PHONE = "phone"
    RELATION = "relation"
    SINCE = "since"
    UNTIL = "until"
    BORN = "born"

    @property
    def label(self) -> str:
        return f"link_{self}"


class LinkRow(NamedTuple):
    """What a row says, in canonical form; '' and None: nothing. pupil, guardian: logins; last: the last day before the
    month in which the pupil is of age."""

    number: int
    pupil: str
    guardian: str = ""
    phone: str = ""
    relation: people.guardians.Relation | None = None
    since: date | None = None
    until: date | None = None
    last: date | None = None


_RELATIONS = {
    plain(word): Relation.__members__[name.upper()] for name, words in WORDS["relations"].items() for word in words
}
SHAPE = sheet_list.shape(LinkField, WORDS["link_titles"], (LinkField.CODE,), "no_pupil")
_NAMES = {LinkField.CODE: "pupil", LinkField.BORN: "last"}  # of fields of LinkRow, where they differ


def read(row: SheetRow, columns: Mapping[ListField, int]) -> LinkRow | Faults:
    """The link of a row, or by field what is wrong."""
    said, faults = sheet_list.read_cells(row, columns, _READERS)
    if LinkField.CODE not in said:
        faults.setdefault(LinkField.CODE, Problem("pupil_code_shape"))
    if not {LinkField.GUARDIAN, LinkField.PHONE} & (said.keys() | faults.keys()):
        faults[LinkField.GUARDIAN] = Problem("guardian_empty")
    return faults or LinkRow(row.number, **{_NAMES.get(field, field): value for field, value in said.items()})


def _login(typed: str) -> str | Problem:
    """A pupil's code, or a guardian's name before the @, stands for the address at the first domain."""
    name = text.login(typed) or ""
    whole = name if "@" in name or not name else f"{name}@{settings.MASSAR.institution_domains[0]}"
    return import_people.institution_address(whole) or Problem("login_shape")


def _pupil(typed: str) -> str | Problem:
    login = _login(typed)
    return Problem("pupil_code_shape") if isinstance(login, Problem) else login


def _phone(typed: str) -> str | Problem:
    return edit_profile.read_contact("phone", typed)


@lru_cache(maxsize=1000)
def _relation(typed: str) -> people.guardians.Relation | Problem:
    return _RELATIONS.get(plain(typed)) or Problem("relation_unknown")


def _last(typed: str) -> date | Problem:
    """Only the month is kept of a date of birth: never a day too long, at most a month too short."""
    born = sheet_list.day(typed)
    if isinstance(born, Problem):
        return born
    return date(born.year + OF_AGE, born.month, 1) - timedelta(days=1)


_READERS: Mapping[LinkField, Callable[[str], object]] = {
    LinkField.CODE: _pupil,
    LinkField.GUARDIAN: _login,
    LinkField.PHONE: _phone,
    LinkField.RELATION: _relation,
    LinkField.SINCE: sheet_list.day,
    LinkField.UNTIL: sheet_list.day,
    LinkField.BORN: _last,
}
