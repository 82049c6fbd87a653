"""Mail servers that take no password: OAuth 2.0 tokens by XOAUTH2 and OAUTHBEARER, fetched, kept, renewed once."""

import base64
import logging
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from massar.domain.delivery.provider import Accepted, NotTransmitted, ProviderSettingError, Rejected
from massar.providers.registry import provider_from_table
from tests.support.postgres import free_port

from .conftest import send
from .smtp_rig import WHOLE

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
MAILBOX = "no-reply@example.ma"
SECRET, REFRESH = "s3cret+%&~", "r-1/long.lived"
LONG = "x" * 600
REFUSED = Rejected("535 5.7.8 at sign-in", permanent=False, configuration_error=True)
BOTH = pytest.mark.parametrize("way", ["XOAUTH2", "OAUTHBEARER"])


@pytest.fixture
def provider(monkeypatch, tokens, relay):
    """A provider to a server of the rig that shows tokens; `auth` and `changes` are settings of the table."""
    for name, value in (("MAIL_SECRET", SECRET), ("MAIL_REFRESH", REFRESH), ("MAIL_PASSWORD", "pass-word")):
        monkeypatch.setenv(name, value)

    def make(server, auth=None, **changes):
        asked = {
            "kind": "oauth2", "token_url": f"http://localhost:{tokens.port}/token", "client_id": "massar",
            "client_secret": "env:MAIL_SECRET", "scope": "mail/.default", "client_in": "body",
        }  # fmt: skip
        if not isinstance(auth, str):
            auth = {key: value for key, value in {**asked, **(auth or {})}.items() if value}
        return relay(server, **{"user": MAILBOX, "sender": MAILBOX, "auth": auth, **changes})

    return make


def answered(tokens, token: str, **more) -> None:
    tokens.answer = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, **more}


@BOTH
@pytest.mark.parametrize("token", ["token~1", LONG], ids=["short", "long"])
def test_a_server_that_takes_only_tokens_takes_the_letter(token_server, tokens, provider, way, token):
    server = token_server(way)
    server.good = {token}
    answered(tokens, token)
    assert isinstance(send(provider(server)), Accepted) and len(server.letters) == 1
    xoauth2, bearer = f"user={MAILBOX}\x01", f"n,a={MAILBOX},\x01host=localhost\x01port={server.port}\x01"
    place = bearer if way == "OAUTHBEARER" else xoauth2
    # What makes the line longer than 512 signs is sent when it is asked for (RFC 4954 §4).
    assert server.shown == [(f"{place}auth=Bearer {token}\x01\x01".encode(), token != LONG)]
    ((path, headers, form),) = tokens.requests
    assert path == "/token" and "Authorization" not in headers
    assert form == {
        "grant_type": "client_credentials", "scope": "mail/.default", "client_id": "massar", "client_secret": SECRET,
    }  # fmt: skip


def test_over_tls_and_where_both_are_offered_one_is_tried_once(token_server, server_tls, provider):
    server = token_server("XOAUTH2", "OAUTHBEARER", starttls=server_tls)
    assert isinstance(send(provider(server, security="starttls")), Accepted)
    assert [words for words, _ in server.shown] == [f"user={MAILBOX}\x01auth=Bearer token~1\x01\x01".encode()]


def test_one_token_serves_every_connection_until_shortly_before_its_end(token_server, tokens, provider, moment):
    server = token_server("XOAUTH2")
    relay = provider(server)
    relay.close()  # nothing is kept from now on: each letter signs in
    for later, fetched in ((0, 1), (3600 - 61, 1), (2, 2)):
        moment.later += later
        assert isinstance(send(relay), Accepted) and len(tokens.requests) == fetched
    assert server.conversations == 3


@BOTH
def test_a_token_that_was_taken_back_costs_one_fetch_and_both_refused_are_about_us(token_server, tokens, provider, way):
    server = token_server(way)
    relay = provider(server)
    relay.close()
    assert isinstance(send(relay), Accepted)
    server.good = {"token~2"}
    answered(tokens, "token~2")
    assert isinstance(send(relay), Accepted)
    assert len(tokens.requests) == 2 and len(server.letters) == 2
    assert server.conversations == 2, "the newer one is shown on the same connection"
    assert server.refused == [b"\x01" if way == "OAUTHBEARER" else b""]
    server.good = set()
    answered(tokens, "token~3")
    assert send(relay) == REFUSED
    shown = [words.partition(b"Bearer ")[2].rstrip(b"\x01") for words, _ in server.shown]
    assert shown == [b"token~1", b"token~1", b"token~2", b"token~2", b"token~3"] and server.conversations == 3


