"""Real threads on the real database: what may happen once happens once, however many try at the same moment."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction

from massar.core import ids, sql
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.core.keyring import api as keyring
from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import TemporaryPassword
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message, RecoveryRequest
from massar.domain.limits import api as limits
from massar.domain.people import api as people_api
from massar.domain.people.models import Contact
from massar.domain.sessions import api as sessions
from massar.domain.sessions.models import ChangeSession, Session
from massar.journeys import outcomes as outcome
from massar.journeys.account import (
    change_password,
    close_sessions,
    defend,
    edit_profile,
    recover_password,
    sign_in,
    vouch,
)
from massar.journeys.keys import change_data_keys
from massar.journeys.messages import sms_budget
from massar.journeys.people.import_people import NewPerson
from tests import cast
from tests.cast import FATIMA, FATIMA_PHONE, KHADIJA, KHADIJA_EMAIL, NEW, YOUSSEF, YOUSSEF_EMAIL
from tests.support.faults import RememberingProvider, at_once
from tests.support.nodes import look, node
from tests.support.post_office import worker_with
from tests.support.steps import in_session
from tests.support.trail import all_events
from tests.support.visitor import solve

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
HERE = Browser(network="192.0.2.0/24", label="Firefox · Linux", recovery_browser="the-asking-browser")


@pytest.fixture
def people(clock, transactional_db):
    cast.enter(YOUSSEF, FATIMA, KHADIJA, now=clock())
    clock.advance(minutes=5)
    return cast


def enter(password: str, clock, *, login: str = YOUSSEF.login, browser: Browser = HERE, answer=None):
    return sign_in.enter(typed_login=login, password=password, browser=browser, now=clock(), answer=answer)


def secret_of(person, contact_kind: str, clock) -> tuple[int, str]:
    """A temporary password that was issued and whose end is fixed: (id, secret)."""
    facts = cast.facts(person)
    contact = Contact.objects.get(person_id=facts.id, kind=contact_kind)
    channel = "email" if contact_kind == "email" else "sms"
    row, secret = credentials.temporary.issue(
        facts.id, channel=channel, contact_id=contact.pk, recovery_browser=HERE.recovery_browser, now=clock()
    )
    credentials.temporary.fix_expiry([row], clock() + timedelta(minutes=10))
    return row, secret


def granted(clock):
    """A change session of Youssef: (its secret, what it may do)."""
    _, secret = secret_of(YOUSSEF, "email", clock)
    return secret, close_sessions.may_change(cookie=enter(secret, clock).cookie, now=clock())[1]


def recovers(clock, secret: str, grant, new: str = NEW):
    return change_password.by_temporary(grant=grant, current=secret, new=new, confirm=new, browser=HERE, now=clock())


def behind(entered: outcome.SessionOpened, clock) -> close_sessions.SignedIn:
    return close_sessions.authenticate(cookie=entered.cookie, now=clock())


def changes(clock, signed_in: close_sessions.SignedIn, new: str):
    return change_password.by_owner(
        signed_in=signed_in, current=YOUSSEF.password, new=new, confirm=new, browser=HERE, now=clock()
    )


def saves(person, clock, *, email: str = "", phone: str = "", password: str = "", browser: Browser = HERE):
    return edit_profile.save(
        signed_in=in_session(person), email=email, phone_number=phone, password=password, browser=browser, now=clock()
    )


def after_the_next_proof(monkeypatch, happen: Callable[[], object]) -> None:
    """Something happens between the next verification of a password and what follows from it."""
    is_right, done = credentials.passwords.is_right, []

    def then(typed, stored):
        right = is_right(typed, stored)
        if not done:
            done.append(True)
            happen()
        return right

    monkeypatch.setattr(credentials.passwords, "is_right", then)


# --- budgets


@pytest.mark.parametrize("burst", [1, 7])
def test_a_budget_is_never_overrun(clock, burst):
    """200 parallel takes (decision 18): exactly as many pass as the budget holds, and none is lost."""
    limit = limits.RateLimit("race", burst, timedelta(hours=1))
    shared = limits.RateLimit("race-shared", 1000, timedelta(hours=1))
    now = clock()

    def take(number: int):
        buckets = [limit.bucket("one"), shared.bucket("all")]
        return limits.consume(buckets if number % 2 else buckets[::-1], now=now)

    refused = at_once(200, take)
    assert refused.count(None) == burst
    assert all(r.limit == "race" for r in refused if r)
    assert limits.remaining(shared.bucket("all"), now=now) == 1000 - burst, "a refused call puts back what it took"


def test_takes_and_returns_of_the_same_budgets_never_stand_in_each_others_way(clock):
    """Two rows taken and given back in any order by 200 callers: no deadlock, and in the end the budgets are whole."""
    both = [limits.RateLimit(f"race-{n}", 500, timedelta(hours=1)).bucket("one") for n in range(4)]
    now = clock()

    def turn(number: int):
        assert limits.consume(both, now=now) is None
        limits.refund(both[::-1] if number % 2 else both)

    at_once(200, turn)
    assert {limits.remaining(d, now=now) for d in both} == {500}


def test_at_the_last_try_one_password_is_evaluated(people, clock, monkeypatch):
    """ATK-009, ATK-010: 200 parallel wrong sign-ins with one try left, each with its challenge met: one Argon2id is
    spent on the account, 199 are told to wait."""
    rate_limits = limits.rate_limits
    spent = rate_limits.SIGN_IN_ACCOUNT.bucket("youssef.benali", units=rate_limits.SIGN_IN_ACCOUNT.burst - 1)
    assert limits.consume([spent], now=clock()) is None
    answers = [solved(clock) for _ in range(200)]
    evaluated, fits = [], credentials.passwords.verify
    monkeypatch.setattr(credentials.passwords, "verify", lambda *a, **k: evaluated.append(a) or fits(*a, **k))
    outcomes = Counter(type(o) for o in at_once(200, lambda n: enter(f"Wrong-{n}&longer", clock, answer=answers[n])))
    assert outcomes == {outcome.WrongSecret: 1, outcome.TooManyAttempts: 199}
    assert len(evaluated) == 1


def test_at_the_networks_last_failure_one_password_is_evaluated(people, clock, monkeypatch):
    """ATK-009, ATK-010: 200 parallel wrong sign-ins, each at another name, where their network has one failure left:
    one Argon2id, 199 challenges, nobody is told to wait."""
    network = limits.rate_limits.SIGN_IN_NETWORK
    assert limits.consume([network.bucket(HERE.network, units=network.burst - 1)], now=clock()) is None
    evaluated, fits = [], credentials.passwords.verify
    monkeypatch.setattr(credentials.passwords, "verify", lambda *a, **k: evaluated.append(a) or fits(*a, **k))
    names = [f"nobody.{n}@taalim.ma" for n in range(200)]
    outcomes = Counter(type(o) for o in at_once(200, lambda n: enter(f"Wrong-{n}&longer", clock, login=names[n])))
    assert outcomes == {outcome.WrongSecret: 1, outcome.ChallengeRequired: 199}
    assert len(evaluated) == 1


def test_a_challenge_opens_once(people, clock):
    """The library takes one solution as often as it comes; ours is taken once, of a hundred at a time."""
    answer = solved(clock)
    unmet = at_once(100, lambda _: limits.challenges.meet(answer.challenge, answer.solution, now=clock()))
    assert unmet.count(None) == 1 and set(unmet) == {None, limits.challenges.NotMet()}


def solved(clock, **typed: str) -> defend.ChallengeAnswer:
    """A challenge for this browser, with its solution."""
    given = limits.challenges.give(sign_in.ACTION, typed=typed, network=HERE.network, now=clock())
    return defend.ChallengeAnswer(given, solve(json.loads(given.puzzle)))


def test_right_and_wrong_sign_ins_of_one_account_at_once(people, clock):
    """A storm on one account, its owner in it on a known device: no fault, and no wrong password gets in."""
    known = replace(HERE, trusted_devices=sessions.devices.remember("", cast.facts(YOUSSEF).id, now=clock()))
    outcomes = at_once(
        60, lambda n: enter(YOUSSEF.password, clock, browser=known) if n % 3 == 0 else enter(f"Wrong-{n}&longer", clock)
    )
    assert all(
        isinstance(o, (outcome.SessionOpened, outcome.ChallengeRequired, outcome.TooManyAttempts))
        for o in outcomes[::3]
    )
    assert not any(isinstance(o, outcome.SessionOpened) for n, o in enumerate(outcomes) if n % 3)
    assert any(isinstance(o, outcome.SessionOpened) for o in outcomes)


@pytest.mark.parametrize(("left_in", "phone"), [("block", "+2126611230{:02d}"), ("country", "+2126{:02d}123000")])
def test_sixteen_codes_and_one_left(people, clock, monkeypatch, settings, left_in, phone):
    """Sixteen accounts at once: adjacent numbers, or numbers far apart. The reserve of recovery is not touched."""
    monkeypatch.setattr(sign_in, "prove_again", lambda **_: None)
    settings.MASSAR = replace(settings.MASSAR, sms_per_hour=5)
    block, limit = delivery.outbox.block_hmac("+212661123000"), limits.rate_limits.CODE_BLOCK
    spent = [limit.bucket(block, units=limit.burst - 1)] if left_in == "block" else sms_budget.buckets(3)
    assert limits.consume(spent, now=clock()) is None
    persons, browsers = _accounts(16, clock), [Browser(network=f"net-{n}") for n in range(16)]
    outcomes = at_once(16, lambda n: saves(persons[n], clock, phone=phone.format(10 + n), browser=browsers[n]))
    assert Counter(type(o) for o in outcomes) == {edit_profile.Saved: 1, outcome.TooManyAttempts: 15}
    assert Message.objects.filter(purpose="contact_code").count() == 1
    assert [limits.remaining(one, now=clock()) for one in sms_budget.buckets(reserve=True)] == [1, 50_000]


def test_sixteen_recoveries_and_one_left_in_the_reserve(people, clock, settings):
    settings.MASSAR = replace(settings.MASSAR, sms_per_hour=5)
    assert sms_budget.take(4, now=clock()) is None
    phones = [f"+2126{10 + n}123000" for n in range(16)]
    for number, number_of in enumerate(phones):
        cast.enter(NewPerson(f"racer.{number}@taalim.ma", phone=number_of, password=YOUSSEF.password), now=clock())
    clock.advance(seconds=1)
    claimed = []
    for number, number_of in enumerate(phones):
        person = NewPerson(f"racer.{number}@taalim.ma")
        ask(person, "phone", number_of, clock, browser=Browser(network=HERE.network, recovery_browser=f"b{number}"))
        claimed += delivery.requests.claim(1, now=clock())
    outcomes = Counter(at_once(16, lambda n: recover_password.answer(claimed[n], now=clock())))
    assert outcomes == {"sent": 1, "postponed": 15}
    assert Message.objects.count() == TemporaryPassword.objects.count() == 1
    assert RecoveryRequest.objects.filter(state="claimed").count() == 15


def test_saves_of_one_and_of_both_contacts_never_wait_for_each_other(people, clock, monkeypatch):
    """They share the network, the block and the country. Taken kind by kind, two of them would hold what the other
    needs."""
    monkeypatch.setattr(sign_in, "prove_again", lambda **_: None)
    persons = _accounts(24, clock)
    mail = [f"n{n}@example.org" if n % 2 else "" for n in range(24)]
    outcomes = at_once(24, lambda n: saves(persons[n], clock, phone=f"+21266112{n % 3}0{n:02d}", email=mail[n]))
    assert [len(o.sent_to) for o in outcomes] == [1, 2] * 12
    assert Message.objects.filter(purpose="contact_code").count() == 36


def _accounts(count: int, clock) -> list[people_api.PersonFacts]:
    names = [f"racer.{number}@taalim.ma" for number in range(count)]
    for login in names:
        people_api.directory.create(login=login, now=clock())
    return [people_api.directory.by_login(login, now=clock()) for login in names]


# --- vouching codes


@pytest.mark.parametrize("browsers", [1, 20])
def test_atk_042_claims_of_one_vouching_code_at_once(people, clock, browsers):
    """Every browser asked, so each has a row of the one code: one is let in, once, and the owner is told once."""
    facts, here = cast.facts(YOUSSEF), [Browser(recovery_browser=f"browser-{n}") for n in range(browsers)]
    contact = Contact.objects.get(person_id=facts.id, kind="email").pk
    row, secret = credentials.temporary.issue(
        facts.id, channel="email", contact_id=contact, recovery_browser="browser-0", purpose="vouching", now=clock()
    )
    credentials.temporary.fix_expiry([row], clock() + timedelta(minutes=10))
    live = credentials.temporary.find_live(facts.id, contact, purpose="vouching", now=clock())
    for browser in here[1:]:
        credentials.temporary.share(live, recovery_browser=browser.recovery_browser, sent_at=clock())
    times = credentials.temporary.TRIES_OF_ASKER
    judged = at_once(
        times, lambda n: vouch.let_in(typed_login=YOUSSEF.login, code=secret, browser=here[n % browsers], now=clock())
    )
    entered = [one.trusted_devices for one in judged if isinstance(one, vouch.LetIn)]
    assert len(entered) == times / browsers and len(set(entered)) == 1
    assert [e.event for e in audit_log.of_person(facts.id)].count("browser_let_in") == 1
    assert Message.objects.filter(about="browser_let_in", channel="sms").count() == 1


# --- the temporary password


def test_fifty_claims_leave_one(people, clock):
    row, secret = secret_of(YOUSSEF, "email", clock)
    browsers = [HERE] * 10 + [Browser(network=HERE.network, recovery_browser=f"b{n}") for n in range(40)]
    outcomes = at_once(50, lambda n: enter(secret, clock, browser=browsers[n]))
    granted = [o for o in outcomes if isinstance(o, outcome.MustChangePassword)]
    assert len(granted) == 50, Counter(type(o) for o in outcomes)
    good = [o for o in granted if close_sessions.may_change(cookie=o.cookie, now=clock())]
    assert len(good) == 1, "one change session is open"
    _, grant = close_sessions.may_change(cookie=good[0].cookie, now=clock())
    assert credentials.temporary.is_claimed(row, grant.claim), "and it is the one that holds the claim"
    assert ChangeSession.objects.filter(ended_at=None).count() == 1


def test_claims_of_two_secrets_leave_one_change(people, clock):
    """E-mail and phone at the same moment: two secrets live, one browser at most stands before the change form."""
    secrets = [secret_of(YOUSSEF, kind, clock)[1] for kind in ("email", "phone")]
    at_once(40, lambda n: enter(secrets[n % 2], clock))
    assert ChangeSession.objects.filter(ended_at=None).count() == 1


def test_fifty_changes_by_one_session_save_one_password(people, clock):
    secret, grant = granted(clock)
    person = cast.facts(YOUSSEF)
    chosen = [f"Tamarin&{n}-oued" for n in range(6000, 6050)]
    outcomes = at_once(50, lambda n: recovers(clock, secret, grant, chosen[n]))
    won = [n for n, o in enumerate(outcomes) if isinstance(o, outcome.SessionOpened)]
    assert len(won) == 1, Counter(type(o) for o in outcomes)
    others = {type(o) for n, o in enumerate(outcomes) if n not in won}
    assert others <= {outcome.Gone, outcome.TooManyAttempts, outcome.Problems}
    stored = credentials.passwords.stored(person.id)
    assert credentials.passwords.is_right(chosen[won[0]], stored)
    assert TemporaryPassword.objects.filter(state="consumed").count() == 1
    assert Session.objects.filter(person_id=person.id, ended_at=None).count() == 1
    # one set of notices: the institution mailbox, the e-mail and the phone
    assert Message.objects.filter(purpose="notice", person_id=person.id).count() == 3
    assert [e.event for e in audit_log.of_person(person.id)].count("password_recovered") == 1


def test_a_change_is_by_a_session_of_its_own_person(people, clock):
    """Whatever a caller says: the session that is held must be the person's."""
    mine = behind(enter(YOUSSEF.password, clock), clock)
    done = change_password.by_owner(
        signed_in=mine._replace(person=cast.facts(FATIMA)), current=FATIMA.password, new=NEW, confirm=NEW,
        browser=HERE, now=clock(),
    )  # fmt: skip
    assert done == outcome.Gone()


