"""Attacks on the OpenID Provider, numbered as in docs/security/attack-cases.md."""

import hashlib
import hmac
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connections
from django.test import Client

from massar.domain.people import api as people
from massar.domain.people.models import Person
from massar.domain.sessions.models import Session
from massar.domain.sites import api as sites
from massar.domain.sites.models import Grant, Token
from tests.cast import JAMAL, KHADIJA, KHADIJA_EMAIL, YOUSSEF, facts
from tests.sso import jws, relying_party
from tests.sso.relying_party import STRICT, SUITE, Surfer, local, party, refused, stays
from tests.support.steps import shows
from tests.support.visitor import Visitor

pytestmark = pytest.mark.usefixtures("registered")

CALLBACK = STRICT.redirect_uris[0]
NEW = "Orchid-lantern-73*"


@pytest.fixture
def loose(clock):
    """A site that may go without PKCE."""
    return party(clock, SUITE)


def refused_somehow(answer, error: str = "invalid_grant") -> bool:
    return answer.status_code in (400, 401) and answer.json()["error"] in (error, "invalid_request")


@pytest.fixture
def youssef(browser) -> Surfer:
    return browser.sign_in(YOUSSEF.login, YOUSSEF.password)


FOREIGN = (
    "", f"{CALLBACK}/", f"{CALLBACK}?x", f"{CALLBACK}#f", f"{CALLBACK} ", f"{CALLBACK}\r\nX-Evil: 1", f"{CALLBACK}\0",
    "https://strict.example.ma:8443/callback", "https://strict.example.ma:443/callback",
    "https://strict.example.ma/Callback", "https://STRICT.example.ma/callback",
    "https://strict.example.ma/callback/../callback", "https://strict.example.ma/a/%2e%2e/callback",
    "https://strict.example.ma@evil.example/callback", "https://strict.example.ma\\@evil.example/callback",
    "https://x.strict.example.ma/callback", "https://strict.example.ma.evil.example/callback",
    "http://strict.example.ma/callback", "javascript:alert(1)//https://strict.example.ma/callback",
    relying_party.MODEST.redirect_uris[0],
)  # fmt: skip


@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "stranger"])
def test_atk_101_an_address_that_is_not_registered_gets_no_redirect(rp, browser, signed_in):
    if signed_in:
        browser.sign_in(YOUSSEF.login, YOUSSEF.password)
    asked = [rp.ask(redirect_uri=wish).url for wish in (*FOREIGN, None)]
    asked += [f"{rp.ask().url}&{urlencode({'redirect_uri': second})}" for second in ("https://evil.example/", CALLBACK)]
    for address in asked:
        assert stays(browser.open(address)), address
    assert not Grant.objects.exists()


def test_atk_102_an_unknown_client_gets_no_redirect(rp, youssef):
    for client in ("nobody", "", "STRICT", "strict ", None, "x" * 5000, "strict\0"):
        youssef.open(rp.ask(client_id=client).url)
        assert youssef.page.status_code in (400, 414) and youssef.arrived is None, client


def test_atk_102_a_site_that_is_closed_has_no_way_back(rp, youssef, settings):
    """The operator keeps its lines and sets protocol = "none": its addresses are registered no longer."""
    asked, code = rp.send(youssef)
    relying_party.register(settings, replace(STRICT, protocol="none"))
    assert stays(youssef.open(asked.url))
    assert refused(rp.redeem(asked, code), "invalid_client", 401)


TYPES = ("token", "id_token", "code token", "code id_token", "id_token token", "none", "CODE", "x")
REFUSED = (
    *(({"response_type": wish}, "unsupported_response_type") for wish in TYPES),
    *(({"response_mode": wish}, "invalid_request") for wish in ("fragment", "web_message", "query.jwt", "x")),
    ({"registration": "{}"}, "registration_not_supported"),
    ({"scope": "profile"}, "invalid_scope"),
    *(({"claims": wish}, "invalid_request") for wish in ("[]", '{"userinfo": "name"}')),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),  # means plain (RFC 7636 §4.3)
    ({"code_challenge_method": "s256"}, "invalid_request"),
    *(({"code_challenge": wish}, "invalid_request") for wish in ("", "x" * 42, "x" * 44, "x" * 42 + "=")),
    *(({"prompt": wish}, "invalid_request") for wish in ("none login", "login none", "none consent", "NONE", "x")),
    *(({"max_age": wish}, "invalid_request") for wish in ("-1", "x", "1.5", "٣")),
)


def test_atk_102_103_111_a_request_that_bends_the_rules_goes_back_with_its_error(rp, youssef):
    """By the query, whatever was asked for, and with nothing that opens anything."""
    for changed, error in REFUSED:
        asked = rp.start(youssef, **changed)
        assert rp.error(youssef, asked) == error, changed
        assert "#" not in youssef.page.headers["Location"], changed
    assert not Token.objects.exists()
    for age in ("9" * 40, ""):
        assert rp.code(youssef, rp.start(youssef, max_age=age))


