"""One registered site, and the registry of them all."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import timedelta

# Where a native program listens on the person's own machine (RFC 8252 §7.3); "localhost" may be somebody else (§8.3).
_LOOPBACK = r"http://(?:127\.0\.0\.1|\[::1\])"
_ANY_PORT = re.compile(rf"{_LOOPBACK}/.*")  # as registered
_AT_A_PORT = re.compile(rf"({_LOOPBACK}):([1-9][0-9]{{0,4}})(/.*)")  # as asked for
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Site:
    """One site. Texts by language. What a protocol does not use stays empty. Annotations say what the file may hold."""

    slug: str
    protocol: str = "none"
    name: dict[str, str] = field(default_factory=dict)
    purpose: dict[str, str] = field(default_factory=dict)
    host: str = ""
    icon: str = "notice"
    home: str = ""
    order: int = 100
    # who may enter
    roles: tuple[str, ...] = ()
    no_recovery_hours: int = 0
    max_age_minutes: int = 0
    no_recent_recovery: bool = False
    # on purpose: a native program or a site with tokens alone has nothing that a sign-out could end
    hears_sign_out: bool = True
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
    id_token_claims: tuple[str, ...] = ()
    offline_days: int = 0
    service: bool = False
    introspects: bool = False
    # SAML 2.0
    entity_id: str = ""
    our_entity: str = ""
    acs: tuple[str, ...] = ()
    acs_indexes: tuple[int, ...] = ()
    slo: str = ""
    slo_binding: str = "redirect"
    slo_response: str = ""
    slo_soap: str = ""
    name_id: str = "persistent"
    attributes: tuple[str, ...] | dict[str, str] = ("email", "name")
    certificate: str = ""
    signed_requests: bool = False
    # the gate
    gate_origin: str = ""
    gate_key: str = ""

    @property
    def connected(self) -> bool:
        """Whether a card can lead there."""
        return bool({"oidc": self.redirect_uris, "saml": self.acs, "gate": self.gate_origin, "none": ()}[self.protocol])

    @property
    def loopback_uris(self) -> tuple[str, ...]:
        """The redirect_uris of a native program, which may come back at any port. A public client with PKCE only: the code is
        worth nothing to another program that listens there (RFC 8252 §8.1), and no secret is spread over people's machines."""
        native = self.client_auth == "none" and self.pkce
        return tuple(address for address in self.redirect_uris if native and _ANY_PORT.fullmatch(address))

    def takes_back(self, address: str) -> bool:
        """Whether a code may be sent there: character by character, but for the port of a native program."""
        at = _AT_A_PORT.fullmatch(address)
        if at and int(at[2]) <= _HIGHEST_PORT and f"{at[1]}{at[3]}" in self.loopback_uris:
            return True
        return address in self.redirect_uris

    @property
    def for_people(self) -> bool:
        """Whether a card can say anything: a server that only asks, or acts for itself, has no page to press on, and a native
        program is started on the person's own machine."""
        if self.home or set(self.redirect_uris) - set(self.loopback_uris):
            return True
        return not (self.protocol == "oidc" and (self.introspects or self.service or self.loopback_uris))

    @property
    def offline_life(self) -> int:
        """Seconds that a program may stay signed in after its session; 0: not at all."""
        return self.offline_days * 24 * 3600

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
    def acs_by_index(self) -> dict[str, str]:
        """AssertionConsumerServiceIndex as a request writes it -> address (SAML core §3.4.1); positions where none are given."""
        return {
            str(index): address
            for index, address in zip(self.acs_indexes or range(len(self.acs)), self.acs, strict=True)
        }

    @property
    def slo_answers(self) -> str:
        """Where a LogoutResponse goes (SAML metadata §2.2.2, ResponseLocation)."""
        return self.slo_response or self.slo

    def called(self, language: str) -> str:
        return self.name.get(language) or next(iter(self.name.values()), self.slug)

    def serves(self, language: str) -> str:
        return self.purpose.get(language) or next(iter(self.purpose.values()), "")


def hashed_secret(secret: str) -> str:
    """What the file keeps of a secret. It is 256 random bits that we made, so no slow hash is needed."""
    return f"sha256:{hashlib.sha256(secret.encode('utf-8', 'surrogatepass')).hexdigest()}"


def is_secret(said: str, kept: str) -> bool:
    """Whether `kept` was made of what is said; never of nothing, and nothing is kept where there is none."""
    return bool(said and kept) and hmac.compare_digest(hashed_secret(said).encode(), kept.encode())


class Registry:
    """All sites, by slug, client id and SAML entity id."""

    def __init__(self, sites: list[Site]):
        self.sites = tuple(sorted(sites, key=lambda s: (s.order, s.slug)))
        self.by_slug = {s.slug: s for s in sites}
        self.by_client = {s.client_id: s for s in sites if s.client_id}
        self.by_entity = {(s.our_entity, s.entity_id): s for s in sites if s.entity_id}
        self.our_entities = {s.our_entity for s in sites if s.protocol == "saml" and s.connected}
        self.by_gate = {s.gate_origin: s for s in sites if s.gate_origin}
