"""`massar sites`: what an operator reads, and whether `test` can tell a closed gate from an open one."""

import argparse
import hashlib
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from django.db import OperationalError
from joserfc import jwt
from joserfc.jwk import KeySet

from massar.domain.sites import api as rooms
from massar.domain.sites import rules
from massar.domain.sites.api import Site
from massar.interfaces.commands import check, main, sites
from tests.cast import JAMAL, YOUSSEF
from tests.sso import relying_party
from tests.support.certificates import pair
from tests.support.serving import site_at_work
from tests.support.sites import load

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def register(settings):
    return lambda *registered, **changed: relying_party.register(settings, *registered, **changed)


@pytest.fixture
def told(capsys):
    """Runs the command; its exit status and what it printed."""

    def run(action: str, slug: str = "", **options) -> tuple[int, str]:
        status = sites.run(argparse.Namespace(action=action, slug=slug, **{"own": False, **options}))
        return status, "".join(capsys.readouterr())

    return run


def oidc(**changed) -> Site:
    facts = {
        "protocol": "oidc", "name": {"en": "Massar"}, "client_id": "m-1", "redirect_uris": ("https://m.example.ma/cb",),
        "backchannel_logout_uri": "https://m.example.ma/out",
    }  # fmt: skip
    return Site("massar", **{**facts, **changed})


def saml(certificate: str = "", **changed) -> Site:
    facts = {
        "protocol": "saml", "entity_id": "urn:t", "acs": ("https://t.example.ma/acs",),
        "slo_soap": "https://t.example.ma/soap", "certificate": certificate,
    }  # fmt: skip
    return Site("taalim", **{**facts, **changed})


GATE = Site("notifrh", protocol="gate", gate_origin="https://n.example.ma")


def test_list_names_the_six_sites_of_the_guide_in_its_order(register, told):
    register(*load(None).sites)
    status, said = told("list")
    assert status == 0 and [line.split()[:2] for line in said.splitlines()] == [
        ["taalim", "saml"], ["massar", "oidc"], ["haraka", "oidc"],
        ["notifrh", "gate"], ["retraite", "saml"], ["esise", "oidc"],
    ]  # fmt: skip
    assert all("not connected" in line and "everybody" in line for line in said.splitlines())


def block(*, begins: int = -100, ends: int = 400, bits: int = 2048) -> str:
    """A certificate; days from now."""
    now = datetime.now(UTC)
    return pair(now + timedelta(days=ends), begins=now + timedelta(days=begins), bits=bits).certificate


LONG, OVER, LAST, NEXT, CURVE = block(), block(ends=-1), block(ends=10), block(begins=5), block(bits=0)


@pytest.mark.parametrize(("pem", "status", "findings"), [
    ("", 0, []),
    (LONG, 0, []),
    (LONG + LONG, 0, []),
    (OVER, 1, ["- taalim: certificate ended on"]),
    (LAST, 1, ["- taalim: certificate ends on"]),
    ("MII", 1, ["- taalim: certificate can't be read"]),
    (OVER + LONG, 0, ["note taalim: certificate, block 1, ended on"]),
    (LONG + OVER, 0, ["note taalim: certificate, block 2, ended on"]),
    (LAST + LONG, 0, ["note taalim: certificate, block 1, ends on"]),
    (LAST + NEXT, 0,
     ["note taalim: certificate, block 1, ends on", "note taalim: certificate, block 2, begins on"]),
    (LAST + block(begins=20), 1,
     ["- taalim: certificate, block 1, ends on", "note taalim: certificate, block 2, begins on"]),
    (LAST + block(ends=12), 1,
     ["- taalim: certificate, block 1, ends on", "- taalim: certificate, block 2, ends on"]),
    (OVER + OVER, 1, ["- taalim: certificate, block 1, ended on", "- taalim: certificate, block 2, ended on"]),
    (OVER + CURVE, 1, ["- taalim: certificate, block 1, ended on", "note taalim: certificate, block 2, has a key"]),
    (NEXT, 1, ["- taalim: certificate begins on"]),
    (CURVE, 1, ["- taalim: certificate has a key that is not RSA"]),
    (CURVE + LONG, 0, ["note taalim: certificate, block 1, has a key that is not RSA"]),
    (block(bits=1024) + LONG, 1, ["- taalim: certificate, block 1, has an RSA key of 1024 bits"]),
    (LONG + LONG[:300], 1, ["- taalim: certificate can't be read"]),
    (LONG + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 1,
     ["- taalim: certificate can't be read"]),
    (f"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n{LONG}", 1,
     ["- taalim: certificate holds a private key"]),
])  # fmt: skip
def test_check_judges_each_certificate_of_a_site_that_rolls_its_key(register, told, pem, status, findings):
    register(saml(pem))
    found, said = told("check")
    lines = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    assert (found, len(lines)) == (status, len(findings)) and all(map(str.startswith, lines, findings)), lines
    assert ("is well" in said) == (status == 0)


