"""Toll fraud and floods of SMS, by the number of their case (docs/security/attack-cases.md)."""

import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Message, RecoveryRequest
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.journeys.account import edit_profile, sign_in
from massar.journeys.account.edit_profile import Saved
from massar.journeys.messages import sms_budget, watch_messages
from massar.journeys.outcomes import Done, TooManyAttempts
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.outbox import message
from tests.support.steps import actions, in_session, prove_contact, save_contact, secrets, shown, shows
from tests.support.visitor import Visitor

YOUSSEF_PHONE = "+212662000333"
BLOCK = "+212661123"


@pytest.fixture
def signed_in(monkeypatch):
    """The password was proved: this is about what comes after it, five hundred times."""
    monkeypatch.setattr(sign_in, "prove_again", lambda **_: None)


@pytest.fixture
def budget(settings):
    """budget(10, 100): so many segments an hour and a day."""

    def set_to(per_hour: int, per_day: int = 100_000) -> None:
        settings.MASSAR = replace(settings.MASSAR, sms_per_hour=per_hour, sms_per_day=per_day)

    return set_to


def somebody(number: int, clock) -> people.PersonFacts:
    """One more account, as a pumper has them by the hundred."""
    login = f"pump.{number}@taalim.ma"
    found = people.directory.by_login(login, now=clock())
    if found is None:
        people.directory.create(login=login, names_ar=("", ""), names_latin=("", ""), language="ar", now=clock())
    return found or people.directory.by_login(login, now=clock())


def asks(number: int, phone: str, clock, *, network: int | None = None) -> Saved | TooManyAttempts:
    """A new account, from a network of its own, wants a code sent there."""
    browser = Browser(network=f"net-{number if network is None else network}")
    return edit_profile.save(
        signed_in=in_session(somebody(number, clock)), email="", phone_number=phone, password="", browser=browser,
        now=clock(),
    )  # fmt: skip


def spend_shared(clock) -> None:
    """Somebody else has asked for all that is there."""
    while sms_budget.take(1, now=clock()) is None:
        pass


def asked_of(person) -> list[str]:
    return [e.outcome for e in audit_log.of_person(facts(person).id) if e.event == "recovery_asked"]


def left(reserve: bool, clock) -> list[int]:
    return [limits.remaining(one, now=clock()) for one in sms_budget.buckets(reserve=reserve)]


# --- whole ranges of numbers


def test_atk_062_of_five_hundred_adjacent_numbers_fifteen_get_a_code(signed_in, post, clock):
    outcomes = Counter(type(asks(n, f"{BLOCK}{n:03d}", clock)) for n in range(500))
    assert outcomes == {Saved: 15, TooManyAttempts: 485}
    post.work()
    assert len(post.sms.received) == 15


def test_atk_062_a_patient_pump_is_found_by_what_nobody_types(signed_in, post, clock):
    """A number of the block every 20 seconds, for nearly three hours: the block's budget slows, conversion stops it."""
    began, sent = clock(), []
    for number in range(500):
        if isinstance(asks(number, f"{BLOCK}{number:03d}", clock), Saved):
            sent.append(clock() - began)
            post.work()
        clock.advance(seconds=20)
    first_hour = [moment for moment in sent if moment < timedelta(hours=1)]
    assert len(first_hour) < 35 and max(first_hour) < timedelta(minutes=12), "then silence for an hour"
    assert len(sent) < 100, len(sent)


def test_atk_062_the_most_patient_pump_meets_the_budget_of_the_day(signed_in, clock, db):
    """One number every 40 seconds, by people who type enough of the codes: 200, and then 200 a day."""
    sent = 0
    for number in range(240):
        sent += isinstance(asks(number, f"{BLOCK}{number:03d}", clock), Saved)
        clock.advance(seconds=40)
    assert 200 < sent <= 200 + 240 * 40 // 432 + 1


def test_atk_062_an_honest_block_is_not_stopped(signed_in, post, clock):
    """A directorate whose phones were bought in one piece: seven in ten type their code."""
    for number in range(30):
        phone = f"{BLOCK}{number:03d}"
        assert isinstance(asks(number, phone, clock), Saved)
        code = post.code(phone)
        clock.advance(seconds=40)
        if number % 10 < 7:
            person = somebody(number, clock)
            (contact,) = people.contacts.of_person(person.id, clock())
            done = edit_profile.prove(
                person=person, contact_id=contact.id, code=code, browser=Browser(), now=clock(), cancel_url=str
            )
            assert isinstance(done, Done)
    tally = delivery.conversion.national(now=clock())
    assert tally.share > 0.6 and delivery.conversion.stopped_blocks(now=clock()) == []


