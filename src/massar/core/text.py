"""Cleaning of what people type: digits of any script, invisible marks, spaces, dashes, logins and addresses."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u00ad"), "-")
_LOCAL = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
# What stands for a sign of an address on other keyboards, after NFKC has brought wide and small forms home.
_ADDRESS_TWINS = str.maketrans("\u06d4\u066b\u3002\u00b7\u060c\u066c\u3001\u061b", "....,,,;")
_SLIPS = str.maketrans(",;", "..")  # a comma; and on a French keyboard the full stop without its shift key
_AROUND = " \t\"'`\u00b4\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a()[]{}<>"  # quotes, brackets
_STOPS = ".,;:!?\u061b\u061f"  # marks of the sentence that it was copied from
_ADDRESS = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
LONGEST_LINE = 254  # RFC 5321 §4.5.3.1.3: no address is longer


def western_digits(text: str) -> str:
    """Every decimal digit (Arabic-Indic, Persian, full-width …) as 0–9; other characters stay."""
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text)


def without_invisible(text: str) -> str:
    """Without format and control characters (bidi marks, joiners, BOM, line ends)."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc"))


def one_line(text: str) -> str:
    """What was typed into a one-line field: invisible marks out, white space folded, Western digits, ends trimmed."""
    spaced = "".join(" " if c.isspace() else c for c in text)
    return " ".join(western_digits(without_invisible(spaced)).translate(_DASHES).split())


def address(text: str) -> str:
    """What was meant by a typed or pasted address: `<x@taalim.ma>`, `Name <x@…>`, `mailto:x@…`, quotes and full stops
    around it, spaces, wide signs, an Arabic comma or full stop, and `x@taalim,ma` are `x@taalim.ma`.

    Lower case. What can't be understood stays as it is: who judges the shape tells so.
    """
    folded = unicodedata.normalize("NFKC", one_line(text)).translate(_ADDRESS_TWINS)
    inside = re.search(r"<([^<>]*)>\W*$", folded) if folded.count("@") == 1 else None
    bare = _without_marks_around((inside[1] if inside else folded).replace(" ", "").lower())
    if bare.startswith("mailto:"):
        bare = _without_marks_around(unquote(bare.removeprefix("mailto:").partition("?")[0]))
    local, at, domain = bare.rpartition("@")
    return f"{local}@{domain.translate(_SLIPS)}" if at else bare


def _without_marks_around(bare: str) -> str:
    """A dot in front stays: it is no slip of pasting, and nobody knows what was meant."""
    return bare.lstrip(_AROUND).rstrip(_AROUND + _STOPS)


def login(text: str) -> str | None:
    """An institution address or its local part in canonical form (lower case ASCII), or None if it can't be one.

    Only ASCII is accepted after folding full-width forms, so no look-alike letter can name another account. No login
    has a comma or a semicolon: they are read as dots.
    """
    if len(text) > 4 * LONGEST_LINE:
        return None
    local, at, domain = address(text).translate(_SLIPS).partition("@")
    folded = f"{local}{at}{domain}"
    if not folded.isascii() or not _LOCAL.fullmatch(local) or ".." in local:
        return None
    if at and not _ADDRESS.fullmatch(folded):
        return None
    return folded


def email(text: str) -> str | None:
    """A personal e-mail address in canonical form (lower case), or None. ASCII only: a look-alike is never a match."""
    if len(text) > 4 * LONGEST_LINE:
        return None
    folded = address(text)
    local = folded.partition("@")[0]
    if len(folded) > LONGEST_LINE or not folded.isascii() or not _ADDRESS.fullmatch(folded):
        return None
    return None if local.startswith(".") or local.endswith(".") or ".." in local else folded


def number(text: str) -> str:
    """A typed or pasted phone number with Western digits: `tel:` and the quotes, commas and brackets around it are gone."""
    folded = unicodedata.normalize("NFKC", one_line(text[:100])).translate(_ADDRESS_TWINS).lower()
    bare = folded.translate(str.maketrans(dict.fromkeys(_AROUND.replace("(", "").replace(")", ""), " ")))
    return re.sub("[,;:_]", " ", bare.strip().removeprefix("tel:")).strip(" .!?")


def code(text: str) -> str:
    """A typed numeric code: Western digits, no spaces, dashes, quotes or other marks. Letters stay, so that they are told."""
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
