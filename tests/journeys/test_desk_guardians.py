"""Guardians at the help desk: one is registered by two agents, and ended by one; the phone of a new one is proved."""

import re

import pytest

from massar.core import local_time
from massar.core.audit import api as audit_log
from massar.domain.delivery.models import Message
from massar.domain.desk.models import Case
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.models import Guardianship, Person
from massar.journeys.account import close_sessions, freeze_account
from massar.journeys.desk import agents
from tests.cast import (
    FATIMA,
    FATIMA_PHONE,
    HALIMA,
    HALIMA_PHONE,
    ILYAS,
    JAMAL,
    KHADIJA,
    NEW,
    RIM,
    SALMA,
    STRANGER,
    YOUSSEF,
    facts,
    family,
    link,
)
from tests.support.canary import everything_stored, readable_forms
from tests.support.desk import As, Role, appoint, move, plant
from tests.support.desk_cases import CASE, agent, confirm, propose, shows_number, state
from tests.support.paper import text_of
from tests.support.steps import actions, home, shown, shows
from tests.support.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
PHONE = "+212661998877"
NAMES = {"first_ar": "سعيد", "last_ar": "التازي"}


@pytest.fixture
def school(cast, clock) -> None:
    """Ilyas is a pupil of Jamal's school, and Halima his mother; Youssef's desk is the directorate's, Khadija's the
    academy's."""
    plant()
    family(now=clock())
    move(ILYAS, "24187K-1", As.PUPIL, now=clock())
    appoint(YOUSSEF, Role.DIRECTORATE_DESK, "D07", now=clock())
    appoint(KHADIJA, Role.ACADEMY_DESK, "A07", now=clock())
    appoint(JAMAL, Role.HEAD, "24187K", now=clock())


def names(clock, by=JAMAL, pupil=ILYAS, **guardian: str) -> tuple[Visitor, str, Visitor]:
    """An agent names a guardian in a new case of the pupil: the browser of the number, the number, the agent's."""
    phone, number = shows_number(pupil.login)
    at = propose(agent(by, clock), number, kind="guardian", **{"relation": "2", **guardian})
    return phone, number, at


def guardians_of(pupil, clock) -> list[str]:
    """The logins of who answers for that pupil today."""
    links = people.guardians.all_of_pupil(facts(pupil).id, on=local_time.local(clock()).date())
    return [people.directory.by_id(one.guardian_id, now=clock()).login for one in links]


def page_of(at: Visitor, pupil, clock) -> str:
    signed_in = close_sessions.authenticate(cookie=at.cookies["massar-session"], now=clock())
    token = agents.reference(agents.recognise(signed_in, now=clock()), facts(pupil).id)
    return f"/desk/people/{token}/guardians/"


