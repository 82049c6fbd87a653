"""A site as OpenID Connect describes it, on the other side of the wire: it trusts nothing and checks everything.

It shares no code with the product: discovery and JWKS by HTTP, signatures by `cryptography` alone, ID tokens by the
rules of OpenID Connect Core §3.1.3.7. `Surfer` is the person's browser, which stops at the door of a site.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, replace
from html import unescape
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from django.test import Client
from django.utils.functional import cached_property

from massar.domain.sites.api import Registry, Site
from tests.cast import YOUSSEF
from tests.support.visitor import Visitor, _Forms

ISSUER = "http://localhost:8000"
OURS = (ISSUER, "http://testserver")
HOPS = 10
SKEW = 60  # seconds that clocks of two machines may differ
PREFERRED_ID_TOKEN_AGE = 300
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Distrust(AssertionError):
    """A site must not believe this answer."""


# The browser --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrival:
    """The browser stands at a site's door. `address` without query; `fields` are what it brings, by query or form."""

    address: str
    fields: dict[str, str]
    status: int


class _Homebody(Client):
    """Follows redirects inside the account only."""

    def get(self, path, *args, follow=False, **extra):
        answer = super().get(path, *args, **extra)
        return self._inside(answer, path) if follow else answer

    def post(self, path, *args, follow=False, **extra):
        answer = super().post(path, *args, **extra)
        return self._inside(answer, path) if follow else answer

    def _inside(self, answer, path):
        for _ in range(HOPS):
            if answer.status_code not in (301, 302, 303, 307, 308):
                return answer
            target = urljoin(urljoin(ISSUER, path), answer.headers["Location"])
            if not is_ours(target):
                return answer
            path = local(target)
            answer = super().get(path)
        raise AssertionError(f"the account leads in circles: {path}")


