"""The settings of an HTTP provider: a preset with the operator's table over it, judged, and made into forms.

An empty text takes a value of the preset away.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, PlainValidator

from massar.core.settings import Required, Table, Wanted, one_of
from massar.domain.delivery.provider import ProviderOptions, ProviderSettingError
from massar.providers import NAME
from massar.providers.http_client import Origin, split_address
from massar.providers.oauth_token import TokenEndpoint
from massar.providers.settings import ProviderTable, Seconds, TokenAuth, read_provider, split
from massar.providers.sms_http.answer import STATUSES, AnswerForm, Finder
from massar.providers.sms_http.receipt import Network, ReceiptForm
from massar.providers.sms_http.request import RequestForm, Template

PRESETS = Path(__file__).with_name("presets")
_OWN_HEADERS = frozenset(
    ("host", "content-length", "content-type", "transfer-encoding", "connection", "idempotency-key")
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)")
_LONGEST_PATTERN = 300


# -- one setting: each takes what was read and raises ValueError with the rest of the sentence


def _template(text: object) -> Template:
    if not isinstance(text, str):
        raise ValueError("must be a text")
    return Template(text)


class Url(NamedTuple):
    """Where requests go; `target` is path and query."""

    origin: Origin
    target: Template


def _url(text: object) -> Url:
    if not isinstance(text, str):
        raise ValueError("must be a text")
    parts = split(text)
    origin, target = split_address(parts)
    return Url(origin, Template(type(text)(target)))  # a text without placeholders stays one


def _json(tree: object) -> Mapping[str, Any]:
    if isinstance(tree, str):
        try:
            tree = json.loads(tree)
        except (ValueError, RecursionError) as trouble:
            raise ValueError(f"is no JSON: {trouble}") from None
    if not isinstance(tree, Mapping):
        raise ValueError("must be an object")
    return {key: _leaf(value) for key, value in tree.items()}


def _leaf(node: object) -> Any:
    if isinstance(node, str):
        return Template(node)
    if isinstance(node, Mapping):
        return {key: _leaf(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_leaf(value) for value in node]
    if node is None or isinstance(node, bool | int | float):
        return node
    raise ValueError("holds a value that JSON does not know")


def _steps(text: object) -> tuple[str, ...]:
    if not isinstance(text, str):
        raise ValueError("must be a path, as messages.0.id")
    steps = tuple(text.split(".")) if text else ()
    if "" in steps:
        raise ValueError("has an empty step in its path")
    return steps


def _pattern(text: object) -> re.Pattern[str] | None:
    if not isinstance(text, str) or len(text) > _LONGEST_PATTERN:
        raise ValueError(f"must be a pattern of at most {_LONGEST_PATTERN} characters")
    try:
        return re.compile(text) if text else None
    except (re.error, RecursionError, OverflowError) as trouble:
        raise ValueError(f"is a pattern that can't be read: {trouble}") from None


def _charset(name: str) -> str:
    try:
        "".encode(name)
    except (LookupError, ValueError):
        raise ValueError(f"is an unknown charset {name!r}") from None
    return name


def _sender(text: str) -> str:
    if not text or not text.isprintable() or len(text) > 20:
        raise ValueError("must be 1 to 20 printable characters")
    return text


def _status(status: str) -> str:
    if not _STATUS.fullmatch(status):
        raise ValueError("is no status: give three digits, or 4xx")
    return status


def _network(text: object) -> Network:
    try:
        return ipaddress.ip_network(text if isinstance(text, str) else "")
    except ValueError:
        raise ValueError("holds what is no network: give such as 192.0.2.0/24") from None


Steps = Annotated[tuple[str, ...], PlainValidator(_steps), Wanted("a path, as messages.0.id")]
Pattern = Annotated[re.Pattern[str] | None, PlainValidator(_pattern), Wanted("a regular expression")]
Templates = dict[str, Annotated[Template, PlainValidator(_template)]]
Outcome = Literal["accepted", "permanent", "temporary", "busy", "configuration_error"]
State = Literal["delivered", "failed", "underway"]


def _finder(table: Table, name: str) -> Finder | None:
    path, pattern = getattr(table, name), getattr(table, f"{name}_pattern")
    return Finder(path, pattern, words=name in ("state", "code")) if path or pattern else None


# -- tables

# What each kind of credentials needs besides tokens.
_CREDENTIALS = {
    "none": (),
    "basic": ("user", "password"),
    "bearer": ("token",),
    "header": ("name", "value"),
    "oauth2": (),
}


@dataclass(frozen=True)
class Auth(TokenAuth):
    """How we prove who we are."""

    kind: Literal["none", "basic", "bearer", "header", "oauth2"] = "none"
    """how we prove who we are; for `oauth2` the settings above"""
    user: str = ""
    """for `basic`, required"""
    password: str = ""
    """for `basic`, required"""
    token: str = ""
    """for `bearer`, required"""
    name: str = ""
    """for `header`, required: its name"""
    value: str = ""
    """for `header`, required"""

    def judge(self) -> Iterator[tuple[str, str]]:
        needed = _CREDENTIALS[self.kind]
        for name in needed:
            if not getattr(self, name):
                yield f"{name} kind", f"auth.{name} is missing: auth.kind {self.kind} needs it"
        of_tokens = (
            () if self.kind == "oauth2" else ("token_url", "client_id", "client_secret", "refresh_token", "scope")
        )
        for name in (*(name for names in _CREDENTIALS.values() for name in names if name not in needed), *of_tokens):
            if getattr(self, name):
                yield f"{name} kind", f"auth.{name} has no use with auth.kind {self.kind}: take it out"
        if self.kind == "oauth2":
            yield from super().judge()


NO_AUTH = Auth()


@dataclass(frozen=True)
class Coding(Table):
    """The gateway's words for the two codings."""

    gsm7: str = "gsm7"
    """the gateway's word for it, as `0`"""
    ucs2: str = "ucs2"
    """the gateway's word for it, as `2`"""


