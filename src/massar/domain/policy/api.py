"""What others may use of the room `policy`: password rules, as pure functions and data. No database, no clock."""

from massar.domain.policy import words
from massar.domain.policy.personal import Owner
from massar.domain.policy.rules import PROFILES, Profile, Rule, checklist, refusals
from massar.domain.policy.signs import canonical, canonical_temporary, strip_invisible

__all__ = [
    "PROFILES", "Owner", "Profile", "Rule", "canonical", "canonical_temporary", "checklist", "refusals",
    "strip_invisible", "words",
]  # fmt: skip
