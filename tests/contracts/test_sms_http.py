"""What only a web gateway can do wrong, and that its words are settings, beside a URL."""

from dataclasses import replace

import pytest

from massar.domain.delivery.provider import Accepted, NotTransmitted, OutcomeUnknown, ProviderSettingError, Rejected
from massar.providers.registry import provider_from_url

from .conftest import HASTY, SMS, to_gateway
from .conftest import send as sent

ARABIC = replace(SMS, message_id="-Zk3_x-1", text="مسار: كلمة مرور مؤقتة\nkdmwt-47392\n'\"\\{}")


@pytest.fixture
def send(options):
    def to(server, *, path="/send", **changes):
        return sent(provider_from_url(f"http://localhost:{server.port}{path}", options(**changes)), ARABIC)

    return to


def test_the_request_has_the_words_that_were_set(gateway, send):
    server = gateway(answer={"messages": [{"ref": 4711}]})
    result = send(
        server, path="/v2/sms?account=7", sms_to_field="recipient.number", sms_text_field="recipient.body",
        sms_sender_field="source", sms_sender="MASSAR", sms_validity_field="ttl",
        sms_headers={"Authorization": "Bearer k3y"}, sms_extra={"type": "otp", "recipient": {"kind": "mobile"}},
        sms_reference_field="messages.0.ref",
    )  # fmt: skip
    assert result == Accepted("4711")
    (path, headers, body) = server.requests[0]
    assert path == "/v2/sms?account=7"
    assert headers["Authorization"] == "Bearer k3y" and headers["Idempotency-Key"] == "-Zk3_x-1"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    recipient = {"kind": "mobile", "number": "+212661000222", "body": ARABIC.text}
    assert body == {"type": "otp", "source": "MASSAR", "ttl": 600, "recipient": recipient}


def test_fields_without_a_name_stay_out_and_settings_are_not_written_to(gateway, send):
    server, extra = gateway(), {"a": {}}
    for _ in range(2):
        send(server, sms_sender_field="", sms_extra=extra, sms_to_field="a.to")
    assert extra == {"a": {}}
    assert server.requests[0][2] == server.requests[1][2] == {"a": {"to": SMS.to}, "text": ARABIC.text}


MEANINGS = {
    "permanent": (400, 422), "configuration_error": (404, 401, 403, 402, 405, 410, 302),
    "temporary": (408, 500, 503, 599), "busy": (429,),
}  # fmt: skip


def test_each_status_means_what_it_says(gateway, send):
    server = gateway()
    for kind, statuses in MEANINGS.items():
        said = {"permanent": False, **({} if kind == "temporary" else {kind: True})}
        for server.mood in statuses:
            assert send(server) == Rejected(f"http {server.mood}", **said)
    for server.mood in (200, 201, 202, 0.2):  # a slow one within its time is waited for
        assert send(server) == Accepted("gw-1")


def test_a_redirect_is_not_followed(gateway, send):
    server = gateway(mood="redirect")
    assert send(server) == Rejected("http 307", permanent=False, configuration_error=True)
    assert [path for path, _, _ in server.requests] == ["/send"]


@pytest.mark.parametrize("mood", ["silent", "cut_after", "garbage", "drip"])
def test_no_answer_after_the_request_is_unsure(gateway, send, mood):
    server = gateway(mood=mood)
    assert isinstance(send(server, **HASTY), OutcomeUnknown)
    assert len(server.requests) == 1


def test_cut_before_the_request_was_read_is_never_called_sent(gateway, send):
    server = gateway(mood="cut_before")
    assert isinstance(send(server), OutcomeUnknown | NotTransmitted)
    assert server.requests == []


def test_a_yes_whose_rest_can_not_be_used_is_still_a_yes(gateway):
    server = gateway()
    provider = to_gateway(server, answer={"reference": "id"})
    for server.mood in ("huge", "lost_body"):
        assert sent(provider) == Accepted("")
    server.mood = ""
    for server.answer in ([], {}, {"id": None}, {"id": {"a": 1}}, {"id": True}, "text", 7, None):
        assert sent(provider) == Accepted("")
    server.answer = {"id": "a\r\nb" + "c" * 500}
    assert sent(provider).reference == "ab" + "c" * 98, "bounded, and on one line"


@pytest.mark.parametrize("changes", [
    {"sms_headers": {"Host": "elsewhere"}}, {"sms_headers": {"idempotency-key": "x"}},
    {"sms_headers": {"X-Key": "a\r\nX-Other: b"}}, {"sms_headers": {"X Key": "a"}}, {"sms_headers": {"X-Key": "é"}},
    {"sms_to_field": ""}, {"sms_text_field": "a..b"}, {"sms_to_field": "to", "sms_text_field": "to.text"},
    {"connect_timeout": 0}, {"total_timeout": 100_000},
])  # fmt: skip
def test_settings_that_can_not_work_are_named_at_once(options, changes):
    with pytest.raises(ProviderSettingError):
        provider_from_url("https://gateway.example.ma/send", options(**changes))
