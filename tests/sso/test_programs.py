"""Programs that stay signed in (offline_access where the registry gives days): mail on a phone, for instance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from massar.core.audit import api as audit_log
from massar.domain.people.models import Person
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.account import close_account
from massar.journeys.sso import access
from tests.cast import JAMAL, SALMA, YOUSSEF, facts
from tests.sso.relying_party import SITES, STRICT, Surfer, party, register
from tests.support.fakes import BehavingProvider
from tests.support.post_office import worker_with
from tests.support.steps import shows
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases

MAIL = replace(
    STRICT,
    offline_days=30,
    backchannel_logout_uri="https://strict.example.ma/out",
    name={"fr": "Courrier", "ar": "البريد"},
)
SCOPE = "openid email offline_access"
NEW_PASSWORD = "Rivage-8412-ouvert"


@pytest.fixture(autouse=True)
def registered(cast, settings):
    register(settings, MAIL, *(site for site in SITES if site.slug != MAIL.slug))


@pytest.fixture
def mail(clock):
    return party(clock, MAIL, scope=SCOPE)


def works(mail, tokens) -> bool:
    """Whether the program gets a new access token that opens something; the tokens are turned."""
    answer = mail.refresh(tokens.refresh)
    if answer.status_code != 200:
        assert answer.json()["error"] == "invalid_grant"
        return False
    object.__setattr__(tokens, "refresh", answer.json()["refresh_token"])
    return mail.userinfo(answer.json()["access_token"]).status_code == 200


def test_it_goes_on_after_the_session_for_the_days_of_the_registry(mail, browser, clock):
    tokens = mail.enter(browser)
    browser.get("/").submit("/sign-out/")
    assert not browser.signed_in and works(mail, tokens)
    for _ in range(29):
        clock.advance(days=1)
        sites.grants.sweep(now=int(clock().timestamp()))
        sessions.signed_in.sweep(now=clock())
        assert works(mail, tokens)
    clock.advance(days=1)
    assert not works(mail, tokens)


def test_without_the_scope_or_the_setting_it_ends_with_the_session(mail, browser, clock, settings):
    short = party(clock, replace(MAIL, slug="other", client_id="other"), scope=SCOPE)
    register(settings, MAIL, replace(short.site, offline_days=0))
    ordinary = short.enter(browser)
    plain = mail.enter(browser, scope="openid email")
    assert not plain.refresh
    browser.get("/").submit("/sign-out/")
    assert not works(short, ordinary)


def test_an_operator_has_none(mail, browser):
    """Sessions of those who watch over the installation are short; nothing of theirs may outlive them."""
    tokens = mail.enter(browser, person=SALMA)
    browser.get("/").submit("/sign-out/")
    assert not works(mail, tokens)


def everywhere(browser, clock):
    browser.get("/sign-out/everywhere/").submit("/sign-out/everywhere/")


def the_others(browser, clock):
    browser.get("/devices/").submit("/devices/end-all/")


def another_password(browser, clock):
    browser.change(YOUSSEF.password, NEW_PASSWORD)
    assert browser.path == "/password/changed/"


def disabled(browser, clock):
    close_account.disable(person=facts(YOUSSEF), reason="", now=clock())
    close_account.enable(person=facts(YOUSSEF), reason="", now=clock())


@pytest.mark.parametrize("how", [everywhere, the_others, another_password, disabled])
def test_what_ends_everything_ends_it_too_and_its_site_is_told(mail, browser, clock, how):
    tokens = mail.enter(browser)
    browser.get("/").submit("/sign-out/")
    provider = BehavingProvider("site")
    worker = worker_with({"site": provider, "email": BehavingProvider("email"), "sms": BehavingProvider("sms")}, clock)
    while worker.turn():
        pass
    told = len(provider.received)
    later = Surfer()
    later.sign_in(YOUSSEF.login, YOUSSEF.password)
    how(later, clock)
    while worker.turn():
        pass
    assert not works(mail, tokens) and len(provider.received) == told + 1


def test_a_recovery_ends_it(mail, browser, clock, post):
    tokens = mail.enter(browser)
    other = Visitor().ask(YOUSSEF.login, email=YOUSSEF.email)
    secret = post.secret(YOUSSEF.email)
    other.sign_in(YOUSSEF.login, secret).change(secret, NEW_PASSWORD)
    assert not works(mail, tokens)


def test_a_disabled_person_has_nothing_of_it(mail, browser):
    tokens = mail.enter(browser)
    Person.objects.filter(login=YOUSSEF.login).update(state="disabled")
    assert not works(mail, tokens)


def test_who_loses_the_role_loses_it_at_the_next_renewal(mail, browser, settings):
    tokens = mail.enter(browser)
    register(settings, replace(MAIL, roles=("inspector",)))
    assert not works(mail, tokens)


def test_the_devices_page_lists_it_and_ends_it(mail, browser, clock):
    tokens = mail.enter(browser)
    page = browser.get("/devices/")
    assert shows(page, "devices.programs", "fr") and "Courrier" in page.html
    (grant,) = sites.grants.offline_of(facts(YOUSSEF).id, now=int(clock().timestamp()))
    page.submit(f"/devices/programs/{grant.id}/end/")
    assert shows(page, "flash.program_ended", "fr") and not shows(page, "devices.programs", "fr")
    assert not works(mail, tokens)
    row = next(row for row in audit_log.of_person(facts(YOUSSEF).id) if row.event == "program_ended")
    assert row.detail == {"site": MAIL.slug}
    assert shows(browser.get("/devices/"), "activity.program_ended", "fr")


def test_nobody_ends_somebody_elses(mail, browser, clock):
    tokens = mail.enter(browser)
    (grant,) = sites.grants.offline_of(facts(YOUSSEF).id, now=int(clock().timestamp()))
    jamal = Visitor().sign_in(JAMAL.login, JAMAL.password).get("/devices/")
    token = jamal.html.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    jamal.client.post(f"/devices/programs/{grant.id}/end/", {"csrfmiddlewaretoken": token})
    assert works(mail, tokens)


def test_a_program_of_a_site_that_is_gone_can_be_ended(mail, browser, clock, settings):
    mail.enter(browser)
    register(settings, *(site for site in SITES if site.slug != MAIL.slug))
    page = browser.get("/devices/")
    assert page.page.status_code == 200 and f">{MAIL.slug}<" in page.html


def test_what_begins_while_everything_ends_ends_too(mail, browser, clock, monkeypatch):
    """The password is changed between the judge and the code: the program must not stay."""
    browser.sign_in(YOUSSEF.login, YOUSSEF.password)
    decide = access.decide

    def and_then_ended(**given):
        found = decide(**given)
        sessions.signed_in.end_all(facts(YOUSSEF).id, now=clock(), why="password_changed")
        return found

    monkeypatch.setattr(access, "decide", and_then_ended)
    asked = mail.start(browser)
    answer = mail.redeem(asked, mail.code(browser, asked))
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_grant"
    assert sites.grants.offline_of(facts(YOUSSEF).id, now=int(clock().timestamp())) == []


def test_what_the_operator_closes_is_closed_at_once(mail, browser, clock, settings):
    tokens = mail.enter(browser)
    for sites_left in ([replace(MAIL, protocol="none")], []):
        register(settings, *sites_left, *(site for site in SITES if site.slug != MAIL.slug))
        assert mail.userinfo(tokens.access).status_code == 401
        assert mail.refresh(tokens.refresh).status_code == 401


def test_fewer_days_in_the_registry_hold_for_programs_that_are_inside(mail, browser, clock, settings):
    tokens = mail.enter(browser)
    clock.advance(days=5)
    assert works(mail, tokens)
    register(settings, replace(MAIL, offline_days=5))
    assert not works(mail, tokens)


def test_who_becomes_an_operator_keeps_no_program(mail, browser):
    tokens = mail.enter(browser)
    browser.get("/").submit("/sign-out/")
    Person.objects.filter(login=YOUSSEF.login).update(role="operator")
    assert not works(mail, tokens)
