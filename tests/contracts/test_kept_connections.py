"""Connections that are kept: used again, asked, renewed, closed; and dead at every moment, without a fifth outcome."""

import contextlib
import socket
import socketserver
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massar.domain.delivery import api as delivery
from massar.domain.delivery.provider import Accepted, NotTransmitted, OutcomeUnknown, ProviderOptions, Rejected
from massar.interfaces.commands.worker import Worker
from massar.providers.registry import provider_from_url
from massar.providers.smtp import connection
from tests.support.serving import serving

from .conftest import HASTY, LETTER, at_once
from .conftest import send as sent
from .smtp_rig import CONTENT, HELLO, MORE_THAN_FITS_ON_THE_WAY, PASSWORD, TO_DATA, USER, WHOLE

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
QUIT = b"QUIT\r\n"


def send(provider, name="first", **changes):
    return sent(provider, replace(LETTER, message_id=name, **changes))


@pytest.mark.parametrize("kind", ["smtp", "smtp+starttls", "smtps"])
def test_letters_share_one_connection_and_one_sign_in(mail_server, server_tls, relay, monkeypatch, kind):
    tls = {"smtps": {"tls": server_tls}, "smtp+starttls": {"starttls": server_tls}}.get(kind, {})
    server = mail_server(auth=True, **tls)
    monkeypatch.setenv("RELAY_PASSWORD", PASSWORD)
    one = relay(server, kind, user=USER, password="env:RELAY_PASSWORD")
    assert [type(send(one, f"m{n}")) for n in range(5)] == [Accepted] * 5
    assert server.conversations == 1
    assert [letter["Message-ID"] for letter in server.letters] == [f"<m{n}@example.ma>" for n in range(5)]


def test_a_connection_is_renewed_after_its_letters(mail_server, relay, monkeypatch):
    monkeypatch.setattr(connection, "MOST_MESSAGES", 3)
    server = mail_server()
    one = relay(server)
    assert [type(send(one)) for _ in range(7)] == [Accepted] * 7
    assert server.conversations == 3
    assert one.check() == [] and isinstance(send(one), Accepted)
    assert server.conversations == 4, "the check leaves the kept ones alone"


def test_after_a_rest_a_connection_is_asked_whether_it_lives(script, relay, monkeypatch):
    monkeypatch.setattr(connection, "REST", 0.0)
    played = script(*HELLO, *WHOLE, "read", b"250 reset\r\n", *WHOLE)
    one = relay(played)
    assert isinstance(send(one), Accepted) and isinstance(send(one), Accepted)
    assert b"rset\r\n" in [line.lower() for line in played.heard] and played.conversations == 1


@pytest.mark.parametrize(
    "answer", [[b"421 4.4.2 gone\r\n"], [b"502 what?\r\n"], [], ["drip"]], ids=["421", "502", "silent", "drips"]
)
def test_one_that_does_not_say_it_lives_is_replaced(script, relay, monkeypatch, answer):
    monkeypatch.setattr(connection, "REST", 0.0)
    played = script(*HELLO, *WHOLE, "read", *answer, *(["read"] if not answer else []), "next", *HELLO, *WHOLE)
    if answer == ["drip"]:
        played = script(*HELLO, *WHOLE, "read", "drip")
    one = relay(played, connect_timeout=0.3, total_timeout=1.0)
    assert isinstance(send(one), Accepted)
    begun = time.monotonic()
    result = send(one, "second")
    assert isinstance(result, NotTransmitted if answer == ["drip"] else Accepted)
    assert time.monotonic() - begun < one.longest.total_seconds() + 1


DEATHS = {
    "hangs up while resting": [], "cut while resting": ["cut"],
    "says goodbye while resting": [b"421 4.4.2 idle for too long\r\n"],
    "one answer too many": [b"250 OK\r\n", "read", "read"], "421 at MAIL": ["read", b"421 4.7.0 enough\r\n"],
    "421 at RCPT": ["read", b"250 OK\r\n", "read", b"421 4.7.0 enough\r\n"],
    "421 at DATA": [*TO_DATA, b"421 4.7.0 enough\r\n"],
    "signed out at MAIL": ["read", b"530 5.7.57 Client not authenticated to send mail\r\n"],
    "signed out at RCPT": ["read", b"250 OK\r\n", "read", b"535 5.7.8 token expired\r\n"],
    "signed out at DATA": [*TO_DATA, b"530 5.7.0 Authentication required\r\n"], "cut at MAIL": ["read", "cut"],
    "cut at RCPT": ["read", b"250 OK\r\n", "read", "cut"], "cut at DATA": [*TO_DATA, "cut"],
    "cut in the letter": [*CONTENT, "read", "cut"], "silent at MAIL": ["read", "read"],
    "nonsense at MAIL": ["read", b"\x80\x81\r\n"],
}  # fmt: skip