class Surfer(Visitor):
    """A visitor who is led to sites and back."""

    def __init__(self, **headers: str):
        super().__init__(**headers)
        self.client = _Homebody(
            enforce_csrf_checks=True, headers={"user-agent": "Mozilla/5.0 Firefox/140.0", **headers}
        )

    def open(self, address: str) -> Surfer:
        """Types an address of the account, or is sent there by a site."""
        assert is_ours(urljoin(ISSUER, address)), address
        return self.get(local(address))

    def post_to(self, address: str, fields: dict[str, str]) -> Surfer:
        """A form of a site, sent to the account: no token of ours in it, and the site's origin said."""
        self.page = self.client.post(
            local(address),
            urlencode(fields),
            content_type="application/x-www-form-urlencoded",
            headers={"origin": "https://suite.example.ma"},
            follow=True,
        )
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
        if self.page.status_code in (301, 302, 303, 307, 308):
            parts = urlsplit(self.page.headers["Location"])
            return Arrival(parts._replace(query="", fragment="").geturl(), _once(parts.query), self.page.status_code)
        led = led_on(self.html)
        if led:
            parts = urlsplit(led)
            return Arrival(parts._replace(query="", fragment="").geturl(), _once(parts.query), self.page.status_code)
        for action, fields in self._forms():
            if urlsplit(action).netloc and not is_ours(action):
                if not lets_forms_go(self.page.headers.get("Content-Security-Policy", ""), action):
                    raise Distrust("the page's own policy stops the form")
                return Arrival(action, fields, self.page.status_code)
        return None

    @property
    def at_sign_in(self) -> bool:
        return any(action.split("?")[0] == "/sign-in/" for action, _ in self._forms())

    def prove(self, person=YOUSSEF) -> Surfer:
        """The sign-in form in front of us, filled."""
        return self.submit("/sign-in/", user=person.login, password=person.password)

    def confirm(self, path: str) -> Surfer:
        """Presses the button of the form that leads to this address of the account."""
        return self.submit(next(a for a, _ in self._forms() if a.split("?")[0] == path))

    def _forms(self) -> list[tuple[str, dict[str, str]]]:
        parser = _Forms()
        parser.feed(self.html)
        return parser.forms


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
    """One site. `clock` gives its time; `auth` is its way to authenticate at the token endpoint."""

    def __init__(self, clock, site: Site, *, secret: str = "", key=None, scope: str = "openid"):
        self.clock, self.site, self.secret, self.key, self.scope = clock, site, secret, key, scope
        self.wire = Client(enforce_csrf_checks=True)  # the site's server: no browser, no cookies

    @property
    def redirect_uri(self) -> str:
        return self.site.redirect_uris[0]

    @cached_property
    def metadata(self) -> dict:
        answer = self.wire.get("/.well-known/openid-configuration")
        if answer.status_code != 200 or answer.headers["Content-Type"].split(";")[0] != "application/json":
            raise Distrust("no discovery document")
        found = answer.json()
        if found["issuer"] != ISSUER:
            raise Distrust(f"the document of {ISSUER} is about {found['issuer']}")
        return found

    def keys(self) -> list[dict]:
        answer = self.wire.get(local(self.metadata["jwks_uri"]))
        if answer.status_code != 200:
            raise Distrust("no key set")
        return answer.json()["keys"]

    # asking

    def ask(self, **changed: str | None) -> SentRequest:
        """A request with fresh state, nonce and PKCE; a value of None leaves the parameter out."""
        state, nonce, verifier = (secrets.token_urlsafe(n) for n in (16, 16, 48))
        fields = {
            "response_type": "code",
            "client_id": self.site.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": state,
            "nonce": nonce,
        }
        if self.site.pkce:
            fields |= {"code_challenge": challenge(verifier), "code_challenge_method": "S256"}
        fields |= {k: v for k, v in changed.items() if v is not None}
        fields = {k: v for k, v in fields.items() if k not in changed or changed[k] is not None}
        return SentRequest(
            fields,
            fields.get("state", ""),
            fields.get("nonce", ""),
            verifier if "code_challenge" in fields else "",
            self.metadata["authorization_endpoint"],
        )

    def start(self, browser: Surfer, **changed: str | None) -> SentRequest:
        """The browser is sent to the account with a request."""
        asked = self.ask(**changed)
        browser.open(asked.url)
        return asked

    def send(self, browser: Surfer, person=YOUSSEF, **changed: str | None) -> tuple[SentRequest, str]:
        """The whole front part: the browser comes back with a code."""
        asked = self.start(browser, **changed)
        if browser.at_sign_in:
            browser.prove(person)
        return asked, self.code(browser, asked)

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
        match self.site.client_auth:
            case "client_secret_basic":
                pair = f"{quote(self.site.client_id, safe='')}:{quote(self.secret, safe='')}"
                return fields, {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
            case "client_secret_post":
                return {**fields, "client_id": self.site.client_id, "client_secret": self.secret}, {}
            case "private_key_jwt":
                signed = {"client_assertion_type": JWT_BEARER, "client_assertion": self.assertion()}
                return {**fields, "client_id": self.site.client_id, **signed}, {}
        return {**fields, "client_id": self.site.client_id}, {}

    def assertion(self, **changed) -> str:
        """A signed client assertion (RFC 7523 §3), good for a minute; claims and `header` can be changed."""
        moment = int(self.clock().timestamp())
        header = {"alg": "ES256", "typ": "JWT", **changed.pop("header", {})}
        claims = {
            "iss": self.site.client_id,
            "sub": self.site.client_id,
            "aud": self.metadata["token_endpoint"],
            "jti": secrets.token_urlsafe(16),
            "iat": moment,
            "exp": moment + 60,
            **changed,
        }
        return signed_es256(header, {k: v for k, v in claims.items() if v is not None}, self.key)

    def post(self, endpoint: str, **fields: str):
        """An authenticated post to an endpoint by its name in the discovery document; the raw answer."""
        body, headers = self.authenticated(fields)
        return self.wire.post(
            local(self.metadata[endpoint]),
            urlencode(body),
            content_type="application/x-www-form-urlencoded",
            headers=headers,
        )

    def redeem(self, asked: SentRequest, code: str, **changed: str):
        """The code for tokens; the raw answer."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.fields["redirect_uri"],
        }
        if asked.verifier:
            fields["code_verifier"] = asked.verifier
        return self.post("token_endpoint", **{**fields, **changed})

    def refresh(self, token: str, **changed: str):
        return self.post("token_endpoint", grant_type="refresh_token", refresh_token=token, **changed)

    def tokens(self, asked: SentRequest, answer) -> Tokens:
        """Everything that a site checks before it believes a token answer."""
        if answer.status_code != 200:
            raise Distrust(f"{answer.status_code}: {answer.content[:300]!r}")
        if "no-store" not in answer.headers.get("Cache-Control", ""):
            raise Distrust("tokens may be cached")
        said = answer.json()
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
        _header, claims = verified(id_token, self.keys(), {self.site.algorithm})
        moment = self.clock().timestamp()
        if claims["iss"] != ISSUER or claims["aud"] not in (self.site.client_id, [self.site.client_id]):
            raise Distrust(f"by {claims['iss']} for {claims['aud']}")
        if claims.get("azp", self.site.client_id) != self.site.client_id:
            raise Distrust("another authorised party")
        if not claims["iat"] - SKEW <= moment < claims["exp"]:
            raise Distrust("not yet, or no longer")
        if claims["exp"] - claims["iat"] > PREFERRED_ID_TOKEN_AGE:
            raise Distrust("an ID token that lives too long")
        if asked is not None and claims.get("nonce", "") != asked.nonce:
            raise Distrust("another nonce")
        if access and claims.get("at_hash") != left_half(access):
            raise Distrust("this access token belongs to another ID token")
        if not 1 <= len(claims["sub"].encode("ascii")) <= 255:
            raise Distrust("no usable subject")
        if asked is not None and "max_age" in asked.fields and "auth_time" not in claims:
            raise Distrust("max_age was asked and auth_time is not said")
        return claims

    def userinfo(self, access: str, *, way: str = "get"):
        """way: 'get', 'post-header' or 'post-body' (RFC 6750 §2.1, §2.2); the raw answer."""
        path = local(self.metadata["userinfo_endpoint"])
        bearer = {"authorization": f"Bearer {access}"}
        match way:
            case "get":
                return self.wire.get(path, headers=bearer)
            case "post-header":
                return self.wire.post(path, "", content_type="application/x-www-form-urlencoded", headers=bearer)
        body = urlencode({"access_token": access})
        return self.wire.post(path, body, content_type="application/x-www-form-urlencoded")

    def about(self, tokens: Tokens) -> dict:
        """Claims by UserInfo, of the same person as the ID token (OIDC Core §5.3.2)."""
        answer = self.userinfo(tokens.access)
        if answer.status_code != 200 or answer.headers["Content-Type"].split(";")[0] != "application/json":
            raise Distrust(f"userinfo said {answer.status_code}")
        found = answer.json()
        if found["sub"] != tokens.claims["sub"]:
            raise Distrust("userinfo speaks of somebody else")
        return found

    def end_session(self, **fields: str) -> str:
        address = self.metadata["end_session_endpoint"]
        return f"{address}?{urlencode(fields)}" if fields else address


# Signatures ---------------------------------------------------------------------------------------------------------


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def challenge(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    return b64(hashlib.sha256(verifier.encode()).digest())


def left_half(access: str) -> str:
    """at_hash (OIDC Core §3.1.3.6) for ES256 and RS256."""
    return b64(hashlib.sha256(access.encode()).digest()[:16])


def parts(token: str) -> tuple[dict, dict, bytes, bytes]:
    """Header, claims, signed bytes, signature of a compact JWS; nothing is checked."""
    head, body, signature = token.split(".")
    return json.loads(unb64(head)), json.loads(unb64(body)), f"{head}.{body}".encode(), unb64(signature)


def verified(token: str, keys: list[dict], algorithms: set[str]) -> tuple[dict, dict]:
    """Header and claims under one of the published keys. Raises Distrust, or InvalidSignature."""
    header, claims, signed, signature = parts(token)
    if header["alg"] not in algorithms:
        raise Distrust(f"signed with {header['alg']}")
    fitting = [k for k in keys if k["kid"] == header.get("kid") and k.get("alg") == header["alg"]]
    if len(fitting) != 1:
        raise Distrust(f"no key {header.get('kid')} is published")
    key = public_key(fitting[0])
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        return header, claims
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    return header, claims


def public_key(jwk: dict) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """RFC 7518 §6.2, §6.3."""
    if jwk["kty"] == "RSA":
        n, e = (int.from_bytes(unb64(jwk[name])) for name in "ne")
        return rsa.RSAPublicNumbers(e, n).public_key()
    x, y = (int.from_bytes(unb64(jwk[name])) for name in "xy")
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def packed(value: dict | str) -> str:
    """One part of a JWS; a text is taken as the JSON that it is."""
    return b64((value if isinstance(value, str) else json.dumps(value)).encode())


def signed_es256(header: dict, claims: dict | str, key: ec.EllipticCurvePrivateKey) -> str:
    signed = f"{packed(header)}.{packed(claims)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{b64(r.to_bytes(32) + s.to_bytes(32))}"


def unsigned(claims: dict) -> str:
    """A request object that nobody signed (alg none)."""
    return f"{b64(json.dumps({'alg': 'none'}).encode())}.{b64(json.dumps(claims).encode())}."


def public_jwk(key: ec.EllipticCurvePrivateKey, kid: str) -> dict:
    numbers = key.public_key().public_numbers()
    point = {"x": b64(numbers.x.to_bytes(32)), "y": b64(numbers.y.to_bytes(32))}
    return {"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "alg": "ES256", **point}


# The registered sites -----------------------------------------------------------------------------------------------

SECRET = "a-secret-of-the-tests-0123456789-abcdefgh"
OTHER_SECRET = "another-secret-of-the-tests-9876543210-xyz"
KEY = ec.generate_private_key(ec.SECP256R1())


def _hash(secret: str) -> str:
    return f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"


def _site(slug: str, **values) -> Site:
    host = f"https://{slug}.example.ma"
    return replace(
        Site(
            slug,
            protocol="oidc",
            name={"ar": slug, "fr": slug, "en": slug},
            client_id=slug,
            client_secret=_hash(SECRET),
            redirect_uris=(f"{host}/callback",),
            post_logout_redirect_uris=(f"{host}/signed-out",),
            backchannel_logout_uri=f"{host}/backchannel",
            scopes=("openid", "profile", "email", "school", "offline_access"),
        ),
        **values,
    )


# As the conformance suite wants its clients: no PKCE of its own accord, RS256, a second client beside.
SUITE = _site("suite", pkce=False, algorithm="RS256")
SECOND = _site(
    "second",
    pkce=False,
    algorithm="RS256",
    client_auth="client_secret_post",
    client_secret=_hash(OTHER_SECRET),
)
# As a site of the ministry is registered by default.
STRICT = _site("strict")
MODEST = _site("modest", scopes=("openid", "email"))
KEYED = _site("keyed", client_auth="private_key_jwt", client_secret="", client_keys=(public_jwk(KEY, "site-key"),))
MACHINE = _site(
    "machine", service=True, introspects=True, redirect_uris=(), post_logout_redirect_uris=(),
    backchannel_logout_uri="",
)  # fmt: skip
SITES = (SUITE, SECOND, STRICT, MODEST, KEYED, MACHINE)


def register(settings, *sites: Site) -> None:
    """These sites and no others, for one test."""
    settings.MASSAR = replace(settings.MASSAR, sites=Registry(list(sites or SITES)))


def party(clock, site: Site, **more) -> RelyingParty:
    secret = OTHER_SECRET if site.slug == "second" else SECRET
    key = KEY if site.client_auth == "private_key_jwt" else None
    return RelyingParty(clock, site, secret=secret, key=key, **more)
