"""Names of SAML 2.0 that several files need, and where the account's own ends are."""

from __future__ import annotations

from dataclasses import dataclass

from massar.domain.sites.api import Site
from massar.journeys.sso import access

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
ALG = "urn:oasis:names:tc:SAML:metadata:algsupport"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
BASIC, URI = (f"urn:oasis:names:tc:SAML:2.0:attrname-format:{name}" for name in ("basic", "uri"))
ENTITY = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
NAME_IDS = {
    "transient": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
    "persistent": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    "email": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
}  # from the one that tells least to the one that tells most
_STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
SUCCESS, REQUESTER, RESPONDER = (f"{_STATUS}{name}" for name in ("Success", "Requester", "Responder"))
NO_PASSIVE, NO_CONTEXT, BAD_NAME_ID, UNKNOWN_PRINCIPAL, PARTIAL_LOGOUT = (
    f"{_STATUS}{name}"
    for name in ("NoPassive", "NoAuthnContext", "InvalidNameIDPolicy", "UnknownPrincipal", "PartialLogout")
)
_CLASS = "urn:oasis:names:tc:SAML:2.0:ac:classes:"
CLASS_PROTECTED, CLASS_PASSWORD, CLASS_UNSPECIFIED = (
    f"{_CLASS}{name}" for name in ("PasswordProtectedTransport", "Password", "unspecified")
)


def kinds_for(name_id: str) -> list[str]:
    """The kinds of NameID that a site registered for this one may get: itself and those that tell less."""
    least_first = list(NAME_IDS)
    return least_first[: least_first.index(name_id) + 1]


def names_of(sid: str, subject: str, login: str) -> dict[str, str]:
    """Every NameID under which a site may know a person and session, by kind. sid: the session's name at that site."""
    return {
        "transient": f"_{sid}",
        "persistent": subject,
        "email": login,
    }


@dataclass(frozen=True)
class Ours:
    """The account as one SAML entity. name: `our_entity` of the sites that know it so; '': the entity of all others.

    Two sites of one entity id (two domains of one Microsoft tenant) are told apart by the address that a message came to.
    """

    name: str = ""

    @property
    def entity_id(self) -> str:
        """The address of its metadata."""
        return f"{self._base}/metadata"

    @property
    def sso(self) -> str:
        return f"{self._base}/sso"

    @property
    def slo(self) -> str:
        return f"{self._base}/slo"

    @property
    def _base(self) -> str:
        return f"{access.issuer()}/saml{f'/as/{self.name}' if self.name else ''}"


def ours_for(site: Site) -> Ours:
    return Ours(site.our_entity)