@dataclass(frozen=True)
class Answer(Table):
    """How an answer reads."""

    reference: Steps = ()
    """the gateway's id: a path in its JSON"""
    reference_pattern: Pattern = None
    """a pattern for it, in what the path leads to or in the whole"""
    segments: Steps = ()
    """how many SMS the gateway says it made of the text; `massar send-test` compares"""
    segments_pattern: Pattern = None
    """a pattern for it, in what the path leads to or in the whole"""
    code: Steps = ()
    """a code in the answer"""
    code_pattern: Pattern = None
    """a pattern for it, in what the path leads to or in the whole"""
    codes: dict[str, Outcome] = field(default_factory=dict)
    """table: what a code means, `true` and `false` too; `*` stands for the rest. Goes before `statuses`"""

    def judge(self) -> Iterator[tuple[str, str]]:
        if self.codes and not self.code and not self.code_pattern:
            told = "answer.codes is given, but neither answer.code nor answer.code_pattern to find one: add one"
            yield "codes code code_pattern", told


@dataclass(frozen=True)
class ReceiptTable(Table):
    """How call-backs read."""

    each: Steps = ()
    """path of the list, where one call tells of several messages; a single object there is a list of one"""
    reference: Steps = ()
    """the id, as in the answer; how it may differ is told [there](sms-http.md#receipts)"""
    reference_pattern: Pattern = None
    """a pattern for it, in what the path leads to or in the whole"""
    state: Steps = ()
    """what became of the message: a parameter of the call-back, or a path in its JSON. Required"""
    state_pattern: Pattern = None
    """a pattern for it, in what the path leads to or in the whole"""
    states: dict[str, State] = field(default_factory=dict)
    """table: the gateway's words to `delivered`, `failed` or `underway`; `*` stands for the rest. A word that is not
    there settles nothing. Capitals, blanks around it, leading zeros of a number and other spellings of one SMPP state
    (`DELIVRD`, `DELIVERED`) do not count; `true`, `false` and `null` are words. Required"""
    code: Steps = ()
    """the reason; without it the state"""
    code_pattern: Pattern = None
    """a pattern for it, in what the path leads to or in the whole"""
    to: Steps = ()
    """the number"""
    to_pattern: Pattern = None
    """a pattern for it, in what the path leads to or in the whole"""
    networks: Annotated[
        tuple[Annotated[Network, PlainValidator(_network)], ...], Wanted('a list of networks, as ["192.0.2.0/24"]')
    ] = ()
    """list of networks that may call, as `["192.0.2.0/24"]`; without it everybody may"""

    def judge(self) -> Iterator[tuple[str, str]]:
        if not self.state or not self.states:
            yield "state states", "receipt needs receipt.state and the table receipt.states: add them"

    def form(self, name: str, charset: str) -> ReceiptForm | None:
        """How to read a call-back; None where none is told of."""
        state = _finder(self, "state")
        if state is None:
            return None
        reference, code, to = (_finder(self, what) for what in ("reference", "code", "to"))
        return ReceiptForm(name, state, self.states, self.each, reference, code, to, self.networks, charset)