def test_voluntary_changes_by_one_session_save_one_password(people, clock):
    """All of them proved the same current password; only the first still finds its session open."""
    entered = behind(enter(YOUSSEF.password, clock), clock)
    outcomes = at_once(12, lambda n: changes(clock, entered, f"Tamarin&{6000 + n}-oued"))
    won = [n for n, o in enumerate(outcomes) if isinstance(o, outcome.SessionOpened)]
    assert len(won) == 1, Counter(type(o) for o in outcomes)
    stored = credentials.passwords.stored(entered.person.id)
    assert credentials.passwords.is_right(f"Tamarin&{6000 + won[0]}-oued", stored)
    assert Session.objects.filter(person_id=entered.person.id, ended_at=None).count() == 1


@pytest.mark.parametrize("kind", ["sign-in", "change"])
def test_what_is_under_way_does_not_outlive_a_recovery(people, clock, monkeypatch, kind):
    """The old password was verified, then the owner recovers, and only then a thief's session would open, or a borrowed
    one would save a password: it must not."""
    borrowed = behind(enter(YOUSSEF.password, clock), clock)
    secret, grant = granted(clock)
    recovered = []
    after_the_next_proof(monkeypatch, lambda: recovered.append(recovers(clock, secret, grant)))
    if kind == "sign-in":
        elsewhere = Browser(network="198.51.100.0/24")
        assert isinstance(enter(YOUSSEF.password, clock, browser=elsewhere), outcome.WrongSecret)
    else:
        assert not isinstance(changes(clock, borrowed, "Thief-was-here&1"), outcome.SessionOpened)
    assert isinstance(recovered[0], outcome.SessionOpened) and Session.objects.filter(ended_at=None).count() == 1
    assert credentials.passwords.is_right(NEW, credentials.passwords.stored(borrowed.person.id))


