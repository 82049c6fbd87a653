"""Programs that stay signed in (offline_access where the registry gives days): mail on a phone, for instance."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connections

from massar.core.audit import api as audit_log
from massar.domain.people import api as people
from massar.domain.people.models import Person
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.account import close_account, freeze_account
from massar.journeys.sso import access
from tests.cast import JAMAL, SALMA, YOUSSEF, facts
from tests.sso.relying_party import SITES, STRICT, Surfer, party, refused, register
from tests.support.fakes import BehavingProvider
from tests.support.post_office import turning
from tests.support.steps import recover, shows
from tests.support.visitor import Visitor

MAIL = replace(STRICT, offline_days=30, name={"fr": "Courrier", "ar": "البريد"})
OTHERS = [site for site in SITES if site.slug != MAIL.slug]
SCOPE = "openid email offline_access"
NEW_PASSWORD = "Rivage-8412-ouvert"


@pytest.fixture(autouse=True)
def registered(cast, settings):
    register(settings, MAIL, *OTHERS)


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


def grants_of_youssef(clock) -> list:
    return sites.grants.offline_of(facts(YOUSSEF).id, now=int(clock().timestamp()))


def test_it_goes_on_after_the_session_for_the_days_of_the_registry(mail, browser, clock):
    tokens = mail.enter(browser)
    browser.sign_out()
    assert not browser.signed_in and works(mail, tokens)
    for days in (1, 9, 19):
        clock.advance(days=days)
        sites.grants.sweep(now=int(clock().timestamp()))
        sessions.signed_in.sweep(now=clock(), keep=timedelta(days=90))
        assert works(mail, tokens)
    clock.advance(days=1)
    assert not works(mail, tokens)


def test_without_the_scope_or_the_setting_it_ends_with_the_session(mail, browser, clock, settings):
    """For operators in any case: sessions of those who watch over the installation are short, and nothing of theirs may
    outlive them."""
    tokens = mail.enter(browser, person=SALMA)
    assert sites.grants.offline_of(facts(SALMA).id, now=int(clock().timestamp())) == [], "it is given none at all"
    browser.sign_out()
    assert not works(mail, tokens)
    short = party(clock, replace(MAIL, slug="other", client_id="other"), scope=SCOPE)
    register(settings, MAIL, replace(short.site, offline_days=0))
    ordinary = short.enter(browser)
    plain = mail.enter(browser, scope="openid email")
    assert not plain.refresh
    browser.sign_out()
    assert not works(short, ordinary)


def disabled(browser, clock):
    for change in (close_account.disable, close_account.enable):
        change(person=facts(YOUSSEF), reason="", now=clock())


ENDS = {
    "everywhere": lambda browser, _: browser.get("/sign-out/everywhere/").submit("/sign-out/everywhere/"),
    "the others": lambda browser, _: browser.get("/devices/").submit("/devices/end-all/"),
    "another password": lambda browser, _: browser.change(YOUSSEF.password, NEW_PASSWORD),
    "disabled": disabled,
    "frozen": lambda _, clock: freeze_account.by_operator(person=facts(YOUSSEF), reason="called", now=clock()),
}


@pytest.mark.parametrize("how", ENDS.values(), ids=ENDS)
def test_what_ends_everything_ends_it_too_and_its_site_is_told(mail, browser, clock, how):
    tokens = mail.enter(browser)
    browser.sign_out()
    provider = BehavingProvider("site")
    turn = turning({"site": provider, "email": BehavingProvider("email"), "sms": BehavingProvider("sms")}, clock)
    turn()
    told = len(provider.received)
    later = Surfer()
    later.sign_in(YOUSSEF.login, YOUSSEF.password)
    how(later, clock)
    turn()
    assert not works(mail, tokens) and len(provider.received) == told + 1


TAKEN_AWAY = {
    "recovered": lambda _, post: recover(post, YOUSSEF, YOUSSEF.email, NEW_PASSWORD),
    "disabled": lambda *_: Person.objects.filter(login=YOUSSEF.login).update(state="disabled"),
    "operator": lambda *_: Person.objects.filter(login=YOUSSEF.login).update(role="operator"),
    "role": lambda settings, _: register(settings, replace(MAIL, roles=("inspector",))),
    "days": lambda settings, _: register(settings, replace(MAIL, offline_days=5)),
}


@pytest.mark.both_databases
@pytest.mark.parametrize("how", TAKEN_AWAY.values(), ids=TAKEN_AWAY)
def test_what_a_person_may_no_longer_have_is_gone_at_the_next_renewal(mail, browser, clock, settings, post, how):
    """Fewer days in the registry hold for programs that are inside."""
    tokens = mail.enter(browser)
    browser.sign_out()
    clock.advance(days=5)
    assert works(mail, tokens)
    how(settings, post)
    assert not works(mail, tokens)


def test_the_devices_page_lists_it_and_ends_it(mail, browser, clock):
    tokens = mail.enter(browser)
    page = browser.get("/devices/")
    assert shows(page, "devices.programs", "fr") and "Courrier" in page.html
    (grant,) = grants_of_youssef(clock)
    page.submit(f"/devices/programs/{grant.id}/end/")
    assert shows(page, "flash.program_ended", "fr") and not shows(page, "devices.programs", "fr")
    assert not works(mail, tokens)
    row = next(row for row in audit_log.of_person(facts(YOUSSEF).id) if row.event == "program_ended")
    assert row.detail == {"site": MAIL.slug}
    assert shows(browser.get("/devices/"), "activity.program_ended", "fr")


def test_nobody_ends_somebody_elses(mail, browser, clock, settings):
    """And that of a site which is gone can be ended."""
    tokens = mail.enter(browser)
    (grant,) = grants_of_youssef(clock)
    jamal = Visitor().sign_in(JAMAL.login, JAMAL.password).get("/devices/")
    jamal.client.post(f"/devices/programs/{grant.id}/end/", {"csrfmiddlewaretoken": jamal.token})
    assert works(mail, tokens)
    register(settings, *OTHERS)
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
    assert refused(mail.redeem(asked, mail.code(browser, asked)))
    assert grants_of_youssef(clock) == []


def test_what_the_operator_closes_is_closed_at_once(mail, browser, clock, settings):
    tokens = mail.enter(browser)
    for sites_left in ([replace(MAIL, protocol="none")], []):
        register(settings, *sites_left, *OTHERS)
        assert mail.userinfo(tokens.access).status_code == 401
        assert mail.refresh(tokens.refresh).status_code == 401


def apart(work, together: threading.Barrier | None = None):
    """`work` as a thread of its own does it: at the moment of the others, its connection closed behind it."""

    def begun(*_):
        try:
            if together:
                together.wait(30)
            return work()
        finally:
            connections.close_all()

    return begun


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("freezes", ["before", "between", "beside"])
def test_atk_057_no_token_of_a_program_outlives_a_freeze(transactional_db, mail, browser, clock, monkeypatch, freezes):
    """ATK-057: the account is frozen before the program asks, between our reading of its token and our using it up,
    and beside eight of its threads. Frozen, nothing opens; and when the owner is back, still nothing does."""
    tokens, owner, redeem = mail.enter(browser), facts(YOUSSEF), sites.grants.redeem
    mail.metadata, mail.keys()
    together = threading.Barrier(9) if freezes == "beside" else None
    freeze = apart(lambda: freeze_account.by_operator(person=owner, reason="a test", now=clock()), together)
    ask = apart(lambda: mail.refresh(tokens.refresh), together)

    def late(*args, **more):
        with ThreadPoolExecutor(1) as other:
            other.submit(freeze).result()
        return redeem(*args, **more)

    with monkeypatch.context() as meanwhile, ThreadPoolExecutor(9) as pool:
        if freezes == "between":
            meanwhile.setattr(sites.grants, "redeem", late)
        else:
            frozen = pool.submit(freeze)
            assert together or frozen.result()
        answers = list(pool.map(ask, range(8 if together else 1)))
    assert facts(YOUSSEF).frozen_at and (together or answers[0].status_code == 400)
    issued = [answer.json() for answer in answers if answer.status_code == 200]
    access = [tokens.access, *(one["access_token"] for one in issued)]
    refresh = [tokens.refresh, *(one["refresh_token"] for one in issued)]
    for state in ("frozen", "open again"):
        assert {mail.userinfo(one).status_code for one in access} == {401}, state
        assert all(refused(mail.refresh(one)) for one in refresh), state
        clock.advance(seconds=1)
        people.directory.reopen(owner.id, now=clock())
    assert facts(YOUSSEF).active
