"""After its end nothing of a message can be read without the keys: not in the database's files, a log, or at the desk.

Two SMSCs, a mail server, receipts of every kind, fail-over, a letter that comes back; every final state is reached.
What may stay: blind indexes, masked contacts, the beginning of a number whose block was stopped, and the address of an
account.
"""

import json
import logging
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from django.conf import settings
from django.test import Client

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message, UnmatchedReceipt
from massar.interfaces.commands import messages as messages_command
from massar.interfaces.commands.worker import Worker
from massar.journeys.messages import take_bounce
from massar.providers import registry
from massar.providers.registry import provider_from_table
from tests.cast import FATIMA, FATIMA_PHONE, KHADIJA, KHADIJA_EMAIL, YOUSSEF
from tests.contracts.smpp_rig import PASSWORD, SYSTEM_ID, Smsc, receipt_text
from tests.contracts.smtp_rig import MailServer
from tests.support.bounces import REPORTS
from tests.support.canary import everything_stored, readable_forms
from tests.support.post_office import AtOnce
from tests.support.visitor import CODE, TEMPORARY, Visitor
from tests.support.waits import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
PHONE = "+212662000333"
NEW_PHONE = "+212663000444"
NO_SUCH_NUMBER, THROTTLED = 0x0B, 0x58
TOKEN = "a-token-of-this-installation"


class Office:
    """A worker with two SMSCs and a mail server of the rigs, turned by hand."""

    def __init__(self, clock):
        self.clock, self.iam, self.orange, self.mail = clock, Smsc(), Smsc(), MailServer().start()
        self.sms = [self._smpp("iam", self.iam), self._smpp("orange", self.orange)]
        options = delivery.ProviderOptions(name="mail", sender="massar@example.ma")
        mail = registry.provider_from_url(f"smtp://127.0.0.1:{self.mail.port}", options)
        self.worker = Worker(delivery.ProviderRegistry({"sms": self.sms, "email": [mail]}), tick=clock, pool=AtOnce())
        for provider in self.sms:
            provider.open(self.worker.take_receipt)
        until(lambda: all(provider.room() for provider in self.sms))

    def _smpp(self, name: str, server: Smsc):
        table = {"kind": "smpp", "host": "127.0.0.1", "port": server.port, "system_id": SYSTEM_ID, "password": PASSWORD,
                 "tls": "off", "rate": 100_000.0, "reconnect_first": 0.02, "reconnect_most": 0.1}  # fmt: skip
        return provider_from_table(table, name=name)

    def close(self) -> None:
        for provider in self.sms:
            provider.close()
        self.iam.stop()
        self.orange.stop()
        self.mail.stop()

    def until(self, state: str, number: int = 1) -> None:
        """Turns until so many messages are in that state."""
        self.when(lambda: Message.objects.filter(state=state).count() == number)

    def when(self, condition: Callable[[], object]) -> None:
        """Turns until it is so, a tenth of a second each."""

        def turned() -> object:
            self.clock.advance(seconds=0.1)
            self.worker.turn()
            return condition()

        until(turned)

    def receipts(self, server: Smsc, number: str, state: str, error: str) -> None:
        """One for each segment that the SMSC took last; a hostile one repeats the number where an error stands."""
        for reference in server.references:
            source = (1, 1, number.lstrip("+"))
            server.receipt(receipt_text(reference, state, error) + f" sms to {number}".encode(), source=source)
        server.references.clear()

    def secrets(self) -> set[str]:
        """Temporary passwords and codes in all that arrived anywhere."""
        texts = [letter.get_body(("plain",)).get_content() for letter in self.mail.letters]
        texts += ["".join(s.text for s in server.submits) for server in (self.iam, self.orange)]
        return {secret for text in texts for secret in (*TEMPORARY.findall(text), *CODE.findall(text))}


@pytest.fixture
def office(transactional_db, clock) -> Iterator[Office]:
    one = Office(clock)
    yield one
    one.close()