def test_a_rehash_under_way_does_not_bring_the_old_password_back(people, clock, monkeypatch):
    """The cost of hashing was raised; while the old password is hashed anew, the owner saves another one."""
    person = cast.facts(YOUSSEF)
    hashed = credentials.passwords.hash_password
    monkeypatch.setattr(credentials.passwords, "needs_rehash", lambda phc: True)

    def then_saved(password, **known):
        if password == YOUSSEF.password:
            credentials.passwords.save(person.id, hashed(NEW), now=clock())
        return hashed(password, **known)

    monkeypatch.setattr(credentials.passwords, "hash_password", then_saved)
    assert isinstance(enter(YOUSSEF.password, clock), outcome.WrongSecret)
    assert credentials.passwords.is_right(NEW, credentials.passwords.stored(person.id))


def test_change_recovery_and_sign_ins_together_meet_no_fault(people, clock):
    """Every journey that touches one person, at the same moment: whatever wins, nobody meets a deadlock."""
    entered = enter(YOUSSEF.password, clock)
    secret, grant = granted(clock)
    here = close_sessions.authenticate(cookie=entered.cookie, now=clock())
    steps = [
        lambda n: recovers(clock, secret, grant),
        lambda n: changes(clock, here, f"Tamarin&{6000 + n}-oued"),
        lambda n: enter(YOUSSEF.password, clock),
        lambda n: enter(secret, clock),
        lambda n: close_sessions.end_all(signed_in=here, browser=HERE, now=clock()),
        lambda n: saves(entered.person, clock, email=f"n{n}@example.org", password=YOUSSEF.password),
    ]
    outcomes = at_once(48, lambda n: steps[n % len(steps)](n))
    assert len(outcomes) == 48
    live = TemporaryPassword.objects.filter(state__in=("issued", "claimed")).count()
    changed = [o for n, o in enumerate(outcomes) if n % len(steps) in (0, 1) and isinstance(o, outcome.SessionOpened)]
    assert len(changed) >= 1 and live == 0


