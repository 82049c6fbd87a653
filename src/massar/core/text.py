"""Cleaning of what people type: digits of any script, invisible marks, spaces, dashes, logins and addresses. And which
of two spellings is shown."""

import re
import unicodedata
from urllib.parse import unquote

from massar.core.normalize import western_digits

_PAYROLL = re.compile(r"(?=[a-z]*[0-9])[a-z0-9]{3,20}")
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u00ad"), "-")
_LOCAL = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_DOMAIN = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
# On other keyboards: the two wide signs for @, and the Arabic full stops, commas and semicolon.
_ADDRESS_CONFUSABLES = str.maketrans("\uff20\ufe6b\u06d4\u066b\u060c\u066c\u061b", "@@..,,;")
_SLIPS = str.maketrans(",;", "..")  # a comma; and on a French keyboard the full stop without its shift key
_QUOTES = "\"'`\u00b4\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a"
_BRACKETS = "()[]{}<>"
_STOPS = ".,;:!?\u061f"  # marks of the sentence that it was copied from
_ADDRESS = re.compile(rf"[a-z0-9!#$%&'*+/=?^_`{{|}}~.-]{{1,64}}@{_DOMAIN}")
# What cleaning would leave as it is: most of what is typed, all of long lists.
_CANONICAL_LOGIN = re.compile(rf"{_LOCAL.pattern}(?:@{_DOMAIN})?")
_CANONICAL_EMAIL = re.compile(rf"[a-z0-9][a-z0-9+_.-]{{0,63}}@{_DOMAIN}")
LONGEST_LINE = 254  # RFC 5321 §4.5.3.1.3: no address is longer


def of_language(language: str, arabic: str, latin: str) -> str:
    """Return the spelling in the script of the language; the other where that one is not known."""
    return (arabic or latin) if language == "ar" else (latin or arabic)


def without_invisible(text: str) -> str:
    """Without format and control characters (bidi marks, joiners, BOM, line ends)."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc"))


def one_line(text: str) -> str:
    """Clean a one-line field: no invisible marks, single spaces, Western digits, ends trimmed."""
    if text.isascii() and text.isprintable():  # nothing to undo but spaces: most of what is typed, all of long lists
        return " ".join(text.split())
    spaced = "".join(" " if c.isspace() else c for c in text)
    return " ".join(western_digits(without_invisible(spaced)).translate(_DASHES).split())


def _unwrapped(text: str, around: str) -> str:
    """Take `mailto:`, spaces and what stands around an address away, and put a full stop for a comma after the @. What
    can't be understood stays as it is: who judges the shape tells so."""
    address = _without_marks(text.translate(_ADDRESS_CONFUSABLES).replace(" ", "").lower(), around)
    if address.startswith("mailto:"):
        address = _without_marks(unquote(address.removeprefix("mailto:").partition("?")[0]), around)
    local, at, domain = address.rpartition("@")
    return f"{local}@{domain.translate(_SLIPS)}" if at else address


def _without_marks(text: str, around: str) -> str:
    """A dot in front stays: it is no slip of pasting, and nobody knows what was meant."""
    return text.lstrip(around).rstrip(around + _STOPS)


def login(text: str) -> str | None:
    """Return an institution address or its local part in canonical form (lower case ASCII), or None if it can't be one.
    Only ASCII is accepted once full-width forms are undone, so no look-alike letter can name another account.
    Understood as well: `<x@taalim.ma>`, `Name <x@…>`, `mailto:`, quotes, a full stop behind, `x@taalim,ma` (no login
    has a comma)."""
    if len(text) > 4 * LONGEST_LINE:
        return None
    if _CANONICAL_LOGIN.fullmatch(text):
        return None if ".." in text else text
    plain = unicodedata.normalize("NFKC", one_line(text))
    inside = re.search(r"<([^<>]*)>\W*$", plain) if plain.count("@") == 1 else None
    plain = _unwrapped(inside[1] if inside else plain, _QUOTES + _BRACKETS).translate(_SLIPS)
    local, at, _ = plain.partition("@")
    if not plain.isascii() or not _LOCAL.fullmatch(local) or ".." in local:
        return None
    if at and not _ADDRESS.fullmatch(plain):
        return None
    return plain


def payroll(text: str) -> str | None:
    """Return a payroll number as it is stored and looked for, or None if it can't be one: letters and digits of any
    script's digits, at least one digit, 3 to 20 signs. Its length and meaning are the payer's business."""
    plain = login(text)
    return plain if plain and _PAYROLL.fullmatch(plain) else None


def email(text: str) -> str | None:
    """Return a personal e-mail address in canonical form (lower case), or None. ASCII only: a look-alike never matches.
    Understood as well: `mailto:`, quotes around it, a full stop behind, `x@example,org`, wide and Arabic marks.
    Brackets are told: with a name they are two things in one field (ATK-033)."""
    if len(text) > 4 * LONGEST_LINE:
        return None
    plain = text if _CANONICAL_EMAIL.fullmatch(text) else _unwrapped(one_line(text), _QUOTES)
    local = plain.partition("@")[0]
    if len(plain) > LONGEST_LINE or not plain.isascii() or not _ADDRESS.fullmatch(plain):
        return None
    return None if local.startswith(".") or local.endswith(".") or ".." in local else plain


def number(text: str) -> str:
    """Return a typed or pasted phone number with Western digits, without the quotes and commas in and around it."""
    plain = unicodedata.normalize("NFKC", one_line(text[:100])).translate(_ADDRESS_CONFUSABLES)
    unquoted = plain.translate(str.maketrans(_QUOTES + "<>", " " * len(_QUOTES + "<>")))
    return re.sub("[,_]", " ", unquoted).strip(" .!?")


def code(text: str) -> str:
    """Return a typed code in Western digits, without spaces, dashes, quotes, other marks. Letters stay, to be told."""
    return "".join(c for c in one_line(text[:200]) if c.isalnum())


def masked_email(address: str) -> str:
    """`j•••@g•••`: enough for the owner to recognise, too little for anybody else."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}•••@{domain[:1]}•••"


def masked_phone(e164: str) -> str:
    """`06••••••56` for Moroccan numbers, `+33••••••56` for others."""
    if e164.startswith("+212"):
        national = "0" + e164[4:]
        return f"{national[:2]}••••••{national[-2:]}"
    return f"{e164[:3]}••••••{e164[-2:]}"