def test_check_names_a_site_that_would_not_hear_of_a_sign_out(register, told):
    deaf = oidc(backchannel_logout_uri=""), saml(slo_soap="")
    register(*deaf)
    status, said = told("check")
    assert status == 1 and "massar: has no backchannel_logout_uri" in said
    assert "taalim: has no slo_soap, backchannel_logout_uri or slo" in said
    register(*(replace(site, hears_sign_out=False) for site in deaf))
    assert told("check")[0] == 0
    for way in ("slo_soap", "backchannel_logout_uri", "slo"):
        register(saml(LONG, **{"slo_soap": "", way: "https://t.example.ma/out"}))
        assert told("check")[0] == 0, way
    assert rooms.keys.statuses(now=datetime.now(UTC)) == [], "a check makes no key"
    register(oidc(redirect_uris=(), backchannel_logout_uri="", introspects=True), GATE, saml(acs=(), slo_soap=""))
    assert told("check")[0] == 0, "nobody enters there, or it asks at every request"
    register(saml(slo="https://t.example.ma/slo"))
    status, said = told("check")
    assert status == 1 and "has slo but no certificate" in said


def test_check_refuses_this_machine_in_production_only(register, told):
    """A native program listens on the person's own machine, at any port; one port is a site's."""
    site, native = oidc(redirect_uris=("http://localhost:9/cb",)), ("http://127.0.0.1/back", "http://[::1]/six")
    program = oidc(redirect_uris=native, client_auth="none", backchannel_logout_uri="", hears_sign_out=False)
    for mode, given, status in (
        ("test", site, 0), ("production", site, 1), ("production", program, 0),
        ("production", replace(program, redirect_uris=("http://127.0.0.1:4000/fixed",)), 1),
    ):  # fmt: skip
        register(given, mode=mode)
        found, said = told("check")
        assert found == status and (f"{given.redirect_uris[0]} is this machine" in said) == bool(status)
    register(program)
    assert "At any port" in told("show", "massar")[1]
    assert told("test", "massar") == (0, ""), "nobody listens while nobody signs in"


@pytest.mark.parametrize(
    ("client_id", "odd"), [("esise", ""), ("a+b%c+", "+%"), ("http://x.ma/", ":/"), ("a b", " "), ("é", "é")]
)
def test_check_tells_of_signs_that_clients_write_in_two_ways(register, told, client_id, odd):
    register(oidc(client_id=client_id))
    status, said = told("check")
    assert status == (":" in odd), "a colon ends the name in HTTP Basic"
    assert (f"client_id holds {odd!r}" in said) == ("Authlib, requests-oauthlib and Dovecot" in said) == bool(odd)


LIFE = rooms.keys.SAML_CERTIFICATE_LIFE


@pytest.fixture
def both_checks(register, told, capsys, clock):
    """What each of `massar sites check` and `massar check` says of the account's certificate, so long before its end;
    it may be rolled before, then a while goes by."""
    register(oidc())

    def say(left: timedelta, *, rolled: bool = False, later: timedelta = timedelta(0)) -> list[str]:
        rooms.keys.active(rooms.keys.SAML, now=clock())
        clock.advance(seconds=(LIFE - left).total_seconds())
        if rolled:
            rooms.keys.rotate(now=clock(), uses=(rooms.keys.SAML,))
        clock.advance(seconds=later.total_seconds())
        status, said = told("check")
        statuses = [status, check.run(argparse.Namespace(deploy=False))]
        lines = [line for line in (said + capsys.readouterr().out).splitlines() if "SAML certificate" in line]
        assert statuses == [1, 1] or not lines, lines
        return lines

    return say


