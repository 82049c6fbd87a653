"""`massar sites`: what an operator reads, and whether `test` can tell a closed gate from an open one."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from django.db import OperationalError
from joserfc import jwt
from joserfc.jwk import KeySet

from massar.core.settings import SettingsError
from massar.domain.sites import api as rooms
from massar.domain.sites.api import Registry, Site
from massar.interfaces.commands import check, main, sites
from tests.cast import JAMAL, YOUSSEF
from tests.support.certificates import certificate_until
from tests.support.sites import load

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
NOTIF = "http://127.0.0.1:1"


class SiteAtWork:
    """A site on loopback that answers as `answer(method, path, form) -> (status, location)` says."""

    def __init__(self, answer):
        self.asked: list[tuple[str, str, dict]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                length = int(self.headers.get("Content-Length", 0))
                form = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
                outer.asked.append((self.command, self.path, form))
                status, location = answer(self.command, self.path, form)
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.end_headers()

            do_POST = do_GET

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def at_work():
    """Starts sites; all end with the test."""
    started = []

    def start(answer) -> SiteAtWork:
        started.append(SiteAtWork(answer))
        return started[-1]

    yield start
    for site in started:
        site.close()


@pytest.fixture
def register(settings):
    def put(*registered: Site, **changed) -> None:
        settings.MASSAR = dataclasses.replace(settings.MASSAR, sites=Registry([*registered]), **changed)

    return put


def run(action: str, slug: str = "") -> int:
    return sites.run(argparse.Namespace(action=action, slug=slug, own=False))


def oidc(**changed) -> Site:
    facts = {
        "protocol": "oidc", "name": {"en": "Massar"}, "client_id": "m-1", "redirect_uris": ("https://m.example.ma/cb",),
        "backchannel_logout_uri": "https://m.example.ma/out",
    }  # fmt: skip
    return Site("massar", **{**facts, **changed})


def saml(certificate: str = "", **changed) -> Site:
    facts = {
        "protocol": "saml",
        "entity_id": "urn:t",
        "acs": ("https://t.example.ma/acs",),
        "slo_soap": "https://t.example.ma/soap",
    }
    return Site("taalim", **{**facts, "certificate": certificate, **changed})


def test_list_names_the_six_sites_of_the_guide_in_its_order(register, capsys):
    register(*load(None).sites)
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["taalim", "saml"], ["massar", "oidc"], ["haraka", "oidc"],
        ["notifrh", "gate"], ["retraite", "saml"], ["esise", "oidc"],
    ]  # fmt: skip
    assert all("not connected" in line and "everybody" in line for line in lines)


def test_list_says_who_may_enter(register, capsys):
    register(oidc(roles=("director", "inspector")))
    run("list")
    said = capsys.readouterr().out
    assert "director, inspector" in said and "not connected" not in said and " connected" in said


def test_check_is_content_with_a_good_registry(register, capsys):
    register(oidc())
    assert run("check") == 0
    assert "is well" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("days", "told"), [(-1, "ended on"), (10, "ends on"), (400, None)], ids=["over", "soon", "good"]
)
def test_check_reads_the_dates_of_certificates(register, capsys, days, told):
    register(saml(certificate_until(datetime.now(UTC) + timedelta(days=days))))
    assert run("check") == (1 if told else 0)
    assert (told or "is well") in capsys.readouterr().out


def block(*, begins: int = -100, ends: int = 400, bits: int = 2048) -> str:
    """A certificate; days from now."""
    now = datetime.now(UTC)
    return certificate_until(now + timedelta(days=ends), begins=now + timedelta(days=begins), bits=bits)


LONG, OVER, LAST, NEXT, CURVE, WEAK = (
    block(), block(ends=-1), block(ends=10), block(begins=5), block(bits=0), block(bits=1024)
)  # fmt: skip


@pytest.mark.parametrize(
    ("pem", "status", "told"),
    [
        (LONG + LONG, 0, []),
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
        (WEAK + LONG, 1, ["- taalim: certificate, block 1, has an RSA key of 1024 bits"]),
        (LONG + LONG[:300], 1, ["- taalim: certificate can't be read"]),
        (LONG + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 1,
         ["- taalim: certificate can't be read"]),
        (f"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n{LONG}", 1,
         ["- taalim: certificate holds a private key"]),
    ],
)  # fmt: skip
def test_check_judges_each_certificate_of_a_site_that_rolls_its_key(register, capsys, pem, status, told):
    register(saml(pem))
    assert run("check") == status
    said = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert len(said) == len(told) and all(map(str.startswith, said, told)), said


def test_check_names_an_unreadable_certificate(register, capsys):
    register(saml("MII"))
    assert run("check") == 1
    assert "can't be read" in capsys.readouterr().out


def test_check_names_a_site_that_would_not_hear_of_a_sign_out(register, capsys):
    deaf = oidc(backchannel_logout_uri=""), saml(slo_soap="")
    register(*deaf)
    assert run("check") == 1
    said = capsys.readouterr().out
    assert (
        "massar: has no backchannel_logout_uri" in said
        and "taalim: has no slo_soap, backchannel_logout_uri or slo" in said
    )
    register(*(dataclasses.replace(site, hears_sign_out=False) for site in deaf))
    assert run("check") == 0 and "is well" in capsys.readouterr().out


@pytest.mark.parametrize("way", ["slo_soap", "backchannel_logout_uri", "slo"])
def test_check_knows_every_way_to_hear(register, capsys, way):
    register(saml(LONG, **{"slo_soap": "", way: "https://t.example.ma/out"}))
    assert run("check") == 0, capsys.readouterr().out


def test_check_does_not_speak_of_sites_that_nobody_enters(register, capsys):
    gated = Site("notifrh", protocol="gate", gate_origin="https://n.example.ma")
    register(oidc(redirect_uris=(), backchannel_logout_uri="", introspects=True), gated, saml(acs=(), slo_soap=""))
    assert run("check") == 0, capsys.readouterr().out


def test_check_names_a_sign_out_that_can_not_be_believed(register, capsys):
    register(saml(slo="https://t.example.ma/slo"))
    assert run("check") == 1
    assert "has slo but no certificate" in capsys.readouterr().out


def test_check_refuses_this_machine_in_production_only(register, capsys):
    site = oidc(redirect_uris=("http://localhost:9/cb",))
    register(site)
    assert run("check") == 0
    register(site, mode="production")
    assert run("check") == 1
    assert "http://localhost:9/cb is this machine" in capsys.readouterr().out


LIFE = rooms.keys.SAML_CERTIFICATE_LIFE


def own_certificate(now: datetime) -> datetime:
    """The account's first SAML key, made at that time: when its certificate ends."""
    rooms.keys.active(rooms.keys.SAML, now=now)
    return now + LIFE


