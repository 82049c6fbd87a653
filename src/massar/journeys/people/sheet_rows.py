"""What the columns of a list of people are called, and what one row of it says about one person.

Nothing here asks the database. A row is judged whole: who made the list gets all that is wrong with it at once."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from massar.core import normalize, phone, text
from massar.core.sheets.api import SheetRow
from massar.domain.people.api import Kind
from massar.journeys.account import edit_profile
from massar.journeys.outcomes import Problem
from massar.journeys.people import import_people


class Field(StrEnum):
    """What a column may hold; ids of words after `import.field.`."""

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


_WORDS = tomllib.loads(Path(__file__).with_name("sheet_words.toml").read_text("utf-8"))
_CODE = re.compile("[a-z][0-9]{9}")
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_DAY_FIRST = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})")
_IN_WORDS = re.compile(r"(\d{1,2}) (\w+) (\d{4})")
_NATIONAL = re.compile(r"(?:\+?212|00212|0)?([67][0-9]{8})")
_FIRST_YEAR = 1900  # before it nobody who is alive belonged anywhere
_RANGE = 5  # digits after which libphonenumber's table tells no more between the mobile numbers of Morocco


@lru_cache(maxsize=5000)
def _plain(title: str) -> str:
    """A title as it is compared: its letters and digits alone, words apart."""
    return " ".join(re.findall(r"\w+", normalize.skeleton(title).replace("_", " ")))


_FIELDS = {_plain(title): Field(name) for name, titles in _WORDS["titles"].items() for title in titles}
_NEVER = frozenset(map(_plain, _WORDS["refused"]["titles"]))
_KINDS = {_plain(word): Kind.__members__[name.upper()] for name, words in _WORDS["kinds"].items() for word in words}
_LANGUAGES = {_plain(word): code for code, words in _WORDS["languages"].items() for word in words}
_MONTHS = {_plain(word): number for number, words in enumerate(_WORDS["months"]["names"], 1) for word in words}


class Mapped(NamedTuple):
    """Which column holds what. columns: the place of each field. unused: titles of columns that are left alone.
    refused: titles of columns with which the list is not taken at all. twice: fields that two columns claim."""

    columns: Mapping[Field, int]
    unused: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    twice: tuple[Field, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether rows can be read: somebody is named, and nothing stands against it."""
        return bool({Field.LOGIN, Field.CODE} & set(self.columns)) and not self.refused and not self.twice


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


Faults = dict[str, Problem]


def mapped(header: Sequence[str], said: Mapping[str, Field | None] | None = None) -> Mapped:
    """Find the fields of a header. said: what a person said about columns by their titles; None: leave it alone."""
    columns: dict[Field, int] = {}
    unused, refused, twice = [], [], []
    for place, title in enumerate(header):
        plain = _plain(title)
        field = said[title] if said and title in said else _FIELDS.get(plain)
        if plain in _NEVER:
            refused.append(title)
        elif field is None:
            unused += [title] if title.strip() else []
        elif field in columns:
            twice.append(field)
        else:
            columns[field] = place
    return Mapped(columns, tuple(unused), tuple(refused), tuple(twice))


def find_header(rows: Sequence[SheetRow], said: Mapping[str, Field | None]) -> SheetRow | None:
    """The first of these rows in which two columns are known, by their titles or by what a person said about them:
    titles of the whole list may stand above it. None: there is none."""
    return next((row for row in rows if _known(mapped(row.cells, said)) > 1), None)


def _known(found: Mapped) -> int:
    return len(found.columns) + len(found.refused) + len(found.twice)


