"""The settings of an HTTP provider: a preset with the operator's table over it, judged. An empty text takes a value of
the preset away. They hold the request as data, too: templates, filled for one message."""

import base64
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import quote, quote_plus

from pydantic import AfterValidator, PlainValidator

from massar.core.settings import Expected, Required, Table, Verbatim, one_of, shape
from massar.domain.delivery.provider import ProviderSettingError
from massar.providers import NAME
from massar.providers.http_client import HttpRequest, Origin, read_address
from massar.providers.oauth_token import TokenAuth
from massar.providers.settings import OneByOneTable, read_provider
from massar.providers.sms_http.answer import Answer, Outcome
from massar.providers.sms_http.receipt import ReceiptForm

PRESETS = Path(__file__).with_name("presets")
_OWN_HEADERS = {"host", "content-length", "content-type", "transfer-encoding", "connection", "idempotency-key"}
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
PLACEHOLDERS = ("to", "to_plain", "text", "sender", "seconds", "minutes", "id", "receipt_url", "coding")
_PIECE = re.compile(r"\{\{|\}\}|\{(\w+)\}|[{}]")
_DOUBLED = {"{{": "{", "}}": "}"}
Values = Mapping[str, str | int]


class Template:
    """Text with `{placeholders}`; what was filled in is never read again. `{{` and `}}` stand for braces. `names`: the
    placeholders in it. Raises ValueError with what is wrong."""

    def __init__(self, text: object):
        if not isinstance(text, str):
            raise ValueError("must be a text")
        pieces: list[tuple[str, bool]] = [(str(text), False)] if isinstance(text, Verbatim) else []
        end = len(text) if isinstance(text, Verbatim) else 0
        for found in _PIECE.finditer(text, end):
            pieces += [(text[end : found.start()], False), _piece(found)]
            end = found.end()
        pieces.append((text[end:], False))
        self._pieces = [piece for piece in pieces if piece[0]]
        self.names = frozenset(text for text, is_name in self._pieces if is_name)
        self.fixed = "".join(text for text, is_name in self._pieces if not is_name)

    def __repr__(self) -> str:
        return f"<Template with {', '.join(sorted(self.names)) or 'no placeholder'}>"

    def fill(self, values: Values, encode: Callable[[str, str], str] = lambda name, value: value) -> str:
        """`encode` is given the name and the value of each placeholder; what stands around them stays."""
        return "".join(encode(text, str(values[text])) if is_name else text for text, is_name in self._pieces)

    def json(self, values: Values) -> str | int:
        """A placeholder that stands alone keeps its kind: seconds and minutes are numbers."""
        if len(self._pieces) == 1 and self.names:
            return values[self._pieces[0][0]]
        return self.fill(values)


def _piece(found: re.Match[str]) -> tuple[str, bool]:
    if found[0] in _DOUBLED:
        return _DOUBLED[found[0]], False
    if found[1] is None:
        raise ValueError("a single brace: write {{ or }} where a brace is meant")
    if found[1] not in PLACEHOLDERS:
        raise ValueError(f"an unknown placeholder {{{found[1]}}}: choose from {', '.join(PLACEHOLDERS)}")
    return found[1], True


def mapped(tree: object, leaf: Callable[[Any], object]) -> Any:
    """The tree of dicts and lists with `leaf` of everything else in it."""
    if isinstance(tree, Mapping):
        return {name: mapped(one, leaf) for name, one in tree.items()}
    return [mapped(one, leaf) for one in tree] if isinstance(tree, list | tuple) else leaf(tree)


# One setting: each takes what was read and raises ValueError with the rest of the sentence.
class Url(NamedTuple):
    origin: Origin
    target: Template


def _url(text: object) -> Url:
    origin, target = read_address(text)
    return Url(origin, Template(Verbatim(target) if isinstance(text, Verbatim) else target))


def _json(tree: object) -> Mapping[str, Any]:
    if isinstance(tree, str):
        try:
            tree = json.loads(tree)
        except (ValueError, RecursionError) as trouble:
            raise ValueError(f"is no JSON: {trouble}") from None
    if not isinstance(tree, Mapping):
        raise ValueError("must be an object")
    return mapped(tree, _leaf)  # type: ignore[no-any-return]


def _leaf(value: object) -> object:
    if value is not None and not isinstance(value, str | bool | int | float):
        raise ValueError("holds a value that JSON does not know")
    return Template(value) if isinstance(value, str) else value


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


_Status = shape(r"[1-5](?:[0-9]{2}|xx)", "is no status: give three digits, or 4xx")
_Url = Annotated[Url | None, PlainValidator(_url), Expected("an address")]
Templates = dict[str, Annotated[Template, PlainValidator(Template)]]


# What each kind of credentials needs besides tokens.
_CREDENTIALS = {
    "none": (), "basic": ("user", "password"), "bearer": ("token",), "header": ("name", "value"), "oauth2": (),
}  # fmt: skip
_OF_TOKENS = ("token_url", "client_id", "client_secret", "refresh_token", "scope")


@dataclass(frozen=True, repr=False)
class Auth(TokenAuth):
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
        others = [name for names in _CREDENTIALS.values() for name in names if name not in needed]
        for name in others if self.kind == "oauth2" else (*others, *_OF_TOKENS):
            if getattr(self, name):
                yield f"{name} kind", f"auth.{name} has no use with auth.kind {self.kind}: take it out"
        if self.kind == "oauth2":
            yield from super().judge()


@dataclass(frozen=True)
class Coding(Table):
    gsm7: str = "gsm7"
    """the gateway's word for it, as `0`"""
    ucs2: str = "ucs2"
    """the gateway's word for it, as `2`"""


