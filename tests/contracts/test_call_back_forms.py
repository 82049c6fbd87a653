"""A gateway's call-back in every dress it comes in: what the settings name is read, and nothing else can spoil it."""

import codecs
import json

import pytest

from massar.domain.delivery.provider import DELIVERED, FAILED, UNDERWAY, Receipt
from massar.providers.sms_http import receipt
from massar.providers.sms_http.settings import receipt_form

FORM, JSON, PLAIN = "application/x-www-form-urlencoded", "application/json", "text/plain"
TABLE = {
    "kind": "http",
    "url": "https://gateway.example.ma/",
    "receipt": {
        "reference": "id",
        "state": "status",
        "to": "msisdn",
        "states": {"delivered": DELIVERED, "REJECTD": FAILED, "true": DELIVERED, "false": FAILED, "5": FAILED,
                   "null": FAILED, "livré": DELIVERED, "وصل": DELIVERED},
    },
}  # fmt: skip
ARABIC = "مسار: رمز"
ONE = Receipt("gateway", "7", DELIVERED, "delivered")


def form(**changed):
    return receipt_form({**TABLE, **changed}, name="gateway")


def heard(query: str = "", kind: str = "", body: bytes = b"", **changed):
    return form(**changed).read(query=query, content_type=kind, body=body)


@pytest.mark.parametrize("unread", [
    "text=D%E9j%E0", "text=%00i%00s%00%E9", "text=%FF%FE%00", "text=%", "text=%zz%E", "%E9=1", "text=d\xe9j\xe0", "=",
    "&&", "a;b=%80", "text=%D9%85%D8", "text=%ED%A0%80", "text=" + "%06%45" * 300,
    "&".join(f"a{n}=%E9" for n in range(400)),
])  # fmt: skip
@pytest.mark.parametrize("before", [True, False])
def test_a_field_that_nobody_reads_spoils_nothing(unread, before):
    text = f"{unread}&id=7&status=delivered" if before else f"id=7&status=delivered&{unread}"
    assert heard(text) == [ONE]
    assert heard("", FORM, text.encode("latin-1")) == [ONE]
    assert heard("", "", text.encode("latin-1")) == heard("", PLAIN, text.encode("latin-1")) == [ONE]
    assert heard(unread, FORM, b"id=7&status=delivered") == [ONE]
    assert heard("id=7&status=delivered", JSON, unread.encode("latin-1")) == [ONE]


@pytest.mark.parametrize(("charset", "word"), [
    ("utf-8", "livré"), ("iso-8859-1", "livré"), ("windows-1252", "livré"), ("windows-1256", "وصل"),
    ("iso-8859-6", "وصل"), ("utf-16", "وصل"), ("utf-16-le", "livré"), ("utf-16-be", "livré"), ("utf-8-sig", "livré"),
])  # fmt: skip
def test_a_charset_that_is_said_is_believed(charset, word):
    said = f'; charset="{charset.upper()}"'
    assert heard("", FORM + said, f"id=7&status={word}&text={ARABIC}".encode(charset, "replace")) == [
        Receipt("gateway", "7", DELIVERED, word)
    ]
    item = json.dumps({"id": 7, "status": word, "text": "x"}, ensure_ascii=False)
    assert heard("", JSON + said, item.encode(charset)) == [Receipt("gateway", "7", DELIVERED, word)]


@pytest.mark.parametrize(("charset", "word", "own"), [
    ("utf-8", "وصل", "utf-8"), ("latin-1", "livré", "utf-8"), ("windows-1252", "livré", "utf-8"),
    ("windows-1256", "وصل", "windows-1256"),
])  # fmt: skip
def test_without_a_charset_it_is_utf8_the_providers_own_or_else_western(charset, word, own):
    escaped = "".join(f"%{byte:02x}" for byte in word.encode(charset))
    assert heard(f"id=7&status={escaped}", charset=own) == [Receipt("gateway", "7", DELIVERED, word)]
    item = json.dumps({"id": "7", "status": word}, ensure_ascii=False).encode(charset)
    assert heard("", JSON, item, charset=own) == [Receipt("gateway", "7", DELIVERED, word)]


def test_a_charset_that_is_none_or_not_true_changes_nothing():
    item = b'{"id": "7", "status": "delivered", "text": "D\xe9j\xe0"}'
    for charset in ("no-such", "hex", "base64", "undefined", "utf-7", "idna", "punycode", "", "utf-16", "utf-32"):
        assert heard("", f"{FORM}; charset={charset}", b"id=7&status=delivered&text=D%E9j%E0") == [ONE]
        assert heard("", f"{JSON}; charset={charset}", item) == [ONE]


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_json_is_known_by_its_look(charset):
    item = ' \r\n{"id": "7", "text": "Déjà", "status": "delivered"}'.encode(charset)
    for kind in (JSON, "text/json", "application/vnd.gateway+json; charset=utf-8", PLAIN, FORM, "", "text/html", "x",
                 ";;"):  # fmt: skip
        assert heard("", kind, item) == [ONE]


@pytest.mark.parametrize("unread", [
    '"text": "\\ud800"', '"text": "\\u0000"', '"price": 1e999', '"price": NaN', f'"number": {"9" * 5000}',
    f'"deep": {"[" * 300}{"]" * 300}', '"": null', '"text": "\t"',
])  # fmt: skip
def test_a_member_that_nobody_reads_spoils_nothing(unread):
    assert heard("", JSON, f'{{"id": "7", {unread}, "status": "delivered"}}'.encode()) == [ONE]


