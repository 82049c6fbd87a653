"""Campaigns: asked of many people by a count, a confirmed number and a pace; never a secret, never a mass reset."""

import re
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from massar.core import local_time
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.campaigns import api as campaigns
from massar.domain.campaigns.api import Kind, Plan, State
from massar.domain.campaigns.models import Campaign
from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import Password
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Message
from massar.domain.people import api as people
from massar.domain.people.models import Contact, RoleGrant
from massar.domain.sessions import api as sessions
from massar.interfaces.commands import campaign as command
from massar.interfaces.commands import main as program
from massar.interfaces.demo.cast import HASSAN, NADIA
from massar.journeys import after_restore
from massar.journeys.account import change_password, freeze_account
from massar.journeys.campaigns import carry_out, manage
from massar.journeys.messages import deliver_messages, sms_budget
from massar.journeys.outcomes import Done, Gone, Problem
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, SALMA, YOUSSEF, YOUSSEF_EMAIL, enter, facts
from tests.support.authenticator import add_app, second_step
from tests.support.captured import captured
from tests.support.desk import Role, appoint, plant
from tests.support.steps import home, recover, shows
from tests.support.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
PRICE = 250
NEW = "Couscous-mint-4!"


def change(**more) -> Plan:
    return Plan(Kind.CHANGE, "Old passwords", why="old", **more)


def made(plan: Plan, clock, targets=None, by=None) -> int:
    """A campaign whose people are counted."""
    campaign = manage.make(plan, by=by, targets=targets, now=clock())
    assert isinstance(campaign, int)
    turn(clock)
    assert stored(campaign).state == State.COUNTED
    return campaign


def stored(campaign: int):
    return campaigns.store.by_id(campaign)


def turn(clock) -> None:
    while carry_out.turn(price=PRICE, now=clock()):
        pass


def run(campaign: int, clock) -> None:
    """From the count to its end."""
    assert manage.confirm(campaign, number=stored(campaign).people, by=None, now=clock()) == Done()
    for _ in range(30):
        turn(clock)
        clock.advance(seconds=30)
    assert stored(campaign).state == State.DONE


def asked_of(*cast, clock) -> int:
    """A forced change of these people, carried out."""
    clock.advance(days=1)
    campaign = made(change(), clock, targets=[facts(person).id for person in cast])
    run(campaign, clock)
    return campaign


# -- a forced change, as the person meets it


def choose(visitor: Visitor, new: str) -> Visitor:
    return visitor.get("/password/change/").submit("/password/change/", new=new, confirm=new)


def test_the_right_password_leads_to_the_change_form_and_then_in(cast, clock):
    asked_of(YOUSSEF, clock=clock)
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    assert shows(visitor, "due.why.old") and shows(visitor, "due.text") and not visitor.signed_in
    visitor.get("/password/change/")
    assert shows(visitor, "password.due_right") and 'name="current"' not in visitor.html
    assert choose(visitor, YOUSSEF.password).path == "/password/change/", "the same one is none"
    assert choose(visitor, NEW).signed_in
    assert Visitor().sign_in(YOUSSEF.login, NEW).signed_in, "asked once"
    assert not Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).signed_in
    history = [row.event for row in audit_log.of_person(facts(YOUSSEF).id)]
    assert {"change_asked", "password_due", "password_changed"} <= set(history)


def test_a_wrong_password_is_told_nothing_of_it(cast, clock):
    asked_of(YOUSSEF, clock=clock)
    asked, other = Visitor().sign_in(YOUSSEF.login, "wrong"), Visitor().sign_in(FATIMA.login, "wrong")
    assert asked.path == other.path == "/sign-in/" and shows(asked, "problem.wrong")


def test_what_it_opens_changes_the_password_and_nothing_else(cast, clock):
    asked_of(YOUSSEF, clock=clock)
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    for path in ("/", "/profile/", "/devices/", "/profile/security/"):
        assert visitor.get(path).path == "/sign-in/"


