"""A synthetic country of any size: units, staff, pupils and guardians, none of whom exists.

Who is in it follows from the seed alone. It is made school by school, so memory does not grow with it. Addresses are of
domains that are reserved for examples (RFC 2606), phones of 0790 to 0799, which Morocco has not assigned, pupils' codes
begin with X; names are common ones, combined at random."""

import random
import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from django.db import transaction

from massar.domain.people import api as people

Unit, As = people.units.Kind, people.belonging.Kind
STAFF, GUARDIANS = 0.035, 0.245  # of all; the others are pupils
OF_A_SCHOOL = 920  # people, on average: 12 300 schools for 11.3 million
CLASS_SIZE, DESK = 32, 3
TUTOR, YEAR = people.guardians.Relation.TUTOR, people.guardians.LONGEST
BATCH = 4000  # people of one transaction, or a little more
DOMAIN, CENTRAL = "taalim.ma", "men.gov.ma"
DATA = tomllib.loads((Path(__file__).parent / "demo_country.toml").read_text("utf-8"))
# How many of a hundred have (nothing, a phone, an e-mail, both).
CONTACTS: dict[int, tuple[int, int, int, int]] = {
    As.STAFF: (30, 30, 15, 25),
    As.PUPIL: (68, 27, 5, 0),
    As.GUARDIAN: (12, 76, 2, 10),
}


class NewUnit(NamedTuple):
    code: str
    kind: int
    parent: str
    name_ar: str
    name_latin: str


class Resident(NamedTuple):
    """One row of the file, in the order of its columns; '' where there is nothing."""

    login: str
    payroll: str
    other_address: str
    first_ar: str
    last_ar: str
    first_latin: str
    last_latin: str
    kind: str
    unit: str
    email: str
    phone: str
    language: str


class Branch(NamedTuple):
    """A school, or what stands above all of them: units, higher ones first, who belongs to them, and which pupil has
    which guardian, by login."""

    units: list[NewUnit]
    people: list[Resident]
    links: list[tuple[str, str]]


class _Name(NamedTuple):
    arabic: str
    latin: tuple[str, ...]


def _names(text: str) -> list[_Name]:
    """`عبد الله Abdellah|…`: the Latin spellings are those words that are ASCII."""
    found = []
    for entry in text.replace("\n", "").split("|"):
        words = entry.split()
        latin = tuple(word for word in words if word.isascii())
        found.append(_Name(" ".join(word for word in words if not word.isascii()), latin))
    return found


MALE, FEMALE, FAMILY = (_names(DATA["names"][kind]) for kind in ("male", "female", "family"))
SCHOOLS = _names(DATA["schools"]["names"])


def parts(size: int, *, seed: int = 1) -> Iterator[Branch]:
    """The country of exactly `size` people: first the ministry, academies and directorates, then school by school."""
    above, directorates = _above()
    yield Branch(above, [], [])
    making = _Making(random.Random(seed))  # noqa: S311  # no secrets: the same seed, the same country
    schools = max(1, round(size / OF_A_SCHOOL))
    for number in range(schools):
        head_count = (number + 1) * size // schools - number * size // schools
        shift = making.shifts(number, schools, head_count)
        yield making.school(number, directorates[number % len(directorates)], head_count + shift, number)


def _above() -> tuple[list[NewUnit], list[str]]:
    titles = DATA["titles"]
    units, directorates = [NewUnit("MEN", Unit.MINISTRY, "", *titles["ministry"])], []
    for a, academy in enumerate(DATA["academies"], 1):
        arabic, latin = academy["name"]
        names = _titled(titles["academy"], arabic, latin)
        units.append(NewUnit(f"A{a:02d}", Unit.ACADEMY, "MEN", *names))
        for d, (arabic, latin) in enumerate(academy["directorates"], 1):
            code, names = f"D{a:02d}{d:02d}", _titled(titles["directorate"], arabic, latin)
            units.append(NewUnit(code, Unit.DIRECTORATE, f"A{a:02d}", *names))
            directorates.append(code)
    return units, directorates


