"""What a delivery receipt says: from its optional parameters where there are any, from its text otherwise.

The text is a custom, not a standard (SMPP 3.4, appendix B): `id:… sub:… dlvrd:… submit date:… done date:… stat:… err:…
text:…`. The form of the id is each operator's own. Where a setting says it, it is turned here; where none does, it
stays as it came, and domain/delivery/receipts.py looks for the one message that it can only be about."""

import re
from typing import NamedTuple

from massar.domain.delivery.provider import UNDERWAY, Receipt
from massar.providers.receipt_words import meaning
from massar.providers.smpp import pdu

# How a receipt writes the id that the answer to submit_sm gave.
SAME, HEX_TO_DEC, DEC_TO_HEX = "same", "hex_to_dec", "dec_to_hex"

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
    """How this operator writes ids in the text of a receipt and in its optional parameter."""

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


def is_receipt(delivered: pdu.Delivery) -> bool:
    """By its type or by its optional parameters. Never by its text: anybody can send `id:1 stat:DELIVRD`."""
    kind = delivered.esm_class & pdu.RECEIPT_TYPES
    typed = kind in (pdu.FINAL_RECEIPT, pdu.INTERMEDIATE)
    return typed or not {pdu.RECEIPTED_ID, pdu.MESSAGE_STATE}.isdisjoint(delivered.tlvs)


def read(delivered: pdu.Delivery, forms: Forms, *, provider: str) -> Receipt:
    """What a receipt says. Its reference is in the form of the answer to submit_sm, or empty: it names no message."""
    told, tlvs = _parts(delivered.content[:2048]), delivered.tlvs
    reference = forms.of_receipt(pdu.message_id(tlvs.get(pdu.RECEIPTED_ID, b"")), forms.tlv)
    reference = reference or forms.of_receipt(told.get("id", ""), forms.text)
    number, stat = tlvs.get(pdu.MESSAGE_STATE, b""), told.get("stat", "")
    found = _WORD.search(stat)  # without what some SMSCs put around it: quotes, a comma, the next field
    words = [_STATES.get(number[0], "") if len(number) == 1 else "", (found[0].upper() if found else stat)[:20]]
    settling = [word for word in words if meaning(word) != UNDERWAY]  # one of the two may be of an earlier moment
    word = next(filter(None, settling or words), "")
    passing = delivered.esm_class & pdu.RECEIPT_TYPES == pdu.INTERMEDIATE
    error = tlvs.get(pdu.NETWORK_ERROR, b"")  # §5.3.2.31: a kind of network and its code
    code = f"{int.from_bytes(error[1:], 'big'):03}" if len(error) == 3 else told.get("err", "")[:20]
    reason = " ".join(filter(None, (word, code if code.strip("0") else "")))
    return Receipt(provider, reference, UNDERWAY if passing else meaning(word), reason, _number(delivered.source))


def _number(source: pdu.Address) -> str:
    """Whose phone it is about, in E.164, or empty. A national number is left out: its country is not said."""
    digits = source.text.removeprefix("+")
    if not _DEC.fullmatch(digits):
        return ""
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    international = source.ton == 1 or source.text.startswith("+")
    unsaid = source.ton == 0 and len(digits) >= 11 and digits[0] != "0"
    return f"+{digits}" if international or unsaid else ""


def _parts(content: bytes) -> dict[str, str]:
    # By its look: some SMSCs set data_coding 8 over plain ASCII, or write UCS-2 without saying so.
    wide = 3 * content.count(0) > len(content)
    encoding = ("utf-16-le" if content[1:2] == b"\0" else "utf-16-be") if wide else "latin-1"
    parts: dict[str, str] = {}
    for name, value in _PART.findall(_TEXT.split(content.decode(encoding, "replace"), maxsplit=1)[0]):
        parts.setdefault(name.lower(), value)
    return parts
