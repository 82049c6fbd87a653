"""What comes back, read: reports recorded from Postfix (tests/servers/test_postfix.py), older shapes, and hostile ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from massar.config.environment import DEMO_DATA_KEYS
from massar.core import ids
from massar.domain.delivery import api as delivery
from massar.domain.delivery.bounces import Report
from massar.domain.delivery.carriers.letter import is_address
from tests.support.steps import production

REPORTS = Path(__file__).parent / "reports"
FAILED, UNDERWAY, DELIVERED = delivery.FAILED, delivery.UNDERWAY, delivery.DELIVERED
read = delivery.bounces.read


def report(fields: str, text: str = "It did not go.", after: str = "") -> bytes:
    return (
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\nContent-Type: text/plain\n\n{text}\n"
        f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n{fields}\n"
        f"{after}--b--\n"
    ).encode()


@pytest.mark.parametrize(
    ("name", "state", "code"),
    [
        ("no_mailbox", FAILED, "5.1.1"),
        ("policy", FAILED, "5.7.1"),
        ("expired", FAILED, "4.4.1"),
        ("delayed", UNDERWAY, "4.4.1"),
        ("relayed", UNDERWAY, "2.0.0"),
        ("delivered", DELIVERED, "2.0.0"),
    ],
)
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_what_postfix_reports(name, state, code, ends):
    assert read((REPORTS / f"{name}.eml").read_bytes().replace(b"\n", ends)) == Report(state, code)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("Action: failed\nStatus: 5.1.10\n", Report(FAILED, "5.1.10")),
        ("Action: FAILED\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550-5.1.1 No such user", Report(FAILED, "5.1.1")),
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 no such user", Report(FAILED, "5.0.0")),
        ("Action: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.1.1 x", Report(FAILED, "5.2.2")),
        ("Action: failed\n", Report(FAILED, "")),
        ("Status: 5.1.1 (bad mailbox)\n", Report(FAILED, "5.1.1")),
        ("Status: 4.2.0\n", Report(UNDERWAY, "4.2.0")),
        ("Action: expanded\nStatus: 2.0.0\n", Report(DELIVERED, "2.0.0")),
        ("X: y\n\nAction: delayed\nStatus: 4.7.1\n", Report(UNDERWAY, "4.7.1")),
    ],
)
def test_fields_of_other_servers(fields, expected):
    assert read(report(fields)) == expected


def test_a_report_that_says_nothing_is_none_even_if_its_text_has_a_code():
    assert read(report("Action: confused\nStatus: 9.9\n", text="550 5.1.1 nobody")) is None


@pytest.mark.parametrize(
    ("code", "fault", "ours"),
    [
        ("5.1.1", True, False), ("5.1.2", True, False), ("5.1.3", True, False), ("5.1.6", True, False),
        ("5.1.10", True, False), ("5.2.1", True, False),
        ("5.1.0", False, False), ("5.1.7", False, False), ("5.1.8", False, False), ("5.2.2", False, False),
        ("5.4.4", False, False), ("4.4.7", False, False), ("5.0.0", False, False), ("", False, False),
        ("5.7.1", False, True), ("5.7.26", False, True), ("4.7.1", False, True),
    ],
)  # fmt: skip
def test_whose_fault_it_is(code, fault, ours):
    assert (Report(FAILED, code).address_fault, Report(FAILED, code).ours) == (fault, ours)
    assert not Report(UNDERWAY, code).address_fault and not Report(UNDERWAY, code).ours


QMAIL = """Hi. This is the qmail-send program at example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.