def test_a_code_that_is_typed_while_secrets_end_meets_no_deadlock(people, clock, monkeypatch, vendor):
    """A try counts in every row of the account; a saved password ends its own first, and then all others. Whoever has
    not the person's lock must not hold a row of theirs meanwhile."""
    if vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    other, _ = secret_of(YOUSSEF, "phone", clock)
    secret, grant = granted(clock)
    shared = credentials.temporary.LiveSecret(other, "", None, clock())
    for number in range(8):  # rows before the claimed one and after it, whatever way the database goes through them
        credentials.temporary.share(shared, recovery_browser=f"browser-{number}", sent_at=clock())
    end_all = credentials.temporary.end_all

    def end_when_the_other_waits(*person, **how):
        until = time.monotonic() + 10
        while not sql.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert time.monotonic() < until, "the other does not wait"
        return end_all(*person, **how)

    monkeypatch.setattr(credentials.temporary, "end_all", end_when_the_other_waits)
    consumed = threading.Event()
    consume = credentials.temporary.consume
    monkeypatch.setattr(credentials.temporary, "consume", lambda *a, **k: consumed.set() or consume(*a, **k))

    def types_a_code():
        assert consumed.wait(10)
        return enter("bcdfg-23456", clock)

    saved, typed = at_once(2, lambda n: types_a_code() if n else recovers(clock, secret, grant))
    assert isinstance(saved, outcome.SessionOpened) and isinstance(typed, outcome.WrongSecret)
    assert TemporaryPassword.objects.filter(state__in=("issued", "claimed")).count() == 0