@pytest.mark.parametrize("death", DEATHS)
def test_a_kept_connection_that_dies_before_the_final_dot_is_not_noticed(script, relay, death):
    played = script(*HELLO, *WHOLE, *DEATHS[death], "next", *HELLO, *WHOLE)
    one = relay(played, answer_timeout=0.5 if death == "silent at MAIL" else 5)
    text = MORE_THAN_FITS_ON_THE_WAY if death == "cut in the letter" else LETTER.text
    assert isinstance(send(one), Accepted)
    assert isinstance(send(one, "second", text=text), Accepted)
    assert played.conversations == 2


@pytest.mark.parametrize("end", [["cut"], ["read"], ["drip"]], ids=["cut", "silent", "drips"])
def test_one_that_dies_after_the_final_dot_leaves_it_unsure_and_is_not_tried_again(script, relay, end):
    played = script(*HELLO, *WHOLE, *CONTENT, "body", *end, "next", *HELLO, *WHOLE)
    one = relay(played, **HASTY)
    assert isinstance(send(one), Accepted)
    assert isinstance(send(one, "second"), OutcomeUnknown)
    assert played.conversations == 1


def test_a_new_connection_is_tried_once_and_no_more(script, relay):
    played = script(*HELLO, *WHOLE, "cut", "next", *HELLO, "read", "cut", "next", *HELLO, *WHOLE)
    one = relay(played)
    assert isinstance(send(one), Accepted)
    assert isinstance(send(one, "second"), NotTransmitted)
    assert played.conversations == 2


@pytest.mark.parametrize(("answer", "permanent"), [(b"550 5.1.1 nobody\r\n", True), (b"450 4.2.1 later\r\n", False)])
def test_a_refusal_on_a_kept_connection_stands_and_the_next_letter_starts_clean(script, relay, answer, permanent):
    refused = ["read", b"250 OK\r\n", "read", answer]
    played = script(*HELLO, *WHOLE, *refused, "read", b"250 reset\r\n", *WHOLE)
    one = relay(played)
    first, result, third = (send(one, name) for name in ("first", "second", "third"))
    assert isinstance(first, Accepted) and isinstance(third, Accepted)
    assert isinstance(result, Rejected) and result.permanent == permanent and not result.busy
    assert played.conversations == 1 and b"rset\r\n" in played.heard


@pytest.mark.parametrize("lines", [
    [b"421 4.3.2 too busy\r\n"], [*HELLO, "read", b"421 4.7.0 enough\r\n"], [*HELLO, "read", b"452 4.3.1 no room\r\n"],
    [*HELLO, *CONTENT, "body", b"421 4.3.2 not now\r\n"],
], ids=["greeting", "MAIL", "no room", "the end"])  # fmt: skip
def test_a_new_connection_that_is_sent_away_says_busy(script, relay, lines):
    result = send(relay(script(*lines)))
    assert isinstance(result, Rejected) and result.busy and not (result.permanent or result.configuration_error)


@pytest.mark.parametrize(("lines", "configuration_error"), [
    (["read", b"250 OK\r\n", "read", b"550 5.7.1 policy\r\n"], False),
    (["read", b"250 OK\r\n", "read", b"550 5.1.8 sender domain\r\n"], True),
    ([*CONTENT, "body", b"554 5.7.1 looks like spam\r\n"], True), ([*CONTENT, "body", b"554 5.6.0 content\r\n"], True),
], ids=["policy", "sender", "spam", "content"])  # fmt: skip
def test_after_the_recipient_was_accepted_no_is_about_us(script, relay, lines, configuration_error):
    """A policy at RCPT is about the recipient, and for good."""
    result = send(relay(script(*HELLO, *lines)))
    assert isinstance(result, Rejected)
    assert (result.configuration_error, result.permanent) == (configuration_error, not configuration_error)


def test_no_more_connections_at_once_than_are_set(mail_server, relay):
    server = mail_server(after_data=0.05)
    one = relay(server, connections=2)
    assert [type(result) for result in at_once(lambda n: send(one, f"m{n}"), 10)] == [Accepted] * 10
    assert server.at_once == 2 and server.conversations == 2


def test_who_waits_too_long_for_a_connection_is_told_that_it_is_busy(mail_server, relay, monkeypatch):
    open_socket = connection.connect
    monkeypatch.setattr(connection, "connect", lambda *where: time.sleep(0.4) or open_socket(*where))
    one = relay(mail_server(), connections=1, total_timeout=0.2)
    (busy, _) = at_once(lambda n: send(one, f"m{n}"), 2)  # the other one connects meanwhile
    assert isinstance(busy, Rejected) and busy.busy and not (busy.permanent or busy.configuration_error)


