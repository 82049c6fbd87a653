"""`massar send-test`: a real message to a real far end, and what an operator reads at each step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.commands.test_commands import Installation
from tests.contracts.http_rig import Gateway
from tests.contracts.smtp_rig import MailServer
from tests.support.postgres import free_port


@pytest.fixture(scope="module")
def far_ends() -> Iterator[tuple[Gateway, MailServer]]:
    gateway, server = Gateway(), MailServer().start()
    yield gateway, server
    gateway.stop()
    server.stop()


@pytest.fixture
def send(tmp_path, far_ends):
    """Runs the command on that installation; (exit code, its words)."""
    gateway, server = far_ends
    gateway.mood = 200
    at = {
        "MASSAR_SMS_URL": f"http://127.0.0.1:{gateway.port}/send",
        "MASSAR_EMAIL_URL": f"smtp://127.0.0.1:{server.port}",
        "MASSAR_EMAIL_FROM": "massar@example.ma",
    }

    def run(*words: str, **changed: str) -> tuple[int, str]:
        done = Installation(tmp_path).massar("send-test", *words, **{**at, **changed})
        return done.returncode, done.stdout + done.stderr

    return run


def test_an_sms_step_by_step(send, far_ends):
    gateway, _ = far_ends
    before = len(gateway.requests)
    code, words = send("sms", "06 61 12 34 56")
    assert code == 0, words
    _, _, body = gateway.requests[before]
    assert body["to"] == "+212661123456" and body["text"].startswith("Massar: message d'essai")
    steps = [line.split()[0] for line in words.splitlines() if not line.startswith(" ")]
    assert steps == ["carrier", "text", "reach", "accepted"] and "gsm7, 1 segment" in words


def test_a_letter_in_arabic(send, far_ends):
    _, server = far_ends
    code, words = send("mail", "jamal@example.org", "--language", "ar")
    assert code == 0, words
    letter = server.letters[-1]
    assert letter["To"] == "jamal@example.org" and "رسالة تجريبية" in letter["Subject"]


def test_where_it_stops_is_said(send, far_ends):
    gateway, _ = far_ends
    gateway.mood = 401
    code, words = send("sms", "0661123456")
    assert code == 1 and "REFUSED" in words and "our account or setting is at fault" in words
    code, words = send("sms", "0661123456", MASSAR_SMS_URL=f"http://127.0.0.1:{free_port()}/")
    assert code == 1 and "reach     FAILED" in words and "accepted" not in words


@pytest.mark.parametrize(("words", "told"), [
    (("orange", "0661123456"), "There is no carrier 'orange'. Configured: mail, sms."),
    (("sms", "0522123456"), "'0522123456' is no destination that sms (sms) could write to."),
    (("mail", "nobody"), "'nobody' is no destination"),
])  # fmt: skip
def test_mistakes_are_named(send, words, told):
    code, said = send(*words)
    assert code == 2 and told in said
