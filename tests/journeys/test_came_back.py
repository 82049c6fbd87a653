"""A letter came back: the contact is flagged, the person is told on home and in the profile, and puts it right."""

import re

import pytest
from django.db import DatabaseError

from massar.core import ids
from massar.core.audit import api as audit_log
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message
from massar.domain.people.models import Contact
from massar.interfaces.commands import bounces
from massar.journeys.messages import take_bounce
from massar.journeys.messages.take_bounce import REPORTED_WITHIN
from tests.cast import FATIMA, KHADIJA, KHADIJA_EMAIL, YOUSSEF, facts
from tests.support.bounces import REPORTS, report
from tests.support.steps import actions, prove_contact, save_contact, secrets, shown, shows
from tests.support.visitor import Visitor

NO_MAILBOX = (REPORTS / "no_mailbox.eml").read_bytes()
DELIVERED = (REPORTS / "delivered.eml").read_bytes()
EDGE = "550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [x.prod.protection.outlook.com]"
OUTLOOK = "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)"
YAHOO = "552 1 Requested mail action aborted, mailbox not found"
AT_A_RATE = "550-5.2.1 The user you are trying to contact is receiving mail at a rate that prevents"
POLICY = (REPORTS / "policy.eml").read_bytes()


@pytest.fixture
def khadija(cast, post):
    """She has an e-mail that was proved a while ago, and has asked for a temporary password."""
    post.worker.tick.advance(days=30)
    return facts(KHADIJA)


def sent(post, to: str = KHADIJA_EMAIL) -> str:
    """The return path of the newest message that left for `to`."""
    newest = post.messages(to)[-1]
    return delivery.return_path.address(newest.message_id, to, "bounce.example.ma")


def asked(post, person=KHADIJA, email: str = KHADIJA_EMAIL) -> str:
    Visitor().ask(person.login, email=email)
    return sent(post, email)


def contact() -> Contact:
    return Contact.objects.get(person_id=facts(KHADIJA).id, state="proved", ends_at=None)


def told(person) -> list[tuple]:
    rows = [e for e in audit_log.of_person(person.id) if e.event == "message_report"]
    return [(e.outcome, e.detail.get("code"), e.detail.get("contact")) for e in rows]


def test_an_address_that_does_not_exist_is_flagged_and_told_at_the_next_sign_in(khadija, post, clock):
    visitor = Visitor().sign_in(KHADIJA.login, KHADIJA.password)
    assert not shows(visitor, "home.came_back") and not shows(visitor.get("/profile/"), "contact.came_back")
    receipt = take_bounce.take(asked(post), NO_MAILBOX, now=clock())
    attempt = Attempt.objects.filter(message__purpose="temporary_password").latest("id")
    assert receipt == delivery.Receipt(attempt.provider, attempt.reference, delivery.FAILED, "5.1.1", to=KHADIJA_EMAIL)
    assert contact().bounced_at == clock() and told(khadija) == [("failed", "5.1.1", "flagged")]
    visitor.get("/")
    assert visitor.path == "/" and shows(visitor, "home.came_back") and "k•••@e•••" in shown(visitor)
    assert KHADIJA_EMAIL not in shown(visitor), "others may look on"
    assert shows(visitor.get("/profile/"), "contact.came_back")


def test_the_same_address_is_proved_anew_without_a_wait(khadija, post, clock):
    take_bounce.take(asked(post), NO_MAILBOX, now=clock())
    visitor = Visitor().sign_in(KHADIJA.login, KHADIJA.password)
    before = contact()
    clock.advance(minutes=10)
    save_contact(visitor, KHADIJA.password, email=KHADIJA_EMAIL)
    assert shows(visitor, "flash.code_sent")
    assert shows(prove_contact(visitor, post, KHADIJA_EMAIL), "flash.contact_proved")
    after = contact()
    assert after.pk == before.pk and after.bounced_at is None and after.counts_from == before.counts_from
    assert not shows(visitor, "contact.came_back") and not shows(visitor.get("/"), "home.came_back")
    clock.advance(hours=1)
    assert asked(post), "it still receives temporary passwords"
    proofs = [e.outcome for e in audit_log.of_person(khadija.id) if e.event == "contact_proved"]
    assert proofs[0] == "again"