def _titled(title: list[str], arabic: str, latin: str) -> tuple[str, str]:
    return f"{title[0]} {arabic}", f"{title[1]} {latin}"


class _Making:
    """What is drawn and counted on the way. It holds as many numbers as there are pairs of names, whatever the size."""

    def __init__(self, draw: random.Random):
        self.draw = draw
        self.namesakes: dict[tuple[str, str], int] = {}
        self.staff = self.pupils = self.guardians = self.phones = self.shift = 0

    def shifts(self, number: int, schools: int, size: int) -> int:
        """What one school has more than the average the next one has less."""
        if number % 2:
            return -self.shift
        self.shift = self.draw.randrange(size // 2 + 1) if number + 1 < schools else 0
        return self.shift

    def school(self, number: int, directorate: str, size: int, nth: int) -> Branch:
        kind_ar, kind_latin, grades = DATA["schools"]["kinds"][number % len(DATA["schools"]["kinds"])]
        name, code = self.pick(SCHOOLS), f"{number + 1:05d}X"
        part = Branch([NewUnit(code, Unit.ESTABLISHMENT, directorate, f"{kind_ar} {name.arabic}",
                             f"{kind_latin} {' '.join(name.latin)}")], [], [])  # fmt: skip
        desk = min(DESK, size // 20) if nth < 82 else 0
        staff = max(1, round(size * STAFF)) if size > 1 else size
        staff = min(staff + desk, size)
        for n in range(staff):
            part.people.append(self.employee(directorate if n < desk else code, CENTRAL if n < desk else DOMAIN))
        guardians = round(size * GUARDIANS)
        self.families(part, code, grades.split(), pupils=max(0, size - staff - guardians), guardians=guardians)
        del part.people[size:]
        here = {one.login for one in part.people}
        return part._replace(links=[pair for pair in part.links if here.issuperset(pair)])

    def pick(self, names: list[_Name]) -> _Name:
        """The first ones far more often than the last, as in any country."""
        return names[int(len(names) * self.draw.random() ** 2)]

    def first_name(self) -> _Name:
        return self.pick(MALE if self.draw.random() < 0.5 else FEMALE)

    def spelled(self, name: _Name) -> str:
        return name.latin[0] if len(name.latin) == 1 or self.draw.random() < 0.8 else self.draw.choice(name.latin[1:])

    def employee(self, unit: str, domain: str) -> Resident:
        first, last = self.first_name(), self.pick(FAMILY)
        first_latin, last_latin = self.spelled(first), self.spelled(last)
        name = f"{first_latin}.{last_latin}".lower()
        local = self.free(name, domain)
        self.staff += 1
        payroll = str(1_000_000 + self.staff * 7919 % 9_000_000) if self.draw.random() < 0.95 else ""
        other = f"{self.free(name, CENTRAL)}@{CENTRAL}" if domain == DOMAIN and self.draw.random() < 0.05 else ""
        email, phone = self.contacts(As.STAFF, local, self.phone())
        language = "fr" if self.draw.random() < 0.15 else "ar"
        return Resident(f"{local}@{domain}", payroll, other, first.arabic, last.arabic, first_latin, last_latin,
                         "staff", unit, email, phone, language)  # fmt: skip

    def free(self, name: str, domain: str) -> str:
        """The second of one name gets a number, as the ministry does it."""
        count = self.namesakes.get((name, domain), 0)
        self.namesakes[name, domain] = count + 1
        return f"{name}{count}" if count else name

    def families(self, part: Branch, code: str, grades: list[str], *, pupils: int, guardians: int) -> None:
        """Siblings with one family name and one phone, in the classes of the school, and mostly a guardian."""
        classes = [f"{code}-{grades[n % len(grades)]}-{n // len(grades) + 1}" for n in range(-(-pupils // CLASS_SIZE))]
        part.units.extend(NewUnit(one, Unit.CLASS, code, *(one.removeprefix(f"{code}-"),) * 2) for one in classes)
        left = guardians
        while pupils or left:
            children = min(pupils, self.draw.choice((1, 2, 2, 3, 4, 5)))
            last, phone = self.pick(FAMILY), self.phone()
            last_latin = self.spelled(last)
            family = [self.pupil(self.draw.choice(classes), last, last_latin, phone) for _ in range(children)]
            part.people.extend(family)
            if left:
                left -= 1
                part.people.append(self.guardian(code, last, last_latin, phone))
                part.links.extend((child.login, part.people[-1].login) for child in family)
            pupils -= children

    def pupil(self, unit: str, last: _Name, last_latin: str, phone: str) -> Resident:
        self.pupils += 1
        return self._of_family(f"x{self.pupils * 387_420_489 % 10**9:09d}", As.PUPIL, unit, last, last_latin, phone)

    def guardian(self, unit: str, last: _Name, last_latin: str, phone: str) -> Resident:
        self.guardians += 1
        return self._of_family(
            f"w{self.guardians * 387_420_489 % 10**9:09d}", As.GUARDIAN, unit, last, last_latin, phone
        )

    def _of_family(self, local: str, kind: int, unit: str, last: _Name, last_latin: str, phone: str) -> Resident:
        first = self.first_name()
        email, number = self.contacts(kind, local, phone)
        return Resident(f"{local}@{DOMAIN}", "", "", first.arabic, last.arabic, self.spelled(first), last_latin,
                         As(kind).name.lower(), unit, email, number, "ar")  # fmt: skip

    def phone(self) -> str:
        self.phones += 1
        return f"+21279{self.phones * 1_234_577 % 10**7:07d}"

    def contacts(self, kind: int, local: str, phone: str) -> tuple[str, str]:
        nothing, by_phone, by_email, _ = CONTACTS[kind]
        drawn = self.draw.randrange(100)
        has_phone = nothing <= drawn < nothing + by_phone or drawn >= nothing + by_phone + by_email
        return (f"{local}@example.org" if drawn >= nothing + by_phone else ""), (phone if has_phone else "")


# --- into the database


def enter(made: Iterator[Branch], *, now: datetime, since: date) -> Iterator[int]:
    """Add it all, some thousand people by commit; yields how many were added. Who stands there already is a refusal of
    the database."""
    ids: dict[str, int] = {}
    while batch := _batch(made):
        with transaction.atomic():
            own = dict(ids)
            for part in batch:
                own |= people.units.add_many(part.units, known=own)
            added = people.bulk.enter([_row(one, own, since) for part in batch for one in part.people], now=now)
            pairs = [(added[pupil], added[guardian]) for part in batch for pupil, guardian in part.links]
            people.guardians.put([people.guardians.NewLink(*pair, TUTOR, since, since + YEAR) for pair in pairs])
        ids = ids or own  # what stands above all schools; of a school nothing is needed again
        yield sum(len(part.people) for part in batch)


def _batch(made: Iterator[Branch]) -> list[Branch]:
    found: list[Branch] = []
    while sum(len(part.people) for part in found) < BATCH and (more := list(islice(made, 1))):
        found += more
        if not found[0].people:
            break  # the units above stand alone
    return found


def _row(one: Resident, ids: dict[str, int], since: date) -> people.bulk.NewRow:
    other, _, domain = one.other_address.partition("@")
    names = [name for name in ((one.payroll, ""), (other, domain)) if name[0]]
    return people.bulk.NewRow(
        one.login, one.first_ar, one.last_ar, one.first_latin, one.last_latin, one.language, one.kind, names=names,
        belongs=[(ids[one.unit], As[one.kind.upper()], since)],
        contacts=[(kind, value) for kind, value in (("email", one.email), ("phone", one.phone)) if value],
    )  # fmt: skip
