"""What passwords are made of: the canonical form, signs that no stored one holds, the shape of temporary ones."""

import re
import unicodedata

from massar.core import ids, normalize

MAX_CODEPOINTS = 128
MAX_BYTES = 512

_TEMPORARY = re.compile(f"[{ids.TEMPORARY_LETTERS}]{{5}}[{ids.TEMPORARY_DIGITS}]{{5}}")
_MINUS_SIGN = "\u2212"  # a dash to the eye, category Sm


def canonical(password: str) -> str:
    """The form that is hashed: NFC, nothing else (SP 800-63B-4 3.1.1.2; ASVS 6.2.8: no truncation, no case). A lone
    surrogate stays one, so encode only what `refusals` let pass or `strip_invisible` cleaned."""
    return unicodedata.normalize("NFC", password)


def strip_invisible(password: str) -> str:
    """What is compared at sign-in: `canonical` without the signs that a stored password never holds (controls, format
    and bidi signs, blank fillers, lone surrogates, white space at the edges). Hashes imported from elsewhere may have
    been made from such signs; for those, verify `canonical` instead."""
    kept = "".join(c for c in password if not normalize.is_invisible(c) and unicodedata.category(c) != "Cs")
    # Taking a blank sign away may bring a letter and its accent together, hence NFC last.
    return canonical(kept.strip())


def is_too_long(password: str) -> bool:
    """Whether the text is above 128 code points (NFC) or 512 bytes (UTF-8). Cheap for any size."""
    # NFC never makes fewer than a quarter of the code points of anything people type.
    if len(password) > 4 * MAX_CODEPOINTS:
        return True
    text = canonical(password)
    return len(text) > MAX_CODEPOINTS or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES


def has_invisible(password: str) -> bool:
    """Whether a sign stands in the text that cannot be seen or typed again with certainty: controls, format and bidi
    signs, blank fillers, unassigned code points, lone surrogates, any space but U+0020, and white space at an edge."""
    unsure = any(unicodedata.category(c) in {"Cn", "Cs", "Zs"} and c != " " for c in password)
    return unsure or password != password.strip() or any(map(normalize.is_invisible, password))


def has_letter(password: str) -> bool:
    """Whether a letter of any script stands in it (modifier letters such as the tatweel do not count)."""
    return any(map(normalize.is_letter, password))


def has_digit(password: str) -> bool:
    """Whether a decimal digit of any script (category Nd) stands in it; `²` and `½` are none."""
    return any(unicodedata.category(c) == "Nd" for c in password)


def has_symbol(password: str) -> bool:
    """Whether punctuation, a symbol or a plain space inside stands in it."""
    return any(c == " " or unicodedata.category(c)[0] in "PS" for c in password.strip())


def canonical_temporary(text: str) -> str | None:
    """Return `kdmwt47392` for any way of typing that temporary password, or None when the text is not of that shape.
    Five consonants and five digits, recognised by form alone: a temporary password is never mistaken for a password,
    and nobody can choose one that looks like it. Without vowels and look-alikes, forgiving loses nothing: case, any
    dash or none, spaces, signs without ink, other widths, the digits of other scripts."""
    if len(text) > MAX_CODEPOINTS:
        return None
    plain = normalize.western_digits(unicodedata.normalize("NFKC", text)).lower()
    compact = "".join(c for c in plain if not (c.isspace() or c == _MINUS_SIGN or normalize.is_invisible(c)))
    compact = "".join(c for c in compact if unicodedata.category(c) != "Pd")
    return compact if _TEMPORARY.fullmatch(compact) else None
