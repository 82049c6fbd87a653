"""Reading an authorization request (OIDC Core §3.1.2.1, RFC 6749 §4.1.1, RFC 7636): pure, no database.

client_id and redirect_uri are judged first: while they are not certain, nothing is sent anywhere (ATK-101). Whatever
else is wrong, the site is told, with its state as it came: a page of ours would be a dead end for the person.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from massar.domain.sites import api as sites
from massar.journeys.sso.access import ACRS, issuer
from massar.journeys.sso.oidc import claims as oidc_claims

LONGEST = 4096  # characters of one value
LONGEST_OBJECT = 8192  # … of those in which sites put whole objects: ASP.NET Core and brokers, into state
LONG = ("state", "claims", "id_token_hint")
LONGEST_REQUEST = 16 * 1024  # … of all that is read, as it stands in an address: strangers make us keep it
MOST_AGE = 10 * 365 * 24 * 3600
PROMPTS = {"none", "login", "consent", "select_account"}
REFUSED = {name: f"{name}_not_supported" for name in ("request", "request_uri", "registration")}
# What is read, and kept while its person signs in; any other parameter is ignored (RFC 6749 §3.1), however long it is.
READ = (
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge",
    "code_challenge_method", "prompt", "max_age", "claims", "acr_values", "login_hint", "ui_locales", "id_token_hint",
    *REFUSED,
)  # fmt: skip
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # SHA-256 in base64url (RFC 7636 §4.2)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class UnusableRequest:
    """No answer may go to any site. problem: 'site', 'address' or 'request'; detail is for the integrator."""

    problem: str
    detail: str


@dataclass(frozen=True)
class AuthorizationResponse:
    """The answer that the browser takes to the site. mode: 'query' or 'form_post'."""

    site: sites.Site
    address: str
    mode: str
    fields: dict[str, str]


@dataclass(frozen=True)
class AuthorizationRequest:
    """A request that can be answered. raw: what was asked, as it is kept while its person signs in. scope: what the
    grant will hold. fresh: the password is to be typed. one_of: acr values of which one must be true; wishes: those
    that are known, the dearest first."""

    site: sites.Site
    raw: dict[str, str] = field(repr=False)
    scope: str
    challenge: str
    silent: bool
    fresh: bool
    max_age: int | None
    one_of: tuple[str, ...]
    wishes: tuple[str, ...]
    subject: str

    def answer(self, **fields: str) -> AuthorizationResponse:
        return _respond(self.site, self.raw, fields)

    def error(self, error: str, detail: str = "") -> AuthorizationResponse:
        return self.answer(error=error, **({"error_description": detail} if detail else {}))


class _Mistake(Exception):
    """Its arguments are the error of RFC 6749 and the detail."""


def _demand(good: object, detail: str, error: str = "invalid_request") -> None:
    if not good:
        raise _Mistake(error, detail)


def read(
    given: Mapping[str, list[str]], registry: sites.Registry
) -> AuthorizationRequest | UnusableRequest | AuthorizationResponse:
    """Judge the parameters as they came, each with all its values."""
    clients, addresses = given.get("client_id", []), given.get("redirect_uri", [])
    site = registry.by_client.get(clients[0]) if len(clients) == 1 else None
    if site is None or site.protocol != "oidc":
        return UnusableRequest("site", "client_id is not registered.")
    if len(addresses) != 1 or not site.takes_back(addresses[0]):
        return UnusableRequest("address", "redirect_uri is not one of the registered ones, character by character.")
    once = {name: given[name][0] for name in READ if given.get(name) and given[name][0]}
    try:
        _judge_form(given, once)
        return _asked(site, once)
    except _Mistake as mistake:
        error, detail = mistake.args
        return _respond(site, once, {"error": error, "error_description": detail})


def _respond(site: sites.Site, asked: Mapping[str, str], fields: Mapping[str, str]) -> AuthorizationResponse:
    """With state as it came, and iss (RFC 9207)."""
    mode, state = asked.get("response_mode", "query"), asked.get("state", "")
    if len(state) > LONGEST_REQUEST:
        state = ""  # nobody's server would take the address that it came to
    said = {**fields, **({"state": state} if state else {}), "iss": issuer()}
    return AuthorizationResponse(site, asked["redirect_uri"], mode if mode == "form_post" else "query", said)


def _judge_form(given: Mapping[str, list[str]], once: dict[str, str]) -> None:
    _demand(all(len(values) <= 1 for values in given.values()), "A parameter stands twice.")
    for name, error in REFUSED.items():
        _demand(name not in once, f"{name} is not supported.", error)
    for name, value in once.items():
        longest = LONGEST_OBJECT if name in LONG else LONGEST
        _demand(len(value) <= longest, f"{name} is longer than {longest} characters.")
        _demand(not CONTROL.search(value), f"{name} holds control characters.")
    _demand(len(urlencode(once)) <= LONGEST_REQUEST, f"The request is longer than {LONGEST_REQUEST} characters.")
    modes = ("query", "form_post")
    _demand(once.get("response_mode", "query") in modes, "response_mode must be query or form_post.")


def _asked(site: sites.Site, once: dict[str, str]) -> AuthorizationRequest:
    _demand("response_type" in once, "response_type is missing.")
    _demand(once["response_type"] == "code", "response_type must be code.", "unsupported_response_type")
    # Each once; what the site may not have is left out (RFC 6749 §3.3).
    scopes = [scope for scope in dict.fromkeys(once.get("scope", "").split()) if scope in site.scopes]
    _demand("openid" in scopes, "scope must hold openid.", "invalid_scope")
    claims = oidc_claims.read_parameter(once.get("claims", ""))
    if claims is None:
        raise _Mistake("invalid_request", "claims is not a JSON object of objects.")
    prompts = set(once.get("prompt", "").split())
    known = prompts <= PROMPTS and not ("none" in prompts and len(prompts) > 1)
    _demand(known, "prompt is not one of none, login, consent, select_account.")
    age = once.get("max_age", "")
    _demand(not age or (age.isascii() and age.isdecimal()), "max_age must be a whole number of seconds.")
    max_age = min(int(age[:12]), MOST_AGE) if age else None
    subject = _wish(claims, "sub").get("value")  # the one that the site wants to hear of (OIDC Core §5.5.1)
    one_of, wishes = _wanted_acrs(once.get("acr_values", ""), claims)
    scope, fresh = oidc_claims.granted_scope(site, scopes, claims), bool(prompts & {"login", "select_account"})
    return AuthorizationRequest(
        site, once, scope, challenge=_challenge(site, once), silent="none" in prompts, fresh=fresh or max_age == 0,
        max_age=max_age, one_of=one_of, wishes=wishes,
        subject=subject if isinstance(subject, str) else "",
    )  # fmt: skip


def _challenge(site: sites.Site, once: dict[str, str]) -> str:
    challenge, method = once.get("code_challenge", ""), once.get("code_challenge_method", "")
    if challenge or method or site.pkce:
        _demand(challenge or method, "code_challenge is missing (PKCE).")
        _demand(method == "S256" and CHALLENGE.fullmatch(challenge), "code_challenge must be of method S256.")
    return challenge


def _wanted_acrs(acr_values: str, claims: oidc_claims.ClaimsParameter) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """One of which nothing else will do, and the wishes. They must be met when asked as essential (OIDC Core
    §5.5.1.1), or when one value alone is wanted."""
    wish = _wish(claims, "acr")
    listed = wish.get("values")
    wanted = [one for one in (listed if isinstance(listed, list) else [wish.get("value")]) if isinstance(one, str)]
    if wish.get("essential") is not True:
        words = acr_values.split() or wanted
        known = tuple(one for one in words if one in ACRS)
        return (known if len(acr_values.split()) == 1 else ()), known
    known = tuple(one for one in wanted if one in ACRS)
    _demand(known or not wanted, "None of these acr values is known here.", "unmet_authentication_requirements")
    return known, known


def _wish(claims: oidc_claims.ClaimsParameter, name: str) -> dict[str, object]:
    """What is asked of one claim of the ID token; {} for nothing in particular."""
    wish = (claims.get("id_token") or {}).get(name)
    return wish if isinstance(wish, dict) else {}
