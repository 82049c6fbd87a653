"""What others may use from the room `desk`."""

from massar.core.keyring.api import Sealed
from massar.domain.desk import cases, numbers, offices, reviews, seen
from massar.domain.desk.cases import CaseFacts, Machine, Proposal
from massar.domain.desk.offices import OfficeFacts

__all__ = ["SEALED", "CaseFacts", "Machine", "OfficeFacts", "Proposal", "cases", "numbers", "offices", "reviews",
           "seen"]  # fmt: skip
SEALED = (Sealed("desk_case", "ciphertext", "desk-case|{number}"),)
