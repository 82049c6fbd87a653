"""What a site's settings must be beyond their types: one sentence for each mistake, saying what to do.

`address` and `role` judge one value and raise ValueError. `judge` yields (settings, sentence): where one of those
settings could not be read at all, that is told instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from massar.core.loopback import is_loopback
from massar.core.settings import near, one_of

if TYPE_CHECKING:
    from massar.domain.sites.registry import Site

CLAIMS = ("name", "name_ar", "given_name", "family_name", "email", "school", "school_ar", "role", "locale")
CLAIMS_OF_SCOPE = {
    "openid": (),
    "profile": ("name", "given_name", "family_name", "name_ar", "locale"),
    "email": ("email", "email_verified"),
    "school": ("school", "school_ar", "role"),
    "recovery": ("recovered_at",),
    "mail": (),
    "offline_access": (),
}
SCOPES = tuple(CLAIMS_OF_SCOPE)
LANGUAGES = ("ar", "fr", "en")
LONGEST_ROLE = 20  # characters, as the person's column
LONGEST_SCOPES = 200  # characters with the spaces between, as the grant's column
YEAR = 366 * 24  # hours; far more would leave the calendar
LONGEST_OFFLINE = 90  # days
CONNECTS = {"redirect_uris": "oidc", "acs": "saml", "gate_origin": "gate"}  # setting -> the protocol that reads it
_AS_THEY_ARE = re.compile(r"[A-Za-z0-9*._~-]+")
_SLUG = re.compile(r"[a-z][a-z0-9_-]{1,38}")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[1-9][0-9]{0,4})?")
_SECRET_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_URI = re.compile(r"[!$-;=?-\[\]-~]+")  # RFC 3986 and a little more: no space, control, quote, #, <, > or backslash
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?|[0-9a-f:.]+")
_OWN_SCOPE = re.compile(r"[!#-9;-\[\]-~]+")  # RFC 6749 §3.3, without the colon that marks single claims in a grant
PublicKey = ECKey | RSAKey | OKPKey
_KEYS: dict[str, type[PublicKey]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
_PUBLIC = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "OKP": ("crv", "x")}
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}  # RFC 7518 §6
# By curve, RSA by its name: what an assertion under such a key may be signed with.
SIGNS = {"P-256": ("ES256",), "P-384": ("ES384",), "Ed25519": ("EdDSA",), "RSA": ("PS256", "RS256")}
SHORTEST_RSA = 2048  # bits; NIST SP 800-131A
HIGHEST_INDEX = 65535  # xs:unsignedShort

Mistakes = Iterator[tuple[str, str]]
Rules = list[tuple[str, object, str]]  # settings, whether they break the rule, and what is said then


def form_encoded(text: str) -> str:
    """The signs of a client id or secret that form-encoding writes otherwise, each once (RFC 6749 §2.3.1)."""
    return "".join(dict.fromkeys(_AS_THEY_ARE.sub("", text)))


def judge(site: Site) -> Mistakes:
    """Every mistake that the site's settings show together."""
    for name in ("name", "purpose"):
        for language in set(getattr(site, name)) - set(LANGUAGES):
            yield name, f"{name} has the language {language!r}: choose {one_of(LANGUAGES)}"
    yield from _judged_scopes(site)
    for number, key in enumerate(site.client_keys, 1):
        if trouble := _key_trouble(key):
            yield "client_keys", f"client_keys: key {number} {trouble}"
    for name, claim in site.released.items():
        if claim not in CLAIMS:
            wish = f"choose from {', '.join(CLAIMS)}{near(claim, CLAIMS)}"
            yield "attributes", f"has an unknown attribute {claim!r}: {wish}"
        if not name or not name.isprintable() or " " in name:
            yield "attributes", f"calls an attribute {name!r}: a name has no spaces"
    no_name = "is no name for a site: 2 to 39 small letters, digits, - and _, a letter first"
    rules: Rules = [("", not _SLUG.fullmatch(site.slug), no_name)]
    for name in ("slo_soap", "backchannel_logout_uri"):
        sentence = f"hears_sign_out is false, but {name} is given: leave one of them out"
        rules.append((f"hears_sign_out {name}", not site.hears_sign_out and getattr(site, name), sentence))
    by_protocol = {"oidc": _oidc_rules, "saml": _saml_rules, "gate": _gate_rules}
    if site.protocol in by_protocol:
        rules += by_protocol[site.protocol](site)
    yield from ((settings, sentence) for settings, broken, sentence in rules if broken)


