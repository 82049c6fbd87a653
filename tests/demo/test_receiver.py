"""The far end of the demo, reached by the product's own providers."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from massar.domain.delivery.provider import Accepted, OutcomeUnknown, Rejected
from massar.domain.delivery.wording import LANGUAGES, TEMPORARY_PASSWORD, render
from tests.support.installation import SOURCE
from tests.support.postgres import free_port
from tests.support.product import ROOT
from tests.support.waits import until

from .conftest import start


def test_an_sms_arrives_word_for_word_and_a_repeat_as_the_twin_that_it_is(receiver):
    text = "مسار: كلمة مرور مؤقتة\nkdmwt-47392\nصالحة إلى غاية 14:35."
    assert receiver.send("sms", "+212661000222", text, key="k7") == Accepted("demo-1")
    (sms,) = receiver.received()
    assert (sms.kind, sms.key, sms.sender, sms.recipient, sms.text) == ("sms", "k7", "MASSAR", "+212661000222", text)
    assert datetime.now(UTC) - sms.at < timedelta(minutes=1)
    receiver.send("sms", "+212661000222", text, key="k7")
    assert [sms.key for sms in receiver.received()] == ["k7", "k7"]


def test_an_email_arrives_with_both_parts_as_they_were_written(receiver):
    values = {"secret": "kdmwt-47392", "valid_until": "14:35", "host": "compte.men.gov.ma"}
    for number, language in enumerate(LANGUAGES, 1):
        written = render(TEMPORARY_PASSWORD, language=language, channel="email", values=values)
        sent = receiver.send("email", "khadija@example.org", written.text, subject=written.subject, html=written.html)
        assert isinstance(sent, Accepted)
        mail, *_ = receiver.received()
        assert (mail.id, mail.kind, mail.key) == (number, "email", "<k1@example.ma>")
        assert mail.recipient == "khadija@example.org"
        assert mail.subject == written.subject and mail.sender == "Massar <massar@example.ma>"
        assert mail.text == written.text and mail.html.split() == written.html.split()


def test_endings_dial_the_faults(receiver):
    for channel, name in (("sms", "+21266100{}"), ("email", "jamal.{}@example.org")):
        before = len(receiver.received())
        refused = receiver.send(channel, name.format("0001"))
        assert isinstance(refused, Rejected) and refused.permanent
        assert len(receiver.received()) == before
        assert isinstance(receiver.send(channel, name.format("0002")), OutcomeUnknown)
        assert len(receiver.received()) == before + 1
        began = time.monotonic()
        assert isinstance(receiver.send(channel, name.format("0003")), Accepted)
        assert time.monotonic() - began >= 2.9 and len(receiver.received()) == before + 2


NO_SMS = """
{
[]
{}
{"to": "+212661000222"}
{"to": 1, "text": "x"}
{"to": "x", "text": "y"}
{"to": "+212661000222", "text": ""}
{"to": "+212661000222", "text": "x", "from": {}}
"""


def test_a_request_that_is_no_sms_is_refused_and_nothing_is_kept(receiver):
    for body in ("", *NO_SMS.split("\n")):
        connection = http.client.HTTPConnection(receiver.sms_url.split("/")[2], timeout=5)
        connection.request("POST", "/sms", body)
        answer = connection.getresponse()
        assert answer.status == 400 and "error" in json.loads(answer.read()), body
        connection.close()
    assert receiver.received() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_cleanly_and_silently_and_keeps_what_came(receiver, number):
    receiver.send("sms", "+212661000222")
    receiver.process.send_signal(number)
    out, err = receiver.process.communicate(timeout=5)
    assert (receiver.process.returncode, out, err) == (0, "", "")
    assert len(receiver.received()) == 1


def test_a_taken_port_is_said_in_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(taken.getsockname()[1], free_port(), tmp_path / "inbox.sqlite3")
        out, err = process.communicate(timeout=10)
    assert process.returncode == 1 and out == ""
    assert err.startswith("The demo's phone and mailbox can't start") and err.count("\n") == 1


def test_it_ends_with_the_process_that_started_it(tmp_path):
    """A demo that was killed would leave it on its ports for ever."""
    smtp_port, sms_port = free_port(), free_port()
    starter = (
        f"import time; from pathlib import Path; from tests.demo.conftest import start; "
        f"start({smtp_port}, {sms_port}, Path({str(tmp_path / 'inbox.sqlite3')!r})); time.sleep(60)"
    )
    path = os.pathsep.join(map(str, (ROOT, SOURCE)))
    parent = subprocess.Popen([sys.executable, "-c", starter], env={**os.environ, "PYTHONPATH": path})
    until(lambda: _answers(sms_port), 15)
    parent.kill()
    parent.wait(5)
    until(lambda: not _answers(sms_port), 15)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
