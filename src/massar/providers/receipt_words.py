"""The words in which providers say what became of a message.

SMPP 3.4 §5.2.28 and appendix B have seven letters for each state. SMSCs and gateways in use write them out, cut them,
and have some of their own; all spellings of one state stand here once."""

import re
from collections.abc import Mapping

from massar.domain.delivery.provider import DELIVERED, FAILED, UNDERWAY

_SPELLINGS = {
    "DELIVRD": "DELIVERED DELIVERD DELIVRED DELIVER",
    "EXPIRED": "EXPIRD EXPRD EXPIRE",
    "DELETED": "DELETE CANCELED CANCELLED",
    "UNDELIV": "UNDELIVERABLE UNDELIVERED UNDELIVRD UNDELIVERD UNDELIVER UNDELIVRABLE NOTDELIVERED NOTDELIVRD "
    "DELIVERYFAILED DELIVERYFAILURE NONDELIVERED",
    "REJECTD": "REJECTED REJECTE REJECT",
    "SKIPPED": "SKIPPD",
    "FAILED": "FAILURE FAIL",
    "BLOCKED": "BLOCK BLACKLISTED",
}
_NAMES = {spelling: name for name, all_of_them in _SPELLINGS.items() for spelling in (name, *all_of_them.split())}
_NUMBER = re.compile(r"0*([0-9]+)(?:\.0+)?")
_NO_LETTERS = re.compile(r"[^A-Z]+")


def likeness(word: str) -> str:
    """The same for all spellings of a word: capitals, blanks around it, leading zeros of a number, the states above."""
    word = word.strip().upper()
    number = _NUMBER.fullmatch(word)
    return number[1] if number else _NAMES.get(_NO_LETTERS.sub("", word), word)


def meaning(word: str) -> str:
    """What an SMSC's word settles. ENROUTE, ACCEPTD, UNKNOWN and any other settle nothing: the message may be there."""
    name = likeness(word)
    return DELIVERED if name == "DELIVRD" else FAILED if name in _SPELLINGS else UNDERWAY


def listed(word: str, states: Mapping[str, str]) -> str:
    """What an operator's table says of a word: as written there, else in another spelling of one meaning, else `*`."""
    if word in states:
        return states[word]
    alike = {state for known, state in states.items() if likeness(known) == likeness(word)}
    return alike.pop() if len(alike) == 1 else states.get("*", UNDERWAY)
