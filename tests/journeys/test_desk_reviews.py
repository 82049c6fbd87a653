"""Approved cases drawn by lot: looked at once more by somebody above who had no part in them."""

from datetime import timedelta

import pytest

from massar.core.audit import api as audit_log
from massar.domain.desk import api as desk
from massar.domain.desk.models import Case
from massar.domain.people import api as people
from massar.journeys.account import close_sessions
from massar.journeys.desk import agents, review
from massar.journeys.messages import watch_messages
from tests.cast import FATIMA, JAMAL, KHADIJA, SALMA, YOUSSEF, facts
from tests.support.captured import captured
from tests.support.desk import As, Role, appoint, at_desk, plant, prove_factor, unit
from tests.support.steps import home, shows

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
PAGE = "/desk/reviews/"
MACHINE = desk.Machine("browser", "network", frozenset(), "Firefox")


@pytest.fixture
def branches(cast, clock, monkeypatch) -> None:
    """Youssef's desk is D07's, Khadija's the academy's, Jamal's the ministry's. Every case is drawn."""
    plant()
    for agent, role, code in (
        (YOUSSEF, Role.DIRECTORATE_DESK, "D07"), (KHADIJA, Role.ACADEMY_DESK, "A07"), (JAMAL, Role.MINISTRY_DESK, "M"),
    ):  # fmt: skip
        appoint(agent, role, code, now=clock())
    monkeypatch.setattr(desk.reviews, "ONE_OF", 1)


def decided(clock, *by: tuple) -> desk.CaseFacts:
    """A case about Fatima that was approved by one agent, or by two, each with a role."""
    case = desk.cases.by_number(desk.cases.open_case(FATIMA.login, MACHINE, now=clock()))
    (first, role), *others = by
    said = desk.Proposal(
        desk.cases.Kind.PASSWORD, facts(FATIMA).id, unit("D07").id, "D07", facts(first).id, role, 1, MACHINE,
        "carte vue", ("identity",),
    )  # fmt: skip
    to = desk.cases.State.PROPOSED if others else desk.cases.State.APPROVED
    assert desk.cases.propose(case, said, {}, to=to, now=clock())
    for second, role in others:
        assert desk.cases.approve(case.id, second_id=facts(second).id, role=role, now=clock())
    return desk.cases.by_id(case.id)


def sees(agent, case: desk.CaseFacts, clock) -> bool:
    return case.shown in at_desk(agent, now=clock()).get(PAGE).html


DIRECTORATE, ACADEMY, MINISTRY = (
    (YOUSSEF, Role.DIRECTORATE_DESK), (KHADIJA, Role.ACADEMY_DESK), (JAMAL, Role.MINISTRY_DESK)
)  # fmt: skip


@pytest.mark.parametrize(("by", "seen_by"), [
    ([DIRECTORATE], [KHADIJA, JAMAL]), ([DIRECTORATE, ACADEMY], [JAMAL]), ([MINISTRY], []),
])  # fmt: skip
def test_atk_141_somebody_above_who_had_no_part_looks_at_it(branches, clock, by, seen_by):
    """ATK-141: neither the agents themselves, nor somebody below; and what they send changes nothing."""
    case = decided(clock, *by)
    for agent in (YOUSSEF, KHADIJA, JAMAL):
        assert sees(agent, case, clock) == (agent in seen_by), agent.login
        if agent not in seen_by:
            visitor = at_desk(agent, now=clock())
            data = {"csrfmiddlewaretoken": visitor.get(PAGE).token, "reason": "mine"}
            for act in ("right", "asked"):
                assert visitor.client.post(f"{PAGE}{case.number}/{act}/", data).status_code == 404
    assert Case.objects.get().review == "drawn"


def test_colleagues_of_the_ministrys_desk_look_at_each_others(branches, clock):
    case = decided(clock, MINISTRY)
    appoint(KHADIJA, Role.MINISTRY_DESK, "M", now=clock())
    assert sees(KHADIJA, case, clock) and not sees(JAMAL, case, clock)


def test_what_waits_for_others_hides_nothing(branches, clock, monkeypatch):
    """Cases of the branch that wait for the ministry are older, and more than are looked through for one page."""
    monkeypatch.setattr(review, "MOST", 2)
    for _ in range(3):
        decided(clock, DIRECTORATE, MINISTRY)
    case = decided(clock, DIRECTORATE)
    assert sees(KHADIJA, case, clock)