def test_a_guardian_with_an_account_is_registered_by_two(school, clock, post):
    """The head proposes, the directorate confirms; all hear of it; the first message to the new guardian's phone is
    handed over, which is the yes."""
    _, number, first = names(clock, guardian_phone="0661 00 02 22")
    assert state(number) == "proposed" and guardians_of(ILYAS, clock) == [HALIMA.login]
    second = agent(YOUSSEF, clock, address="203.0.113.9").get(f"/desk/cases/{number.replace('-', '')}/")
    assert "Fatima Zahra Alaoui" in shown(second) and shows(second, "agent.guardian.confirm", "fr")
    second.submit(actions(second, "/confirm/")[0], aware="on")
    assert state(number) == "done" and set(guardians_of(ILYAS, clock)) == {HALIMA.login, FATIMA.login}
    row = Guardianship.objects.get(guardian_id=facts(FATIMA).id)
    assert (row.relation, row.made_by) == (2, facts(YOUSSEF).id)
    assert row.until == people.guardians.school_year_ends(local_time.local(clock()).date())
    for phone in (HALIMA_PHONE, FATIMA_PHONE):
        assert ILYAS.first_ar in post.messages(phone)[-1].text
    [told] = [e for e in audit_log.of_person(facts(ILYAS).id) if e.event == "guardian_linked"]
    assert told.detail["guardian"] == facts(FATIMA).id and told.detail["case"] == number
    assert shows(home(FATIMA).get("/devices/history/"), "activity.child_linked")
    Visitor().ask(ILYAS.login, phone="0661000222")
    assert ILYAS.first_ar in post.messages(FATIMA_PHONE)[-1].text, "the child's code, and the new guardian's phone"
    receipt = first.get(f"/desk/cases/{number.replace('-', '')}/receipt/").page
    words = text_of(receipt.content)
    assert number in words and FATIMA.login not in words
    clock.advance(days=1)
    day = local_time.local(clock()).date()
    another = people.guardians.NewLink(facts(ILYAS).id, facts(SALMA).id, 2, day, row.until, facts(YOUSSEF).id)
    people.guardians.put([another])
    freeze_account.by_operator(person=facts(JAMAL), reason="stolen", now=clock())
    left = set(guardians_of(ILYAS, clock))
    assert left == {HALIMA.login, SALMA.login}, "ATK-138: it may have been a thief's word; a later one was not"
    assert {m.about for m in Message.objects.filter(person_id=facts(HALIMA).id)} >= {"child_unlinked"}


def test_a_new_guardian_proves_the_phone_before_anything_stands(school, clock, post):
    """In the browser of the number, out of the agents' sight; then there is an account, which its owner activates."""
    before = Person.objects.count()
    phone, number, at = names(clock, guardian_phone="0661998877")
    assert shows(at, "error.guardian_names") and state(number) == "open"
    propose(at, number, kind="guardian", relation="2", guardian_phone="0661998877", **NAMES)
    second = confirm(agent(YOUSSEF, clock, address="203.0.113.9"), number)
    assert state(number) == "approved" and Person.objects.count() == before
    phone.get(CASE)
    code = post.code(PHONE)
    assert code not in shown(second.get(f"/desk/cases/{number.replace('-', '')}/")) and PHONE not in shown(phone)
    phone.submit("/recovery/desk/number/contact/", code="000000" if code != "000000" else "111111")
    assert phone.page.status_code == 422 and Person.objects.count() == before
    phone.submit("/recovery/desk/number/contact/", code=code)
    assert phone.path == CASE and state(number) == "done"
    [login] = [one for one in guardians_of(ILYAS, clock) if one != HALIMA.login]
    assert login in shown(phone), "told to the guardian, this once"
    new = people.directory.by_login(login, now=clock())
    assert (new.role, new.name("ar")) == ("guardian", "سعيد التازي")
    assert people.belonging.is_below(new.id, people.units.by_code("24187K").id, on=clock().date())
    assert Case.objects.get(number=number.replace("-", "")).ciphertext is None
    Visitor().ask(ILYAS.login, phone="0661998877")
    assert ILYAS.first_ar in post.messages(PHONE)[-1].text
    clock.advance(minutes=5)
    own = Visitor().ask(login, phone="0661998877")
    secret = post.secret(PHONE)
    assert own.sign_in(login, secret).change(secret, NEW).signed_in
    assert shows(own.get("/children/"), "children.title")
    for canary in (code, PHONE):
        assert not [form for form in readable_forms(canary) if form in everything_stored()], canary