def both_checks(capsys) -> list[str]:
    """What each of `massar sites check` and `massar check` says of the account's certificate."""
    said = []
    for action in (lambda: run("check"), lambda: check.run(argparse.Namespace())):
        status = action()
        lines = [line for line in capsys.readouterr().out.splitlines() if "SAML certificate" in line]
        assert status == 1 or not lines, lines
        said += lines
    return said


@pytest.mark.parametrize(
    ("left", "word"),
    [
        (timedelta(days=61), ""), (timedelta(days=60), "ends on"), (timedelta(days=1), "ends on"),
        (timedelta(0), "ended on"), (timedelta(days=-9), "ended on"),
    ],
)  # fmt: skip
def test_both_checks_tell_the_end_of_the_accounts_own_certificate(register, clock, capsys, left, word):
    register(oidc())
    ends = own_certificate(clock())
    clock.advance(seconds=(LIFE - left).total_seconds())
    told = f"  - The account's SAML certificate {word} {ends:%Y-%m-%d}: "
    told += "make the next one with `massar keys rotate --use saml`"
    said = both_checks(capsys)
    assert len(said) == (2 if word else 0) and all(line.startswith(told) for line in said), said


def test_a_certificate_that_was_rolled_is_no_matter_any_more(register, clock, capsys):
    register(oidc())
    own_certificate(clock())
    clock.advance(days=LIFE.days - 50)
    rooms.keys.rotate(now=clock(), uses=(rooms.keys.SAML,))
    assert both_checks(capsys) == [], "the new one waits for its day"
    clock.advance(days=20)
    assert both_checks(capsys) == [], "the new one signs"


@pytest.mark.parametrize("left", [timedelta(hours=1), timedelta(days=-3)])
def test_a_certificate_that_was_rolled_too_late(register, clock, capsys, left):
    """To roll it once more would not help: the next one would wait as long."""
    register(oidc())
    own_certificate(clock())
    clock.advance(seconds=(LIFE - left).total_seconds())
    rooms.keys.rotate(now=clock(), uses=(rooms.keys.SAML,))
    said = both_checks(capsys)
    assert len(said) == 2 and all("rotate --use saml --at-once" in line and " only: " in line for line in said), said


def test_a_check_makes_no_key(register, capsys):
    register(saml(LONG))
    assert both_checks(capsys) == []
    assert rooms.keys.statuses(now=datetime.now(UTC)) == []


def test_the_file_is_judged_without_a_database(register, capsys, monkeypatch):
    def away(**asked):
        raise OperationalError("no route")

    monkeypatch.setattr(rooms.keys, "saml_certificate_expiry", away)
    register(oidc())
    assert run("check") == 0
    assert "note The database did not answer" in capsys.readouterr().out
    register(saml(OVER))
    assert run("check") == 1


