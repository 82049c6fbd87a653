"""Attacks on the OpenID Provider, numbered as in docs/security/attack-cases.md."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connections
from django.test import Client

from massar.domain.people import api as people
from massar.domain.people.models import Person
from massar.domain.sites import api as sites
from massar.domain.sites.models import Grant, Token
from tests.cast import JAMAL, KHADIJA, KHADIJA_EMAIL, YOUSSEF, facts
from tests.sso.relying_party import (
    KEY,
    KEYED,
    MACHINE,
    MODEST,
    SECOND,
    STRICT,
    SUITE,
    Surfer,
    b64,
    challenge,
    local,
    packed,
    parts,
    party,
    public_jwk,
    public_key,
    register,
    signed_es256,
)
from tests.support.faults import empty
from tests.support.visitor import Post, Visitor

pytestmark = pytest.mark.usefixtures("registered")

CALLBACK = STRICT.redirect_uris[0]
NEW = "Orchid-lantern-73*"


@pytest.fixture
def loose(clock):
    """A site that may go without PKCE."""
    return party(clock, SUITE)


def refused(answer, error: str = "invalid_grant", status: int = 400) -> bool:
    return (answer.status_code, answer.json()["error"]) == (status, error)


def refused_somehow(answer, *errors: str) -> bool:
    return answer.status_code in (400, 401) and answer.json()["error"] in (*errors, "invalid_request")


def stays(browser) -> bool:
    """On an error page of the account's own."""
    return browser.page.status_code == 400 and browser.arrived is None


@pytest.fixture
def youssef(browser) -> Surfer:
    return browser.sign_in(YOUSSEF.login, YOUSSEF.password)


# 101, 102: where the answer goes --------------------------------------------------------------------------------------

FOREIGN = {
    "slash": f"{CALLBACK}/",
    "port": "https://strict.example.ma:8443/callback",
    "usual port": "https://strict.example.ma:443/callback",
    "case": "https://strict.example.ma/Callback",
    "host case": "https://STRICT.example.ma/callback",
    "query": f"{CALLBACK}?x",
    "fragment": f"{CALLBACK}#f",
    "traversal": "https://strict.example.ma/callback/../callback",
    "encoded traversal": "https://strict.example.ma/a/%2e%2e/callback",
    "user": "https://strict.example.ma@evil.example/callback",
    "backslash": "https://strict.example.ma\\@evil.example/callback",
    "subdomain": "https://x.strict.example.ma/callback",
    "suffix": "https://strict.example.ma.evil.example/callback",
    "http": "http://strict.example.ma/callback",
    "script": "javascript:alert(1)//https://strict.example.ma/callback",
    "space": f"{CALLBACK} ",
    "newline": f"{CALLBACK}\r\nX-Evil: 1",
    "null": f"{CALLBACK}\0",
    "another site's": MODEST.redirect_uris[0],
    "empty": "",
}


@pytest.mark.parametrize("wish", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "stranger"])
def test_atk_101_an_address_that_is_not_registered_gets_no_redirect(rp, browser, wish, signed_in):
    if signed_in:
        browser.sign_in(YOUSSEF.login, YOUSSEF.password)
    assert stays(browser.open(rp.ask(redirect_uri=wish).url))
    assert not re.search(r'(href|action|src|content)="[^"/]*//', browser.html), "no way leads elsewhere"
    assert not Grant.objects.exists()


@pytest.mark.parametrize("second", [None, "https://evil.example/", CALLBACK])
def test_atk_101_none_or_two_addresses(rp, youssef, second):
    address = f"{rp.ask().url}&{urlencode({'redirect_uri': second})}" if second else rp.ask(redirect_uri=None).url
    assert stays(youssef.open(address))


@pytest.mark.parametrize("client", ["nobody", "", "STRICT", "strict ", None, "x" * 5000, "strict\0"])
def test_atk_102_an_unknown_client_gets_no_redirect(rp, youssef, client):
    youssef.open(rp.ask(client_id=client).url)
    assert youssef.page.status_code in (400, 414) and youssef.arrived is None


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


@pytest.mark.parametrize(("changed", "error"), REFUSED, ids=str)
def test_atk_102_103_111_a_request_that_bends_the_rules_goes_back_with_its_error(rp, youssef, changed, error):
    """By the query, whatever was asked for, and with nothing that opens anything."""
    asked = rp.start(youssef, **changed)
    assert rp.error(youssef, asked) == error
    assert "#" not in youssef.page.headers["Location"] and not Token.objects.exists()


