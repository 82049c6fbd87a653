"""The settings of an HTTP provider: a preset with the operator's table over it, judged, and made into forms.

Texts may read `env:NAME` or `file:PATH`, so that secrets stand elsewhere. An empty text takes a value of the preset away.
Every mistake is one sentence, which never holds a secret.
"""

import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from massar.core.loopback import is_loopback
from massar.domain.delivery.provider import (
    DELIVERED,
    FAILED,
    UNDERWAY,
    ProviderOptions,
    ProviderSettingError,
)
from massar.providers.http_client import Origin, split_address
from massar.providers.oauth_token import TokenEndpoint
from massar.providers.sms_http.answer import OUTCOMES, STATUSES, AnswerForm, Finder
from massar.providers.sms_http.proof import basic
from massar.providers.sms_http.receipt import ReceiptForm
from massar.providers.sms_http.request import Literal, RequestForm, Template, TemplateError

PRESETS = Path(__file__).with_name("presets")
KEYS = frozenset(
    "kind preset url method headers query form json sender charset ucs2 coding statuses answer auth receipt "
    "ca_file connect_timeout answer_timeout total_timeout".split()
)
ANSWER_KEYS = frozenset("reference reference_pattern segments segments_pattern code code_pattern codes".split())
RECEIPT_KEYS = frozenset(
    "each reference reference_pattern state state_pattern states code code_pattern to to_pattern networks".split()
)
AUTH_KEYS = {
    "none": (),
    "basic": ("user", "password"),
    "bearer": ("token",),
    "header": ("name", "value"),
    "oauth2": ("token_url", "client_id"),
}
AUTH_OPTIONAL = {"oauth2": ("client_secret", "refresh_token", "scope", "client_in")}
_OWN_HEADERS = frozenset(
    ("host", "content-length", "content-type", "transfer-encoding", "connection", "idempotency-key")
)
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,38}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)")
_LONGEST_PATTERN = 300
_STATES = (DELIVERED, FAILED, UNDERWAY)


@dataclass(frozen=True)
class HttpSettings:
    """Everything a provider needs, with secrets in it. `proof`: fixed headers, or where tokens are fetched."""

    name: str
    request: RequestForm
    answer: AnswerForm
    proof: Mapping[str, str] | TokenEndpoint = field(repr=False)
    receipt: ReceiptForm | None
    sender: str
    ucs2_hex: bool
    coding: Mapping[str, str]
    options: ProviderOptions


def settings_of(table: Mapping, *, name: str) -> HttpSettings:
    """Raises ProviderSettingError."""
    if not _NAME.fullmatch(name):
        raise ProviderSettingError(f"{name!r} is no name for a provider: small letters, digits, - and _.")
    return _Reader(name, _merged(name, table), resolve=True).settings()


def receipt_form(table: Mapping, *, name: str) -> ReceiptForm | None:
    """How the provider's receipts read, without looking at its secrets. Raises ProviderSettingError."""
    return _Reader(name, _merged(name, table), resolve=False).receipt()


def judged(table: Mapping, *, name: str, options: ProviderOptions) -> HttpSettings:
    """Settings that were put together by us: no preset, no secrets elsewhere."""
    return _Reader(name, table, resolve=False).settings(options)


def token_endpoint(table: Mapping, *, name: str) -> TokenEndpoint:
    """Where a provider of another kind fetches its tokens: the same `auth` table. Raises ProviderSettingError."""
    reader = _Reader(name, {"auth": table}, resolve=True)
    proof = reader.proof()
    if not isinstance(proof, TokenEndpoint):
        raise reader.mistake("needs auth.kind oauth2")
    return proof


def presets() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.toml") if "." not in path.stem)


def _merged(name: str, table: Mapping) -> dict:
    preset = table.get("preset", "")
    if not preset:
        return dict(table)
    if preset not in presets():
        raise ProviderSettingError(f"The provider {name} has an unknown preset: choose from {', '.join(presets())}.")
    return _over(tomllib.loads((PRESETS / f"{preset}.toml").read_text("utf-8")), table)


def _over(below: Mapping, above: Mapping) -> dict:
    result = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = _over(result[key], value)
        elif value == "" and key in result:
            del result[key]
        else:
            result[key] = value
    return result


