"""What a gateway's answers mean, over real sockets: codes, ids, patterns, kept connections, tokens."""

import base64
import logging
import socket
import time

import pytest

from massar.domain.delivery.provider import Accepted, NotTransmitted, OutcomeUnknown, Rejected
from massar.providers import http_client
from massar.providers.connect import connect
from tests.support.waits import until

from .conftest import at_once, send, to_gateway

PERMANENT, BUSY, LATER = {"permanent": True}, {"permanent": False, "busy": True}, {"permanent": False}
CONFIGURATION = {"permanent": False, "configuration_error": True}
UNREADABLE = OutcomeUnknown("the answer can't be read")
CODES = {
    "reference": "messages.*.id",
    "code": "messages.*.status",
    "codes": {"0": "accepted", "5": "permanent", "6": "configuration_error", "7": "busy"},
}


@pytest.mark.parametrize(("answer", "result"), [
    ({"messages": [{"id": "a", "status": 0}]}, Accepted("a")),
    ({"messages": [{"id": "a", "status": 0}, {"id": 7, "status": "0"}]}, Accepted("a", ("a", "7"))),
    ({"messages": [{"status": 0}]}, Accepted("")),
    ({"messages": [{"id": "a", "status": 5}]}, Rejected("http 200, code 5", **PERMANENT)),
    ({"messages": [{"id": "a", "status": "6"}]}, Rejected("http 200, code 6", **CONFIGURATION)),
    ({"messages": [{"id": "a", "status": "7"}]}, Rejected("http 200, code 7", **BUSY)),
    ({"messages": [{"id": "a", "status": "99"}]}, Rejected("http 200, code 99", **LATER)),
    ({"messages": [{"id": "a", "status": "no +212661000222"}]}, Rejected("http 200, code no +#", **LATER)),
    ({"messages": [{"id": "a", "status": 0}, {"id": "b", "status": 5}]}, OutcomeUnknown("only a part of it was taken")),
    ({"messages": []}, UNREADABLE), (b"<html>", UNREADABLE), (b"[" * 60_000, UNREADABLE), (None, UNREADABLE),
])  # fmt: skip
def test_an_answer_of_200_may_still_be_a_no(gateway, answer, result):
    assert send(to_gateway(gateway(answer=answer), answer=CODES)) == result


@pytest.mark.parametrize(("status", "answer", "result"), [
    (202, b"0: Accepted for delivery", Accepted("")), (200, b"OK id=gw-77;\n", Accepted("gw-77")),
    (200, b"OK 4711", Accepted("")), (400, b"ERR 12: x", Rejected("http 400, code 12", **CONFIGURATION)),
    (400, b"ERR 13: x", Rejected("http 400, code 13", **PERMANENT)),
    (200, b"ERR 13: x", Rejected("http 200, code 13", **LATER)), (200, b"Welcome", UNREADABLE),
])  # fmt: skip
def test_answers_that_are_text_are_read_by_patterns(gateway, status, answer, result):
    codes = {"0": "accepted", "OK": "accepted", "12": "configuration_error"}
    reading = {"reference_pattern": "id=([^;]+)", "code_pattern": r"ERR ([0-9]+)|^(0|OK)", "codes": codes}
    assert send(to_gateway(gateway(mood=status, answer=answer), answer=reading)) == result


@pytest.mark.parametrize(("answer", "result"), [
    (b'{"ok": true, "id": 900719925474099312345}', Accepted("900719925474099312345")),
    (b'{"ok": false}', Rejected("http 200, code false", **PERMANENT)),
    (b'{"ok": 1.0}', Rejected("http 200, code 1.0", **LATER)),
    (b'{"ok": null}', UNREADABLE), (b'\xef\xbb\xbf{"ok": true, "id": " 7 "}', Accepted("7")),
    ('{"ok": true, "id": "7", "text": "Déjà"}'.encode("latin-1"), Accepted("7")),
    ('{"ok": true, "id": 7}'.encode("utf-16"), Accepted("7")),
])  # fmt: skip
def test_a_code_may_be_true_or_false_and_the_answer_in_any_charset(gateway, answer, result):
    reading = {"reference": "id", "code": "ok", "codes": {"true": "accepted", "false": "permanent"}}
    assert send(to_gateway(gateway(answer=answer), answer=reading)) == result