def test_the_code_of_a_new_guardian_has_five_tries_and_an_end(school, clock, post):
    phone, number, _ = names(clock, guardian_phone="0661998877", **NAMES)
    confirm(agent(YOUSSEF, clock, address="203.0.113.9"), number)
    right = post.code(PHONE)
    wrong = "000000" if right != "000000" else "111111"
    phone.get(CASE)
    for _ in range(5):
        phone.submit("/recovery/desk/number/contact/", code=wrong)
        assert shows(phone, "error.guardian_code_wrong")
    phone.submit("/recovery/desk/number/contact/", code=right)
    assert shows(phone, "error.code_spent") and state(number) == "approved"
    clock.advance(minutes=1)
    phone.submit("/recovery/desk/number/contact/again/")
    assert phone.path == CASE
    again = post.code(PHONE)
    phone.submit("/recovery/desk/number/contact/", code=again)
    assert shows(phone, "error.code_spent"), "another code brings no more tries"
    clock.advance(minutes=10)
    phone.get(CASE)
    assert guardians_of(ILYAS, clock) == [HALIMA.login]


def test_atk_138_no_agent_alone_and_nobody_for_oneself(school, clock):
    """Of an agent who is a parent too: two others."""
    for by, wrong in ((YOUSSEF, YOUSSEF.login), (JAMAL, JAMAL.login)):
        _, number, at = names(clock, by, guardian=wrong)
        assert shows(at, "error.guardian_self", facts(by).language) and state(number) == "open"
    _, number, at = names(clock, JAMAL, guardian=YOUSSEF.login)
    refused = confirm(agent(YOUSSEF, clock, address="203.0.113.9"), number)
    assert shows(refused, "error.guardian_self", "fr") and state(number) == "proposed"
    at.client.post(f"/desk/cases/{number.replace('-', '')}/confirm/", {"aware": "on", "csrfmiddlewaretoken": at.token})
    assert state(number) == "proposed", "nor the own proposal, by whoever makes it"
    confirm(agent(KHADIJA, clock, address="192.0.2.9"), number)
    assert YOUSSEF.login in guardians_of(ILYAS, clock)


@pytest.mark.parametrize("still", [True, False])
def test_atk_138_no_agent_decides_who_answers_for_the_own_child(school, clock, still):
    """ATK-138: a head who parts from a pupil's mother neither shuts her out nor brings somebody in; nor is that one of
    the two. Nor whose own link a ruling has ended."""
    link(JAMAL, ILYAS, now=clock(), days=100 if still else -1)
    at = agent(JAMAL, clock)
    path = page_of(at, ILYAS, clock)
    of = re.findall(r'name="who"[^>]* value="([^"]+)"', at.get(path).html)
    for chosen in of:
        at.client.post(path, {"who": chosen, "reason": "jugement", "csrfmiddlewaretoken": at.token})
    at.submit(path, who=of[0], reason="jugement")
    assert at.page.status_code == 422 and shows(at, "error.guardian_own_child")
    assert HALIMA.login in guardians_of(ILYAS, clock) and len(guardians_of(ILYAS, clock)) == len(of) == 1 + still
    _, number, at = names(clock, guardian=FATIMA.login)
    assert shows(at, "error.guardian_own_child") and state(number) == "open"
    link(YOUSSEF, ILYAS, now=clock(), days=100 if still else -1)
    _, number, _ = names(clock, KHADIJA, guardian=FATIMA.login)
    refused = confirm(agent(YOUSSEF, clock, address="203.0.113.9"), number)
    assert shows(refused, "error.guardian_own_child", "fr") and state(number) == "proposed"


@pytest.mark.parametrize("act", ["second word", "end"])
def test_atk_138_who_is_frozen_at_that_moment_decides_nothing(school, clock, monkeypatch, act):
    """ATK-138: the owner's freeze comes first, then the thief's word that was under way: nothing would take it back."""
    _, number, _ = names(clock, guardian=FATIMA.login)
    at, lock = agent(YOUSSEF, clock, address="203.0.113.9"), people.contacts.lock
    if act == "end":
        at.get(page_of(at, ILYAS, clock))
        [form], typed = actions(at, "/guardians/"), {"reason": "jugement"}
        typed["who"] = re.search(r'name="who"[^>]* value="([^"]+)"', at.html)[1]
    else:
        [form], typed = actions(at.get(f"/desk/cases/{number.replace('-', '')}/"), "/confirm/"), {"aware": "on"}

    def freeze_first(*person_ids: int) -> None:
        monkeypatch.setattr(people.contacts, "lock", lock)
        freeze_account.by_operator(person=facts(YOUSSEF), reason="stolen", now=clock())
        lock(*person_ids)

    monkeypatch.setattr(people.contacts, "lock", freeze_first)
    at.client.post(form, {**typed, "csrfmiddlewaretoken": at.token})
    assert facts(YOUSSEF).frozen_at and state(number) == "proposed"
    assert guardians_of(ILYAS, clock) == [HALIMA.login]


