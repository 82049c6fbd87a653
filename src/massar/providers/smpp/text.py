"""A text as the contents of submit_sm: GSM 7-bit or UCS-2, in one segment or in several that the phone joins."""

import zlib
from typing import NamedTuple

from massar.domain.delivery.sms_text import GSM7, GSM7_CODES, segments

CODING_DEFAULT, CODING_UCS2 = 0x00, 0x08  # data_coding, SMPP 3.4 §5.2.19
MOST_SEGMENTS = 255


class Content(NamedTuple):
    """The short_message of one segment; `joined`: it begins with a header (UDH) that numbers it."""

    coding: int
    content: bytes
    joined: bool


def contents(text: str, message_id: str) -> list[Content]:
    """`text` in as many segments as it needs. Raises ValueError past 255.

    The septets stay one in a byte, as SMPP has them: the SMSC packs. Segments carry the header of 3GPP TS 23.040
    §9.2.3.24.1, with a number made of `message_id`: when a message is sent again, halves of both tries still
    make one whole.
    """
    encoding, pieces = segments(text)
    if len(pieces) > MOST_SEGMENTS:
        raise ValueError("too long for an SMS")
    coding = CODING_DEFAULT if encoding == GSM7 else CODING_UCS2
    bodies = [_encoded(piece, encoding) for piece in pieces]
    if len(bodies) == 1:
        return [Content(coding, bodies[0], False)]
    number = zlib.crc32(message_id.encode()) & 0xFF
    headers = (bytes((5, 0, 3, number, len(bodies), place)) for place in range(1, len(bodies) + 1))
    return [Content(coding, header + body, True) for header, body in zip(headers, bodies, strict=True)]


def _encoded(piece: str, encoding: str) -> bytes:
    if encoding == GSM7:
        return b"".join(GSM7_CODES[sign] for sign in piece)
    return piece.encode("utf-16-be", "replace")  # half a surrogate pair, which no phone could show, becomes ?