@pytest.mark.parametrize(("left", "word"), [
    (timedelta(days=61), ""), (timedelta(days=60), "ends on"), (timedelta(days=1), "ends on"),
    (timedelta(0), "ended on"), (timedelta(days=-9), "ended on"),
])  # fmt: skip
def test_both_checks_tell_the_end_of_the_accounts_own_certificate(both_checks, clock, left, word):
    begun = f"  - The account's SAML certificate {word} {clock() + LIFE:%Y-%m-%d}: "
    said = both_checks(left)
    assert len(said) == (2 if word else 0), said
    assert all(line.startswith(f"{begun}make the next one with `massar keys rotate --use saml`") for line in said), said


@pytest.mark.parametrize(("left", "later"), [(50, 0), (50, 20), (1 / 24, 0), (-3, 0)])
def test_a_certificate_that_was_rolled_in_time_is_no_matter_any_more(both_checks, left, later):
    """Too late: to roll it once more would not help, the next one would wait as long."""
    said = both_checks(timedelta(days=left), rolled=True, later=timedelta(days=later))
    assert len(said) == (0 if left == 50 else 2), said
    assert all("rotate --use saml --at-once" in line and " only: " in line for line in said), said


def test_the_file_is_judged_without_a_database(register, told, monkeypatch):
    monkeypatch.setattr(rooms.keys, "saml_certificate_expiry", Mock(side_effect=OperationalError("no route")))
    register(oidc())
    status, said = told("check")
    assert status == 0 and "note The database did not answer" in said
    register(saml(OVER))
    assert told("check")[0] == 1


def test_show_prints_what_the_other_side_needs(register, told):
    gate = replace(GATE, max_age_minutes=10, no_recovery_hours=96)
    account, later = "https://compte.example.ma", Site("later", protocol="oidc", client_id="later")
    strict = oidc(roles=("director", "inspector"), max_age_minutes=10, no_recent_recovery=True)
    register(strict, saml(slo_soap="", name_id="email"), gate, later, public_url=account)
    for slug, words in {
        "massar": (
            f"{account}/.well-known/openid-configuration", "https://m.example.ma/cb", "m-1",
            "director, inspector; signed in within the last 10 minutes; no recovery in the last 72 hours",
        ),
        "taalim": (f"{account}/saml/metadata", "email", "not at all"),
        "notifrh": (
            gate.gate_origin, "X-Massar-Token",
            "everybody; signed in within the last 10 minutes; no recovery in the last 96 hours",
        ),
        "later": ("Not connected yet: give redirect_uris under [sites.later]",),
    }.items():  # fmt: skip
        status, said = told("show", slug)
        assert status == 0 and all(word in said for word in words), said
        assert bool(re.search(r"SHA-256\s+([0-9a-f]{2}:){31}[0-9a-f]{2}\n", said)) == (slug == "taalim")
        assert "purpose" not in said and "(index)" not in said
    listed = {line.split()[0]: line for line in told("list")[1].splitlines()}
    assert "director, inspector" in listed["massar"] and "not connected" not in listed["massar"]
    assert "index" not in listed["taalim"] and "hears no" not in listed["taalim"]


def test_list_and_show_say_what_was_decided(register, told):
    two, quiet = ("https://t.example.ma/acs", "https://t.example.ma/acs2"), {"hears_sign_out": False}
    register(saml(slo_soap="", acs=two, acs_indexes=(3, 1), **quiet), oidc(backchannel_logout_uri="", **quiet))
    said = {line.split()[0]: line for line in told("list")[1].splitlines()}
    assert said["taalim"].endswith("  acs_indexes 3, 1  hears no sign-out")
    assert said["massar"].endswith("  hears no sign-out")
    shown = told("show", "taalim")[1]
    assert re.search(rf"\(index\) +3 {two[0]}  1 {two[1]}\n", shown) and "not at all, on purpose" in shown
    assert "none, on purpose" in told("show", "massar")[1]


def test_a_site_that_is_not_there_or_not_connected(register, told):
    register(oidc(redirect_uris=()))
    status, said = told("show", "nobody")
    assert status == 1 and "massar sites list" in said
    status, said = told("test", "massar")
    assert status == 1 and "not connected" in said


