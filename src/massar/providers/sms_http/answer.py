"""Reading what a gateway sends: JSON or a form as data, a value at a path or by a pattern, and what an answer means.

Nothing here refuses a byte: what can't be read in the charset that was said is read in another, and what remains is
replaced. Whoever asks for one field must not lose it by its neighbour.

Patterns come from the operator's own file and see at most PATTERN_SEES characters of an answer, so that an unlucky one
costs little. One with nested or many repeats, as (a+)+ or .*.*.*, can still take very long: its writer avoids it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.utils import collapse_rfc2231_value
from functools import lru_cache
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from pydantic import PlainValidator

from massar.core.settings import Expected, Table
from massar.domain.delivery.provider import MESSAGE, NOTHING, Accepted, OutcomeUnknown, Rejected, Result
from massar.providers.http_client import HttpResponse

Outcome = Literal["accepted", "permanent", "temporary", "busy", "configuration_error"]
# What is not here (401, 403, 404, a redirect, 402, 405, 410): the address, the account or the key is wrong. A gateway
# that moved answers so for every number.
STATUSES: Mapping[str, Outcome] = {
    "2xx": "accepted", "400": "permanent", "413": "permanent", "414": "permanent", "422": "permanent",
    "408": "temporary", "409": "temporary", "425": "temporary", "5xx": "temporary", "429": "busy",
}  # fmt: skip
NO_NUMBERS = ("401", "402", "405", "407", "3xx")  # what no number can be the reason of
PATTERN_SEES, LONGEST_PATTERN = 1000, 300
LONGEST_REFERENCE = 100
_NUMBER = re.compile(r"\d{7,}")
_COUNT = re.compile(r"[0-9]{1,3}")
_LAST = "windows-1252"
_ASCII = bytes(range(0x20, 0x7F))
_BEFORE_JSON = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"  # the marks of UTF-8, UTF-16 and UTF-32, and blanks in any of them


def _steps(text: object) -> tuple[str, ...]:
    if not isinstance(text, str):
        raise ValueError("must be a path, as messages.0.id")
    steps = tuple(text.split(".")) if text else ()
    if "" in steps:
        raise ValueError("has an empty step in its path")
    return steps


def _pattern(text: object) -> re.Pattern[str] | None:
    if not isinstance(text, str) or len(text) > LONGEST_PATTERN:
        raise ValueError(f"must be a pattern of at most {LONGEST_PATTERN} characters")
    try:
        return re.compile(text) if text else None
    except (re.error, RecursionError, OverflowError) as trouble:
        raise ValueError(f"is a pattern that can't be read: {trouble}") from None


Steps = Annotated[tuple[str, ...], PlainValidator(_steps), Expected("a path, as messages.0.id")]
Pattern = Annotated[re.Pattern[str] | None, PlainValidator(_pattern), Expected("a regular expression")]


def data_of(body: bytes, content_type: str = "", charset: str = "utf-8") -> object:
    """The JSON in `body`, whatever its type is said to be, or the fields of a form. `charset`: tried after UTF-8."""
    head = Message()
    head["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    charsets = _charsets(head.get_content_charset(""), charset)
    if head.get_content_maintype() == "multipart":
        return _parts(content_type, body, charsets)
    found = json_of(body, *charsets) if body.lstrip(_BEFORE_JSON)[:1] in (b"{", b"[") else None
    return fields_of(body, charsets) if found is None else found


def json_of(body: bytes, *charsets: str) -> object:
    """The data of a JSON text, or None. Numbers are texts as they were written: an id must not be rounded."""
    guessed = json.detect_encoding(body)  # by its byte order mark or its zeros; UTF-8 otherwise
    for text in _texts(body, (guessed, *charsets) if guessed != "utf-8" else (*charsets, guessed)):
        try:
            return json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            continue
    return None


def fields_of(raw: bytes, charsets: tuple[str, ...] = ("utf-8",)) -> dict[str, str]:
    """Of a query or a form, percent-encoded or not; of a repeated field the last."""
    guessed = json.detect_encoding(raw)
    if guessed != "utf-8":  # wide as a whole, or with a mark in front
        raw = raw.decode(guessed, "replace").encode("utf-8", "replace")
    pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    return {_text(name.encode("latin-1"), charsets): _text(value.encode("latin-1"), charsets) for name, value in pairs}


def _parts(content_type: str, body: bytes, charsets: tuple[str, ...]) -> dict[str, str]:
    """RFC 7578, by the reader of letters, whose form it is."""
    try:
        whole = message_from_bytes(b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n" + body)
    except RecursionError:
        return {}
    found, parts = {}, whole.get_payload()
    for part in parts if isinstance(parts, list) else ():
        if not isinstance(part, Message):
            continue
        name, value = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if name is not None and isinstance(value, bytes):
            own = _charsets(part.get_content_charset(""))
            found[collapse_rfc2231_value(name)] = _text(value, (*own[:-1], *charsets))
    return found


def _charsets(said: str, own: str = "utf-8") -> tuple[str, ...]:
    """In which to try: the one that was said, UTF-8, the provider's own."""
    return tuple(name for name in dict.fromkeys((said, "utf-8", own)) if _holds_ascii(name))