<a@example.net>:
Sorry, no mailbox here by that name. (#5.1.1)
"""
SENDMAIL = """   ----- The following addresses had permanent fatal errors -----
<a@example.net>
   ----- Transcript of session follows -----
... while talking to mx.example.net.:
>>> MAIL From:<b@example.ma>
<<< 250 2.1.0 ok
>>> RCPT To:<a@example.net>
<<< 550 5.1.1 <a@example.net>... User unknown
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (QMAIL, Report(FAILED, "5.1.1")),
        (SENDMAIL, Report(FAILED, "5.1.1")),
        ("host said: 452-4.2.2 mailbox full", Report(UNDERWAY, "4.2.2")),
        ("I am away until Monday. Call 550 12 34. Version 5.1.1 of my answers, at 10.5.1.1", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("head", ["", "Content-Type: multipart/mixed; boundary=b\n\n--b\n"], ids=["plain", "parts"])
def test_bounces_without_structure_are_read_by_their_code_alone(text, expected, head):
    assert read(f"{head}Content-Type: text/plain; charset=utf-8\n\n{text}\n".encode()) == expected


def test_the_returned_letter_has_no_say():
    inner = "--b\nContent-Type: message/rfc822\n\n" + report("Action: delivered\nStatus: 2.0.0\n").decode() + "\n"
    assert read(report("Action: failed\nStatus: 5.7.1\n", after=inner)) == Report(FAILED, "5.7.1")
    text = "Content-Type: text/plain\n\nfor you\n"
    only = f'Content-Type: multipart/mixed; boundary="c"\n\n--c\n{text}{inner.replace("--b", "--c", 1)}--c--\n'
    assert read(only.encode()) is None


HOSTILE = {
    "nothing": b"",
    "zeros": b"\0" * 100_000,
    "no end": b"Content-Type: multipart/report; boundary=b\n\n--b\n" * 2000,
    "parts in parts": b"".join(
        b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(5000)
    ),
    "letters in letters": b"Content-Type: message/rfc822\n\n" * 15_000,
    "many fields": report("Action: failed\nStatus: 5.1.1\n" * 10_000),
    "many blocks": report("X: y\n\n" * 50_000 + "Action: failed\nStatus: 5.1.1\n"),
    "long line": report("Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; " + "550 " * 100_000),
    "bad letters": report("Action: failed\nStatus: 5.1.1\n").replace(b"failed", b"f\xff\xfeailed"),
    "bad encoding": b"Content-Transfer-Encoding: base64\nContent-Type: text/plain; charset=no-such\n\n!!!! 550 5.1.1",
    "boundary": b'Content-Type: multipart/report; boundary="' + b"x" * 200_000 + b'"\n\n--x',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_what_is_written_to_do_harm_does_none(content):
    found = read(content)
    assert found is None or found.state in (FAILED, UNDERWAY, DELIVERED)


PIECES = st.sampled_from(
    [b"Content-Type: multipart/report; boundary=b\n\n", b"--b\n", b"--b--\n", b"Content-Type: message/delivery-status\n\n",
     b"Action: failed\n", b"Status: 5.1.1\n", b"\n", b"Content-Type: text/plain; charset=utf-16\n\n", b"550 5.1.1 x\n",
     b"Content-Transfer-Encoding: base64\n", b"Content-Type: message/rfc822\n\n", b"Status: \xff\n", b"=?utf-8?b?/w==?=\n"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=30), max_size=25))
def test_reading_never_raises(pieces):
    found = read(b"".join(pieces))
    assert found is None or found.state in (FAILED, UNDERWAY, DELIVERED)


# -- return paths


def test_a_return_path_names_its_message_and_its_address_alone():
    uid = ids.short_token()
    path = delivery.return_path.address(uid, "khadija@example.org", "bounce.example.ma")
    assert is_address(path) and "khadija" not in path
    returned = delivery.return_path.read(path)
    assert returned.uid == uid and returned.was_to("khadija@example.org")
    assert not returned.was_to("fatima@example.org") and not returned.was_to("")
    assert "khadija" not in repr(returned)
    other = delivery.return_path.address(ids.short_token(), "khadija@example.org", "bounce.example.ma")
    assert other.split("-")[1] != path.split("-")[1], "the same address can't be followed from letter to letter"


def test_servers_that_write_capitals_or_leave_the_domain_out_are_understood():
    path = delivery.return_path.address(ids.short_token(), "a@example.org", "bounce.example.ma")
    for spelled in (path.upper(), path.partition("@")[0], path.partition("@")[0] + "@elsewhere.example"):
        assert delivery.return_path.read(spelled).was_to("a@example.org")


@settings(max_examples=200)
@given(st.integers(2, 60), st.sampled_from("0123456789abcdefghijklmnopqrstuvwxyz-+.@ \u0130\u212a\n"))
def test_a_return_path_with_one_sign_changed_is_none(place, sign):
    path = delivery.return_path.address("aaaaabbbbbcccccdddddz", "a@example.org", "bounce.example.ma")
    changed = path[:place] + sign + path[place + 1 :]
    assert changed == path or delivery.return_path.read(changed) is None


@pytest.mark.parametrize("given", ["", "b+", "postmaster@bounce.example.ma", "b+" + "a" * 5000, "b+\udc80@x"])
def test_other_addresses_are_none_of_ours(given):
    assert delivery.return_path.read(given) is None


def test_a_return_path_outlives_a_change_of_keys():
    path = delivery.return_path.address("aaaaabbbbbcccccdddddz", "a@example.org", "bounce.example.ma")
    new = "k2:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
    with override_settings(MASSAR=production(MASSAR_DATA_KEYS=f"{new},{DEMO_DATA_KEYS}", MASSAR_MODE="test")):
        assert delivery.return_path.read(path).was_to("a@example.org")
    with override_settings(MASSAR=production(MASSAR_DATA_KEYS=new)):
        assert delivery.return_path.read(path) is None