def role(text: str) -> str:
    """Judge one role. Raises ValueError."""
    if not text or len(text) > LONGEST_ROLE or text != text.strip() or not text.isprintable():
        raise ValueError(f"holds {text!r}: a role has 1 to {LONGEST_ROLE} characters and no space around it")
    return text


def address(text: str) -> str:
    """Judge one address; an empty one is none. Raises ValueError."""
    if text and not _is_address(text):
        wish = "an address begins with https:// (http:// on this machine only), names a host and has no #"
        raise ValueError(f"holds {text!r}: {wish}")
    return text


def _judged_scopes(site: Site) -> Mistakes:
    """A site that acts for itself may have scopes of its own, for the servers that ask what its tokens are worth."""
    for scope in site.scopes:
        if site.service and not _OWN_SCOPE.fullmatch(scope):
            yield "scopes service", f"scopes holds {scope!r}: a scope has no space, colon, quote or backslash"
        if not site.service and scope not in SCOPES:
            wish = f"choose from {', '.join(SCOPES)}{near(scope, SCOPES)}"
            sentence = f"scopes holds {scope!r}: {wish} (only a site with service = true may have its own)"
            yield "scopes service", sentence
    if len(" ".join(site.scopes)) > LONGEST_SCOPES:
        yield "scopes", f"scopes are longer than {LONGEST_SCOPES} characters together: take some out"
    if site.offline_days and "offline_access" not in site.scopes:
        yield "offline_days scopes", "offline_days is given: add offline_access to scopes, which is what asks for it"
    # What is never said because no scope allows it would be a setting without effect.
    allowed = [name for scope in site.scopes for name in CLAIMS_OF_SCOPE.get(scope, ())]
    choices = allowed or [name for names in CLAIMS_OF_SCOPE.values() for name in names]
    for name in site.id_token_claims:
        if name not in allowed:
            scope = next((scope for scope, names in CLAIMS_OF_SCOPE.items() if name in names), "")
            wish = f"add {scope} to scopes" if scope else f"choose from {', '.join(choices)}{near(name, choices)}"
            yield "id_token_claims scopes", f"id_token_claims holds {name!r}, which no scope of the site allows: {wish}"


def _key_trouble(jwk: Mapping[str, Any]) -> str:
    """Why it is no public JWK that can verify an assertion (RFC 7517, RFC 7518 §6); '' if it is one. Shows no value."""
    kind = jwk.get("kty")
    if not isinstance(kind, str) or kind not in _KEYS:
        return f"needs a kty: {one_of(tuple(_KEYS))}, as in a public JWK"
    if private := ", ".join(sorted(_PRIVATE & set(jwk))):
        wish = "only the site may have those, so make a new key and give its public part"
        return f"holds private parts ({private}): {wish}"
    absent = [name for name in _PUBLIC[kind] if not isinstance(jwk.get(name), str)]
    if absent:
        return f"needs {' and '.join(absent)} as text"
    signs = SIGNS.get("RSA" if kind == "RSA" else jwk["crv"])
    if not signs:
        return f"has a curve that is not taken: choose {one_of(tuple(name for name in SIGNS if name != 'RSA'))}"
    if jwk.get("alg", signs[0]) not in signs:
        return f"can't sign with its alg: give {' or '.join(signs)}, or leave alg out"
    if jwk.get("use", "sig") != "sig":
        return 'is not for signing: give one with use = "sig", or leave use out'
    if not isinstance(jwk.get("kid", ""), str):
        return "has a kid that is no text: put it in quotes"
    short = f"is RSA of less than {SHORTEST_RSA} bits: the site needs a longer one"
    # Six bits a letter; reading it would print a warning as well.
    if kind == "RSA" and len(jwk["n"]) * 6 < SHORTEST_RSA:
        return short
    try:
        key = public_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError, OverflowError):
        return "can't be read: copy the public JWK again"
    return short if isinstance(key, RSAKey) and key.public_key.key_size < SHORTEST_RSA else ""


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """Read the public part of a JWK, and nothing that stands beside it. Raises JoseError, ValueError, TypeError or
    KeyError where it is none."""
    kind = jwk["kty"]
    return _KEYS[kind].import_key({"kty": kind, **{name: jwk[name] for name in _PUBLIC[kind]}})


