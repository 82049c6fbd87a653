"""The registered sites: the tables `[sites.NAME]` of the operator's file over the six of `defaults.toml`."""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from massar.core import settings
from massar.core.settings import OWN, Expected, Table
from massar.domain.sites import rules
from massar.domain.sites.rules import CONNECTS, HIGHEST_INDEX, LONGEST_OFFLINE, YEAR

DEFAULTS = Path(__file__).with_name("defaults.toml")
# Where a native program listens on the person's own machine (RFC 8252 §7.3); "localhost" may be somebody else (§8.3).
_LOOPBACK = r"http://(?:127\.0\.0\.1|\[::1\])"
_ANY_PORT = re.compile(rf"{_LOOPBACK}/.*")  # as registered
_AT_A_PORT = re.compile(rf"({_LOOPBACK}):([1-9][0-9]{{0,4}})(/.*)")  # as asked for
ByLanguage = Annotated[dict[str, str], Expected('a table of texts by language, as { fr = "…", ar = "…" }')]
Addresses = tuple[Annotated[str, AfterValidator(rules.address)], ...]
Address = Annotated[str, AfterValidator(rules.address)]


@dataclass(frozen=True)
class Site(Table):
    """One site. What a protocol does not use stays empty."""

    slug: Annotated[str, OWN] = ""
    protocol: Literal["none", "oidc", "saml", "gate"] = "none"
    """`none` is a card that only explains. Written out, it also closes a connected site for a while"""
    name: ByLanguage = field(default_factory=dict)
    """what the card says, by language (`ar`, `fr`, `en`)"""
    purpose: ByLanguage = field(default_factory=dict)
    """the same, what the site is for"""
    host: str = ""
    """the address shown on the card"""
    icon: Literal["mail", "school", "transfer", "notice", "sunset", "chart", ""] = "notice"
    """sign on the card; empty hides the card. A site with `introspects` or `service` alone, without `redirect_uris` and
    `home`, and a native program have none in any case"""
    home: Address = ""
    """where one press on the card leads; without it the front door of the protocol"""
    order: Annotated[int, Field(ge=0, le=9999)] = 100
    """place among the cards"""
    # who may enter
    roles: tuple[Annotated[str, AfterValidator(rules.role)], ...] = ()
    """roles that may enter, as the persons' records have them; without it everybody. No list of roles is fixed, so a
    misspelt one lets nobody in"""
    no_recovery_hours: Annotated[int, Field(ge=0, le=YEAR)] = 0
    """how long after a recovery the site stays closed, at most a year"""
    max_age_minutes: Annotated[int, Field(ge=0, le=YEAR * 60)] = 0
    """how old the sign-in may be, for every protocol; older: the password is asked again. 0: as old as the session; at
    most a year"""
    no_recent_recovery: bool = False
    """only accounts at `urn:massar:acr:settled`: no recovery in the last 72 hours"""
    second_factor: bool = False
    """only sign-ins with two factors (`https://refeds.org/profile/mfa`), for every protocol: who has a second factor
    proves it on the way, who has none sets one up. A remembered device does not count"""
    # on purpose: a native program or a site with tokens alone has nothing that a sign-out could end
    hears_sign_out: bool = True
    """`false`: it is right that the site does not hear of a sign-out, and `massar sites check` is silent about it. For
    a native mail program, say, which has tokens and no session of its own: its tokens end in any case"""
    # OpenID Connect
    client_id: str = ""
    """OpenID Connect: the site's name"""
    client_secret: str = field(default="", repr=False)
    """its secret as `massar sites secret` prints the hash: `sha256:…`"""
    client_auth: Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"] = "client_secret_basic"
    """how the site proves itself; with `none` PKCE is required"""
    client_keys: Annotated[tuple[dict[str, Any], ...], Expected("a list of tables, one for each key")] = ()
    """for `private_key_jwt` (an assertion lives five minutes at most): list of public JWKs, EC (P-256, P-384), RSA
    (2048 bits or more) or Ed25519, without private parts"""
    redirect_uris: Addresses = ()
    """where codes may be sent; of a [native program](sites.md#native-programs) `http://127.0.0.1/…` without a port"""
    post_logout_redirect_uris: Addresses = ()
    """where the browser may return after a sign-out"""
    backchannel_logout_uri: Address = ""
    """where signed logout tokens are posted; SAML sites without `slo_soap` may have one too"""
    pkce: bool = True
    """whether S256 is required"""
    algorithm: Literal["ES256", "RS256"] = "ES256"
    """for ID tokens and logout tokens"""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    """the most that the site may ask for: `openid`, `profile`, `email`, `school`, `recovery`, `mail`, `offline_access`.
    With `service` also scopes of its own"""
    id_token_claims: tuple[str, ...] = ()
    """claims that stand in the ID token too, for sites that never ask UserInfo ([Moodle](../integrate/moodle.md)):
    `["name", "email"]`. Each as far as the granted scopes allow it"""
    offline_days: Annotated[int, Field(ge=0, le=LONGEST_OFFLINE)] = 0
    """how long a program that was given `offline_access` stays signed in after its session has ended; 0: its tokens end
    with the session, 12 hours at most. Never for operators"""
    service: bool = False
    """the site may act for itself (client credentials)"""
    introspects: bool = False
    """the site may ask what a token is worth"""
    # SAML 2.0
    entity_id: str = ""
    """SAML 2.0: the site's name"""
    our_entity: str = ""
    """another name of the account for this site, for a federation, or for a second site with the same `entity_id` ([two
    domains of one Microsoft tenant](../integrate/saml-microsoft365.md#two-domains-of-one-tenant)): a short name, say
    `academie`. Entity id and metadata are then at `/saml/as/academie/metadata`, sign-in and sign-out beside it. Sites
    that share the name share the entity"""
    acs: Addresses = ()
    """where answers may be posted; the first is used when the site names none"""
    acs_indexes: Annotated[
        tuple[Annotated[int, Field(ge=0, le=HIGHEST_INDEX)], ...],
        Expected(f"a list of whole numbers from 0 to {HIGHEST_INDEX}, as [0, 2]"),
    ] = ()
    """the numbers that the site itself gave these addresses (`index` in its metadata), one for each: `[1, 3]`. Without
    them a request's AssertionConsumerServiceIndex is the position in `acs`, from 0"""
    slo: Address = ""
    """where single logout goes through the browser"""
    slo_binding: Literal["redirect", "post"] = "redirect"
    """`post`: messages about a sign-out travel in a form, for sites that take nothing else (Spring Security as it
    comes)"""
    slo_response: Address = ""
    """where answers go, if the site's metadata has a ResponseLocation; without it to `slo`"""
    slo_soap: Address = ""
    """where the account itself asks for logout (SOAP)"""
    name_id: Literal["persistent", "transient", "email"] = "persistent"
    """the kind of name for a person"""
    attributes: Annotated[
        tuple[str, ...] | dict[str, str],
        Expected('a list of texts, as ["email", "name"], or a table of texts, as { IDPEmail = "email" }'),
    ] = ("email", "name")
    """what a SAML or gated site is told: `name`, `name_ar`, `given_name`, `family_name`, `email`, `school`,
    `school_ar`, `role`, `locale`. SAML: or a table with the site's own names, `{ IDPEmail = "email" }`"""
    certificate: str = ""
    """the site's, in PEM; nothing else that a request carries is believed. One that has ended verifies nothing, and a
    request signed under it is refused; `massar sites check` warns 30 days before"""
    signed_requests: bool = False
    """whether the site must sign what it asks, with SHA-256 or better. Without it a signature by SHA-1 counts as none.
    A logout request that is not signed ends nothing by itself: the person is asked"""
    # the gate
    gate_origin: Address = ""
    """scheme and host of a gated site"""
    gate_key: str = ""
    """what its proxy proves itself with, as `massar sites secret` prints the hash: for
    [Traefik](../integrate/traefik.md) and [Caddy](../integrate/caddy.md)"""

    def judge(self) -> Iterator[tuple[str, str]]:
        return rules.judge(self)

    @property
    def connected(self) -> bool:
        """Whether a card can lead there."""
        return bool({"oidc": self.redirect_uris, "saml": self.acs, "gate": self.gate_origin, "none": ()}[self.protocol])

    @property
    def loopback_uris(self) -> tuple[str, ...]:
        """The redirect_uris of a native program, which may come back at any port. A public client with PKCE only: the
        code is worth nothing to another program that listens there (RFC 8252 §8.1), and no secret is spread over
        machines."""
        native = self.client_auth == "none" and self.pkce
        return tuple(address for address in self.redirect_uris if native and _ANY_PORT.fullmatch(address))

    def takes_back(self, address: str) -> bool:
        """Whether a code may be sent there: character by character, but for the port of a native program."""
        at = _AT_A_PORT.fullmatch(address)
        native = at and int(at[2]) <= 65535 and f"{at[1]}{at[3]}" in self.loopback_uris
        return bool(native) or address in self.redirect_uris

    @property
    def for_people(self) -> bool:
        """Whether a card can say anything: a server that only asks, or acts for itself, has no page to press on, a
        native program is started on the person's own machine."""
        if self.home or set(self.redirect_uris) - set(self.loopback_uris):
            return True
        return not (self.protocol == "oidc" and (self.introspects or self.service or self.loopback_uris))

    @property
    def offline_life(self) -> int:
        """Seconds that a program may stay signed in after its session; 0: not at all."""
        return self.offline_days * 24 * 3600

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
        """AssertionConsumerServiceIndex as a request has it -> address (SAML core §3.4.1); without any, positions."""
        indexes = map(str, self.acs_indexes or range(len(self.acs)))
        return dict(zip(indexes, self.acs, strict=True))

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


