"""Pages of the sign-in for sites, in three languages: who may not enter, what went wrong, signing out. And cards."""

import html
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils import translation

from massar.domain.sites.api import Site
from massar.interfaces.base import page
from massar.interfaces.web import home
from massar.journeys.sso.access import AccessDenied
from tests.cast import YOUSSEF
from tests.sso.relying_party import register
from tests.support.visitor import Visitor
from tests.support.words import saying, site

LANGUAGES = ("ar", "fr", "en")


@pytest.fixture
def shown(clock):
    """The words of a rendered template."""

    def show(language: str, template: str, **context) -> str:
        request = RequestFactory().get("/authorize")
        request.language, request.signed_in = language, None
        with translation.override(language):
            response = page.render(request, template, status=400, **context)
        return html.unescape(re.sub(r"<[^>]*>", "", response.content.decode()))

    return show


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_may_not_enter_reads_why_and_what_to_do(shown, clock, language):
    until = clock() + timedelta(hours=72)
    said = shown(language, "sso/access_denied.html", site=site("haraka"), why=AccessDenied("recovered", until))
    assert saying(language, "sso.not_for_you.recovered").search(said)
    assert saying(language, "sso.not_for_you.recovered_why").search(said)
    assert site("haraka").called(language) in said and "01:55" in said  # Morocco was at UTC during the Ramadan of 2026
    said = shown(language, "sso/access_denied.html", site=site("esise"), why=AccessDenied("role"))
    assert saying(language, "sso.not_for_you.role_what").search(said)
    assert not saying(language, "sso.not_for_you.recovered").search(said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_request_that_can_not_be_answered_is_explained(shown, language):
    for problem in ("site", "address", "request", "expired", "logout"):
        said = shown(language, "sso/error.html", problem=problem, reference="r-17", detail="<b>no such client</b>")
        assert saying(language, f"sso.error.{problem}.title").search(said)
        assert saying(language, f"sso.error.{problem}.text").search(said)
        assert "r-17" in said and "<b>no such client</b>" in said, "the detail is escaped, not run"


@pytest.mark.parametrize("language", LANGUAGES)
def test_signing_out_at_the_wish_of_a_site_is_asked_first(shown, language):
    fields = {"state": 'x" onfocus="y'}
    said = shown(language, "sso/logout.html", site=site("massar"), action="/logout", fields=fields)
    assert site("massar").called(language) in said and saying(language, "sso.logout.confirm").search(said)
    unknown = shown(language, "sso/logout.html", site=None, action="/logout", fields={})
    assert saying(language, "sso.logout.asked_by_one").search(unknown)


# Cards on the page home ---------------------------------------------------------------------------------------------

ASKS = Site("dovecot", protocol="oidc", client_id="dovecot", introspects=True)


def test_a_site_has_a_card_where_people_can_go_to_it_or_it_explains(cast, settings):
    """A server that only asks, or acts for itself, has none."""

    def slugs(*registered: Site) -> list[str]:
        register(settings, *registered)
        return [card.slug for card in home.cards("fr")]

    assert slugs(ASKS, replace(ASKS, slug="batch", introspects=False, service=True)) == []
    assert slugs(replace(ASKS, redirect_uris=("https://x.example.ma/back",))) == ["dovecot"]
    assert slugs(replace(ASKS, home="https://x.example.ma/")) == ["dovecot"]
    assert slugs(replace(ASKS, introspects=False), replace(ASKS, slug="closed", protocol="none")) == [
        "closed",
        "dovecot",
    ]
    slugs(ASKS, replace(ASKS, slug="library", introspects=False))
    page = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).get("/").html
    assert "/sites/library/" in page and "dovecot" not in page
