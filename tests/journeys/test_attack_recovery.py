"""Attacks on asking for a recovery, numbered as in docs/security/attack-cases.md."""

import re
from collections import Counter

import pytest

from massar.core.audit import api as audit_log
from massar.domain.delivery.models import Message, RecoveryRequest
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.models import Contact
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, KHADIJA_EMAIL, NEW, STRANGER, facts
from tests.support.steps import home, plain, prove_contact, save_contact, secrets, shows
from tests.support.visitor import Visitor


def outcome(person) -> str:
    """What the worker found for the newest request of that person."""
    return next(r.outcome for r in audit_log.of_person(facts(person).id) if r.event == "recovery_asked")


def test_atk_020_neither_a_dead_worker_nor_a_provider_that_fails_changes_the_page(cast, post):
    dead = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    assert shows(dead, "asked.message") and RecoveryRequest.objects.get().state == "waiting", "nothing is lost"
    assert len(secrets(post, FATIMA_PHONE)) == 1
    for mood in ("gone", "refused", "not_now", "silent"):
        post.sms.mood = mood
        broken = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
        post.work()
        assert plain(dead) == plain(broken) and broken.page.status_code == 200


def test_atk_031_a_foreign_host_is_refused(cast, post):
    visitor, wanted = Visitor().get("/recovery/"), "evil.example localhost.evil.example testserver:@evil.example"
    for host in (*wanted.split(), "testserver evil", "evil.example#testserver"):
        answer = visitor.client.get("/recovery/", headers={"host": host})
        assert answer.status_code == 400 and b"evil" not in answer.content
        assert visitor.client.post("/recovery/", {"user": FATIMA.login}, headers={"host": host}).status_code == 400
    assert RecoveryRequest.objects.count() == 0


def test_atk_031_the_message_knows_our_address_only(cast, post):
    names = ("x-forwarded-host", "x-host", "x-original-host", "x-forwarded-server")
    evil = {**dict.fromkeys(names, "evil.example"), "forwarded": "host=evil.example"}
    khadija = Visitor(**evil).sign_in(KHADIJA.login, KHADIJA.password)
    save_contact(khadija, KHADIJA.password, phone="0661123456")
    prove_contact(khadija, post, "+212661123456")
    Visitor(**evil).ask(KHADIJA.login, email=KHADIJA_EMAIL)
    for mail in post.messages(KHADIJA_EMAIL):
        assert "evil" not in mail.text + (mail.html or "")
    assert any("http://localhost:8000/contacts/cancel/" in m.text for m in post.messages(KHADIJA_EMAIL))


@pytest.mark.parametrize("typed", [
    "kh\u0430dija@example.org", "khad\u0131ja@example.org", "khadija@ex\u0430mple.org", "khadija@example.org\u202e",
    "ｋhadija@example.org", "khadija@example\u3002org",
])  # fmt: skip
def test_atk_032_a_look_alike_address_brings_nothing(cast, post, typed):
    """Invisible marks are taken away; look-alike letters never match."""
    Visitor().ask(KHADIJA.login, email=typed)
    post.work()
    assert {m.to for m in post.email.received} <= {KHADIJA_EMAIL}
    if typed.endswith("\u202e"):
        assert len(secrets(post, KHADIJA_EMAIL)) == 1
    else:
        assert post.email.received == []


@pytest.mark.parametrize("typed", [
    "khadija@example.org,evil@example.net", "khadija@example.org%0d%0aBcc:evil@example.net",
    "khadija@example.org\r\nBcc: evil@example.net", "khadija@example.org|evil@example.net",
    "khadija@example.org evil@example.net", "<khadija@example.org>", '"khadija"@example.org',
])  # fmt: skip
def test_atk_033_one_recipient_and_that_is_the_stored_one(cast, post, typed):
    visitor = Visitor().ask(KHADIJA.login, email=typed).get("/recovery/")
    fields = {"csrfmiddlewaretoken": visitor.token, "user": KHADIJA.login, "channel": "email"}
    visitor.client.post("/recovery/", {**fields, "email": [KHADIJA_EMAIL, "evil@example.net"]})
    post.work()
    assert post.email.received == []


