"""XML from strangers, read safely: bounded, without document types, entities, comments or network; and C14N.

ASVS 5.0 1.5.1 and 5.2.3. What two parsers could read differently (document types, comments inside a value, another
encoding) is refused outright: no message of ours or of a site's needs it."""

import re
import zlib
from datetime import UTC, datetime

from lxml import etree

LONGEST = 64 * 1024  # bytes of one document, after inflating
DEEPEST = 24  # elements inside each other
MOST = 2000  # elements
_FORBIDDEN = re.compile(r"<!|<\?(?!xml[ \t\r\n])", re.IGNORECASE)
_FORBIDDEN_BESIDE_COMMENTS = re.compile(r"<!(?!--)|<\?(?!xml[ \t\r\n])", re.IGNORECASE)
_ENCODING = re.compile(r"^<\?xml[^>]*\bencoding\s*=\s*[\"']([^\"']*)", re.IGNORECASE)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlRefused(Exception):
    """The document was not read; the message says why, for whoever sent it."""


def parse(document: bytes, *, longest: int = LONGEST, comments: bool = False) -> etree._Element:
    """The root element. Raises XmlRefused. comments: leave them out, of files that an operator has chosen to read."""
    if len(document) > longest:
        raise XmlRefused(f"it is longer than {longest} bytes")
    try:
        text = document.decode("utf-8")
    except UnicodeDecodeError as trouble:
        raise XmlRefused("it is not UTF-8") from trouble
    encoding = _ENCODING.match(text.lstrip("\ufeff \t\r\n"))
    if encoding and encoding[1].lower() not in ("utf-8", "us-ascii"):
        raise XmlRefused("it is not UTF-8")
    if (_FORBIDDEN_BESIDE_COMMENTS if comments else _FORBIDDEN).search(text):
        raise XmlRefused("it holds a document type, an entity, a comment, CDATA or a processing instruction")
    parser = etree.XMLParser(  # a new one each time: it must not be shared between threads
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, attribute_defaults=False,
        huge_tree=False, remove_comments=comments, encoding="utf-8",
    )  # fmt: skip
    try:
        root = etree.fromstring(document.strip() if comments else document, parser)
    except (etree.XMLSyntaxError, ValueError) as trouble:
        raise XmlRefused("it is not well-formed") from trouble
    _judge_shape(root)
    return root


def _judge_shape(root: etree._Element) -> None:
    level, seen = [root], 0
    for _depth in range(DEEPEST):
        seen += len(level)
        if seen > MOST:
            raise XmlRefused(f"it has more than {MOST} elements")
        level = [child for element in level for child in element]
        if not level:
            return
    raise XmlRefused(f"its elements stand more than {DEEPEST} deep")


def inflate(packed: bytes, *, longest: int = LONGEST) -> bytes:
    """Raw DEFLATE (RFC 1951), never more than `longest` bytes. Raises XmlRefused."""
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = machine.decompress(packed, longest + 1)
    except zlib.error as trouble:
        raise XmlRefused("it can't be inflated") from trouble
    if len(plain) > longest:
        raise XmlRefused(f"it is longer than {longest} bytes")
    if not machine.eof or machine.unused_data:
        raise XmlRefused("it can't be inflated")
    return plain


def deflate(plain: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return machine.compress(plain) + machine.flush()


def clean(text: str) -> str:
    """Without the characters that XML 1.0 (§2.2) can't hold."""
    return _NOT_XML.sub("", text)


def canonical(element: etree._Element) -> bytes:
    """Exclusive C14N without comments (W3C xml-exc-c14n)."""
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def instant(text: str) -> datetime | None:
    """An xs:dateTime; without a zone it is UTC (SAML core §1.3.3)."""
    found = _INSTANT.fullmatch(text)
    if not found:
        return None
    zone = {"Z": "+00:00", None: "+00:00"}.get(found[3], found[3])
    try:
        return datetime.fromisoformat(f"{found[1]}.{(found[2] or '0')[:6]:0<6}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
