"""Mail through a real Postfix with deploy/postfix: what arrives, what comes back, and what the product makes of it."""

import contextlib
import html
import re
import sqlite3
from datetime import timedelta
from email import message_from_bytes

import pytest

from massar.core import clock, ids
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message
from massar.providers.registry import provider_from_table
from tests.cast import FATIMA, JAMAL, YOUSSEF
from tests.servers import postoffice
from tests.servers.account import COMMAND, running_account
from tests.servers.machine import running
from tests.servers.surfer import Surfer
from tests.support.post_office import worker_with
from tests.support.postgres import free_port
from tests.support.waits import until
from tests.support.words import saying

SECRET = "kdmwt-47392"
PATIENCE = 30  # seconds for a report; the queue gives a letter up after six


@pytest.fixture(scope="module")
def office():
    with postoffice.open_post_office() as it:
        yield it


@pytest.fixture
def provider(office):
    table = {
        "kind": "smtp", "host": "127.0.0.1", "port": office.port, "security": "plain", "sender": "massar@example.ma",
        "bounces": "bounce.example.ma", "receipts": True,
    }  # fmt: skip
    made = provider_from_table(table, name="mail")
    yield made
    made.close()


@pytest.fixture
def reports(office):
    with postoffice.catching(office.bounces) as caught:
        yield caught


def letter(to: str) -> delivery.OutboundMessage:
    text, html, id = f"Voici :\n\n{SECRET}\n", f"<p>{SECRET}</p>", ids.short_token()
    return delivery.OutboundMessage(id, "email", to, "fr", "Mot de passe", text, html, written_at=clock.now())


def send(provider, message: delivery.OutboundMessage) -> delivery.Accepted:
    result = provider.send(message, valid_for=timedelta(minutes=10))
    assert isinstance(result, delivery.Accepted) and result.receipt and result.reference, result
    return result


def told(reports: list, message: delivery.OutboundMessage) -> tuple[bytes, delivery.bounces.Report]:
    """The next report about this message, and how it is read."""
    until(lambda: reports, PATIENCE)
    recipient, report = reports.pop(0)
    returned = delivery.return_path.read(recipient)
    assert returned.uid == message.message_id and returned.was_to(message.to)
    assert f"Original-Envelope-Id: {message.message_id}".encode() in report
    return report, delivery.bounces.read(report)


# -- the provider against Postfix


@pytest.mark.django_db
def test_a_listed_recipient_and_a_greylisted_domain_hold_up_nobody(office, provider, clock):
    """They are put in first; the server says so in its own words (`554 5.7.1 ... Access denied`, `450 4.7.1`)."""
    refused = ["listed@example.org", *(f"person{n}@grey.example" for n in range(8))]
    well = [f"person{n}@kept.example" for n in range(6)]
    for person, to in enumerate([*refused, *well]):
        delivery.outbox.put(
            purpose="contact_code", channel="email", language="fr", person_id=person, to=to, now=clock(),
            values={"code": "123456", "host": "compte.example.ma"}, within=timedelta(minutes=10),
        )  # fmt: skip
    worker = worker_with({"email": provider}, clock)
    for _ in range(8):
        while worker.turn():
            pass
        clock.advance(seconds=1)
    states = dict(Message.objects.values_list("person_id", "state"))
    assert {states[person] for person in range(9, 15)} <= {"awaiting_receipt", "submitted"}, "at once"
    codes = set(Attempt.objects.filter(outcome="rejected").values_list("code", flat=True))
    assert codes == {"554 5.7.1 at RCPT", "450 4.7.1 at RCPT"}
    facts = delivery.breaker.all_states()["mail"]
    assert facts.state == "closed" and not facts.configuration_error, "nor does an alarm blame our account"
    assert states[0] == "failed" and {states[person] for person in range(1, 9)} == {"queued"}


def test_a_letter_lands_in_the_mailbox_and_a_repeat_is_the_same_letter(office, provider, reports):
    message = letter("khadija@example.org")
    send(provider, message)
    send(provider, message)
    first, twin = until(lambda: len(found := office.letters("khadija@example.org")) == 2 and found, PATIENCE)
    assert first["Message-ID"] == twin["Message-ID"] == f"<{message.message_id}@example.ma>"
    assert first["Date"] == twin["Date"] and [str(p) for p in first.iter_parts()] == [str(p) for p in twin.iter_parts()]
    assert first["Auto-Submitted"] == "auto-generated"
    assert SECRET in first.get_body(("plain",)).get_content()
    path = first["Return-Path"].strip("<>")
    assert delivery.return_path.read(path).was_to("khadija@example.org") and path.endswith("@bounce.example.ma")
    for _ in range(2):  # Dovecot makes no reports of its own: handed on is all that is known
        assert told(reports, message)[1] == delivery.bounces.Report(delivery.UNDERWAY, "2.0.0")