@pytest.mark.parametrize("wish", ["9" * 40, ""])
def test_atk_111_an_odd_max_age(rp, youssef, wish):
    assert rp.code(youssef, rp.start(youssef, max_age=wish))


def test_atk_102_the_machine_site_has_no_front_door(clock, youssef):
    """Client credentials only: nobody is ever sent there."""
    machine = party(clock, replace(MACHINE, redirect_uris=("https://machine.example.ma/callback",)))
    assert stays(youssef.open(machine.ask().url))


# 103: PKCE ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verifier", ["y" * 43, "y" * 42, "y" * 129, "", "é" * 43, "y" * 5000, "\0" * 43, None], ids=str
)
def test_atk_103_a_wrong_verifier_opens_nothing_and_burns_the_code(rp, browser, verifier):
    asked, code = rp.send(browser)
    changed = {} if verifier is None else {"code_verifier": verifier}
    answer = rp.redeem(replace(asked, verifier="") if verifier is None else asked, code, **changed)
    assert refused_somehow(answer, "invalid_grant")
    assert not Token.objects.filter(kind="access").exists()


@pytest.mark.parametrize("length", [42, 129])
def test_atk_103_a_verifier_of_a_length_that_the_standard_forbids(rp, browser, length):
    """Even when its challenge fits (RFC 7636 §4.1: 43 to 128 signs)."""
    asked, code = rp.send(browser, code_challenge=challenge("v" * length))
    assert refused_somehow(rp.redeem(asked, code, code_verifier="v" * length), "invalid_grant")


def test_atk_103_a_verifier_without_a_challenge_is_a_downgrade(loose, browser):
    """RFC 9700 §4.8.2: somebody took the challenge out of the request."""
    asked, code = loose.send(browser)
    assert refused_somehow(loose.redeem(asked, code, code_verifier="v" * 43), "invalid_grant")


# 104: codes ---------------------------------------------------------------------------------------------------------


def test_atk_104_another_site_or_address_can_not_redeem_a_code(loose, browser, clock):
    asked, code = loose.send(browser)
    second = party(clock, SECOND)
    assert refused(second.redeem(asked, code))
    assert refused(second.redeem(asked, code, redirect_uri=SECOND.redirect_uris[0]))
    assert refused(loose.redeem(asked, code, redirect_uri=f"{SUITE.redirect_uris[0]}/"))


def test_atk_104_a_code_twice_ends_what_the_first_time_gave(rp, browser):
    asked, code = rp.send(browser, scope="openid offline_access")
    tokens = rp.tokens(asked, rp.redeem(asked, code))
    assert refused(rp.redeem(asked, code))
    assert rp.userinfo(tokens.access).status_code == 401
    assert tokens.refresh is None or refused(rp.refresh(tokens.refresh))


def test_atk_104_a_minute_and_a_second(rp, browser, clock):
    asked, code = rp.send(browser)
    clock.advance(seconds=61)
    assert refused(rp.redeem(asked, code))


def test_atk_104_guessed_and_odd_codes(rp, browser):
    asked, code = rp.send(browser)
    for odd in (code[:-1], code + "x", code.swapcase(), "", "x" * 10_000, "\0", "' OR 1=1 --"):
        assert refused_somehow(rp.redeem(asked, odd), "invalid_grant")
    assert rp.redeem(asked, code).status_code == 200, "guesses don't touch the real one"


@pytest.fixture
def many_at_once(transactional_db):
    """No transaction around the test. Its rows go first: the audit log refuses the usual flush, not an empty one."""
    yield
    empty()


@pytest.mark.django_db(transaction=True)
def test_atk_104_fifty_at_once_one_at_most_gets_tokens(many_at_once, rp, browser):
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


@pytest.mark.parametrize("way", ["no secret", "wrong secret", "empty secret", "both", "nobody"])
def test_atk_104_without_the_sites_own_proof(rp, browser, clock, way):
    asked, code = rp.send(browser)
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": asked.verifier,
    }
    stranger = party(clock, STRICT)
    stranger.secret = "wrong"
    body, headers = {
        "no secret": ({"client_id": "strict"}, {}),
        "wrong secret": ({}, stranger.authenticated({})[1]),
        "empty secret": ({"client_id": "strict", "client_secret": ""}, {}),
        "both": ({"client_id": "strict", "client_secret": rp.secret}, rp.authenticated({})[1]),
        "nobody": ({}, {}),
    }[way]
    answer = posted_form(rp, "token_endpoint", {**fields, **body}, headers)
    assert refused_somehow(answer, "invalid_client")
    if way == "wrong secret":
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Basic")
    assert rp.redeem(asked, code).status_code == 200, "who is nobody burns nobody's code"