def test_a_case_without_a_code_takes_no_others_link_with_it(school, clock):
    """ATK-138: the thief proposed somebody who never came; the same colleague confirmed another agent's guardian."""
    _, number, _ = names(clock, guardian_phone="0661998877", **NAMES)
    confirm(agent(YOUSSEF, clock, address="203.0.113.9"), number)
    _, number, _ = names(clock, KHADIJA, guardian=FATIMA.login)
    confirm(agent(YOUSSEF, clock, address="203.0.113.9"), number)
    assert FATIMA.login in guardians_of(ILYAS, clock)
    freeze_account.by_operator(person=facts(JAMAL), reason="stolen", now=clock())
    assert FATIMA.login in guardians_of(ILYAS, clock)


@pytest.mark.parametrize("who", ["pupil", "operator", "frozen", "nobody", "again", "seventh"])
def test_who_is_no_guardian(school, clock, who):
    named = {"pupil": RIM, "operator": SALMA, "frozen": FATIMA, "again": HALIMA, "seventh": FATIMA}.get(who)
    if who == "frozen":
        freeze_account.by_operator(person=facts(FATIMA), reason="appel", now=clock())
    if who == "seventh":
        for other in (KHADIJA, YOUSSEF, JAMAL, SALMA, RIM):
            link(other, ILYAS, now=clock())
    _, number, at = names(clock, guardian=named.login if named else STRANGER)
    said = {"nobody": "guardian_unknown", "again": "guardian_stands", "seventh": "guardian_most"}
    refused = said.get(who, "guardian_kind_desk")
    assert shows(at, f"error.{refused}") and state(number) == "open", shown(at)
    asked = [e.outcome for e in audit_log.of_person(facts(JAMAL).id) if e.event == "desk_refused"]
    assert asked == [refused], "ATK-135: who asks about accounts of any branch stands in the log"


def test_a_guardian_who_was_frozen_before_the_second_word_is_none(school, clock):
    _, number, _ = names(clock, guardian=FATIMA.login)
    freeze_account.by_operator(person=facts(FATIMA), reason="appel", now=clock())
    refused = confirm(agent(YOUSSEF, clock, address="203.0.113.9"), number)
    assert shows(refused, "error.guardian_kind_desk", "fr") and guardians_of(ILYAS, clock) == [HALIMA.login]


def test_atk_135_a_guardian_is_proposed_for_pupils_of_the_branch_alone(school, clock):
    _, number = shows_number(FATIMA.login)
    at = agent(JAMAL, clock).get("/desk/cases/").submit("/desk/cases/", number=number)
    assert 'value="guardian"' not in at.html, "Fatima is no pupil"
    said = {"kind": "guardian", "relation": "1", "guardian": HALIMA.login, "identity": "on", "present": "on"}
    at.client.post(actions(at, "/propose/")[0], {**said, "reason": "x", "csrfmiddlewaretoken": at.token})
    assert state(number) == "open"
    move(ILYAS, "30000S", As.PUPIL, now=clock())
    _, number = shows_number(ILYAS.login)
    at.get("/desk/cases/").submit("/desk/cases/", number=number)
    assert at.page.status_code == 422 and shows(at, "error.case_unknown")
    assert at.get(page_of(at, ILYAS, clock)).page.status_code == 404


