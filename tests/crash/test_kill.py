"""kill -9 of the worker at every step: no message lost, none sent after its end, and a repeat is the same letter.

Real processes, the real database, a real mail server and a real SMS gateway. What a dead worker held is taken over by a
fresh one; in the end the secret that arrived opens the change.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from massar.core import clock, local_time
from massar.domain.credentials.models import TemporaryPassword
from massar.domain.delivery.models import Attempt, Message, RecoveryRequest
from tests import cast
from tests.cast import YOUSSEF, YOUSSEF_EMAIL
from tests.contracts.http_rig import Gateway
from tests.contracts.smtp_rig import MailServer
from tests.support.product import ROOT
from tests.support.trail import all_events
from tests.support.visitor import TEMPORARY, Visitor

pytestmark = pytest.mark.django_db(transaction=True)

CONTACTS = {"email": YOUSSEF_EMAIL, "phone": "+212662000333"}
NOBODY_ELSE = "-"
PATIENCE = 30.0
A_FEW_TURNS = 0.6  # seconds: also where nothing is left to do, the fresh worker looks twice
PLACES = ["request-claimed", "answer-before-commit", "answer-after-commit", "claimed", "expiry-fixed",
          "attempt-written", "before-send", "sent", "settled-before-commit", "settled"]  # fmt: skip
ARRIVED_BEFORE = ("sent", "settled-before-commit", "settled")  # the letter was out when the worker died
WAITING = ("queued", "sending")
REPEATED = ("sent", "settled-before-commit")


class FarEnds:
    """Mail server and gateway. `on_arrival` is called while the worker waits for the answer to what it sent."""

    def __init__(self):
        far, self.on_arrival = self, lambda: None

        class Mail(MailServer):
            async def handle_DATA(self, server, session, envelope):
                answer = await super().handle_DATA(server, session, envelope)
                far.on_arrival()
                return answer

        class Sms(Gateway):
            def _respond(self, handler):
                far.on_arrival()
                super()._respond(handler)

        self.mail, self.sms = Mail().start(), Sms()

    def temporary(self) -> list[tuple[str, str]]:
        """(what names the message, its text) of each that arrived with a temporary password."""
        mails = [(m["Message-ID"], m.get_body(("plain",)).get_content()) for m in self.mail.letters]
        texts = [(headers.get("Idempotency-Key", ""), body["text"]) for _, headers, body in self.sms.requests]
        return [(uid, text) for uid, text in mails + texts if TEMPORARY.search(text)]

    def stop(self) -> None:
        self.sms.stop()
        self.mail.stop()


def environment(far: FarEnds) -> dict[str, str]:
    """The settings of a worker on this test's database and far ends."""
    held = connection.settings_dict
    server = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**held)
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "massar.config.django_settings",
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "MASSAR_DATABASE_URL": f"sqlite:///{held['NAME']}" if connection.vendor == "sqlite" else server,
        "MASSAR_EMAIL_URL": f"smtp://127.0.0.1:{far.mail.port}",
        "MASSAR_SMS_URL": f"http://127.0.0.1:{far.sms.port}/send",
    }


class Nursery:
    """The process that forks workers."""

    def __init__(self, far: FarEnds):
        self.far = far
        self.faults = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"], cwd=ROOT, env=environment(far), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.faults,
        )  # fmt: skip
        assert self._says() == "ready"

    def start(self, place: str = NOBODY_ELSE, *, minutes_ahead: int = 0) -> int:
        """A worker that dies at `place`; returns its process id."""
        self.process.stdin.write(f"{place} {minutes_ahead}\n")
        self.process.stdin.flush()
        word, pid = self._says().split()
        assert word == "pid"
        return int(pid)

    def ended(self) -> int:
        """Waits for the end of the worker; its exit status, negative for a signal."""
        word, status = self._says().split()
        assert word == "ended"
        self.faults.seek(0)
        assert int(status) <= 0, f"the worker failed: {self.faults.read()[-2000:].decode()}"
        return int(status)

    def _says(self) -> str:
        stop = threading.Timer(PATIENCE, self.process.kill)
        stop.start()
        line = self.process.stdout.readline().strip()
        stop.cancel()
        assert line, "the worker did not come to the place where it was to die"
        return line

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def far_and_nursery(django_db_setup, django_db_blocker) -> Iterator[tuple[FarEnds, Nursery]]:
    with django_db_blocker.unblock():
        far = FarEnds()
        nursery = Nursery(far)
    yield far, nursery
    nursery.close()
    far.stop()


@pytest.fixture
def nursery(far_and_nursery, transactional_db) -> Nursery:
    far, one = far_and_nursery
    far.mail.letters.clear()
    far.sms.requests.clear()
    far.on_arrival = lambda: None
    cast.enter(YOUSSEF, now=clock.now())
    return one


def catches(pid: int, sent: signal.Signals) -> bool:
    """Whether the process has a handler for the signal by now: before that it would only be ended by it."""
    found = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(found[1], 16) >> (sent - 1) & 1)


def until_all_is_done(nursery: Nursery, **how: int) -> None:
    """A fresh worker, until nothing waits any more; then it is asked to end, and ends by itself."""
    pid, begun = nursery.start("last", **how), time.monotonic()
    requests, messages = RecoveryRequest.objects.exclude(state="done"), Message.objects.filter(state__in=WAITING)
    early = lambda: time.monotonic() < begun + A_FEW_TURNS or not catches(pid, signal.SIGTERM)  # noqa: E731
    while early() or requests.exists() or messages.exists():
        assert time.monotonic() < begun + PATIENCE, "still waiting"
        time.sleep(0.05)
    os.kill(pid, signal.SIGTERM)
    assert nursery.ended() == 0


