"""SAML 2.0: into a site, asked or not; what the answer says; out again; metadata. Sites are not ours to trust."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import onelogin.saml2
import pytest
from django.conf import settings
from lxml import etree
from signxml import SignatureConfiguration, XMLVerifier

from massar.core import local_time
from massar.domain.delivery import api as delivery
from massar.domain.people import api as people
from massar.domain.people.models import Person
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.account import close_account
from massar.journeys.sso import access
from tests.cast import KHADIJA, YOUSSEF
from tests.sso import saml_site as saml
from tests.sso.relying_party import led_on
from tests.support.visitor import Visitor

RESUME = "/saml/sso/resume/"
SMARTCARD = "urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("saml_sites")]


def test_a_signed_in_person_is_carried_to_the_site(youssef, clock):
    youssef.get(saml.redirect(saml.authn_request(clock(), id="_ask"), relay="back<here>&"))
    assert youssef.page.status_code == 200
    assert f'action="{saml.ACS}"' in youssef.html and "back&lt;here&gt;&amp;" in youssef.html
    assert "form-action 'self' https:;" in youssef.page.headers["Content-Security-Policy"]
    root = saml.answered(youssef)
    assert (root.get("Destination"), root.get("InResponseTo")) == (saml.ACS, "_ask")
    assert saml.statuses(root) == ["Success"]
    data = root.find(".//saml:SubjectConfirmationData", saml.NS)
    assert (data.get("Recipient"), data.get("InResponseTo")) == (saml.ACS, "_ask")
    assert data.get("NotOnOrAfter") == saml.written(clock() + timedelta(minutes=3))
    assert saml.text(root, "//saml:Audience") == saml.ENTITY
    issuers = [saml.text(root, f"/samlp:Response{p}/saml:Issuer") for p in ("", "/saml:Assertion")]
    assert issuers == [saml.METADATA] * 2
    youssef.get("/")
    assert "form-action 'self';" in youssef.page.headers["Content-Security-Policy"], "other pages may not post there"


def test_attributes_are_those_of_the_registry(youssef, clock, monkeypatch):
    """Personal contacts are never among them. One claim may go under two names; a URI says so in its NameFormat."""
    root = saml.into(youssef, clock)
    names = root.xpath("//saml:Attribute/@Name", namespaces=saml.NS)
    assert {"email", "name"} <= set(names) <= {"email", "name", "school"} and len(set(names)) == len(names)
    assert saml.text(root, "//saml:Attribute[@Name='email']/saml:AttributeValue") == YOUSSEF.login
    oid = "urn:oid:0.9.2342.19200300.100.1.3"
    own = {"IDPEmail": "email", oid: "email", "cn": "name_ar"}
    saml.register(monkeypatch, replace(saml.RETRAITE, attributes=own))
    found = saml.into(youssef, clock).iterfind(".//saml:Attribute", saml.NS)
    assert {a.get("Name"): (a.get("NameFormat").rsplit(":", 1)[1], a[0].text) for a in found} == {
        "IDPEmail": ("basic", YOUSSEF.login), oid: ("uri", YOUSSEF.login), "cn": ("basic", "يوسف بنعلي"),
    }  # fmt: skip
    saml.register(monkeypatch)
    request = saml.authn_request(clock(), issuer=saml.TAALIM.entity_id)
    root = saml.answered(youssef.get(saml.redirect(request, key=saml.SITE_KEYS.key)))
    name = root.find(".//saml:NameID", saml.NS)
    assert (name.get("Format"), name.text) == (saml.EMAIL, YOUSSEF.login), "a site that is registered for addresses"


def test_both_signatures_hold_for_another_library(youssef, clock):
    """signxml, with the certificate of the metadata, sees the whole Response and the Assertion in it."""
    document = etree.tostring(saml.into(youssef, clock))
    certificate = saml.metadata_of(youssef).find(".//ds:X509Certificate", saml.NS).text
    for location, name in (("./", "Response"), (f"./{{{saml.NS['saml']}}}Assertion/", "Assertion")):
        config = SignatureConfiguration(location=location, verification_time=clock())
        found = XMLVerifier().verify(document, x509_cert=certificate, id_attribute="ID", expect_config=config)
        assert etree.QName(found.signed_xml).localname == name


def test_a_public_library_signs_in_and_out(real_time, youssef):
    site = saml.relying_site(youssef)
    youssef.get(saml.local(site.login(return_to="state-1")))
    there = saml.relying_site(youssef, post_data=saml.carried(youssef))
    there.process_response(request_id=site.get_last_request_id())
    assert (there.get_errors(), there.get_last_error_reason()) == ([], None)
    assert there.is_authenticated() and there.get_attributes()["email"] == [YOUSSEF.login]
    assert saml.carried(youssef)["RelayState"] == "state-1"
    about = {"name_id": there.get_nameid(), "session_index": there.get_session_index()}
    answer = youssef.client.get(saml.local(there.logout(**about, name_id_format=saml.PERSISTENT)))
    assert answer.status_code == 303 and answer["Location"].startswith(f"{saml.SLO_OF_SITE}?SAMLResponse=")
    assert not youssef.signed_in
    back = saml.relying_site_at(youssef, answer["Location"])
    back.process_slo(request_id=there.get_last_request_id())
    assert (back.get_errors(), back.get_last_error_reason()) == ([], None)


@pytest.mark.parametrize("way", ["redirect", "post"])
def test_a_stranger_signs_in_and_goes_on(cast, clock, way):
    """The request waits here, not in the browser, and resumes at the address that was stored with it."""
    visitor, request = Visitor(), saml.authn_request(clock(), id="_w")
    if way == "redirect":
        visitor.get(saml.redirect(request, relay="r"))
    else:
        form = {"SAMLRequest": saml.posted(request), "RelayState": "r"}
        visitor.page = visitor.client.post("/saml/sso", form, follow=True)
    assert visitor.path == "/sign-in/"
    visitor.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    assert visitor.path == RESUME
    assert saml.answered(visitor).get("InResponseTo") == "_w" and saml.carried(visitor)["RelayState"] == "r"
    assert visitor.get(RESUME).path == "/", "it was answered once"


def test_a_posted_request_of_a_signed_in_person(youssef, clock):
    """A form from a site comes without our cookies, so it takes one step more and finds the session there."""
    form = {"SAMLRequest": saml.posted(saml.enveloped(saml.authn_request(clock(), id="_p")))}
    first = Visitor().client.post("/saml/sso", form)
    assert (first.status_code, first["Location"]) == (303, RESUME)
    for name, morsel in first.cookies.items():
        youssef.client.cookies[name] = morsel.value
    assert saml.answered(youssef.get(RESUME)).get("InResponseTo") == "_p"


def test_a_card_opens_the_site_unasked(youssef):
    """Also from the home page, and after a stranger's sign-in."""
    youssef.get("/sites/retraite/")
    assert youssef.path == "/saml/start/retraite/"
    stranger = Visitor().get("/saml/start/retraite/")
    assert stranger.path == "/sign-in/"
    stranger.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    for visitor in (youssef, stranger):
        root = saml.answered(visitor)
        assert root.get("InResponseTo") is None and saml.statuses(root) == ["Success"]
        assert root.find(".//saml:SubjectConfirmationData", saml.NS).get("InResponseTo") is None
    assert youssef.client.get("/saml/start/nothing/").status_code == 404


