"""Signing out everywhere, a changed password, a disabled account: every site is told, the page shows what each said."""

import argparse
from dataclasses import replace
from types import SimpleNamespace

import pytest

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.delivery.models import Message
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.domain.sites.api import Site
from massar.interfaces.commands import people as command
from massar.journeys.account import close_account, close_sessions
from massar.journeys.sso import access
from massar.journeys.sso.log_out_of_sites import LogoutStatus, logout_statuses
from tests.cast import FATIMA, JAMAL, facts
from tests.sso.relying_party import register
from tests.support.fakes import BehavingProvider
from tests.support.post_office import turning
from tests.support.steps import shows
from tests.support.visitor import Visitor

TOLD_BY_TOKEN = Site(
    "massar", protocol="oidc", order=1, name={"ar": "مسار"}, client_id="massar", client_auth="none",
    redirect_uris=("https://massar.example.ma/callback",),
    backchannel_logout_uri="https://massar.example.ma/logout-token",
)  # fmt: skip
TAKES_NO_NOTICE = Site(
    "taalim", protocol="saml", order=2, name={"ar": "taalim.ma"}, entity_id="https://taalim.example.ma/metadata",
    acs=("https://taalim.example.ma/acs",),
)  # fmt: skip
GATED = Site("notifrh", protocol="gate", order=3, name={"ar": "تبليغ"}, gate_origin="https://notif.example.ma")
SITES = (TOLD_BY_TOKEN, TAKES_NO_NOTICE, GATED)
NEW_PASSWORD = "Rivage-8412-ouvert"


@pytest.fixture(autouse=True)
def registered(settings) -> None:
    register(settings, *SITES)


@pytest.fixture
def site_provider() -> BehavingProvider:
    return BehavingProvider("site")


@pytest.fixture
def deliver(clock, site_provider):
    """Turns a worker until nothing is due."""
    providers = {"email": BehavingProvider("email"), "sms": BehavingProvider("sms"), "site": site_provider}
    return turning(providers, clock)


def in_all_sites(cast, clock, person=None) -> Visitor:
    """Somebody signed in here and at the three sites."""
    person = person or cast.JAMAL
    visitor = Visitor().sign_in(person.login, person.password)
    signed_in = close_sessions.authenticate(cookie=visitor.cookies["massar-session"], now=clock())
    here = SimpleNamespace(signed_in=signed_in, browser=Browser(), now=clock())
    for site in SITES:
        access.open_visit(access.decide(site=site, visitor=here), here, scope="openid", life=3600)
    return visitor


def out_of_all(visitor: Visitor) -> Visitor:
    return visitor.get("/sign-out/everywhere/").submit("/sign-out/everywhere/")


def states(cast, since) -> dict[str, str]:
    return {one.site.slug: one.state for one in logout_statuses(cast.facts(cast.JAMAL).id, since=since)}


def test_every_site_is_told_and_the_page_shows_what_each_said(cast, clock, deliver, site_provider):
    visitor, since = in_all_sites(cast, clock), clock()
    elsewhere = Visitor().sign_in(cast.JAMAL.login, cast.JAMAL.password)
    out_of_all(visitor)
    assert not visitor.signed_in and not elsewhere.signed_in
    assert states(cast, since) == {"massar": "waiting", "taalim": "unreachable", "notifrh": "confirmed"}
    assert shows(visitor, "sso.told.waiting") and shows(visitor, "sso.told.unreachable")
    assert "data-waits" in visitor.html and 'http-equiv="refresh"' in visitor.html
    deliver()
    assert [m.to for m in site_provider.received] == ["https://massar.example.ma/logout-token"]
    assert states(cast, since)["massar"] == "confirmed"
    visitor.get("/sign-out/everywhere/")
    assert not shows(visitor, "sso.told.waiting") and "data-waits" not in visitor.html
    assert 'http-equiv="refresh"' not in visitor.html
    assert logout_statuses(cast.facts(cast.JAMAL).id, since=clock.advance(seconds=2)) == [], "what ended before"


def test_a_changed_password_tells_all_sites_and_shows_it(cast, clock, deliver, settings):
    """Those without a card too: a mail server or a program has none (icon = "")."""
    register(settings, *(replace(site, icon="") for site in SITES))
    visitor = in_all_sites(cast, clock)
    visitor.change(cast.JAMAL.password, NEW_PASSWORD)
    assert visitor.path == "/password/changed/" and shows(visitor, "sso.told.waiting")
    deliver()
    visitor.get("/password/changed/")
    assert shows(visitor, "sso.told.confirmed") and not shows(visitor, "sso.told.waiting")


def test_without_sites_nothing_is_said_of_them_and_the_next_person_at_this_browser_does_not_see_it(cast, clock):
    visitor = Visitor().sign_in(cast.YOUSSEF.login, cast.YOUSSEF.password)
    assert not shows(visitor.change(cast.YOUSSEF.password, NEW_PASSWORD), "sso.told.title", "fr")
    visitor = out_of_all(in_all_sites(cast, clock))
    visitor.sign_in(cast.FATIMA.login, cast.FATIMA.password).get("/sign-out/everywhere/")
    assert not shows(visitor, "sso.told.title") and shows(visitor, "sso.everywhere.what")


