"""Secrets with signs that form-encoding writes otherwise: RFC 6749 §2.3.1 has them encoded in HTTP Basic, and Authlib,
requests-oauthlib and Dovecot send them as they stand. Both are taken, and whoever makes or judges them is told."""

from __future__ import annotations

import argparse
import base64
import io
import re
from dataclasses import replace
from urllib.parse import quote_plus

import pytest

from massar.core import ids
from massar.domain.sites import api as sites
from massar.domain.sites import rules
from massar.interfaces.commands import sites as command
from massar.interfaces.commands.site_checks import judged
from tests.sso.relying_party import STRICT, RelyingParty, Surfer, register

SECRETS = ["a+b c%41&=:;/é~", "100%", "+", "%2B", "plain-1.2_3~"]


def site_with(secret: str, client_id: str = "strict"):
    return replace(STRICT, client_id=client_id, client_secret=sites.hashed_secret(secret))


class Client(RelyingParty):
    """Sends its secret as `written` writes it."""

    written = staticmethod(quote_plus)

    def authenticated(self, fields: dict) -> tuple[dict, dict]:
        pair = ":".join(map(self.written, (self.site.client_id, self.secret)))
        return fields, {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("written", [quote_plus, str], ids=["form-encoded", "as it stands"])
@pytest.mark.parametrize("client_id", ["strict", "a+b%"])
def test_both_ways_to_write_a_secret_are_taken(cast, clock, settings, secret, written, client_id):
    site = site_with(secret, client_id)
    register(settings, site)
    rp = Client(clock, site, secret=secret)
    rp.written = written
    assert rp.enter(Surfer()).access


@pytest.mark.parametrize("wrong", ["ab", "a%2Bb%", "a+B", "", "a+b "])
def test_another_secret_is_refused_either_way(cast, clock, settings, wrong):
    register(settings, site_with("a+b"))
    for written in (quote_plus, str):
        rp = Client(clock, site_with("a+b"), secret=wrong)
        rp.written = written
        answer = rp.post("token_endpoint", grant_type="client_credentials")
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), (wrong, written)


# -- what is told


@pytest.mark.parametrize(
    ("client_id", "odd"), [("esise", ""), ("a+b%c+", "+%"), ("http://x.ma/", ":/"), ("a b", " "), ("é", "é")]
)
def test_the_check_tells_of_a_client_id(clock, client_id, odd):
    found = [one for one in judged(site_with("x", client_id), clock()) if "client_id" in one.sentence]
    assert len(found) == bool(odd)
    for one in found:
        assert repr(odd) in one.sentence and "Authlib, requests-oauthlib and Dovecot" in one.sentence
        assert one.note == (":" not in odd), "a colon ends the name in HTTP Basic"


def run(monkeypatch, capsys, typed: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    code = command.run(argparse.Namespace(action="secret", slug="", own=True))
    return code, *capsys.readouterr()


def test_the_command_judges_a_secret_that_is_there_already(monkeypatch, capsys):
    code, out, err = run(monkeypatch, capsys, "a+b%\n")
    assert code == 0 and out.split()[-1] == sites.hashed_secret("a+b%") and "a+b" not in out
    assert "'+%'" in err and "Authlib, requests-oauthlib and Dovecot" in err
    code, out, err = run(monkeypatch, capsys, "plain-1.2_3\r\n")
    assert (code, err) == (0, "") and out.split()[-1] == sites.hashed_secret("plain-1.2_3")
    assert run(monkeypatch, capsys, "\n")[0] == 1


def test_what_we_make_is_written_in_one_way():
    for _ in range(50):
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret := ids.token()) and not rules.form_encoded(secret)