def test_passive_never_asks(cast, clock):
    visitor = Visitor().get(saml.redirect(saml.authn_request(clock(), IsPassive="true", id="_q")))
    root = saml.answered(visitor)
    assert saml.statuses(root) == ["Responder", "NoPassive"] and root.get("InResponseTo") == "_q"
    assert root.find(".//saml:Assertion", saml.NS) is None


def test_force_asks_again(youssef, clock):
    clock.advance(minutes=1)
    answer = youssef.client.get(saml.redirect(saml.authn_request(clock(), ForceAuthn="true")))
    assert answer.status_code == 303 and answer["Location"].startswith("/sign-in/")
    assert youssef.client.get(RESUME).status_code == 303, "the old sign-in is not enough, however often it is tried"
    clock.advance(seconds=20)
    youssef.sign_in(YOUSSEF.login, YOUSSEF.password)
    assert saml.answered(youssef).find(".//saml:AuthnStatement", saml.NS).get("AuthnInstant") == saml.written(clock())


@pytest.mark.parametrize(("inside", "said"), [
    ("", saml.PASSWORD), (saml.context(saml.PASSWORD), saml.PASSWORD),
    (saml.context("x", saml.NO_RECENT_RECOVERY), saml.NO_RECENT_RECOVERY),
    (saml.context(saml.PASSWORD, comparison="better"), saml.NO_RECENT_RECOVERY), (saml.context(SMARTCARD), None),
])  # fmt: skip
def test_the_class_that_was_asked_for_is_claimed(youssef, clock, inside, said):
    root = saml.into(youssef, clock, inside=inside)
    if said is None:
        assert saml.statuses(root) == ["Responder", "NoAuthnContext"]
    else:
        assert saml.text(root, "//saml:AuthnContextClassRef") == said