class _Reader:
    """Reads one provider's table; the first mistake ends it."""

    def __init__(self, name: str, table: Mapping, *, resolve: bool):
        self._name, self._resolve = name, resolve
        unknown = sorted(set(table) - KEYS)
        if unknown:
            raise self.mistake(f"has no setting {unknown[0]!r}")
        self._table = table

    def mistake(self, what: str) -> ProviderSettingError:
        return ProviderSettingError(f"The provider {self._name} {what}.")

    # -- values

    def text(self, key: str, default: str = "", table: Mapping | None = None, where: str = "") -> str:
        value = (self._table if table is None else table).get(key, default)
        if not isinstance(value, str):
            raise self.mistake(f"needs a text for {where}{key}")
        return self.resolved(value, where + key)

    def resolved(self, value: str, where: str) -> str:
        """What `env:` and `file:` lead to is taken as it is; `give:` in a preset says what the operator must give."""
        kind, mark, rest = value.partition(":")
        if not self._resolve or not mark or isinstance(value, Literal):
            return value
        if kind == "give":
            raise self.mistake(f"needs {where}: {rest.strip()}")
        if kind == "env":
            if not os.environ.get(rest):
                raise self.mistake(f"reads {where} from {rest}, which is not in the environment")
            return Literal(os.environ[rest])
        if kind == "file":
            try:
                return Literal(Path(rest).read_text("utf-8").strip())
            except (OSError, UnicodeDecodeError) as trouble:
                raise self.mistake(f"reads {where} from the file {rest}, which can't be read") from trouble
        return value

    def table(self, key: str, known: frozenset | None = None) -> Mapping:
        value = self._table.get(key, {})
        if not isinstance(value, Mapping):
            raise self.mistake(f"needs a table for {key}")
        unknown = sorted(set(value) - known) if known else ()
        if unknown:
            raise self.mistake(f"has no setting {key}.{unknown[0]}")
        return value

    def words(self, table: Mapping, where: str, allowed: tuple[str, ...]) -> dict[str, str]:
        for key, word in table.items():
            if word not in allowed:
                raise self.mistake(f"says {word!r} in {where}.{key}: choose from {', '.join(allowed)}")
        return dict(table)

    def finder(self, table: Mapping, key: str, where: str) -> Finder | None:
        path, pattern = (self.text(name, "", table, where) for name in (key, f"{key}_pattern"))
        if path and "" in path.split("."):
            raise self.mistake(f"has an empty step in the path {where}{key}")
        if not path and not pattern:
            return None
        steps = tuple(path.split(".")) if path else ()
        return Finder(steps, self.pattern(pattern, f"{where}{key}_pattern"), words=key in ("state", "code"))

    def pattern(self, text: str, where: str) -> re.Pattern | None:
        if len(text) > _LONGEST_PATTERN:
            raise self.mistake(f"has a pattern of more than {_LONGEST_PATTERN} characters in {where}")
        try:
            return re.compile(text) if text else None
        except re.error as trouble:
            raise self.mistake(f"has a pattern in {where} that can't be read: {trouble}") from trouble

    def template(self, value: object, where: str) -> Template:
        if not isinstance(value, str):
            raise self.mistake(f"needs a text for {where}")
        try:
            return Template(self.resolved(value, where))
        except TemplateError as trouble:
            raise self.mistake(f"has in {where} {trouble}") from trouble

    # -- parts

    def settings(self, options: ProviderOptions | None = None) -> HttpSettings:
        request = self.request()
        receipt = self.receipt()
        proof = self.proof()
        self._check_placeholders(request, receipt)
        if not isinstance(proof, TokenEndpoint):
            self._check_headers({**proof})
        return HttpSettings(
            name=self._name,
            request=request,
            answer=self.answer(receipt is not None),
            proof=proof,
            receipt=receipt,
            sender=self.sender(),
            ucs2_hex=self.one_of("ucs2", ("text", "hex")) == "hex",
            coding={"gsm7": "gsm7", "ucs2": "ucs2", **self._coding()},
            options=options or self.options(),
        )

    def one_of(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.text(key, choices[0])
        if value not in choices:
            raise self.mistake(f"has {key} {value!r}: choose from {', '.join(choices)}")
        return value

    def sender(self) -> str:
        sender = self.text("sender", "MASSAR")
        if not sender or not sender.isprintable() or len(sender) > 20:
            raise self.mistake("needs a sender of 1 to 20 printable characters")
        return sender

    def _coding(self) -> Mapping[str, str]:
        coding = self.table("coding", frozenset({"gsm7", "ucs2"}))
        return {key: self.text(key, "", coding, "coding.") for key in coding}

    def request(self) -> RequestForm:
        method = self.one_of("method", ("POST", "GET"))
        origin, target = self.address()
        form = {k: self.template(v, f"form.{k}") for k, v in self.table("form").items()} or None
        tree = self.json()
        if form and tree is not None:
            raise self.mistake("has both form and json: a request has one body")
        if method == "GET" and (form or tree is not None):
            raise self.mistake("asks with GET, which has no body: put the fields into query")
        return RequestForm(
            method=method,
            origin=origin,
            target=target,
            headers=self.headers(),
            query={k: self.template(v, f"query.{k}") for k, v in self.table("query").items()},
            form=form,
            json=tree,
            charset=self.charset(),
        )

    def charset(self) -> str:
        name = self.text("charset", "utf-8")
        try:
            "".encode(name)
        except LookupError as unknown:
            raise self.mistake(f"has an unknown charset {name!r}") from unknown
        return name

    def address(self) -> tuple[Origin, Template]:
        text = self.text("url")
        parts = self.split(text, "url")
        origin, target = split_address(parts)
        kind = type(text)  # a text without placeholders stays one
        return origin, self.template(kind(target), "url")

    def split(self, url: str, where: str) -> SplitResult:
        if not url:
            raise self.mistake(f"needs {where}")
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 - reading it judges it
        except ValueError as problem:
            raise self.mistake(f"has {where} whose host or port is wrong") from problem
        if not url.isascii() or not url.isprintable() or " " in url:
            raise self.mistake(f"has {where} with signs that must be percent-encoded")
        if parts.scheme not in ("https", "http") or not parts.hostname or "{" in parts.netloc:
            raise self.mistake(f"needs https:// and a host in {where}")
        if parts.username or parts.password or parts.fragment:
            raise self.mistake(f"has a user or a # in {where}: keys go into auth or headers")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise self.mistake(f"has {where} on another machine: it must be reached by https://")
        return parts

    def headers(self) -> dict[str, Template]:
        headers = {name: self.template(value, f"headers.{name}") for name, value in self.table("headers").items()}
        self._check_headers({name: template.fixed for name, template in headers.items()})
        for name, template in headers.items():
            if "text" in template.names:
                raise self.mistake(f"has {{text}} in the header {name}: a text goes into query, form or json")
            if "sender" in template.names and not self.sender().isascii():
                raise self.mistake(f"has a sender that can't stand in the header {name}")
        return headers

    def _check_headers(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            if name.lower() in _OWN_HEADERS:
                raise self.mistake(f"sets the header {name}, which is set by us")
            if not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
                raise self.mistake(f"has a header {name!r} whose name or value can't be sent")

    def json(self) -> Mapping | None:
        tree = self._table.get("json")
        if tree is None:
            return None
        if isinstance(tree, str):
            try:
                tree = json.loads(tree)
            except (ValueError, RecursionError) as trouble:
                raise self.mistake(f"has a json that is no JSON: {trouble}") from trouble
        if not isinstance(tree, Mapping):
            raise self.mistake("needs an object for json")
        return self._tree(tree, "json")

    def _tree(self, node: object, where: str):
        if isinstance(node, str):
            return self.template(node, where)
        if isinstance(node, Mapping):
            return {key: self._tree(value, f"{where}.{key}") for key, value in node.items()}
        if isinstance(node, list):
            return [self._tree(value, f"{where}.{number}") for number, value in enumerate(node)]
        if node is None or isinstance(node, bool | int | float):
            return node
        raise self.mistake(f"has a value in {where} that JSON does not know")

    def _check_placeholders(self, request: RequestForm, receipt: ReceiptForm | None) -> None:
        names = request.names()
        if not names & {"to", "to_plain"} or "text" not in names:
            raise self.mistake("needs {to} (or {to_plain}) and {text} in its request")
        if "receipt_url" in names and receipt is None:
            raise self.mistake("asks for receipts with {receipt_url}, but has no receipt table to read them")

    def answer(self, receipts: bool) -> AnswerForm:
        table = self.table("answer", ANSWER_KEYS)
        codes = table.get("codes", {})
        if not isinstance(codes, Mapping):
            raise self.mistake("needs a table for answer.codes")
        statuses = self.table("statuses")
        for status in statuses:
            if not _STATUS.fullmatch(status):
                raise self.mistake(f"has a status {status!r}: give three digits, or 4xx")
        code = self.finder(table, "code", "answer.")
        if codes and code is None:
            raise self.mistake("has answer.codes, but neither answer.code nor answer.code_pattern to find one")
        return AnswerForm(
            reference=self.finder(table, "reference", "answer."),
            segments=self.finder(table, "segments", "answer."),
            code=code,
            codes=self.words(codes, "answer.codes", OUTCOMES),
            statuses={**STATUSES, **self.words(statuses, "statuses", OUTCOMES)},
            receipts=receipts,
        )

    def proof(self) -> Mapping[str, str] | TokenEndpoint:
        table = self.table("auth")
        kind = self.text("kind", "none", table, "auth.")
        if kind not in AUTH_KEYS:
            raise self.mistake(f"has auth.kind {kind!r}: choose from {', '.join(AUTH_KEYS)}")
        optional = AUTH_OPTIONAL.get(kind, ())
        for key in sorted(set(table) - {"kind", *AUTH_KEYS[kind], *optional}):
            raise self.mistake(f"has no setting auth.{key} with auth.kind {kind}")
        given = {key: self.text(key, "", table, "auth.") for key in (*AUTH_KEYS[kind], *optional)}
        for key in AUTH_KEYS[kind]:
            if not given[key]:
                raise self.mistake(f"needs auth.{key}")
        if kind != "none" and any(name.lower() == "authorization" for name in self.table("headers")):
            raise self.mistake("has both auth and a header Authorization")
        return self._proof(kind, given)

    def _proof(self, kind: str, given: Mapping[str, str]) -> Mapping[str, str] | TokenEndpoint:
        match kind:
            case "basic":
                return {"Authorization": basic(given["user"], given["password"])}
            case "bearer":
                return {"Authorization": f"Bearer {given['token']}"}
            case "header":
                return {given["name"]: given["value"]}
            case "oauth2":
                where = given["client_in"] or "header"
                if where not in ("header", "body"):
                    raise self.mistake(f"has auth.client_in {where!r}: choose from header, body")
                secret, refresh = given["client_secret"], given["refresh_token"]
                if not secret and not refresh:
                    raise self.mistake("needs auth.client_secret, or auth.refresh_token")
                origin, target = split_address(self.split(given["token_url"], "auth.token_url"))
                return TokenEndpoint(
                    origin, target, given["client_id"], secret, given["scope"], where == "body", refresh
                )
        return {}

    def receipt(self) -> ReceiptForm | None:
        table = self.table("receipt", RECEIPT_KEYS)
        if not table:
            return None
        state = self.finder(table, "state", "receipt.")
        states = table.get("states")
        if state is None or not state.path or not isinstance(states, Mapping):
            raise self.mistake("needs receipt.state and the table receipt.states")
        each = self.text("each", "", table, "receipt.")
        return ReceiptForm(
            provider=self._name,
            state=state,
            states=self.words(states, "receipt.states", _STATES),
            each=tuple(each.split(".")) if each else (),
            reference=self.finder(table, "reference", "receipt."),
            code=self.finder(table, "code", "receipt."),
            to=self.finder(table, "to", "receipt."),
            networks=self.networks(table.get("networks", [])),
            charset=self.charset(),
        )

    def networks(self, given: object) -> tuple:
        try:
            return tuple(ipaddress.ip_network(one) for one in (given if isinstance(given, list) else None))
        except (ValueError, TypeError) as trouble:
            raise self.mistake("needs a list of networks in receipt.networks, as 192.0.2.0/24") from trouble

    def options(self) -> ProviderOptions:
        ca_file = self.text("ca_file")
        times = {}
        for key in ("connect_timeout", "answer_timeout", "total_timeout"):
            value = self._table.get(key)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise self.mistake(f"needs a number of seconds for {key}")
            times |= {key: float(value)} if value is not None else {}
        return ProviderOptions(name=self._name, ca_file=Path(ca_file) if ca_file else None, **times)