def test_closing_changes_nothing_and_it_is_asked_again(cast, clock):
    asked_of(YOUSSEF, clock=clock)
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).submit("/password/close/")
    assert visitor.path == "/sign-in/"
    assert shows(visitor.sign_in(YOUSSEF.login, YOUSSEF.password), "due.text")


def test_atk_050_the_second_step_comes_before_the_change_form(cast, clock):
    """ATK-050: where there is a second factor, the right password alone does not open the change form."""
    app, _ = add_app(home(JAMAL), JAMAL.password, clock)
    asked_of(JAMAL, clock=clock)
    visitor = Visitor().sign_in(JAMAL.login, JAMAL.password)
    assert visitor.path == "/sign-in/second/" and visitor.get("/password/change/").path == "/sign-in/"
    visitor.sign_in(JAMAL.login, JAMAL.password)
    assert shows(second_step(visitor, app.code), "due.text")
    assert choose(visitor, NEW).signed_in


def test_whoever_changed_it_elsewhere_meanwhile_signs_in_again(cast, clock):
    """A running session goes on; what is changed there ends the change form that stands open elsewhere."""
    running = home(YOUSSEF)
    clock.advance(minutes=5)
    campaign = made(change(), clock, targets=[facts(YOUSSEF).id])
    run(campaign, clock)
    assert running.signed_in
    elsewhere = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    assert (
        running.get("/password/change/")
        .submit("/password/change/", current=YOUSSEF.password, new=NEW, confirm=NEW)
        .signed_in
    )
    assert elsewhere.get("/password/change/").path == "/sign-in/"


def test_a_freeze_ends_what_it_opened(cast, clock):
    asked_of(YOUSSEF, clock=clock)
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).get("/password/change/")
    freeze_account.by_operator(person=facts(YOUSSEF), reason="somebody else", now=clock())
    visitor.submit("/password/change/", new=NEW, confirm=NEW)
    assert visitor.path == "/sign-in/" and not visitor.signed_in
    assert credentials.passwords.due_for(facts(YOUSSEF).id)


def test_what_ends_meanwhile_between_the_look_and_the_change_counts(cast, clock, monkeypatch):
    """While the new password is hashed another browser changes it: the slower one starts anew."""
    asked_of(YOUSSEF, clock=clock)
    person = facts(YOUSSEF)
    grant = sessions.changing.resume(sessions.changing.open_due(person.id, now=clock()), now=clock())
    hashed = credentials.passwords.hash_password

    def slow(password: str) -> str:
        sessions.changing.end_all(person.id, now=clock())
        return hashed(password)

    monkeypatch.setattr(credentials.passwords, "hash_password", slow)
    outcome = change_password.as_due(grant=grant, new=NEW, confirm=NEW, browser=Browser(), now=clock())
    assert outcome == Gone() and credentials.passwords.due_for(person.id)


def test_a_recovery_is_a_change_too(cast, clock, post):
    asked_of(YOUSSEF, clock=clock)
    assert recover(post, YOUSSEF, YOUSSEF_EMAIL, NEW).signed_in
    assert Visitor().sign_in(YOUSSEF.login, NEW).signed_in


# -- whom it means


def test_who_is_left_out(cast, clock):
    """Never activated, changed since, asked by another campaign already, disabled, frozen."""
    Password.objects.filter(person_id=facts(FATIMA).id).delete()
    clock.advance(days=1)
    Password.objects.filter(person_id=facts(YOUSSEF).id).update(changed_at=clock())
    frozen, disabled = facts(KHADIJA), facts(SALMA)
    people.directory.freeze(frozen.id, now=clock())
    people.directory.disable(disabled.id)
    before = clock()
    campaign = made(change(), clock)
    assert stored(campaign).people == 1
    run(campaign, clock)
    assert stored(campaign).done == 1 and credentials.passwords.due_for(facts(JAMAL).id) == campaign
    again = made(change(changed_before=before), clock)
    assert stored(again).people == 0
    assert manage.confirm(again, number=0, by=None, now=clock()) == Problem("campaign_nobody")


