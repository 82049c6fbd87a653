"""What a password is made of: its canonical form, and the signs that no stored password holds."""

import unicodedata

from massar.core import normalize

MAX_CODEPOINTS = 128
MAX_BYTES = 512

# NFC never makes fewer than a quarter of the code points of anything people type, so a longer text is
# refused before any work is spent on it.
_MAX_RAW = 4 * MAX_CODEPOINTS


def canonical(password: str) -> str:
    """The form that is hashed: NFC, nothing else (SP 800-63B-4 3.1.1.2; ASVS 6.2.8: no truncation, no case).

    Idempotent. Raises nothing; a lone surrogate stays one, so encode only what `refusals` let pass or
    `strip_invisible` cleaned.
    """
    return unicodedata.normalize("NFC", password)


def strip_invisible(password: str) -> str:
    """What is compared at sign-in: `canonical` without the signs that a stored password never holds
    (controls, format and bidi signs, blank fillers, lone surrogates, white space at the edges).

    Idempotent. Always encodable as UTF-8. Hashes imported from elsewhere may have been made from such signs;
    for those, verify `canonical` instead.
    """
    kept = "".join(c for c in password if not normalize.is_invisible(c) and unicodedata.category(c) != "Cs")
    # Taking a blank sign away may bring a letter and its accent together, hence NFC last.
    return canonical(kept.strip())


def is_too_long(password: str) -> bool:
    """Whether the text is above 128 code points (NFC) or 512 bytes (UTF-8). Cheap for any size."""
    if len(password) > _MAX_RAW:
        return True
    text = canonical(password)
    return len(text) > MAX_CODEPOINTS or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES


def has_invisible(password: str) -> bool:
    """Whether a sign stands in the text that cannot be seen or typed again with certainty: controls, format
    and bidi signs, blank fillers, unassigned code points, lone surrogates, any space but U+0020, and white
    space at an edge."""
    if password != password.strip():
        return True
    return any(normalize.is_invisible(c) or _is_unsure(c) for c in password)


def has_letter(password: str) -> bool:
    """Whether a letter of any script stands in it (modifier letters such as the tatweel do not count)."""
    return any(normalize.is_letter(c) for c in password)


def has_digit(password: str) -> bool:
    """Whether a decimal digit of any script (category Nd) stands in it; `²` and `½` are none."""
    return any(unicodedata.category(c) == "Nd" for c in password)


def has_symbol(password: str) -> bool:
    """Whether punctuation, a symbol or a plain space inside stands in it."""
    return any(c == " " or unicodedata.category(c)[0] in "PS" for c in password.strip())


def _is_unsure(sign: str) -> bool:
    category = unicodedata.category(sign)
    return category in {"Cn", "Cs"} or (category == "Zs" and sign != " ")
