"""Links of guardians, compared with a model that walks them naively, day by day."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from massar.domain.people import api as people
from massar.domain.people.models import Guardianship, Person
from tests.support.plans import reads

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
DAY = NOW.date()
Relation, NewLink = people.guardians.Relation, people.guardians.NewLink


def person(login: str, role: str) -> int:
    return people.directory.create(login=f"{login}@taalim.ma", role=role, now=NOW)


@dataclass
class Step:
    """What happens to one pair: a link is put, with its first and last day; or the pupil, or the guardian, changes."""

    pupil: int
    guardian: int
    since: int
    until: int


STEPS = st.builds(Step, st.integers(0, 2), st.integers(0, 2), st.integers(-5, 5), st.integers(-5, 9))


@settings(max_examples=40)
@given(st.lists(STEPS, max_size=8), st.sets(st.integers(0, 2)), st.sets(st.integers(0, 2)), st.sets(st.integers(0, 2)))
def test_who_answers_for_whom_on_every_day(steps, grown, disabled, frozen):
    with transaction.atomic():
        pupils = [person(f"x13000000{n}", "pupil") for n in range(3)]
        parents = [person(f"w13000000{n}", "guardian") for n in range(3)]
        model: dict[tuple[int, int, int], int] = {}
        for step in steps:
            link = NewLink(pupils[step.pupil], parents[step.guardian], Relation.TUTOR,
                           DAY + timedelta(days=step.since), DAY + timedelta(days=step.until))  # fmt: skip
            people.guardians.put([link])
            model[step.pupil, step.guardian, step.since] = step.until
        Person.objects.filter(pk__in=[pupils[n] for n in grown]).update(role="staff")
        for n in disabled:
            people.directory.disable(parents[n])
        for n in frozen:
            people.directory.freeze(parents[n], now=NOW)
        for day in range(-6, 11):
            at = datetime.combine(DAY + timedelta(days=day), time(12), UTC)
            holds = {(p, g) for (p, g, since), until in model.items() if since <= day <= until and p not in grown}
            found = {(one.pupil_id, one.guardian_id) for one in people.guardians.of_pupils(pupils, now=at)}
            assert found == {(pupils[p], parents[g]) for p, g in holds if g not in disabled | frozen}
            for g, parent in enumerate(parents):
                theirs = [one.pupil_id for one in people.guardians.of_guardian(parent, now=at)]
                assert sorted(theirs) == sorted(pupils[p] for p, other in holds if other == g), "each once"
        transaction.set_rollback(True)


def test_a_link_that_is_put_again_moves_and_is_not_doubled():
    pupil, parent = person("x130000001", "pupil"), person("w130000001", "guardian")
    for until, relation in ((5, Relation.TUTOR), (9, Relation.MOTHER)):
        people.guardians.put([NewLink(pupil, parent, relation, DAY, DAY + timedelta(days=until))])
    [row] = Guardianship.objects.values_list("until", "relation")
    assert row == (DAY + timedelta(days=9), Relation.MOTHER)
    assert people.guardians.standing({(pupil, parent), (parent, pupil)}, on=DAY).keys() == {(pupil, parent)}


def test_links_are_found_by_index(vendor):
    """Ten million of them stand in the table of a country. SQLite tells how it goes about a small table, too."""
    if vendor != "sqlite":
        return
    pupil, parent = person("x130000001", "pupil"), person("w130000001", "guardian")
    people.guardians.put([NewLink(pupil, parent, Relation.TUTOR, DAY, DAY)])
    with reads() as found:
        people.guardians.of_pupils([pupil], now=NOW)
        people.guardians.of_guardian(parent, now=NOW)
        people.guardians.all_of(parent)
        people.guardians.standing({(pupil, parent)}, on=DAY)
        people.guardians.holders({"+212661000001"}, now=NOW)
        people.guardians.accounts({"x130000001@taalim.ma"})
    assert len(found.asked) == 6 and found.whole == {}
