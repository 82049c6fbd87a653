"""SAML messages as plain facts (SAML core §3), and the names of SAML 2.0. `decode` and `encode` know their XML."""

from dataclasses import dataclass, field
from datetime import datetime

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
ALG = "urn:oasis:names:tc:SAML:metadata:algsupport"
SOAP_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
POST, REDIRECT, SOAP = (
    f"urn:oasis:names:tc:SAML:2.0:bindings:{name}" for name in ("HTTP-POST", "HTTP-Redirect", "SOAP")
)
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
BASIC, URI = (f"urn:oasis:names:tc:SAML:2.0:attrname-format:{name}" for name in ("basic", "uri"))
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
NAME_ID_FORMATS = {
    "transient": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
    "persistent": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    "email": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
}  # by the word of the registry, from the one that tells least to the one that tells most
_STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
SUCCESS, REQUESTER, RESPONDER = (f"{_STATUS}{name}" for name in ("Success", "Requester", "Responder"))
NO_PASSIVE, NO_AUTHN_CONTEXT, INVALID_NAME_ID_POLICY, UNKNOWN_PRINCIPAL, PARTIAL_LOGOUT = (
    f"{_STATUS}{name}"
    for name in ("NoPassive", "NoAuthnContext", "InvalidNameIDPolicy", "UnknownPrincipal", "PartialLogout")
)
_CLASS = "urn:oasis:names:tc:SAML:2.0:ac:classes:"
CLASS_PROTECTED, CLASS_PASSWORD, CLASS_UNSPECIFIED = (
    f"{_CLASS}{name}" for name in ("PasswordProtectedTransport", "Password", "unspecified")
)


class MessageRefused(Exception):
    """A message that is not answered. problem: 'site', 'address', 'request', 'expired' or 'logout'; the error page has
    a text for each. why: one sentence for whoever runs the site."""

    def __init__(self, problem: str, why: str):
        super().__init__(why)
        self.problem, self.why = problem, why


def demand(good: object, why: str, problem: str = "request") -> None:
    """Raise MessageRefused where something that a message must be is not so."""
    if not good:
        raise MessageRefused(problem, why)


@dataclass(frozen=True)
class SamlMessage:
    """What every message begins with. `destination` is empty where the message does not name one."""

    id: str
    issuer: str
    issued_at: datetime
    destination: str


@dataclass(frozen=True)
class NameId:
    """A site's name for a person. A name that holds at one site only is qualified by both entities."""

    value: str
    format: str = UNSPECIFIED
    name_qualifier: str = ""
    sp_name_qualifier: str = ""


@dataclass(frozen=True)
class AuthnRequest(SamlMessage):
    """A site asks for somebody to be signed in. Attributes that are None were left out by the site."""

    acs_url: str | None
    acs_index: str | None
    protocol_binding: str
    force_authn: bool
    is_passive: bool
    name_id_format: str
    sp_name_qualifier: str | None
    context_comparison: str
    context_classes: tuple[str, ...] | None


@dataclass(frozen=True)
class LogoutRequest(SamlMessage):
    """Sessions are to end; no session_indexes: all under that name. It counts until `not_on_or_after`, if given."""

    name_id: NameId
    session_indexes: tuple[str, ...]
    not_on_or_after: datetime | None


@dataclass(frozen=True)
class LogoutResponse(SamlMessage):
    """The answer to a LogoutRequest. `status`: codes, the outermost first; of an answer that was
    received only that one is kept."""

    in_response_to: str
    status: tuple[str, ...]

    @property
    def is_success(self) -> bool:
        return self.status[:1] == (SUCCESS,)

    @property
    def status_name(self) -> str:
        """The outermost code without its namespace, as `Success`."""
        return self.status[0].rpartition(":")[2] if self.status else ""


@dataclass(frozen=True)
class Assertion:
    """What is said about a person who has signed in, for one site. `attributes` go by the site's own names."""

    name_id: NameId
    audience: str
    authenticated_at: datetime
    session_ends_at: datetime
    session_index: str
    context_class: str
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response(SamlMessage):
    """The answer to a site. Without an assertion it tells the status alone. `in_response_to` is '' if nobody asked."""

    in_response_to: str
    status: tuple[str, ...]
    assertion: Assertion | None