@BOTH
def test_a_new_token_that_is_refused_is_about_us_and_shown_once(token_server, tokens, provider, way, caplog):
    caplog.set_level(logging.DEBUG, logger="massar")
    server = token_server(way, good=set())
    relay = provider(server)
    result = send(relay)
    assert result == REFUSED
    assert len(server.shown) == 1 and len(tokens.requests) == 1 and server.letters == []
    (sentence,) = relay.check()
    for told in (sentence, repr(result), repr(relay), repr(relay.settings), caplog.text):
        assert SECRET not in told and "token~1" not in told
    assert "refuses us: 535" in sentence
    # A right that is given later stands in new tokens only: the refused one is not kept.
    server.good = {"token~2"}
    answered(tokens, "token~2")
    assert isinstance(send(relay), Accepted)


def test_a_server_that_hangs_up_on_a_kept_token_gets_a_new_one_on_the_next_connection(script, tokens, provider):
    hello = [b"220 mail.test ESMTP\r\n", "read", b"250-mail.test\r\n250 AUTH XOAUTH2\r\n", "read"]
    taken = [b"235 ok\r\n", *WHOLE]
    played = script(*hello, *taken, "next", *hello, "cut", "next", *hello, *taken)
    relay = provider(played)
    relay.close()
    assert isinstance(send(relay), Accepted)
    answered(tokens, "token~2")
    assert isinstance(send(relay), NotTransmitted)
    assert isinstance(send(relay), Accepted)
    shown = [base64.b64decode(line.split()[2]) for line in played.heard if line.startswith(b"AUTH")]
    assert [b"token~2" in words for words in shown] == [False, False, True]


def test_a_server_that_is_only_busy_keeps_the_token(token_server, tokens, provider):
    server = token_server("XOAUTH2", stages={"AUTH": "454 4.7.0 later"})
    result = send(provider(server))
    assert isinstance(result, Rejected) and not result.configuration_error and not result.permanent
    assert len(tokens.requests) == 1 and len(server.shown) == 1


def test_neither_a_token_nor_a_password_is_shown_to_a_server_that_takes_only_the_other(
    mail_server, token_server, tokens, provider, relay
):
    none = Rejected("no sign-in method in common", permanent=False, configuration_error=True)
    server = mail_server(auth=True)
    assert send(provider(server)) == none and tokens.requests == [] and server.letters == []
    server = token_server("XOAUTH2", "OAUTHBEARER")
    assert send(relay(server, user=MAILBOX, password="env:MAIL_PASSWORD")) == none and server.shown == []


@pytest.mark.parametrize(("mood", "result"), [
    (401, Rejected("no token: http 401", permanent=False, configuration_error=True)),
    (503, NotTransmitted("no token: http 503")),
])  # fmt: skip
def test_without_a_token_the_server_hears_nothing(token_server, tokens, provider, mood, result):
    """What token servers answer, and what it means: test_http_answers.py."""
    server = token_server("XOAUTH2")
    tokens.mood = mood
    relay = provider(server)
    assert send(relay) == result and server.shown == [] and server.letters == []
    (sentence,) = relay.check()
    assert f"no token: http {mood}" in sentence and SECRET not in sentence
    tokens.mood = ""
    assert isinstance(send(relay), Accepted), "nothing is remembered against it"


def test_nobody_at_the_address_of_tokens_means_not_sent_and_check_signs_in_without_a_letter(token_server, provider):
    server = token_server("XOAUTH2")
    result = send(provider(server, {"token_url": f"http://localhost:{free_port()}/"}))
    assert isinstance(result, NotTransmitted)
    assert provider(server).check() == [] and len(server.shown) == 1 and server.letters == []


# -- refresh tokens (RFC 6749 §6)