def _oidc_rules(site: Site) -> Rules:
    used = bool(site.redirect_uris or site.service or site.introspects)
    secret = site.client_auth.startswith("client_secret") and (used or site.client_secret)
    by_key, by_nothing = (used and site.client_auth == way for way in ("private_key_jwt", "none"))
    return [
        ("client_id", used and not site.client_id, "needs a client_id"),
        ("client_secret client_auth", secret and not _SECRET_HASH.fullmatch(site.client_secret),
         _hashed("client_secret")),
        ("client_keys client_auth", by_key and not site.client_keys,
         "client_auth is private_key_jwt: give its public keys in client_keys"),
        ("pkce client_auth", by_nothing and not site.pkce, "a client without a secret must use PKCE: leave pkce out"),
        ("scopes redirect_uris", site.redirect_uris and "openid" not in site.scopes, "scopes must hold openid"),
    ]  # fmt: skip


def _saml_rules(site: Site) -> Rules:
    """Each address in `acs` has a number of its own, an xs:unsignedShort (SAML metadata §2.2.3)."""
    indexes = site.acs_indexes
    return [
        ("entity_id", site.acs and not site.entity_id, "needs an entity_id"),
        ("our_entity", site.our_entity and not _SLUG.fullmatch(site.our_entity),
         "our_entity is a part of addresses: 2 to 39 small letters, digits, - and _, a letter first"),
        ("acs acs_indexes", indexes and len(indexes) != len(site.acs),
         f"acs_indexes has {len(indexes)} numbers for {len(site.acs)} addresses in acs: give one for each"),
        ("acs_indexes", len(set(indexes)) != len(indexes),
         "acs_indexes holds a number twice: each address in acs has its own"),
        ("certificate signed_requests", site.signed_requests and not site.certificate,
         "asks for signed requests: give the site's certificate"),
        ("slo_soap backchannel_logout_uri", site.slo_soap and site.backchannel_logout_uri,
         "can be told in two ways: give slo_soap or backchannel_logout_uri"),
    ]  # fmt: skip


def _gate_rules(site: Site) -> Rules:
    origin = site.gate_origin
    return [
        ("attributes", isinstance(site.attributes, dict),
         "attributes must be a list: the names of the gate's headers are fixed"),
        ("gate_origin", origin and (not _ORIGIN.fullmatch(origin) or origin.endswith((":80", ":443"))),
         "gate_origin must be scheme, host and an unusual port if any, in small letters, as https://notifrh.example.ma"),
        ("gate_key", site.gate_key and not _SECRET_HASH.fullmatch(site.gate_key), _hashed("gate_key")),
    ]  # fmt: skip


def _hashed(setting: str) -> str:
    return f"{setting} must be the hash that `massar sites secret` prints (sha256:…)"


def _is_address(address: str) -> bool:
    """What urlsplit can't read, or would quietly leave out (line ends, a user), is none."""
    if not _URI.fullmatch(address):
        return False
    try:
        parts = urlsplit(address)
        plain = parts.username is None and (parts.port is None or parts.port > 0)
    except ValueError:  # a bracket without its other half, a port that is no number
        return False
    host = parts.hostname or ""
    known = len(host) < 254 and _HOST.fullmatch(host) is not None
    return plain and known and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))