class Reader:
    """Reads the rows of one list. kind: what people are where no column says so; None: not said."""

    def __init__(self, columns: Mapping[Field, int], *, kind: Kind | None = None) -> None:
        self._columns, self._kind = columns, kind
        self._fields = {place: field for field, place in columns.items()}

    def read(self, row: SheetRow) -> PersonRow | Faults:
        """The person of a row, or by field what is wrong."""
        faults: Faults = {
            self._fields[place]: Problem(f"cell_{why}") for place, why in row.faults.items() if place in self._fields
        }
        said = {field: row.cells[place].strip() for field, place in self._columns.items() if place < len(row.cells)}
        take = said.get
        code = take(Field.CODE, "")
        entry = PersonRow(
            row.number,
            _login(take(Field.LOGIN, ""), code, faults),
            _name(Field.FIRST_AR, take(Field.FIRST_AR, ""), faults),
            _name(Field.LAST_AR, take(Field.LAST_AR, ""), faults),
            _name(Field.FIRST_LATIN, take(Field.FIRST_LATIN, ""), faults),
            _name(Field.LAST_LATIN, take(Field.LAST_LATIN, ""), faults),
            kind=self._read_kind(take(Field.KIND, ""), code, faults),
            unit=take(Field.UNIT, "").upper(),
            since=_since(take(Field.SINCE, ""), faults),
            language=_language(take(Field.LANGUAGE, ""), faults),
            payroll=_payroll(take(Field.PAYROLL, ""), faults),
            other_address=_other_address(take(Field.OTHER_ADDRESS, ""), faults),
            email=_email(take(Field.EMAIL, ""), faults),
            phone=_phone(take(Field.PHONE, ""), faults),
        )
        return faults or entry

    def _read_kind(self, typed: str, code: str, faults: Faults) -> Kind | None:
        if not typed:
            return Kind.PUPIL if code else self._kind
        kind = _KINDS.get(_plain(typed))
        if kind is None:
            faults[Field.KIND] = Problem("kind_unknown")
        return kind or self._kind


def _login(typed: str, code: str, faults: Faults) -> str:
    """The institution address; a pupil's is the code at the first domain."""
    if code:
        read = text.login(code) or ""
        if not _CODE.fullmatch(read):
            faults[Field.CODE] = Problem("pupil_code_shape")
        if not typed:
            return f"{read}@{settings.MASSAR.institution_domains[0]}"
    login = import_people.institution_address(typed)
    if not login:
        faults.setdefault(Field.LOGIN, Problem("login_shape" if typed else "login_empty"))
    return login


def _other_address(typed: str, faults: Faults) -> str:
    address = import_people.institution_address(typed)
    if typed and not address:
        faults[Field.OTHER_ADDRESS] = Problem("login_shape")
    return address


def _name(field: Field, typed: str, faults: Faults) -> str:
    name = " ".join(typed.split())
    if not import_people.name_fits(name):
        faults[field] = Problem("name_shape")
    return name


def _payroll(typed: str, faults: Faults) -> str:
    number = text.payroll(typed) if typed else ""
    if number is None:
        faults[Field.PAYROLL] = Problem("payroll_shape")
    return number or ""


def _language(typed: str, faults: Faults) -> str:
    language = _LANGUAGES.get(_plain(typed), "") if typed else ""
    if typed and not language:
        faults[Field.LANGUAGE] = Problem("language_unknown")
    return language


def _email(typed: str, faults: Faults) -> str:
    read = edit_profile.read_contact("email", typed) if typed else ""
    if isinstance(read, Problem):
        faults[Field.EMAIL] = read
        return ""
    return read


def _phone(typed: str, faults: Faults) -> str:
    if not typed:
        return ""
    national = _NATIONAL.fullmatch(typed)
    rules = settings.MASSAR
    if national and _is_plainly_mobile(national[1][:_RANGE], rules.phone_countries, rules.mobile_ranges):
        return f"+212{national[1]}"
    read = edit_profile.read_contact("phone", typed)
    if isinstance(read, Problem):
        faults[Field.PHONE] = read
        return ""
    return read


@lru_cache(maxsize=20_000)
def _is_plainly_mobile(beginning: str, countries: tuple[str, ...], opened: tuple[str, ...]) -> bool:
    """Whether every number that begins so is mobile: one of a million is asked of the table, not all."""
    if "MA" not in countries:
        return False
    try:
        return phone.mobile(f"+212{beginning}0000", countries, opened) == f"+212{beginning}0000"
    except phone.BadPhone:
        return False


def _since(typed: str, faults: Faults) -> date | None:
    since = _day(typed) if typed else None
    if typed and since is None:
        faults[Field.SINCE] = Problem("day_shape")
    return since


@lru_cache(maxsize=5000)
def _day(typed: str) -> date | None:
    """A day as lists have it: `2025-09-04`, `04/09/2025` (the day first, as in Morocco), `4 septembre 2025`."""
    plain = text.one_line(typed)
    iso, day_first, words = _ISO.fullmatch(plain), _DAY_FIRST.fullmatch(plain), _IN_WORDS.fullmatch(plain)
    parts: tuple[str | int, ...] = iso.groups() if iso else ()
    if day_first:
        parts = day_first.groups()[::-1]
    elif words:
        parts = (words[3], _MONTHS.get(_plain(words[2]), 0), words[1])
    try:
        year, month, day = map(int, parts)
        return date(year, month, day) if year >= _FIRST_YEAR else None
    except ValueError:
        return None
