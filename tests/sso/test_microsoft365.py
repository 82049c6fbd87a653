"""Microsoft 365 by docs/integrate/saml-microsoft365.md: requests signed with SHA-1, signing out, what the page says."""

import base64
import hashlib
import re
import tomllib
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from django.conf import settings
from lxml import etree

from massar.core import xml, xml_signature
from massar.domain.sites import saml_metadata
from massar.domain.sites.models import SavedRequest
from massar.domain.sites.registry import Site
from tests.cast import YOUSSEF
from tests.house.laws import ROOT
from tests.sso import saml_site as saml
from tests.sso.relying_party import led_on
from tests.support.steps import shows
from tests.support.visitor import Visitor

PAGE = (ROOT / "docs" / "integrate" / "saml-microsoft365.md").read_text("utf-8")
TABLE = tomllib.loads(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])["sites"]["taalim"]
READ = {name: tuple(value) if isinstance(value, list) else value for name, value in TABLE.items()}
READ["certificate"] = saml.SITE_KEYS.certificate
TENANT = Site("taalim", name={"en": "taalim.ma", "fr": "taalim.ma"}, **READ)
ENTITY, SRF = "urn:federation:MicrosoftOnline", "https://login.microsoftonline.com/login.srf"
RSA_SHA1, SHA1 = (f"http://www.w3.org/2000/09/xmldsig#{name}" for name in ("rsa-sha1", "sha1"))

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    saml.register(monkeypatch, TENANT)


def by_address(message: str, to: str, relay: str | None = None) -> str:
    """The Redirect binding as Microsoft signs it."""
    return saml.redirect(message, to=to, relay=relay, key=saml.SITE_KEYS.key, algorithm=RSA_SHA1)


def by_form(message: str, keys=saml.SITE_KEYS) -> etree._Element:
    """Enveloped, everything with SHA-1."""
    root = etree.fromstring(message)
    digest = base64.b64encode(hashlib.sha1(xml.canonical(root), usedforsecurity=False).digest()).decode()
    xml_signature.sign(root, xml_signature.XmlSigner(keys.key, keys.certificate))
    info = root.find(".//ds:SignedInfo", saml.NS)
    info.find("ds:SignatureMethod", saml.NS).set("Algorithm", RSA_SHA1)
    info.find(".//ds:DigestMethod", saml.NS).set("Algorithm", SHA1)
    info.find(".//ds:DigestValue", saml.NS).text = digest
    signed = keys.key.sign(xml.canonical(info), padding.PKCS1v15(), hashes.SHA1())
    root.find(".//ds:SignatureValue", saml.NS).text = base64.b64encode(signed).decode()
    return root


def wish(clock) -> str:
    policy = '<samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"/>'
    return saml.authn_request(clock(), issuer=ENTITY, inside=policy, Destination="")


def farewell(visitor: Visitor, clock, **changed) -> str:
    name, index = saml.name_and_index(visitor.get(saml.redirect(wish(clock))))
    return saml.logout_request(clock(), **{"name": name, "index": index, "issuer": ENTITY, "id": "_bye", **changed})


def said(answer, to: str = "_bye") -> etree._Element:
    """Where the answer leads, by redirect or by a page that goes on at once."""
    way = urlsplit(answer["Location"] if answer.status_code == 303 else led_on(answer.content.decode()))
    query = parse_qs(way.query)
    assert way._replace(query="").geturl() == SRF and query["RelayState"] == ["back"]
    root = saml.inflated(query["SAMLResponse"][0])
    assert root.get("InResponseTo") == to and root.get("Destination") == SRF
    return root


@pytest.mark.parametrize("by", ["address", "form", "nothing"])
def test_a_request_signed_with_sha_1_is_answered(youssef, clock, by):
    if by == "form":
        youssef.get(youssef.client.post("/saml/sso", {"SAMLRequest": saml.posted(by_form(wish(clock)))})["Location"])
    else:
        youssef.get(by_address(wish(clock), "/saml/sso", "ctx") if by == "address" else saml.redirect(wish(clock)))
    root = saml.answered(youssef)
    assert saml.carried(youssef).get("RelayState", "ctx") == "ctx" and root.get("Destination") == SRF
    name = root.find(".//saml:Subject/saml:NameID", saml.NS)
    assert name.get("Format").endswith(":persistent") and re.fullmatch(r"s[a-z2-7]{21}", name.text)
    assert f"opaque, {len(name.text)} characters" in PAGE
    mail = root.find(".//saml:Attribute[@Name='IDPEmail']/saml:AttributeValue", saml.NS)
    assert mail.text == YOUSSEF.login
    assert len(root.findall(".//ds:Signature", saml.NS)) == 2


def test_a_signature_that_can_be_judged_is_judged_and_the_address_is_the_registry_s(youssef, clock, monkeypatch):
    """SAML core §3.2.1: what is there and wrong says that somebody has changed the request."""
    assert youssef.client.get(saml.redirect(wish(clock), key=saml.STRANGER_KEYS.key)).status_code == 400
    evil = "https://evil.example/login.srf"
    other = saml.authn_request(clock(), issuer=ENTITY, AssertionConsumerServiceURL=evil)
    answer = youssef.client.get(by_address(other, "/saml/sso"))
    assert answer.status_code == 400 and b"SAMLResponse" not in answer.content
    saml.register(monkeypatch, replace(TENANT, signed_requests=True))  # who is asked to sign must sign well
    assert youssef.client.get(by_address(wish(clock), "/saml/sso")).status_code == 400
    assert youssef.client.post("/saml/sso", {"SAMLRequest": saml.posted(by_form(wish(clock)))}).status_code == 400


