"""A site as OpenID Connect describes it, on the other side of the wire: it trusts nothing and checks everything.

It shares no code with the product: discovery and JWKS by HTTP, signatures by `jws.py`, ID tokens by the rules of OpenID
Connect Core §3.1.3.7. `Surfer` is the person's browser, which stops at the door of a site.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, replace
from html import unescape
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from django.utils.functional import cached_property

from massar.domain.sites.api import Registry, Site, hashed_secret
from tests.cast import YOUSSEF
from tests.sso import jws
from tests.sso.jws import Distrust
from tests.support.visitor import Visitor, forms

ISSUER = "http://localhost:8000"
OURS = (ISSUER, "http://testserver")
SKEW = 60  # seconds that clocks of two machines may differ
PREFERRED_ID_TOKEN_AGE = 300
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = "application/x-www-form-urlencoded"
REDIRECTS = (301, 302, 303, 307, 308)


# The browser --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrival:
    """The browser stands at a site's door. `address` without query; `fields` are what it brings, by query or form."""

    address: str
    fields: dict[str, str]
    status: int


class _Homebody(Client):
    """Follows redirects inside the account only."""

    def _handle_redirects(self, answer, *_, **__):
        path = answer.request["PATH_INFO"]
        for _hop in range(10):
            target = urljoin(urljoin(ISSUER, path), answer.headers.get("Location", ""))
            if answer.status_code not in REDIRECTS or not is_ours(target):
                return answer
            path = local(target)
            answer = self.get(path)
        raise AssertionError(f"the account leads in circles: {path}")


class Surfer(Visitor):
    """A visitor who is led to sites and back."""

    def __init__(self, **headers: str):
        super().__init__(**headers)
        headers = {"user-agent": "Mozilla/5.0 Firefox/140.0", **headers}
        self.client = _Homebody(enforce_csrf_checks=True, headers=headers)

    def open(self, address: str) -> Surfer:
        """Types an address of the account, or is sent there by a site."""
        assert is_ours(urljoin(ISSUER, address)), address
        return self.get(local(address))

    def post_to(self, address: str, fields) -> Surfer:
        """A form of a site, sent to the account: no token of ours in it, and the site's origin said."""
        origin, body = {"origin": "https://suite.example.ma"}, urlencode(fields)
        self.page = self.client.post(local(address), body, content_type=FORM, headers=origin, follow=True)
        return self

    def submit(self, action: str, **typed: str) -> Surfer:
        """As in Chromium: form-action is held against every redirect after a form, wherever a site leads on to."""
        super().submit(action, **typed)
        if self.arrived and self.page.status_code != 200:
            raise Distrust("a browser would have stayed if the site leads on to another host")
        return self

    @property
    def arrived(self) -> Arrival | None:
        """At which site's door the browser stands; None on a page of the account's own."""
        status = self.page.status_code
        if led := self.page.headers["Location"] if status in REDIRECTS else led_on(self.html):
            parts = urlsplit(led)
            return Arrival(parts._replace(query="", fragment="").geturl(), _once(parts.query), status)
        for action, fields in forms(self.html):
            if urlsplit(action).netloc and not is_ours(action):
                if not lets_forms_go(self.page.headers.get("Content-Security-Policy", ""), action):
                    raise Distrust("the page's own policy stops the form")
                return Arrival(action, fields, status)
        return None

    @property
    def at_sign_in(self) -> bool:
        return any(action.split("?")[0] == "/sign-in/" for action, _ in forms(self.html))

    def prove(self, person=YOUSSEF) -> Surfer:
        """The sign-in form in front of us, filled."""
        return self.submit("/sign-in/", user=person.login, password=person.password)

    def confirm(self, path: str) -> Surfer:
        """Presses the button of the form that leads to this address of the account."""
        return self.submit(next(a for a, _ in forms(self.html) if a.split("?")[0] == path))

    def sign_out(self) -> Surfer:
        return self.get("/").submit("/sign-out/")


def stays(browser: Surfer) -> bool:
    """On an error page of the account's own, where no way leads elsewhere."""
    leads = re.search(r'(href|action|src|content)="[^"/]*//', browser.html)
    return browser.page.status_code == 400 and browser.arrived is None and not leads


def lets_forms_go(policy: str, address: str) -> bool:
    """Whether a page under this policy may send a form there, and the site may lead on (CSP Level 3 §6.4.1)."""
    lists = [d.split()[1:] for d in policy.split(";") if d.split()[:1] == ["form-action"]]
    return not lists or f"{urlsplit(address).scheme}:" in lists[0]