def test_only_our_own_cookie_opens_the_list_and_not_for_long(cast, clock):
    visitor = out_of_all(in_all_sites(cast, clock))
    own = visitor.client.cookies["massar-told"].value
    for changed in ("", "1.2.x", "1.1771120500.AAAA", "nonsense", "."):
        visitor.client.cookies["massar-told"] = changed
        assert visitor.get("/sign-out/everywhere/").path == "/sign-in/", changed
    visitor.client.cookies["massar-told"] = own
    assert shows(visitor.get("/sign-out/everywhere/"), "sso.told.title")
    clock.advance(minutes=15)
    assert visitor.get("/sign-out/everywhere/").path == "/sign-in/"


def test_told_says_the_newest_word_only(cast, clock, deliver, site_provider):
    since = clock()
    site_provider.mood = "refused"
    visitor = out_of_all(in_all_sites(cast, clock))
    deliver()
    assert states(cast, since)["massar"] == "failed"
    assert shows(visitor.get("/sign-out/everywhere/"), "sso.told.failed")
    since, site_provider.mood = clock.advance(minutes=1), ""
    out_of_all(in_all_sites(cast, clock))
    deliver()
    assert logout_statuses(cast.facts(cast.JAMAL).id, since=since)[0] == LogoutStatus(TOLD_BY_TOKEN, "confirmed")


def test_who_signs_in_ten_times_more_keeps_no_site_open(cast, clock, deliver, site_provider):
    """A thief must not hide his visit to a site behind newer sessions: the old one ends, and the site hears it."""
    in_all_sites(cast, clock)
    for _ in range(sessions.signed_in.MOST_SESSIONS):
        clock.advance(minutes=2)
        assert Visitor().sign_in(cast.JAMAL.login, cast.JAMAL.password).signed_in
    deliver()
    assert len(site_provider.received) == 1


def test_an_operator_who_was_idle_is_signed_out_at_the_sites_too(cast, clock, deliver, site_provider):
    visitor = in_all_sites(cast, clock, cast.SALMA)
    clock.advance(minutes=16)
    assert not visitor.get("/").signed_in
    deliver()
    assert len(site_provider.received) == 1


def test_a_site_that_never_answers_is_told_for_hours(cast, clock, deliver, site_provider):
    visitor = in_all_sites(cast, clock)
    site_provider.mood = "silent"
    out_of_all(visitor)
    for _ in range(6):
        deliver()
        assert Message.objects.get(channel="site").state == "queued"
        clock.advance(minutes=31)
    assert len(site_provider.received) == 6


def test_who_was_away_for_long_signs_out_of_the_sites_too(cast, clock, deliver, site_provider):
    """The session is idle, so nobody is signed in here; the sites are still open, and the button must close them."""
    visitor = in_all_sites(cast, clock).get("/")
    clock.advance(minutes=40)
    visitor.submit("/sign-out/")
    deliver()
    assert len(site_provider.received) == 1 and visitor.path == "/sign-in/"


# An account is disabled: what was open ends, and nothing of it lives again with the account -----------------------


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


@pytest.mark.both_databases
def test_what_was_open_does_not_live_again_with_the_account(cast, clock):
    """Nor does a session that comes to be beside it, of a sign-in that had read the account as active."""
    inside = Visitor().sign_in(JAMAL.login, JAMAL.password)
    disable(clock=clock)
    late, cookie, _ = sessions.signed_in.open_for(facts(JAMAL).id, how="password", browser=Browser(), now=clock())
    enable(clock=clock)
    visitor = Visitor()
    visitor.client.cookies["massar-session"] = cookie
    assert not visitor.get("/").signed_in and sessions.signed_in.alive(late, facts(JAMAL).id, now=clock()) is None
    assert not inside.get("/").signed_in and Visitor().sign_in(JAMAL.login, JAMAL.password).signed_in


def test_a_temporary_password_and_a_half_done_change_end(cast, post, clock):
    fatima = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret("+212661000222")
    fatima.sign_in(FATIMA.login, secret)
    assert fatima.path == "/password/expired/"
    disable(FATIMA, clock=clock)
    enable(FATIMA, clock=clock)
    assert fatima.get("/password/change/").path == "/sign-in/"
    assert shows(Visitor().sign_in(FATIMA.login, secret), "problem.wrong")


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
    assert not people.directory.by_login(JAMAL.login, now=clock()).active
    assert run("enable", JAMAL.login) == 0 and run("enable", f"{JAMAL.login}\n") == 0
    assert capsys.readouterr().out == f"{JAMAL.login} may sign in again.\n{JAMAL.login} was not disabled.\n"
    assert run("enable", "") == run("enable", "x" * 400) == 1