def test_a_recovery_opens_no_site_by_half_and_not_every_site_whole(cast, clock, post):
    """Promise ii: the session that may only change the password is none here. Afterwards some classes can't be had."""
    visitor = Visitor().ask(KHADIJA.login, email=cast.KHADIJA_EMAIL)
    secret = post.secret(cast.KHADIJA_EMAIL)
    visitor.sign_in(KHADIJA.login, secret)
    answer = visitor.client.get(saml.redirect(saml.authn_request(clock())))
    assert answer.status_code == 303 and answer["Location"].startswith("/sign-in/")
    visitor = Visitor().sign_in(KHADIJA.login, secret).change(secret, "Rmel-et-mer!8842")
    assert visitor.signed_in
    visitor.get(saml.redirect(saml.authn_request(clock(), inside=saml.context(saml.NO_RECENT_RECOVERY))))
    assert visitor.page.status_code == 403 and "SAMLResponse" not in visitor.html
    assert saml.statuses(saml.into(visitor, clock)) == ["Success"], "another request of the same person is answered"


def test_who_may_not_enter_does_not(youssef, clock):
    youssef.get(saml.redirect(saml.authn_request(clock(), issuer=saml.CLOSED.entity_id)))
    assert youssef.page.status_code == 403 and "SAMLResponse" not in youssef.html, "the role"
    Person.objects.filter(login=YOUSSEF.login).update(state="disabled")
    assert youssef.get(saml.redirect(saml.authn_request(clock()))).path == "/sign-in/"


def grouped(qualifier: str) -> str:
    """A name for a group of sites (SAML core §3.4.1.1), if it is another than the site itself."""
    return f'<samlp:NameIDPolicy Format="{saml.PERSISTENT}" SPNameQualifier="{qualifier}"/>'


@pytest.mark.parametrize(("inside", "given"), [
    ("", saml.PERSISTENT), (saml.policy(saml.TRANSIENT), saml.TRANSIENT),
    (saml.policy(saml.PERSISTENT), saml.PERSISTENT), (saml.policy(saml.EMAIL), None),
    (grouped(saml.ENTITY), saml.PERSISTENT), (grouped("https://other.example/sp"), None),
])  # fmt: skip
def test_a_site_never_learns_more_than_it_may(youssef, clock, inside, given):
    """Registered as persistent: less may be asked for, more not. The name is the site's own."""
    root = saml.into(youssef, clock, inside=inside)
    if given is None:
        assert saml.statuses(root) == ["Requester", "InvalidNameIDPolicy"]
        return
    name = root.find(".//saml:NameID", saml.NS)
    assert (name.get("Format"), name.get("SPNameQualifier")) == (given, saml.ENTITY)
    assert YOUSSEF.login not in name.text and "youssef" not in name.text
    again, other = youssef, Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    names = [saml.visit(visitor, clock, inside=inside)[0] for visitor in (again, other)]
    assert [one == name.text for one in names] == [True, given == saml.PERSISTENT]


def test_the_numbers_that_the_site_gave_its_addresses(youssef, clock, monkeypatch):
    """They are the site's own: the first address is not number 0 here, and number 0 is nobody's."""

    def to(**attributes: str) -> str:
        return saml.into(youssef, clock, **attributes).get("Destination")

    assert to(AssertionConsumerServiceIndex="1") == saml.ACS_TWO, "positions, without"
    saml.register(monkeypatch, replace(saml.RETRAITE, acs_indexes=(3, 1)))
    found = [to(AssertionConsumerServiceIndex="1"), to(AssertionConsumerServiceIndex="3"), to()]
    assert found == [saml.ACS_TWO, saml.ACS, saml.ACS]
    for index in ("0", "2", "01", "+1", " 1"):
        request = saml.authn_request(clock(), AssertionConsumerServiceIndex=index)
        assert youssef.client.get(saml.redirect(request)).status_code == 400, index


