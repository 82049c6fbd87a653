"""Each preset replays its recorded examples: the request it renders, the answers and the call-backs it reads."""

import tomllib
from dataclasses import replace
from urllib.parse import quote_plus

import pytest

from massar.domain.delivery import receipts_address
from massar.domain.delivery.provider import Accepted, OutcomeUnknown, Receipt, Rejected
from massar.providers.http_client import HttpResponse
from massar.providers.registry import provider_from_table
from massar.providers.sms_http import settings
from massar.providers.sms_http.provider import HttpProvider
from massar.providers.sms_http.settings import receipt_form

from .conftest import BASE, SMS, TEN_MINUTES

PRESETS = settings.presets()
ADDRESS = receipts_address.make("gateway", "Zk3_x-1", BASE)


def examples(preset: str) -> dict:
    return tomllib.loads((settings.PRESETS / f"{preset}.examples.toml").read_text("utf-8"))


def table(preset: str) -> dict:
    return {"preset": preset, "kind": "http", **examples(preset)["settings"]}


def provider(preset: str) -> HttpProvider:
    return provider_from_table(table(preset), name="gateway", receipts_base=BASE)


def cases(kind: str) -> list:
    return [pytest.param(p, one, id=f"{p}: {one['what']}") for p in PRESETS for one in examples(p)[kind]]


def test_there_are_three_and_each_has_examples_of_everything():
    assert PRESETS == ["json-bearer", "kannel", "oauth2-json"]
    for preset in PRESETS:
        found = examples(preset)
        results = {one["result"] for one in found["answers"]}
        states = {one["state"] for call in found["calls"] for one in call.get("receipts", [])}
        assert found["requests"] and {"accepted", "permanent", "configuration_error"} <= results
        assert {"delivered", "failed"} <= states and receipt_form({"preset": preset, "kind": "http"}, name="gateway")


@pytest.mark.parametrize(("preset", "example"), cases("requests"))
def test_it_renders_the_request(preset: str, example: dict):
    call = provider(preset).request(replace(SMS, to=example["to"], text=example["text"]), TEN_MINUTES)
    assert call.method == example["method"]
    assert call.target == example["target"].replace("<receipt_url>", quote_plus(ADDRESS))
    assert call.body.decode() == example["body"].replace("<receipt_url>", ADDRESS)
    assert {name: call.headers[name] for name in example.get("headers", {})} == example.get("headers", {})


@pytest.mark.parametrize(("preset", "example"), cases("answers"))
def test_it_reads_the_answer(preset: str, example: dict):
    result = provider(preset).judged(HttpResponse(example["status"], {}, example["body"].encode()))
    kind = example["result"]
    if kind == "accepted":
        assert result == Accepted(example.get("reference", ""), receipt=True)
    elif kind == "unsure":
        assert isinstance(result, OutcomeUnknown)
    else:
        said = {name: kind == name for name in ("permanent", "configuration_error", "busy")}
        assert result == Rejected(example["code"], **said)


@pytest.mark.parametrize(("preset", "call"), cases("calls"))
def test_it_reads_the_call_back(preset: str, call: dict):
    form = receipt_form(table(preset), name="gateway")
    query, kind, body = (call.get(name, "") for name in ("query", "content_type", "body"))
    wanted = [Receipt(provider="gateway", **one) for one in call.get("receipts", [])] or None
    assert form.read(query=query, content_type=kind, body=body.encode()) == wanted


def test_a_gateway_that_is_told_once_where_to_call_gets_one_address():
    assert provider("oauth2-json").receipts_at == receipts_address.make("gateway", "", BASE)
    assert provider("kannel").receipts_at == provider("json-bearer").receipts_at == ""


def test_an_operator_overrides_single_values():
    own = {
        **table("kannel"), "method": "GET", "sender": "ECOLE",
        "query": {**table("kannel")["query"], "dlr-mask": "3", "validity": ""}, "statuses": {"400": "temporary"},
    }  # fmt: skip
    changed = provider_from_table(own, name="gateway", receipts_base=BASE)
    query = changed.settings.query
    assert query["dlr-mask"].fixed == "3" and "validity" not in query and query["coding"].names == {"coding"}
    assert changed.settings.sender == "ECOLE" and not changed.judged(HttpResponse(400, {}, b"")).permanent
    assert changed.judged(HttpResponse(403, {}, b"")).configuration_error