def test_show_prints_what_the_other_side_needs(register, capsys):
    register(
        oidc(),
        Site("taalim", protocol="saml", entity_id="urn:t", acs=("https://t.example.ma/acs",), name_id="email"),
        Site("notifrh", protocol="gate", gate_origin="https://n.example.ma"),
        Site("later", protocol="oidc", client_id="later"),
        public_url="https://compte.example.ma",
    )
    said = {}
    for slug in ("massar", "taalim", "notifrh", "later"):
        assert run("show", slug) == 0
        said[slug] = capsys.readouterr().out
    assert "https://compte.example.ma/.well-known/openid-configuration" in said["massar"]
    assert "https://m.example.ma/cb" in said["massar"] and "m-1" in said["massar"]
    assert "https://compte.example.ma/saml/metadata" in said["taalim"] and "email" in said["taalim"]
    assert re.search(r"SHA-256\s+([0-9a-f]{2}:){31}[0-9a-f]{2}\n", said["taalim"])
    assert "https://n.example.ma" in said["notifrh"] and "X-Massar-Token" in said["notifrh"]
    assert "Not connected yet: give redirect_uris under [sites.later]" in said["later"]


def test_list_and_show_say_what_was_decided(register, capsys):
    two = ("https://t.example.ma/acs", "https://t.example.ma/acs2")
    quiet = {"hears_sign_out": False}
    register(saml(slo_soap="", acs=two, acs_indexes=(3, 1), **quiet), oidc(backchannel_logout_uri="", **quiet))
    run("list")
    said = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert said["taalim"].endswith("  acs_indexes 3, 1  hears no sign-out") and said["massar"].endswith(
        "  hears no sign-out"
    )
    run("show", "taalim")
    shown = capsys.readouterr().out
    assert re.search(rf"\(index\) +3 {two[0]}  1 {two[1]}\n", shown) and "not at all, on purpose" in shown
    run("show", "massar")
    assert "none, on purpose" in capsys.readouterr().out
    register(saml(slo_soap="", acs=two), oidc())
    for arguments in (("list",), ("show", "taalim"), ("show", "massar")):
        run(*arguments)
    said = capsys.readouterr().out
    assert "index" not in said and "purpose" not in said and "hears no" not in said and "not at all" in said


def test_a_site_that_is_not_there(register, capsys):
    register(oidc())
    assert run("show", "nobody") == 1
    assert "massar sites list" in capsys.readouterr().err


def test_subjects_are_known_before_the_first_visit(register, cast, tmp_path, capsys):
    """Some sites must hold the name beforehand; it is the one that the first visit will tell."""
    site = Site("taalim", protocol="saml", entity_id="urn:t", acs=("https://t.example.ma/acs",))
    register(site)
    file = tmp_path / "logins.txt"
    file.write_text(f"{YOUSSEF.login}\n{JAMAL.login}\n", "utf-8")
    assert sites.run(argparse.Namespace(action="subjects", slug="taalim", file=str(file))) == 0
    said = dict(line.split(",") for line in capsys.readouterr().out.splitlines())
    people = {one.login: cast.facts(one).id for one in (YOUSSEF, JAMAL)}
    assert said == {login: rooms.subjects.of("taalim", id) for login, id in people.items()}
    file.write_text("nobody@men.gov.ma\n", "utf-8")
    assert sites.run(argparse.Namespace(action="subjects", slug="taalim", file=str(file))) == 1
    assert "no such account" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('protocol = "saml"\nattributes = { mail = "phone" }', "unknown attribute 'phone'"),
        ('protocol = "saml"\nattributes = { "e mail" = "email" }', "has no spaces"),
        ('protocol = "saml"\nattributes = { mail = 3 }', "attributes must be a list of texts"),
        ('protocol = "gate"\nattributes = { mail = "email" }', "must be a list"),
        ('protocol = "gate"\nattributes = ["phone"]', "unknown attribute 'phone'"),
        ('protocol = "saml"\nslo_soap = "https://l.ma/s"\nbackchannel_logout_uri = "https://l.ma/t"', "in two ways"),
    ],
)  # fmt: skip
def test_mistakes_about_what_a_site_is_told(tmp_path, table, said):
    path = tmp_path / "sites.toml"
    ends = (
        'entity_id = "urn:l"\nacs = ["https://l.example.ma/acs"]'
        if "saml" in table
        else 'gate_origin = "https://l.example.ma"'
    )
    path.write_text(f"[sites.library]\n{table}\n{ends}\n", "utf-8")
    with pytest.raises(SettingsError) as refused:
        load(path)
    assert len(refused.value.mistakes) == 1 and said in refused.value.mistakes[0], refused.value.mistakes