def posted_form(rp, endpoint: str, fields, headers: dict[str, str], query: str = ""):
    path, kind = local(rp.metadata[endpoint]), "application/x-www-form-urlencoded"
    return rp.wire.post(path + query, urlencode(fields), content_type=kind, headers=headers)


# 105: refresh tokens ------------------------------------------------------------------------------------------------


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
    assert refused(rp.refresh(kept.refresh))
    assert refused(rp.refresh(second["refresh_token"]))
    assert rp.userinfo(second["access_token"]).status_code == 401
    assert rp.userinfo(kept.access).status_code == 401


@pytest.mark.parametrize("end", ["changed", "signed out"])
def test_atk_105_after_a_password_change_or_sign_out_nothing_lives(rp, kept, browser, end):
    if end == "changed":
        Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).change(YOUSSEF.password, NEW)
    else:
        browser.get("/").submit("/sign-out/")
    assert refused(rp.refresh(kept.refresh)) and rp.userinfo(kept.access).status_code == 401


def test_atk_105_a_scope_can_not_grow(rp, kept):
    assert refused(rp.refresh(kept.refresh, scope="openid email profile school offline_access"), "invalid_scope")


def test_atk_105_the_family_has_an_end(rp, kept, clock):
    token, turns = kept.refresh, 0
    while turns < 40:
        clock.advance(minutes=25)
        answer = rp.refresh(token)
        if answer.status_code != 200:
            break
        token, turns = answer.json()["refresh_token"], turns + 1
    assert refused(answer) and turns <= 29, "twelve hours, however often it turns"


def test_atk_105_a_refresh_token_is_no_access_token_nor_code(rp, kept, browser):
    assert rp.userinfo(kept.refresh).status_code == 401
    asked = rp.ask()
    assert refused(rp.redeem(asked, kept.refresh))
    assert refused(rp.refresh(kept.access))


# 106: tokens in the wrong place -------------------------------------------------------------------------------------


def test_atk_106_an_id_token_is_no_access_token(rp, browser):
    tokens = rp.enter(browser)
    answer = rp.userinfo(tokens.id_token)
    assert answer.status_code == 401 and "invalid_token" in answer.headers["WWW-Authenticate"]


def test_atk_106_only_machines_act_for_themselves_and_their_token_is_nobodys(rp, machine):
    assert refused(rp.post("token_endpoint", grant_type="client_credentials"), "unauthorized_client")
    answer = machine.post("token_endpoint", grant_type="client_credentials")
    assert answer.status_code == 200 and "id_token" not in answer.json()
    assert machine.userinfo(answer.json()["access_token"]).status_code in (401, 403)


@pytest.mark.parametrize("kind", ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "", "x"])
def test_atk_106_other_grants_are_unknown(rp, kind):
    fields = {"grant_type": kind, "username": YOUSSEF.login, "password": YOUSSEF.password, "assertion": "x"}
    assert refused_somehow(rp.post("token_endpoint", **fields), "unsupported_grant_type")