def test_a_refresh_token_is_shown_a_newer_one_takes_its_place_until_a_refusal(token_server, tokens, provider):
    server = token_server("XOAUTH2", good={"token~1", "token~2", "token~3", "token~4"})
    relay = provider(server, {"refresh_token": "env:MAIL_REFRESH"})
    answered(tokens, "token~1", refresh_token="r-2")
    assert isinstance(send(relay), Accepted)
    relay.close()
    for token in ("token~2", "token~3"):
        server.good = {token}
        answered(tokens, token)
        assert isinstance(send(relay), Accepted)
    server.good, tokens.mood, tokens.answer = {"token~4"}, 400, {"error": "invalid_grant"}
    assert send(relay).code == "no token: http 400, invalid_grant"
    tokens.mood = ""
    answered(tokens, "token~4")
    assert isinstance(send(relay), Accepted)
    forms = [form for _, _, form in tokens.requests]
    assert [form["refresh_token"] for form in forms] == [REFRESH, "r-2", "r-2", "r-2", REFRESH]
    assert forms[0] == {
        "grant_type": "refresh_token", "refresh_token": REFRESH, "scope": "mail/.default", "client_id": "massar",
        "client_secret": SECRET,
    }  # fmt: skip
    answered(tokens, "token~4")
    assert isinstance(send(provider(server, {"refresh_token": "env:MAIL_REFRESH", "client_secret": ""})), Accepted)
    assert "client_secret" not in tokens.requests[-1][2], "it may do without"


@pytest.mark.parametrize(("auth", "changed", "told"), [
    ("oauth2", {}, "auth must be a table"), ({"kind": "bearer"}, {}, "choose none or oauth2"),
    ({"kind": "none"}, {}, "auth.kind must be oauth2"), ({"token_url": ""}, {}, "auth.token_url is missing"),
    ({"token_url": "http://login.example.com/"}, {}, "https"), ({"client_id": ""}, {}, "auth.client_id is missing"),
    ({"client_secret": ""}, {}, "auth.client_secret is missing: give it, or auth.refresh_token"),
    ({"client_secret": SECRET}, {}, "auth.client_secret must be env:NAME or file:PATH"),
    ({"refresh_token": REFRESH}, {}, "auth.refresh_token must be env:NAME or file:PATH"),
    ({"client_secret": "env:NOT_SET_ANYWHERE"}, {}, "'NOT_SET_ANYWHERE', which is not set"),
    ({"client_secret": "file:/nowhere/secret"}, {}, "'/nowhere/secret', which can't be read"),
    ({"client_in": "query"}, {}, "choose header or body"), ({"tenant": "x"}, {}, "has no setting 'auth.tenant'"),
    ({}, {"user": ""}, "needs a user"), ({}, {"user": "boîte@example.ma"}, "plain letters"),
    ({}, {"password": "env:MAIL_SECRET"}, "no password"),
    ({}, {"host": "mail.example.ma"}, "token may only be sent over TLS"),
])  # fmt: skip
def test_each_mistake_gets_one_sentence(provider, auth, changed, told):
    with pytest.raises(ProviderSettingError) as refused:
        provider(2525, auth, **changed)
    sentence = str(refused.value)
    assert told in sentence and "relay" in sentence and sentence.endswith(".")
    assert SECRET not in sentence and REFRESH not in sentence and "\n" not in sentence


def recipes() -> list[dict]:
    page = (Path(__file__).parents[2] / "docs" / "operate" / "mail.md").read_text("utf-8")
    blocks = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [table for block in blocks for table in tomllib.loads(block)["providers"].values() if "auth" in table]


@pytest.mark.parametrize("table", recipes(), ids=lambda table: table["host"])
def test_the_recipes_of_the_page_make_providers_that_send(token_server, tokens, monkeypatch, tmp_path, table):
    (tmp_path / "refresh").write_text(f"{REFRESH}\n")
    for name in ("M365_SECRET", "GOOGLE_SECRET"):
        monkeypatch.setenv(name, SECRET)
    auth = table["auth"] | ({"refresh_token": f"file:{tmp_path}/refresh"} if "refresh_token" in table["auth"] else {})
    assert provider_from_table(table | {"auth": auth}, name="page"), "as it stands there"
    server = token_server("XOAUTH2")
    here = {"host": "localhost", "port": server.port, "security": "plain"}
    auth |= {"token_url": f"http://localhost:{tokens.port}{urlsplit(auth['token_url']).path}"}
    relay = provider_from_table({**table, **here, "auth": auth}, name="page")
    assert isinstance(send(relay), Accepted)
    relay.close()
    assert server.envelopes[0][0] == table["user"], "the mailbox itself is the return path"
    ((_, headers, form),) = tokens.requests
    wanted = {"client_id": auth["client_id"], "client_secret": SECRET, "grant_type": "client_credentials"}
    if "refresh_token" in auth:
        wanted |= {"grant_type": "refresh_token", "refresh_token": REFRESH}
    assert form == wanted | ({"scope": auth["scope"]} if "scope" in auth else {}) and "Authorization" not in headers