@dataclass(frozen=True)
class HttpTable(ProviderTable):
    """One gateway."""

    kind: Literal["http"] = "http"
    """SMS through a gateway's web interface"""
    preset: str = ""
    """one of the [presets](sms-http.md#presets)"""
    url: Annotated[
        Url | None, PlainValidator(_url), Wanted("an address"), Required("give the address for messages")
    ] = None
    """`https://`, or `http://` on this machine; placeholders in path and query"""
    method: Literal["POST", "GET"] = "POST"
    """`GET` is without form and json"""
    headers: Templates = field(default_factory=dict)
    """table; no `{text}` there"""
    query: Templates = field(default_factory=dict)
    """table, added to the address"""
    form: Templates = field(default_factory=dict)
    """table: the body as a form"""
    json: Annotated[Mapping[str, Any] | None, PlainValidator(_json), Wanted("an object")] = None
    """table, or the text of a JSON object as the gateway's manual shows it: the body"""
    sender: Annotated[str, AfterValidator(_sender)] = "MASSAR"
    """1 to 20 characters"""
    charset: Annotated[str, AfterValidator(_charset)] = "utf-8"
    """of `{text}` in address, query and form; tried for call-backs too that say no charset and are not in UTF-8"""
    ucs2: Literal["text", "hex"] = "text"
    """`hex`: a text that is not GSM-7 is written as UTF-16BE in hexadecimal"""
    coding: Coding = Coding()
    """table: what `{coding}` says"""
    statuses: dict[Annotated[str, AfterValidator(_status)], Outcome] = field(default_factory=dict)
    """table: what an HTTP status means, [else](sms-http.md#what-an-answer-means); `4xx` stands for all of a kind"""
    answer: Answer = Answer()
    """table: how an answer reads"""
    auth: Auth = NO_AUTH
    """table: how we prove who we are"""
    receipt: ReceiptTable = ReceiptTable()
    """table: how call-backs read"""
    total_timeout: Seconds = 30.0
    """seconds; all of a message, token included, ends within this and twice `connect_timeout`"""

    def judge(self) -> Iterator[tuple[str, str]]:
        if self.form and self.json is not None:
            yield "form json", "form and json are both given: a request has one body"
        if self.method == "GET" and (self.form or self.json is not None):
            yield "method form json", "method is GET, which has no body: put the fields into query"
        if self.url:
            names = self.request().names()
            if not names & {"to", "to_plain"} or "text" not in names:
                yield "url query form json headers", "the request needs {to} (or {to_plain}) and {text}: add them"
            if "receipt_url" in names and not self.receipt.states:
                yield (
                    "url query form json headers receipt",
                    "{receipt_url} is asked for, but there is no receipt table to read them",
                )
        yield from self._judge_headers()

    def _judge_headers(self) -> Iterator[tuple[str, str]]:
        for name, template in self.headers.items():
            if "text" in template.names:
                yield "headers", f"headers has {{text}} in the header {name!r}: a text goes into query, form or json"
            if "sender" in template.names and not self.sender.isascii():
                yield "headers sender", f"sender can't stand in the header {name!r}: take plain letters"
        if self.auth.kind != "none" and any(name.lower() == "authorization" for name in self.headers):
            yield "auth headers", "auth and a header Authorization are both given: keep one of them"
        fixed = {name: template.fixed for name, template in self.headers.items()}
        for name, value in [*fixed.items(), *self.credentials().items()]:
            if name.lower() in _OWN_HEADERS:
                yield "headers auth", f"headers holds {name!r}, which is set by us"
            if not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
                yield "headers auth", f"the header {name!r} has a name or value that can't be sent"

    def request(self) -> RequestForm:
        assert self.url
        origin, target, form = *self.url, self.form or None
        return RequestForm(self.method, origin, target, self.headers, self.query, form, self.json, self.charset)

    def credentials(self) -> Mapping[str, str]:
        """The headers that stay the same."""
        auth = self.auth
        by_kind = {
            "basic": {"Authorization": _basic(auth.user, auth.password)},
            "bearer": {"Authorization": f"Bearer {auth.token}"},
            "header": {auth.name: auth.value},
        }
        return by_kind.get(auth.kind, {})