def test_atk_062_another_block_and_mail_go_on_meanwhile(cast, signed_in, post, clock):
    for number in range(20):
        asks(number, f"{BLOCK}{number:03d}", clock)
    jamal = Visitor().sign_in(JAMAL.login, JAMAL.password)
    save_contact(jamal, JAMAL.password, phone=f"{BLOCK}777")
    assert jamal.page.status_code == 429 and shows(jamal, "error.wait_email")
    assert f'value="{BLOCK}777"' in jamal.html, "what was typed stays in the form"
    assert int(jamal.page.headers["Retry-After"]) <= 40
    save_contact(jamal, JAMAL.password, email="jamal@example.org")
    assert shows(prove_contact(jamal, post, "jamal@example.org"), "flash.contact_proved")
    save_contact(jamal, JAMAL.password, phone="+212661124777")
    assert shows(jamal, "flash.code_sent")
    clock.advance(seconds=61)
    save_contact(jamal, JAMAL.password, phone=f"{BLOCK}777")
    assert shows(jamal, "flash.code_sent"), "and the block gives again"


# --- conversion of the country


def test_atk_063_a_country_that_types_no_code_gets_no_more_and_recovery_goes_on(cast, signed_in, post, clock):
    """200 numbers far apart, each with a new account: no block stands out, the country does."""
    for _ in range(180):
        message(clock(), waited=0, purpose="contact_code")
    for number in range(20):
        assert isinstance(asks(number, f"+2126{10 + number}{number:03d}111", clock), Saved)
    post.work()
    clock.advance(minutes=5)
    refused = asks(200, "+212699000111", clock)
    assert refused == TooManyAttempts(clock() + timedelta(minutes=55), "email"), "an hour from the last code"
    assert standing(clock)["block-stopped"] == ("nation",)
    own = limits.rate_limits.CODE_DESTINATION.bucket("phone", "+212699000111")
    assert limits.remaining(own, now=clock()) == 5, "what is refused costs no budget"
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    assert len(secrets(post, FATIMA_PHONE)) == 1, "recovery"
    jamal = Visitor().sign_in(JAMAL.login, JAMAL.password)
    save_contact(jamal, JAMAL.password, email="jamal@example.org")
    assert shows(jamal, "flash.code_sent"), "and mail"
    clock.advance(minutes=55)
    assert isinstance(asks(200, "+212699000111", clock), Saved), "an hour later it is tried again"


def standing(clock) -> dict[str, tuple[str, ...]]:
    return {one.id: one.about for one in watch_messages.Overview(now=clock()).alarms}


# --- recovery's reserve


def test_atk_063_codes_that_use_up_the_hour_leave_recovery_its_share(cast, signed_in, post, clock, budget):
    budget(10)
    outcomes = Counter(type(asks(n, f"+2126{10 + n}000111", clock)) for n in range(30))
    assert outcomes == {Saved: 8, TooManyAttempts: 22}
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    Visitor().ask(YOUSSEF.login, phone=YOUSSEF_PHONE)
    assert len(secrets(post, FATIMA_PHONE)) == len(secrets(post, YOUSSEF_PHONE)) == 1
    assert left(True, clock)[0] == 0
    assert isinstance(asks(31, "+212688000111", clock), TooManyAttempts)
    assert set(standing(clock)["budget-70"]) == {"sms-hour", "sms-hour-reserve"}


def test_atk_063_a_recovery_beyond_the_reserve_is_late_and_not_lost(cast, post, clock, budget):
    """Same page, one row of the audit log, nothing of the person's own budgets used up by the waiting."""
    budget(5)
    spend_shared(clock)
    asked = Visitor().ask(YOUSSEF.login, phone=YOUSSEF_PHONE)
    assert len(secrets(post, YOUSSEF_PHONE)) == 1, "the reserve"
    late = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    assert shown(late) == shown(asked).replace(YOUSSEF.login, FATIMA.login)
    for _ in range(7):
        post.work()
        clock.advance(minutes=2)
    assert secrets(post, FATIMA_PHONE) == [] and RecoveryRequest.objects.filter(state="claimed").count() == 1
    assert asked_of(FATIMA) == []
    clock.advance(minutes=2)  # a quarter of an hour: the shared part of 4 an hour gives one again
    assert len(secrets(post, FATIMA_PHONE)) == 1 and asked_of(FATIMA) == ["sent"]
    own = limits.rate_limits.SEND_DAY.bucket(facts(FATIMA).id, "phone", FATIMA_PHONE)
    assert limits.remaining(own, now=clock()) == 5


def test_atk_063_who_would_wait_too_long_is_told_by_the_audit_log(cast, post, clock, budget):
    budget(5, 5)  # a day's budget of five: the next comes after hours
    spend_shared(clock)
    for person, phone in ((YOUSSEF, YOUSSEF_PHONE), (FATIMA, FATIMA_PHONE)):
        Visitor().ask(person.login, phone=phone)
        post.work()
    assert asked_of(FATIMA) == ["over_budget"] and secrets(post, FATIMA_PHONE) == []
    newest = RecoveryRequest.objects.latest("id")
    assert (newest.state, newest.ciphertext) == ("done", None)
    clock.advance(minutes=2)
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    assert len(secrets(post, YOUSSEF_EMAIL)) == 1, "mail knows nothing of it"