def test_only_passwords_older_than_that(cast, clock):
    clock.advance(days=100)
    Password.objects.filter(person_id=facts(YOUSSEF).id).update(changed_at=clock() - timedelta(days=30))
    campaign = made(change(changed_before=clock() - timedelta(days=90)), clock)
    run(campaign, clock)
    asked = set(Password.objects.filter(due_for=campaign).values_list("person_id", flat=True))
    assert facts(YOUSSEF).id not in asked and facts(JAMAL).id in asked


def test_a_branch_a_kind_of_people_and_a_role(cast, clock):
    names = ("مدرسة", "School")
    academy = people.units.add("A1", people.units.Kind.ACADEMY, names)
    school = people.units.add("S1", people.units.Kind.ESTABLISHMENT, names, parent=people.units.by_code("A1"))
    today = clock().date()
    for person, kind in ((YOUSSEF, people.Kind.STAFF), (FATIMA, people.Kind.STAFF), (SALMA, people.Kind.PUPIL)):
        people.belonging.begin(facts(person).id, school, kind, since=today)
    unit = people.units.by_code("S1")
    people.roles.grant(
        facts(FATIMA).id, people.rights.Role.HEAD, unit, since=today, until=today, reason="x", by=None, now=clock()
    )  # fmt: skip
    clock.advance(minutes=1)
    counted = {
        what: stored(made(change(unit_id=academy, **what_else), clock)).people
        for what, what_else in {
            "all": {}, "staff": {"belongs_as": people.Kind.STAFF}, "pupils": {"belongs_as": people.Kind.PUPIL},
            "heads": {"role": "head"}, "pupils who are heads": {"role": "head", "belongs_as": people.Kind.PUPIL},
        }.items()
    }  # fmt: skip
    assert counted == {"all": 3, "staff": 2, "pupils": 1, "heads": 1, "pupils who are heads": 0}


def test_a_list_names_its_people(cast, clock):
    listed = manage.read_list([YOUSSEF.login, "", " nobody@taalim.ma", FATIMA.login], now=clock())
    assert listed == manage.Listed([facts(YOUSSEF).id, facts(FATIMA).id], 1)
    clock.advance(minutes=1)
    campaign = made(change(), clock, targets=[*listed.ids, *listed.ids])
    assert stored(campaign).people == 2
    assert manage.make(change(), by=None, targets=[], now=clock()) == Problem("campaign_nobody")


# -- what is hot stays as it was


def test_a_sign_in_costs_no_statement_more(cast, clock):
    """The row of the password is read anyway; known and unknown ask the same as before there was a campaign."""
    before = [_statements(YOUSSEF.login, YOUSSEF.password), _statements("no.body@taalim.ma", "x")]
    asked_of(FATIMA, clock=clock)
    assert [_statements(YOUSSEF.login, YOUSSEF.password), _statements("no.body@taalim.ma", "x")] == before
    assert _statements(FATIMA.login, "wrong") == _statements("no.body@taalim.ma", "wrong")


def _statements(login: str, password: str) -> list[str]:
    visitor = Visitor().get("/sign-in/")
    with captured() as statements:
        visitor.submit("/sign-in/", user=login, password=password)
    return [re.sub(r"'[^']*'|\d+", "?", one) for one in statements]


# -- from the count to the end: states, numbers, eyes


def test_the_number_is_confirmed_by_hand(cast, clock):
    clock.advance(minutes=1)
    campaign = made(change(), clock)
    number = stored(campaign).people
    assert manage.confirm(campaign, number=number + 1, by=None, now=clock()) == Problem("campaign_number")
    later = clock() + timedelta(days=1, seconds=1)
    assert manage.confirm(campaign, number=number, by=None, now=later) == Problem("campaign_stale")
    assert not Password.objects.exclude(due_for=None).exists(), "counting asks nobody"
    assert manage.confirm(campaign, number=number, by=None, now=clock()) == Done()
    assert manage.confirm(campaign, number=number, by=None, now=clock()) == Problem("campaign_moved")