def brought(visitor: Visitor, message: str, by: str) -> Visitor:
    """The browser comes with Microsoft's LogoutRequest; a form comes without our cookies, and gets new ones."""
    if by == "form":
        bare = Visitor()
        form = {"SAMLRequest": saml.posted(by_form(message)), "RelayState": "back"}
        visitor.page = bare.client.post("/saml/slo", form)
        visitor.client.cookies.update(bare.client.cookies)
        return visitor
    unsigned = saml.redirect(message, to="/saml/slo", relay="back")
    return visitor.get(by_address(message, "/saml/slo", "back") if by == "address" else unsigned)


@pytest.mark.parametrize(("by", "status"), [("address", 200), ("form", 200), ("unsigned", 400)])
def test_the_person_is_asked_and_microsoft_is_answered(youssef, clock, by, status):
    brought(youssef, farewell(youssef, clock), by)
    question = youssef.page
    assert question.status_code == status and b"SAMLResponse" not in question.content and 'href="/"' in youssef.html
    assert youssef.signed_in, "nothing has ended yet"
    youssef.page = question
    assert shows(youssef, "sso.logout.title", question.headers["Content-Language"])
    youssef.submit("/saml/slo/confirm/")
    assert saml.statuses(said(youssef.page)) == ["Success"] and youssef.page.status_code == 200
    assert not youssef.signed_in and not SavedRequest.objects.exists()


def test_nobody_here_is_asked_nothing_and_what_can_be_believed_ends_the_session_at_once(youssef, clock):
    answer = Visitor().client.get(by_address(farewell(youssef, clock), "/saml/slo", "back"))
    assert saml.statuses(said(answer)) == ["Success"] and youssef.signed_in
    message = farewell(youssef, clock, id="_signed")
    answer = youssef.client.get(saml.redirect(message, key=saml.SITE_KEYS.key, to="/saml/slo", relay="back"))
    assert saml.statuses(said(answer, "_signed")) == ["Success"] and not youssef.signed_in


def test_another_site_that_only_the_browser_can_tell_is_listed_first(youssef, clock, monkeypatch):
    other = replace(TENANT, slug="other", entity_id="https://other.example.ma", acs=("https://other.example.ma/acs",))
    saml.register(monkeypatch, TENANT, other)
    saml.answered(youssef.get(saml.redirect(saml.authn_request(clock(), issuer=other.entity_id))))
    brought(youssef, farewell(youssef, clock), "address").submit("/saml/slo/confirm/")
    assert youssef.path == "/sign-out/everywhere/"
    assert saml.statuses(said(youssef.client.get("/saml/answer/"))) == ["Success", "PartialLogout"]


def test_the_question_ends_nothing_by_itself(youssef, clock):
    """Its reference is no proof at the address for believed requests, and without the form's token it is no answer."""
    brought(youssef, farewell(youssef, clock), "address")
    ref = re.search(r'name="ref" value="([^"]+)"', youssef.html)[1]
    assert youssef.client.post("/saml/slo/confirm/", {"ref": ref}).status_code == 403
    youssef.client.get(f"/saml/slo/asked/?ref={ref}")
    assert youssef.signed_in
    for odd in ("", "x" * 43, ref):  # it went with the look at the other address
        page = brought(youssef, farewell(youssef, clock, id=f"_{len(odd)}{odd[:3]}"), "address")
        fields = {"ref": odd, "csrfmiddlewaretoken": page.token}
        assert youssef.client.post("/saml/slo/confirm/", fields)["Location"] == "/sign-out/everywhere/"
    assert youssef.signed_in


def test_late_and_repeated_ones_are_refused(youssef, clock):
    message = farewell(youssef, clock)
    brought(youssef, message, "address")
    assert brought(youssef, message, "address").page.status_code == 400 and "/saml/slo/confirm/" not in youssef.html
    late = farewell(youssef, clock, id="_late")
    clock.advance(minutes=6)
    assert brought(youssef, late, "address").page.status_code == 400 and "/saml/slo/confirm/" not in youssef.html


@pytest.mark.parametrize("query", ["", "?wa=wsignout1.0", "?wa=wsignoutcleanup1.0&wreply=https://evil.example/"])
def test_who_only_comes_by_is_asked_too(youssef, query):
    assert youssef.client.get(f"/saml/slo{query}")["Location"] == "/sign-out/everywhere/" and youssef.signed_in


def test_the_page_that_asks_is_for_one_of_the_names_only(youssef, jamal, clock):
    """Jamal's browser brings the request about Youssef: whoever says yes signs out himself, nobody else."""
    brought(jamal, farewell(youssef, clock), "address").submit("/saml/slo/confirm/")
    assert not jamal.signed_in and youssef.signed_in


def test_the_page_names_our_addresses():
    def setting(name: str) -> str:
        found = re.search(rf'^\s+-{name} "([^"]*)"', PAGE, re.MULTILINE)[1]
        return found.replace("https://ACCOUNT", settings.MASSAR.public_url)

    named = [setting(name) for name in ("IssuerUri", "PassiveSignInUri", "SignOutUri")]
    assert named == [saml.METADATA, saml.SSO, saml.SLO]
    assert "-ActiveSignInUri" not in re.search(r"New-MgDomainFederationConfiguration.*?```", PAGE, re.DOTALL)[0]


def test_the_table_is_what_the_import_makes_whatever_the_metadata_says_of_signing(clock):
    described = f"""<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ENTITY}"
      ><md:SPSSODescriptor AuthnRequestsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"
      ><md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{SRF}"
      /><md:AssertionConsumerService isDefault="true" index="0" Location="{SRF}"
        Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"/></md:SPSSODescriptor></md:EntityDescriptor>"""
    assert saml_metadata.read(described.encode(), now=clock() + timedelta(days=1))[0] == {
        name: value for name, value in TABLE.items() if name != "certificate"
    }
