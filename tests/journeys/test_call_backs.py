"""A provider calls back: the address is the proof, a repeat changes nothing, and nothing is lost when storing fails."""

from dataclasses import replace

import pytest
from django.db import OperationalError
from django.test import Client

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Part
from massar.interfaces import receipts
from massar.journeys.messages import take_receipt
from tests.support.outbox import sent

pytestmark = pytest.mark.both_databases

BASE = "https://compte.example.ma"
PROVIDERS = {
    "kannel": {"kind": "http", "preset": "kannel"},
    "list": {"kind": "http", "preset": "json-bearer"},
    "near": {"kind": "http", "preset": "kannel", "receipt": {"networks": ["192.0.2.0/24", "2001:db8::/32"]}},
    "deaf": {"kind": "http", "url": "https://gateway.example.ma/"},
    "smsc": {"kind": "smpp"},
}
FINAL = "state=1"


@pytest.fixture(autouse=True)
def providers(settings):
    settings.MASSAR = replace(settings.MASSAR, providers=PROVIDERS)
    receipts.known.cache_clear()
    yield
    receipts.known.cache_clear()


@pytest.fixture
def attempt(clock, db):
    """An accepted attempt of a provider; gives (uid, a function that reads its outcome and code)."""

    def make(provider: str, *references: str):
        message = sent(*references, now=clock(), provider=provider)

        def read():
            state, code = Part.objects.values_list("state", "code").get(message=message)
            return (state, code) if state in ("delivered", "failed") else ("accepted", "")

        return message.uid, read

    return make


def address(provider: str, uid: str) -> str:
    return delivery.receipts_address.make(provider, uid, f"{BASE}/receipts").removeprefix(BASE)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_call_back_settles_the_attempt_once(client: Client, attempt, method):
    uid, read = attempt("kannel")
    call = getattr(Client(enforce_csrf_checks=True), method)
    for state, outcome in [("8", ("accepted", "")), ("1", ("delivered", "1")), ("1", ("delivered", "1"))]:
        answer = call(f"{address('kannel', uid)}?state={state}")
        assert (answer.status_code, answer.content) == (200, b"ok\n")
        assert not answer.cookies and answer.headers["Cache-Control"] == "no-store"
        assert read() == outcome
    call(f"{address('kannel', uid)}?state=2")  # a last word is the last
    assert read() == ("delivered", "1")


def test_a_list_of_results_is_matched_by_their_ids(client: Client, attempt):
    _uid, read = attempt("list", "gw-1")
    _, read_other = attempt("list", "gw-2")
    lost = {"messageId": "gw-1", "status": {"groupName": "UNDELIVERABLE"}, "error": {"id": 27}}
    body = {"results": [lost, {"messageId": "gw-3", "status": {"groupName": "DELIVERED"}}]}
    assert client.post(address("list", ""), body, content_type="application/json").status_code == 200
    assert read() == ("failed", "27") and read_other() == ("accepted", "")


def test_one_result_that_names_no_known_id_is_matched_by_the_address(client: Client, attempt):
    """The answer with the gateway's id never arrived; the address knows the message all the same."""
    uid, read = attempt("list")
    other, read_other = attempt("list", "gw-9")
    body = {"results": [{"messageId": "gw-1", "status": {"groupName": "DELIVERED"}}]}
    for called in (uid, other):
        assert client.post(address("list", called), body, content_type="application/json").status_code == 200
    assert read() == ("delivered", "DELIVERED") and read_other() == ("accepted", "")


def test_who_does_not_know_the_address_gets_404(client: Client, attempt):
    uid, read = attempt("kannel")
    right = address("kannel", uid)
    wrong = {
        "provider": right.replace("/kannel/", "/list/"),
        "uid": right.replace(uid, "x" * 21),
        "tag": right[:-1] + ("0" if right[-1] != "0" else "1"),
        "short": right[:-1],
        "none": f"/receipts/kannel/{uid}",
        "other provider": address("list", uid).replace("/list/", "/kannel/"),
        "without": address("kannel", "").replace("/receipts/kannel/", f"/receipts/kannel/{uid}."),
        "unknown": address("nobody", uid),
        "é": f"/receipts/kannel/{uid}.é",
        "a provider that reads no receipts": address("deaf", uid),
        "a provider with a connection of its own": address("smsc", uid),
    }
    for change, path in wrong.items():
        assert client.get(f"{path}?{FINAL}").status_code == 404, change
    assert read() == ("accepted", "")


@pytest.mark.parametrize(("caller", "status"), [
    ("192.0.2.7", 200), ("::ffff:192.0.2.7", 200), ("2001:db8::1", 200), ("198.51.100.1", 404), ("", 404),
])  # fmt: skip
def test_a_provider_may_be_heard_from_its_own_networks_only(attempt, caller, status):
    uid, read = attempt("near")
    assert Client(REMOTE_ADDR=caller).get(f"{address('near', uid)}?{FINAL}").status_code == status
    assert read()[0] == ("delivered" if status == 200 else "accepted")


