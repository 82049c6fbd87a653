"""What the columns of a list of people are called, and what one row of it says about one person.

Nothing here asks the database. A row is judged whole: who made the list gets all that is wrong with it at once."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings

from massar.core import phone, text
from massar.core.sheets.api import SheetRow
from massar.domain.people.api import Kind
from massar.journeys.account import edit_profile
from massar.journeys.outcomes import Problem
from massar.journeys.people import import_people, sheet_list
from massar.journeys.people.sheet_list import WORDS, Faults, ListField, plain


class Field(ListField):
    """What a column of a list of people may hold."""

    LOGIN = "login"
    CODE = "code"  # of a pupil
    PAYROLL = "payroll"
    OTHER_ADDRESS = "other_address"  # of the same person, at another domain of the institution
    FIRST_AR = "first_ar"
    LAST_AR = "last_ar"
    FIRST_LATIN = "first_latin"
    LAST_LATIN = "last_latin"
    KIND = "kind"
    UNIT = "unit"
    SINCE = "since"
    LANGUAGE = "language"
    EMAIL = "email"
    PHONE = "phone"


PUPIL_CODE = re.compile("[a-z][0-9]{9}")
_NATIONAL = re.compile(r"(?:\+?212|00212|0)?([67][0-9]{8})")
_RANGE = 5  # digits after which libphonenumber's table tells no more between the mobile numbers of Morocco
_KINDS = {plain(word): Kind.__members__[name.upper()] for name, words in WORDS["kinds"].items() for word in words}
_LANGUAGES = {plain(word): code for code, words in WORDS["languages"].items() for word in words}
SHAPE = sheet_list.shape(Field, WORDS["titles"], (Field.LOGIN, Field.CODE), "nobody")


class PersonRow(NamedTuple):
    """What a row says of one person, in canonical form; '' and None: nothing. number: the row's."""

    number: int
    login: str
    first_ar: str = ""
    last_ar: str = ""
    first_latin: str = ""
    last_latin: str = ""
    kind: Kind | None = None
    unit: str = ""
    since: date | None = None
    language: str = ""
    payroll: str = ""
    other_address: str = ""
    email: str = ""
    phone: str = ""


class Reader:
    """Reads the rows of one list. kind: what people are where no column says so; None: not said."""

    def __init__(self, columns: Mapping[ListField, int], *, kind: Kind | None = None) -> None:
        self._kind, self._code = kind, columns.get(Field.CODE, -1)
        self._fields = {place: field for field, place in columns.items()}
        self._plan = [
            (columns[field], PersonRow._fields.index(field), field, read)
            for field, read in _READERS.items() if field in columns
        ]  # fmt: skip

    def read(self, row: SheetRow) -> PersonRow | Faults:
        """The person of a row, or by field what is wrong."""
        cells, many = row.cells, len(row.cells)
        faults: Faults = {
            self._fields[place]: Problem(f"cell_{why}") for place, why in row.faults.items() if place in self._fields
        }
        values: list[Any] = [row.number, *_NOTHING]
        for place, slot, field, read in self._plan:
            if place < many and (typed := cells[place].strip()):
                value = read(typed)
                if value.__class__ is Problem:
                    faults[field] = value
                else:
                    values[slot] = value
        code = cells[self._code].strip() if 0 <= self._code < many else ""
        if code:
            self._take_code(code, values, faults)
        elif not values[_LOGIN]:
            faults.setdefault(Field.LOGIN, Problem("login_empty"))
        if values[_KIND] is None:
            values[_KIND] = Kind.PUPIL if code else self._kind
        return faults or PersonRow._make(values)

    def _take_code(self, typed: str, values: list[Any], faults: Faults) -> None:
        """A pupil's address is the code at the first domain, where none is given."""
        code = text.login(typed) or ""
        if not PUPIL_CODE.fullmatch(code):
            faults[Field.CODE] = Problem("pupil_code_shape")
        values[_LOGIN] = values[_LOGIN] or f"{code}@{settings.MASSAR.institution_domains[0]}"


# What is typed in a cell of a field, not empty: as it is kept, or what is wrong with it. What comes again and again in
# a list is judged once.


def _address(typed: str) -> str | Problem:
    return import_people.institution_address(typed) or Problem("login_shape")


@lru_cache(maxsize=20_000)
def _name(typed: str) -> str | Problem:
    name = " ".join(typed.split())
    return name if import_people.name_fits(name) else Problem("name_shape")


def _payroll(typed: str) -> str | Problem:
    return text.payroll(typed) or Problem("payroll_shape")


@lru_cache(maxsize=1000)
def _kind(typed: str) -> Kind | Problem:
    return _KINDS.get(plain(typed)) or Problem("kind_unknown")


@lru_cache(maxsize=1000)
def _language(typed: str) -> str | Problem:
    return _LANGUAGES.get(plain(typed)) or Problem("language_unknown")


def _email(typed: str) -> str | Problem:
    return edit_profile.read_contact("email", typed)


def _phone(typed: str) -> str | Problem:
    national = _NATIONAL.fullmatch(typed)
    rules = settings.MASSAR
    if national and _is_plainly_mobile(national[1][:_RANGE], rules.phone_countries, rules.mobile_ranges):
        return f"+212{national[1]}"
    return edit_profile.read_contact("phone", typed)


@lru_cache(maxsize=20_000)
def _is_plainly_mobile(beginning: str, countries: tuple[str, ...], opened: tuple[str, ...]) -> bool:
    """Whether every number that begins so is mobile: one of a million is asked of the table, not all."""
    if "MA" not in countries:
        return False
    try:
        return phone.mobile(f"+212{beginning}0000", countries, opened) == f"+212{beginning}0000"
    except phone.BadPhone:
        return False


_READERS: Mapping[Field, Callable[[str], object]] = {
    Field.LOGIN: _address,
    **dict.fromkeys((Field.FIRST_AR, Field.LAST_AR, Field.FIRST_LATIN, Field.LAST_LATIN), _name),
    Field.KIND: _kind,
    Field.UNIT: sheet_list.unit_code,
    Field.SINCE: sheet_list.day,
    Field.LANGUAGE: _language,
    Field.PAYROLL: _payroll,
    Field.OTHER_ADDRESS: _address,
    Field.EMAIL: _email,
    Field.PHONE: _phone,
}
_LOGIN, _KIND = PersonRow._fields.index(Field.LOGIN), PersonRow._fields.index(Field.KIND)
_NOTHING = PersonRow(0, "")[1:]
