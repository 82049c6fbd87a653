"""What a gateway gets: every placeholder in its place, and no text of a message that becomes more than text."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from massar.domain.delivery import receipts_address
from massar.domain.delivery.provider import Accepted, ProviderSettingError, Rejected
from massar.providers.registry import provider_from_table

from .conftest import BASE, SMS, TEN_MINUTES, to_gateway
from .conftest import send as sent_by

NASTY = "a\"b'c&d=e\nf\r\ng{to}{{h}}\\i%41?#/;+\x00 ﷺ🔑"
RECEIPT = {"state": "state", "states": {"1": "delivered"}}
FIELDS = {"to": "{to}", "text": "{text}"}


def message(text: str):
    return replace(SMS, text=text)


@pytest.fixture
def send(gateway):
    """Sends with a table; gives what arrived: (path, headers, body)."""

    def through(table: dict, sent=SMS, *, valid_for=TEN_MINUTES, path: str = "/send"):
        server = gateway()
        provider = to_gateway(server, **{"json": None, "url": f"http://localhost:{server.port}{path}", **table})
        assert isinstance(sent_by(provider, sent, valid_for), Accepted)
        return server.requests[0]

    return through


def in_query(path: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(path).query, keep_blank_values=True, strict_parsing=True))


@pytest.mark.parametrize("text", [NASTY, '"}, {"to": "+33700000000', "x&to=%2B33700000000", "x HTTP/1.1\r\nX-Y: z"])
def test_a_text_stays_a_text_in_every_place(send, text):
    sent = message(text)
    _, _, body = send({"json": {"to": "{to}", "m": {"text": ["{text}"]}}}, sent)
    assert body == {"to": sent.to, "m": {"text": [text]}}
    _, _, body = send({"form": FIELDS}, sent)
    assert body == {"to": sent.to, "text": text}
    path, headers, _ = send({"method": "GET", "query": FIELDS}, sent)
    assert in_query(path) == {"to": sent.to, "text": text}
    path, headers, _ = send({"form": {"x": "y"}}, sent, path="/v1/{to_plain}/{text}/send?key=a%26b&again={text}")
    assert in_query(path) == {"key": "a&b", "again": text}
    assert urlsplit(path).path.count("/") == 4 and "X-Y" not in headers


def test_every_placeholder_has_its_value(send):
    names = ("to", "to_plain", "text", "sender", "seconds", "minutes", "id", "receipt_url", "coding")
    json_body = {name: f"{{{name}}}" for name in names} | {"texts": "{seconds}s {minutes}m {{x}}"}
    table = {"json": json_body, "sender": "Ecole", "receipt": RECEIPT}
    _, headers, body = send(table, valid_for=timedelta(seconds=119))
    assert body == {
        "to": "+212661000222", "to_plain": "212661000222", "text": "Massar: kdmwt-47392", "sender": "Ecole",
        "seconds": 119, "minutes": 1, "id": "Zk3_x-1", "coding": "gsm7", "texts": "119s 1m {x}",
        "receipt_url": receipts_address.make("gateway", "Zk3_x-1", BASE),
    }  # fmt: skip
    assert headers["Idempotency-Key"] == "Zk3_x-1"
    _, _, body = send(table, valid_for=timedelta(seconds=0.4))
    assert (body["seconds"], body["minutes"]) == (1, 1), "time that is almost over is never zero"


def test_json_may_be_given_as_the_text_of_a_manual(send):
    text = '{"messages": [{"to": "{to}", "body": "{text}", "flash": false, "class": null, "n": 1.5}]}'
    _, headers, body = send({"json": text})
    assert body["messages"][0] == {
        "to": "+212661000222", "body": "Massar: kdmwt-47392", "flash": False, "class": None, "n": 1.5,
    }  # fmt: skip
    assert headers["Content-Type"] == "application/json; charset=utf-8"


def test_headers_take_placeholders_but_no_text(send):
    table = {"form": {"text": "{text}"}, "headers": {"X-To": "{to_plain}", "X-Id": "n {id}", "Accept": "text/plain"}}
    _, headers, _ = send(table)
    assert (headers["X-To"], headers["X-Id"], headers["Accept"]) == ("212661000222", "n Zk3_x-1", "text/plain")
    with pytest.raises(ProviderSettingError, match="{text} in the header"):
        send({**table, "headers": {"X": "{text}"}})


@pytest.mark.parametrize(("text", "expected"), [
    ("à 14:35", ("0", "à 14:35")), ("مسار", ("8", "0645063306270631")), ("🔑", ("8", "D83DDD11")),
])  # fmt: skip
def test_unicode_as_hexadecimal_where_a_gateway_wants_it(send, text, expected):
    form = {"to": "{to}", "dcs": "{coding}", "m": "{text}"}
    _, _, body = send({"ucs2": "hex", "coding": {"gsm7": "0", "ucs2": "8"}, "form": form}, message(text))
    assert (body["dcs"], body["m"]) == expected


def test_another_charset_is_that_of_the_text_alone(send):
    table = {"method": "GET", "charset": "iso-8859-1", "query": {"to": "{to}", "é": "é", "text": "{text}"}}
    path, _, _ = send(table, message("à 14:35"))
    assert path.endswith("?to=%2B212661000222&%C3%A9=%C3%A9&text=%E0+14%3A35")
    path, _, _ = send({**table, "charset": "utf-16-be"}, message("م"))
    assert path.endswith("&text=%06E")
    path, _, _ = send({"charset": "utf-16-be", "method": "GET"}, message("م"), path="/{to_plain}/{text}")
    assert path == "/212661000222/%06E"


def test_a_text_that_the_charset_can_not_say_is_not_sent_and_is_our_fault(gateway):
    server = gateway()
    result = sent_by(to_gateway(server, json=None, charset="iso-8859-1", form=FIELDS), message("مسار"))
    assert isinstance(result, Rejected) and result.configuration_error and server.requests == []


@pytest.mark.parametrize(("auth", "name", "value"), [
    ({"kind": "basic", "user": "massar", "password": "pä:ss"}, "Authorization", "Basic bWFzc2FyOnDDpDpzcw=="),
    ({"kind": "bearer", "token": "t0k"}, "Authorization", "Bearer t0k"),
    ({"kind": "header", "name": "X-API-Key", "value": "k3y"}, "X-API-Key", "k3y"),
])  # fmt: skip
def test_the_ways_to_prove_who_we_are(send, auth, name, value):
    _, headers, _ = send({"form": FIELDS, "auth": auth})
    assert headers[name] == value


GOOD = {"kind": "http", "url": "https://gateway.example.ma/send", "json": FIELDS}


@pytest.mark.parametrize(("changes", "words"), [
    ({"color": "red"}, "no setting 'color'"), ({"url": ""}, "url is missing"),
    ({"url": "gateway.example.ma"}, "https://"), ({"url": "http://gateway.example.ma/send"}, "https://"),
    ({"url": "https://{to}.example.ma/"}, "host"), ({"url": "https://a:s3cret@gateway.example.ma/"}, "auth"),
    ({"url": "https://gateway.example.ma:99999/"}, "port"),
    ({"url": "https://gateway.example.ma/é"}, "percent-encoded"),
    ({"url": "https://gateway.example.ma/\r\nX: y"}, "percent-encoded"),
    ({"url": "https://gateway.example.ma/{colour}"}, "{colour}"), ({"method": "PUT"}, "choose POST or GET"),
    ({"method": "GET"}, "no body"), ({"json": {"to": "{to}"}}, "{text}"), ({"json": {"text": "{text}"}}, "{to}"),
    ({"json": {"to": "{to}", "text": "{text} {"}}, "single brace"),
    ({"json": {"to": "{to}", "text": "{text}", "x": "{secret}"}}, "unknown placeholder {secret}"),
    ({"json": '{"to": {to}, "text": "{text}"}'}, "no JSON"), ({"json": "[]"}, "an object"), ({"json": 7}, "an object"),
    ({"form": {"a": "b"}}, "one body"), ({"form": "a=b"}, "form must be a table"),
    ({"headers": {"Host": "elsewhere"}}, "set by us"), ({"headers": {"X-Key": "a\r\nX-Other: b"}}, "can't be sent"),
    ({"headers": {"X-Key": 7}}, "headers.X-Key must be a text"), ({"sender": ""}, "sender"),
    ({"sender": "M" * 21}, "sender"), ({"charset": "hex"}, "unknown charset"), ({"ucs2": "base64"}, "ucs2"),
    ({"coding": {"utf8": "1"}}, "coding.utf8"), ({"statuses": {"4": "configuration_error"}}, "three digits"),
    ({"statuses": {"404": "fatal"}}, "choose accepted"), ({"answer": {"id": "x"}}, "answer.id"),
    ({"answer": {"reference": "a..b"}}, "empty step"), ({"answer": {"reference_pattern": "("}}, "can't be read"),
    ({"answer": {"reference_pattern": "a" * 301}}, "300 characters"),
    ({"answer": {"codes": {"1": "configuration_error"}}}, "answer.code"),
    ({"answer": {"code": "a", "codes": {"1": "fatal"}}}, "answer.codes.1 is 'fatal'"),
    ({"receipt": {"state": "s"}}, "receipt.states"),
    ({"receipt": {"state": "s", "states": {"1": "lost"}}}, "choose delivered"),
    ({"receipt": {**RECEIPT, "networks": ["here"]}}, "192.0.2.0/24"),
    ({"receipt": {**RECEIPT, "networks": "192.0.2.0/24"}}, "list of networks"),
    ({"json": {"to": "{to}", "text": "{text}", "u": "{receipt_url}"}}, "no receipt table"),
    ({"auth": {"kind": "digest"}}, "choose none"), ({"auth": {"kind": "basic", "user": "a"}}, "auth.password"),
    ({"auth": {"kind": "bearer", "token": "s3cret\r\n"}}, "can't be sent"),
    ({"auth": {"kind": "bearer", "token": "x"}, "headers": {"authorization": "y"}}, "both"),
    ({"auth": {"kind": "oauth2", "token_url": "http://a.example.ma/", "client_id": "a", "client_secret": "b"}},
     "https://"),
    ({"auth": {"kind": "oauth2", "token_url": 1.5, "client_id": "a", "client_secret": "b"}}, "auth.token_url must be"),
    ({"auth": {"kind": "bearer", "token": "env:NOT_THERE"}}, "NOT_THERE"),
    ({"auth": {"kind": "bearer", "token": "file:not/there"}}, "not/there"), ({"answer_timeout": "soon"}, "seconds"),
    ({"total_timeout": 1000}, "600"), ({"preset": "best"}, "choose json-bearer, kannel or oauth2-json"),
    ({"preset": "json-bearer"}, "headers.Authorization"),
])  # fmt: skip
def test_a_mistake_gets_one_clear_sentence(changes, words):
    with pytest.raises(ProviderSettingError) as refused:
        provider_from_table({**GOOD, **changes}, name="gateway", receipts_base=BASE)
    sentence = str(refused.value)
    assert words in sentence and sentence.endswith(".") and "\n" not in sentence and "s3cret" not in sentence


@pytest.mark.parametrize("name", ["", "a b", "Kannel", "a/b", "x" * 40])
def test_a_name_goes_into_an_address(name):
    with pytest.raises(ProviderSettingError, match="name for a provider"):
        provider_from_table(GOOD, name=name, receipts_base=BASE)


def test_receipts_need_an_address_and_nothing_that_is_printed_holds_a_secret():
    with pytest.raises(ProviderSettingError, match="no address"):
        provider_from_table({**GOOD, "receipt": RECEIPT}, name="gateway", receipts_base="")
    auth = {"kind": "bearer", "token": "s3cret"}
    provider = provider_from_table({**GOOD, "query": {"k": "s3cret"}, "auth": auth}, name="gateway", receipts_base=BASE)
    assert "s3cret" not in repr(provider) + repr(provider.settings)