def test_a_pattern_reads_what_stands_at_the_path_and_sees_the_beginning_of_an_answer_only(gateway):
    server = gateway(answer={"url": "https://gateway.example.ma/requests/ed54/"})
    assert send(to_gateway(server, answer={"reference": "url", "reference_pattern": "([^/]+)/?$"})) == Accepted("ed54")
    server.answer, before = b"." * 60_000 + b"id=late", time.monotonic()
    assert send(to_gateway(server, answer={"reference_pattern": ".*id=([a-z]+)"})) == Accepted("")
    assert time.monotonic() - before < 5


def test_a_yes_that_must_be_read_and_can_not_be_is_unsure(gateway):
    server = gateway(answer={"messages": [{"id": "a", "status": 0}]})
    for server.mood in ("huge", "lost_body", "short_body"):
        assert send(to_gateway(server, answer=CODES)) == UNREADABLE


def test_which_statuses_mean_what_can_be_set(gateway):
    server, settings = gateway(), {
        "400": "configuration_error", "404": "temporary", "409": "accepted", "4xx": "permanent", "503": "busy",
        "401": "configuration_error", "403": "configuration_error",
    }  # fmt: skip
    provider = to_gateway(server, statuses=settings, answer={"reference": "id"})
    meant = {400: CONFIGURATION, 401: CONFIGURATION, 403: CONFIGURATION, 404: LATER, 418: PERMANENT, 500: LATER}
    for server.mood, kind in {**meant, 503: BUSY}.items():
        assert send(provider) == Rejected(f"http {server.mood}", **kind)
    server.mood = 409
    assert send(provider) == Accepted("gw-1")
    server = gateway(mood=503, headers={"Retry-After": "5"})  # a time to come back
    assert send(to_gateway(server)) == Rejected("http 503", **BUSY)
    assert send(to_gateway(server, statuses={"503": "temporary"})) == Rejected("http 503", **LATER)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_connection_serves_many_messages(gateway, server_tls, ca_file, secure):
    server = gateway(server_tls if secure else None, keeps=True)
    url = f"{'https' if secure else 'http'}://localhost:{server.port}/send"
    provider = to_gateway(server, url=url, ca_file=str(ca_file))
    assert [type(send(provider)) for _ in range(5)] == [Accepted] * 5
    assert (len(server.requests), server.lines) == (5, 1)


def test_a_connection_that_was_closed_meanwhile_is_replaced_without_a_word(gateway):
    server = gateway(keeps=True, hangs_up=True)
    provider = to_gateway(server)
    for number in range(1, 4):
        assert isinstance(send(provider), Accepted)
        until(lambda number=number: server.closed == number)
        assert server.lines == number
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("said", "kept"), [("", 3.5), ("timeout=1, max=100", 0), ("timeout=9", 7.5), ("timeout=100000", 59)]
)
def test_a_kept_connection_is_not_kept_longer_than_the_other_side_says(gateway, moment, said, kept):
    server = gateway(keeps=True, headers={"Keep-Alive": said} if said else {})
    provider = to_gateway(server)
    send(provider)
    moment.later += kept
    send(provider)
    assert server.lines == (1 if kept else 2)
    moment.later += kept + 1.5
    send(provider)
    assert server.lines == (2 if kept else 3)


def test_refusals_keep_the_connection_and_who_is_cut_or_waits_in_vain_is_unsure_and_not_sent_again(gateway):
    server = gateway(keeps=True)
    provider = to_gateway(server, answer_timeout=0.3)
    for server.mood in (422, 503, "silent", "", "cut_after"):
        result = send(provider)
    assert isinstance(result, OutcomeUnknown) and (len(server.requests), server.lines) == (5, 2)