def test_two_certificates_while_one_is_rolled(youssef, clock):
    def certificates():
        return [e.text for e in saml.metadata_of(youssef).iterfind(".//ds:X509Certificate", saml.NS)]

    def signing():
        return saml.into(youssef, clock).find("ds:Signature//ds:X509Certificate", saml.NS).text

    (old,) = certificates()
    sites.keys.rotate(now=clock(), uses=(sites.keys.SAML,))
    (new,) = set(certificates()) - {old}
    assert certificates() == [old, new] and signing() == old, "some sites read the first one only"
    clock.advance(days=13)
    youssef.sign_in(YOUSSEF.login, YOUSSEF.password)
    assert signing() == old, "people who copy certificates by hand have two weeks"
    clock.advance(days=2)
    youssef.sign_in(YOUSSEF.login, YOUSSEF.password)
    assert certificates() == [new, old] and signing() == new


def test_an_operator_says_when_the_next_certificate_begins(clock):
    sites.keys.active(sites.keys.SAML, now=clock())
    (sentence,) = sites.keys.rotate(now=clock(), uses=(sites.keys.SAML,), lead=timedelta(days=40))
    assert local_time.stamp(clock() + timedelta(days=40)) in sentence
    assert [key.state for key in sites.keys.statuses(now=clock() + timedelta(days=39))] == ["waiting", "active"]
    assert [key.state for key in sites.keys.statuses(now=clock() + timedelta(days=41))] == ["active", "retired"]


# -- the site signs out


def relayed(answer) -> list[str]:
    return parse_qs(urlsplit(answer["Location"]).query)["RelayState"]


def test_logout_ends_the_session_and_is_answered(youssef, clock):
    """RelayState: up to 4096 bytes, which is all that nginx as it comes keeps for all headers of an answer."""
    answer = saml.leave(youssef, clock, *saml.visit(youssef, clock), relay="after")
    assert saml.logout_status(answer) == ["Success"] and relayed(answer) == ["after"]
    assert not youssef.signed_in
    youssef.sign_in(YOUSSEF.login, YOUSSEF.password)
    answer = saml.leave(youssef, clock, *saml.visit(youssef, clock), relay="r" * 4096)
    assert answer.status_code == 200 and "Location" not in answer
    way = urlsplit(led_on(answer.content.decode()))
    assert way._replace(query="").geturl() == saml.SLO_OF_SITE and parse_qs(way.query)["RelayState"] == ["r" * 4096]


@pytest.mark.parametrize("inside", ["", saml.policy(saml.TRANSIENT)], ids=["persistent", "transient"])
def test_a_posted_logout_comes_without_cookies(youssef, clock, inside):
    """The browser asks again by itself, and now its cookies come along. A transient name is that of this browser."""
    name, index = saml.visit(youssef, clock, inside=inside)
    message = saml.enveloped(saml.logout_request(clock(), name=name, index=index))
    browser = youssef if inside else Visitor()
    first = browser.client.post("/saml/slo", {"SAMLRequest": saml.posted(message), "RelayState": "after"})
    assert first.status_code == 303 and first["Location"].startswith("/saml/slo/asked/?ref=")
    answer = browser.client.get(first["Location"])
    assert saml.logout_status(answer) == ["Success"] and relayed(answer) == ["after"] and not youssef.signed_in
    assert browser.client.get(first["Location"])["Location"] == "/sign-in/", "once"


def test_a_way_that_nobody_posted_ends_nothing(youssef, clock):
    saml.visit(youssef, clock)
    for ref in ("", "x" * 43, sites.saved_requests.save({"protocol": "saml", "asked": {}}, now=clock())):
        assert youssef.client.get(f"/saml/slo/asked/?ref={ref}")["Location"] == "/"
    assert youssef.signed_in


@pytest.mark.parametrize("before", ["transient", "over already", "the address changed"])
def test_logout_of_what_is_hard_to_find(youssef, clock, monkeypatch, before):
    if before == "the address changed":
        saml.register(monkeypatch, replace(saml.RETRAITE, name_id="email"))
    name, index = saml.visit(youssef, clock, inside=saml.policy(saml.TRANSIENT) if before == "transient" else "")
    if before == "over already":
        youssef.get("/").submit("/sign-out/")
    elif before == "the address changed":
        Person.objects.filter(login=YOUSSEF.login).update(login="youssef.b@men.gov.ma")
        assert name == YOUSSEF.login
    assert saml.logout_status(saml.leave(youssef, clock, name, index)) == ["Success"] and not youssef.signed_in


