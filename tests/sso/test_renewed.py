"""A second proof in the same browser renews the session: nothing is lost at the sites that are open (ADR 26)."""

from datetime import timedelta

import pytest

from massar.core.browser import Browser
from massar.domain.delivery.models import Message
from massar.domain.sessions import api as sessions
from massar.domain.sessions.models import Session
from massar.journeys.account import see_history
from tests.cast import JAMAL, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.sso.relying_party import MODEST, party
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases


def test_the_sites_that_are_open_stay_open(rp, browser, clock):
    other = party(clock, MODEST)
    elsewhere, first, thief = other.enter(browser), rp.enter(browser), Visitor()
    thief.client.cookies["massar-session"] = browser.cookies["massar-session"]
    assert thief.signed_in
    clock.advance(minutes=3)
    again = rp.enter(browser, prompt="login")
    assert again.claims["sid"] == first.claims["sid"] and again.claims["auth_time"] == first.claims["auth_time"] + 180
    assert rp.userinfo(first.access).status_code == other.userinfo(elsewhere.access).status_code == 200
    assert not Message.objects.filter(channel="site").exists(), "nothing has ended, so no site is told"
    assert browser.signed_in and not thief.signed_in, "the earlier cookie opens nothing"
    assert len(sessions.signed_in.of_person(facts(YOUSSEF).id, now=clock())) == 1
    browser.get("/sign-out/everywhere/").submit("/sign-out/everywhere/")
    assert rp.userinfo(again.access).status_code == other.userinfo(elsewhere.access).status_code == 401


def test_another_person_in_the_same_browser_ends_it_and_the_sites_are_told(rp, browser, clock):
    first = rp.enter(browser)
    asked = rp.start(browser, prompt="login")
    browser.prove(JAMAL)
    second = rp.finish(browser, asked)
    assert second.claims["sub"] != first.claims["sub"] and second.claims["sid"] != first.claims["sid"]
    assert rp.userinfo(first.access).status_code == 401 and rp.userinfo(second.access).status_code == 200
    assert Message.objects.filter(channel="site").exists()


def test_two_clocks_that_differ_never_make_a_new_proof_look_like_the_old_one(rp, browser, clock):
    """The machine that takes the second proof may be behind the one that took the first."""
    rp.enter(browser)
    before = Session.objects.get().signed_in_at
    asked = rp.start(browser, prompt="login")
    clock.advance(seconds=-0.5)
    rp.code(browser.prove(), asked)
    assert Session.objects.get().signed_in_at > before


def test_a_session_that_has_ended_is_not_renewed(cast, clock):
    person = facts(JAMAL)
    session_id, cookie, _ = sessions.signed_in.open_for(person.id, how="password", browser=Browser(), now=clock())
    earlier = sessions.signed_in.resume(cookie, now=clock())
    sessions.signed_in.end(session_id, person.id, now=clock(), why="by_owner")
    assert sessions.signed_in.renew(earlier, how="password", browser=Browser(), now=clock()) is None
    assert sessions.signed_in.resume(cookie, now=clock()) is None


def test_ended_while_the_password_was_typed_a_new_one_opens(cast, clock, monkeypatch):
    visitor = Visitor().sign_in(JAMAL.login, JAMAL.password)
    visitor.get("/recovery/asked/")
    renew = sessions.signed_in.renew

    def ended_meanwhile(earlier, **more):
        sessions.signed_in.end_all(earlier.person_id, now=clock(), why="by_owner")
        return renew(earlier, **more)

    monkeypatch.setattr(sessions.signed_in, "renew", ended_meanwhile)
    visitor.submit("/sign-in/", user=JAMAL.login, password=JAMAL.password)
    assert visitor.signed_in and Session.objects.filter(ended_at=None).count() == 1


def test_a_renewed_session_has_its_whole_life_before_it_and_is_not_the_oldest(cast, clock, settings):
    visitor, person = Visitor().sign_in(JAMAL.login, JAMAL.password), facts(JAMAL)
    others = []
    for _ in range(sessions.signed_in.MOST_SESSIONS - 1):
        clock.advance(minutes=1)
        others.append(Visitor().sign_in(JAMAL.login, JAMAL.password))
    clock.advance(minutes=1)
    visitor.get("/recovery/asked/").submit("/sign-in/", user=JAMAL.login, password=JAMAL.password)
    renewed = sessions.signed_in.of_person(person.id, now=clock())[0]
    said = [line.event.event for line in see_history.page(person=person, now=clock()).lines]
    assert said.count("sign_in") == 2 + len(others) and "sign_out" not in said
    assert renewed.signed_in_at == clock() and renewed.expires_at == clock() + settings.MASSAR.session_longest
    clock.advance(minutes=1)
    Visitor().sign_in(JAMAL.login, JAMAL.password)
    assert visitor.signed_in and not others[0].signed_in and others[1].signed_in


def test_a_temporary_password_still_ends_what_was_open(rp, browser, clock, post):
    first = rp.enter(browser)
    browser.ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    clock.advance(minutes=1)
    browser.get("/recovery/asked/").submit("/sign-in/", user=YOUSSEF.login, password=post.secret(YOUSSEF_EMAIL))
    assert browser.path == "/password/expired/" and rp.userinfo(first.access).status_code == 401
    assert timedelta(0) == clock() - Session.objects.get().ended_at
