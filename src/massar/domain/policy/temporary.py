"""The shape of a temporary password: five consonants, a hyphen, five digits, as in `kdmwt-47392`.

Recognised by form alone, so that a temporary password is never mistaken for a password and nobody can choose
one that looks like it. No vowels and no look-alikes: bringing typed text into this alphabet loses nothing.
"""

import re
import unicodedata

from massar.core import ids, normalize

_SHAPE = re.compile(f"[{ids.TEMPORARY_LETTERS}]{{5}}[{ids.TEMPORARY_DIGITS}]{{5}}")
_LONGEST = 128
_MINUS_SIGN = "\u2212"  # a dash to the eye, category Sm


def canonical_temporary(text: str) -> str | None:
    """Return `kdmwt47392` for any way of typing it, or None when the text is not of that shape.

    Forgiven: case, any dash or none, spaces, signs without ink, other widths, the digits of other scripts
    (Arabic-Indic, Persian). Raises nothing.
    """
    if len(text) > _LONGEST:
        return None
    plain = normalize.western_digits(unicodedata.normalize("NFKC", text)).lower()
    compact = "".join(c for c in plain if not _is_spacer(c))
    return compact if _SHAPE.fullmatch(compact) else None


def is_temporary_shape(text: str) -> bool:
    """Whether the text reads as a temporary password."""
    return canonical_temporary(text) is not None


def _is_spacer(sign: str) -> bool:
    if sign.isspace() or sign == _MINUS_SIGN:
        return True
    return unicodedata.category(sign) == "Pd" or normalize.is_invisible(sign)