@pytest.mark.parametrize(("value", "state", "code"), [
    ("true", DELIVERED, "true"), ("false", FAILED, "false"), ("5", FAILED, "5"), ("5.0", FAILED, "5.0"),
    ("null", FAILED, "null"), ("6", UNDERWAY, "6"), ("-1", UNDERWAY, "-1"), ('" Delivered "', DELIVERED, "Delivered"),
    ('"05"', FAILED, "05"), ('"DELIVRD"', DELIVERED, "DELIVRD"), ('"Rejected"', FAILED, "Rejected"),
    ('"FAILED"', UNDERWAY, "FAILED"),
])  # fmt: skip
def test_a_state_may_be_any_scalar_in_any_spelling(value, state, code):
    assert heard("", JSON, f'{{"id": "7", "status": {value}}}'.encode()) == [Receipt("gateway", "7", state, code)]


def with_states(**states):
    return {"receipt": {**TABLE["receipt"], "states": states}}


def test_what_is_not_listed_is_the_rest_and_two_spellings_that_the_table_tells_apart_stay_apart():
    for states, words, meant in (
        ({"*": FAILED, "delivered": DELIVERED}, ("DELIVERED", "x", "%FF"), [DELIVERED, FAILED, FAILED]),
        ({"OK": DELIVERED, "ok": FAILED}, ("OK", "ok", "Ok"), [DELIVERED, FAILED, UNDERWAY]),
    ):
        assert [heard(f"id=7&status={word}", **with_states(**states))[0].state for word in words] == meant


@pytest.mark.parametrize("bad", [
    "7", "null", '"x"', "{}", '{"id": "1"}', '{"status": {}}', '{"status": ""}', '{"status": []}', "true", "[]",
])  # fmt: skip
def test_a_bad_item_is_dropped_alone_and_counted(bad, monkeypatch):
    said = []
    monkeypatch.setattr(receipt.note, "warning", lambda words, *values: said.append(words % values))
    good = '{"id": "7", "status": "delivered"}'
    for body in (f"[{bad}, {good}]", f"[{good}, {bad}]", f"[[{good}], [{bad}]]"):
        assert heard("", JSON, body.encode()) == [ONE]
    assert heard("", JSON, f"[{bad}]".encode()) is None
    assert said == (["a call-back of gateway: 1 of 2 items can't be read"] * 3 if bad != "[]" else [])


@pytest.mark.parametrize("body", [
    '{"r": {"list": [%s]}}', '{"r": {"list": %s}}', '{"r": {"list": [[%s]]}}', '[{"r": {"list": [%s]}}]', "[%s]", "%s",
    '{"r": [{"list": [%s]}]}', '{"r": {"list": [%s, 7]}}',
])  # fmt: skip
def test_the_list_is_found_wherever_it_stands(body):
    each = {"receipt": {**TABLE["receipt"], "each": "r.list"}}
    assert heard("", JSON, (body % '{"id": "7", "status": "delivered"}').encode(), **each) == [ONE]


@pytest.mark.parametrize("body", ['{"r": {"list": []}}', "[]", "{}", "7", '{"r": 7}', "[" * 50_000, "{", '{"id": "7"'])
def test_what_holds_no_receipt_is_none(body):
    assert heard("", JSON, body.encode()) is None


def test_a_body_without_items_leaves_the_query_and_more_than_a_thousand_are_not_taken():
    for body in (b"[]", b"[[]]", b"{}", b"null", b"\r\n"):
        assert heard("id=7&status=delivered", JSON, body) == [ONE]
    many = "[" + ", ".join(['{"id": "7", "status": "delivered"}'] * 1001) + "]"
    assert heard("", JSON, many.encode()) is None


def multipart(*parts: tuple[str, bytes], boundary: str = "XyZ") -> bytes:
    part = b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n"
    lines = [part % (boundary.encode(), head.encode("latin-1"), value) for head, value in parts]
    return b"".join(lines) + b"--%s--\r\n" % boundary.encode()


def test_a_form_in_parts_is_read():
    body = multipart(
        ('name="text"', b"D\xe9j\xe0\r\n--Xy"), ('name="id"', b"7"), ('name="f"; filename="\xe9"', b"\0\xff"),
        ("name=status; x=y\r\nContent-Type: text/plain; charset=iso-8859-1", "livré".encode("latin-1")),
    )  # fmt: skip
    for kind in ("multipart/form-data; boundary=XyZ", 'Multipart/Form-Data; charset=utf-8; boundary="XyZ"'):
        for sent in (body, body.replace(b"\r\n", b"\n"), body[: body.rindex(b"--XyZ--")]):
            assert heard("", kind, sent) == [Receipt("gateway", "7", DELIVERED, "livré")]


def test_parts_that_can_not_be_told_apart_leave_the_query():
    body = multipart(('name="status"', b"REJECTD"))
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=no"):
        assert heard("", kind, body) is None and heard("id=7&status=delivered", kind, body) == [ONE]


@pytest.mark.parametrize(("said", "read"), [
    ("212661000222", "+212661000222"), ("%2B212661000222", "+212661000222"), ("00212661000222", "+212661000222"),
    ("tel%3A%2B212661000222", "+212661000222"), ("+212 661-000-222", "+212661000222"), ("0661000222", ""),
    ("2126610****", ""), ("MASSAR", ""), ("%E9", ""), ("", ""),
])  # fmt: skip
def test_whose_phone_it_is_about(said, read):
    assert heard(f"id=7&status=delivered&msisdn={said}")[0].to == read


def test_an_id_has_no_blanks_around_it_is_exact_as_a_number_and_a_bom_is_no_part_of_the_first_name():
    assert heard("id=+7%00%20&status=delivered") == [ONE]
    (found,) = heard("", JSON, b'{"id": 900719925474099312345, "status": "delivered"}')
    assert found.reference == "900719925474099312345"
    assert heard("", FORM, codecs.BOM_UTF8 + b"status=delivered&id=7") == [ONE]