JSON, FORM, PARTS = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"


@pytest.mark.parametrize(("query", "body", "kind"), [
    ("", "", ""),
    ("status=1", "", ""),
    ("", "[" * 50_000, JSON),
    ("", "{", JSON),
    ("", "7", JSON),
    ("", '[{"status": "1"}, 7]', JSON),
    ("", "", PARTS),
    ("", "x" * 70_000 + "&state=1", FORM),
    ("state=1&x=" + "x" * 5000, "", ""),
], ids=range(9))  # fmt: skip
def test_what_is_no_receipt_changes_nothing(client: Client, attempt, query, body, kind):
    uid, read = attempt("kannel")
    answer = client.post(f"{address('kannel', uid)}?{query}", body, content_type=kind or "text/plain")
    assert answer.status_code == 400 and read() == ("accepted", "")


@pytest.mark.parametrize(("query", "body", "kind"), [
    ("", b"state=1", FORM),
    ("state=1&text=D%E9j%E0", b"", ""),
    ("text=%00i%00s%00%E9&state=1", b"", ""),
    ("state=1&text=%E9%", b"", ""),
    ("", "state=1&text=Déjà".encode("latin-1"), FORM),
    ("", "state=1&text=مسار".encode("windows-1256"), f"{FORM}; charset=windows-1256"),
    ("", '{"state": 1, "text": "Déjà"}'.encode("latin-1"), f"{JSON}; charset=iso-8859-1"),
    ("", '{"state": "1", "text": "Déjà"}'.encode("utf-16"), JSON),
    ("", b'\xef\xbb\xbf{"state": "01"}', "text/plain"),
    ("", b'[{"state": "1"}, 7, {"text": "x"}]', JSON),
    ("", b'--x\r\nContent-Disposition: form-data; name="state"\r\n\r\n1\r\n--x--\r\n', PARTS),
    ("", b"&".join(b"a%d=%%e9" % n for n in range(100)) + b"&state=1", FORM),
    ("state=1", b"\xff\xfe", JSON),
], ids=range(13))  # fmt: skip
def test_what_is_named_is_read_whatever_stands_beside_it(client: Client, attempt, query, body, kind):
    uid, read = attempt("kannel")
    answer = client.generic("POST", address("kannel", uid), body, content_type=kind or "text/plain", QUERY_STRING=query)
    assert (answer.status_code, answer.content) == (200, b"ok\n") and read()[0] == "delivered"


def test_a_boolean_may_be_the_state(client: Client, attempt, settings):
    own = {"kind": "http", "url": "https://gateway.example.ma/",
           "receipt": {"reference": "id", "state": "delivered",
                       "states": {"true": "delivered", "false": "failed"}}}  # fmt: skip
    settings.MASSAR = replace(settings.MASSAR, providers={"own": own})
    (_, read), (_, read_other) = attempt("own", "1"), attempt("own", "2")
    body = [{"id": 1, "delivered": True}, {"id": 2, "delivered": False}, {"id": 3, "delivered": None}, {"id": 4}]
    assert client.post(address("own", ""), body, content_type="application/json").status_code == 200
    assert read() == ("delivered", "true") and read_other() == ("failed", "false")


def test_when_nothing_can_be_stored_the_provider_is_asked_to_call_again(client: Client, attempt, monkeypatch):
    uid, read = attempt("kannel")

    def fail(*_, **__):
        raise OperationalError("the database is gone")

    with monkeypatch.context() as broken:
        broken.setattr(delivery.receipts, "store", fail)
        answer = client.get(f"{address('kannel', uid)}?{FINAL}")
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    assert client.get(f"{address('kannel', uid)}?{FINAL}").status_code == 200
    assert read() == ("delivered", "1")


def test_receipts_of_one_call_are_stored_all_or_none(attempt, monkeypatch, clock):
    _, read = attempt("list", "gw-1")
    told = [(delivery.Receipt("list", "gw-1", "delivered"), ""), (delivery.Receipt("list", "", "delivered"), "x")]

    def fail(_counts):
        assert read() == ("delivered", ""), "it was written"
        raise OperationalError("gone")

    monkeypatch.setattr(delivery.counters, "add", fail)
    with pytest.raises(OperationalError):
        take_receipt.take(told, now=clock())
    assert read() == ("accepted", "")


def test_an_address_made_before_the_keys_changed_is_still_known(settings, attempt):
    new = replace(settings.MASSAR, data_keys=(("new", b"n" * 32), *settings.MASSAR.data_keys))
    old = address("kannel", "x")
    settings.MASSAR = new
    assert address("kannel", "x") != old
    token = old.rpartition("/")[2]
    assert delivery.receipts_address.read("kannel", token) == "x"
    assert delivery.receipts_address.read("list", token) is None