def _basic(user: str, password: str) -> str:
    """RFC 7617 §2, in UTF-8."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass(frozen=True)
class HttpSettings:
    """Everything a provider needs, with secrets in it. `credentials`: fixed headers, or where tokens are fetched."""

    name: str
    request: RequestForm
    answer: AnswerForm
    credentials: Mapping[str, str] | TokenEndpoint = field(repr=False)
    receipt: ReceiptForm | None
    sender: str
    ucs2_hex: bool
    coding: Mapping[str, str]
    options: ProviderOptions


# -- reading


def settings_of(table: Mapping[str, object], *, name: str, environ: Mapping[str, str] | None = None) -> HttpSettings:
    """Read the operator's table. Raises ProviderSettingError."""
    called = f"[providers.{name}]"
    if not NAME.fullmatch(name):
        wish = "a small letter, then small letters, digits, - and _, 39 at most"
        raise ProviderSettingError(f"{name!r} is no name for a provider: {wish}.")
    merged = _merged(table, called)
    asked = [f"{called} {path} is missing: give {hint}." for path, hint in _asked(merged)]
    if asked:
        raise ProviderSettingError(*asked)
    made = read_provider(HttpTable, merged, called=called, environ=environ)
    times = {key: getattr(made, key) for key in ("connect_timeout", "answer_timeout", "total_timeout")}
    return _settings(made, name, ProviderOptions(name=name, ca_file=made.ca_file, **times))


def judged(table: Mapping[str, object], *, name: str, options: ProviderOptions) -> HttpSettings:
    """Read settings that were put together by us: no preset, no secrets elsewhere."""
    return _settings(read_provider(HttpTable, table, called="The SMS gateway:"), name, options)


def receipt_form(
    table: Mapping[str, object], *, name: str, environ: Mapping[str, str] | None = None
) -> ReceiptForm | None:
    """How the provider's receipts read, without looking at its secrets. Raises ProviderSettingError."""
    merged = _merged(table, called := f"[providers.{name}]")
    given = merged.get("receipt")
    if not isinstance(given, Mapping) or not given:
        return None
    receipt = read_provider(ReceiptTable, given, called=f"{called} receipt:", environ=environ)
    return receipt.form(name, str(merged.get("charset", "utf-8")))


def presets() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.toml") if "." not in path.stem)


def _settings(made: HttpTable, name: str, options: ProviderOptions) -> HttpSettings:
    receipt = made.receipt.form(name, made.charset)
    reference, segments, code = (_finder(made.answer, what) for what in ("reference", "segments", "code"))
    statuses = {**STATUSES, **made.statuses}
    return HttpSettings(
        name=name,
        request=made.request(),
        answer=AnswerForm(
            reference=reference,
            segments=segments,
            code=code,
            codes=made.answer.codes,
            statuses=statuses,
            receipts=receipt is not None,
        ),
        credentials=made.auth.token_endpoint() if made.auth.kind == "oauth2" else made.credentials(),
        receipt=receipt,
        sender=made.sender,
        ucs2_hex=made.ucs2 == "hex",
        coding={"gsm7": made.coding.gsm7, "ucs2": made.coding.ucs2},
        options=options,
    )


def _merged(table: Mapping[str, object], called: str) -> dict[str, Any]:
    preset = table.get("preset", "")
    if not isinstance(preset, str) or preset not in ("", *presets()):
        raise ProviderSettingError(f"{called} has an unknown preset: choose {one_of(presets())}.")
    below = tomllib.loads((PRESETS / f"{preset}.toml").read_text("utf-8")) if preset else {}
    return _over(below, table)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = _over(result[key], value)
        elif value == "" and key in result:
            del result[key]
        else:
            result[key] = value
    return result


def _asked(table: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, str]]:
    """What a preset wants from the operator: its texts that begin with `give:`."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _asked(value, f"{inside}{key}.")
        elif isinstance(value, str) and value.startswith("give:"):
            yield f"{inside}{key}", value.removeprefix("give:").strip()
