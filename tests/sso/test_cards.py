"""Which sites of the registry have a card on the page home."""

from __future__ import annotations

from dataclasses import replace

import pytest

from massar.domain.sites.api import Registry, Site
from massar.interfaces.web.home import cards
from tests.cast import YOUSSEF
from tests.support.visitor import Visitor

ASKS = Site("dovecot", protocol="oidc", client_id="dovecot", introspects=True)


@pytest.fixture
def slugs(settings):
    """The slugs of the cards where these sites are registered."""

    def shown(*registered: Site) -> list[str]:
        settings.MASSAR = replace(settings.MASSAR, sites=Registry(list(registered)))
        return [card.slug for card in cards("fr")]

    return shown


def test_a_server_that_only_asks_or_acts_for_itself_has_no_card(slugs):
    assert slugs(ASKS, replace(ASKS, slug="batch", introspects=False, service=True)) == []


def test_it_has_one_where_people_can_go_to_it(slugs):
    assert slugs(replace(ASKS, redirect_uris=("https://x.example.ma/back",))) == ["dovecot"]
    assert slugs(replace(ASKS, home="https://x.example.ma/")) == ["dovecot"]


def test_a_site_that_is_not_connected_yet_explains(slugs):
    assert slugs(replace(ASKS, introspects=False), replace(ASKS, slug="closed", protocol="none")) == [
        "closed",
        "dovecot",
    ]


def test_home_shows_as_much(cast, slugs):
    slugs(ASKS, replace(ASKS, slug="library", introspects=False))
    home = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).get("/").html
    assert "/sites/library/" in home and "dovecot" not in home
