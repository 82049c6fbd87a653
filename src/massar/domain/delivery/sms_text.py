"""How long a text is once it is an SMS, where it is cut, and how its alphabet is coded.

A text travels in the GSM 7-bit alphabet when every character is in it (3GPP TS 23.038, §6.2.1) and in UCS-2
otherwise. One wrong apostrophe more than halves what a message can carry, so wording is measured by tests."""

from typing import NamedTuple

ESCAPE = 0x1B
# In the order of their codes; the place of the escape is held by a character that no text is given with.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\0ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each of these is sent as an escape and a second code: two units (§6.2.1.1).
_EXTENSION = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65,
}  # fmt: skip
# Sign -> its septets, one in a byte.
GSM7_CODES = {sign: bytes((code,)) for code, sign in enumerate(_BASIC) if code != ESCAPE} | {
    sign: bytes((ESCAPE, code)) for sign, code in _EXTENSION.items()
}

GSM7 = "gsm7"
UCS2 = "ucs2"
# (units in a message that stands alone, units in each part of a longer one: the rest is the joining header)
_ROOM = {GSM7: (160, 153), UCS2: (70, 67)}


class SmsSize(NamedTuple):
    """`units` are septets (gsm7) or 16-bit words (ucs2); `offenders` are the characters outside GSM-7, once
    each, in the order they appear."""

    encoding: str
    units: int
    segments: int
    offenders: tuple[str, ...]


def measure(text: str) -> SmsSize:
    """The coding, length and number of segments of `text`. An empty text is one empty segment."""
    offenders = tuple(dict.fromkeys(sign for sign in text if sign not in GSM7_CODES))
    encoding = UCS2 if offenders else GSM7
    return SmsSize(encoding, sum(_widths(text, encoding)), len(_cut(text, encoding)), offenders)


def segments(text: str) -> tuple[str, list[str]]:
    """The coding of `text`, and the text of each segment. No character of two units is ever cut in half."""
    encoding = GSM7 if all(sign in GSM7_CODES for sign in text) else UCS2
    return encoding, _cut(text, encoding)


def _widths(text: str, encoding: str) -> list[int]:
    if encoding == GSM7:
        return [len(GSM7_CODES[sign]) for sign in text]
    # Outside the basic plane a character takes two words; networks pass UTF-16, so that is billed.
    return [2 if ord(sign) > 0xFFFF else 1 for sign in text]


def _cut(text: str, encoding: str) -> list[str]:
    widths, (alone, part) = _widths(text, encoding), _ROOM[encoding]
    if sum(widths) <= alone:
        return [text]
    pieces, begin, used = [], 0, 0
    for place, width in enumerate(widths):
        if used + width > part:
            pieces.append(text[begin:place])
            begin, used = place, 0
        used += width
    return [*pieces, text[begin:]]