# --- data keys


def test_two_nodes_reseal_while_people_sign_in_and_change(people, clock, monkeypatch):
    """Both go through every row, in batches of two; nobody is refused, and nothing is left under the old key."""
    monkeypatch.setattr(keyring.rows, "BATCH", 2)
    with node("demo", "k2"):
        assert look() == "" and change_data_keys.activate("k2", now=clock()) and look() == ""
        fatima = behind(enter(FATIMA.password, clock, login=FATIMA.login), clock).person

        def work(number: int):
            if number < 2:
                return change_data_keys.reseal(say=lambda _: None)
            if number == 2:
                return saves(fatima, clock, email="fatima@example.org", password=FATIMA.password)
            return enter(YOUSSEF.password, clock)

        done = at_once(8, work)
        assert done[:2] == [[], []] and isinstance(done[2], edit_profile.Saved)
        assert all(isinstance(one, outcome.SessionOpened) for one in done[3:]), Counter(type(one) for one in done)
        assert sum(keyring.rows.count(sealed, ["demo"]) for sealed in change_data_keys.SEALED) == 0
        assert isinstance(enter(FATIMA.password, clock, login=FATIMA.login), outcome.SessionOpened)


# --- asking and the workers


def test_the_same_form_sent_fifty_times_is_one_request(people, clock):
    form = ids.token()
    at_once(50, lambda n: ask(YOUSSEF, "email", YOUSSEF_EMAIL, clock, ask_id=form))
    assert RecoveryRequest.objects.count() == 1


