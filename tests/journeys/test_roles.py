"""Roles and units by command, each told in the audit log and to its person."""

import pytest

from massar.core.audit import api as audit_log
from massar.domain.people import api as people
from massar.interfaces.commands import main as program
from massar.interfaces.commands import units as command
from massar.journeys.account import my_data
from massar.journeys.people import import_people
from tests.cast import FATIMA, JAMAL, facts
from tests.support.steps import home, shows

pytestmark = pytest.mark.both_databases
UNTIL = "2026-08-31"  # the test's clock stands in February


def run(*argv: str) -> int:
    options = program.build_parser().parse_args(argv)
    return getattr(command, options.run)(options)


@pytest.fixture
def tree(cast) -> None:
    """The ministry over an academy over a directorate; the cast's school below it."""
    for kind, code, under in (("ministry", "M", ()), ("academy", "A07", ("M",)), ("directorate", "D07", ("A07",))):
        above = ("--under", *under) if under else ()
        assert run("units", "add", kind, code, "وحدة", f"Unit {code}", *above) == 0
    people.units.place("24187K", people.units.by_code("D07"))


def test_the_program_names_the_kinds_and_roles_of_the_room():
    assert program.UNIT_KINDS == tuple(command.KINDS)
    assert program.ROLES == tuple(map(str, people.rights.Role))


def test_the_tree_is_shown_with_its_people(tree, capsys):
    capsys.readouterr()
    assert run("units", "show", "A07") == 0
    assert capsys.readouterr().out.splitlines() == [
        "A07  Unit A07 · وحدة  (3 staff)", "  D07  Unit D07 · وحدة  (3 staff)",
        "    24187K  Lycée Ibn Khaldoun · ثانوية ابن خلدون التأهيلية  (3 staff)",
    ]  # fmt: skip
    assert run("units", "show", "Z9") == 1 and "no such unit" in capsys.readouterr().err
    assert run("units", "add", "class", "C", "x", "x", "--under", "D07") == 1
    assert "does not fit there" in capsys.readouterr().err


def test_a_role_is_granted_told_and_taken_back(tree, clock, capsys):
    asked = ("directorate_desk", JAMAL.login, "--at", "D07", "--reason", "note de service 12/26")
    assert run("grant", *asked, "--until", UNTIL, "--acting") == 0
    assert run("grant", *asked, "--until", UNTIL) == 1, "held already"
    today = clock().date()
    fatima, jamal = facts(FATIMA), facts(JAMAL)
    may = lambda: people.rights.judge("recover", people.roles.standing(jamal.id, fatima.id, on=today))  # noqa: E731
    assert may().by == "directorate_desk"
    assert shows(home(JAMAL).get("/devices/history/"), "activity.role_granted")
    assert run("revoke", *asked) == 0 and may().why == "outside"
    assert run("revoke", *asked) == 1
    events = [e for e in audit_log.of_person(jamal.id) if e.event.startswith("role_")]
    assert [(e.event, e.outcome, e.detail["unit"]) for e in events] == [
        ("role_revoked", "directorate_desk", "D07"), ("role_granted", "directorate_desk", "D07")
    ]  # fmt: skip
    assert events[1].detail["place"] == "acting" and events[1].detail["reason"] == "note de service 12/26"
    given = {section.kept.name: section.rows for section in my_data.collect(jamal)}
    assert given["roles"][0]["role"] == "directorate_desk" and given["roles"][0]["revoked_at"]
    assert given["belongings"][0]["establishment_latin"] == "Lycée Ibn Khaldoun"


@pytest.mark.parametrize(("asked", "told"), [
    (("head", JAMAL.login, "--at", "D07"), "units of another kind: establishment"),
    (("head", "nobody@taalim.ma", "--at", "24187K"), "no such account"),
    (("head", JAMAL.login, "--at", "none"), "no such unit"),
])  # fmt: skip
def test_what_can_not_be_granted_is_said(tree, capsys, asked, told):
    assert run("grant", *asked, "--reason", "x", "--until", UNTIL) == 1
    assert told in capsys.readouterr().err


def test_a_role_never_outlives_a_school_year_nor_begins_on_a_shut_account(tree, clock, capsys):
    asked = ("head", JAMAL.login, "--at", "24187K", "--reason", "x", "--until")
    assert run("grant", *asked, "2027-08-31") == 1 and "at most 400 days" in capsys.readouterr().err
    people.directory.disable(facts(JAMAL).id)
    assert run("grant", *asked, UNTIL) == 1 and "disabled or frozen" in capsys.readouterr().err


def test_one_person_is_added_with_every_name(cast, clock):
    new = import_people.NewPerson("karim.tazi@taalim.ma", payroll="١٢٣٤٥٦٧", other_address="K.TAZI@men.gov.ma")
    assert isinstance(import_people.add(new, now=clock()), import_people.Done)
    karim = people.directory.by_login("karim.tazi", now=clock())
    assert people.directory.names_of(karim.id) == [("1234567", ""), ("k.tazi", "men.gov.ma")]
    again = import_people.NewPerson("k.tazi@men.gov.ma", payroll="1234567", other_address="karim.tazi@taalim.ma")
    problems = import_people.add(again, now=clock()).of
    assert {field: one[0].id for field, one in problems.items()} == dict.fromkeys(
        ("login", "payroll", "other_address"), "login_taken"
    )
    odd = import_people.NewPerson("x.y@taalim.ma", payroll="abc", other_address="x.y@example.org")
    assert {f: one[0].id for f, one in import_people.add(odd, now=clock()).of.items()} == {
        "payroll": "payroll_shape", "other_address": "login_shape"
    }  # fmt: skip