@pytest.mark.both_databases
def test_another_address_takes_its_place_as_ever(khadija, post, clock):
    take_bounce.take(asked(post), NO_MAILBOX, now=clock())
    visitor = Visitor().sign_in(KHADIJA.login, KHADIJA.password)
    save_contact(visitor, KHADIJA.password, email="khadija.i@example.net")
    assert shows(prove_contact(visitor, post, "khadija.i@example.net"), "flash.contact_waits")
    assert shows(visitor.get("/"), "home.came_back"), "the old one serves until then"
    clock.advance(hours=73)
    visitor = Visitor().sign_in(KHADIJA.login, KHADIJA.password)
    assert not shows(visitor, "home.came_back")


def test_a_flagged_address_is_still_tried_and_recovery_says_nothing(khadija, post, clock):
    page = Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL).html
    take_bounce.take(sent(post), NO_MAILBOX, now=clock())
    clock.advance(hours=1)
    again = Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL).html
    moving = r'value="[^"]*"|\d\d:\d\d'
    assert re.sub(moving, "", page) == re.sub(moving, "", again)
    assert len(secrets(post, KHADIJA_EMAIL)) == 2


def test_a_message_that_arrives_later_clears_the_flag_and_an_earlier_one_does_not(khadija, post, clock):
    early = asked(post)
    clock.advance(hours=1)
    take_bounce.take(asked(post), NO_MAILBOX, now=clock.advance(minutes=1))
    take_bounce.take(early, DELIVERED, now=clock.advance(minutes=1))
    assert contact().bounced_at is not None
    clock.advance(hours=1)
    take_bounce.take(asked(post), DELIVERED, now=clock.advance(minutes=1))
    assert contact().bounced_at is None
    assert told(khadija)[0] == ("delivered", "2.0.0", "cleared")


def test_a_bounce_of_a_message_from_before_the_proof_flags_nothing(khadija, post, clock):
    old = asked(post)
    take_bounce.take(old, NO_MAILBOX, now=clock())
    visitor = Visitor().sign_in(KHADIJA.login, KHADIJA.password)
    clock.advance(minutes=10)
    save_contact(visitor, KHADIJA.password, email=KHADIJA_EMAIL)
    prove_contact(visitor, post, KHADIJA_EMAIL)
    take_bounce.take(old, NO_MAILBOX, now=clock.advance(minutes=1))
    assert contact().bounced_at is None


@pytest.mark.parametrize(("content", "outcome"), [
    (POLICY, ("failed", "5.7.1", None)),
    ((REPORTS / "expired.eml").read_bytes(), ("failed", "4.4.1", None)),
    ((REPORTS / "delayed.eml").read_bytes(), ("underway", "4.4.1", None)),
    (report("Action: failed\nStatus: 5.2.2\n"), ("failed", "5.2.2", None)),
    (b"Subject: failure notice\n\n<x>:\nNo mailbox by that name. (#5.1.1)\n", ("failed", "5.1.1", "flagged")),
    (report(f"Action: failed\nStatus: 5.4.1\nDiagnostic-Code: smtp;{EDGE}\n"), ("failed", "5.4.1", "flagged")),
    (report(f"Action: failed\nStatus: 5.5.0\nX-Supplementary-Info: <smtp;{OUTLOOK}>"), ("failed", "5.5.0", "flagged")),
    (report(f"Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; {YAHOO}\n"), ("failed", "5.0.0", "flagged")),
    (report(f"Action: failed\nStatus: 5.2.1\nDiagnostic-Code: smtp; {AT_A_RATE}\n"), ("failed", "5.2.1", None)),
], ids=["policy", "expired", "delayed", "full", "no structure", "Exchange Online", "outlook.com", "Yahoo", "Gmail"],
)  # fmt: skip
def test_what_each_report_does(khadija, post, clock, caplog, content, outcome):
    take_bounce.take(asked(post), content, now=clock())
    assert told(khadija) == [outcome]
    assert (contact().bounced_at is not None) == (outcome[2] == "flagged")
    assert ("it is about us" in caplog.text) == (outcome[1] == "5.7.1")


