"""The account as a SAML identity provider: its entities, the key that signs, the names of people."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from massar.core.saml.messages import NAME_ID_FORMATS, NameId
from massar.core.xml_signature import XmlSigner
from massar.domain.sites import keys
from massar.domain.sites.registry import Site


@dataclass(frozen=True)
class IdentityProvider:
    """The account as one SAML entity. name: `our_entity` of the sites that know it so; '': of all others. Two sites of
    one entity id (two domains of one Microsoft tenant) are told apart by the address a message came to."""

    name: str = ""

    @property
    def entity_id(self) -> str:
        return self.at("metadata")

    def at(self, end: str) -> str:
        """The address of its `metadata`, which is its name too, of `sso` or `slo`."""
        return f"{settings.MASSAR.saml_url}{f'/as/{self.name}' if self.name else ''}/{end}"


def idp_of(site: Site) -> IdentityProvider:
    return IdentityProvider(site.our_entity)


def signer(*, now: datetime) -> XmlSigner:
    opened = keys.active(keys.SAML, now=now)
    return XmlSigner(opened.rsa, opened.public)


def certificates(*, now: datetime) -> list[str]:
    """Every current certificate of the account in PEM, the one that signs first."""
    signs = keys.active(keys.SAML, now=now)
    return [signs.public, *(one.public for one in keys.published((keys.SAML,), now=now) if one.kid != signs.kid)]


def name_id_kinds(site: Site) -> list[str]:
    """The kinds of NameID that the site may get: the registered one and those that tell less."""
    least_first = list(NAME_ID_FORMATS)
    return least_first[: least_first.index(site.name_id) + 1]


def name_id_values(sid: str, subject: str, login: str) -> dict[str, str]:
    """Every NameID under which a site may know a person and session, by kind. sid: the session's name at that site."""
    return {"transient": f"_{sid}", "persistent": subject, "email": login}


def name_id(site: Site, kind: str, sid: str, subject: str, login: str) -> NameId:
    """The one that the site is told; kind '': the registered one. It is the site's own, unless it is an address."""
    kind = kind or site.name_id
    own = () if kind == "email" else (idp_of(site).entity_id, site.entity_id)
    return NameId(name_id_values(sid, subject, login)[kind], NAME_ID_FORMATS[kind], *own)