def test_atk_034_looking_at_every_link_of_every_mail_changes_nothing(cast, post, clock):
    prove_contact(save_contact(home(KHADIJA), KHADIJA.password, phone="0661123456"), post, "+212661123456")
    Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL)
    secret = post.secret(KHADIJA_EMAIL)
    written = " ".join(m.text + (m.html or "") for m in post.messages(KHADIJA_EMAIL))
    links = set(re.findall(r"http://localhost:8000(/[^\s\"<]*)", written))
    assert any("/contacts/cancel/" in link for link in links)
    for link in links:
        for method in ("get", "head", "options"):
            getattr(Visitor().client, method)(link)
    assert Contact.objects.filter(state="proved", person_id=facts(KHADIJA).id).count() == 2
    assert Visitor().sign_in(KHADIJA.login, secret).path == "/password/expired/"


def test_atk_035_unproved_waiting_and_frozen_contacts_show_nothing(cast, post):
    save_contact(home(JAMAL), JAMAL.password, phone="0661123456")
    prove_contact(save_contact(home(KHADIJA), KHADIJA.password, phone="0661777888"), post, "+212661777888")
    asked = {JAMAL: "0661123456", KHADIJA: "0661777888", FATIMA: FATIMA.phone}
    assert len({plain(Visitor().ask(person.login, phone=phone)) for person, phone in asked.items()}) == 1
    assert secrets(post, "+212661123456") == secrets(post, "+212661777888") == []
    assert len(secrets(post, FATIMA_PHONE)) == 1
    assert outcome(JAMAL) == outcome(KHADIJA) == "no_match"


def test_atk_035_a_disabled_account_gets_no_message(cast, post):
    """Its contacts are as right as ever."""
    people.directory.disable(facts(FATIMA).id)
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    assert post.messages(FATIMA_PHONE) == [] and outcome(FATIMA) == "disabled"


def test_atk_037_guessed_phones_bring_no_message_and_end_in_a_budget(cast, post, clock):
    for number in range(30):
        Visitor().ask(FATIMA.login, phone=f"0661{number:06d}")
        clock.advance(seconds=2)
    post.work()
    assert post.sms.received == []
    told = Counter[str]()
    for row in audit_log.of_person(facts(FATIMA).id, limit=100):
        if row.event == "recovery_asked":
            told[row.outcome] += int(row.detail.get("count", 1))
    assert told == {"no_match": 10, "guesses_spent": 20}


def test_atk_037_a_network_that_asks_without_end_is_slowed(cast, clock):
    assert limits.consume([limits.rate_limits.ASK_NETWORK.bucket("127.0.0.0/24", units=600)], now=clock()) is None
    visitor = Visitor().ask(STRANGER, phone=FATIMA.phone)
    assert visitor.page.status_code == 429 and visitor.page.headers["Retry-After"] == "1"
    assert RecoveryRequest.objects.count() == 0


def test_atk_038_045_a_third_request_ends_the_oldest_only_and_a_used_code_all(cast, post, clock):
    found = []
    for _ in range(3):
        Visitor().ask(FATIMA.login, phone=FATIMA.phone)
        found.append(secrets(post, FATIMA_PHONE)[-1])
        clock.advance(seconds=61)
    told = "problem.expired_code"
    assert shows(Visitor().sign_in(FATIMA.login, found[0]), told), "right, but a newer one took its place"
    for secret in found[1:]:
        visitor = Visitor().sign_in(FATIMA.login, secret)
        assert visitor.path == "/password/expired/"
    visitor.change(secret, NEW)
    for secret in found[1:]:
        assert shows(Visitor().sign_in(FATIMA.login, secret), "problem.wrong")


def test_atk_040_the_old_password_from_the_asking_browser_cancels_what_was_asked(cast, post, clock):
    """Also a message that has not left, while its provider is away (decision 6)."""
    owner = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret(FATIMA_PHONE)
    owner.sign_in(FATIMA.login, FATIMA.password)
    assert shows(Visitor().sign_in(FATIMA.login, secret), "problem.wrong")
    post.sms.mood = "gone"
    clock.advance(minutes=5)
    owner.submit("/sign-out/").ask(FATIMA.login, phone=FATIMA.phone)
    post.work()
    owner.sign_in(FATIMA.login, FATIMA.password)
    post.sms.mood = ""
    clock.advance(minutes=1)
    assert secrets(post, FATIMA_PHONE) == [secret]
    message = Message.objects.filter(purpose="temporary_password").latest("id")
    assert (message.state, message.ciphertext) == ("cancelled", None)


def test_atk_040_the_old_password_from_elsewhere_cancels_nothing(cast, post):
    """A thief who knows the password must not be able to keep the owner from recovering."""
    owner = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret(FATIMA_PHONE)
    assert home(FATIMA).signed_in
    assert owner.sign_in(FATIMA.login, secret).path == "/password/expired/"