def test_a_mistyped_address_is_told_while_its_code_is_waited_for(cast, post, clock):
    visitor = Visitor().sign_in(FATIMA.login, FATIMA.password)
    save_contact(visitor, FATIMA.password, email="fatima@exmaple.org")
    take_bounce.take(sent(post, "fatima@exmaple.org"), NO_MAILBOX, now=clock())
    assert shows(visitor.get("/profile/"), "prove.came_back")
    assert not shows(visitor.get("/"), "home.came_back"), "it is no contact yet"
    visitor.submit(actions(visitor.get("/profile/"), "/cancel/")[0])
    assert not shows(visitor, "prove.came_back")


def test_a_notice_to_the_institution_mailbox_flags_no_contact(khadija, post, clock):
    visitor = Visitor().sign_in(KHADIJA.login, KHADIJA.password)
    save_contact(visitor, KHADIJA.password, phone="0661123456")
    prove_contact(visitor, post, "+212661123456")
    receipt = take_bounce.take(sent(post, KHADIJA.login), NO_MAILBOX, now=clock())
    assert receipt.state == delivery.FAILED and receipt.to == ""
    assert told(khadija) == [("failed", "5.1.1", None)] and not Contact.objects.exclude(bounced_at=None).exists()


def test_another_persons_contact_with_the_same_address_is_left_alone(khadija, post, clock):
    Visitor().sign_in(FATIMA.login, FATIMA.password)
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    save_contact(visitor, YOUSSEF.password, email=KHADIJA_EMAIL)
    prove_contact(visitor, post, KHADIJA_EMAIL)
    clock.advance(minutes=10)
    take_bounce.take(asked(post), NO_MAILBOX, now=clock())
    assert [c.person_id for c in Contact.objects.exclude(bounced_at=None)] == [khadija.id]


# -- what is dropped, alike


def forged(path: str) -> str:
    local, _, domain = path.partition("@")
    return f"{local[:-1]}{'0' if local[-1] != '0' else '1'}@{domain}"


@pytest.mark.parametrize("kind", ["forged", "unknown", "old", "no report", "not ours"])
def test_what_can_not_be_taken_is_dropped_with_a_line_in_the_log(khadija, post, clock, caplog, kind):
    path, content = asked(post), NO_MAILBOX
    if kind == "forged":
        path = forged(path)
    elif kind == "unknown":
        path = delivery.return_path.address(ids.short_token(), KHADIJA_EMAIL, "bounce.example.ma")
    elif kind == "old":
        clock.advance(days=REPORTED_WITHIN.days, seconds=1)
    elif kind == "no report":
        content = b"Subject: away\nAuto-Submitted: auto-replied\n\nBack on Monday.\n"
    else:
        path = "postmaster@bounce.example.ma"
    assert bounces.taken(path, content) == "250 2.0.0 Taken"
    assert contact().bounced_at is None and told(khadija) == []
    assert "a report was dropped" in caplog.text
    assert "khadija" not in caplog.text and path not in caplog.text


def test_the_same_report_twice_changes_nothing_more(khadija, post, clock):
    path = asked(post)
    take_bounce.take(path, NO_MAILBOX, now=clock())
    first = contact().bounced_at
    take_bounce.take(path, NO_MAILBOX, now=clock.advance(minutes=5))
    assert contact().bounced_at == first
    assert told(khadija) == [("failed", "5.1.1", None), ("failed", "5.1.1", "flagged")]


@pytest.mark.parametrize("fault", [DatabaseError("gone"), RuntimeError("a mistake of ours")])
def test_when_nothing_was_stored_the_mail_server_keeps_the_report(khadija, post, monkeypatch, fault):
    path = asked(post)

    def broken(*_, **__):
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(audit_log, "record_events", broken)
        assert bounces.taken(path, NO_MAILBOX) == "451 4.3.0 Not now"
    assert contact().bounced_at is None, "all or nothing"
    assert bounces.taken(path, NO_MAILBOX) == "250 2.0.0 Taken"
    assert contact().bounced_at is not None


def test_a_report_that_comes_before_the_attempt_is_settled_is_taken(khadija, post, clock):
    path = asked(post)
    Message.objects.filter(submitted_at__isnull=False).update(state="sending")
    Attempt.objects.update(outcome="", reference="")
    assert take_bounce.take(path, NO_MAILBOX, now=clock()).reference == ""
    assert contact().bounced_at is not None
