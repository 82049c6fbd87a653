"""One account, several SAML entities: two sites of one name (two domains of one Microsoft tenant) know it by two names.

Everything that is said to one of them is said under its name alone.
"""

import argparse
import base64
import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
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
END = {"": f"{saml.ACCOUNT}/saml", **{name: f"{saml.ACCOUNT}/saml/as/{name}" for name in ("north", "south")}}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    saml.register(monkeypatch, saml.RETRAITE, NORTH, SOUTH)


def at(name: str, end: str) -> str:
    """The path of that entity."""
    return f"{END[name]}/{end}".removeprefix(saml.ACCOUNT)


def asked_at(visitor: Visitor, name: str, now) -> etree._Element:
    request = saml.authn_request(now, Destination=f"{END[name]}/sso")
    return saml.answered(visitor.get(saml.redirect(request, to=at(name, "sso"))))


def issuer(root: etree._Element) -> str:
    return root.find("saml:Issuer", saml.NS).text


@pytest.mark.parametrize("name", END)
def test_each_entity_has_metadata_of_its_own(name):
    root = etree.fromstring(Visitor().client.get(at(name, "metadata")).content)
    assert root.get("entityID") == f"{END[name]}/metadata"
    ends = {element.get("Location") for element in root.iter() if element.get("Location")}
    assert ends == {f"{END[name]}/sso", f"{END[name]}/slo"}
    for end in ("metadata", "sso", "slo"):
        assert Visitor().client.get(f"/saml/as/west/{end}").status_code == 404, "no site knows us by that name"


def test_the_answer_is_by_the_entity_that_was_asked(youssef, clock):
    names = set()
    for name in ("north", "south"):
        root = asked_at(youssef, name, clock())
        issuers = {element.text for element in root.iter(f"{{{saml.NS['saml']}}}Issuer")}
        assert issuers == {f"{END[name]}/metadata"}
        called = root.find(".//saml:NameID", saml.NS)
        assert called.get("NameQualifier") == f"{END[name]}/metadata"
        assert saml.text(root, "//saml:Audience") == saml.ENTITY
        names.add(called.text)
    assert len(names) == 2, "the names of a person are the site's own"
    root = saml.answered(youssef.get("/saml/start/south/"))
    assert issuer(root) == f"{END['south']}/metadata", "by the card too"


def test_after_a_sign_in_the_answer_is_still_by_that_entity(cast, clock):
    request = saml.authn_request(clock(), Destination=f"{END['north']}/sso")
    visitor = Visitor().get(saml.redirect(request, to=at("north", "sso")))
    assert visitor.path == "/sign-in/"
    visitor.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    assert issuer(saml.answered(visitor)) == f"{END['north']}/metadata"


@pytest.mark.parametrize(("to", "destination", "site"), [
    ("north", saml.SSO, saml.ENTITY), ("", f"{END['north']}/sso", saml.ENTITY),
    ("north", f"{END['north']}/sso", "https://elsewhere.example.ma"),
])  # fmt: skip
def test_a_request_for_another_entity_is_refused(youssef, clock, to, destination, site):
    """Destination is the address that it came to, and each site is known at its own."""
    request = saml.authn_request(clock(), issuer=site, Destination=destination)
    assert youssef.client.get(saml.redirect(request, to=at(to, "sso"))).status_code == 400