def test_several_workers_answer_and_hand_over_once(people, clock):
    """30 requests of three people, four workers turning at the same time: each answered once, each letter handed
    once."""
    whom = [(YOUSSEF, "email", YOUSSEF_EMAIL), (FATIMA, "phone", FATIMA_PHONE), (KHADIJA, "email", KHADIJA_EMAIL)]
    for n in range(30):
        person, channel, contact = whom[n % 3]
        ask(person, channel, contact, clock, browser=Browser(network=HERE.network, recovery_browser=f"b{n}"))
        clock.advance(seconds=61)
    providers = {c: RememberingProvider(c, clock) for c in ("email", "sms")}

    def turns(number: int) -> None:
        with ThreadPoolExecutor(2) as pool:
            worker = worker_with(providers, clock, senders=2, pool=_Closing(pool))
            waiting = Message.objects.filter(state__in=("queued", "sending"))
            while RecoveryRequest.objects.exclude(state="done").exists() or waiting.exists():
                worker.turn()

    at_once(4, turns)
    told = [e for e in all_events() if e.event == "recovery_asked"]
    answered = [e.outcome for e in told for _ in range(int(e.detail.get("count", 1)))]
    assert len(answered) == 30 and RecoveryRequest.objects.filter(state="done").count() == 30
    arrived = [a.message.message_id for c in providers.values() for a in c.arrived]
    assert arrived and len(arrived) == len(set(arrived)), "a letter was handed over twice"
    messages = Message.objects.filter(purpose="temporary_password")
    assert answered.count("sent") + answered.count("sent_again") >= messages.count() >= answered.count("sent")
    assert answered.count("sent") == TemporaryPassword.objects.values("secret_hmac").distinct().count()
    assert set(messages.values_list("state", flat=True)) <= {"submitted", "cancelled"}
    assert not Attempt.objects.filter(outcome__in=("", "interrupted")).exists()


