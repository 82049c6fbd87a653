"""What only a web gateway can do wrong, and that its words are settings."""

from datetime import timedelta

import pytest

from massar.domain.delivery.provider import (
    Accepted,
    NotTransmitted,
    OutboundMessage,
    OutcomeUnknown,
    ProviderSettingError,
    Rejected,
)
from massar.providers.registry import provider_from_url

from .conftest import HASTY

TEN_MINUTES = timedelta(minutes=10)
SMS = OutboundMessage("-Zk3_x-1", "sms", "+212661000222", "ar", "", "مسار: كلمة مرور مؤقتة\nkdmwt-47392\n'\"\\{}")


@pytest.fixture
def send(options):
    def to(server, message=SMS, *, kind="http", path="/send", **changes):
        url = f"{kind}://localhost:{server.port}{path}"
        return provider_from_url(url, options(**changes)).send(message, valid_for=TEN_MINUTES)

    return to


def test_the_request_has_the_words_that_were_set(gateway, send):
    server = gateway()
    server.answer = {"messages": [{"ref": 4711}]}
    result = send(
        server,
        path="/v2/sms?account=7",
        sms_to_field="recipient.number",
        sms_text_field="recipient.body",
        sms_sender_field="source",
        sms_sender="MASSAR",
        sms_validity_field="ttl",
        sms_headers={"Authorization": "Bearer k3y"},
        sms_extra={"type": "otp", "recipient": {"kind": "mobile"}},
        sms_reference_field="messages.0.ref",
    )
    assert result == Accepted("4711")
    (path, headers, body) = server.requests[0]
    assert path == "/v2/sms?account=7"
    assert headers["Authorization"] == "Bearer k3y" and headers["Idempotency-Key"] == "-Zk3_x-1"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert body == {
        "type": "otp",
        "source": "MASSAR",
        "ttl": 600,
        "recipient": {"kind": "mobile", "number": "+212661000222", "body": SMS.text},
    }


def test_fields_without_a_name_stay_out_and_settings_are_not_written_to(gateway, send):
    server = gateway()
    extra = {"a": {}}
    send(server, sms_sender_field="", sms_extra=extra, sms_to_field="a.to")
    send(server, sms_sender_field="", sms_extra=extra, sms_to_field="a.to")
    assert extra == {"a": {}}
    assert server.requests[0][2] == server.requests[1][2] == {"a": {"to": SMS.to}, "text": SMS.text}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "permanent"),
        (404, "configuration_error"),
        (422, "permanent"),
        (401, "configuration_error"),
        (403, "configuration_error"),
        (402, "configuration_error"),
        (405, "configuration_error"),
        (410, "configuration_error"),
        (302, "configuration_error"),
        (408, "temporary"),
        (429, "busy"),
        (500, "temporary"),
        (503, "temporary"),
        (599, "temporary"),
    ],
)
def test_each_status_means_what_it_says(gateway, send, status, kind):
    server = gateway()
    server.mood = status
    assert send(server) == Rejected(
        f"http {status}",
        permanent=kind == "permanent",
        configuration_error=kind == "configuration_error",
        busy=kind == "busy",
    )


@pytest.mark.parametrize("status", [200, 201, 202])
def test_every_two_hundred_is_taken_over(gateway, send, status):
    server = gateway()
    server.mood = status
    assert send(server) == Accepted("gw-1")


def test_a_redirect_is_not_followed(gateway, send):
    server = gateway()
    server.mood = "redirect"
    assert send(server) == Rejected("http 307", permanent=False, configuration_error=True)
    assert [path for path, _, _ in server.requests] == ["/send"]


@pytest.mark.parametrize("mood", ["silent", "cut_after", "garbage", "drip"])
def test_no_answer_after_the_request_is_unsure(gateway, send, mood):
    server = gateway()
    server.mood = mood
    assert isinstance(send(server, **HASTY), OutcomeUnknown)
    assert len(server.requests) == 1


def test_cut_before_the_request_was_read_is_never_called_sent(gateway, send):
    server = gateway()
    server.mood = "cut_before"
    assert isinstance(send(server), OutcomeUnknown | NotTransmitted)
    assert server.requests == []


@pytest.mark.parametrize("mood", ["huge", "lost_body"])
def test_an_answer_that_can_not_be_used_is_still_a_yes(gateway, send, mood):
    server = gateway()
    server.mood = mood
    assert send(server) == Accepted("")


@pytest.mark.parametrize("answer", [[], {}, {"id": None}, {"id": {"a": 1}}, {"id": True}, "text", 7, None])
def test_a_reference_that_is_not_there_is_empty(gateway, send, answer):
    server = gateway()
    server.answer = answer
    assert send(server) == Accepted("")


def test_a_reference_is_bounded_and_on_one_line(gateway, send):
    server = gateway()
    server.answer = {"id": "a\r\nb" + "c" * 500}
    assert send(server).reference == "ab" + "c" * 98


def test_a_slow_gateway_within_its_time_is_waited_for(gateway, send):
    server = gateway()
    server.mood = 0.2
    assert send(server) == Accepted("gw-1")


@pytest.mark.parametrize(
    "changes",
    [
        {"sms_headers": {"Host": "elsewhere"}},
        {"sms_headers": {"idempotency-key": "x"}},
        {"sms_headers": {"X-Key": "a\r\nX-Other: b"}},
        {"sms_headers": {"X Key": "a"}},
        {"sms_headers": {"X-Key": "é"}},
        {"sms_to_field": ""},
        {"sms_text_field": "a..b"},
        {"sms_to_field": "to", "sms_text_field": "to.text"},
        {"connect_timeout": 0},
        {"total_timeout": 100_000},
    ],
)
def test_settings_that_can_not_work_are_named_at_once(options, changes):
    with pytest.raises(ProviderSettingError):
        provider_from_url("https://gateway.example.ma/send", options(**changes))