def test_a_kept_connection_that_breaks_while_the_request_leaves_is_replaced(gateway, monkeypatch):
    """What did not leave as a whole goes again, on a new connection."""
    server, opened = gateway(keeps=True), []
    monkeypatch.setattr(http_client, "connect", lambda *where: opened.append(connect(*where)) or opened[-1])
    provider = to_gateway(server)
    send(provider)

    def broken(data):
        opened[0].shutdown(socket.SHUT_RDWR)
        raise BrokenPipeError

    monkeypatch.setattr(opened[0], "sendall", broken)
    assert send(provider) == Accepted("", receipt=False)
    assert (len(server.requests), server.lines, len(opened)) == (2, 2, 2)


@pytest.mark.parametrize(("url", "host"), [
    ("https://localhost/", "localhost"), ("http://localhost/", "localhost"),
    ("https://localhost:8443/", "localhost:8443"), ("https://localhost:80/", "localhost:80"),
    ("http://localhost:443/", "localhost:443"),
])  # fmt: skip
def test_the_host_header_leaves_the_usual_port_out(gateway, server_tls, ca_file, monkeypatch, url, host):
    server = gateway(server_tls if url.startswith("https") else None)
    monkeypatch.setattr(http_client, "connect", lambda name, port, seconds: connect(name, server.port, seconds))
    send(to_gateway(server, url=url, ca_file=str(ca_file)))
    assert server.requests[0][1]["Host"] == host


def test_the_library_below_writes_no_address_into_the_log(gateway, caplog):
    """An address may hold the text of a message, and urllib3 logs it."""
    caplog.set_level(logging.DEBUG)
    server = gateway(answer={"id": "7"}, headers={"Bad header": "x"})
    asked = {"json": None, "method": "GET", "query": {"to": "{to}", "text": "{text}"}}
    assert isinstance(send(to_gateway(server, **asked)), Accepted)
    said = [one.getMessage() for one in caplog.records]
    assert server.requests and not [words for words in said if "47392" in words or "/send" in words]


def by_token(server, tokens, *, auth=None, **changes):
    asked = {
        "kind": "oauth2", "token_url": f"http://localhost:{tokens.port}/token",
        "client_id": "mas:sar", "client_secret": "s3 cret", **(auth or {}),
    }  # fmt: skip
    return to_gateway(server, auth=asked, **changes)


def test_a_token_is_fetched_once_and_shown_with_every_message(gateway, tokens):
    server = gateway(keeps=True)
    provider = by_token(server, tokens, auth={"scope": "sms"})
    assert provider.check() == [] and len(tokens.requests) == 1 and server.requests == [], "check sends nothing"
    assert [type(send(provider)) for _ in range(3)] == [Accepted] * 3
    assert [headers["Authorization"] for _, headers, _ in server.requests] == ["Bearer token~1"] * 3
    ((path, headers, form),) = tokens.requests
    assert (path, form) == ("/token", {"grant_type": "client_credentials", "scope": "sms"})
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"mas%3Asar:s3+cret"


@pytest.mark.parametrize(("auth", "form"), [
    ({"client_in": "body"}, {"grant_type": "client_credentials", "client_secret": "s3 cret"}),
    ({"refresh_token": "r-1", "client_secret": ""}, {"grant_type": "refresh_token", "refresh_token": "r-1"}),
])  # fmt: skip
def test_the_client_may_prove_itself_in_the_body_or_by_a_refresh_token(gateway, tokens, auth, form):
    server = gateway(keeps=True)
    assert isinstance(send(by_token(server, tokens, auth=auth)), Accepted)
    ((_, headers, sent),) = tokens.requests
    assert sent == {"client_id": "mas:sar", **form} and "Authorization" not in headers
    assert server.requests[0][1]["Authorization"] == "Bearer token~1"


def test_many_threads_share_few_connections_and_wait_for_one_token(gateway, tokens):
    server = gateway(keeps=True)
    provider, tokens.mood = by_token(server, tokens), 0.2
    results = at_once(lambda _: [type(send(provider)) for _ in range(10)], 6)
    assert results == [[Accepted] * 10] * 6 and len(server.requests) == 60 and server.lines <= 12
    assert len(tokens.requests) == 1