def test_of_many_people_a_second_person_decides(cast, clock, monkeypatch):
    monkeypatch.setattr(manage, "FOUR_EYES_ABOVE", 2)
    clock.advance(minutes=1)
    campaign, mine, other = made(change(), clock, by=facts(JAMAL).id), facts(JAMAL).id, facts(KHADIJA).id
    assert manage.confirm(campaign, number=stored(campaign).people, by=mine, now=clock()) == Done()
    turn(clock)
    assert stored(campaign).state == State.CONFIRMED and not Password.objects.exclude(due_for=None).exists()
    assert manage.approve(campaign, by=mine, now=clock()) == Problem("campaign_own")
    plant()
    appoint(KHADIJA, Role.MINISTRY_DESK, "M", now=clock())
    RoleGrant.objects.update(granted_by=mine)
    assert manage.approve(campaign, by=other, now=clock()) == Problem("campaign_own"), "made an agent by the first"
    RoleGrant.objects.update(granted_by=None)
    assert manage.approve(campaign, by=other, now=clock()) == Done()
    assert stored(campaign).state == State.RUNNING and stored(campaign).approved_by == other


def test_it_keeps_its_pace_and_tells_its_end(cast, clock):
    clock.advance(minutes=1)
    campaign = made(change(pace=60), clock)
    number = stored(campaign).people
    manage.confirm(campaign, number=number, by=None, now=clock())
    done = []
    for _ in range(3):
        turn(clock)
        done.append(stored(campaign).done)
        clock.advance(minutes=1)
    assert done == [1, 2, 3]
    assert manage.forecast(stored(campaign)).longest == timedelta(minutes=number)
    assert manage.rate(stored(campaign), now=clock()) == pytest.approx(60)
    assert manage.ends_at(stored(campaign), now=clock()) == clock() + timedelta(minutes=number - 3)


def test_a_stop_holds_at_once_and_it_goes_on_where_it_was(cast, clock):
    clock.advance(minutes=1)
    campaign = made(change(pace=60), clock)
    manage.confirm(campaign, number=stored(campaign).people, by=None, now=clock())
    turn(clock)
    assert manage.stop(campaign, by=None, now=clock()) == Done()
    clock.advance(hours=1)
    turn(clock)
    assert stored(campaign).done == 1 and manage.stop(campaign, by=None, now=clock()) == Problem("campaign_moved")
    assert manage.resume(campaign, by=None, now=clock()) == Done()
    for _ in range(10):
        turn(clock)
        clock.advance(minutes=1)
    assert stored(campaign).state == State.DONE and stored(campaign).done == stored(campaign).people
    asked = [row for person in (JAMAL, FATIMA, YOUSSEF, KHADIJA) for row in audit_log.of_person(facts(person).id)
             if row.event == "change_asked"]  # fmt: skip
    assert len(asked) == 4, "each once"


def test_a_worker_that_finds_another_one_was_faster_leaves_nothing(cast, clock, monkeypatch):
    clock.advance(minutes=1)
    campaign = made(change(), clock)
    manage.confirm(campaign, number=stored(campaign).people, by=None, now=clock())
    old = stored(campaign)
    Campaign.objects.filter(pk=campaign).update(place=old.place + 1)
    monkeypatch.setattr(campaigns.store, "take_due", lambda *, now: old)
    carry_out.step(price=PRICE, now=clock())
    assert not Password.objects.exclude(due_for=None).exists() and stored(campaign).done == 0


def test_what_was_asked_can_be_taken_back(cast, clock):
    campaign = asked_of(YOUSSEF, FATIMA, clock=clock)
    assert credentials.passwords.still_due(campaign) == 2
    assert manage.cancel(campaign, by=None, now=clock()) == Done()
    assert credentials.passwords.still_due(campaign) == 0
    assert Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).signed_in