def test_nothing_can_be_read_after_the_end(office, cast, clock, caplog, capsys, monkeypatch):
    caplog.set_level(logging.DEBUG)
    for happens in (delivered, taken_over_after_a_negative_receipt, a_number_that_does_not_exist, withdrawn, too_late,
                    a_code, a_letter_that_comes_back, a_receipt_of_nothing_we_know):  # fmt: skip
        happens(office)
    states = set(Message.objects.values_list("state", flat=True))
    assert states == {"delivered", "failed", "cancelled", "expired", "submitted"}
    assert not Message.objects.exclude(ciphertext=None).exists() and Attempt.objects.filter(provider="orange").exists()
    found = office.secrets()
    assert sum(bool(TEMPORARY.fullmatch(one)) for one in found) >= 3 and any(CODE.fullmatch(one) for one in found)
    canaries = found | {FATIMA_PHONE, PHONE, NEW_PHONE, KHADIJA_EMAIL, "Ne le donnez"}
    log, desk = log_of_the_product(caplog), seen(capsys, monkeypatch)
    places = {"the database": everything_stored(), "the log": log, "the desk": desk}
    assert YOUSSEF.login.encode() in places["the database"], "the search looks at the right place"
    assert b": rejected: smpp" in places["the log"] and b"smpp 0x0b" in places["the database"]
    for place, stored in places.items():
        for canary in sorted(canaries):
            for form in readable_forms(canary):
                assert form not in stored, f"{canary} can be read in {place} as {form!r}"


def delivered(office: Office) -> None:
    Visitor().ask(FATIMA.login, phone=FATIMA_PHONE)
    office.until("awaiting_receipt")
    assert office.iam.submits[-1].coding == 8, "Arabic"
    office.receipts(office.iam, FATIMA_PHONE, "DELIVRD", "000")
    office.until("delivered")


def taken_over_after_a_negative_receipt(office: Office) -> None:
    Visitor().ask(YOUSSEF.login, phone=PHONE)
    office.until("awaiting_receipt")
    office.receipts(office.iam, PHONE, "UNDELIV", PHONE[-3:])
    office.when(lambda: office.orange.references)
    office.when(lambda: Message.objects.latest("id").provider == "orange")
    office.receipts(office.orange, PHONE, "DELIVRD", "000")
    office.until("delivered", 2)


def a_number_that_does_not_exist(office: Office) -> None:
    office.iam.mood = office.orange.mood = NO_SUCH_NUMBER
    office.clock.advance(minutes=5)
    Visitor().ask(YOUSSEF.login, phone=PHONE)
    office.until("failed")


def withdrawn(office: Office) -> None:
    office.iam.mood = office.orange.mood = THROTTLED
    office.clock.advance(minutes=5)
    owner = Visitor().ask(YOUSSEF.login, phone=PHONE)
    office.until("queued")
    assert owner.sign_in(YOUSSEF.login, YOUSSEF.password).signed_in, "whoever asked has remembered"
    office.clock.advance(minutes=1)
    office.until("cancelled")


def too_late(office: Office) -> None:
    office.clock.advance(hours=2)
    Visitor().ask(FATIMA.login, phone=FATIMA_PHONE)
    office.until("queued")
    office.clock.advance(hours=2)
    office.until("expired")
    office.iam.mood = office.orange.mood = ""


def a_code(office: Office) -> None:
    owner = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    owner.get("/profile/").submit("/profile/", phone=NEW_PHONE, password=YOUSSEF.password)
    office.until("awaiting_receipt")
    office.receipts(office.iam, NEW_PHONE, "DELIVRD", "000")
    office.receipts(office.orange, NEW_PHONE, "DELIVRD", "000")
    office.until("delivered", 3)


def a_letter_that_comes_back(office: Office) -> None:
    Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL)
    office.until("submitted", Message.objects.filter(state="submitted").count() + 1)
    letter = Message.objects.filter(state="submitted", channel="email").latest("id")
    path = delivery.return_path.address(letter.uid, KHADIJA_EMAIL, "bounce.example.ma")
    assert take_bounce.take(path, (REPORTS / "no_mailbox.eml").read_bytes(), now=office.clock())
    letter.refresh_from_db()
    assert letter.reason.startswith("returned")


def a_receipt_of_nothing_we_know(office: Office) -> None:
    office.iam.references.append("7777")
    office.receipts(office.iam, PHONE, "DELIVRD", "000")
    office.when(UnmatchedReceipt.objects.exists)


def log_of_the_product(caplog) -> bytes:
    """What the rigs' own programs log is the far ends' affair."""
    lines = [record for record in caplog.records if record.name.startswith(("massar", "django.request", "granian"))]
    return "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in lines).encode()


def seen(capsys, monkeypatch) -> bytes:
    """`massar messages --json` and /metrics."""
    monkeypatch.setattr(settings, "MASSAR", replace(settings.MASSAR, metrics_token=TOKEN))
    capsys.readouterr()
    messages_command.run(Namespace(json=True, day=True, follow=False))
    told = capsys.readouterr().out
    assert json.loads(told)
    metrics = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert metrics.status_code == 200
    return told.encode() + metrics.content