def test_atk_102_the_machine_site_has_no_front_door(clock, youssef):
    """Client credentials only: nobody is ever sent there."""
    machine = party(clock, replace(relying_party.MACHINE, redirect_uris=("https://machine.example.ma/callback",)))
    assert stays(youssef.open(machine.ask().url))


def test_atk_103_a_wrong_verifier_opens_nothing(rp, loose, browser):
    """Nor does one that fits, of a length that the standard forbids (RFC 7636 §4.1: 43 to 128 signs)."""
    for verifier in ("y" * 43, "y" * 42, "y" * 129, "", "é" * 43, "y" * 5000, "\0" * 43, None):
        asked, code = rp.send(browser)
        changed = {} if verifier is None else {"code_verifier": verifier}
        answer = rp.redeem(replace(asked, verifier="") if verifier is None else asked, code, **changed)
        assert refused_somehow(answer), verifier
    for length in (42, 129):
        asked, code = rp.send(browser, code_challenge=relying_party.challenge("v" * length))
        assert refused_somehow(rp.redeem(asked, code, code_verifier="v" * length)), length
    asked, code = loose.send(browser)  # RFC 9700 §4.8.2: somebody took the challenge out of the request
    assert refused_somehow(loose.redeem(asked, code, code_verifier="v" * 43)), "a downgrade"
    assert not Token.objects.filter(kind="access").exists()


def test_atk_104_another_site_or_address_can_not_redeem_a_code(loose, browser, clock):
    asked, code = loose.send(browser)
    second = party(clock, relying_party.SECOND)
    assert refused(second.redeem(asked, code))
    assert refused(second.redeem(asked, code, redirect_uri=relying_party.SECOND.redirect_uris[0]))
    assert refused(loose.redeem(asked, code, redirect_uri=f"{SUITE.redirect_uris[0]}/"))


def test_atk_104_codes_that_are_guessed_late_or_used(rp, browser, clock):
    asked, code = rp.send(browser, scope="openid offline_access")
    for odd in (code[:-1], code + "x", code.swapcase(), "", "x" * 10_000, "\0", "' OR 1=1 --"):
        assert refused_somehow(rp.redeem(asked, odd))
    tokens = rp.tokens(asked, rp.redeem(asked, code))  # guesses don't touch the real one
    assert refused(rp.redeem(asked, code)) and refused(rp.refresh(tokens.refresh))
    assert rp.userinfo(tokens.access).status_code == 401, "the second time ends what the first one gave"
    asked, code = rp.send(browser)
    clock.advance(seconds=61)
    assert refused(rp.redeem(asked, code))


@pytest.mark.django_db(transaction=True)
def test_atk_104_fifty_at_once_one_at_most_gets_tokens(transactional_db, rp, browser):
    asked, code = rp.send(browser)
    rp.keys()

    def once(_):
        try:
            return rp.redeem(asked, code).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(once, range(50)))
    assert statuses.count(200) <= 1 and set(statuses) <= {200, 400}
    assert Grant.objects.get().ended_at > 0, "somebody has a copy: the family is dead"


def test_atk_104_without_the_sites_own_proof(rp, browser, clock):
    asked, code = rp.send(browser)
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    fields["code_verifier"] = asked.verifier
    stranger = party(clock, STRICT)
    stranger.secret = "wrong"
    for way, (body, headers) in {
        "no secret": ({"client_id": "strict"}, {}),
        "wrong secret": ({}, stranger.authenticated({})[1]),
        "empty secret": ({"client_id": "strict", "client_secret": ""}, {}),
        "both": ({"client_id": "strict", "client_secret": rp.secret}, rp.authenticated({})[1]),
        "nobody": ({}, {}),
    }.items():
        answer = rp.post_form("token_endpoint", {**fields, **body}, headers)
        assert refused_somehow(answer, "invalid_client"), way
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Basic"), way
    assert rp.redeem(asked, code).status_code == 200, "who is nobody burns nobody's code"


@pytest.fixture
def kept(rp, browser):
    """Tokens with a refresh token."""
    tokens = rp.enter(browser, scope="openid email offline_access")
    assert tokens.refresh
    return tokens


@pytest.mark.parametrize("how", ["late", "used"])
def test_atk_105_reuse_after_rotation_ends_the_family(rp, kept, clock, how):
    """Late, or once the successor was used. What comes within the window is a repeat (test_refresh_twice.py)."""
    second = rp.refresh(kept.refresh).json()
    if how == "late":
        clock.advance(seconds=sites.grants.REPEAT_WINDOW)
    else:
        second = rp.refresh(second["refresh_token"]).json()
    assert refused(rp.refresh(kept.refresh)) and refused(rp.refresh(second["refresh_token"]))
    assert {rp.userinfo(token).status_code for token in (second["access_token"], kept.access)} == {401}


