"""The synthetic country: the same for the same seed, of the size that was asked for, and nobody in it could exist."""

import csv
from collections import Counter

import phonenumbers
import pytest

from massar.core import text
from massar.domain.people import api as people
from massar.domain.people.models import Belonging, Contact, Person, Unit
from massar.interfaces.commands import demo_country as command
from massar.interfaces.commands import main as program
from massar.interfaces.commands.progress import CommandProgress
from massar.journeys.people import demo_country

pytestmark = pytest.mark.both_databases
AS = people.belonging.Kind


def run(*argv: str) -> int:
    return command.run(program.build_parser().parse_args(("demo-country", *argv)))


def made(size: int, seed: int = 1) -> tuple[list, list]:
    parts = list(demo_country.parts(size, seed=seed))
    return [u for part in parts for u in part.units], [p for part in parts for p in part.people]


@pytest.mark.parametrize("size", [1, 2, 50, 3000])
def test_as_many_people_as_were_asked_for(size):
    units, persons = made(size)
    assert len(persons) == size and len({one.login for one in persons}) == size
    kinds = Counter(one.kind for one in units)
    assert (kinds[2], kinds[3]) == (12, 82)
    known = {one.code for one in units}
    assert len(known) == len(units) and {p.unit for p in persons} <= known
    assert {u.parent for u in units} <= known | {""}


def test_the_same_seed_makes_the_same_country_and_another_another():
    assert made(2000) == made(2000) != made(2000, seed=2)


def test_shares_names_and_contacts_are_those_of_a_country():
    _, persons = made(12000)
    roles = Counter(one.kind for one in persons)
    assert 0.03 < roles["staff"] / 12000 < 0.05 and 0.22 < roles["guardian"] / 12000 < 0.26
    staff, pupils = ([p for p in persons if p.kind == role] for role in ("staff", "pupil"))
    bases = Counter(one.login.partition("@")[0].rstrip("0123456789") for one in staff)
    assert max(bases.values()) > 1, "some have one name, and a number tells them apart"
    assert any(one.other_address for one in staff) and 0 < sum(not p.payroll for p in staff) < len(staff) / 5
    phones = Counter(one.phone for one in pupils if one.phone)
    assert 1 < max(phones.values()) <= 5, "siblings share the family's phone"
    contacts = Counter(bool(p.email) + bool(p.phone) for p in staff)
    assert set(contacts) == {0, 1, 2}


def test_nobody_in_it_could_exist():
    """Each is typed as it is stored; phones are of no range that is assigned, mail of a reserved domain (RFC 2606)."""
    for one in made(3000)[1]:
        assert text.login(one.login) == one.login and (not one.payroll or text.payroll(one.payroll) == one.payroll)
        assert not one.phone or not phonenumbers.is_valid_number(phonenumbers.parse(one.phone))
        assert not one.email or one.email.endswith("@example.org")
        assert one.login.endswith(("@taalim.ma", "@men.gov.ma"))
        assert one.kind != "pupil" or one.login.startswith("x")


@pytest.mark.django_db
def test_it_stands_in_the_database_as_if_typed_one_by_one(clock, capsys):
    assert run("--people", "700") == 0 and run("--people", "1") == 1
    assert "needs an empty one" in capsys.readouterr().err
    _, persons = made(700)
    assert Person.objects.count() == Belonging.objects.count() == 700
    assert Contact.objects.count() == sum(bool(p.email) + bool(p.phone) for p in persons)
    top = people.units.by_code("MEN")
    counted = people.units.count(top.id, on=clock().date())[0].people
    assert counted == Counter(AS[p.kind.upper()] for p in persons)
    pupil = next(p for p in persons if p.kind == "pupil" and p.phone)
    found = people.directory.by_login(pupil.login.partition("@")[0], now=clock())
    (held,) = [c for c in people.contacts.of_person(found.id, clock()) if c.kind == "phone"]
    assert held.value == pupil.phone and held.counts(clock()), "it can be read, and serves"
    assert Unit.objects.get(code=pupil.unit).parent.name_latin == found.establishment("fr")
    teacher = next(p for p in persons if p.payroll)
    assert people.directory.by_login(teacher.payroll, now=clock()).login == teacher.login


def test_it_is_written_into_a_file_with_its_units_beside(tmp_path, capsys):
    path = tmp_path / "country.csv"
    assert run("--people", "300", "--csv", str(path)) == 0
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    units = list(csv.DictReader((tmp_path / "country.units.csv").open(encoding="utf-8")))
    assert len(rows) == 300 and rows[0]["first_ar"] and units[0]["kind"] == "ministry"
    with pytest.raises(FileExistsError):
        run("--people", "1", "--csv", str(path))


def test_a_bar_tells_share_rate_and_end():
    progress = CommandProgress(4000, "people")
    progress.add(1000)
    assert progress.line(2.0) == f"{'█' * 7}{'░' * 23}  25%  1,000 of 4,000 people  500/s  0:06 left"