@lru_cache(maxsize=64)
def _holds_ascii(charset: str) -> bool:
    """Whether plain signs stand for themselves, as in every charset of the web. Wide ones are known by their look."""
    try:
        return _ASCII.decode(charset) == _ASCII.decode("ascii")
    except (LookupError, ValueError):
        return False


def _texts(raw: bytes, charsets: tuple[str, ...]) -> Iterator[str]:
    """As it reads in each charset in which it can be read, and at last with what can't be read replaced."""
    for charset in charsets:
        try:
            yield raw.decode(charset).removeprefix("\ufeff")
        except ValueError:
            continue
    yield raw.decode(_LAST, "replace")


def _text(raw: bytes, charsets: tuple[str, ...]) -> str:
    return next(_texts(raw, charsets))


def walk(node: object, path: tuple[str, ...]) -> Iterator[object]:
    """What stands at that path: a number picks from a list, `*` means each."""
    if not path:
        yield node
        return
    step, rest = path[0], path[1:]
    if step == "*":
        inside = node if isinstance(node, list) else node.values() if isinstance(node, dict) else ()
        for one in inside:
            yield from walk(one, rest)
    elif isinstance(node, dict) and step in node:
        yield from walk(node[step], rest)
    elif isinstance(node, list) and step.isascii() and step.isdecimal() and int(step) < len(node):
        yield from walk(node[int(step)], rest)


def find(table: Table, name: str, data: object, text: str = "") -> list[str]:
    """What the settings `name` and `name_pattern` find: values at the path; of each, or of the text without a path, the
    first group of the pattern that took part, or all of the match. A state or a code is a word, which true and false
    may be; an id is neither."""
    path, pattern = getattr(table, name), getattr(table, f"{name}_pattern")
    if path:
        found = list(walk(data, path))
        if name in ("state", "code"):
            found = [str(value).lower() if isinstance(value, bool) else value for value in found]
        values = [value for value in found if isinstance(value, str)]
    else:
        values = [text] if pattern else []
    if pattern:
        matches = (pattern.search(value[:PATTERN_SEES]) for value in values)
        values = [next(filter(None, match.groups()), match[0]) for match in matches if match]
    return [value for value in values if value]


def reference(value: str) -> str:
    """A gateway's id in the one form that answers and receipts share: printable, on one line, bounded."""
    return "".join(sign for sign in value if sign.isprintable()).strip()[:LONGEST_REFERENCE]


def reason(value: str) -> str:
    """A gateway's code for the audit log and the log: short, and never with a telephone number in it."""
    return _NUMBER.sub("#", "".join(sign for sign in value if sign.isprintable())[:40])


@dataclass(frozen=True)
class Answer(Table):
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

    def outcome(self, response: HttpResponse, statuses: Mapping[str, Outcome], *, receipts: bool) -> Result:
        """What an answer means: by its codes, else by its status."""
        data, text = None, ""
        if response.body is not None:
            data, text = json_of(response.body, "utf-8"), response.body.decode("utf-8", "replace")
        codes = find(self, "code", data, text)
        by_code = [self.codes.get(code, self.codes.get("*")) for code in codes]
        status = str(response.status)
        by_status = statuses.get(status) or statuses.get(f"{status[0]}xx", "configuration_error")
        if status == "503" and "retry-after" in response.headers and status not in statuses:
            by_status = "busy"
        must_say_yes = by_status == "accepted" and "accepted" in self.codes.values()
        if must_say_yes and not codes:
            return OutcomeUnknown("the answer can't be read")
        otherwise = "temporary" if must_say_yes else by_status
        outcomes = [outcome or otherwise for outcome in by_code] or [by_status]
        if len(set(outcomes)) > 1 and "accepted" in outcomes:
            return OutcomeUnknown("only a part of it was taken")
        if outcomes[0] != "accepted":
            return _refused(outcomes[0], response.status, codes[0] if codes else "", by_status=not any(by_code))
        # Trouble with the reference changes nothing: the message was taken.
        names = tuple(dict.fromkeys(filter(None, map(reference, find(self, "reference", data, text)))))
        made = next(iter(find(self, "segments", data, text)), "")
        segments = int(made) if _COUNT.fullmatch(made) else 0
        return Accepted(names[0] if names else "", names if len(names) > 1 else (), receipts, segments)


def _refused(outcome: Outcome, status: int, code: str, *, by_status: bool) -> Rejected:
    """A request was about one number, so its answer may be; a bare 400 may as well be about how we ask."""
    of_all = by_status and not {str(status), f"{status // 100}xx"}.isdisjoint(NO_NUMBERS)
    return Rejected(
        f"http {status}" + (f", code {reason(code)}" if code else ""), permanent=outcome == "permanent",
        configuration_error=outcome == "configuration_error", busy=outcome == "busy",
        about=NOTHING if of_all else MESSAGE, elsewhere=by_status,
    )  # fmt: skip