def test_a_letter_that_is_kept_is_reported_as_delivered_and_one_to_nobody_comes_back_without_the_letter(
    provider, reports
):
    message = letter("khadija@kept.example")
    send(provider, message)
    assert told(reports, message)[1] == delivery.bounces.Report(delivery.DELIVERED, "2.0.0")
    message = letter("nobody@example.org")
    send(provider, message)
    report, read = told(reports, message)
    assert read == delivery.bounces.Report(delivery.FAILED, "5.1.1") and read.address_fault
    assert SECRET.encode() not in report and b"bW90" not in report
    assert "message/rfc822" not in {part.get_content_type() for part in message_from_bytes(report).walk()}
    message = letter("a@policy.example")  # a policy is not the address's fault
    send(provider, message)
    read = told(reports, message)[1]
    assert read == delivery.bounces.Report(delivery.FAILED, "5.7.1")
    assert read.configuration_error and not read.address_fault


def test_what_stays_in_the_queue_is_reported_late_and_then_given_back(provider, reports):
    message = letter("a@late.example")
    send(provider, message)
    late, gone = told(reports, message)[1], told(reports, message)[1]
    assert late == delivery.bounces.Report(delivery.UNDERWAY, "4.4.1")
    assert gone == delivery.bounces.Report(delivery.FAILED, "4.4.1") and not gone.address_fault


def test_a_report_waits_at_the_mail_server_while_nobody_takes_it(office, provider):
    message = letter("nobody@example.org")
    send(provider, message)
    until(lambda: message.message_id in office.queue(), PATIENCE)
    with postoffice.catching(office.bounces) as reports:
        assert told(reports, message)[1].code == "5.1.1"


# -- the whole product


@pytest.fixture(scope="module")
def account(office, tmp_path_factory):
    """The product with its worker, the post office, and `massar bounces`. YOUSSEF's mailbox is unknown there."""
    folder = tmp_path_factory.mktemp("mail-account")
    url = f"smtp://127.0.0.1:{office.port}?bounces=bounce.example.ma"
    with running_account(folder, free_port(), "", MASSAR_EMAIL_URL=url, MASSAR_EMAIL_FROM="massar@example.ma") as it:
        (folder / "bounces").mkdir()
        bounces = [*COMMAND, "bounces", "--port", str(office.bounces)]
        with running(bounces, folder=folder / "bounces", ports=(office.bounces,), environment=it.environment):
            yield it


def rows(account, statement: str, *values) -> list[tuple]:
    database = sqlite3.connect(f"file:{account.folder}/massar.sqlite3?mode=ro", uri=True, timeout=20)
    with contextlib.closing(database):
        return database.execute(statement, values).fetchall()


def create(account, person, email: str) -> None:
    account.run(
        "createperson", person.login, "--name", person.first_latin, person.last_latin, "--language", "fr",
        "--email", email, "--password-stdin", typed=person.password,
    )  # fmt: skip


def recover(account, person, email: str) -> None:
    surfer = Surfer()
    surfer.open(f"{account.url}/recovery/")
    surfer.submit("/recovery/", user=person.login, channel="email", email=email)


def reported(account, person) -> list[tuple]:
    """(outcome, detail) of the reports in the person's audit log, oldest first."""
    statement = (
        "SELECT t.outcome, t.detail FROM audit_event t JOIN people_person p ON p.id = t.person_id "
        "WHERE p.login = ? AND t.event = 'message_report' ORDER BY t.id"
    )
    return rows(account, statement, person.login)


def came_back(account, person) -> bool:
    of_person = "JOIN people_person p ON p.id = c.person_id WHERE p.login = ?"
    ((moment,),) = rows(account, f"SELECT bounced_at FROM people_contact c {of_person}", person.login)
    return moment is not None


def test_a_letter_to_an_unknown_mailbox_flags_the_contact_and_the_person_is_told(account):
    assert not came_back(account, YOUSSEF)
    recover(account, YOUSSEF, YOUSSEF.email)
    ((outcome, detail),) = until(lambda: reported(account, YOUSSEF), PATIENCE)
    assert outcome == "failed" and '"contact": "flagged"' in detail and '"code": "5.1.1"' in detail
    assert came_back(account, YOUSSEF)
    # The row of the outbox stays as it was handed over: what became of it is told by the report.
    assert rows(account, "SELECT state, ciphertext FROM delivery_message WHERE purpose = 'temporary_password'") == [
        ("submitted", None)
    ]
    surfer = Surfer()
    account.sign_in(surfer, YOUSSEF)
    surfer.open(f"{account.url}/")
    page = re.sub(r"<[^>]*>", "", html.unescape(surfer.page.text))
    assert saying("fr", "home.came_back").search(page) and "y•••@e•••" in page


def test_what_the_queue_gives_back_is_reported_and_flags_nobody(account):
    create(account, JAMAL, "jamal@late.example")
    recover(account, JAMAL, "jamal@late.example")
    until(lambda: len(reported(account, JAMAL)) == 2, PATIENCE)
    assert [outcome for outcome, _ in reported(account, JAMAL)] == ["underway", "failed"]
    assert not came_back(account, JAMAL)


def test_what_arrives_flags_nobody(account, office):
    create(account, FATIMA, "fatima@example.org")
    recover(account, FATIMA, "fatima@example.org")
    until(lambda: office.letters("fatima@example.org"), PATIENCE)
    assert reported(account, FATIMA) == [] and not came_back(account, FATIMA)