def led_on(html: str) -> str:
    """Where the page leads by itself, at once; '' for a page that stays."""
    found = re.search(r'<meta http-equiv="refresh" content="0;url=([^"]*)">', html)
    return unescape(found[1]) if found else ""


def is_ours(address: str) -> bool:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" in OURS


def local(address: str) -> str:
    """Path and query, as the test client wants them."""
    parts = urlsplit(address)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _once(query: str) -> dict[str, str]:
    """Each name at most once (RFC 6749 §3.1)."""
    pairs = parse_qsl(query, keep_blank_values=True)
    if len(dict(pairs)) != len(pairs):
        raise Distrust(f"a parameter stands twice in {query}")
    return dict(pairs)


# The site -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SentRequest:
    """An authorization request, and what the site keeps of it."""

    fields: dict[str, str]
    state: str
    nonce: str
    verifier: str
    address: str

    @property
    def url(self) -> str:
        return f"{self.address}?{urlencode(self.fields)}"


@dataclass(frozen=True)
class Tokens:
    """A token answer that was verified. `claims` are the ID token's."""

    access: str
    id_token: str
    claims: dict
    refresh: str | None
    answer: dict


class RelyingParty:
    """One site. `clock` gives its time."""

    def __init__(self, clock, site: Site, *, secret: str = "", key=None, scope: str = "openid"):
        self.clock, self.site, self.secret, self.key, self.scope = clock, site, secret, key, scope
        self.wire = Client(enforce_csrf_checks=True)  # the site's server: no browser, no cookies

    @property
    def redirect_uri(self) -> str:
        return self.site.redirect_uris[0]

    @cached_property
    def metadata(self) -> dict:
        found = self._json(self.wire.get("/.well-known/openid-configuration"))
        if found["issuer"] != ISSUER:
            raise Distrust(f"the document of {ISSUER} is about {found['issuer']}")
        return found

    def keys(self) -> list[dict]:
        return self._json(self.wire.get(local(self.metadata["jwks_uri"])))["keys"]

    @staticmethod
    def _json(answer) -> dict:
        if answer.status_code != 200 or answer.headers["Content-Type"].split(";")[0] != "application/json":
            raise Distrust(f"{answer.status_code}: {answer.content[:300]!r}")
        return answer.json()

    # asking

    def ask(self, **changed: str | None) -> SentRequest:
        """A request with fresh state, nonce and PKCE; a value of None leaves the parameter out."""
        state, nonce, verifier = (secrets.token_urlsafe(n) for n in (16, 16, 48))
        fields = {
            "response_type": "code", "client_id": self.site.client_id, "redirect_uri": self.redirect_uri,
            "scope": self.scope, "state": state, "nonce": nonce,
        }  # fmt: skip
        if self.site.pkce:
            fields |= {"code_challenge": challenge(verifier), "code_challenge_method": "S256"}
        fields = {name: value for name, value in (fields | changed).items() if value is not None}
        verifier = verifier if "code_challenge" in fields else ""
        address = self.metadata["authorization_endpoint"]
        return SentRequest(fields, fields.get("state", ""), fields.get("nonce", ""), verifier, address)

    def start(self, browser: Surfer, **changed: str | None) -> SentRequest:
        """The browser is sent to the account with a request."""
        asked = self.ask(**changed)
        browser.open(asked.url)
        return asked

    def send(self, browser: Surfer, person=YOUSSEF, **changed: str | None) -> tuple[SentRequest, str]:
        """The whole front part: the browser comes back with a code."""
        asked = self.start(browser, **changed)
        return asked, self.code(browser.prove(person) if browser.at_sign_in else browser, asked)

    def returned(self, browser: Surfer, asked: SentRequest) -> dict[str, str]:
        """What came back to the site, after the checks that come before anything else (RFC 9207 §2.4, state)."""
        arrival = browser.arrived
        if arrival is None:
            raise Distrust(f"the browser did not come back: {browser.page.status_code} at {browser.path}")
        if arrival.address != asked.fields["redirect_uri"]:
            raise Distrust(f"the browser came to {arrival.address}")
        if arrival.fields.get("state", "") != asked.state:
            raise Distrust("another state")
        if arrival.fields.get("iss") != ISSUER:
            raise Distrust("the answer does not say who gave it")
        return arrival.fields

    def code(self, browser: Surfer, asked: SentRequest) -> str:
        fields = self.returned(browser, asked)
        if "error" in fields:
            raise Distrust(f"{fields['error']}: {fields.get('error_description')}")
        return fields["code"]

    def error(self, browser: Surfer, asked: SentRequest) -> str:
        fields = self.returned(browser, asked)
        if "code" in fields:
            raise Distrust("a code beside, or instead of, an error")
        return fields["error"]

    # the back channel

    def authenticated(self, fields: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """(fields, headers) with this site's authentication for token, introspection and revocation endpoints."""
        named = {**fields, "client_id": self.site.client_id}
        match self.site.client_auth:
            case "client_secret_basic":
                proof = (quote(part, safe="") for part in (self.site.client_id, self.secret))
                return fields, {"authorization": basic(*proof)}
            case "client_secret_post":
                return {**named, "client_secret": self.secret}, {}
            case "private_key_jwt":
                return {**named, "client_assertion_type": JWT_BEARER, "client_assertion": self.assertion()}, {}
        return named, {}

    def assertion(self, **changed) -> str:
        """A signed client assertion (RFC 7523 §3), good for a minute; claims and `header` can be changed."""
        moment, name = int(self.clock().timestamp()), self.site.client_id
        header = {"alg": "ES256", "typ": "JWT", **changed.pop("header", {})}
        place, id = self.metadata["token_endpoint"], secrets.token_urlsafe(16)
        claims = {"iss": name, "sub": name, "aud": place, "jti": id, "iat": moment, "exp": moment + 60, **changed}
        return jws.signed_es256(header, {k: v for k, v in claims.items() if v is not None}, self.key)

    def post(self, endpoint: str, **fields: str):
        """An authenticated post to an endpoint by its name in the discovery document; the raw answer."""
        return self.post_form(endpoint, *self.authenticated(fields))

    def post_form(self, endpoint: str, fields, headers: dict[str, str], query: str = ""):
        path = local(self.metadata[endpoint]) + query
        return self.wire.post(path, urlencode(fields), content_type=FORM, headers=headers)

    def redeem(self, asked: SentRequest, code: str, **changed: str):
        """The code for tokens; the raw answer."""
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": asked.fields["redirect_uri"]}
        verifier = {"code_verifier": asked.verifier} if asked.verifier else {}
        return self.post("token_endpoint", **{**fields, **verifier, **changed})

    def refresh(self, token: str, **changed: str):
        return self.post("token_endpoint", grant_type="refresh_token", refresh_token=token, **changed)

    def is_active(self, token: str) -> bool:
        """What introspection says."""
        return self.post("introspection_endpoint", token=token).json()["active"]

    def tokens(self, asked: SentRequest, answer) -> Tokens:
        """Everything that a site checks before it believes a token answer."""
        said = self._json(answer)
        if "no-store" not in answer.headers.get("Cache-Control", ""):
            raise Distrust("tokens may be cached")
        if said["token_type"].lower() != "bearer" or said.get("expires_in", 0) <= 0:
            raise Distrust(f"{said['token_type']} for {said.get('expires_in')} s")
        claims = self.believed(said["id_token"], asked, access=said["access_token"])
        return Tokens(said["access_token"], said["id_token"], claims, said.get("refresh_token"), said)

    def finish(self, browser: Surfer, asked: SentRequest) -> Tokens:
        """The browser is back with a code: the tokens for it."""
        return self.tokens(asked, self.redeem(asked, self.code(browser, asked)))

    def enter(self, browser: Surfer, person=YOUSSEF, **changed: str | None) -> Tokens:
        """From the click on "sign in" to a person the site believes in."""
        asked, code = self.send(browser, person, **changed)
        return self.tokens(asked, self.redeem(asked, code))

    def believed(self, id_token: str, asked: SentRequest | None, *, access: str = "") -> dict:
        """The claims of an ID token after all rules of OIDC Core §3.1.3.7 and §3.1.3.8. Raises Distrust."""
        _header, claims = jws.verified(id_token, self.keys(), {self.site.algorithm})
        moment, name = self.clock().timestamp(), self.site.client_id
        doubts = {
            f"by {claims['iss']} for {claims['aud']}": claims["iss"] != ISSUER or claims["aud"] not in (name, [name]),
            "another authorised party": claims.get("azp", name) != name,
            "not yet, or no longer": not claims["iat"] - SKEW <= moment < claims["exp"],
            "an ID token that lives too long": claims["exp"] - claims["iat"] > PREFERRED_ID_TOKEN_AGE,
            "another nonce": asked is not None and claims.get("nonce", "") != asked.nonce,
            "this access token belongs to another ID token": access and claims.get("at_hash") != left_half(access),
            "no usable subject": not 1 <= len(claims["sub"].encode("ascii")) <= 255,
            "max_age was asked and auth_time is not said":
                asked is not None and "max_age" in asked.fields and "auth_time" not in claims,
        }  # fmt: skip
        for doubt, is_so in doubts.items():
            if is_so:
                raise Distrust(doubt)
        return claims

    def userinfo(self, access: str, *, way: str = "get"):
        """way: 'get', 'post-header' or 'post-body' (RFC 6750 §2.1, §2.2); the raw answer."""
        path = local(self.metadata["userinfo_endpoint"])
        bearer = {} if way == "post-body" else {"authorization": f"Bearer {access}"}
        if way == "get":
            return self.wire.get(path, headers=bearer)
        body = urlencode({"access_token": access}) if way == "post-body" else ""
        return self.wire.post(path, body, content_type=FORM, headers=bearer)

    def about(self, tokens: Tokens) -> dict:
        """Claims by UserInfo, of the same person as the ID token (OIDC Core §5.3.2)."""
        found = self._json(self.userinfo(tokens.access))
        if found["sub"] != tokens.claims["sub"]:
            raise Distrust("userinfo speaks of somebody else")
        return found

    def end_session(self, **fields: str) -> str:
        address = self.metadata["end_session_endpoint"]
        return f"{address}?{urlencode(fields)}" if fields else address


def refused(answer, error: str = "invalid_grant", status: int = 400) -> bool:
    """RFC 6749 §5.2."""
    said = (answer.status_code, answer.json()["error"], answer.headers["Cache-Control"])
    return said == (status, error, "no-store")


def basic(name: str, secret: str) -> str:
    """The header of RFC 7617, for name and secret as they stand."""
    return f"Basic {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"


def challenge(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    return jws.b64(hashlib.sha256(verifier.encode()).digest())


def left_half(access: str) -> str:
    """at_hash (OIDC Core §3.1.3.6) for ES256 and RS256."""
    return jws.b64(hashlib.sha256(access.encode()).digest()[:16])


# The registered sites -----------------------------------------------------------------------------------------------

SECRET = "a-secret-of-the-tests-0123456789-abcdefgh"
OTHER_SECRET = "another-secret-of-the-tests-9876543210-xyz"
KEY = ec.generate_private_key(ec.SECP256R1())


def _site(slug: str, **values) -> Site:
    host = f"https://{slug}.example.ma"
    usual = Site(
        slug, protocol="oidc", name=dict.fromkeys(("ar", "fr", "en"), slug), client_id=slug,
        client_secret=hashed_secret(SECRET), redirect_uris=(f"{host}/callback",),
        post_logout_redirect_uris=(f"{host}/signed-out",), backchannel_logout_uri=f"{host}/backchannel",
        scopes=("openid", "profile", "email", "school", "offline_access"),
    )  # fmt: skip
    return replace(usual, **values)


# As the conformance suite wants its clients: no PKCE of its own accord, RS256, a second client beside.
SUITE = _site("suite", pkce=False, algorithm="RS256")
BY_FORM = {"client_auth": "client_secret_post", "client_secret": hashed_secret(OTHER_SECRET)}
SECOND = _site("second", pkce=False, algorithm="RS256", **BY_FORM)
# As a site of the ministry is registered by default.
STRICT = _site("strict")
MODEST = _site("modest", scopes=("openid", "email"))
KEYED = _site("keyed", client_auth="private_key_jwt", client_secret="", client_keys=(jws.public_jwk(KEY, "site-key"),))
NO_ADDRESSES = {"redirect_uris": (), "post_logout_redirect_uris": (), "backchannel_logout_uri": ""}
MACHINE = _site("machine", service=True, introspects=True, **NO_ADDRESSES)
SITES = (SUITE, SECOND, STRICT, MODEST, KEYED, MACHINE)


def register(settings, *sites: Site, **changed) -> None:
    """These sites and no others, for one test, with these settings changed beside."""
    settings.MASSAR = replace(settings.MASSAR, sites=Registry(list(sites or SITES)), **changed)


def party(clock, site: Site, **more) -> RelyingParty:
    secret = OTHER_SECRET if site.slug == "second" else SECRET
    key = KEY if site.client_auth == "private_key_jwt" else None
    return RelyingParty(clock, site, secret=secret, key=key, **more)
