"""How long a text is once it is an SMS.

A text travels in the GSM 7-bit alphabet when every character is in it (3GPP TS 23.038, §6.2.1) and in UCS-2
otherwise. One wrong apostrophe more than halves what a message can carry, so wording is measured by tests.
"""

from dataclasses import dataclass

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each of these is sent as an escape and a second code: two units.
_EXTENSION = frozenset("\f^{}\\[~]|€")

GSM7 = "gsm7"
UCS2 = "ucs2"
# (units in a message that stands alone, units in each part of a longer one: the rest is the joining header)
_ROOM = {GSM7: (160, 153), UCS2: (70, 67)}


@dataclass(frozen=True)
class SmsSize:
    """`units` are septets (gsm7) or 16-bit words (ucs2); `offenders` are the characters outside GSM-7, once
    each, in the order they appear."""

    encoding: str
    units: int
    segments: int
    offenders: tuple[str, ...]


def measure(text: str) -> SmsSize:
    """The coding, length and number of segments of `text`. An empty text is one empty segment."""
    offenders = tuple(dict.fromkeys(sign for sign in text if sign not in _BASIC and sign not in _EXTENSION))
    if offenders:
        # Outside the basic plane a character takes two words; networks pass UTF-16, so that is billed.
        widths = [2 if ord(sign) > 0xFFFF else 1 for sign in text]
        encoding = UCS2
    else:
        widths = [2 if sign in _EXTENSION else 1 for sign in text]
        encoding = GSM7
    return SmsSize(encoding, sum(widths), _segments(widths, *_ROOM[encoding]), offenders)


def _segments(widths: list[int], alone: int, part: int) -> int:
    if sum(widths) <= alone:
        return 1
    # A character of two units is never split between parts, so plain division would come out too small.
    count, used = 1, 0
    for width in widths:
        if used + width > part:
            count, used = count + 1, 0
        used += width
    return count
