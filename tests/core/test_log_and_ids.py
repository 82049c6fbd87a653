"""Log lines, and the reader of them that tells tests what has arrived; random names, browser labels."""

import json
import logging
import sys

import pytest
from django.urls import resolve

from massar.core import browser, ids, log
from tests.support.written import entries


def _line(message, *args, exc_info=None):
    record = logging.LogRecord("massar.test", logging.WARNING, "x.py", 1, message, args, exc_info)
    return log.JsonLines().format(record)


def test_one_json_object_a_line_with_the_request_id():
    token = log.request_id.set("abc")
    told = json.loads(_line("hello %s", "world"))
    log.request_id.reset(token)
    assert told["what"] == "hello world" and told["level"] == "warning" and told["request"] == "abc"
    assert told["at"].endswith("+00:00")


@pytest.mark.parametrize("nasty", ["a\nb", 'a\r\n{"level":"error"}', "\u202e", "\x1b[31m", "\u2028"])
def test_no_forged_lines(nasty):
    line = _line(nasty)
    assert line.isascii() and "\n" not in line and "\x1b" not in line and json.loads(line)["what"] == nasty


def test_a_trace_has_no_values():
    try:
        raise ValueError("typed by somebody")
    except ValueError:
        line = _line("broke", exc_info=sys.exc_info())
    assert "typed by somebody" not in line and json.loads(line)["trace"][-1] == "ValueError"


def test_no_library_writes_which_passkey_was_used(monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    log.set_up()
    told = logging.getLogger("fido2.server")
    assert not told.isEnabledFor(logging.INFO) and told.isEnabledFor(logging.WARNING)


def test_half_a_line_is_none_yet(tmp_path):
    file = tmp_path / "log"
    assert entries(file) == []
    first, second = '{"text": "é"}\n'.encode(), '{"text": "après"}\n'.encode()
    for end in range(len(second)):
        file.write_bytes(b"listening\n" + first + second[:end])
        assert entries(file) == [{"text": "é"}]
    file.write_bytes(first + second)
    assert entries(file) == [{"text": "é"}, {"text": "après"}]


def test_random_names_have_their_shape_and_do_not_repeat():
    assert len({ids.token() for _ in range(200)}) == 200 and len(ids.token()) == 43
    assert len(ids.short_token()) == 21 and ids.short_token().isalnum()
    assert len(ids.contact_code()) == 6 and ids.contact_code().isdecimal()
    assert ids.show_temporary_password("kdmwt47392") == "kdmwt-47392"
    assert len(ids.key_bytes()) == 32 and len(ids.nonce()) == 12


def test_jitter_takes_at_most_half_away():
    drawn = [ids.jitter(60.0) for _ in range(200)]
    assert all(30.0 <= pause < 60.0 for pause in drawn) and len(set(drawn)) > 150


@pytest.mark.parametrize(("agent", "label"), [
    ("Mozilla/5.0 (Linux; Android 9) Chrome/120.0 Mobile Safari/537.36", "Chrome · Android"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1", "Safari · iPhone"),
    ("Mozilla/5.0 (Windows NT 10.0) Chrome/120.0 Safari/537.36 Edg/120.0", "Edge · Windows"),
    ("curl/8", ""),
    ("", ""),
    ("\x00\u202e" * 500, ""),
])  # fmt: skip
def test_labels_of_browsers(agent, label):
    assert browser.describe(agent) == label


def test_a_path_with_a_secret_in_it_is_told_by_its_route(rf):
    """ATK-144: Django says the path of what failed, and that of a link from a letter opens something."""
    request = rf.get("/not-me/2t4jpg6mii7nngdekcara/")
    record = logging.LogRecord("django.request", logging.ERROR, "x.py", 1, "%s: %s", ("Broken", request.path), None)
    record.request = request
    assert log.name_the_route(record) and record.args == ("Broken", request.path), "nothing was found for it"
    request.resolver_match = resolve(request.path)
    assert log.name_the_route(record) and record.getMessage() == "Broken: /not-me/<str:token>/"
