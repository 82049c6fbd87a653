"""The registered sites: one TOML file over the six of the guide (`defaults.toml`).

An operator's file (MASSAR_CONFIG) adds sites or overrides single values of the six. Every mistake is one sentence.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

DEFAULTS = Path(__file__).with_name("defaults.toml")
PROTOCOLS = ("oidc", "saml", "gate", "none")
CLIENT_AUTH = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
NAME_IDS = ("persistent", "transient", "email")
CLAIMS = ("name", "name_ar", "given_name", "family_name", "email", "school", "school_ar", "role", "locale")
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SLUG = re.compile(r"[a-z][a-z0-9_-]{1,38}")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?")
_SECRET_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class RegistryError(Exception):
    """The registry can't be used; `mistakes` holds one sentence for each thing to put right."""

    def __init__(self, mistakes: list[str]):
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Site:
    """One site. Texts by language; durations in seconds in the file. What a protocol does not use stays empty."""

    slug: str
    protocol: str = "none"
    name: dict = field(default_factory=dict)
    purpose: dict = field(default_factory=dict)
    host: str = ""
    icon: str = "notice"
    home: str = ""
    order: int = 100
    # who may enter
    roles: tuple[str, ...] = ()
    no_recovery_hours: int = 0
    max_age_minutes: int = 0
    settled: bool = False
    # OpenID Connect
    client_id: str = ""
    client_secret: str = ""
    client_auth: str = "client_secret_basic"
    client_keys: tuple[dict, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str = ""
    pkce: bool = True
    algorithm: str = "ES256"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    service: bool = False
    introspects: bool = False
    # SAML 2.0
    entity_id: str = ""
    acs: tuple[str, ...] = ()
    slo: str = ""
    slo_response: str = ""
    slo_soap: str = ""
    name_id: str = "persistent"
    attributes: tuple[str, ...] | dict[str, str] = ("email", "name")
    certificate: str = ""
    signed_requests: bool = False
    # the gate
    gate_origin: str = ""

    @property
    def connected(self) -> bool:
        """Whether a card can lead there."""
        return bool(
            {"oidc": self.redirect_uris, "saml": self.acs, "gate": self.gate_origin, "none": ()}[
                self.protocol
            ]
        )

    @property
    def recovery_wait(self) -> timedelta:
        return timedelta(hours=self.no_recovery_hours)

    @property
    def longest_age(self) -> timedelta | None:
        """How old a sign-in may be to enter; None: as old as the session."""
        return timedelta(minutes=self.max_age_minutes) if self.max_age_minutes else None

    @property
    def released(self) -> dict[str, str]:
        """What a SAML or gated site is told: the site's name for it -> the claim."""
        return self.attributes if isinstance(self.attributes, dict) else {name: name for name in self.attributes}

    @property
    def slo_answers(self) -> str:
        """Where a LogoutResponse goes (SAML metadata §2.2.2, ResponseLocation)."""
        return self.slo_response or self.slo

    def called(self, language: str) -> str:
        return self.name.get(language) or next(iter(self.name.values()), self.slug)

    def serves(self, language: str) -> str:
        return self.purpose.get(language) or next(iter(self.purpose.values()), "")


class Registry:
    """All sites, by slug, client id and SAML entity id."""

    def __init__(self, sites: list[Site]):
        self.sites = tuple(sorted(sites, key=lambda s: (s.order, s.slug)))
        self.by_slug = {s.slug: s for s in sites}
        self.by_client = {s.client_id: s for s in sites if s.client_id}
        self.by_entity = {s.entity_id: s for s in sites if s.entity_id}
        self.by_gate = {s.gate_origin: s for s in sites if s.gate_origin}


def load(path: str | Path | None) -> Registry:
    """The six of the guide with the operator's file over them. Raises RegistryError with every mistake."""
    tables = tomllib.loads(DEFAULTS.read_text("utf-8"))["sites"]
    if path:
        try:
            own = tomllib.loads(Path(path).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as trouble:
            raise RegistryError([f"{path} can't be read: {trouble}"]) from trouble
        for slug, values in own.get("sites", {}).items():
            tables[slug] = {**tables.get(slug, {}), **values}
    mistakes: list[str] = []
    sites = [_site(slug, values, mistakes) for slug, values in tables.items()]
    _unique(sites, mistakes)
    if mistakes:
        raise RegistryError(mistakes)
    return Registry(sites)


def _site(slug: str, values: dict, mistakes: list[str]) -> Site:
    known = {f.name: f for f in fields(Site) if f.name != "slug"}
    said = f"[sites.{slug}]"
    for name in set(values) - set(known):
        mistakes.append(f"{said} has no setting {name!r}.")
    clean = {}
    for name, value in values.items():
        if name not in known:
            continue
        wanted = type(
            known[name].default_factory() if callable(known[name].default_factory) else known[name].default
        )
        value = tuple(value) if wanted is tuple and isinstance(value, list) else value
        renamed = name == "attributes" and isinstance(value, dict)
        if type(value) is not wanted and not renamed:
            mistakes.append(f"{said} {name} must be {_kind(wanted)}.")
            continue
        clean[name] = _from_environment(value) if isinstance(value, str) else value
    site = Site(slug, **clean)
    mistakes += [f"{said} {sentence}" for sentence in _judged(site)]
    return site


def _kind(wanted: type) -> str:
    return {
        str: "a text",
        int: "a whole number",
        bool: "true or false",
        tuple: "a list",
        dict: "a table by language",
    }[wanted]


def _from_environment(value: str) -> str:
    """`env:NAME` is read from the environment: secrets need not stand in the file."""
    return os.environ.get(value[4:], "") if value.startswith("env:") else value


def _judged(site: Site):
    if not _SLUG.fullmatch(site.slug):
        yield "is no name for a site: small letters, digits, - and _."
    if site.protocol not in PROTOCOLS:
        yield f"protocol is {site.protocol!r}: choose one of {', '.join(PROTOCOLS)}."
        return
    for name in ("no_recovery_hours", "max_age_minutes"):
        if getattr(site, name) < 0:
            yield f"{name} can't be less than 0."
    if site.protocol == "oidc" and (site.redirect_uris or site.service or site.introspects):
        yield from _judged_oidc(site)
    if site.protocol == "saml" and site.acs:
        yield from _judged_saml(site)
    if site.gate_origin:
        yield from _judged_gate(site)
    for address in (
        *site.redirect_uris,
        *site.post_logout_redirect_uris,
        *site.acs,
        *filter(None, (site.backchannel_logout_uri, site.slo, site.slo_response, site.slo_soap, site.home, site.gate_origin)),
    ):
        yield from _judged_address(address)


def _judged_oidc(site: Site):
    if not site.client_id:
        yield "needs a client_id."
    if site.client_auth not in CLIENT_AUTH:
        yield f"client_auth is {site.client_auth!r}: choose one of {', '.join(CLIENT_AUTH)}."
    if site.client_auth.startswith("client_secret") and not _SECRET_HASH.fullmatch(site.client_secret):
        yield "client_secret must be the hash that `massar sites secret` prints (sha256:…)."
    if site.client_auth == "private_key_jwt" and not site.client_keys:
        yield "client_auth is private_key_jwt: give its public keys in client_keys."
    if site.client_auth == "none" and not site.pkce:
        yield "a client without a secret must use PKCE."
    if site.algorithm not in ("ES256", "RS256"):
        yield f"algorithm is {site.algorithm!r}: choose ES256 or RS256."
    if site.redirect_uris and "openid" not in site.scopes:
        yield "scopes must hold openid."


def _judged_saml(site: Site):
    if not site.entity_id:
        yield "needs an entity_id."
    if site.name_id not in NAME_IDS:
        yield f"name_id is {site.name_id!r}: choose one of {', '.join(NAME_IDS)}."
    yield from _judged_attributes(site)
    if site.signed_requests and not site.certificate:
        yield "asks for signed requests: give the site's certificate."
    if site.slo_soap and site.backchannel_logout_uri:
        yield "can be told in two ways: give slo_soap or backchannel_logout_uri."


def _judged_attributes(site: Site):
    for name, claim in site.released.items():
        if claim not in CLAIMS:
            yield f"has an unknown attribute {claim!r}: choose from {', '.join(CLAIMS)}."
        if not name or not name.isprintable() or " " in name:
            yield f"calls an attribute {name!r}: a name has no spaces."


def _judged_gate(site: Site):
    yield from _judged_attributes(site)
    if isinstance(site.attributes, dict):
        yield "attributes must be a list: the names of the gate's headers are fixed."
    if not _ORIGIN.fullmatch(site.gate_origin) or site.gate_origin.endswith((":80", ":443")):
        yield "gate_origin must be scheme, host and a port that is not the usual one, in small letters, as https://notifrh.example.ma."


def _judged_address(address: str):
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname and not parts.fragment:
        return
    if parts.scheme == "http" and parts.hostname in LOOPBACK and not parts.fragment:
        return
    yield f"{address!r} must begin with https:// (http:// on this machine only) and have no #."


def _unique(sites: list[Site], mistakes: list[str]) -> None:
    for what in ("client_id", "entity_id", "gate_origin"):
        seen: dict[str, str] = {}
        for site in sites:
            value = getattr(site, what)
            if value and value in seen:
                mistakes.append(f"[sites.{site.slug}] and [sites.{seen[value]}] have the same {what}.")
            seen[value] = site.slug
