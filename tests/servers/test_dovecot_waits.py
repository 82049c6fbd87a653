"""Whom an ended token holds up, and what Dovecot remembers of it: with our files, and without what they say."""

import contextlib
import re
import time
from collections.abc import Iterator

import pytest

from tests.cast import KHADIJA, YOUSSEF
from tests.servers.dovecot import opens, running_dovecot
from tests.servers.machine import open_folder
from tests.servers.oidc_steps import tokens
from tests.servers.submission import make_queue
from tests.servers.surfer import Surfer
from tests.support.postgres import free_port
from tests.support.product import ROOT
from tests.support.waits import until

PAGE = " ".join((ROOT / "docs" / "integrate" / "dovecot.md").read_text("utf-8").split())
SCOPES = "openid email mail"
TUNED = "auth_cache_size = 10M\n"  # as guides to tuning have it


def left_out(text: str) -> str:
    """Our file without what it says of waits and of memory: Dovecot as it comes."""
    text, caches = re.subn(r"^auth_cache_\w+ = 0\n", "", text, flags=re.MULTILINE)
    text, penalties = re.subn(r"^service anvil \{\n  unix_listener .*?\n\}\n", "", text, flags=re.DOTALL | re.MULTILINE)
    assert (caches, penalties) == (3, 1)
    return text


@contextlib.contextmanager
def mailboxes(account, **differences) -> Iterator:
    """A Dovecot with these differences; whether a person's token opens the mailbox there, and in how many seconds."""
    with open_folder() as folder:
        make_queue(folder)
        port = free_port()
        with running_dovecot(folder, account, port, **differences) as trust:

            def tried(person, token: str) -> tuple[bool, float]:
                began = time.monotonic()
                return opens(port, trust, person.login, token), time.monotonic() - began

            yield tried


@pytest.fixture(scope="module")
def khadija(account):
    account.run(
        "createperson", KHADIJA.login, "--name", "Khadija", "Idrissi", "--name-ar", "خديجة", "الإدريسي",
        "--school", *KHADIJA.establishment, "--language", "ar", "--password-stdin", typed=KHADIJA.password,
    )  # fmt: skip
    return KHADIJA


def token_of(account, layout, person, *, ended: bool = False, scopes: str = SCOPES) -> str:
    surfer = Surfer()
    account.sign_in(surfer, person)
    token = tokens(account, layout, surfer, "mail", scopes)["access_token"]
    if ended:
        surfer.stops_at = ""
        account.sign_out(surfer)
    return token


def test_ended_tokens_hold_up_nobody_else(account, layout, khadija):
    """All at one address, as behind a webmail. Without our lines Dovecot lets the next one wait, whoever it is."""
    ended, good = token_of(account, layout, YOUSSEF, ended=True), token_of(account, layout, khadija)
    seconds = {}
    for name, changed in (("configuration_error", str), ("as it comes", left_out)):
        with mailboxes(account, changed=changed) as tried:
            assert tried(khadija, good)[0]
            assert not any(tried(YOUSSEF, ended)[0] for _ in range(3))
            opened, seconds[name] = tried(khadija, good)
            assert opened
    assert seconds["as it comes"] > 4 * seconds["configuration_error"], seconds


@pytest.mark.parametrize(("differences", "opens_after"), [
    ({}, False), ({"before": TUNED}, False), ({"after": TUNED}, False), ({"before": TUNED, "changed": left_out}, True),
], ids=["configuration_error", "tuned before", "tuned after", "tuned, without ours"])  # fmt: skip
def test_an_ended_token_opens_nothing_though_it_did_a_moment_ago(account, layout, differences, opens_after):
    surfer = Surfer()
    account.sign_in(surfer)
    token, other = tokens(account, layout, surfer, "mail", SCOPES)["access_token"], token_of(account, layout, YOUSSEF)
    with mailboxes(account, **differences) as tried:
        assert tried(YOUSSEF, token)[0]
        surfer.stops_at = ""
        account.sign_out(surfer)
        until = time.monotonic() + 1.1  # what a cache of no time at all may still hold
        while time.monotonic() < until:
            assert tried(YOUSSEF, other)[0], "and the other session's goes on"
        assert tried(YOUSSEF, token)[0] is opens_after


def test_a_token_without_the_scope_is_logged_as_the_page_says(account, layout):
    with open_folder() as folder:
        make_queue(folder)
        port = free_port()
        with running_dovecot(folder, account, port) as trust:
            assert not opens(port, trust, YOUSSEF.login, token_of(account, layout, YOUSSEF, scopes="openid email"))
            for words in ("user disabled", "Token is not valid for scope 'mail'"):
                # Another process of Dovecot writes the log, and is not waited for by whoever answers.
                until(lambda words=words: words in (folder / "dovecot.log").read_text("utf-8"), 20)
                assert words in PAGE