@pytest.mark.parametrize("end", ["changed", "signed out", "too many"])
def test_atk_105_114_after_the_end_of_the_session_nothing_lives(rp, machine, kept, browser, clock, end):
    """Too many: an end that is written by one statement that knows nothing of sites."""
    if end == "changed":
        Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).change(YOUSSEF.password, NEW)
    elif end == "signed out":
        browser.sign_out()
    else:
        Session.objects.update(ended_at=clock(), ended_why="too_many")
    assert refused(rp.refresh(kept.refresh)) and rp.userinfo(kept.access).status_code == 401
    assert not machine.is_active(kept.access)


def test_atk_105_a_scope_can_not_grow(rp, kept):
    for scope in ("openid email profile school offline_access", "openid phone", "nonsense"):
        assert refused(rp.refresh(kept.refresh, scope=scope), "invalid_scope")
    assert rp.refresh(kept.refresh).status_code == 200, "the token was not used up"


def test_atk_105_the_family_has_an_end(rp, kept, clock):
    token = kept.refresh
    for _ in range(12):
        clock.advance(minutes=59)
        token = rp.refresh(token).json()["refresh_token"]
    clock.advance(minutes=12)
    assert refused(rp.refresh(token)), "twelve hours, however often it turns"


def test_atk_106_an_access_token_lives_ten_minutes(rp, machine, kept, clock):
    """Its grant and its session live longer."""
    clock.advance(seconds=sites.grants.ACCESS_LIFE - 1)
    assert rp.userinfo(kept.access).status_code == 200 and machine.is_active(kept.access)
    clock.advance(seconds=1)
    assert rp.userinfo(kept.access).status_code == 401 and not machine.is_active(kept.access)
    assert rp.refresh(kept.refresh).status_code == 200


def test_atk_105_106_no_token_stands_for_another(rp, kept):
    for other in (kept.id_token, kept.refresh):
        answer = rp.userinfo(other)
        assert answer.status_code == 401 and "invalid_token" in answer.headers["WWW-Authenticate"]
    assert refused(rp.redeem(rp.ask(), kept.refresh)) and refused(rp.refresh(kept.access))


def test_atk_106_only_machines_act_for_themselves_and_their_token_is_nobodys(rp, machine, clock, settings):
    assert refused(rp.post("token_endpoint", grant_type="client_credentials"), "unauthorized_client")
    said = machine.post("token_endpoint", grant_type="client_credentials", scope="email").json()
    assert said["token_type"] == "Bearer" and said["scope"] == "email"
    assert not {"id_token", "refresh_token"} & set(said)
    about = machine.post("introspection_endpoint", token=said["access_token"]).json()
    assert (about["active"], about["client_id"], about["sub"]) == (True, "machine", "machine")
    assert "username" not in about and machine.userinfo(said["access_token"]).status_code == 401
    public = replace(relying_party.MACHINE, client_auth="none", client_secret="")
    relying_party.register(settings, public)
    without = party(clock, public).post("token_endpoint", grant_type="client_credentials")
    assert refused(without, "unauthorized_client"), "who proves nothing"


