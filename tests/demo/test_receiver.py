"""The far end of the demo, reached by the product's own providers."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from massar.domain.delivery.provider import Accepted, OutcomeUnknown, Rejected
from massar.domain.delivery.wording import LANGUAGES, TEMPORARY_PASSWORD, render
from tests.support.postgres import free_port

from .conftest import environment, start


def test_an_sms_arrives_word_for_word(receiver):
    text = "مسار: كلمة مرور مؤقتة\nkdmwt-47392\nصالحة إلى غاية 14:35."
    assert receiver.send("sms", "+212661000222", text, key="k7") == Accepted("demo-1")
    (sms,) = receiver.received()
    assert (sms.kind, sms.key, sms.sender, sms.recipient, sms.text) == ("sms", "k7", "MASSAR", "+212661000222", text)
    assert datetime.now(UTC) - sms.at < timedelta(minutes=1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_email_arrives_with_both_parts_as_they_were_written(receiver, language):
    written = render(
        TEMPORARY_PASSWORD,
        language=language,
        channel="email",
        values={"secret": "kdmwt-47392", "valid_until": "14:35", "host": "compte.men.gov.ma"},
    )
    result = receiver.send("email", "khadija@example.org", written.text, subject=written.subject, html=written.html)
    assert isinstance(result, Accepted)
    (mail,) = receiver.received()
    assert (mail.kind, mail.key, mail.recipient) == ("email", "<k1@example.ma>", "khadija@example.org")
    assert mail.subject == written.subject and mail.sender == "Massar <massar@example.ma>"
    assert mail.text == written.text and mail.html.split() == written.html.split()


@pytest.mark.parametrize(("channel", "name"), [("sms", "+21266100{}"), ("email", "jamal.{}@example.org")])
def test_endings_dial_the_faults(receiver, channel, name):
    refused = receiver.send(channel, name.format("0001"))
    assert isinstance(refused, Rejected) and refused.permanent
    assert receiver.received() == []
    assert isinstance(receiver.send(channel, name.format("0002")), OutcomeUnknown)
    assert len(receiver.received()) == 1
    began = time.monotonic()
    assert isinstance(receiver.send(channel, name.format("0003")), Accepted)
    assert time.monotonic() - began >= 2.9
    assert len(receiver.received()) == 2


def test_a_repeat_is_shown_as_the_twin_that_it_is(receiver):
    receiver.send("sms", "+212661000222", key="same")
    receiver.send("sms", "+212661000222", key="same")
    assert [sms.key for sms in receiver.received()] == ["same", "same"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"to": "+212661000222"}',
        b'{"to": 1, "text": "x"}',
        b'{"to": "x", "text": "y"}',
        b'{"to": "+212661000222", "text": ""}',
        b'{"to": "+212661000222", "text": "x", "from": {}}',
    ],
)
def test_a_request_that_is_no_sms_is_refused_and_nothing_is_kept(receiver, body):
    connection = http.client.HTTPConnection("127.0.0.1", int(receiver.sms_url.split(":")[2].split("/")[0]), timeout=5)
    connection.request("POST", "/sms", body)
    answer = connection.getresponse()
    assert answer.status == 400 and "error" in json.loads(answer.read())
    assert receiver.received() == []
    connection.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_cleanly_and_silently_and_keeps_what_came(receiver, number):
    receiver.send("sms", "+212661000222")
    receiver.process.send_signal(number)
    out, err = receiver.process.communicate(timeout=5)
    assert (receiver.process.returncode, out, err) == (0, "", "")
    assert len(receiver.received()) == 1


def test_it_ends_when_the_demo_that_started_it_is_killed(tmp_path):
    words = [sys.executable, "-m", "massar.interfaces.demo.receiver", "--store", str(tmp_path / "inbox.sqlite3")]
    words += ["--smtp-port", str(free_port()), "--sms-port", str(sms_port := free_port())]
    starter = f"import subprocess, sys, time; subprocess.Popen({words!r}); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", starter], env=environment())
    assert _soon(lambda: _answers(sms_port), seconds=15)
    parent.kill()
    parent.wait(5)
    assert _soon(lambda: not _answers(sms_port), seconds=15)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _soon(condition, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_taken_port_is_said_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(taken.getsockname()[1], free_port(), tmp_path / "inbox.sqlite3")
        out, err = process.communicate(timeout=10)
    assert process.returncode == 1 and out == ""
    assert err.startswith("The demo's phone and mailbox can't start") and err.count("\n") == 1
