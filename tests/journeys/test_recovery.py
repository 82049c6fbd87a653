"""Recovery as people live it: what is typed, what arrives, what a reload does, how long things last."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from massar.core.audit import api as audit_log
from massar.domain.delivery.models import Message, RecoveryRequest
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, KHADIJA_EMAIL, NEW, STRANGER, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.captured import captured
from tests.support.steps import home, recover, secrets, shown, shows
from tests.support.visitor import Visitor


def test_the_pages_say_what_happens_how_often_and_whom_to_call(cast):
    visitor = Visitor().get("/recovery/")
    for id in ("recovery.know_change", "recovery.know_wait", "recovery.know_nothing"):
        assert shows(visitor, id), id
    assert "0800 00 11 22" in shown(visitor), "the help contact"
    visitor.ask(FATIMA.login, phone=FATIMA.phone)
    assert visitor.path == "/recovery/asked/"
    for id in ("asked.message", "asked.read_phone", "asked.wait_phone", "asked.check", "recovery.know_nothing"):
        assert shows(visitor, id), id
    assert 'action="/sign-in/"' in visitor.html and 'aria-current="step"' in visitor.html
    assert "0800 00 11 22" in shown(visitor)
    assert shows(Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL), "asked.read_email")


@pytest.mark.parametrize(("login", "to", "typed"), [
    *((FATIMA.login, FATIMA_PHONE, phone) for phone in (
        "0661000222", "06 61 00 02 22", "+212 6 61 00 02 22", "00212661000222", "٠٦٦١٠٠٠٢٢٢", "۰۶۶۱-۰۰۰-۲۲۲",
        "\u202a0661000222\u202c")),
    *(("Khadija.Idrissi", KHADIJA_EMAIL, mail) for mail in (
        "khadija@example.org", " KHADIJA@Example.ORG ", "\u200fkhadija@example.org\u200e")),
])  # fmt: skip
def test_the_contact_in_any_spelling(cast, post, login, to, typed):
    Visitor().ask(login, **{"email" if "@" in typed else "phone": typed})
    assert len(secrets(post, to)) == 1


def test_what_was_pasted_or_slipped_is_understood_in_recovery_and_profile(cast, post):
    """One way of reading for all forms, so that what was saved is what is compared."""
    Visitor().ask("<khadija.idrissi@taalim,ma>", email="mailto:Khadija@example,org")
    assert len(secrets(post, KHADIJA_EMAIL)) == 1
    visitor = Visitor().ask(JAMAL.login, email="jamal@taalim\u060cma")
    assert shows(visitor, "error.email_institution"), "the institution's domain is known through the slip"
    visitor.ask(JAMAL.login, email="<jamal@example.org>")
    assert shows(visitor, "error.email_shape"), "told: the address alone"
    jamal = home(JAMAL).get("/profile/")
    jamal.submit("/profile/", email="'jamal@example.org'.", phone="«0661,12,34,56»", password=JAMAL.password)
    assert shows(jamal, "flash.code_sent") and len(post.messages("jamal@example.org")) == 1
    assert len(post.messages("+212661123456")) == 1


def test_a_reload_a_second_press_and_the_same_form_later_send_nothing_twice(cast, post, clock):
    visitor = Visitor().get("/recovery/")
    form = {"user": FATIMA.login, "channel": "phone", "phone": FATIMA.phone}
    page = visitor.page
    visitor.submit("/recovery/", **form)
    for _ in range(5):
        visitor.get("/recovery/asked/?by=phone")
    visitor.page = page  # Back, and the same form once more
    visitor.submit("/recovery/", **form)
    assert visitor.path == "/recovery/asked/"
    assert RecoveryRequest.objects.count() == 1
    assert len(secrets(post, FATIMA_PHONE)) == 1
    clock.advance(minutes=30)
    visitor.page = page
    visitor.submit("/recovery/", **form)
    assert len(secrets(post, FATIMA_PHONE)) == 1


def test_asking_is_one_row_nothing_is_looked_up_and_nothing_typed_is_kept(cast, post):
    visitor = Visitor().get("/recovery/")
    with captured() as statements:
        visitor.submit("/recovery/", user=FATIMA.login, channel="phone", phone=FATIMA.phone)
    tables = {t for t in connection.introspection.table_names() if any(t in one for one in statements)}
    assert len(statements) <= 4 and tables == {"limits_siege", "limits_bucketstate", "delivery_recoveryrequest"}
    row = RecoveryRequest.objects.get()
    assert b"661000222" not in bytes(row.ciphertext) and b"fatima" not in bytes(row.ciphertext)
    post.work()
    row.refresh_from_db()
    assert row.state == "done" and row.ciphertext is None
    assert all(m.ciphertext is None for m in Message.objects.all())


@pytest.mark.parametrize(("channel", "typed", "error"), [
    ("email", "jamal@taalim.ma", "error.email_institution"),
    ("email", "someone@men.gov.ma", "error.email_institution"),
    ("email", "someone@mail.men.gov.ma", "error.email_institution"),
    ("email", "not-an-address", "error.email_shape"),
    ("email", "", "error.required"),
    ("phone", "", "error.required"),
    ("phone", "0522334455", "error.phone_fixed"),
    ("phone", "+33612345678", "error.phone_country"),
    ("phone", "06611", "error.phone_shape"),
])  # fmt: skip
def test_what_can_never_be_a_contact_is_said_at_once(cast, post, channel, typed, error):
    """It knows by the text alone: the same for everybody (decision 11)."""
    visitor = Visitor().ask(JAMAL.login, **{channel: typed})
    assert visitor.path == "/recovery/" and visitor.page.status_code == 422
    assert shows(visitor, error)
    assert RecoveryRequest.objects.count() == 0


def test_atk_044_the_secret_lives_ten_minutes_by_sms(cast, post, clock):
    asked_at = clock()
    visitor = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    (sms,) = post.messages(FATIMA_PHONE)
    assert "02:05" in sms.text, "the end as a clock time in Morocco, across the change to the Ramadan time of 2026"
    secret = post.secret(FATIMA_PHONE)
    clock.set(asked_at + timedelta(minutes=9, seconds=59))
    assert Visitor().sign_in(FATIMA.login, secret).path == "/password/expired/"
    clock.set(asked_at + timedelta(minutes=10))
    visitor.sign_in(FATIMA.login, secret)
    assert shows(visitor, "problem.expired_code") and 'href="/recovery/"' in visitor.html
    other = ("b" if secret[0] != "b" else "c") + secret[1:]
    assert shows(visitor.sign_in(FATIMA.login, other), "problem.wrong"), "a wrong one is never called late"
    clock.advance(hours=25)
    assert shows(visitor.sign_in(FATIMA.login, secret), "problem.wrong"), "after a day it is not told from a wrong one"


def test_atk_044_the_secret_lives_sixty_minutes_by_mail(cast, post, clock):
    asked_at = clock()
    Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL)
    secret = post.secret(KHADIJA_EMAIL)
    clock.set(asked_at + timedelta(minutes=59, seconds=59))
    assert Visitor().sign_in(KHADIJA.login, secret).path == "/password/expired/"
    clock.set(asked_at + timedelta(minutes=60, seconds=1))
    assert shows(Visitor().sign_in(KHADIJA.login, secret), "problem.expired_code")


def test_the_time_runs_from_the_hand_over_and_who_waited_too_long_in_the_queue_gets_nothing(cast, post, clock):
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    clock.advance(minutes=20)  # a queue
    secret = post.secret(FATIMA_PHONE)
    clock.advance(minutes=9)
    assert Visitor().sign_in(FATIMA.login, secret).path == "/password/expired/"
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    clock.advance(minutes=46)
    assert secrets(post, FATIMA_PHONE) == [secret]
    assert audit_log.of_person(facts(FATIMA).id)[0].outcome == "too_late"


@pytest.mark.both_databases
def test_closing_the_dialog_strands_nobody_and_a_clock_that_jumps_back_opens_nothing_twice(cast, post, clock):
    visitor = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret(FATIMA_PHONE)
    visitor.sign_in(FATIMA.login, secret).submit("/password/close/")
    assert visitor.path == "/sign-in/"
    assert visitor.get("/password/change/").path == "/sign-in/"
    visitor.sign_in(FATIMA.login, secret).get("/password/change/")
    half = visitor.client.cookies.copy()
    assert visitor.client.post("/sign-out/", {"csrfmiddlewaretoken": visitor.token}).status_code == 303
    visitor.client.cookies.update(half)
    assert visitor.get("/password/change/").path == "/sign-in/", "signing out ends a half-done change too"
    visitor.sign_in(FATIMA.login, secret).change(secret, NEW)
    assert visitor.signed_in
    clock.advance(hours=-1)
    assert shows(Visitor().sign_in(FATIMA.login, secret), "problem.wrong")
    assert Visitor().sign_in(FATIMA.login, NEW).signed_in


def test_the_claim_moves_to_the_newer_browser(cast, post):
    first, second = Visitor().ask(FATIMA.login, phone=FATIMA.phone), Visitor()
    secret = post.secret(FATIMA_PHONE)
    first.sign_in(FATIMA.login, secret)
    second.sign_in(FATIMA.login, secret)
    assert first.get("/password/change/").path == "/sign-in/"
    second.change(secret, NEW)
    assert second.signed_in and not first.signed_in


def test_the_message_goes_to_the_chosen_contact_only_and_to_nobody_without_one_but_the_page_is_the_same(cast, post):
    for visitor in (Visitor().ask(JAMAL.login, phone="0661123456"), Visitor().ask(STRANGER, phone="0661123456")):
        assert shows(visitor, "asked.message")
    post.work()
    assert post.sms.received == [] and post.email.received == []
    assert audit_log.of_person(facts(JAMAL).id)[0].outcome == "no_match"
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    assert len(secrets(post, YOUSSEF_EMAIL)) == 1 and post.sms.received == []


def test_one_may_ask_again_after_a_minute_and_three_times_an_hour_for_a_new_secret(cast, post, clock):
    """Beyond that the running one comes again: whoever asks gets a message."""
    visitor = Visitor()
    steps = ((0, 1, 1), (0.5, 1, 1), (1.5, 2, 2), (3, 3, 3), (4.5, 4, 3), (25, 5, 4))
    for minute, messages, different in steps:
        clock.set(datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(minutes=minute))
        assert shows(visitor.ask(FATIMA.login, phone=FATIMA.phone), "asked.message")
        found = secrets(post, FATIMA_PHONE)
        assert (len(found), len(set(found))) == (messages, different), f"at minute {minute}"


def test_the_number_an_hour_is_a_setting(cast, post, clock, settings):
    settings.MASSAR = replace(settings.MASSAR, recoveries_per_hour=1)
    for minute, different in ((0, 1), (2, 1), (4, 1), (61, 2)):
        clock.set(datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(minutes=minute))
        Visitor().ask(FATIMA.login, phone=FATIMA.phone)
        assert len(set(secrets(post, FATIMA_PHONE))) == different, f"at minute {minute}"
    assert len(secrets(post, FATIMA_PHONE)) == 4, "what runs was sent again"


def test_recovery_opens_the_door_that_strangers_closed(cast, post, clock):
    """Strangers spent the account's tries; who proves to be the owner is not kept waiting."""
    stranger = Visitor()
    for _ in range(25):
        stranger.sign_in(FATIMA.login, "Wrong*5820-word")
    assert shows(stranger, "problem.wait")
    owner = recover(post, FATIMA, FATIMA_PHONE, NEW)
    assert owner.signed_in
    assert Visitor().sign_in(FATIMA.login, NEW).signed_in


def test_every_step_of_a_recovery_leaves_a_row(cast, post):
    visitor = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret(FATIMA_PHONE)
    visitor.sign_in(FATIMA.login, secret).change(secret, NEW)
    post.work()
    rows = list(reversed(audit_log.of_person(facts(FATIMA).id)))
    story = [(r.event, r.outcome) for r in rows]
    told = [("person_added", ""), ("recovery_asked", "sent"), ("message", "submitted"), ("temporary_accepted", "")]
    told += [("password_recovered", ""), ("sign_in", "temporary_password")]
    assert story[:6] == told
    assert story[6:] == [("message", "submitted")] * 2, "the notices: institution mailbox and phone"
    for row in rows:
        told = f"{row.event} {row.outcome} {row.network} {row.browser} {row.detail}"
        assert secret not in told and "661000222" not in told and NEW not in told
        assert row.genuine
