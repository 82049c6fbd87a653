"""What a delivery receipt says: from its optional parameters where there are any, from its text otherwise.

The text is a custom, not a standard (SMPP 3.4, appendix B): `id:… sub:… dlvrd:… submit date:… done date:… stat:…
err:… text:…`. The form of the id is each operator's own. Where a setting says it, it is turned here; where none does,
it stays as it came, and domain/delivery/receipts.py looks for the one message that it can only be about.
"""

import re
from typing import NamedTuple

from massar.domain.delivery.provider import UNDERWAY
from massar.providers.receipt_words import meaning
from massar.providers.smpp.pdu import (
    FINAL_RECEIPT,
    INTERMEDIATE,
    MESSAGE_STATE,
    NETWORK_ERROR,
    RECEIPT_TYPES,
    RECEIPTED_ID,
    Delivery,
    message_id,
)

# How a receipt writes the id that the answer to submit_sm gave.
SAME, HEX_TO_DEC, DEC_TO_HEX = "same", "hex_to_dec", "dec_to_hex"
FORMS = (SAME, HEX_TO_DEC, DEC_TO_HEX)

# §5.2.28 (and SKIPPED of SMPP 5.0).
_STATES = {
    0: "SCHEDULED", 1: "ENROUTE", 2: "DELIVRD", 3: "EXPIRED", 4: "DELETED",
    5: "UNDELIV", 6: "ACCEPTD", 7: "UNKNOWN", 8: "REJECTD", 9: "SKIPPED",
}  # fmt: skip

_PART = re.compile(r"\b(id|stat|err)(?:us|e|or)?:\s*([!-~]{1,65})", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]*")
_TEXT = re.compile(r"\btext:", re.IGNORECASE)  # what follows is the beginning of the message: never read it
_HEX, _DEC = re.compile(r"[0-9A-Fa-f]{1,64}"), re.compile(r"[0-9]{1,64}")


class Forms(NamedTuple):
    """How this operator writes ids in the text of a receipt and in its optional parameter: each of FORMS."""

    text: str = SAME
    tlv: str = SAME

    def of_answer(self, answered: str) -> str:
        """The id of an answer to submit_sm. Where receipts are turned, without what differs between two ways to
        write one number: leading zeros, capitals."""
        if HEX_TO_DEC in self and _DEC.fullmatch(answered):
            return str(int(answered))
        if DEC_TO_HEX in self and _HEX.fullmatch(answered):
            return f"{int(answered, 16):x}"
        return answered

    def of_receipt(self, told: str, form: str) -> str:
        """The id of a receipt, written in `form`, as `of_answer` gave it."""
        if form == HEX_TO_DEC and _HEX.fullmatch(told):
            return str(int(told, 16))
        if form == DEC_TO_HEX and _DEC.fullmatch(told):
            return f"{int(told):x}"
        return self.of_answer(told)


class Told(NamedTuple):
    """`reference` is in the form of the answer to submit_sm, or empty when the receipt names no message."""

    reference: str
    state: str
    code: str


def is_receipt(delivered: Delivery) -> bool:
    """By its type or by its optional parameters. Never by its text: anybody can send `id:1 stat:DELIVRD`."""
    kind = delivered.esm_class & RECEIPT_TYPES
    return kind in (FINAL_RECEIPT, INTERMEDIATE) or not {RECEIPTED_ID, MESSAGE_STATE}.isdisjoint(delivered.tlvs)


def read(delivered: Delivery, forms: Forms) -> Told:
    """The message that a receipt is about, its state and the operator's reason."""
    said = _said(delivered)
    reference = forms.of_receipt(message_id(delivered.tlvs.get(RECEIPTED_ID, b"")), forms.tlv)
    reference = reference or forms.of_receipt(said.get("id", ""), forms.text)
    words = [word for word in (_state(delivered.tlvs.get(MESSAGE_STATE, b"")), _word(said.get("stat", ""))) if word]
    settling = [word for word in words if meaning(word) != UNDERWAY]  # one of the two may be of an earlier moment
    word = next(iter(settling or words), "")
    passing = delivered.esm_class & RECEIPT_TYPES == INTERMEDIATE
    state = UNDERWAY if passing else meaning(word)
    error = _network_error(delivered.tlvs.get(NETWORK_ERROR, b"")) or said.get("err", "")[:20]
    return Told(reference, state, " ".join(filter(None, (word, error if error.strip("0") else ""))))


def number(delivered: Delivery) -> str:
    """Whose phone it is about, in E.164, or empty. A national number is left out: its country is not said."""
    ton, digits = delivered.source.ton, delivered.source.text.removeprefix("+")
    if not _DEC.fullmatch(digits):
        return ""
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    international = ton == 1 or delivered.source.text.startswith("+")
    unsaid = ton == 0 and len(digits) >= 11 and digits[0] != "0"
    return f"+{digits}" if international or unsaid else ""


def _said(delivered: Delivery) -> dict[str, str]:
    content = delivered.content[:2048]
    # By its look: some SMSCs set data_coding 8 over plain ASCII, or write UCS-2 without saying so.
    wide = 3 * content.count(0) > len(content)
    encoding = ("utf-16-le" if content[1] == 0 else "utf-16-be") if wide else "latin-1"
    text = _TEXT.split(content.decode(encoding, "replace"), maxsplit=1)[0]
    parts: dict[str, str] = {}
    for name, value in _PART.findall(text):
        parts.setdefault(name.lower(), value)
    return parts


def _state(value: bytes) -> str:
    return _STATES.get(value[0], "") if len(value) == 1 else ""


def _word(said: str) -> str:
    """Without what some SMSCs put around it: quotes, a comma, the next field."""
    found = _WORD.search(said)
    return found[0].upper()[:20] if found else said[:20]


def _network_error(value: bytes) -> str:
    """§5.3.2.31: a kind of network and its code."""
    return f"{int.from_bytes(value[1:], 'big'):03}" if len(value) == 3 else ""