def test_every_move_is_one_of_the_table(cast, clock):
    campaign = made(change(), clock)
    for state in State:
        for to in State:
            Campaign.objects.filter(pk=campaign).update(state=state)
            assert campaigns.store.move(campaign, to, now=clock()) == (to in campaigns.store.MOVES[state])


# -- reminders


def reminders(clock, **more) -> int:
    return made(Plan(Kind.CONTACTS, "Before results", **more), clock)


def test_whoever_lacks_a_contact_is_reminded_by_mailbox_and_what_is_proved(cast, clock, post):
    campaign = reminders(clock, due_day=clock().date() + timedelta(days=20))
    one = stored(campaign)
    lacking = {p: _kinds(p) for p in (JAMAL, FATIMA, YOUSSEF, KHADIJA, SALMA) if len(_kinds(p)) < 2}
    mails = len(lacking) + sum("email" in kinds for kinds in lacking.values())
    texts = sum(kinds == {"phone"} for kinds in lacking.values())
    assert (one.people, one.emails, one.texts) == (len(lacking), mails, texts) and texts and mails > len(lacking)
    assert (one.segments, one.cost) == (texts, texts * PRICE)
    assert not Message.objects.exists(), "counting sends nothing"
    run(campaign, clock)
    post.work()
    to_fatima = [m for m in post.messages(FATIMA_PHONE) if "15/0" not in m.text]
    assert len(to_fatima) == 1 and "http" not in to_fatima[0].text and delivery.measure(to_fatima[0].text).segments == 1
    [letter] = post.messages(FATIMA.login)
    assert "http" not in letter.text and "2026" in letter.text
    assert Message.objects.filter(purpose="reminder").count() == mails + texts
    assert Message.objects.filter(purpose="reminder", masked="").exclude(state="submitted").count() == 0


def _kinds(person) -> set[str]:
    return set(Contact.objects.filter(person_id=facts(person).id, state="proved").values_list("kind", flat=True))


def test_an_old_phone_is_asked_for(cast, clock, post):
    campaign = made(Plan(Kind.PHONES, "Old phones"), clock)
    assert stored(campaign).people == 0
    clock.advance(days=366)
    phones = made(Plan(Kind.PHONES, "Old phones"), clock)
    assert stored(phones).people == sum("phone" in _kinds(p) for p in (JAMAL, FATIMA, YOUSSEF, KHADIJA, SALMA)) > 0


def test_nobody_waits_behind_a_reminder(cast, clock, post):
    """A recovery that is asked for later leaves first; half of the country's SMS is left to it."""
    campaign = reminders(clock)
    manage.confirm(campaign, number=stored(campaign).people, by=None, now=clock())
    turn(clock)
    waiting = Message.objects.filter(purpose="reminder", channel="email").count()
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    post.worker.answer()
    first = delivery.outbox.claim(1, channel="email", now=clock())
    assert waiting and first[0].purpose == "temporary_password"


def test_what_a_stopped_campaign_holds_back_leaves_room_for_others(cast, clock, post, monkeypatch):
    monkeypatch.setattr(carry_out, "MOST_WAITING", 1)
    first, second = reminders(clock, pace=60), reminders(clock)
    manage.confirm(first, number=stored(first).people, by=None, now=clock())
    turn(clock)
    assert Message.objects.exists() and manage.stop(first, by=None, now=clock()) == Done()
    manage.confirm(second, number=stored(second).people, by=None, now=clock())
    turn(clock)
    assert stored(second).done > 0


