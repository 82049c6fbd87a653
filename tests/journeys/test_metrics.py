"""/metrics: as Prometheus' own parser reads it, for whoever brings the token."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from massar.domain.delivery import api as delivery
from massar.interfaces.demo.cast import FATIMA
from tests.cast import FATIMA_PHONE
from tests.support.outbox import message, request, shut
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases

TOKEN = "a-token-of-this-installation"


@pytest.fixture
def opened(monkeypatch, clock, db):
    monkeypatch.setattr(settings, "MASSAR", replace(settings.MASSAR, metrics_token=TOKEN))
    return clock


def asked(**headers: str):
    return Client().get("/metrics", headers=headers)


def read() -> dict[str, dict]:
    """Family -> {(sample name, sorted labels): value}."""
    answer = asked(authorization=f"Bearer {TOKEN}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(answer.content.decode()))
    assert len({f.name for f in families}) == len(families) and all(f.documentation for f in families)
    assert {f.type for f in families} <= {"counter", "gauge", "histogram"}
    return {f.name: {(s.name, *sorted(s.labels.items())): s.value for s in f.samples} for f in families}


@pytest.mark.parametrize("sent", [None, "", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ", "Bearer é"])
def test_without_the_token_there_is_no_such_page_nor_without_the_setting(opened, monkeypatch, sent):
    answer = asked(**({} if sent is None else {"authorization": sent}))
    monkeypatch.undo()
    assert settings.MASSAR.metrics_token == "" and asked(authorization="Bearer ").status_code == 404
    assert answer.status_code == 404 and b"massar_" not in answer.content


def test_gauges_are_there_before_anything_happened(opened):
    found = read()
    messages = {"massar_queue", "massar_queue_oldest_seconds", "massar_provider_breaker", "massar_alarm"}
    failures = {"massar_sign_in_failures_recent", "massar_sign_in_failures_usual"}
    spent = {"massar_sprayed_passwords", "massar_networks_spent", "massar_retention_last_run_timestamp_seconds"}
    one_each = {"massar_siege", "massar_siege_accounts", "massar_season"}
    assert set(found) == {*messages, *failures, *spent, *one_each}
    assert found["massar_siege"]["massar_siege",] == 0
    assert found["massar_alarm"]["massar_alarm", ("name", "worker-missing")] == 0
    assert found["massar_queue_oldest_seconds"]["massar_queue_oldest_seconds", ("purpose", "recovery")] == 0


def test_what_the_worker_counted(opened, cast, post):
    Visitor().ask(FATIMA.login, phone="0661000222")
    opened.advance(seconds=3)
    post.secret(FATIMA_PHONE)
    labels = (("channel", "sms"), ("provider", "behaving-sms"))
    found = read()
    assert found["massar_messages"]["massar_messages_total", labels[0], ("outcome", "accepted"), labels[1]] == 1
    assert found["massar_message_segments"]["massar_message_segments_total", *labels] == 1
    hand_over = found["massar_message_hand_over_seconds"]
    assert hand_over["massar_message_hand_over_seconds_count", ("channel", "sms")] == 1


def test_the_histogram_is_whole_and_cumulative(opened):
    counters = delivery.counters
    counters.add(counters.count_hand_over("sms", [0.07, 0.3]))
    counters.add(counters.count_hand_over("sms", [0.3, 900.0]))
    found = read()["massar_message_hand_over_seconds"]
    buckets = [(dict(labels)["le"], value) for (name, *labels), value in found.items() if name.endswith("_bucket")]
    assert [le for le, _ in buckets] == [
        "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "300", "+Inf"]  # fmt: skip
    assert [value for _, value in buckets] == [0, 1, 1, 3, 3, 3, 3, 3, 3, 3, 3, 4]
    assert found["massar_message_hand_over_seconds_sum", ("channel", "sms")] == pytest.approx(900.67)
    assert found["massar_message_hand_over_seconds_count", ("channel", "sms")] == 4


def test_gauges_of_queue_breakers_and_alarms(opened):
    now = opened()
    message(now - timedelta(seconds=90))
    message(now - timedelta(seconds=9), waited=0, state="awaiting_receipt")
    request(now - timedelta(seconds=5))
    shut("sms-a", now - timedelta(minutes=2), state="half-open")
    found = read()
    queue = found["massar_queue"]
    assert queue["massar_queue", ("purpose", "temporary_password"), ("state", "queued")] == 1
    assert queue["massar_queue", ("purpose", "temporary_password"), ("state", "awaiting_receipt")] == 1
    oldest = found["massar_queue_oldest_seconds"]
    assert oldest["massar_queue_oldest_seconds", ("purpose", "temporary_password")] == 90
    assert oldest["massar_queue_oldest_seconds", ("purpose", "recovery")] == 5
    states = {dict(key[1:])["state"]: value for key, value in found["massar_provider_breaker"].items()}
    assert states == {"closed": 0, "open": 0, "half-open": 1}
    alarms = {dict(key[1:])["name"] for key, value in found["massar_alarm"].items() if value == 1}
    assert alarms == {"provider-open", "queue-growing", "worker-missing"}
