"""A request as data: templates with placeholders, filled for one message.

A value is encoded for the place it goes to (percent-encoded in the address, form-encoded in query and form, a JSON
string in JSON), and what was filled in is never read again, so no text of a message can become anything but text.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from massar.core.settings import Verbatim
from massar.providers.http_client import HttpRequest, Origin

PLACEHOLDERS = ("to", "to_plain", "text", "sender", "seconds", "minutes", "id", "receipt_url", "coding")
_PIECE = re.compile(r"\{\{|\}\}|\{(\w+)\}|[{}]")
_DOUBLED = {"{{": "{", "}}": "}"}
Values = Mapping[str, str | int]


class TemplateError(ValueError):
    """The text is no template. The message says what is wrong."""


class Template:
    """Text with `{placeholders}`; `{{` and `}}` stand for braces. `names`: the placeholders in it."""

    def __init__(self, text: str):
        self._pieces: list[tuple[str, bool]] = [(str(text), False)] if isinstance(text, Verbatim) else []
        end = len(text) if isinstance(text, Verbatim) else 0
        for found in _PIECE.finditer(text, end):
            self._pieces += [(text[end : found.start()], False), _piece(found)]
            end = found.end()
        self._pieces.append((text[end:], False))
        self._pieces = [piece for piece in self._pieces if piece[0]]
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
        raise TemplateError("a single brace: write {{ or }} where a brace is meant")
    if found[1] not in PLACEHOLDERS:
        raise TemplateError(f"an unknown placeholder {{{found[1]}}}: choose from {', '.join(PLACEHOLDERS)}")
    return found[1], True


@dataclass(frozen=True)
class RequestForm:
    """`target` is path and query of the address. `json` is a tree of dicts and lists with templates as leaves.

    `charset` is that of the message's text in address, query and form.
    """

    method: str
    origin: Origin
    target: Template
    headers: Mapping[str, Template] = field(default_factory=dict)
    query: Mapping[str, Template] = field(default_factory=dict)
    form: Mapping[str, Template] | None = None
    json: Mapping[str, object] | None = None
    charset: str = "utf-8"

    def names(self) -> frozenset[str]:
        """Every placeholder in it."""
        leaves = [self.target, *self.headers.values(), *self.query.values(), *(self.form or {}).values()]
        return frozenset().union(*(leaf.names for leaf in (*leaves, *_leaves(self.json))))

    def render(self, values: Values) -> HttpRequest:
        """Raises UnicodeEncodeError where the charset has no sign for the text."""
        target = self.target.fill(values, self._quoted)
        if self.query:
            target += ("&" if "?" in target else "?") + self._encoded(self.query, values)
        headers = {name: template.fill(values) for name, template in self.headers.items()}
        # A repeat carries the same key, so that a gateway that knows it does not send twice.
        headers = {"Accept": "application/json", **headers, "Idempotency-Key": str(values["id"])}
        body = b""
        if self.json is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
            body = json.dumps(_filled(self.json, values), ensure_ascii=False).encode()
        elif self.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = self._encoded(self.form, values).encode("ascii")
        return HttpRequest(self.method, self.origin, target, headers, body)

    def _quoted(self, name: str, value: str) -> str:
        return quote(value, safe="", encoding=self.charset if name == "text" else "utf-8")

    def _encoded(self, fields: Mapping[str, Template], values: Values) -> str:
        pairs = []
        for name, template in fields.items():
            charset = self.charset if "text" in template.names else "utf-8"
            pairs.append(f"{quote_plus(name)}={quote_plus(template.fill(values), encoding=charset)}")
        return "&".join(pairs)


def _leaves(node: object) -> list[Template]:
    if isinstance(node, Template):
        return [node]
    inside = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    return [leaf for one in inside for leaf in _leaves(one)]


def _filled(node: object, values: Values) -> object:
    if isinstance(node, Template):
        return node.json(values)
    if isinstance(node, Mapping):
        return {name: _filled(one, values) for name, one in node.items()}
    return [_filled(one, values) for one in node] if isinstance(node, list) else node
