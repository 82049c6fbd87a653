"""Each preset replays its recorded examples: the request it renders, the answers and the call-backs it reads."""

import tomllib
from datetime import timedelta
from urllib.parse import quote_plus

import pytest

from massar.domain.delivery import receipts_address
from massar.domain.delivery.provider import Accepted, OutboundMessage, OutcomeUnknown, Receipt, Rejected
from massar.providers.http_client import HttpResponse
from massar.providers.registry import receipt_form
from massar.providers.sms_http import settings
from massar.providers.sms_http.provider import HttpProvider, from_table

BASE = "https://compte.example.ma"
PRESETS = settings.presets()
ADDRESS = receipts_address.make("gateway", "Zk3_x-1", BASE)


def examples(preset: str) -> dict:
    return tomllib.loads((settings.PRESETS / f"{preset}.examples.toml").read_text("utf-8"))


def table(preset: str) -> dict:
    return {"preset": preset, "kind": "http", **examples(preset)["settings"]}


def provider(preset: str) -> HttpProvider:
    return from_table(table(preset), name="gateway", receipts_base=BASE)


def cases(kind: str) -> list:
    return [pytest.param(p, one, id=f"{p}: {one['what']}") for p in PRESETS for one in examples(p)[kind]]


def test_there_are_three_and_each_has_examples_of_everything():
    assert PRESETS == ["json-bearer", "kannel", "oauth2-json"]
    for preset in PRESETS:
        found = examples(preset)
        results = {one["result"] for one in found["answers"]}
        states = {one["state"] for call in found["calls"] for one in call.get("receipts", [])}
        assert (
            found["requests"]
            and {"accepted", "permanent", "configuration_error"} <= results
            and {"delivered", "failed"} <= states
        )


@pytest.mark.parametrize(("preset", "example"), cases("requests"))
def test_it_renders_the_request(preset: str, example: dict):
    ours = provider(preset)
    sent = OutboundMessage("Zk3_x-1", "sms", example["to"], "fr", "", example["text"])
    call = ours._settings.request.render(ours._values(sent, timedelta(minutes=10)))
    assert call.method == example["method"]
    assert call.target == example["target"].replace("<receipt_url>", quote_plus(ADDRESS))
    assert call.body.decode() == example["body"].replace("<receipt_url>", ADDRESS)
    assert {name: call.headers[name] for name in example.get("headers", {})} == example.get("headers", {})


@pytest.mark.parametrize(("preset", "example"), cases("answers"))
def test_it_reads_the_answer(preset: str, example: dict):
    result = provider(preset)._settings.answer.judge(HttpResponse(example["status"], {}, example["body"].encode()))
    kind = example["result"]
    if kind == "accepted":
        assert result == Accepted(example.get("reference", ""), receipt=True)
    elif kind == "unsure":
        assert isinstance(result, OutcomeUnknown)
    else:
        assert result == Rejected(
            example["code"],
            permanent=kind == "permanent",
            configuration_error=kind == "configuration_error",
            busy=kind == "busy",
        )


@pytest.mark.parametrize(("preset", "call"), cases("calls"))
def test_it_reads_the_call_back(preset: str, call: dict):
    form = receipt_form(table(preset), name="gateway")
    asked = {
        "query": call.get("query", ""),
        "content_type": call.get("content_type", ""),
        "body": call.get("body", "").encode(),
    }
    wanted = call.get("receipts")
    assert form.read(**asked) == (wanted and [Receipt(provider="gateway", **one) for one in wanted])


@pytest.mark.parametrize("preset", PRESETS)
def test_its_receipts_read_without_its_secrets_and_without_an_address(preset: str):
    assert receipt_form({"preset": preset, "kind": "http"}, name="gateway") is not None


def test_a_gateway_that_is_told_once_where_to_call_gets_one_address():
    assert provider("oauth2-json").receipts_at == receipts_address.make("gateway", "", BASE)
    assert provider("kannel").receipts_at == provider("json-bearer").receipts_at == ""


def test_an_operator_overrides_single_values():
    own = {
        **table("kannel"), "method": "GET", "sender": "ECOLE",
        "query": {**table("kannel")["query"], "dlr-mask": "3", "validity": ""}, "statuses": {"400": "temporary"},
    }  # fmt: skip
    changed = from_table(own, name="gateway", receipts_base=BASE)._settings
    assert changed.request.query["dlr-mask"].fixed == "3" and "validity" not in changed.request.query
    assert changed.request.query["coding"].names == {"coding"} and changed.sender == "ECOLE"
    assert changed.answer.statuses["400"] == "temporary" and changed.answer.statuses["403"] == "configuration_error"