@pytest.mark.parametrize(
    ("way", "token"),
    [
        # A control sign can't stand in a header at all (attack case 099); in a body it can.
        *((way, t) for way in ("get", "post-header") for t in ("", "x", "x" * 9000, "a.b.c", "' OR 1=1")),
        *(("post-body", t) for t in ("", "x", "x" * 9000, "a.b.c", "' OR 1=1", "\0", "é", "\ud800")),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_atk_106_odd_tokens_at_userinfo(rp, way, token):
    if token == "\ud800":  # half a sign, as bytes that are no UTF-8
        path = local(rp.metadata["userinfo_endpoint"])
        body = "access_token=%ED%A0%80%FF"
        answer = rp.wire.post(path, body, content_type="application/x-www-form-urlencoded")
    else:
        answer = rp.userinfo(token, way=way)
    assert answer.status_code in (400, 401)


def test_atk_106_a_token_in_the_address_is_not_read(rp, browser):
    """It would stand in logs (RFC 6750 §5.3, OAuth 2.1 §5.2)."""
    tokens = rp.enter(browser)
    path = local(rp.metadata["userinfo_endpoint"])
    assert rp.wire.get(f"{path}?{urlencode({'access_token': tokens.access})}").status_code == 401


def test_atk_106_introspection_is_for_those_who_may(rp, browser, machine):
    """It says no subject that is another site's, and nothing of a refresh token."""
    tokens = rp.enter(browser, scope="openid offline_access")
    assert refused(rp.post("introspection_endpoint", token=tokens.access), "unauthorized_client", 403)
    about = machine.post("introspection_endpoint", token=tokens.access).json()
    assert (about["active"], about["client_id"], about["username"]) == (True, "strict", YOUSSEF.login)
    assert "sub" not in about and about["exp"] == tokens.claims["iat"] + tokens.answer["expires_in"]
    for nothing in ("x" * 43, tokens.refresh):
        assert machine.post("introspection_endpoint", token=nothing).json() == {"active": False}


def test_atk_106_revocation_of_anothers_token_does_nothing(rp, browser, clock):
    tokens = rp.enter(browser)
    assert party(clock, SUITE).post("revocation_endpoint", token=tokens.access).status_code in (200, 400)
    assert rp.userinfo(tokens.access).status_code == 200
    assert rp.post("revocation_endpoint", token=tokens.access).status_code == 200
    assert rp.userinfo(tokens.access).status_code == 401
    assert rp.post("revocation_endpoint", token="x" * 43).status_code == 200  # RFC 7009 §2.2


# 107: greedy sites --------------------------------------------------------------------------------------------------


def test_atk_107_contacts_are_never_released(clock, browser):
    rp = party(clock, SUITE)
    wish = {"phone_number": {"essential": True}, "personal_email": None, "contacts": None, "email": None}
    tokens = rp.enter(
        browser,
        KHADIJA,
        scope="openid profile email phone address school contacts",
        claims=json.dumps({"userinfo": wish, "id_token": wish}),
    )
    said = json.dumps([rp.about(tokens), tokens.claims, tokens.answer], ensure_ascii=False)
    assert KHADIJA.login in said and KHADIJA_EMAIL not in said
    assert "phone" not in said and not re.search(r"\+?212\d{6,}", said)


def test_atk_107_a_site_gets_the_scopes_it_is_registered_for(clock, browser):
    rp = party(clock, MODEST)
    claims = json.dumps({"userinfo": {"name": {"essential": True}, "school": None, "role": None}})
    tokens = rp.enter(browser, scope="openid email profile school", claims=claims)
    assert rp.about(tokens).keys() == {"sub", "email", "email_verified"}
    assert set(tokens.answer.get("scope", "openid email").split()) == {"openid", "email"}


def test_atk_107_two_sites_can_not_compare_their_people(clock):
    subs = {party(clock, site).enter(Surfer()).claims["sub"] for site in (STRICT, SUITE, SECOND)}
    sids = {party(clock, site).enter(Surfer()).claims["sid"] for site in (STRICT, SUITE, SECOND)}
    assert len(subs) == 3 and len(sids) == 3
    assert not any(str(facts(YOUSSEF).id) == s or "youssef" in s for s in subs)


def test_atk_107_a_sub_in_the_request_chooses_nobody(loose, youssef):
    """OIDC Core §5.5.1: a site that means somebody else gets nobody else, neither a code nor another sub."""
    wish = json.dumps({"id_token": {"sub": {"value": "s-somebody-else"}}})
    if loose.start(youssef, claims=wish) and youssef.at_sign_in:
        youssef.prove()
    assert youssef.arrived is None or "code" not in youssef.arrived.fields
    silent = loose.start(youssef, claims=wish, prompt="none")
    assert loose.error(youssef, silent) == "login_required"


@pytest.mark.parametrize(
    "claims", ["{", "[]", "1", '"x"', '{"userinfo":1}', "[" * 5000, '{"a":' * 900 + "1" + "}" * 900]
)
def test_atk_107_a_broken_wish_is_refused_or_ignored(rp, youssef, claims):
    asked = rp.start(youssef, claims=claims)
    if youssef.arrived is None:
        assert youssef.page.status_code == 400
    elif "code" in youssef.arrived.fields:
        assert rp.about(rp.finish(youssef, asked)).keys() == {"sub"}
    else:
        assert rp.error(youssef, asked) == "invalid_request"


# 108: forged JWTs ---------------------------------------------------------------------------------------------------


def forgeries(header: dict, claims: dict, jwk: dict) -> dict[str, str]:
    """JWTs with these claims that no verifier may believe; `jwk` is the public key that the real one is under."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    pem = public_key(jwk).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    own = {k: v for k, v in public_jwk(stranger, "own").items() if k != "kid"}

    def by_secret(secret: bytes) -> str:
        text = f"{packed({**header, 'alg': 'HS256'})}.{packed(claims)}"
        return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    found = {
        f"alg {alg}": f"{packed({**header, 'alg': alg})}.{packed(claims)}."
        for alg in ("none", "None", "NONE", "nOnE", "")
    }
    found |= {"hs256 by public key": by_secret(pem), "hs256 by nothing": by_secret(b"")}
    for name, more in {
        "another's key": {},
        "kid path": {"kid": "../../../dev/null"},
        "kid sql": {"kid": "' UNION SELECT 'x' --"},
        "kid empty": {"kid": ""},
        "kid is a list": {"kid": ["x"]},
        "jku": {"jku": "https://evil.example/jwks"},
        "x5u": {"x5u": "https://evil.example/cert"},
        "jwk": {"jwk": own},
    }.items():
        found[name] = signed_es256({**header, "alg": "ES256", **more}, claims, stranger)
    return found | {
        "no jwt": "x",
        "two parts": "a.b",
        "five parts": "a.b.c.d.e",
        "empty": "..",
        "long": "x" * 9000,
    }


NAMES = list(forgeries({}, {}, KEYED.client_keys[0]))


@pytest.fixture
def keyed(registered, clock):
    """A site that proves itself by a key."""
    return party(clock, KEYED)


def redeemed_with(keyed, browser, assertion: str):
    asked, code = keyed.send(browser)
    keyed.assertion = lambda: assertion
    return keyed.redeem(asked, code)


@pytest.mark.parametrize("name", NAMES)
def test_atk_108_forged_client_assertions(keyed, browser, name):
    header, claims, *_ = parts(keyed.assertion(header={"kid": "site-key"}))
    forged = forgeries(header, claims, KEYED.client_keys[0])[name]
    assert refused_somehow(redeemed_with(keyed, browser, forged), "invalid_client")
    assert not Token.objects.filter(kind="access").exists()


@pytest.mark.parametrize("name", NAMES)
def test_atk_108_forged_id_token_hints(loose, browser, clock, name):
    """At sign-out: no session ends unasked, no redirect. With prompt=none: no code."""
    tokens = loose.enter(browser)
    header, claims, *_ = parts(tokens.id_token)
    jwk = next(k for k in loose.keys() if k["kid"] == header["kid"])
    hint = forgeries(header, claims, jwk)[name]
    uri = SUITE.post_logout_redirect_uris[0]
    browser.open(loose.end_session(id_token_hint=hint, post_logout_redirect_uri=uri, state="s"))
    assert browser.arrived is None and browser.signed_in
    asked = loose.start(browser, prompt="none", id_token_hint=hint)
    if browser.arrived is None:
        assert browser.page.status_code == 400
    else:
        assert loose.error(browser, asked) in ("login_required", "invalid_request")


def test_atk_108_crit_is_refused_although_the_signature_is_right(keyed, browser):
    """RFC 7515 §4.1.11: what must be understood and is not."""
    odd = keyed.assertion(header={"crit": ["unheard-of"], "unheard-of": 1})
    assert redeemed_with(keyed, browser, odd).status_code in (400, 401)


@pytest.mark.parametrize(("first", "last"), [("keyed", "suite"), ("suite", "keyed")])
def test_atk_108_a_name_twice_although_the_signature_is_right(keyed, browser, first, last):
    """Two readers of one token must not see two clients: it is refused, or is the one that signed."""
    claims = json.dumps({k: v for k, v in parts(keyed.assertion())[1].items() if k not in ("iss", "sub")})
    twice = "".join(f'"iss": "{who}", "sub": "{who}", ' for who in (first, last))
    answer = redeemed_with(keyed, browser, signed_es256({"alg": "ES256"}, claims.replace("{", "{" + twice, 1), KEY))
    assert answer.status_code in ((200, 400, 401) if last == "keyed" else (400, 401))
    assert not Token.objects.filter(kind="access").exclude(grant__site="keyed").exists()


# 109: client assertions ---------------------------------------------------------------------------------------------


def test_atk_109_an_assertion_works_once(keyed, browser):
    once = keyed.assertion()
    assert redeemed_with(keyed, browser, once).status_code == 200
    again = redeemed_with(keyed, browser, once)
    assert refused(again, "invalid_client", 401) and again.headers["WWW-Authenticate"].startswith("Basic")


WRONG_ASSERTIONS = {
    "audience": {"aud": "https://evil.example/token"},
    "no audience": {"aud": None},
    "issuer": {"iss": "strict"},
    "subject": {"sub": "strict"},
    "an hour": {"exp": +3600},
    "expired": {"exp": -61},
    "no end": {"exp": None},
    "no id": {"jti": None},
    "not yet": {"nbf": +600},
    "from the future": {"iat": +600},
    "end is a word": {"exp": "soon"},
    "end beyond all numbers": {"exp": 10**400},
    "id is a list": {"jti": ["x"]},
    "audience is a table": {"aud": {"x": 1}},
}


@pytest.mark.parametrize("changed", WRONG_ASSERTIONS.values(), ids=WRONG_ASSERTIONS)
def test_atk_109_assertions_for_another_place_or_time(keyed, browser, clock, changed):
    moment = int(clock().timestamp())
    changed = {k: moment + v if isinstance(v, int) else v for k, v in changed.items()}
    answer = redeemed_with(keyed, browser, keyed.assertion(**changed))
    assert answer.status_code in (400, 401) and answer.json()["error"] == "invalid_client"


def test_atk_109_a_site_with_a_key_has_no_secret(keyed, clock, browser):
    asked, code = keyed.send(browser)
    by_secret = party(clock, replace(KEYED, client_auth="client_secret_post"))
    for secret in ("", "x", "sha256:"):
        by_secret.secret = secret
        assert refused_somehow(by_secret.redeem(asked, code), "invalid_client")


# 110, 111: who is signed in ------------------------------------------------------------------------------------------


def test_atk_110_a_recovery_session_is_nobody_to_a_site(rp, clock):
    post = Post(clock)
    browser = Surfer()
    browser.ask(KHADIJA.login, email=KHADIJA_EMAIL)
    browser.sign_in(KHADIJA.login, post.secret(KHADIJA_EMAIL))
    assert any(name.endswith("change") for name in browser.cookies), "a change session is open"
    asked = rp.start(browser, prompt="none")
    assert rp.error(browser, asked) == "login_required"
    assert not Grant.objects.exists()


@pytest.mark.parametrize("wish", [{"max_age": "0"}, {"prompt": "login"}, {"prompt": "login", "max_age": "0"}])
def test_atk_111_a_fresh_proof_is_a_fresh_proof(rp, browser, clock, wish):
    first = rp.enter(browser)
    clock.advance(minutes=3)
    asked = rp.start(browser, **wish)
    assert browser.at_sign_in and not Token.objects.filter(used_at=0, kind="code").exists()
    browser.open(asked.url)
    assert browser.at_sign_in, "asking twice is no proof"
    tokens = rp.finish(browser.prove(), asked)
    assert tokens.claims["auth_time"] == first.claims["auth_time"] + 180


@pytest.mark.parametrize("wish", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "1"}], ids=str)
@pytest.mark.parametrize("seconds", [30, 180])
def test_atk_111_walking_around_the_form(rp, browser, clock, wish, seconds):
    """Home, Back and the waiting request's own address don't count as a proof, however young the session is."""
    rp.enter(browser)
    clock.advance(seconds=seconds)
    rp.start(browser, **wish)
    for path in ("/", "/continue/", "/sign-in/"):
        browser.get(path)
        assert browser.arrived is None or "code" not in browser.arrived.fields, path


# 112: what a request may carry --------------------------------------------------------------------------------------

MARKUP = '"><script>alert(1)</script><b>\u202e\u2066'


@pytest.mark.parametrize("name", ["login_hint", "ui_locales", "display", "acr_values", "scope", "claims_locales"])
def test_atk_112_markup_and_invisible_marks_are_never_markup(rp, browser, name):
    value = MARKUP if name != "scope" else f"openid {MARKUP}"
    browser.open(rp.ask(**{name: value}).url)
    assert browser.page.status_code < 500 and "<script>alert" not in browser.html


@pytest.mark.parametrize("name", ["state", "nonce"])
def test_atk_112_state_and_nonce_come_back_as_they_are(rp, browser, name):
    asked, code = rp.send(browser, **{name: MARKUP})
    assert browser.arrived.fields["state"] == asked.state
    assert rp.tokens(asked, rp.redeem(asked, code)).claims["nonce"] == asked.nonce


@pytest.mark.parametrize("name", ["login_hint", "ui_locales", "display", "state", "nonce", "scope", "claims", "x"])
def test_atk_112_a_megabyte(rp, browser, name):
    asked = rp.start(browser, **{name: "x" * 1_000_000})
    assert browser.page.status_code in (400, 413, 414) or len(str(browser.arrived)) < 10_000
    browser.post_to(asked.address, asked.fields)
    assert browser.page.status_code in (400, 413)


@pytest.mark.parametrize("name", ["state", "scope", "client_id", "nonce", "prompt", "code_challenge"])
def test_atk_112_a_parameter_twice(rp, youssef, name):
    """RFC 6749 §3.1: refused, whichever of the two one would believe."""
    youssef.open(f"{rp.ask(prompt='none').url}&{name}=other")
    if youssef.arrived is None:
        assert youssef.page.status_code == 400
    else:
        assert youssef.arrived.address == CALLBACK and youssef.arrived.fields["error"] == "invalid_request"


@pytest.mark.parametrize("name", ["state", "id_token_hint", "client_id", "post_logout_redirect_uri", "logout_hint"])
@pytest.mark.parametrize("by", ["address", "form"])
def test_atk_112_a_parameter_twice_at_the_sign_out(rp, browser, by, name):
    """A short form goes on as an address, where one of the two would have been lost."""
    tokens = rp.enter(browser)
    fields = {"id_token_hint": tokens.id_token, "client_id": STRICT.client_id, "state": "s"}
    fields["post_logout_redirect_uri"] = STRICT.post_logout_redirect_uris[0]
    twice = [*({"logout_hint": "x"} | fields).items(), (name, fields.get(name, "y"))]
    if by == "address":
        browser.open(f"{rp.end_session()}?{urlencode(twice)}")
    else:
        browser.post_to(rp.end_session(), twice)
    assert browser.page.status_code == 400 and browser.arrived is None and browser.signed_in


@pytest.mark.parametrize(
    "path",
    [
        "/authorize/resume?",
        "/saml/start/retraite/?",
        "/saml/slo/asked/?ref=a&",
        "/saml/left/?said=a&",
        "/saml/answer/?",
        "/gate/resume/?",
    ],
)
def test_atk_112_our_own_steps_take_nothing_twice(cast, path):
    for twice in ("x=1&x=2", "ref=b&ref=c", "said=b&said=c"):
        assert Client().get(f"{path}{twice}").status_code == 400, twice
    assert Client().post("/saml/slo/confirm/", {"ref": ["a", "b"]}).status_code == 400


def test_atk_112_form_post_escapes_what_it_carries(rp, browser):
    asked = rp.start(browser, response_mode="form_post", state=MARKUP)
    browser.prove()
    assert browser.page.status_code == 200 and "<script>alert" not in browser.html
    assert rp.finish(browser, asked)
    policy = browser.page.headers["Content-Security-Policy"]
    assert "form-action 'self' https:;" in policy and "unsafe-inline" not in policy


# 114: people who may no longer --------------------------------------------------------------------------------------


def test_atk_114_disabled_at_any_moment(rp, kept, browser, machine):
    asked, code = rp.send(browser)
    people.directory.disable(facts(YOUSSEF).id)
    assert refused(rp.redeem(asked, code))
    assert refused(rp.refresh(kept.refresh))
    assert rp.userinfo(kept.access).status_code == 401
    assert machine.post("introspection_endpoint", token=kept.access).json() == {"active": False}


def test_atk_114_a_role_that_a_site_does_not_admit(rp, browser, settings, clock):
    site = replace(STRICT, roles=("director",))
    register(settings, site)
    asked = party(clock, site).ask()
    browser.open(asked.url).prove()
    assert browser.arrived is None or "code" not in browser.arrived.fields
    assert not Grant.objects.exists()


# 115: who answers ---------------------------------------------------------------------------------------------------


def test_atk_115_every_answer_says_who_gave_it(rp, browser):
    """RFC 9207: successes and errors; `returned` refuses an answer without it."""
    asked = rp.start(browser, prompt="none")
    assert rp.error(browser, asked) and browser.arrived.fields["iss"] == rp.metadata["issuer"]
    rp.send(browser)
    assert browser.arrived.fields["iss"] == rp.metadata["issuer"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"x-forwarded-host": "evil.example"},
        {"forwarded": "host=evil.example;proto=http"},
        {"x-forwarded-proto": "http", "x-forwarded-port": "81"},
    ],
    ids=str,
)
def test_atk_115_a_false_host_changes_nothing(rp, headers):
    answer = rp.wire.get("/.well-known/openid-configuration", headers=headers)
    assert b"evil" not in answer.content
    assert answer.status_code == 400 or answer.json() == rp.metadata


# 116: names that are given again ------------------------------------------------------------------------------------


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
BENT = [
    f"{SIGNED_OUT}/",
    f"{SIGNED_OUT}?x=1",
    f"{SIGNED_OUT}#x",
    SIGNED_OUT.replace("https", "http"),
    SIGNED_OUT.replace("suite", "SUITE"),
    "https://suite.example.ma@evil.example/signed-out",
    "//evil.example/signed-out",
    "javascript:alert(1)",
    STRICT.post_logout_redirect_uris[0],
    f"{SIGNED_OUT}\r\nX-Evil: 1",
]


@pytest.mark.parametrize("wish", BENT)
@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "signed out"])
def test_atk_091_sign_out_leads_to_registered_addresses_alone(loose, browser, wish, signed_in):
    tokens = loose.enter(browser)
    if not signed_in:
        browser.get("/").submit("/sign-out/")
    browser.open(loose.end_session(id_token_hint=tokens.id_token, post_logout_redirect_uri=wish, state="s"))
    assert browser.arrived is None and browser.page.status_code == 400
    assert browser.signed_in is signed_in, "a false wish is not half fulfilled"


def test_atk_091_another_sites_id_token_opens_no_door_of_this_one(loose, browser, clock):
    strict = party(clock, STRICT)
    tokens = strict.enter(browser)
    for more in ({}, {"client_id": "suite"}):
        wish = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": SIGNED_OUT, **more}
        browser.open(loose.end_session(**wish))
        assert browser.arrived is None


@pytest.mark.parametrize("token", ["", "x", "x" * 64])
def test_atk_091_a_form_of_another_site_signs_nobody_out(loose, browser, token):
    """Without the button of our own page, and with a token that is not this browser's."""
    loose.enter(browser)
    path = local(loose.metadata["end_session_endpoint"])
    browser.post_to(path, {"csrfmiddlewaretoken": token} if token else {})
    assert browser.signed_in


def test_atk_091_what_the_site_sends_along_is_text(loose, browser):
    tokens = loose.enter(browser)
    browser.open(loose.end_session(state=MARKUP, client_id="suite", post_logout_redirect_uri=SIGNED_OUT))
    assert browser.arrived is None and "<script>alert" not in browser.html
    wish = {"id_token_hint": tokens.id_token, "post_logout_redirect_uri": SIGNED_OUT}
    browser.open(loose.end_session(**wish, state="a&b=c\r\nX-Evil: 1"))
    if browser.arrived:
        assert browser.arrived.fields == {"state": "a&b=c\r\nX-Evil: 1"}
        assert "X-Evil" not in browser.page.headers


# 106: the back channel takes forms, by post, and nothing by its address ---------------------------------------------


@pytest.mark.parametrize("endpoint", ["token_endpoint", "introspection_endpoint", "revocation_endpoint"])
def test_atk_106_the_back_channel_reads_posted_forms_alone(rp, browser, endpoint):
    asked, code = rp.send(browser)
    fields = {
        "grant_type": "authorization_code", "code": code, "token": code, "redirect_uri": CALLBACK,
        "code_verifier": asked.verifier,
    }  # fmt: skip
    path, headers, query = local(rp.metadata[endpoint]), rp.authenticated({})[1], f"?{urlencode(fields)}"
    assert rp.wire.get(path + query, headers=headers).status_code == 405
    by_address = posted_form(rp, endpoint, {}, headers, query)
    by_json = rp.wire.post(path, json.dumps(fields), content_type="application/json", headers=headers)
    twice = posted_form(rp, endpoint, [*fields.items(), ("code", code), ("token", code)], headers)
    assert {answer.status_code for answer in (by_address, by_json, twice)} <= {400, 403}
    assert rp.redeem(asked, code).status_code == 200, "none of these used the code"