def test_subjects_are_known_before_the_first_visit(register, cast, tmp_path, told):
    """Some sites must hold the name beforehand; it is the one that the first visit will tell."""
    register(saml())
    file = tmp_path / "logins.txt"
    file.write_text(f"{YOUSSEF.login}\n{JAMAL.login}\n", "utf-8")
    status, said = told("subjects", "taalim", file=str(file))
    people = {one.login: cast.facts(one).id for one in (YOUSSEF, JAMAL)}
    assert status == 0 and dict(line.split(",") for line in said.splitlines()) == {
        login: rooms.subjects.of("taalim", id) for login, id in people.items()
    }
    file.write_text("nobody@men.gov.ma\n", "utf-8")
    status, said = told("subjects", "taalim", file=str(file))
    assert status == 1 and "no such account" in said


def test_a_secret_fits_its_hash_and_is_new_each_time(told, monkeypatch):
    seen = set()
    for _ in range(20):
        secret, hashed = (line.split()[-1] for line in told("secret")[1].splitlines())
        assert hashed == f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) and not rules.form_encoded(secret), "written in one way"
        seen.add(secret)
    assert len(seen) == 20
    for typed, status in (("a+b%\n", 0), ("plain-1.2_3\r\n", 0), ("\n", 1)):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        found, said = told("secret", own=True)
        assert found == status and (rooms.hashed_secret(typed.strip()) in said) == (status == 0)
        assert ("Authlib, requests-oauthlib and Dovecot" in said and "'+%'" in said) == ("+" in typed)
        assert "a+b" not in said


def test_test_is_content_with_a_gate_that_is_closed(register, told, settings):
    start = f"{settings.MASSAR.public_url}/gate/start/?to=x"
    with site_at_work(lambda m, path, f: (303, start) if path == "/" else (403, "")) as gate:
        register(replace(GATE, gate_origin=gate.origin))
        status, said = told("test", "notifrh")
    assert status == 0 and "WRONG" not in said
    assert [path for _, path, _ in gate.asked] == ["/", "/a/../b//c"]
    register(replace(GATE, gate_origin="http://127.0.0.1:1"))
    status, said = told("test", "notifrh")
    assert status == 1 and "nothing: " in said, "one that is away"


@pytest.mark.parametrize("answer", [
    lambda m, path, f: (200, ""),
    lambda m, path, f: (303, "https://elsewhere.example/gate/start/"),
    lambda m, path, f: (303, "http://localhost:8000/gate/start/") if path == "/" else (200, ""),
], ids=["a page for a stranger", "another account", "odd addresses pass"])  # fmt: skip
def test_test_sees_a_gate_that_is_open(register, told, answer):
    with site_at_work(answer) as gate:
        register(replace(GATE, gate_origin=gate.origin))
        status, said = told("test", "notifrh")
    assert status == 1 and "WRONG" in said


@pytest.mark.parametrize("verifies", [True, False], ids=["verifies", "believes all"])
def test_test_sends_a_token_about_nobody_and_a_forged_one(register, told, clock, verifies):
    rooms.keys.active(rooms.keys.ES256, now=clock())
    keys = KeySet.import_key_set({"keys": [signer.jwk for signer in rooms.keys.published(now=clock())]})

    def answer(method: str, path: str, form: dict) -> tuple[int, str]:
        if method == "GET":
            return 400, ""  # a callback without a code
        try:
            token = jwt.decode(form["logout_token"], keys, algorithms=["ES256"])
        except Exception:
            return (400 if verifies else 200), ""
        return (200, "") if token.claims["aud"] == "m-1" else (400, "")

    with site_at_work(answer) as site:
        register(oidc(redirect_uris=(f"{site.origin}/cb",), backchannel_logout_uri=f"{site.origin}/out"))
        status, said = told("test", "massar")
    assert (status == 0) == verifies == ("WRONG" not in said.splitlines()[-1]), said
    assert [method for method, _, _ in site.asked] == ["GET", "POST", "POST"]


def test_every_action_is_on_the_command_line(tmp_path, told):
    """What import-metadata reads: test_saml_metadata.py."""
    status, said = told("import-metadata", file=str(tmp_path / "none"))
    assert status == 1 and "can't be used" in said
    for words in ("list", "check", "secret", "show massar", "test massar", "import-metadata x", "subjects massar x"):
        options = main.build_parser().parse_args(["sites", *words.split()])
        assert (options.module, options.action) == ("massar.interfaces.commands.sites", words.split()[0])