def test_a_secret_fits_its_hash_and_is_new_each_time(register, capsys):
    register()
    seen = set()
    for _ in range(2):
        run("secret")
        secret, hashed = (line.split()[-1] for line in capsys.readouterr().out.splitlines())
        assert hashed == f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"
        seen.add(secret)
    assert len(seen) == 2 and all(len(secret) >= 43 for secret in seen)


def test_test_is_content_with_a_gate_that_is_closed(register, at_work, capsys, settings):
    account = settings.MASSAR.public_url
    gate = at_work(lambda m, path, f: (303, f"{account}/gate/start/?to=x") if path == "/" else (403, ""))
    register(Site("notifrh", protocol="gate", gate_origin=gate.origin))
    assert run("test", "notifrh") == 0
    assert "WRONG" not in capsys.readouterr().out
    assert [path for _, path, _ in gate.asked] == ["/", "/a/../b//c"]


@pytest.mark.parametrize(
    "answer",
    [
        lambda m, path, f: (200, ""),
        lambda m, path, f: (303, "https://elsewhere.example/gate/start/"),
        lambda m, path, f: (303, "http://localhost:8000/gate/start/") if path == "/" else (200, ""),
    ],
    ids=["a page for a stranger", "another account", "odd addresses pass"],
)
def test_test_sees_a_gate_that_is_open(register, at_work, capsys, answer):
    register(Site("notifrh", protocol="gate", gate_origin=at_work(answer).origin))
    assert run("test", "notifrh") == 1
    assert "WRONG" in capsys.readouterr().out


def test_test_sends_a_token_about_nobody_and_a_forged_one(register, at_work, capsys, clock):
    def verifying(method: str, path: str, form: dict) -> tuple[int, str]:
        if method == "GET":
            return 400, ""  # a callback without a code
        keys = KeySet.import_key_set({"keys": [k.jwk for k in published]})
        try:
            token = jwt.decode(form["logout_token"], keys, algorithms=["ES256"])
        except Exception:
            return 400, ""
        return (200, "") if token.claims["aud"] == "m-1" else (400, "")

    rooms.keys.active(rooms.keys.ES256, now=clock())
    published = rooms.keys.published(now=clock())
    site = at_work(verifying)
    register(oidc(redirect_uris=(f"{site.origin}/cb",), backchannel_logout_uri=f"{site.origin}/out"))
    assert run("test", "massar") == 0, capsys.readouterr().out
    assert [method for method, _, _ in site.asked] == ["GET", "POST", "POST"]


def test_test_sees_a_site_that_believes_every_token(register, at_work, capsys, clock):
    site = at_work(lambda *asked: (200, ""))
    register(oidc(redirect_uris=(f"{site.origin}/cb",), backchannel_logout_uri=f"{site.origin}/out"))
    assert run("test", "massar") == 1
    assert "WRONG" in capsys.readouterr().out.splitlines()[-1]


def test_test_sees_a_site_that_is_away(register, capsys):
    register(Site("notifrh", protocol="gate", gate_origin=NOTIF))
    assert run("test", "notifrh") == 1
    assert "nothing: " in capsys.readouterr().out


def test_there_is_nothing_to_ask_a_site_that_is_not_connected(register, capsys):
    register(Site("massar", protocol="oidc"))
    assert run("test", "massar") == 1
    assert "not connected" in capsys.readouterr().err


def test_a_mistake_in_the_file_is_one_sentence_and_stops_the_command(tmp_path, monkeypatch, capsys):
    path = tmp_path / "sites.toml"
    path.write_text('[sites.massar]\ncolour = "red"\nredirect_uris = ["http://example.org/x"]\n', "utf-8")
    with pytest.raises(SettingsError) as refused:
        load(path)
    assert len(refused.value.mistakes) == 3, json.dumps(refused.value.mistakes)
    assert any("colour" in m for m in refused.value.mistakes)


def test_metadata_becomes_a_table_for_the_file(tmp_path, capsys):
    """The command itself; tests/sso/test_saml_metadata.py judges what is read."""
    assert sites.run(argparse.Namespace(action="import-metadata", file=str(tmp_path / "none"), slug="")) == 1
    assert "can't be used" in capsys.readouterr().err


def test_every_action_is_on_the_command_line():
    for arguments in (
        ["list"],
        ["check"],
        ["secret"],
        ["show", "massar"],
        ["test", "massar"],
        ["import-metadata", "x"],
    ):
        options = main.build_parser().parse_args(["sites", *arguments])
        assert options.module == "massar.interfaces.commands.sites" and options.action == arguments[0]