def test_a_worker_that_stops_says_goodbye_and_what_comes_later_still_goes(script, relay):
    played = script(*HELLO, *WHOLE, "read", b"221 bye\r\n", "next", *HELLO, *WHOLE, "read")
    one, stop = relay(played), threading.Event()
    send(one)
    stop.set()
    Worker(delivery.ProviderRegistry({"email": [one]})).run(stop)
    assert isinstance(send(one, "late"), Accepted) and QUIT in map(bytes.upper, played.heard)


def test_a_server_that_reports_is_asked_to_and_told_our_name(script, relay):
    hello = [b"220 mail.test\r\n", "read", b"250-mail.test\r\n250 DSN\r\n"]
    quiet, told = script(*hello, *WHOLE), script(*hello, *WHOLE)
    assert send(relay(quiet)).receipt is False
    assert send(relay(told, bounces="bounce.example.ma", receipts=True)).receipt is True
    mail, rcpt = quiet.heard[1:3]
    assert b"RET=HDRS ENVID=first" in mail and rcpt.endswith(b"NOTIFY=FAILURE,DELAY\r\n")
    assert told.heard[2].endswith(b"NOTIFY=SUCCESS,FAILURE,DELAY\r\n")
    deaf = script(*HELLO, *WHOLE)  # one that does not report is asked for nothing
    assert send(relay(deaf, bounces="bounce.example.ma", receipts=True)).receipt is False
    assert b"ENVID" not in deaf.heard[1] and b"NOTIFY" not in deaf.heard[2]


# -- whatever a server does, in any order: the answer is true


FAULTS = ("cut", "421", "450", "550", "extra", "fine", "fine", "fine")
STAGES = ("MAIL", "RCPT", "DATA", "body", "dot", "after", "rest")


class Fickle(socketserver.TCPServer):
    """A server with a plan: for each letter a fault at a stage. `kept` holds the names of the letters it took."""

    def __init__(self, plan: list[tuple[str, str]]):
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.plan, self.kept = list(plan), []


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line, words = self.connection, self.rfile
        with contextlib.suppress(OSError):
            line.sendall(b"220 hello\r\n")
            words.readline()
            line.sendall(b"250 hello\r\n")
            while self._letter(line, words):
                pass

    def _letter(self, line, words) -> bool:
        asked = words.readline()
        while asked.upper().startswith(b"RSET"):
            line.sendall(b"250 reset\r\n")
            asked = words.readline()
        if not asked.upper().startswith(b"MAIL"):
            return False
        fault, at = self.server.plan.pop(0) if self.server.plan else ("fine", "MAIL")
        for stage in ("MAIL", "RCPT", "DATA"):
            if stage != "MAIL":
                words.readline()
            answer = b"354 go on\r\n" if stage == "DATA" else b"250 OK\r\n"
            if stage == at and fault != "fine":
                return self._fail(line, fault, answer)
            line.sendall(answer)
        return self._content(line, words, fault, at)

    def _content(self, line, words, fault: str, at: str) -> bool:
        name = b""
        while (heard := words.readline()) != b".\r\n":
            if not heard or (at == "body" and fault == "cut"):
                return self._fail(line, "cut", b"")
            name = heard if heard.startswith(b"Message-ID") else name
        if at == "dot" and fault in ("450", "550", "421"):
            return self._fail(line, fault, b"")
        self.server.kept.append(name.decode().split("<")[1].split("@")[0])
        if at == "after" and fault == "cut":
            return self._fail(line, "cut", b"")
        line.sendall(b"250 kept\r\n" + (b"250 and again\r\n" if fault == "extra" else b""))
        return at != "rest" or fault not in ("cut", "421")

    def _fail(self, line, fault: str, answer: bytes) -> bool:
        if fault == "cut":
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            return False
        if fault == "extra":
            line.sendall(answer * 2)
            return False
        line.sendall(f"{fault} 4.0.0 no\r\n".encode())
        return fault != "421"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from(STAGES)), min_size=1, max_size=8))
def test_the_answer_is_true_whatever_the_server_does(plan):
    server = Fickle(plan)
    options = ProviderOptions(sender="massar@example.ma", answer_timeout=2)
    one = provider_from_url(f"smtp://127.0.0.1:{server.server_address[1]}", options)
    with serving(server), contextlib.closing(one):
        for number in range(len(plan) + 2):
            result = send(one, f"m{number}")
            arrived = server.kept.count(f"m{number}")
            if isinstance(result, OutcomeUnknown):
                assert arrived <= 1
            else:
                assert arrived == isinstance(result, Accepted)
