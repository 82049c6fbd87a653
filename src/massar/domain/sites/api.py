"""What others may use from the room `sites`."""

from massar.core.keyring.api import Sealed
from massar.domain.sites import (
    gated_pages,
    grants,
    keys,
    replay_cache,
    rules,
    saml_certificate,
    saml_idp,
    saml_metadata,
    saved_requests,
    subjects,
)
from massar.domain.sites.gated_pages import GatedPage
from massar.domain.sites.grants import GrantFacts
from massar.domain.sites.registry import Registry, Site, hashed_secret, is_secret
from massar.domain.sites.saml_certificate import Finding
from massar.domain.sites.saml_idp import IdentityProvider

__all__ = [
    "SEALED", "Finding", "GatedPage", "GrantFacts", "IdentityProvider", "Registry", "Site",
    "gated_pages", "grants", "hashed_secret", "is_secret", "keys", "replay_cache", "rules",
    "saml_certificate", "saml_idp", "saml_metadata", "saved_requests", "subjects",
]  # fmt: skip
SEALED = (
    Sealed("sites_signingkey", "ciphertext", "signing-key|{kid}"),
    Sealed("sites_savedrequest", "ciphertext", "saved-request|{ref}"),
)