def test_atk_106_other_grants_are_unknown_or_malformed(rp):
    for kind in ("password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "", "x"):
        fields = {"grant_type": kind, "username": YOUSSEF.login, "password": YOUSSEF.password, "assertion": "x"}
        answer = rp.post("token_endpoint", **fields)
        assert refused(answer, "unsupported_grant_type" if kind else "invalid_request"), kind
    for kind, needed in (("authorization_code", "code"), ("refresh_token", "refresh_token")):
        for given in ({}, {needed: ""}):
            answer = rp.post("token_endpoint", grant_type=kind, redirect_uri=rp.redirect_uri, **given)
            assert refused(answer, "invalid_request"), "without what it turns"


def test_atk_106_odd_tokens_at_userinfo(rp, browser):
    """One in the address is not read: it would stand in logs (RFC 6750 §5.3, OAuth 2.1 §5.2)."""
    for token in ("", "x", "x" * 9000, "a.b.c", "' OR 1=1", "\0", "é"):
        # A control sign can't stand in a header at all (attack case 099); in a body it can.
        for way in ("get", "post-header", "post-body") if token.isascii() and token.isprintable() else ("post-body",):
            assert rp.userinfo(token, way=way).status_code in (400, 401), (way, token[:12])
    path, good = local(rp.metadata["userinfo_endpoint"]), rp.enter(browser).access
    body = "access_token=%ED%A0%80%FF"  # half a sign, as bytes that are no UTF-8
    answer = rp.wire.post(path, body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code in (400, 401)
    assert rp.wire.get(f"{path}?{urlencode({'access_token': good})}").status_code == 401


def test_atk_106_introspection_is_for_those_who_may(rp, browser, machine):
    """It says no subject that is another site's, and nothing of a refresh token."""
    tokens = rp.enter(browser, scope="openid offline_access")
    assert refused(rp.post("introspection_endpoint", token=tokens.access), "unauthorized_client", 403)
    about = machine.post("introspection_endpoint", token=tokens.access).json()
    assert (about["active"], about["client_id"], about["username"]) == (True, "strict", YOUSSEF.login)
    assert "sub" not in about and about["exp"] == tokens.claims["iat"] + tokens.answer["expires_in"]
    for nothing in ("x" * 43, tokens.refresh, ""):
        assert machine.post("introspection_endpoint", token=nothing).json() == {"active": False}
    assert refused(machine.post("introspection_endpoint"), "invalid_request")  # RFC 7662 §2.1


def test_atk_106_revocation_of_anothers_token_does_nothing(rp, browser, clock):
    tokens = rp.enter(browser)
    assert party(clock, SUITE).post("revocation_endpoint", token=tokens.access).status_code in (200, 400)
    assert rp.userinfo(tokens.access).status_code == 200
    assert rp.post("revocation_endpoint", token=tokens.access).status_code == 200
    assert rp.userinfo(tokens.access).status_code == 401
    assert rp.post("revocation_endpoint", token="x" * 43).status_code == 200  # RFC 7009 §2.2


def test_atk_107_contacts_are_never_released(clock, browser):
    rp = party(clock, SUITE)
    wish = {"phone_number": {"essential": True}, "personal_email": None, "contacts": None, "email": None}
    claims = json.dumps({"userinfo": wish, "id_token": wish})
    tokens = rp.enter(browser, KHADIJA, scope="openid profile email phone address school contacts", claims=claims)
    said = json.dumps([rp.about(tokens), tokens.claims, tokens.answer], ensure_ascii=False)
    assert KHADIJA.login in said and KHADIJA_EMAIL not in said
    assert "phone" not in said and not re.search(r"\+?212\d{6,}", said)


def test_atk_107_a_site_gets_the_scopes_it_is_registered_for(clock, browser):
    rp = party(clock, relying_party.MODEST)
    claims = json.dumps({"userinfo": {"name": {"essential": True}, "school": None, "role": None}})
    tokens = rp.enter(browser, scope="openid email profile school", claims=claims)
    assert rp.about(tokens).keys() == {"sub", "email", "email_verified"}
    assert set(tokens.answer.get("scope", "openid email").split()) == {"openid", "email"}


def test_atk_107_two_sites_can_not_compare_their_people(clock):
    browser = Surfer()
    claims = [party(clock, site).enter(browser).claims for site in (STRICT, SUITE, relying_party.SECOND)]
    subs = {one["sub"] for one in claims}
    assert len(subs) == len({one["sid"] for one in claims}) == 3
    assert not any(str(facts(YOUSSEF).id) == s or "youssef" in s for s in subs)


def test_atk_107_a_sub_in_the_request_chooses_nobody(loose, youssef):
    """OIDC Core §5.5.1: a site that means somebody else gets nobody else, neither a code nor another sub."""
    wish = json.dumps({"id_token": {"sub": {"value": "s-somebody-else"}}})
    if loose.start(youssef, claims=wish) and youssef.at_sign_in:
        youssef.prove()
    assert youssef.arrived is None or "code" not in youssef.arrived.fields
    silent = loose.start(youssef, claims=wish, prompt="none")
    assert loose.error(youssef, silent) == "login_required"


def test_atk_107_a_broken_wish_is_refused_or_ignored(rp, youssef):
    for claims in ("{", "[]", "1", '"x"', '{"userinfo":1}', "[" * 5000, '{"a":' * 900 + "1" + "}" * 900):
        asked = rp.start(youssef, claims=claims)
        if "code" in youssef.arrived.fields:
            assert rp.about(rp.finish(youssef, asked)).keys() == {"sub"}, claims[:20]
        else:
            assert rp.error(youssef, asked) == "invalid_request", claims[:20]


def forgeries(header: dict, claims: dict, jwk: dict) -> dict[str, str]:
    """JWTs with these claims that no verifier may believe; `jwk` is the public key that the real one is under."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    pem = jws.public_key(jwk).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    own = {k: v for k, v in jws.public_jwk(stranger, "own").items() if k != "kid"}

    def by_secret(secret: bytes) -> str:
        text = f"{jws.packed({**header, 'alg': 'HS256'})}.{jws.packed(claims)}"
        return f"{text}.{jws.b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    algorithms = ("none", "None", "NONE", "nOnE", "")
    found = {f"alg {alg}": f"{jws.packed({**header, 'alg': alg})}.{jws.packed(claims)}." for alg in algorithms}
    found |= {"hs256 by public key": by_secret(pem), "hs256 by nothing": by_secret(b"")}
    for more in (
        {}, {"kid": "../../../dev/null"}, {"kid": "' UNION SELECT 'x' --"}, {"kid": ""}, {"kid": ["x"]},
        {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example/cert"}, {"jwk": own},
    ):  # fmt: skip
        found[f"another's key, {more}"] = jws.signed_es256({**header, "alg": "ES256", **more}, claims, stranger)
    return found | {"no jwt": "x", "two parts": "a.b", "five parts": "a.b.c.d.e", "empty": "..", "long": "x" * 9000}


@pytest.fixture
def keyed(registered, clock):
    """A site that proves itself by a key."""
    return party(clock, relying_party.KEYED)


def redeemed_with(keyed, assertion: str, asked, code: str):
    keyed.assertion = lambda: assertion
    return keyed.redeem(asked, code)


def test_atk_108_forged_client_assertions(keyed, browser):
    header, claims, *_ = jws.parts(keyed.assertion(header={"kid": "site-key"}))
    asked, code = keyed.send(browser)
    for name, forged in forgeries(header, claims, relying_party.KEYED.client_keys[0]).items():
        assert refused_somehow(redeemed_with(keyed, forged, asked, code), "invalid_client"), name
    assert not Token.objects.filter(kind="access").exists()


def test_atk_108_forged_id_token_hints(loose, browser, clock):
    """At sign-out: no session ends unasked, no redirect. With prompt=none: no code."""
    tokens = loose.enter(browser)
    header, claims, *_ = jws.parts(tokens.id_token)
    jwk = next(k for k in loose.keys() if k["kid"] == header["kid"])
    foreign = party(clock, STRICT).enter(browser).id_token
    asked = loose.start(browser, prompt="none", id_token_hint=foreign)
    assert loose.error(browser, asked) == "invalid_request", "it is not asked whom another site means"
    for name, hint in forgeries(header, claims, jwk).items():
        uri = SUITE.post_logout_redirect_uris[0]
        browser.open(loose.end_session(id_token_hint=hint, post_logout_redirect_uri=uri, state="s"))
        assert browser.arrived is None and browser.signed_in, name
        asked = loose.start(browser, prompt="none", id_token_hint=hint)
        assert loose.error(browser, asked) in ("login_required", "invalid_request"), name


@pytest.mark.parametrize(("first", "last"), [("keyed", "suite"), ("suite", "keyed")])
def test_atk_108_what_is_refused_although_the_signature_is_right(keyed, browser, first, last):
    """Two readers of one token must not see two clients: a name that stands twice is refused, whichever is the last. So
    is what must be understood and is not (RFC 7515 §4.1.11, RFC 7797), and another key than the one that is named."""
    claims = json.dumps({k: v for k, v in jws.parts(keyed.assertion())[1].items() if k not in ("iss", "sub")})
    made = keyed.assertion
    for odd in ({"crit": ["unheard-of"], "unheard-of": 1}, {"b64": True}, {"kid": "another-key"}):
        answer = redeemed_with(keyed, made(header=odd), *keyed.send(browser))
        assert refused(answer, "invalid_client", 401), odd
    twice = "".join(f'"iss": "{who}", "sub": "{who}", ' for who in (first, last))
    forged = jws.signed_es256({"alg": "ES256"}, claims.replace("{", "{" + twice, 1), relying_party.KEY)
    assert refused(redeemed_with(keyed, forged, *keyed.send(browser)), "invalid_client", 401)
    assert not Token.objects.filter(kind="access").exists()


def test_atk_108_algorithms_are_those_of_the_list(clock, browser, settings):
    """Not whatever the library knows that fits the key: where a site's key says none, the token must not choose."""
    key = rsa.generate_private_key(65537, 2048)
    numbers = key.public_key().public_numbers()
    jwk = {name: jws.b64(n.to_bytes((n.bit_length() + 7) // 8)) for name, n in (("n", numbers.n), ("e", numbers.e))}
    site = replace(relying_party.KEYED, client_keys=({"kty": "RSA", **jwk},))
    relying_party.register(settings, site)
    keyed = party(clock, site)
    for algorithm, digest, status in (("RS384", hashes.SHA384(), 401), ("RS256", hashes.SHA256(), 200)):
        asked, code = keyed.send(browser)
        text = ".".join((jws.packed({"alg": algorithm}), jws.packed(jws.parts(keyed.assertion())[1])))
        signed = f"{text}.{jws.b64(key.sign(text.encode(), padding.PKCS1v15(), digest))}"
        assert redeemed_with(keyed, signed, asked, code).status_code == status, algorithm
        del keyed.assertion


WRONG_ASSERTIONS = [  # another place or party, another time, and what is no such thing at all; times from now
    *({"aud": wish} for wish in ("https://evil.example/token", None, {"x": 1})), {"iss": "strict"}, {"sub": "strict"},
    *({"exp": wish} for wish in (+3600, -61, None, "soon", 10**400)), {"nbf": +600}, {"iat": +600},
    *({"jti": wish} for wish in (None, ["x"])),
]  # fmt: skip


def test_atk_109_assertions_for_another_place_or_time(keyed, browser, clock, settings):
    """One works once; and whoever proves itself by a key has no secret."""
    moment, assertion, once = int(clock().timestamp()), keyed.assertion, keyed.assertion()
    assert redeemed_with(keyed, once, *keyed.send(browser)).status_code == 200
    again = redeemed_with(keyed, once, *keyed.send(browser))
    assert refused(again, "invalid_client", 401) and again.headers["WWW-Authenticate"].startswith("Basic")
    asked, code = keyed.send(browser)
    for changed in WRONG_ASSERTIONS:
        changed = {k: moment + v if isinstance(v, int) else v for k, v in changed.items()}
        assert refused(redeemed_with(keyed, assertion(**changed), asked, code), "invalid_client", 401), changed
    left_over = replace(relying_party.KEYED, client_secret=STRICT.client_secret)
    relying_party.register(settings, left_over)
    by_secret = party(clock, replace(left_over, client_auth="client_secret_post"))
    for secret in ("", "x", "sha256:", relying_party.SECRET):
        by_secret.secret = secret
        assert refused_somehow(by_secret.redeem(asked, code), "invalid_client")


def test_atk_110_a_recovery_session_is_nobody_to_a_site(rp, browser, post):
    browser.ask(KHADIJA.login, email=KHADIJA_EMAIL)
    browser.sign_in(KHADIJA.login, post.secret(KHADIJA_EMAIL))
    assert any(name.endswith("change") for name in browser.cookies), "a change session is open"
    assert rp.error(browser, rp.start(browser, prompt="none")) == "login_required" and not Grant.objects.exists()


@pytest.mark.parametrize("wish", [{"max_age": "0"}, {"max_age": "179"}, {"prompt": "login", "max_age": "0"}], ids=str)
def test_atk_111_a_fresh_proof_is_a_fresh_proof(rp, browser, clock, wish):
    first = rp.enter(browser)
    clock.advance(minutes=3)
    asked = rp.start(browser, **wish)
    assert browser.at_sign_in and not Token.objects.filter(used_at=0, kind="code").exists()
    browser.open(asked.url)
    assert browser.at_sign_in, "asking twice is no proof"
    tokens = rp.finish(browser.prove(), asked)
    assert tokens.claims["auth_time"] == first.claims["auth_time"] + 180


@pytest.mark.parametrize("seconds", [30, 180])
def test_atk_111_walking_around_the_form(rp, browser, clock, seconds):
    """Home, Back and the waiting request's own address don't count as a proof, however young the session is."""
    rp.enter(browser)
    clock.advance(seconds=seconds)
    for wish in ({"prompt": "login"}, {"max_age": "0"}, {"max_age": "1"}):
        rp.start(browser, **wish)
        for path in ("/", "/continue/", "/sign-in/"):
            browser.get(path)
            assert browser.arrived is None or "code" not in browser.arrived.fields, (wish, path)


MARKUP = '"><script>alert(1)</script><b>\u202e\u2066'


def test_atk_112_markup_and_invisible_marks_are_never_markup_and_come_back_as_they_are(rp, browser):
    for name in ("login_hint", "ui_locales", "display", "acr_values", "scope", "claims_locales"):
        browser.open(rp.ask(**{name: MARKUP if name != "scope" else f"openid {MARKUP}"}).url)
        assert browser.page.status_code < 500 and "<script>alert" not in browser.html, name
    asked, code = rp.send(browser, state=MARKUP, nonce=MARKUP)
    assert browser.arrived.fields["state"] == asked.state == MARKUP
    assert rp.tokens(asked, rp.redeem(asked, code)).claims["nonce"] == asked.nonce == MARKUP


def test_atk_112_a_megabyte(rp, browser):
    for name in ("login_hint", "ui_locales", "display", "state", "nonce", "scope", "claims", "x"):
        asked = rp.start(browser, **{name: "x" * 1_000_000})
        assert browser.page.status_code in (400, 413, 414) or len(str(browser.arrived)) < 10_000, name
        browser.post_to(asked.address, asked.fields)
        assert browser.page.status_code in (400, 413), name


def test_atk_112_a_value_just_over_its_bound_or_with_control_characters(rp, youssef):
    """What is one character shorter is answered, so nothing else refuses these."""
    for name, longest in (("login_hint", 4096), ("nonce", 4096), ("ui_locales", 4096), ("state", 8192)):
        assert rp.code(youssef, rp.start(youssef, **{name: "x" * longest})), name
        for wrong in ("x" * (longest + 1), "x\0", "x\r\nX-Evil: 1", "x\x7f"):
            asked = rp.start(youssef, **{name: wrong})
            assert rp.error(youssef, asked) == "invalid_request", (name, wrong[:12])
            assert "X-Evil" not in youssef.page.headers


def test_atk_112_a_parameter_twice(rp, youssef):
    """RFC 6749 §3.1: refused, whichever of the two one would believe."""
    for name in ("state", "scope", "client_id", "nonce", "prompt", "code_challenge"):
        youssef.open(f"{rp.ask(prompt='none').url}&{name}=other")
        if youssef.arrived is None:
            assert youssef.page.status_code == 400, name
        else:
            assert youssef.arrived.address == CALLBACK, name
            assert youssef.arrived.fields["error"] == "invalid_request", name


def test_atk_112_a_parameter_twice_at_the_sign_out(rp, browser):
    """A short form goes on as an address, where one of the two would have been lost."""
    tokens, there = rp.enter(browser), rp.end_session()
    fields = {"id_token_hint": tokens.id_token, "client_id": STRICT.client_id, "state": "s"}
    fields["post_logout_redirect_uri"] = STRICT.post_logout_redirect_uris[0]
    for name in (*fields, "logout_hint"):
        twice = [*({"logout_hint": "x"} | fields).items(), (name, fields.get(name, "y"))]
        assert stays(browser.open(f"{there}?{urlencode(twice)}")) and browser.signed_in, name
        assert stays(browser.post_to(there, twice)) and browser.signed_in, name


def test_atk_112_our_own_steps_take_nothing_twice(cast):
    for path in (
        "/authorize/resume?", "/saml/start/retraite/?", "/saml/slo/asked/?ref=a&", "/saml/left/?said=a&",
        "/saml/answer/?", "/gate/resume/?",
    ):  # fmt: skip
        for twice in ("x=1&x=2", "ref=b&ref=c", "said=b&said=c"):
            assert Client().get(f"{path}{twice}").status_code == 400, (path, twice)
    assert Client().post("/saml/slo/confirm/", {"ref": ["a", "b"]}).status_code == 400


def test_atk_112_form_post_escapes_what_it_carries(rp, browser):
    asked = rp.start(browser, response_mode="form_post", state=MARKUP)
    browser.prove()
    assert browser.page.status_code == 200 and "<script>alert" not in browser.html
    assert rp.finish(browser, asked)
    policy = browser.page.headers["Content-Security-Policy"]
    assert "form-action 'self' https:;" in policy and "unsafe-inline" not in policy


def test_atk_114_disabled_at_any_moment(rp, kept, browser, machine):
    asked, code = rp.send(browser)
    people.directory.disable(facts(YOUSSEF).id)
    assert refused(rp.redeem(asked, code)) and refused(rp.refresh(kept.refresh))
    assert rp.userinfo(kept.access).status_code == 401
    assert machine.post("introspection_endpoint", token=kept.access).json() == {"active": False}
    people.directory.enable(facts(YOUSSEF).id)
    assert rp.userinfo(rp.enter(browser).access).status_code == 200


def test_atk_114_a_role_that_a_site_does_not_admit(browser, settings, clock):
    """A page says so, the silent way an error."""
    relying_party.register(settings, replace(STRICT, roles=("director",)))
    closed = party(clock, STRICT)
    browser.open(closed.ask().url).prove()
    assert browser.page.status_code == 403 and browser.arrived is None and shows(browser, "sso.not_for_you.role", "fr")
    assert closed.error(browser, closed.start(browser, prompt="none")) == "access_denied"
    assert not Grant.objects.exists()


def test_atk_115_every_answer_says_who_gave_it_and_a_false_host_changes_nothing(rp, browser):
    """RFC 9207: successes and errors; `returned` refuses an answer without it."""
    assert rp.error(browser, rp.start(browser, prompt="none")) and rp.send(browser)
    for headers in (
        {"host": "evil.example"}, {"x-forwarded-host": "evil.example"}, {"forwarded": "host=evil.example;proto=http"},
        {"x-forwarded-proto": "http", "x-forwarded-port": "81"},
    ):  # fmt: skip
        answer = rp.wire.get("/.well-known/openid-configuration", headers=headers)
        assert b"evil" not in answer.content
        assert answer.status_code == 400 or answer.json() == rp.metadata, headers


def test_atk_116_a_new_owner_of_an_address_is_a_new_person(clock):
    rp = party(clock, SUITE)
    before = rp.enter(Surfer(), scope="openid email")
    person = facts(YOUSSEF)
    Person.objects.filter(id=person.id).update(login="youssef.benali.1@men.gov.ma", local="youssef.benali.1")
    Person.objects.filter(id=facts(JAMAL).id).update(login=YOUSSEF.login, local="youssef.benali")
    newcomer = replace(JAMAL, login=YOUSSEF.login)
    after = rp.enter(Surfer(), newcomer, scope="openid email")
    assert rp.about(after)["email"] == YOUSSEF.login, "the address is the newcomer's"
    assert after.claims["sub"] != before.claims["sub"], "the data of the site are not"
    moved = rp.enter(Surfer(), replace(YOUSSEF, login="youssef.benali.1@men.gov.ma"))
    assert moved.claims["sub"] == before.claims["sub"], "and the first owner keeps theirs under the new address"


# 091: leading away by signing out ------------------------------------------------------------------------------------

SIGNED_OUT = SUITE.post_logout_redirect_uris[0]
BENT = (
    f"{SIGNED_OUT}/", f"{SIGNED_OUT}?x=1", f"{SIGNED_OUT}#x", f"{SIGNED_OUT}\r\nX-Evil: 1", "//evil.example/signed-out",
    SIGNED_OUT.replace("https", "http"), SIGNED_OUT.replace("suite", "SUITE"), "javascript:alert(1)",
    "https://suite.example.ma@evil.example/signed-out", STRICT.post_logout_redirect_uris[0],
)  # fmt: skip


@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "signed out"])
def test_atk_091_sign_out_leads_to_registered_addresses_alone(loose, browser, signed_in):
    tokens = loose.enter(browser)
    if not signed_in:
        browser.sign_out()
    for wish in BENT:
        browser.open(loose.end_session(id_token_hint=tokens.id_token, post_logout_redirect_uri=wish, state="s"))
        assert stays(browser), wish
        assert browser.signed_in is signed_in, "a false wish is not half fulfilled"


def test_atk_091_another_sites_proof_or_form_ends_nothing(loose, browser, clock):
    """Its ID token opens no door of this one; its form lacks the button of our own page, or this browser's token."""
    tokens = party(clock, STRICT).enter(browser)
    for more in ({}, {"client_id": "suite"}):
        wish = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": SIGNED_OUT, **more}
        assert browser.open(loose.end_session(**wish)).arrived is None
    for fields in ({}, {"csrfmiddlewaretoken": "x"}, {"csrfmiddlewaretoken": "x" * 64}):
        browser.post_to(local(loose.end_session()), fields)
        assert browser.signed_in


def test_atk_091_a_proof_of_another_browsers_session_ends_nothing_here(loose, browser):
    """Else whoever holds an old ID token of a person could sign them out wherever they are."""
    tokens, elsewhere = loose.enter(browser), Surfer()
    loose.enter(elsewhere)
    wish = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": SIGNED_OUT}
    assert elsewhere.open(loose.end_session(**wish)).arrived is None and elsewhere.signed_in, "the person is asked"
    assert browser.open(loose.end_session(**wish)).arrived.address == SIGNED_OUT and not browser.signed_in


def test_atk_091_what_the_site_sends_along_is_text(loose, browser):
    tokens = loose.enter(browser)
    browser.open(loose.end_session(state=MARKUP, client_id="suite", post_logout_redirect_uri=SIGNED_OUT))
    assert browser.arrived is None and "<script>alert" not in browser.html
    wish = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": SIGNED_OUT}
    browser.open(loose.end_session(**wish, state="a&b=c\r\nX-Evil: 1"))
    if browser.arrived:
        assert browser.arrived.fields == {"state": "a&b=c\r\nX-Evil: 1"}
        assert "X-Evil" not in browser.page.headers


@pytest.mark.parametrize("endpoint", ["token_endpoint", "introspection_endpoint", "revocation_endpoint"])
def test_atk_106_the_back_channel_reads_posted_forms_alone(rp, browser, endpoint):
    """What is malformed is refused before anybody is asked who they are."""
    asked, code = rp.send(browser)
    fields = {"grant_type": "authorization_code", "code": code, "token": code, "redirect_uri": CALLBACK}
    fields["code_verifier"] = asked.verifier
    path, headers, query = local(rp.metadata[endpoint]), rp.authenticated({})[1], f"?{urlencode(fields)}"
    assert rp.wire.get(path + query, headers=headers).status_code == 405
    by_address = rp.post_form(endpoint, {}, headers, query)
    by_json = rp.wire.post(path, json.dumps(fields), content_type="application/json", headers=headers)
    twice = [*fields.items(), ("code", code), ("token", code)]
    twice = [rp.post_form(endpoint, twice, proof) for proof in (headers, {})]
    assert {answer.status_code for answer in (by_address, by_json, *twice)} <= {400, 403}
    assert all(refused(answer, "invalid_request") for answer in (by_json, *twice))
    assert rp.redeem(asked, code).status_code == 200, "none of these used the code"