def assert_nothing_was_lost(far: FarEnds, *, copies: int, fixed) -> None:
    """One secret, handed over, the same in every copy, with the time it had from the first attempt on."""
    message = Message.objects.get(purpose="temporary_password")
    secret = TemporaryPassword.objects.get()
    assert (message.state, message.ciphertext) == ("submitted", None)
    assert message.expires_at == secret.expires_at and fixed in (None, message.expires_at)
    letters = far.temporary()
    assert len(letters) == copies and len(set(letters)) == 1, "a repeat differs"
    assert local_time.clock_time(message.expires_at) in letters[0][1]
    assert message.uid in letters[0][0], "a repeat carries the same name"
    attempts = list(Attempt.objects.filter(message=message).order_by("number").values_list("outcome", flat=True))
    assert attempts[-1] == "accepted" and set(attempts[:-1]) <= {"interrupted"} and len(attempts) >= copies
    assert [e.outcome for e in all_events() if e.event == "recovery_asked"] == ["sent"]
    visitor = Visitor().sign_in(YOUSSEF.login, TEMPORARY.findall(letters[0][1])[0])
    assert visitor.path == "/password/expired/"


@pytest.mark.parametrize("place", PLACES)
def test_killed_at(nursery, place):
    channel = ("email", "phone")[PLACES.index(place) % 2]
    Visitor().ask(YOUSSEF.login, **{channel: CONTACTS[channel]})
    nursery.start(place)
    assert nursery.ended() == -signal.SIGKILL
    fixed = Message.objects.filter(purpose="temporary_password").values_list("expires_at", flat=True).first()
    assert (fixed is not None) == (PLACES.index(place) >= PLACES.index("before-send"))
    assert len(nursery.far.temporary()) == (place in ARRIVED_BEFORE)
    until_all_is_done(nursery)
    assert_nothing_was_lost(nursery.far, copies=1 + (place in REPEATED), fixed=fixed)


@pytest.mark.parametrize("channel", list(CONTACTS))
def test_killed_by_the_far_end_while_it_answers(nursery, channel):
    """The letter is there, the answer is not: the line is cut by the death of the worker."""
    Visitor().ask(YOUSSEF.login, **{channel: CONTACTS[channel]})
    workers, started = [], threading.Event()

    def kill_the_first() -> None:
        started.wait(PATIENCE)
        if workers:
            os.kill(workers.pop(), signal.SIGKILL)

    nursery.far.on_arrival = kill_the_first
    workers.append(nursery.start())
    started.set()
    assert nursery.ended() == -signal.SIGKILL
    fixed = Message.objects.get(purpose="temporary_password").expires_at
    until_all_is_done(nursery)
    assert_nothing_was_lost(nursery.far, copies=2, fixed=fixed)


@pytest.mark.parametrize(("channel", "minutes"), [("phone", 10), ("email", 60)])
def test_nothing_is_sent_after_its_end(nursery, channel, minutes):
    """The worker died with the letter in hand and the next one comes when the secret has ended."""
    Visitor().ask(YOUSSEF.login, **{channel: CONTACTS[channel]})
    nursery.start("before-send")
    assert nursery.ended() == -signal.SIGKILL
    until_all_is_done(nursery, minutes_ahead=minutes)
    message = Message.objects.get(purpose="temporary_password")
    assert (message.state, message.ciphertext) == ("expired", None)
    assert nursery.far.temporary() == []


def test_a_request_that_waited_too_long_sends_nothing(nursery):
    """No worker for most of an hour: the person has gone, nothing is issued."""
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    until_all_is_done(nursery, minutes_ahead=46)
    assert not TemporaryPassword.objects.exists()
    assert not nursery.far.mail.letters and not nursery.far.sms.requests


def test_the_command_itself_killed_in_the_middle_of_many(nursery):
    """`massar worker` as an operator starts it, killed while six letters are on their way; then a fresh one."""
    far, arrived, process = nursery.far, threading.Event(), []
    cast.enter(cast.FATIMA, cast.KHADIJA, now=clock.now())
    Visitor().ask(cast.FATIMA.login, phone=cast.FATIMA_PHONE)
    Visitor().ask(cast.KHADIJA.login, email=cast.KHADIJA_EMAIL)
    for channel, contact in CONTACTS.items():
        Visitor().ask(YOUSSEF.login, **{channel: contact})

    def kill_it() -> None:
        if process and not arrived.is_set():
            arrived.set()
            process[0].kill()

    far.on_arrival = kill_it
    command = [sys.executable, "-m", "massar", "worker"]
    process.append(subprocess.Popen(command, cwd=ROOT, env=environment(far), stderr=subprocess.DEVNULL))
    assert process[0].wait(PATIENCE) == -signal.SIGKILL
    lapsed = clock.now()  # the command has the product's own leases: here time is made to have passed
    for table in (RecoveryRequest, Message):
        table.objects.filter(lease_until__gt=lapsed).update(lease_until=lapsed)
    until_all_is_done(nursery)
    assert set(Message.objects.values_list("state", flat=True)) == {"submitted"}
    letters = far.temporary()
    assert len({uid for uid, _ in letters}) == 4 == len(set(letters)), "each letter once, or again the very same"