def test_leaving_is_said_by_the_entity_and_answered_to_it(youssef, clock):
    """By Redirect to one, in a form to the other; the answer must come back to the right address."""
    asked_at(youssef, "north", clock())
    asked_at(youssef, "south", clock())
    saml.everywhere(youssef)
    query = parse_qs(urlsplit(youssef.client.get("/saml/leave/north/")["Location"]).query)
    by_redirect = saml.inflated(query["SAMLRequest"][0])
    page = youssef.client.get("/saml/leave/south/").content.decode()
    by_form = etree.fromstring(base64.b64decode(saml.form_of(page, SOUTH.slo)["SAMLRequest"]))

    def bring(request: etree._Element, name: str) -> None:
        """The site's answer to that entity."""
        answer = saml.enveloped(saml.logout_response(clock(), request, to=f"{END[name]}/slo"))
        first = Visitor().client.post(at(name, "slo"), {"SAMLResponse": saml.posted(answer)})
        youssef.get(first["Location"])

    for name, request, other in (("north", by_redirect, "south"), ("south", by_form, "north")):
        assert issuer(request) == f"{END[name]}/metadata"
        assert request.find("saml:NameID", saml.NS).get("NameQualifier") == f"{END[name]}/metadata"
        for wrong in (other, ""):
            bring(request, wrong)
            assert saml.shows(youssef, "sso.told.not_confirmed"), wrong
        bring(request, name)
        assert not saml.shows(youssef, "sso.told.not_confirmed") and saml.shows(youssef, "sso.told.confirmed")


def test_the_site_signs_out_at_its_own_end_alone(youssef, clock):
    asked_at(youssef, "south", clock())
    name, index = saml.name_and_index(youssef)
    for entity in ("", "north", "south"):
        assert youssef.get("/").signed_in, "another site's name and session"
        message = saml.logout_request(clock(), name=name, index=index, Destination=f"{END[entity]}/slo")
        youssef.get(saml.redirect(message, key=saml.SITE_KEYS.key, to=at(entity, "slo")))
    answer = etree.fromstring(base64.b64decode(saml.form_of(youssef.html, SOUTH.slo)["SAMLResponse"]))
    assert issuer(answer) == f"{END['south']}/metadata" and not youssef.get("/").signed_in


TABLE = """[sites.{slug}]
protocol = "saml"
entity_id = "urn:federation:MicrosoftOnline"
acs = ["https://login.microsoftonline.com/login.srf"]
"""


def registry(folder, text: str):
    (folder / "sites.toml").write_text(text)
    return load(folder / "sites.toml")


def test_two_sites_of_one_name_need_two_names_of_ours(tmp_path):
    both = TABLE.format(slug="taalim") + TABLE.format(slug="academie")
    with pytest.raises(SettingsError, match="same entity_id: each site needs its own, or an our_entity of its own"):
        registry(tmp_path, both)
    known = registry(tmp_path, f'{both}our_entity = "academie"').by_entity
    assert known["academie", "urn:federation:MicrosoftOnline"].slug == "academie"
    assert known["", "urn:federation:MicrosoftOnline"].slug == "taalim"


@pytest.mark.parametrize("name", ["Academie", "a/b", "https://x.ma", "é", "-", "x" * 40])
def test_what_can_not_stand_in_an_address_is_told(tmp_path, name):
    with pytest.raises(SettingsError, match="our_entity is a part of addresses"):
        registry(tmp_path, f'{TABLE.format(slug="academie")}our_entity = "{name}"')


def test_the_page_about_microsoft_shows_a_second_domain(tmp_path):
    page = (ROOT / "docs" / "integrate" / "saml-microsoft365.md").read_text("utf-8")
    first, shown = sorted(re.findall(r"```toml\n(.*?)```", page, re.DOTALL), key=lambda table: "our_entity" in table)
    known = registry(tmp_path, first + shown).by_slug
    name = known["academie"].our_entity
    same = ("entity_id", "acs", "slo", "certificate", "name_id", "attributes")
    assert [getattr(known["academie"], one) for one in same] == [getattr(known["taalim"], one) for one in same]
    assert f"/saml/as/{name}/metadata`" in page and f"/saml/as/{name}/sso`" in page


def test_show_prints_what_to_enter_at_the_other_side(capsys, clock, monkeypatch):
    monkeypatch.setattr(sites.clock, "now", clock)
    assert sites.run(argparse.Namespace(action="show", slug="north")) == 0
    said = capsys.readouterr().out
    assert [said.count(f"{END['north']}/{end}") for end in ("metadata", "sso", "slo")] == [2, 1, 1]