def test_who_has_left_is_looked_at_by_the_ministry(branches, clock):
    case = decided(clock, DIRECTORATE)
    for kind in As:
        people.belonging.end(facts(YOUSSEF).id, last=clock().date() - timedelta(days=1), kind=kind)
    assert not sees(KHADIJA, case, clock) and sees(JAMAL, case, clock)


def test_a_page_of_many_costs_what_one_costs(branches, clock):
    signed_in = close_sessions.authenticate(cookie=at_desk(KHADIJA, now=clock()).cookies["massar-session"], now=clock())
    agent = agents.recognise(signed_in, now=clock())
    costs = []
    for many in (1, 8):
        for _ in range(many):
            decided(clock, DIRECTORATE)
        with captured() as asked:
            assert review.waiting(agent, now=clock())
        costs.append(len(asked))
    assert costs[0] == costs[1]


def test_who_holds_no_role_any_more_looks_at_nothing(branches, clock):
    case = decided(clock, DIRECTORATE)
    people.directory.disable(facts(FATIMA).id)
    assert sees(KHADIJA, case, clock), "what was decided about an account that was shut since is looked at too"
    number = case.number
    visitor = at_desk(KHADIJA, now=clock()).get(PAGE)
    clock.advance(days=181)
    assert visitor.get(PAGE).page.status_code == 404 or visitor.path == "/sign-in/"
    assert desk.cases.by_number(number).review == "drawn"


def asked() -> list[str]:
    return [e.outcome for e in audit_log.of_person(facts(KHADIJA).id) if e.event == "desk_reviewed"]


def alarms(clock) -> list[tuple[str, ...]]:
    return [one.about for one in watch_messages.Overview(now=clock()).alarms if one.id == "desk-asked"]


def test_seen_and_right(branches, clock):
    case = decided(clock, DIRECTORATE)
    khadija = at_desk(KHADIJA, now=clock()).get(PAGE)
    khadija.submit(f"{PAGE}{case.number}/right/")
    assert shows(khadija, "flash.review_right") and case.shown not in khadija.html
    assert asked() == ["right"] and alarms(clock) == []
    row = Case.objects.get()
    assert (row.review, row.review_by, row.review_at) == ("right", facts(KHADIJA).id, clock())
    data = {"csrfmiddlewaretoken": khadija.token, "reason": "why"}
    assert khadija.client.post(f"{PAGE}{case.number}/asked/", data).status_code == 404, "once"


def test_what_is_asked_about_alarms_operators_until_it_is_right(branches, clock):
    case = decided(clock, DIRECTORATE)
    khadija = at_desk(KHADIJA, now=clock()).get(PAGE)
    khadija.submit(f"{PAGE}{case.number}/asked/", reason="")
    assert khadija.page.status_code == 422 and shows(khadija, "review.reason_missing") and alarms(clock) == []
    khadija.submit(f"{PAGE}{case.number}/asked/", reason="she was on leave that day")
    assert shows(khadija, "flash.review_asked") and shows(khadija, "review.asked")
    assert alarms(clock) == [(f"D07 {case.shown}",)]
    assert shows(prove_factor(home(SALMA), SALMA, now=clock()).get("/desk/messages/"), "alarm.desk_asked")
    [event] = [e for e in audit_log.of_person(facts(KHADIJA).id) if e.event == "desk_reviewed"]
    assert event.detail["reason"] == "she was on leave that day" and event.detail["case"] == case.shown
    jamal = at_desk(JAMAL, now=clock()).get(PAGE)
    jamal.submit(f"{PAGE}{case.number}/right/")
    assert alarms(clock) == [] and case.shown not in jamal.html


def test_one_of_twenty_is_drawn_by_a_lot_that_nobody_foresees(db, settings, monkeypatch):
    drawn = {number for number in range(1, 4001) if desk.reviews.drawn(number)}
    assert 120 < len(drawn) < 280 and drawn == {number for number in range(1, 4001) if desk.reviews.drawn(number)}
    monkeypatch.setattr(desk.reviews, "encryption", _OtherKeys)
    assert len(drawn & {number for number in range(1, 4001) if desk.reviews.drawn(number)}) < 60


class _OtherKeys:
    @staticmethod
    def data_keys():
        return _OtherKeys

    @staticmethod
    def blind_index(purpose: str, *parts: object) -> str:
        return f"{hash((purpose, *parts)) & (1 << 60) - 1:015x}"
