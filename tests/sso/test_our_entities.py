"""One account, several SAML entities: two sites of one name (two domains of one Microsoft tenant) know it by two names.

Everything that is said to one of them is said under its name alone.
"""

from __future__ import annotations

import argparse
import base64
import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from lxml import etree

from massar.core.settings import SettingsError
from massar.interfaces.commands import sites
from tests.cast import YOUSSEF
from tests.house.laws import ROOT
from tests.sso import saml_site as saml
from tests.support.sites import load
from tests.support.visitor import Visitor

pytestmark = pytest.mark.django_db
NORTH = replace(saml.RETRAITE, slug="north", our_entity="north")
SOUTH = replace(saml.RETRAITE, slug="south", our_entity="south", slo_binding="post")
END = {name: f"{saml.ACCOUNT}/saml/as/{name}" for name in ("north", "south")}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    saml.register(monkeypatch, saml.RETRAITE, NORTH, SOUTH)


def asked_at(visitor: Visitor, name: str, now) -> etree._Element:
    request = saml.authn_request(now, Destination=f"{END[name]}/sso")
    return saml.answered(visitor.get(saml.redirect(request, to=f"/saml/as/{name}/sso")))


@pytest.mark.parametrize("name", ["north", "south"])
def test_each_entity_has_metadata_of_its_own(name):
    root = etree.fromstring(Visitor().client.get(f"/saml/as/{name}/metadata").content)
    assert root.get("entityID") == f"{END[name]}/metadata"
    ends = {element.get("Location") for element in root.iter() if element.get("Location")}
    assert ends == {f"{END[name]}/sso", f"{END[name]}/slo"}
    plain = etree.fromstring(Visitor().client.get("/saml/metadata").content)
    assert plain.get("entityID") == saml.METADATA and {
        e.get("Location") for e in plain.iter() if e.get("Location")
    } == {
        saml.SSO,
        saml.SLO,
    }


@pytest.mark.parametrize("name", ["north", "south"])
def test_the_answer_is_by_the_entity_that_was_asked(youssef, clock, name):
    root = asked_at(youssef, name, clock())
    assert {issuer.text for issuer in root.iter(f"{{{saml.NS['saml']}}}Issuer")} == {f"{END[name]}/metadata"}
    assert root.find(".//saml:NameID", saml.NS).get("NameQualifier") == f"{END[name]}/metadata"
    assert root.find(".//saml:Audience", saml.NS).text == saml.ENTITY


def test_the_names_of_a_person_are_the_sites_own(youssef, clock):
    north, south = (
        asked_at(youssef, name, clock()).find(".//saml:NameID", saml.NS).text for name in ("north", "south")
    )
    assert north != south


def test_after_a_sign_in_the_answer_is_still_by_that_entity(cast, clock):
    visitor = Visitor()
    visitor.get(saml.redirect(saml.authn_request(clock(), Destination=f"{END['north']}/sso"), to="/saml/as/north/sso"))
    assert visitor.path == "/sign-in/"
    visitor.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    assert saml.answered(visitor).find("saml:Issuer", saml.NS).text == f"{END['north']}/metadata"


def test_the_card_leads_in_under_the_sites_own_name_of_us(youssef):
    assert (
        saml.answered(youssef.get("/saml/start/south/")).find("saml:Issuer", saml.NS).text == f"{END['south']}/metadata"
    )


def test_a_request_for_another_entity_is_refused(youssef, clock):
    """Destination is the address that it came to, and each site is known at its own."""
    for to, destination in (("/saml/as/north/sso", saml.SSO), ("/saml/sso", f"{END['north']}/sso")):
        assert (
            youssef.client.get(saml.redirect(saml.authn_request(clock(), Destination=destination), to=to)).status_code
            == 400
        )
    lone = saml.authn_request(clock(), issuer="https://elsewhere.example.ma", Destination=f"{END['north']}/sso")
    assert youssef.client.get(saml.redirect(lone, to="/saml/as/north/sso")).status_code == 400


@pytest.mark.parametrize("end", ["metadata", "sso", "slo"])
def test_a_name_that_no_site_knows_us_by_is_not_there(end):
    assert Visitor().client.get(f"/saml/as/west/{end}").status_code == 404