@pytest.mark.both_databases
def test_logout_at_a_site_without_an_address_for_the_answer(youssef, clock, monkeypatch):
    saml.register(monkeypatch, replace(saml.RETRAITE, slo=""))
    answer = saml.leave(youssef, clock, *saml.visit(youssef, clock))
    assert answer["Location"] == "/sign-in/" and not youssef.signed_in


def test_other_sites_hear_of_it(youssef, clock, monkeypatch, post):
    other = replace(saml.CLOSED, roles=(), backchannel_logout_uri="https://closed.example.ma/logout-token")
    saml.register(monkeypatch, saml.RETRAITE, other)
    name, index = saml.visit(youssef, clock)
    saml.visit(youssef, clock, issuer=other.entity_id)
    saml.leave(youssef, clock, name, index)
    person = Person.objects.get(login=YOUSSEF.login)
    put = delivery.outbox.about(person.id, purpose="site_logout", since=clock() - timedelta(minutes=1))
    assert [slug for slug, _ in put] == ["inspectors"]


DRIVER = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:import namespace="urn:oasis:names:tc:SAML:2.0:metadata" schemaLocation="{0}/saml-schema-metadata-2.0.xsd"/>
  <xs:import namespace="urn:oasis:names:tc:SAML:metadata:algsupport"
    schemaLocation="{0}/sstc-saml-metadata-algsupport-v1.0.xsd"/>
</xs:schema>"""


def test_metadata_says_where_everything_is_and_which_algorithms_are_taken_and_fits_the_schemas():
    """Shibboleth's SP 3 signs with SHA-1 by SOAP where nothing is said. RFC 9231 and XML Encryption give the names."""
    root, end = saml.metadata_of(Visitor()), settings.MASSAR.public_url
    assert root.get("entityID") == saml.METADATA == f"{end}/saml/metadata"
    assert {
        (etree.QName(e).localname, e.get("Binding").rsplit("-", 1)[1], e.get("Location"))
        for e in root.iter()
        if e.get("Location")
    } == {
        (kind, way, f"{end}/saml/{path}")
        for kind, path in (("SingleSignOnService", "sso"), ("SingleLogoutService", "slo"))
        for way in ("Redirect", "POST")
    }
    schemas = Path(onelogin.saml2.__file__).parent / "schemas"
    etree.XMLSchema(etree.fromstring(DRIVER.format(schemas))).assertValid(root)
    role = root.find("{urn:oasis:names:tc:SAML:2.0:metadata}IDPSSODescriptor")
    assert etree.QName(role[0]).localname == "Extensions" and len(root) == 1
    said = [(etree.QName(e).localname, e.get("Algorithm").rpartition("#")[2]) for e in role[0]]
    assert {etree.QName(e).namespace for e in role[0]} == {"urn:oasis:names:tc:SAML:metadata:algsupport"}
    assert said == [
        ("DigestMethod", "sha256"), ("DigestMethod", "sha384"), ("DigestMethod", "sha512"),
        ("SigningMethod", "rsa-sha256"), ("SigningMethod", "rsa-sha384"), ("SigningMethod", "rsa-sha512"),
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["disabled", "another password", "signed out"])
def test_a_session_that_ends_between_the_judge_and_the_answer_enters_nothing(youssef, clock, monkeypatch, end):
    """The site would hold an assertion of a session that nobody could end there any more."""
    person, judge = people.directory.by_login(YOUSSEF.login, now=clock()), access.decide

    def and_then_ended(**given):
        found = judge(**given)
        if end == "disabled":
            close_account.disable(person=person, reason="", now=clock())
        else:
            sessions.signed_in.end_all(person.id, now=clock(), why=end[:20])
        return found

    monkeypatch.setattr(access, "decide", and_then_ended)
    answer = youssef.client.get(saml.redirect(saml.authn_request(clock())))
    assert (answer.status_code, answer["Location"]) == (303, "/sign-in/")
    assert sites.grants.visits(saml.RETRAITE.slug, person.id) == []