def test_workers_never_leave_more_than_two_secrets_alive(people, clock):
    """Six requests of one person, by both channels, answered at the same moment."""
    for n in range(6):
        kind, contact = (("email", YOUSSEF_EMAIL), ("phone", "+212662000333"))[n % 2]
        ask(YOUSSEF, kind, contact, clock, browser=Browser(network=HERE.network, recovery_browser=f"b{n}"))
        clock.advance(seconds=61)
    claimed = [delivery.requests.claim(1, now=clock())[0] for _ in range(6)]
    outcomes = at_once(6, lambda n: recover_password.answer(claimed[n], now=clock()))
    assert outcomes.count("sent") == 6
    assert TemporaryPassword.objects.filter(state__in=("issued", "claimed")).count() == 2


def test_a_request_is_answered_by_one_of_ten_who_hold_it(people, clock):
    ask(YOUSSEF, "email", YOUSSEF_EMAIL, clock)
    claimed = delivery.requests.claim(1, now=clock())[0]
    outcomes = Counter(at_once(10, lambda n: recover_password.answer(claimed, now=clock())))
    assert outcomes == {"sent": 1, "lost": 9}
    assert Message.objects.count() == 1


def ask(person, channel: str, contact: str, clock, *, browser: Browser = HERE, ask_id: str = "") -> None:
    typed = {"typed_login": person.login, "channel": channel, "typed_contact": contact}
    assert recover_password.ask(**typed, ask_id=ask_id or ids.token(), browser=browser, now=clock()) == outcome.Done()


class _Closing:
    """A pool whose threads leave no connection behind."""

    def __init__(self, pool):
        self.pool = pool

    def submit(self, work, *args):
        def one():
            try:
                return work(*args)
            finally:
                connection.close()

        return self.pool.submit(one)


# --- contacts


def test_fifty_codes_are_five_tries(people, clock):
    person, held, code = _proposed(clock)
    outcomes = at_once(50, lambda n: _prove(person, held, _wrong(code), clock))
    left = sorted(o.of["code"][0].args["left"] for o in outcomes if o.of["code"][0].id == "code_wrong")
    assert Contact.objects.get(pk=held).code_tries == 5
    assert len(left) <= 5
    assert isinstance(_prove(person, held, code, clock), outcome.Problems), "the right code comes too late"


def test_the_right_code_proves_once(people, clock):
    person, held, code = _proposed(clock)
    outcomes = at_once(5, lambda n: _prove(person, held, code, clock))
    assert [type(o) for o in outcomes].count(outcome.Done) == 1
    assert Contact.objects.get(pk=held).state == "proved"


def test_prove_cancel_and_propose_together_meet_no_fault(people, clock):
    person, held, code = _proposed(clock)
    steps = [
        lambda n: _prove(person, held, code if n > 20 else _wrong(code), clock),
        lambda n: edit_profile.cancel(person=person, contact_id=held, browser=HERE, now=clock()),
        lambda n: saves(person, clock, email=f"n{n}@example.org", password=YOUSSEF.password),
    ]
    assert len(at_once(45, lambda n: steps[n % 3](n))) == 45
    assert Contact.objects.filter(person_id=person.id, kind="email", state="proposed").count() <= 1


def _proposed(clock) -> tuple[people_api.PersonFacts, int, str]:
    """A proposed e-mail of Youssef: (person, contact id, its code)."""
    person, code = cast.facts(YOUSSEF), "123456"
    with transaction.atomic():
        contact = people_api.contacts.propose(person.id, "email", "new@example.org", now=clock())
    people_api.contacts.give_code(contact.id, code, now=clock(), valid_for=timedelta(minutes=10))
    return person, contact.id, code


def _wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def _prove(person, contact_id: int, code: str, clock):
    return edit_profile.prove(
        person=person, contact_id=contact_id, code=code, browser=HERE, now=clock(), cancel_url=str
    )