@dataclass(frozen=True)
class HttpSettings(OneByOneTable):
    kind: Literal["http"] = "http"
    """SMS through a gateway's web interface"""
    preset: str = ""
    """one of the [presets](sms-http.md#presets)"""
    url: Annotated[_Url, Required("give the address for messages")] = None
    """`https://`, or `http://` on this machine; placeholders in path and query"""
    method: Literal["POST", "GET"] = "POST"
    """`GET` is without form and json"""
    headers: Templates = field(default_factory=dict)
    """table; no `{text}` there"""
    query: Templates = field(default_factory=dict)
    """table, added to the address"""
    form: Templates = field(default_factory=dict)
    """table: the body as a form"""
    json: Annotated[Mapping[str, Any] | None, PlainValidator(_json), Expected("an object")] = None
    """table, or the text of a JSON object as the gateway's manual shows it: the body"""
    sender: Annotated[str, AfterValidator(_sender)] = "MASSAR"
    """1 to 20 characters"""
    charset: Annotated[str, AfterValidator(_charset)] = "utf-8"
    """of `{text}` in address, query and form; tried for call-backs too that say no charset and are not in UTF-8"""
    ucs2: Literal["text", "hex"] = "text"
    """`hex`: a text that is not GSM-7 is written as UTF-16BE in hexadecimal"""
    coding: Coding = Coding()
    """table: what `{coding}` says"""
    statuses: dict[Annotated[str, _Status], Outcome] = field(default_factory=dict)
    """table: what an HTTP status means, [else](sms-http.md#what-an-answer-means); `4xx` stands for all of a kind"""
    answer: Answer = field(default=Answer())
    """table: how an answer reads"""
    auth: Auth = field(default=Auth(), repr=False)
    """table: how we prove who we are"""
    receipt: ReceiptForm = field(default=ReceiptForm())
    """table: how call-backs read"""

    def judge(self) -> Iterator[tuple[str, str]]:
        if self.form and self.json is not None:
            yield "form json", "form and json are both given: a request has one body"
        if self.method == "GET" and (self.form or self.json is not None):
            yield "method form json", "method is GET, which has no body: put the fields into query"
        if self.url:
            names = self.placeholders()
            if not names & {"to", "to_plain"} or "text" not in names:
                yield "url query form json headers", "the request needs {to} (or {to_plain}) and {text}: add them"
            if "receipt_url" in names and not self.receipt.states:
                told = "{receipt_url} is asked for, but there is no receipt table to read them"
                yield "url query form json headers receipt", told
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

    def placeholders(self) -> frozenset[str]:
        leaves: list[object] = [self.url and self.url.target]
        mapped([self.headers, self.query, self.form, self.json], leaves.append)
        return frozenset().union(*(leaf.names for leaf in leaves if isinstance(leaf, Template)))

    def request(self, values: Values) -> HttpRequest:
        """The request, with each value encoded for the place that it goes to. Raises UnicodeEncodeError where the
        charset has no sign for the text."""
        assert self.url
        target = self.url.target.fill(values, self._quoted)
        if self.query:
            target += ("&" if "?" in target else "?") + self._encoded(self.query, values)
        headers = {name: template.fill(values) for name, template in self.headers.items()}
        # A repeat carries the same key, so that a gateway that knows it does not send twice.
        headers = {"Accept": "application/json", **headers, "Idempotency-Key": str(values["id"])}
        body = b""

        def filled(leaf: object) -> object:
            return leaf.json(values) if isinstance(leaf, Template) else leaf

        if self.json is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
            body = json.dumps(mapped(self.json, filled), ensure_ascii=False).encode()
        elif self.form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = self._encoded(self.form, values).encode("ascii")
        return HttpRequest(self.method, self.url.origin, target, headers, body)

    def _quoted(self, name: str, value: str) -> str:
        return quote(value, safe="", encoding=self.charset if name == "text" else "utf-8")

    def _encoded(self, fields: Mapping[str, Template], values: Values) -> str:
        pairs = []
        for name, template in fields.items():
            charset = self.charset if "text" in template.names else "utf-8"
            pairs.append(f"{quote_plus(name)}={quote_plus(template.fill(values), encoding=charset)}")
        return "&".join(pairs)

    def credentials(self) -> Mapping[str, str]:
        auth = self.auth
        if auth.kind == "header":
            return {auth.name: auth.value}
        basic = base64.b64encode(f"{auth.user}:{auth.password}".encode()).decode()  # RFC 7617 §2, in UTF-8
        said = {"basic": f"Basic {basic}", "bearer": f"Bearer {auth.token}"}.get(auth.kind)
        return {"Authorization": said} if said else {}


def read_table(table: Mapping[str, object], *, name: str, environ: Mapping[str, str] | None = None) -> HttpSettings:
    called = f"[providers.{name}]"
    if not NAME.fullmatch(name):
        wish = "a small letter, then small letters, digits, - and _, 39 at most"
        raise ProviderSettingError(f"{name!r} is no name for a provider: {wish}.")
    merged = _merged(table, called)
    asked = [f"{called} {path} is missing: give {hint}." for path, hint in _asked(merged)]
    if asked:
        raise ProviderSettingError(*asked)
    return read_provider(HttpSettings, merged, called=called, environ=environ)


def receipt_form(
    table: Mapping[str, object], *, name: str, environ: Mapping[str, str] | None = None
) -> ReceiptForm | None:
    """How the provider's receipts read, without looking at its secrets. Raises ProviderSettingError."""
    merged = _merged(table, called := f"[providers.{name}]")
    given = merged.get("receipt")
    if not isinstance(given, Mapping) or not given:
        return None
    form = read_provider(ReceiptForm, given, called=f"{called} receipt:", environ=environ)
    return replace(form, provider=name, charset=str(merged.get("charset", "utf-8")))


def presets() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.toml") if "." not in path.stem)


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
