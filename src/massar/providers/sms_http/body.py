"""What a gateway sent, as data: JSON, or the fields of a form, of a query or of a form in parts.

Nothing here refuses a byte: what can't be read in the charset that was said is read in another, and what remains is
replaced. Whoever asks for one field must not lose it by its neighbour."""

import json
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.utils import collapse_rfc2231_value
from functools import lru_cache
from urllib.parse import parse_qsl

_LAST = "windows-1252"
_ASCII = bytes(range(0x20, 0x7F))
_BEFORE_JSON = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"  # the marks of UTF-8, UTF-16 and UTF-32, and blanks in any of them


def read(body: bytes, content_type: str = "", charset: str = "utf-8") -> object:
    """The JSON in `body`, whatever its type is said to be, or the fields of a form. `charset`: tried after UTF-8."""
    head = Message()
    head["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    charsets = _charsets(head.get_content_charset(""), charset)
    if head.get_content_maintype() == "multipart":
        return _parts(content_type, body, charsets)
    found = json_of(body, *charsets) if body.lstrip(_BEFORE_JSON)[:1] in (b"{", b"[") else None
    return fields(body, charsets) if found is None else found


def json_of(body: bytes, *charsets: str) -> object:
    """The data of a JSON text, or None. Numbers are texts as they were written: an id must not be rounded."""
    guessed = json.detect_encoding(body)  # by its byte order mark or its zeros; UTF-8 otherwise
    for text in _texts(body, (guessed, *charsets) if guessed != "utf-8" else (*charsets, guessed)):
        try:
            return json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            continue
    return None


def fields(raw: bytes, charsets: tuple[str, ...] = ("utf-8",)) -> dict[str, str]:
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
