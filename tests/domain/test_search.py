"""Finding people of a branch: how names are matched, and that the statement and the judge know the same people."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.domain.people.models import Belonging, Person, RoleGrant
from massar.domain.people.search import Scope, by_name, ids_named, pattern, words_of
from tests.support.captured import captured
from tests.support.plans import reads

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 7, 8, 0, tzinfo=UTC)
DAY = NOW.date()
Kind, As, Role = people.units.Kind, people.belonging.Kind, rights.Role
TREE = (
    ("M", Kind.MINISTRY, ""), ("A1", Kind.ACADEMY, "M"), ("D1", Kind.DIRECTORATE, "A1"), ("D2", Kind.DIRECTORATE, "A1"),
    ("S1", Kind.ESTABLISHMENT, "D1"), ("S2", Kind.ESTABLISHMENT, "D2"), ("C1", Kind.CLASS, "S1"),
)  # fmt: skip


@pytest.fixture
def country(db) -> dict[str, int]:
    for code, kind, parent in TREE:
        people.units.add(code, kind, ("وحدة", "Unité"), parent=people.units.by_code(parent) if parent else None)
    return {code: people.units.by_code(code).id for code, *_ in TREE}


def person(login: str, unit: int, kind: int = As.STAFF, *, ar=("", ""), latin=("", ""), role: str = "staff") -> int:
    id = people.directory.create(login=f"{login}@taalim.ma", names_ar=ar, names_latin=latin, role=role, now=NOW)
    people.belonging.begin(id, unit, kind, since=DAY)
    return id


@pytest.mark.parametrize(("stored", "typed"), [
    (("فاطمة الزهراء", "العلوي"), ["فاطمه الزهراء", "علوي", "العلوى", "زهراء فاطمة", "فاطمةالزهراء", "فَاطِمَة"]),
    (("إسماعيل", "آيت أوفقير"), ["اسماعيل", "أسماعيل", "ايت اوفقير", "أيت", "ﺇﺳﻤﺎﻋﻴﻞ"]),
    (("يحيى", "بن علي"), ["يحيي", "بنعلي", "بن على", "يحيى بن علي"]),
    (("Amélie", "Ben-Ali"), ["amelie", "AMÉLIE", "benali", "ben ali", "Ben Ali Amelie", "ＡＭＥＬＩＥ"]),
    (("François", "El Ouafi"), ["francois", "ouafi", "elouafi", "l'ouafi"]),
])  # fmt: skip
def test_a_name_is_found_however_it_is_spelled(country, stored, typed):
    arabic = stored[0][0] > "\u0600"
    one = person("x", country["S1"], **{"ar" if arabic else "latin": stored})
    person("y", country["S1"], ar=("جمال", "جلال"), latin=("Jamal", "Jalal"))
    scope = Scope(Role.DIRECTORATE_DESK, country["D1"])
    for text in typed:
        assert [p.id for p in by_name(scope, words_of(text), now=NOW)] == [one], text


def test_signs_of_patterns_are_only_letters_in_a_name(country):
    """What is typed is no pattern: a dump by `.*` or `%` finds nobody."""
    person("x", country["S1"], latin=("Amal", "Ben [Ali]"))
    scope = Scope(Role.DIRECTORATE_DESK, country["D1"])
    assert words_of(".* %_ [a]|(b)") == ["a", "b"] and words_of("^$?*+") == []
    assert len(by_name(scope, words_of("ben [ali]"), now=NOW)) == 1
    assert all(set(pattern(word)) & set("\\|()^$?{}") == set() for word in ("علي", "ali", "i"))


def test_at_most_so_many_by_name_and_whether_there_are_more(country):
    for number in range(5):
        person(f"x{number}", country["S1"], latin=(f"Amal{'abcde'[number]}", "Alami"))
    scope = Scope(Role.DIRECTORATE_DESK, country["D1"])
    assert [p.first_latin for p in by_name(scope, ["alami"], now=NOW, most=3)] == ["Amala", "Amalb", "Amalc", "Amald"]


def test_an_account_is_looked_for_by_each_of_its_names(country):
    one, other = person("amal.alami", country["S1"]), people.directory.create(login="amal.alami@men.gov.ma", now=NOW)
    people.directory.add_names(one, [("123456", ""), ("amal", "men.gov.ma")])
    assert ids_named("123456") == [one, 0, 0] and ids_named("amal@men.gov.ma") == [one, 0, 0]
    assert ids_named("amal.alami") == [one, other, 0] and ids_named("nobody") == [0, 0, 0]


def test_it_reads_the_branch_and_no_whole_table(country, vendor):
    person("x", country["S1"], latin=("Amal", "Alami"))
    with captured() as asked:
        assert by_name(Scope(Role.DIRECTORATE_DESK, country["D1"]), ["amal"], now=NOW)
        ids_named("x")
    assert len(asked) == (3 if vendor == "postgresql" else 2), "one of them keeps it from being compiled"
    if vendor == "sqlite":
        with reads() as found:
            by_name(Scope(Role.DIRECTORATE_DESK, country["D1"]), ["amal"], now=NOW)
            ids_named("x")
        assert found.asked and found.whole == {}


UNITS, OFFSETS = [code for code, *_ in TREE], st.integers(-2, 2)
belonging = st.tuples(st.sampled_from(UNITS), st.sampled_from(list(As)), OFFSETS, st.none() | OFFSETS)
grants = st.lists(st.tuples(st.sampled_from(list(Role)), st.sampled_from(UNITS), OFFSETS, OFFSETS), max_size=2)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mine=st.lists(st.tuples(st.sampled_from(list(Role)), st.sampled_from(UNITS)), min_size=1, max_size=2),
    others=st.lists(st.tuples(st.lists(belonging, max_size=3), grants, st.booleans()), min_size=1, max_size=5),
)
def test_atk_135_it_finds_whom_the_judge_allows(country, mine, others):
    """ATK-135, ATK-139: over any country, roles and days, nobody whom `rights.judge` refuses, and everybody else."""
    RoleGrant.objects.all().delete()
    Belonging.objects.all().delete()
    Person.objects.all().delete()
    agent = person("agent", country["S1"], latin=("Amal", "Agent"))
    for role, code in mine:
        _grant(agent, role, country[code], DAY, DAY)
    for number, (belongs, held, operates) in enumerate(others):
        role = "operator" if operates else "staff"
        one = people.directory.create(login=f"p{number}@taalim.ma", names_latin=("Amal", "Alami"), role=role, now=NOW)
        for code, kind, since, until in belongs:
            day = DAY + timedelta(days=since)
            people.belonging.begin(one, country[code], kind, since=day, until=until and DAY + timedelta(days=until))
        for role, code, since, until in held:
            _grant(one, role, country[code], DAY + timedelta(days=since), DAY + timedelta(days=until))
    found = {one.id for role, code in mine for one in by_name(Scope(role, country[code]), ["amal"], now=NOW)}
    standing = {id: people.roles.standing(agent, id, on=DAY) for id in Person.objects.values_list("pk", flat=True)}
    assert found == {id for id, one in standing.items() if rights.judge(rights.Right.SEARCH, one).by}


def _grant(who: int, role: Role, unit: int, since: date, until: date) -> None:
    """As a row: also where the command would refuse it."""
    RoleGrant.objects.create(
        person_id=who, unit_id=unit, role=role, since=since, until=until, reason="x", granted_at=NOW
    )