def test_leaving_is_said_by_the_entity_and_answered_to_it(youssef, clock):
    """By Redirect to one, in a form to the other; the answer must come back to the right address."""
    asked_at(youssef, "north", clock())
    asked_at(youssef, "south", clock())
    saml.everywhere(youssef)
    query = parse_qs(urlsplit(youssef.client.get("/saml/leave/north/")["Location"]).query)
    by_redirect = saml.inflated(query["SAMLRequest"][0])
    page = youssef.client.get("/saml/leave/south/").content.decode()
    by_form = etree.fromstring(base64.b64decode(saml.form_of(page, SOUTH.slo)["SAMLRequest"]))
    for name, request, other in (("north", by_redirect, "south"), ("south", by_form, "north")):
        assert request.find("saml:Issuer", saml.NS).text == f"{END[name]}/metadata"
        assert request.find("saml:NameID", saml.NS).get("NameQualifier") == f"{END[name]}/metadata"
        for end in (f"{END[other]}/slo", saml.SLO):
            bring(youssef, saml.logout_response(clock(), request, to=end), end)
            assert saml.shows(youssef, "sso.told.not_confirmed"), end
        bring(youssef, saml.logout_response(clock(), request, to=f"{END[name]}/slo"), f"{END[name]}/slo")
        assert not saml.shows(youssef, "sso.told.not_confirmed") and saml.shows(youssef, "sso.told.confirmed")


def bring(visitor: Visitor, message: str, end: str) -> None:
    form = {"SAMLResponse": saml.posted(saml.enveloped(message))}
    visitor.get(Visitor().client.post(end.removeprefix(saml.ACCOUNT), form)["Location"])


def test_the_site_signs_out_at_its_own_end_alone(youssef, clock):
    asked_at(youssef, "south", clock())
    name, index = saml.name_and_index(youssef)
    for end in (saml.SLO, f"{END['north']}/slo"):
        message = saml.logout_request(clock(), name=name, index=index, Destination=end)
        youssef.get(saml.redirect(message, key=saml.SITE_KEYS.key, to=end.removeprefix(saml.ACCOUNT)))
        assert youssef.get("/").signed_in, "another site's name and session"
    end = f"{END['south']}/slo"
    message = saml.logout_request(clock(), name=name, index=index, Destination=end)
    page = youssef.client.get(
        saml.redirect(message, key=saml.SITE_KEYS.key, to=end.removeprefix(saml.ACCOUNT))
    ).content.decode()
    answer = etree.fromstring(base64.b64decode(saml.form_of(page, SOUTH.slo)["SAMLResponse"]))
    assert answer.find("saml:Issuer", saml.NS).text == f"{END['south']}/metadata" and not youssef.get("/").signed_in


# -- the file

TABLE = """[sites.{slug}]
protocol = "saml"
entity_id = "urn:federation:MicrosoftOnline"
acs = ["https://login.microsoftonline.com/login.srf"]
"""


def test_two_sites_of_one_name_need_two_names_of_ours(tmp_path):
    file = tmp_path / "sites.toml"
    first, second = TABLE.format(slug="taalim"), TABLE.format(slug="academie")
    file.write_text(first + second)
    with pytest.raises(SettingsError, match="same entity_id: each site needs its own, or an our_entity of its own"):
        load(file)
    file.write_text(f'{first}{second}our_entity = "academie"')
    known = load(file)
    assert known.by_entity["academie", "urn:federation:MicrosoftOnline"].slug == "academie"
    assert known.by_entity["", "urn:federation:MicrosoftOnline"].slug == "taalim"


@pytest.mark.parametrize("name", ["Academie", "a/b", "https://x.ma", "é", "-", "x" * 40])
def test_what_can_not_stand_in_an_address_is_told(tmp_path, name):
    (tmp_path / "sites.toml").write_text(f'{TABLE.format(slug="academie")}our_entity = "{name}"')
    with pytest.raises(SettingsError, match="our_entity is a part of addresses"):
        load(tmp_path / "sites.toml")


def test_the_page_about_microsoft_shows_a_second_domain(tmp_path):
    page = (ROOT / "docs" / "integrate" / "saml-microsoft365.md").read_text("utf-8")
    (shown,) = [table for table in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "our_entity" in table]
    (first,) = [table for table in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "our_entity" not in table]
    (tmp_path / "sites.toml").write_text(first + shown)
    known = load(tmp_path / "sites.toml").by_slug
    name = known["academie"].our_entity
    same = ("entity_id", "acs", "slo", "certificate", "name_id", "attributes")
    assert [getattr(known["academie"], one) for one in same] == [getattr(known["taalim"], one) for one in same]
    assert f"/saml/as/{name}/metadata`" in page and f"/saml/as/{name}/sso`" in page


def test_show_prints_what_to_enter_at_the_other_side(capsys, clock, monkeypatch):
    monkeypatch.setattr(sites.clock, "now", clock)
    assert sites.run(argparse.Namespace(action="show", slug="north")) == 0
    said = capsys.readouterr().out
    assert (
        said.count(f"{END['north']}/metadata") == 2 and f"{END['north']}/sso" in said and f"{END['north']}/slo" in said
    )
    assert settings.MASSAR.public_url in said
