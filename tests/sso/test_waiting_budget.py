"""Strangers can't fill the table of waiting requests; who meets the end of the budget still signs in, and is told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from massar.domain.limits import api as limits
from massar.domain.sites import api as sites
from massar.domain.sites.models import ReplayCacheEntry, SavedRequest
from massar.interfaces.base.cookies import SAVED_REQUEST
from tests.cast import YOUSSEF, YOUSSEF_EMAIL
from tests.sso.gated_site import NOTIFRH, Proxy, at_account
from tests.sso.relying_party import STRICT, party, register
from tests.sso.saml_site import RETRAITE, SITE_KEYS, authn_request, posted, redirect
from tests.support.steps import shows
from tests.support.visitor import Visitor

ROOM = 2

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture(autouse=True)
def registered(cast, settings, monkeypatch):
    register(settings, STRICT, RETRAITE, NOTIFRH)
    for name in ("SAVED_REQUEST_NETWORK", "REPLAY_CACHE_NETWORK"):
        small = limits.RateLimit(name.lower(), ROOM, timedelta(minutes=1))
        monkeypatch.setattr(limits.rate_limits, name, small)


def by_oidc(visitor: Visitor, clock):
    return visitor.client.get(party(clock, STRICT).ask().url)


def by_saml(visitor: Visitor, clock):
    return visitor.client.get(redirect(authn_request(clock())))


def by_saml_form(visitor: Visitor, clock):
    return visitor.client.post("/saml/sso", {"SAMLRequest": posted(authn_request(clock()))})


def by_gate(visitor: Visitor, clock):
    return at_account(visitor, Proxy().begin("/dossier"))


WAYS = (by_oidc, by_saml, by_saml_form, by_gate)


def flood(clock) -> None:
    for way in WAYS:
        way(Visitor(), clock)


def test_a_long_posted_logout_is_charged_whoever_is_signed_in(clock):
    """Another site's form can make the browser ask it again and again."""
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    form = {"client_id": STRICT.client_id, "state": "x" * 8000}
    form["post_logout_redirect_uri"] = STRICT.post_logout_redirect_uris[0]
    assert [visitor.client.post("/logout", form).status_code for _ in range(4)] == [303, 303, 400, 400]
    assert SavedRequest.objects.count() == ROOM


def test_over_the_budget_people_sign_in_and_read_what_to_do(clock):
    flood(clock)
    for way in WAYS:
        visitor = Visitor()
        visitor.get(way(visitor, clock)["Location"])
        assert visitor.path == "/sign-in/" and shows(visitor, "sso.waiting.full"), way
        assert SAVED_REQUEST.name not in visitor.cookies
        visitor.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
        assert visitor.path == "/" and visitor.signed_in
    assert SavedRequest.objects.count() == ROOM


def test_whoever_is_signed_in_needs_no_budget(clock, youssef):
    """Asked for the password again while the network is full: the request waits all the same."""
    visitor = youssef
    flood(clock)
    visitor.get(redirect(authn_request(clock.advance(seconds=20), ForceAuthn="true")))
    assert visitor.path == "/sign-in/" and SAVED_REQUEST.name in visitor.cookies
    visitor.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    assert "SAMLResponse" in visitor.html


def test_a_form_from_a_site_over_the_budget_leads_home_and_says_so(clock, youssef):
    """It comes without the session's cookie, so it counts as a stranger's."""
    flood(clock)
    answer = by_saml_form(Visitor(), clock)
    for name, morsel in answer.cookies.items():
        youssef.client.cookies[name] = morsel.value
    youssef.get(answer["Location"])
    assert youssef.path == "/" and shows(youssef, "sso.waiting.full", "fr")


def test_other_networks_and_later_moments_are_not_touched(clock):
    flood(clock)
    elsewhere, later = Visitor(), Visitor()
    elsewhere.client.defaults["REMOTE_ADDR"] = "198.51.100.7"
    by_saml(elsewhere, clock)
    clock.advance(minutes=1)
    by_saml(later, clock)
    assert SAVED_REQUEST.name in elsewhere.cookies and SAVED_REQUEST.name in later.cookies


@pytest.mark.parametrize(("certificate", "claimed"), [
    (SITE_KEYS.certificate, ""), ("", ""), ("", "&SigAlg=x&Signature=AAAA"),
], ids=["nobody signs", "nobody can check", "and who claims to have signed"])  # fmt: skip
def test_ids_that_nobody_signed_fill_no_table(clock, settings, certificate, claimed):
    """Whoever sends a new ID each time makes rows up to the budget, and is answered all the same."""
    register(settings, replace(RETRAITE, certificate=certificate))
    for _ in range(3 * ROOM):
        assert Visitor().client.get(redirect(authn_request(clock())) + claimed).status_code == 303
    assert ReplayCacheEntry.objects.count() == ROOM


def test_who_is_signed_in_or_signs_comes_once_whatever_strangers_did(clock, youssef):
    for _ in range(ROOM):
        by_saml(Visitor(), clock)
    for visitor, address in (
        (youssef, redirect(authn_request(clock()))),
        (Visitor(), redirect(authn_request(clock()), key=SITE_KEYS.key)),
    ):
        assert visitor.client.get(address).status_code in (200, 303)
        assert visitor.client.get(address).status_code == 400


@pytest.mark.parametrize(("contact", "minutes"), [({"email": YOUSSEF_EMAIL}, 225), ({"phone": "+212661000111"}, 125)])
def test_what_a_site_asked_waits_as_long_as_the_secret_may_live(clock, contact, minutes):
    """The message came late, and its person later still: the site opens all the same after the change."""
    visitor = Visitor()
    by_oidc(visitor, clock)
    visitor.ask(YOUSSEF.login, **contact)
    clock.advance(minutes=minutes - 1)
    assert sites.saved_requests.sweep(now=clock()) == 0
    assert visitor.client.cookies[SAVED_REQUEST.name]["max-age"] > 60 * minutes
    clock.advance(minutes=1)
    visitor.ask(YOUSSEF.login, **contact)
    assert sites.saved_requests.sweep(now=clock()) == 1, "what no longer waits is not brought back"