def test_no_reminder_is_of_a_day_that_is_over(cast, clock, monkeypatch):
    """It does not begin, and one that runs stops itself: nobody is counted as reminded who was not."""
    monkeypatch.setattr(manage, "FOUR_EYES_ABOVE", 0)
    day = clock().date() + timedelta(days=1)
    late, waits, runs = (reminders(clock, due_day=day, pace=60) for _ in range(3))
    number, mine, other = stored(late).people, facts(JAMAL).id, facts(KHADIJA).id
    assert manage.confirm(waits, number=number, by=mine, now=clock()) == Done()
    assert manage.confirm(runs, number=number, by=None, now=clock()) == Done()
    turn(clock)
    done = stored(runs).done
    clock.advance(hours=23)
    assert local_time.local(clock()).date() == day
    assert manage.confirm(late, number=number, by=None, now=clock()) == Problem("campaign_over")
    assert manage.approve(waits, by=other, now=clock()) == Problem("campaign_over")
    turn(clock)
    assert (stored(runs).state, stored(runs).done) == (State.STOPPED, done) and 0 < done < number
    assert manage.resume(runs, by=None, now=clock()) == Problem("campaign_over")
    assert manage.cancel(runs, by=None, now=clock()) == Done()


def test_reminders_by_sms_wait_while_half_of_the_budget_is_spent(cast, clock, post):
    campaign = reminders(clock)
    _spend_half(clock)
    assert sms_budget.room_for_campaigns(now=clock()) <= 0 and sms_budget.take(1, now=clock()) is None
    manage.confirm(campaign, number=stored(campaign).people, by=None, now=clock())
    turn(clock)
    assert stored(campaign).done < stored(campaign).people and not Message.objects.filter(channel="sms").exists()
    clock.advance(hours=2)
    turn(clock)
    assert stored(campaign).done == stored(campaign).people


def test_a_budget_smaller_than_a_step_makes_the_steps_smaller(cast, clock, settings):
    """It waited for ever: a step came to more than the budget ever has."""
    settings.MASSAR = replace(settings.MASSAR, sms_per_hour=5)
    Contact.objects.filter(kind="email").delete()
    enter(HASSAN, NADIA, now=clock())
    campaign = reminders(clock)
    assert stored(campaign).texts > sms_budget.room_for_campaigns(now=clock()) == 2
    assert manage.confirm(campaign, number=stored(campaign).people, by=None, now=clock()) == Done()
    turn(clock)
    texts = Message.objects.filter(channel="sms")
    assert texts.count() == 2 and carry_out.held_by(stored(campaign), now=clock()) == ""
    assert sms_budget.take(2, now=clock()) is None, "what has left is charged"
    clock.advance(minutes=1)
    turn(clock)
    assert texts.count() == 2 and carry_out.held_by(stored(campaign), now=clock()) == "budget"
    clock.advance(hours=2)
    turn(clock)
    assert texts.count() == stored(campaign).texts and stored(campaign).state == State.DONE
    assert stored(campaign).done == stored(campaign).people, "each once"


def test_what_waits_when_half_is_spent_meanwhile_does_not_leave(cast, clock, post):
    campaign = reminders(clock)
    manage.confirm(campaign, number=stored(campaign).people, by=None, now=clock())
    turn(clock)
    _spend_half(clock)
    post.work()
    assert post.sms.received == [] and post.email.received
    clock.advance(hours=2)
    post.work()
    assert post.sms.received


def _spend_half(clock) -> None:
    half = min(bucket.limit.burst for bucket in sms_budget.buckets()) // 2 + 2
    assert sms_budget.take(half, now=clock()) is None


def test_a_stop_keeps_what_waits_and_nothing_leaves_twice(cast, clock, post):
    campaign = reminders(clock, pace=60)
    manage.confirm(campaign, number=stored(campaign).people, by=None, now=clock())
    turn(clock)
    assert Message.objects.exists() and manage.stop(campaign, by=None, now=clock()) == Done()
    post.work()
    assert post.email.received == post.sms.received == []
    clock.advance(seconds=deliver_messages.LOOK_AGAIN.total_seconds())
    assert manage.resume(campaign, by=None, now=clock()) == Done()
    post.work()
    assert len(post.email.received) + len(post.sms.received) == Message.objects.filter(purpose="reminder").count()


