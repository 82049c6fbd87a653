"""A campaign whose worker dies at any step, or that two workers carry on at once: nobody is dealt with twice."""

from collections import Counter

import pytest

from massar.core.audit import api as audit_log
from massar.domain.campaigns import api as campaigns
from massar.domain.campaigns.api import Kind, Plan, State
from massar.domain.campaigns.models import Campaign
from massar.domain.credentials.models import Password
from massar.domain.delivery.models import Message
from massar.journeys.campaigns import carry_out, manage
from massar.journeys.outcomes import Done
from tests import cast
from tests.support.faults import at_once, every_death

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def everybody(transactional_db, clock):
    cast.enter(now=clock())


def carry_on(campaign: int, clock) -> None:
    """What workers do until it ends."""
    for _ in range(20):
        carry_out.turn(price=1, now=clock())
        clock.advance(minutes=1)
    assert campaigns.store.by_id(campaign).state == State.DONE


def begun(plan: Plan, clock) -> int:
    campaign = manage.make(plan, by=None, now=clock())
    carry_out.turn(price=1, now=clock())
    assert manage.confirm(campaign, number=campaigns.store.by_id(campaign).people, by=None, now=clock()) == Done()
    return campaign


def test_of_a_dead_worker_nothing_is_half_done_and_nobody_reminded_twice(everybody, clock):
    last = []

    def prepare():
        Campaign.objects.all().delete(), Message.objects.all().delete()
        last[:] = [begun(Plan(Kind.CONTACTS, "x", pace=720), clock)]  # two people at a time
        return lambda: carry_out.turn(price=1, now=clock())

    for _ in every_death(clock, prepare, apart=2):
        carry_on(last[0], clock)
        one = campaigns.store.by_id(last[0])
        assert one.done == one.people > 2
        sent = Counter(Message.objects.values_list("to_hmac", flat=True))
        assert len(sent) == one.emails + one.texts and set(sent.values()) == {1}


def test_of_a_dead_worker_nobody_is_asked_twice(everybody, clock):
    last = []

    def prepare():
        Campaign.objects.all().delete(), Password.objects.update(due_for=None)
        last[:] = [begun(Plan(Kind.CHANGE, "x", why="old", pace=720), clock)]
        return lambda: carry_out.turn(price=1, now=clock())

    for _ in every_death(clock, prepare, apart=2):
        carry_on(last[0], clock)
        one = campaigns.store.by_id(last[0])
        asked = list(Password.objects.filter(due_for=last[0]).values_list("person_id", flat=True))
        assert one.done == one.people == len(asked) > 2
        rows = [row for person in asked for row in audit_log.of_person(person, limit=500)
                if row.event == "change_asked" and row.detail["campaign"] == last[0]]  # fmt: skip
        assert len(rows) == len(asked)


def test_counting_that_dies_counts_everybody_once(everybody, clock):
    def prepare():
        Campaign.objects.all().delete()
        manage.make(Plan(Kind.CONTACTS, "x"), by=None, now=clock())
        return lambda: carry_out.turn(price=1, now=clock())

    counted = set()
    for _ in every_death(clock, prepare):
        carry_out.turn(price=1, now=clock())
        one = campaigns.store.newest()[0]
        counted.add((one.state, one.people, one.emails, one.texts))
    assert len(counted) == 1


def test_two_workers_at_once_do_each_person_once(everybody, clock):
    clock.advance(days=1)
    campaign = begun(Plan(Kind.CONTACTS, "x", pace=360), clock)
    Campaign.objects.filter(pk=campaign).update(pace=36_000_000)  # no pause between two steps
    at_once(6, lambda _: carry_out.turn(price=1, now=clock()))
    carry_out.turn(price=1, now=clock())
    one = campaigns.store.by_id(campaign)
    sent = Counter(Message.objects.values_list("to_hmac", flat=True))
    assert one.state == State.DONE and one.done == one.people and set(sent.values()) == {1}
