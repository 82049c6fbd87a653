"""`massar messages`: readable on any terminal, exact as JSON, until Ctrl-C, and never a destination."""

import json
import signal
from argparse import Namespace
from dataclasses import replace
from datetime import timedelta
from subprocess import PIPE

import pytest

from massar.interfaces.commands import messages
from tests.support.installation import Installation, running
from tests.support.outbox import attempt, message, shut

FRAME_SECONDS = 30


@pytest.fixture
def busy_day(clock, db):
    """A few messages by two providers, one of them shut."""
    now = clock()
    for seconds in (1, 2, 3):
        message(now - timedelta(minutes=9), waited=seconds, arrived=4, used=60, masked="+212 6•• 22")
    mail = {"channel": "email", "provider": "mail", "purpose": "notice"}
    message(now - timedelta(minutes=9), waited=1, **mail, cost=0, segments=0)
    late = message(now - timedelta(seconds=65))
    attempt(late, now - timedelta(seconds=5), "not_transmitted", code="refused for amina@example.org")
    shut("sms-b", now - timedelta(minutes=2), reason="no answer in time")
    return now


def shown(capsys, **options) -> str:
    assert messages.run(Namespace(**{"follow": False, "day": False, "json": False, **options})) == 0
    return capsys.readouterr().out


def line_with(text: str, *words: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if all(word in line for word in words))


def test_a_quiet_installation_says_so(clock, db, capsys):
    text = shown(capsys)
    assert "No active alarms." in text and text.count("  none") == 3


def test_what_waits_what_left_and_what_went_wrong(busy_day, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    text = shown(capsys)
    assert "Messages at 2026-02-15 02:55:00 +0100, the last 1 h" in text
    assert line_with(text, "queued", "temporary_password") == ["queued", "temporary_password", "1", "0:01:05"]
    assert line_with(text, "sms-a", "closed")[3:] == "3 3 0 0 0 2.00 3.00 3.00 3 0.750 100%".split()
    assert line_with(text, "email", "mail")[-1] == "-"
    assert line_with(text, "sms-b", "open ")[:5] == ["sms-b", "open", "02:53", "no", "answer"]
    assert line_with(text, "not_transmitted")[3:] == ["sms", "sms-a", "not_transmitted", "refused", "for", "…"]
    assert "docs/operate/alarms/provider-open.md" in text and "docs/operate/alarms/queue-growing.md" in text
    assert "example.org" not in text and "212" not in text


def test_every_configured_provider_is_listed_whether_it_sends_or_not(busy_day, capsys, monkeypatch, settings):
    tables = {"iam": {"kind": "smpp"}, "spare": {"kind": "http"}, "relay": {"kind": "smtp"}, "sms-a": {"kind": "smpp"}}
    settings.MASSAR = replace(settings.MASSAR, email_url="", sms_url="", providers=tables)
    monkeypatch.setenv("COLUMNS", "160")
    text = shown(capsys)
    for channel, name in (("sms", "iam"), ("sms", "spare"), ("email", "relay")):
        assert line_with(text, name)[:3] == [channel, name, "closed"]
    assert text.count("sms-a") == 2, "in the list once, and in the last error"
    listed = {(one["channel"], one["provider"]) for one in json.loads(shown(capsys, json=True))["providers"]}
    assert listed >= {("sms", "spare"), ("email", "relay"), ("", "sms-b")}


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_a_narrow_terminal_loses_columns_and_no_line_folds(busy_day, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = shown(capsys)
    assert max(map(len, text.splitlines())) <= columns
    head = line_with(text, "channel", "provider", "breaker")
    assert "segments" not in head and {"channel", "provider", "breaker"} <= set(head)


def test_json_says_the_same_to_programs(busy_day, capsys):
    told = json.loads(shown(capsys, json=True, day=True))
    assert told["window_seconds"] == 86400
    assert {one["id"]: one["about"] for one in told["alarms"]} == {
        "provider-open": ["sms-b"], "queue-growing": ["temporary_password"]}  # fmt: skip
    assert told["queue"] == [{"state": "queued", "purpose": "temporary_password", "count": 1, "oldest_seconds": 65}]
    sms = next(one for one in told["providers"] if one["provider"] == "sms-a")
    assert (sms["sent"], sms["used"], sms["cost_thousandths"]) == (3, 3, 750)
    assert sms["hand_over_seconds"] == pytest.approx({"p50": 2, "p95": 3, "p99": 3}, abs=0.01)
    assert told["breakers"][0]["state"] == "open" and told["errors"][0]["code"] == "refused for …"


def test_it_follows_until_ctrl_c(installed: Installation):
    words = ("messages", "--follow", "--json")
    with running(*words, folder=installed.folder, environ=installed.environ, stdout=PIPE) as following:
        first, second = (json.loads(following.stdout.readline()) for _ in range(2))
        assert first["at"] < second["at"]
        following.send_signal(signal.SIGINT)
        assert following.wait(FRAME_SECONDS) == 0