def test_atk_141_guardians_of_a_day_have_an_end(school, clock):
    day = local_time.local(clock()).date()
    rates, agent_id = limits.rate_limits, facts(JAMAL).id
    for spent in (
        rates.LINK_AGENT.bucket(agent_id, day, units=20),
        rates.GUARDIAN_NAMED.bucket(agent_id, day, units=59),
    ):
        assert limits.consume([spent], now=clock()) is None
    _, number, at = names(clock, guardian=FATIMA.login)
    assert at.page.status_code == 429 and state(number) == "open", "proposed"
    clock.advance(minutes=1)
    _, number, at = names(clock, guardian=STRANGER)
    assert at.page.status_code == 429, "asked for"


def test_one_agent_ends_it_at_once_and_both_are_told(school, clock, post):
    """Custody has changed: what has arrived serves no more, and nothing more arrives."""
    child = Visitor().ask(ILYAS.login, phone=HALIMA_PHONE)
    secret = post.secret(HALIMA_PHONE)
    link(FATIMA, ILYAS, now=clock())
    at = agent(YOUSSEF, clock)
    path = page_of(at, ILYAS, clock)
    at.get(path)
    assert HALIMA.login in shown(at) and FATIMA.login in shown(at)
    of = dict(zip(guardians_of(ILYAS, clock), re.findall(r'name="who"[^>]* value="([^"]+)"', at.html), strict=True))
    chosen = of[HALIMA.login]
    at.submit(path, who=chosen)
    assert at.page.status_code == 422, "a reason"
    at.submit(path, who=chosen, reason="jugement du 12 octobre")
    assert at.path.startswith("/desk/cases/") and shows(at, "case.kind.unlinked", "fr"), shown(at)
    assert guardians_of(ILYAS, clock) == [FATIMA.login]
    assert child.sign_in(ILYAS.login, secret).path == "/sign-in/" and "massar-change" not in child.cookies
    for phone in (HALIMA_PHONE, FATIMA_PHONE):
        assert ILYAS.first_ar in post.messages(phone)[-1].text and "ولاية" in post.messages(phone)[-1].text
    for person, event in ((ILYAS, "guardian_unlinked"), (HALIMA, "child_unlinked")):
        [told] = [e for e in audit_log.of_person(facts(person).id) if e.event == event]
        assert told.detail["by"] == facts(YOUSSEF).id
    before = len(post.messages(HALIMA_PHONE))
    clock.advance(minutes=5)
    Visitor().ask(ILYAS.login, phone=HALIMA_PHONE)
    post.work()
    assert len(post.messages(HALIMA_PHONE)) == before
    at.get(path)
    at.client.post(path, {"who": chosen, "reason": "encore", "csrfmiddlewaretoken": at.token})
    assert Case.objects.filter(kind="unlinked").count() == 1, "once"


def test_another_sessions_reference_of_a_guardian_ends_nothing(school, clock):
    one, other = agent(YOUSSEF, clock), agent(KHADIJA, clock)
    chosen = re.search(r'name="who"[^>]* value="([^"]+)"', one.get(page_of(one, ILYAS, clock)).html)[1]
    path = page_of(other, ILYAS, clock)
    other.get(path)
    told = other.client.post(path, {"who": chosen, "reason": "x", "csrfmiddlewaretoken": other.token})
    assert told.status_code == 422 and guardians_of(ILYAS, clock) == [HALIMA.login]
    spent = limits.rate_limits.UNLINK_AGENT.bucket(facts(YOUSSEF).id, local_time.local(clock()).date(), units=20)
    assert limits.consume([spent], now=clock()) is None
    path = page_of(one, ILYAS, clock)
    told = one.client.post(path, {"who": chosen, "reason": "x", "csrfmiddlewaretoken": one.token})
    assert told.status_code == 429 and guardians_of(ILYAS, clock) == [HALIMA.login], "so many a day"