def test_of_a_cancelled_campaign_nothing_leaves_any_more(cast, clock, post):
    campaign = reminders(clock, pace=60)
    manage.confirm(campaign, number=stored(campaign).people, by=None, now=clock())
    turn(clock)
    assert manage.stop(campaign, by=None, now=clock()) == Done()
    assert manage.cancel(campaign, by=None, now=clock()) == Done()
    post.work()
    assert post.email.received == post.sms.received == []
    assert set(Message.objects.values_list("state", flat=True)) == {"cancelled"}
    assert not Message.objects.exclude(ciphertext=None).exists()


def test_what_was_just_handed_over_is_not_tried_again_once_it_is_cancelled(cast, clock, post):
    campaign = reminders(clock, pace=60)
    manage.confirm(campaign, number=stored(campaign).people, by=None, now=clock())
    turn(clock)
    taken = delivery.outbox.claim(9, channel="email", now=clock())
    assert taken and manage.stop(campaign, by=None, now=clock()) == manage.cancel(campaign, by=None, now=clock())
    for one in taken:
        delivery.outbox.later(one, now=clock(), reason="451")
    clock.advance(minutes=5)
    post.work()
    assert post.email.received == [] and set(Message.objects.values_list("state", flat=True)) == {"cancelled"}


def test_after_a_restore_nothing_goes_on_by_itself(cast, clock):
    campaign = reminders(clock)
    manage.confirm(campaign, number=stored(campaign).people, by=None, now=clock())
    after_restore.end_everything(now=clock())
    assert stored(campaign).state == State.STOPPED


# -- the command


def massar(*arguments: str) -> int:
    options = program.build_parser().parse_args(arguments)
    return command.run(options)


def test_the_command_tells_all_of_it(cast, clock, capsys, tmp_path):
    clock.advance(minutes=1)
    assert massar("campaign", "draft", "change", "Rules of 2027", "--why", "rules") == 0
    turn(clock)
    (one,) = campaigns.store.newest()
    assert massar("campaign", "show", str(one.id)) == 0
    assert f"confirm {one.id} --people {one.people}" in capsys.readouterr().out
    assert massar("campaign", "confirm", str(one.id), "--people", "9999") == 1
    assert "not the number" in capsys.readouterr().err
    assert massar("campaign", "confirm", str(one.id), "--people", str(one.people)) == 0
    assert massar("campaign", "stop", str(one.id)) == massar("campaign", "resume", str(one.id)) == 0
    turn(clock)
    assert massar("campaign", "show", str(one.id)) == massar("campaign", "list") == 0
    told = capsys.readouterr().out
    assert f"Still to change {one.people}" in told and "Rules of 2027" in told
    assert massar("campaign", "cancel", str(one.id)) == 0 and massar("campaign", "count", str(one.id)) == 1
    listed = tmp_path / "people.txt"
    listed.write_text(f"{YOUSSEF.login}\nnobody@taalim.ma\n", "utf-8")
    assert massar("campaign", "draft", "contacts", "List", "--list", str(listed)) == 0
    assert "1 line(s) name no account" in capsys.readouterr().err
    assert massar("campaign", "draft", "contacts", "Day", "--before", "2020-01-01") == 1
    assert massar("campaign", "draft", "contacts", "Unit", "--at", "NONE") == 1


def test_the_command_follows_a_campaign_to_its_end(cast, clock, capsys, monkeypatch):
    def passes(_):
        turn(clock)
        clock.advance(minutes=1)

    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=passes))
    clock.advance(minutes=1)
    assert massar("campaign", "draft", "change", "x", "--why", "old", "--pace", "60") == 0
    (one,) = campaigns.store.newest()
    for state, told in ((State.COUNTED, "To let it begin"), (State.DONE, "Still to change")):
        assert massar("campaign", "show", str(one.id), "--follow") == 0
        assert stored(one.id).state == state and told in capsys.readouterr().out
        manage.confirm(one.id, number=stored(one.id).people, by=None, now=clock())
    assert massar("campaign", "show", "999", "--follow") == 1


def test_the_program_names_the_kinds_and_reasons_of_the_room():
    assert program.CAMPAIGN_KINDS == tuple(Kind.values) and program.CAMPAIGN_REASONS == tuple(campaigns.Why.values)