def read(given: object, environ: Mapping[str, str]) -> tuple[Registry, list[str]]:
    """Read what stands under `sites` in the operator's file; environ: where `env:NAME` is looked up. Returns the
    registry of what can be read, and one sentence for each mistake."""
    tables: dict[str, dict[str, Any]] = settings.read_toml(DEFAULTS)["sites"]
    mistakes, sites = [], []
    if not isinstance(given, Mapping):
        mistakes.append("sites must be tables: write [sites.NAME] above the settings of each site.")
        given = {}
    for slug, values in given.items():
        if isinstance(values, Mapping):
            tables[slug] = {**tables.get(slug, {}), **values}
        else:
            head = _called(slug)
            mistakes.append(f"{head} must be a table: write {head} on a line of its own above its settings.")
    for slug, values in tables.items():
        site, told = settings.read(Site, values, environ=environ, called=_called(slug), own={"slug": slug})
        sites.append(site)
        mistakes += told
        if "protocol" not in values:  # with `protocol = "none"` a connected site can be closed for a while
            for name in sorted(set(CONNECTS) & set(values)):
                mistakes.append(f'{_called(slug)} has {name} but no protocol: add protocol = "{CONNECTS[name]}".')
    return Registry(sites), [*mistakes, *_twins(sites)]


def _called(slug: str) -> str:
    """The head of a site's table, on one line whatever it holds."""
    return f"[sites.{slug}]" if slug.replace("-", "_").isidentifier() else f"[sites.{slug!r}]"


def _twins(sites: list[Site]) -> list[str]:
    """Sites that share what must be their own."""
    mistakes = []
    for what in ("client_id", "entity_id", "gate_origin"):
        seen: dict[tuple[str, str], str] = {}
        saml = what == "entity_id"
        for site in sites:
            value = getattr(site, what)
            known = (value, site.our_entity if saml else "")
            if value and known in seen:
                wish = ", or an our_entity of its own where the other side has one name for both" if saml else ""
                both = f"{_called(site.slug)} and {_called(seen[known])}"
                mistakes.append(f"{both} have the same {what}: each site needs its own{wish}.")
            seen[known] = site.slug
    return mistakes
