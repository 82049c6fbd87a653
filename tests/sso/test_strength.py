"""What the registry wants of whoever enters: a fresh sign-in, no recent recovery. One judge, every protocol."""

from dataclasses import replace

import pytest

from tests.cast import YOUSSEF, YOUSSEF_EMAIL
from tests.sso import gated_site, relying_party, saml_site
from tests.sso.gated_site import NOTIFRH, Proxy, at_account, opened, proved
from tests.sso.relying_party import STRICT, Surfer, party
from tests.sso.saml_site import NO_RECENT_RECOVERY, PASSWORD, RETRAITE, answered, authn_request, context, redirect
from tests.support.steps import recover
from tests.support.visitor import Visitor

NEW = "Rivage-8412-ouvert"
WANTS = {"max_age_minutes": 10}
OIDC = replace(STRICT, slug="fresh", client_id="fresh", **WANTS)
SAML, GATE = replace(RETRAITE, **WANTS), replace(NOTIFRH, **WANTS)

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def register(cast, settings):
    relying_party.register(settings, OIDC, SAML, GATE)
    return lambda *sites: relying_party.register(settings, *sites)


def asks_saml(visitor: Visitor, clock, **request) -> Visitor:
    return visitor.get(redirect(authn_request(clock(), **request)))


def test_saml_asks_again_and_goes_on(register, youssef, clock):
    clock.advance(minutes=10)
    assert saml_site.statuses(answered(asks_saml(youssef, clock))) == ["Success"], "ten minutes are not more than ten"
    clock.advance(minutes=1)
    silent = answered(asks_saml(youssef, clock, IsPassive="true"))
    assert saml_site.statuses(silent) == ["Responder", "NoPassive"], "one that may not ask"
    asks_saml(youssef, clock, id="_again").submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    root = answered(youssef)
    assert root.get("InResponseTo") == "_again"
    assert root.find(".//saml:AuthnStatement", saml_site.NS).get("AuthnInstant") == saml_site.written(clock())


def test_oidc_asks_again_and_goes_on(register, clock):
    rp, browser = party(clock, OIDC), Surfer()
    before = rp.enter(browser).claims["auth_time"]
    clock.advance(minutes=11)
    silent = rp.start(browser, prompt="none")
    assert rp.error(browser, silent) == "login_required"
    asked = rp.start(browser, max_age="100000")
    assert browser.at_sign_in, "a site can't ask for less than its registry does"
    browser.prove()
    tokens = rp.finish(browser, asked)
    assert tokens.claims["auth_time"] == int(clock().timestamp()) > before


def test_the_gate_closes_and_leads_back_to_the_same_address(register, youssef, clock, django_assert_num_queries):
    proxy = opened(youssef, "/dossier/12?page=2")
    proxy.check()
    with django_assert_num_queries(2):  # no more than at any site
        assert proxy.check("/logo.png").status_code == 200
    clock.advance(minutes=10)
    assert proxy.check("/dossier/12?page=2").status_code == 200
    clock.advance(minutes=1)
    assert proxy.check("/dossier/12?page=2").status_code == 401
    answer = at_account(youssef, proxy.begin("/dossier/12?page=2"))
    assert answer["Location"] == "/sign-in/"
    assert youssef.client.get("/gate/resume/")["Location"] == "/sign-in/", "walking around the form"
    back = proxy.enter(proved(youssef))
    assert back["Location"] == f"{gated_site.ORIGIN}/dossier/12?page=2"
    assert proxy.check("/dossier/12?page=2").status_code == 200


@pytest.fixture
def recovered(register, clock, post) -> Visitor:
    register(*(replace(site, no_recent_recovery=True, max_age_minutes=0) for site in (OIDC, SAML, GATE)))
    return recover(post, YOUSSEF, YOUSSEF_EMAIL, NEW)


def enters(visitor: Visitor, clock) -> dict[str, int]:
    """The answer of each protocol, by status: 403 is the page that says why not."""
    saml = asks_saml(visitor, clock).page.status_code
    oidc = visitor.client.get(party(clock, OIDC).ask().url).status_code
    return {"saml": saml, "oidc": oidc, "gate": at_account(visitor, Proxy().begin()).status_code}


def test_a_settled_account_is_wanted_by_every_protocol(recovered, clock):
    assert set(enters(recovered, clock).values()) == {403}
    clock.advance(hours=73)
    recovered.sign_in(YOUSSEF.login, NEW)
    assert enters(recovered, clock) == {"saml": 200, "oidc": 303, "gate": 303}


def test_saml_gets_the_best_of_the_classes_that_is_true(recovered, register, clock):
    """RequestedAuthnContext lists what will do; who recovered lately is not refused for the first of them."""
    register(RETRAITE)
    for said in (PASSWORD, NO_RECENT_RECOVERY):
        root = answered(asks_saml(recovered, clock, inside=context(NO_RECENT_RECOVERY, PASSWORD)))
        assert saml_site.text(root, "//saml:AuthnContextClassRef") == said
        clock.advance(hours=73)
        recovered.sign_in(YOUSSEF.login, NEW)