def test_atk_037_guessed_phones_draw_nothing_from_the_country(cast, post, clock, budget):
    budget(5)
    before = left(False, clock) + left(True, clock)
    for number in range(20):
        Visitor().ask(FATIMA.login, phone=f"06610003{number:02d}")
        Visitor().ask("nobody.there@taalim.ma", phone=f"06610003{number:02d}")
    post.work()
    assert post.sms.received == [] and left(False, clock) + left(True, clock) == before


# --- notices


def remove_a_contact(person) -> Visitor:
    visitor = Visitor().sign_in(person.login, person.password)
    return visitor.submit(actions(visitor.get("/profile/"), "/remove/")[0], password=person.password)


def test_atk_161_adding_and_taking_back_without_end_causes_ten_notices(cast, post, clock):
    for _ in range(12):
        youssef = remove_a_contact(YOUSSEF)
        assert shows(youssef, "flash.contact_removal", "fr")
        youssef.submit(actions(youssef, "/cancel/")[0])
        assert shows(youssef, "flash.contact_cancelled", "fr")
    assert len(post.messages(YOUSSEF_PHONE)) == 10
    assert len(post.messages(YOUSSEF.login)) == 24, "the mails tell all of it"
    clock.advance(hours=2)
    remove_a_contact(YOUSSEF)
    assert len(post.messages(YOUSSEF_PHONE)) == 11


def test_atk_162_notices_wait_while_the_hour_is_spent_and_leave_the_reserve_alone(cast, post, clock, budget):
    budget(5)
    spend_shared(clock)
    remove_a_contact(YOUSSEF)
    assert post.messages(YOUSSEF_PHONE) == [] and len(post.messages(YOUSSEF_EMAIL)) == 1
    waiting = Message.objects.get(channel="sms", purpose="notice")
    assert waiting.state == "queued" and waiting.attempts == 0 and waiting.reason == "the SMS budget is spent"
    assert left(True, clock) == [1, 20_000]
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    assert len(secrets(post, FATIMA_PHONE)) == 1, "the reserve serves her"
    clock.advance(minutes=15)
    assert len(post.messages(YOUSSEF_PHONE)) == 1, "late, and not lost"
    assert left(False, clock)[0] == 0, "and paid for"


def test_atk_162_a_notice_in_arabic_is_charged_for_both_of_its_segments(cast, post, clock, budget):
    budget(5)
    khadija = Visitor().sign_in(KHADIJA.login, KHADIJA.password)
    save_contact(khadija, KHADIJA.password, phone="0661123456")
    prove_contact(khadija, post, "+212661123456")
    assert left(False, clock)[0] == 3, "the code, one segment"
    khadija.submit(actions(khadija.get("/profile/"), "/remove/")[0], password=KHADIJA.password)
    assert len(post.messages("+212661123456")) == 2
    assert left(False, clock)[0] == 1


# --- what a wait tells


def test_atk_163_the_reason_of_a_wait_is_not_told(cast, signed_in, post, clock, budget):
    """Own number, block, country, or a stop: the same words, in each language."""
    said: dict[str, set[str]] = {}

    def wait(why: str) -> None:
        clock.set(clock().replace(second=0))
        for language in ("ar", "fr", "en"):
            jamal = Visitor().sign_in(JAMAL.login, JAMAL.password).submit("/language/", language=language)
            save_contact(jamal, JAMAL.password, phone=f"{BLOCK}777")
            assert jamal.page.status_code == 429, why
            assert shows(jamal, "error.wait_email", language), (why, language)
            said.setdefault(language, set()).add(_notice(jamal))

    for number in range(5):
        asks(number, f"{BLOCK}777", clock)
    wait("the number")
    clock.advance(days=2)
    for number in range(15):
        asks(100 + number, f"{BLOCK}{number:03d}", clock)
    wait("the block")
    post.work()
    clock.advance(minutes=4)
    for number in range(5):
        asks(200 + number, f"{BLOCK}1{number:02d}", clock)
    post.work()
    clock.advance(minutes=6)
    assert delivery.conversion.stopped(f"{BLOCK}777", now=clock())
    wait("a stop")
    clock.advance(days=1)
    budget(5)
    spend_shared(clock)
    wait("the country")
    assert {language: len(sentences) for language, sentences in said.items()} == {"ar": 1, "fr": 1, "en": 1}


def _notice(visitor: Visitor) -> str:
    """The line of the page that speaks of an e-mail address meanwhile, without its clock time."""
    [found] = [line for line in shown(visitor).splitlines() if re.search(AGAIN, line)]
    return re.sub(r"\d", "", found.strip())


AGAIN = r"(من جديد|de nouveau|again).*\d\d:\d\d"
