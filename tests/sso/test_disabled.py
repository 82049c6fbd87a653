"""An account is disabled: what was open ends here and at the sites, and nothing of it lives again with the account."""

from __future__ import annotations

import argparse

import pytest

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.interfaces.commands import people as command
from massar.journeys.account import close_account
from tests.cast import FATIMA, JAMAL, facts
from tests.sso import test_everywhere
from tests.sso.test_everywhere import in_all_sites, states
from tests.support.steps import shows
from tests.support.visitor import Visitor

registered, site_provider, deliver = (  # fixtures
    test_everywhere.registered, test_everywhere.site_provider, test_everywhere.deliver,
)  # fmt: skip


def disable(person=JAMAL, *, clock, reason: str = "") -> close_account.Closed:
    return close_account.disable(person=facts(person), reason=reason, now=clock())


def enable(person=JAMAL, *, clock) -> close_account.Closed:
    return close_account.enable(person=facts(person), reason="", now=clock())


def test_the_sites_are_told(cast, clock, deliver, site_provider):
    visitor, since = in_all_sites(cast, clock), clock()
    assert disable(clock=clock) == close_account.Closed(changed=True, sessions=1, told=1)
    deliver()
    assert [m.to for m in site_provider.received] == ["https://massar.example.ma/logout-token"]
    assert states(cast, since)["massar"] == "confirmed" and not visitor.get("/").signed_in


def test_what_was_open_does_not_live_again_with_the_account(cast, clock):
    inside = Visitor().sign_in(JAMAL.login, JAMAL.password)
    disable(clock=clock)
    enable(clock=clock)
    assert not inside.get("/").signed_in
    assert Visitor().sign_in(JAMAL.login, JAMAL.password).signed_in


def test_a_temporary_password_and_a_half_done_change_end(cast, post, clock):
    fatima = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret("+212661000222")
    fatima.sign_in(FATIMA.login, secret)
    assert fatima.path == "/password/expired/"
    disable(FATIMA, clock=clock)
    enable(FATIMA, clock=clock)
    assert fatima.get("/password/change/").path == "/sign-in/"
    assert shows(Visitor().sign_in(FATIMA.login, secret), "problem.wrong")


def test_a_session_that_came_to_be_beside_it_never_lives(cast, clock):
    """A sign-in that had read the account as active opens its session after the others were ended."""
    disable(clock=clock)
    late, cookie, _ = sessions.signed_in.open_for(facts(JAMAL).id, how="password", browser=Browser(), now=clock())
    enable(clock=clock)
    visitor = Visitor()
    visitor.client.cookies["massar-session"] = cookie
    assert not visitor.get("/").signed_in and sessions.signed_in.alive(late, facts(JAMAL).id, now=clock()) is None


def test_the_audit_log_and_the_person_see_it(cast, clock):
    disable(clock=clock, reason="retraite " * 40)
    assert disable(clock=clock).changed is False
    enable(clock=clock)
    rows = audit_log.of_person(facts(JAMAL).id)[:3]
    assert [(row.event, row.outcome) for row in rows] == [
        ("account_enabled", ""), ("account_disabled", "already"), ("account_disabled", ""),
    ]  # fmt: skip
    assert rows[2].detail == {"ended": 0, "reason": ("retraite " * 40)[:200]}
    visitor = Visitor().sign_in(JAMAL.login, JAMAL.password).get("/devices/")
    assert shows(visitor, "activity.account_disabled") and shows(visitor, "activity.account_enabled")


def run(action: str, *logins: str) -> int:
    return command.run(argparse.Namespace(action=action, logins=list(logins), reason="retraite"))


def test_the_command_does_each_that_it_finds(cast, clock, capsys):
    in_all_sites(cast, clock)
    assert run("disable", "nobody@taalim.ma", f" {JAMAL.login.upper()} ") == 1
    said = capsys.readouterr()
    assert said.out == f"{JAMAL.login} is disabled: 1 session(s) ended, 1 message(s) to sites wait for the worker.\n"
    assert said.err == "nobody@taalim.ma: there is no such account.\n"
    assert not people.directory.by_login(JAMAL.login).active
    assert run("enable", JAMAL.login) == 0 and run("enable", JAMAL.login) == 0
    assert capsys.readouterr().out == f"{JAMAL.login} may sign in again.\n{JAMAL.login} was not disabled.\n"


@pytest.mark.parametrize("login", ["", "x" * 400, "jamal.jalal@taalim.ma\n"])
def test_odd_logins_are_nobody_or_the_one_that_is_meant(cast, clock, capsys, login):
    assert run("enable", login) == (0 if JAMAL.login in login else 1)