def test_a_token_is_renewed_shortly_before_its_end(gateway, tokens, moment):
    provider = by_token(gateway(), tokens)
    for later, fetched in ((0, 1), (3600 - 61, 1), (2, 2)):
        moment.later += later
        send(provider)
        assert len(tokens.requests) == fetched


def test_401_fetches_a_new_token_once(gateway, tokens):
    server = gateway(keeps=True, mood=401)
    provider = by_token(server, tokens)
    assert send(provider) == Rejected("http 401", **CONFIGURATION)
    assert len(tokens.requests) == 2 and len(server.requests) == 2
    server.mood = ""
    assert isinstance(send(provider), Accepted)
    assert server.requests[-1][1]["Authorization"] == "Bearer token~1"  # the newest there was: it is tried again


def test_a_token_that_was_taken_back_costs_one_more_request(gateway, tokens):
    server = gateway(keeps=True)
    provider = by_token(server, tokens)
    send(provider)
    tokens.answer = {"access_token": "token~2", "token_type": "Bearer", "expires_in": 3600}
    serve = server.serve

    def only_the_new(handler):
        server.mood = "" if handler.headers["Authorization"] == "Bearer token~2" else 401
        serve(handler)

    server.serve = only_the_new
    assert isinstance(send(provider), Accepted)
    assert [h["Authorization"] for _, h, _ in server.requests] == ["Bearer token~1", "Bearer token~1", "Bearer token~2"]


UNUSABLE = (
    {"access_token": ""}, {"access_token": "a\r\nX: y"}, {"access_token": "a\x01b"}, {"access_token": 7},
    {"access_token": "a", "token_type": "mac"}, {"access_token": "a", "expires_in": -1},
    {"access_token": "a", "expires_in": "soon"}, [], b"<html>", b"[" * 30_000,
)  # fmt: skip


@pytest.mark.parametrize(("mood", "answer", "why"), [
    (401, {"error": "invalid_client", "error_description": "AADSTS7000215: s3 cret"}, "http 401, invalid_client"),
    (400, {"error": "invalid_grant"}, "http 400, invalid_grant"), (400, {"error": "s3 cret"}, "http 400"),
    (400, b"<html>", "http 400"), (403, {}, "http 403"), (302, {}, "http 302"),
    *((200, answer, "http 200") for answer in UNUSABLE),
    *((mood, {}, "") for mood in (429, 500, 503, "cut_before", "cut_after", "garbage", "silent")),
])  # fmt: skip
def test_without_a_token_nothing_is_sent(gateway, tokens, mood, answer, why):
    """A refusal is about us; where nobody said yes or no, the next try may do."""
    server, good = gateway(), tokens.answer
    tokens.mood, tokens.answer = mood, answer
    provider = by_token(server, tokens, answer_timeout=0.3 if mood == "silent" else 5)
    result = send(provider)
    if why:
        assert result == Rejected(f"no token: {why}", permanent=False, configuration_error=True)
    else:
        assert isinstance(result, NotTransmitted) and result.why.startswith("no token: ")
    (sentence,) = provider.check()
    assert f"no token: {why}" in sentence and "s3 cret" not in sentence + repr(result) and server.requests == []
    tokens.mood, tokens.answer = "", good
    assert isinstance(send(provider), Accepted), "nothing is remembered against it"


def test_all_of_a_message_together_takes_no_longer_than_was_promised(gateway, tokens):
    """Token, message, token, message: four slow conversations still end within `longest`."""
    server = gateway(mood="drip")
    tokens.mood = "drip"
    provider = by_token(server, tokens, connect_timeout=0.2, answer_timeout=0.5, total_timeout=0.5)
    before = time.monotonic()
    assert isinstance(send(provider), NotTransmitted)
    assert time.monotonic() - before < provider.longest.total_seconds() + 2
