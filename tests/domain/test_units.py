"""The tree of units, belonging and roles, compared with a model that walks it naively, day by day."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from massar.domain.people import api as people
from massar.domain.people.models import Belonging, RoleGrant, Unit
from massar.domain.people.rights import AT, RIGHTS, Permission, Right, Role, Standing, judge
from tests.support.captured import captured
from tests.support.plans import reads

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 7, 8, 0, tzinfo=UTC)
DAY = NOW.date()
Kind, As = people.units.Kind, people.belonging.Kind
NAMES = ("وحدة", "Unité")


def unit(code: str, kind: int, parent: str = "", **days) -> int:
    above = people.units.by_code(parent) if parent else None
    return people.units.add(code, kind, NAMES, parent=above, **days)


def person(login: str, role: str = "staff") -> int:
    return people.directory.create(login=f"{login}@taalim.ma", role=role, now=NOW)


@pytest.fixture
def country(db) -> dict[str, int]:
    """Two academies; below the first two directorates, schools and a class."""
    return {
        code: unit(code, kind, parent)
        for code, kind, parent in [
            ("M", Kind.MINISTRY, ""), ("A1", Kind.ACADEMY, "M"), ("A2", Kind.ACADEMY, "M"),
            ("D1", Kind.DIRECTORATE, "A1"), ("D2", Kind.DIRECTORATE, "A1"), ("S1", Kind.ESTABLISHMENT, "D1"),
            ("S2", Kind.ESTABLISHMENT, "D2"), ("S1-SAT", Kind.ESTABLISHMENT, "S1"), ("C1", Kind.CLASS, "S1"),
        ]
    }  # fmt: skip


def test_a_unit_stands_only_where_it_fits(country):
    for kind, parent in [(Kind.MINISTRY, "A1"), (Kind.ACADEMY, "A1"), (Kind.CLASS, "D1"), (Kind.CLASS, ""),
                         (Kind.CLASS, "C1"), (Kind.DIRECTORATE, "S1")]:  # fmt: skip
        with pytest.raises(ValueError, match="does not fit"):
            unit("X", kind, parent)


def test_a_school_is_placed_and_never_below_itself(country):
    people.units.named("LONE", *NAMES)
    people.units.place("LONE", people.units.by_code("D2"))
    assert people.units.by_code("LONE").parent_id == country["D2"]
    for code, parent in [("S1", "S1-SAT"), ("S1", "S1"), ("D1", "S1"), ("none", "D1")]:
        with pytest.raises(ValueError, match="does not fit"):
            people.units.place(code, people.units.by_code(parent))


def test_below_and_the_tree_with_counts(country):
    for code, kind in [("C1", As.PUPIL), ("S1", As.STAFF), ("S1-SAT", As.PUPIL), ("D1", As.STAFF), ("S2", As.STAFF)]:
        people.belonging.begin(person(f"p.{code.lower()}"), country[code], kind, since=DAY)
    found = people.units.below(country["D1"], on=DAY)
    assert [one.code for one in found] == ["D1", "S1", "S1-SAT", "C1"]
    assert [u.code for u in people.units.below(country["M"], on=DAY, kinds=[Kind.DIRECTORATE])] == ["D1", "D2"]
    counts = {one.unit.code: one.people for one in people.units.count(country["A1"], on=DAY)}
    assert list(counts) == ["A1", "D1", "S1", "S1-SAT", "C1", "D2", "S2"], "depth first"
    assert counts["A1"] == {As.STAFF: 3, As.PUPIL: 2} and counts["S1"] == {As.STAFF: 1, As.PUPIL: 2}


def test_a_transfer_moves_scope_on_its_day_and_nothing_runs_for_it(country):
    """Written months ahead, brought forward, called off, put off; `PersonFacts` names the establishment of the day."""
    teacher, june = person("mutee"), date(2027, 6, 30)
    people.belonging.transfer(teacher, country["S1"], As.STAFF, on=DAY)
    people.belonging.transfer(teacher, country["S2"], As.STAFF, on=june)
    below = people.belonging.is_below
    assert below(teacher, country["D1"], on=june - timedelta(days=1)) and not below(teacher, country["D2"], on=DAY)
    assert below(teacher, country["D2"], on=june) and not below(teacher, country["D1"], on=june)
    people.belonging.transfer(teacher, country["S2"], As.STAFF, on=date(2027, 5, 1))
    assert not below(teacher, country["D1"], on=june - timedelta(days=1)), "it is brought forward"
    people.belonging.transfer(teacher, country["S1"], As.STAFF, on=date(2027, 5, 1))
    assert below(teacher, country["D1"], on=june), "and called off"
    people.belonging.transfer(teacher, country["S2"], As.STAFF, on=date(2027, 9, 1))
    assert [(b.code, b.since, b.until) for b in people.belonging.of_person(teacher)] == [
        ("S1", DAY, date(2027, 4, 30)), ("S1", date(2027, 5, 1), date(2027, 8, 31)), ("S2", date(2027, 9, 1), None)
    ]  # fmt: skip
    Unit.objects.filter(code="S2").update(name_latin="Collège Neuf")
    for moment, name in [(NOW, "Unité"), (datetime(2027, 9, 1, 12, tzinfo=UTC), "Collège Neuf")]:
        assert people.directory.by_id(teacher, now=moment).establishment("fr") == name


def test_a_teacher_of_two_schools_and_a_pupil_in_a_class(country):
    teacher, pupil = person("deux.ecoles"), person("x000000001", "pupil")
    people.belonging.begin(teacher, country["S2"], As.COMPLEMENT, since=DAY)
    people.belonging.begin(teacher, country["S1"], As.STAFF, since=DAY)
    people.belonging.begin(pupil, country["C1"], As.PUPIL, since=DAY)
    assert all(people.belonging.is_below(teacher, country[d], on=DAY) for d in ("D1", "D2"))
    Unit.objects.filter(code="S1").update(name_ar="ابن خلدون")
    assert people.directory.by_id(teacher, now=NOW).establishment("ar") == "ابن خلدون", "the main one"
    assert people.directory.by_id(pupil, now=NOW).establishment("ar") == "ابن خلدون", "of the class the school"


def test_each_question_of_scope_is_one_statement_by_index(country, vendor):
    agent, someone = person("agent"), person("quelqu.un")
    people.belonging.begin(someone, country["C1"], As.PUPIL, since=DAY)
    with captured() as asked:
        people.belonging.is_below(someone, country["M"], on=DAY)
        people.units.below(country["M"], on=DAY)
        people.roles.standing(agent, someone, on=DAY)
        people.directory.by_login("quelqu.un", now=NOW)
        people.directory.by_login("quelqu.un@taalim.ma", now=NOW)
        people.directory.by_id(someone, now=NOW)
    assert len(asked) == 6
    if vendor == "sqlite":
        with reads() as found:
            people.belonging.is_below(someone, country["M"], on=DAY)
            people.roles.standing(agent, someone, on=DAY)
            people.directory.by_login("quelqu.un", now=NOW)
            people.directory.by_login("quelqu.un@taalim.ma", now=NOW)
            people.directory.has_namesake(people.directory.by_id(someone, now=NOW))
        assert found.asked and found.whole == {}


# --- roles


def grant(who: int, role: Role, code: str, since: date = DAY, until: date = DAY + timedelta(days=300), kind="own"):
    return people.roles.grant(
        who,
        role,
        people.units.by_code(code),
        kind=kind,
        since=since,
        until=until,
        reason="note 12/26",
        by=None,
        now=NOW,
    )


def test_a_role_is_granted_where_it_fits_for_a_year_at_most_and_taken_back(country):
    head = person("chef")
    assert grant(head, Role.HEAD, "D1") == "role_unit" and grant(head, Role.DIRECTORATE_DESK, "S1") == "role_unit"
    assert grant(head, Role.HEAD, "S1", until=DAY + timedelta(days=401)) == "role_days"
    assert grant(head, Role.HEAD, "S1", until=DAY - timedelta(days=1)) == "role_days"
    assert isinstance(grant(head, Role.HEAD, "S1", kind="acting", until=DAY + timedelta(days=30)), int)
    assert grant(head, Role.HEAD, "S1", until=DAY + timedelta(days=30)) == "role_held"
    assert isinstance(grant(head, Role.HEAD, "S1"), int), "a longer one follows it"
    assert people.roles.revoke(head, Role.HEAD, "S1", on=DAY, now=NOW) == 2
    assert people.roles.revoke(head, Role.HEAD, "S1", on=DAY, now=NOW) == 0
    assert people.roles.standing(1, head, on=DAY).held == frozenset()


DESKS = (Role.MINISTRY_DESK, Role.ACADEMY_DESK, Role.DIRECTORATE_DESK)


def stands(*over, held=(), operates=False, agent=1) -> Standing:
    return Standing(agent, 2, frozenset(over), frozenset(held), operates)


def test_the_table_of_rights():
    """Every role, right and kind of person: what is not written here nobody may."""
    may = {(role, kind, right) for role in Role for kind in As for right in Right
           if judge(right, stands((role, kind))).by is role}  # fmt: skip
    look = {Right.SEARCH, Right.STATE}
    help_ = look | {Right.RECOVER, Right.SLIP, Right.APPROVE, Right.PROPOSE, Right.EXPORT}
    desk = help_ | {Right.UNMASK, Right.CONFIRM, Right.FACTOR}
    expected = {(role, kind, right) for role in DESKS for kind in As for right in desk}
    expected |= {(Role.HEAD, kind, right) for kind in As for right in help_}
    expected |= {(Role.HEAD, As.PUPIL, Right.CODE)}
    expected |= {(role, As.PUPIL, Right.LINK) for role in (*DESKS, Role.HEAD)}
    expected |= {(Role.TEACHER, As.PUPIL, right) for right in look | {Right.SLIP, Right.CODE}}
    assert may == expected
    assert set(AT) == set(RIGHTS) == set(Role)


def test_atk_135_139_nobody_acts_on_oneself_on_a_superior_a_peer_or_an_operator():
    desk = (Role.DIRECTORATE_DESK, As.STAFF)
    assert judge(Right.RECOVER, stands(desk)) == Permission(Role.DIRECTORATE_DESK)
    assert judge(Right.RECOVER, stands(desk, agent=2)) == Permission(None, "self")
    assert judge(Right.RECOVER, stands()) == Permission(None, "outside")
    assert judge(Right.RECOVER, stands(desk, operates=True)) == Permission(None, "privileged")
    for held in DESKS:
        assert judge(Right.RECOVER, stands(desk, held=[held])) == Permission(None, "privileged"), held
    for held in (Role.HEAD, Role.TEACHER):
        assert judge(Right.RECOVER, stands(desk, held=[held])).by is Role.DIRECTORATE_DESK, "a head has a desk too"
    assert judge(Right.FACTOR, stands((Role.HEAD, As.STAFF))) == Permission(None, "right")
    both = stands((Role.HEAD, As.STAFF), (Role.MINISTRY_DESK, As.STAFF), held=[Role.ACADEMY_DESK])
    assert judge(Right.SEARCH, both) == Permission(Role.MINISTRY_DESK), "not by a role below the person's"


def test_atk_135_a_grant_reaches_its_branch_and_no_further(country):
    agent, inside, outside = person("agent"), person("dedans"), person("dehors")
    people.belonging.begin(inside, country["S1"], As.STAFF, since=DAY)
    people.belonging.begin(outside, country["S2"], As.STAFF, since=DAY)
    grant(agent, Role.DIRECTORATE_DESK, "D1", until=DAY + timedelta(days=9))
    may = lambda who, on: judge(Right.SEARCH, people.roles.standing(agent, who, on=on))  # noqa: E731
    assert may(inside, DAY).by and may(inside, DAY + timedelta(days=9)).by
    assert may(outside, DAY).why == may(inside, DAY + timedelta(days=10)).why == "outside"
    assert may(inside, DAY - timedelta(days=1)).why == "outside"
    Unit.objects.filter(code="D1").update(until=DAY + timedelta(days=3))
    assert may(inside, DAY + timedelta(days=3)).by and may(inside, DAY + timedelta(days=4)).why == "outside"


# --- the model


@dataclass
class Model:
    """Everything as plain lists, every question answered by walking."""

    units: list[tuple[int, int | None, date | None, date | None]] = field(default_factory=list)  # kind, parent, days
    belongs: list[tuple[int, int, int, date, date | None]] = field(default_factory=list)  # who, unit, as, days
    grants: list[tuple[int, str, int, date, date, bool]] = field(default_factory=list)  # who, role, unit, days, over

    def open(self, number: int, day: date) -> bool:
        _, _, since, until = self.units[number]
        return holds(since, until, day)

    def up(self, number: int, day: date) -> set[int]:
        found: set[int] = set()
        at: int | None = number
        while at is not None and self.open(at, day):
            found.add(at)
            at = self.units[at][1]
        return found

    def above(self, who: int, day: date) -> set[tuple[int, int]]:
        mine = [(u, kind) for p, u, kind, since, until in self.belongs if p == who and holds(since, until, day)]
        return {(one, kind) for u, kind in mine for one in self.up(u, day)}

    def standing(self, agent: int, who: int, day: date) -> tuple[set, set]:
        live = [(p, r, u) for p, r, u, since, until, over in self.grants if holds(since, until, day) and not over]
        over = {(r, kind) for p, r, u in live if p == agent for at, kind in self.above(who, day) if at == u}
        return over, {r for p, r, u in live if p == who and self.open(u, day)}


def holds(since: date | None, until: date | None, day: date) -> bool:
    return (since is None or since <= day) and (until is None or day <= until)


days = st.integers(0, 6).map(lambda n: DAY + timedelta(days=n))
maybe = st.none() | days


@st.composite
def models(draw) -> Model:
    made = Model()
    for number in range(draw(st.integers(1, 7))):
        parents = [n for n in range(number) if made.units[n][0] != Kind.CLASS]
        parent = draw(st.sampled_from(parents)) if parents and draw(st.booleans()) else None
        above = made.units[parent][0] if parent is not None else 0
        kinds = [k for k in Kind if people.units.fits_below(k, above or None)]
        made.units.append((draw(st.sampled_from(kinds)), parent, draw(maybe), draw(maybe)))
    numbers = st.integers(0, len(made.units) - 1)
    seen = set()
    for who, at, kind, since, until in draw(
        st.lists(st.tuples(st.integers(0, 2), numbers, st.sampled_from(list(As)), days, maybe), max_size=6)
    ):
        if (who, at, since) not in seen:
            seen.add((who, at, since))
            made.belongs.append((who, at, int(kind), since, until))
    roles = st.sampled_from([str(role) for role in Role])
    grants = st.tuples(st.integers(0, 2), roles, numbers, days, days, st.booleans())
    made.grants.extend(draw(st.lists(grants, max_size=6)))
    return made


def stored(model: Model) -> tuple[list[int], list[int]]:
    """Put it into the tables; return the ids of units and people."""
    for table in (RoleGrant, Belonging):
        table.objects.all().delete()
    units: list[int] = []
    for number, (kind, parent, since, until) in enumerate(model.units):
        made = Unit(code=f"H{number}", kind=kind, parent_id=units[parent] if parent is not None else None,
                    name_ar="", name_latin="", since=since, until=until)  # fmt: skip
        made.save()
        units.append(made.pk)
    who = [person(f"h{n}") for n in range(3)]
    for p, at, kind, since, until in model.belongs:
        people.belonging.begin(who[p], units[at], kind, since=since, until=until)
    for p, role, at, since, until, over in model.grants:
        RoleGrant.objects.create(person_id=who[p], unit_id=units[at], role=role, since=since, until=until, reason="",
                                 granted_at=NOW, revoked_at=NOW if over else None)  # fmt: skip
    return units, who


@settings(max_examples=25)
@given(models(), days)
def test_every_answer_is_that_of_the_naive_model(model, day):
    with transaction.atomic():
        units, who = stored(model)
        for number, id in enumerate(units):
            below = {units[n] for n in range(len(units)) if number in model.up(n, day)}
            assert {one.id for one in people.units.below(id, on=day)} == below
            for n, p in enumerate(who):
                assert people.belonging.is_below(p, id, on=day) == (number in {at for at, _ in model.above(n, day)})
        for a, agent in enumerate(who):
            for n, p in enumerate(who):
                found = people.roles.standing(agent, p, on=day)
                assert (set(found.over), set(found.held)) == model.standing(a, n, day)
        transaction.set_rollback(True)
