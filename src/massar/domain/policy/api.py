"""What others may use of the room `policy`: password rules, as pure functions and data.

No database, no clock, no HTTP.
"""

from massar.domain.policy.blocklist import in_blocklist
from massar.domain.policy.personal import Owner
from massar.domain.policy.rules import (
    DEFAULT_PROFILE,
    PROFILES,
    ChecklistItem,
    Profile,
    Refusal,
    checklist,
    refusals,
)
from massar.domain.policy.signs import MAX_BYTES, MAX_CODEPOINTS, canonical, is_too_long, strip_invisible
from massar.domain.policy.temporary import canonical_temporary, is_temporary_shape

__all__ = [
    "DEFAULT_PROFILE",
    "MAX_BYTES",
    "MAX_CODEPOINTS",
    "PROFILES",
    "ChecklistItem",
    "Owner",
    "Profile",
    "Refusal",
    "canonical",
    "canonical_temporary",
    "checklist",
    "in_blocklist",
    "is_temporary_shape",
    "is_too_long",
    "refusals",
    "strip_invisible",
]
