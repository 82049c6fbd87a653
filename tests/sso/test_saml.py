"""SAML 2.0: into a site, asked or not; what the answer says; out again; metadata. Sites are not ours to trust."""

from __future__ import annotations

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
from tests.sso.relying_party import led_on
from tests.sso.saml_site import (
    ACS,
    ACS_TWO,
    CLOSED,
    EMAIL,
    ENTITY,
    METADATA,
    NO_RECENT_RECOVERY,
    NS,
    PASSWORD,
    PERSISTENT,
    RETRAITE,
    SITE_KEYS,
    SLO_OF_SITE,
    TAALIM,
    TRANSIENT,
    answered,
    authn_request,
    carried,
    context,
    enveloped,
    into,
    leave,
    local,
    logout_request,
    logout_status,
    metadata_of,
    policy,
    posted,
    redirect,
    register,
    relying_site,
    relying_site_at,
    statuses,
    text,
    visit,
    written,
)
from tests.support.steps import secrets
from tests.support.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    register(monkeypatch)


def test_a_signed_in_person_is_carried_to_the_site(youssef, clock):
    youssef.get(redirect(authn_request(clock(), id="_ask"), relay="back<here>&"))
    assert youssef.page.status_code == 200
    assert f'action="{ACS}"' in youssef.html and "back&lt;here&gt;&amp;" in youssef.html
    policy = youssef.page.headers["Content-Security-Policy"]
    assert "form-action 'self' https:;" in policy
    root = answered(youssef)
    assert (root.get("Destination"), root.get("InResponseTo")) == (ACS, "_ask")
    assert statuses(root) == ["Success"]
    data = root.find(".//saml:SubjectConfirmationData", NS)
    assert (data.get("Recipient"), data.get("InResponseTo")) == (ACS, "_ask")
    assert data.get("NotOnOrAfter") == written(clock() + timedelta(minutes=3))
    assert text(root, "//saml:Audience") == ENTITY
    assert [text(root, f"/samlp:Response{p}/saml:Issuer") for p in ("", "/saml:Assertion")] == [METADATA] * 2


def test_other_pages_may_not_post_to_the_site(youssef):
    youssef.get("/")
    assert "form-action 'self';" in youssef.page.headers["Content-Security-Policy"]


def test_attributes_are_those_of_the_registry(youssef, clock):
    """Personal contacts are never among them, and the name is the site's own."""
    root = into(youssef, clock)
    names = root.xpath("//saml:Attribute/@Name", namespaces=NS)
    assert sorted(names) == sorted(n for n in ("email", "name", "school") if n in names)
    assert {"email", "name"} <= set(names)
    assert text(root, "//saml:Attribute[@Name='email']/saml:AttributeValue") == YOUSSEF.login
    name = root.find(".//saml:NameID", NS)
    assert (name.get("Format"), name.get("SPNameQualifier")) == (PERSISTENT, ENTITY)
    assert YOUSSEF.login not in name.text and "youssef" not in name.text
    again = into(youssef, clock)
    assert text(again, "//saml:NameID") == name.text


def test_a_site_has_its_own_names_for_them(youssef, clock, monkeypatch):
    """One claim may go under two names; a name that is a URI says so in its NameFormat."""
    oid = "urn:oid:0.9.2342.19200300.100.1.3"
    register(monkeypatch, replace(RETRAITE, attributes={"IDPEmail": "email", oid: "email", "cn": "name_ar"}))
    root = into(youssef, clock)
    said = {
        a.get("Name"): (a.get("NameFormat").rsplit(":", 1)[1], a[0].text)
        for a in root.iterfind(".//saml:Attribute", NS)
    }
    assert said == {
        "IDPEmail": ("basic", YOUSSEF.login), oid: ("uri", YOUSSEF.login), "cn": ("basic", "يوسف بنعلي"),
    }  # fmt: skip


def test_both_signatures_hold_for_another_library(youssef, clock):
    """signxml, with the certificate of the metadata, sees the whole Response and the Assertion in it."""
    root = into(youssef, clock)
    certificate = metadata_of(youssef).find(".//ds:X509Certificate", NS).text
    for location, name in (("./", "Response"), (f"./{{{NS['saml']}}}Assertion/", "Assertion")):
        config = SignatureConfiguration(location=location, verification_time=clock())
        found = XMLVerifier().verify(
            etree.tostring(root), x509_cert=certificate, id_attribute="ID", expect_config=config
        )
        assert etree.QName(found.signed_xml).localname == name


def test_a_public_library_signs_in_and_out(real_time, youssef):
    site = relying_site(youssef)
    youssef.get(local(site.login(return_to="state-1")))
    there = relying_site(youssef, post_data=carried(youssef))
    there.process_response(request_id=site.get_last_request_id())
    assert (there.get_errors(), there.get_last_error_reason()) == ([], None)
    assert there.is_authenticated() and there.get_attributes()["email"] == [YOUSSEF.login]
    assert carried(youssef)["RelayState"] == "state-1"
    leaving = there.logout(
        name_id=there.get_nameid(), session_index=there.get_session_index(), name_id_format=PERSISTENT
    )
    answer = youssef.client.get(local(leaving))
    assert answer.status_code == 303 and answer["Location"].startswith(f"{SLO_OF_SITE}?SAMLResponse=")
    assert not youssef.signed_in
    back = relying_site_at(youssef, answer["Location"])
    back.process_slo(request_id=there.get_last_request_id())
    assert (back.get_errors(), back.get_last_error_reason()) == ([], None)


@pytest.mark.parametrize("way", ["redirect", "post"])
def test_a_stranger_signs_in_and_goes_on(cast, clock, way):
    """The request waits here, not in the browser, and resumes at the address that was stored with it."""
    visitor = Visitor()
    if way == "redirect":
        visitor.get(redirect(authn_request(clock(), id="_w"), relay="r"))
    else:
        visitor.page = visitor.client.post(
            "/saml/sso",
            {"SAMLRequest": posted(authn_request(clock(), id="_w")), "RelayState": "r"},
            follow=True,
        )
    assert visitor.path == "/sign-in/"
    visitor.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    assert visitor.path == "/saml/sso/resume/"
    assert answered(visitor).get("InResponseTo") == "_w" and carried(visitor)["RelayState"] == "r"
    assert visitor.get("/saml/sso/resume/").path == "/", "it was answered once"


def test_a_posted_request_of_a_signed_in_person(youssef, clock):
    """A form from a site comes without our cookies, so it takes one step more and finds the session there."""
    form = {"SAMLRequest": posted(enveloped(authn_request(clock(), id="_p")))}
    first = Visitor().client.post("/saml/sso", form)
    assert (first.status_code, first["Location"]) == (303, "/saml/sso/resume/")
    for name, morsel in first.cookies.items():
        youssef.client.cookies[name] = morsel.value
    youssef.get("/saml/sso/resume/")
    assert answered(youssef).get("InResponseTo") == "_p"


def test_a_card_opens_the_site_unasked(youssef):
    root = answered(youssef.get("/saml/start/retraite/"))
    assert root.get("InResponseTo") is None and statuses(root) == ["Success"]
    assert root.find(".//saml:SubjectConfirmationData", NS).get("InResponseTo") is None
    assert youssef.client.get("/saml/start/nothing/").status_code == 404


def test_the_home_card_leads_there(youssef):
    youssef.get("/sites/retraite/")
    assert youssef.path == "/saml/start/retraite/" and statuses(answered(youssef)) == ["Success"]


def test_a_card_of_a_stranger_waits_for_the_sign_in(cast):
    visitor = Visitor().get("/saml/start/retraite/")
    assert visitor.path == "/sign-in/"
    visitor.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
    assert statuses(answered(visitor)) == ["Success"]


def test_passive_never_asks(cast, clock):
    visitor = Visitor().get(redirect(authn_request(clock(), IsPassive="true", id="_q")))
    root = answered(visitor)
    assert statuses(root) == ["Responder", "NoPassive"] and root.get("InResponseTo") == "_q"
    assert root.find(".//saml:Assertion", NS) is None


def test_force_asks_again(youssef, clock):
    clock.advance(minutes=1)
    answer = youssef.client.get(redirect(authn_request(clock(), ForceAuthn="true")))
    assert answer.status_code == 303 and answer["Location"].startswith("/sign-in/")
    still = youssef.client.get("/saml/sso/resume/")
    assert still.status_code == 303, "the old sign-in is not enough, however often it is tried"
    clock.advance(seconds=20)
    youssef.sign_in(YOUSSEF.login, YOUSSEF.password)
    assert answered(youssef).find(".//saml:AuthnStatement", NS).get("AuthnInstant") == written(clock())


@pytest.mark.parametrize(
    ("inside", "said"),
    [("", PASSWORD), (context(PASSWORD), PASSWORD), (context("x", NO_RECENT_RECOVERY), NO_RECENT_RECOVERY),
     (context(PASSWORD, comparison="better"), NO_RECENT_RECOVERY)],
)  # fmt: skip
def test_the_class_that_was_asked_for_is_claimed(youssef, clock, inside, said):
    root = into(youssef, clock, inside=inside)
    assert text(root, "//saml:AuthnContextClassRef") == said


def test_a_class_that_is_not_ours(youssef, clock):
    inside = context("urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard")
    root = into(youssef, clock, inside=inside)
    assert statuses(root) == ["Responder", "NoAuthnContext"]


def test_settled_is_refused_after_a_recovery(cast, clock, post):
    visitor = Visitor()
    visitor.ask(KHADIJA.login, email=cast.KHADIJA_EMAIL)
    secret = secrets(post, cast.KHADIJA_EMAIL)[-1]
    visitor.sign_in(KHADIJA.login, secret).change(secret, "Rmel-et-mer!8842")
    assert visitor.signed_in
    visitor.get(redirect(authn_request(clock(), inside=context(NO_RECENT_RECOVERY))))
    assert visitor.page.status_code == 403 and "SAMLResponse" not in visitor.html
    visitor.get(redirect(authn_request(clock())))
    assert statuses(answered(visitor)) == ["Success"], "another request of the same person is answered"


def test_half_a_session_reaches_no_site(cast, clock, post):
    """Promise ii: the session that may only change the password is none here."""
    visitor = Visitor()
    visitor.ask(KHADIJA.login, email=cast.KHADIJA_EMAIL)
    visitor.sign_in(KHADIJA.login, secrets(post, cast.KHADIJA_EMAIL)[-1])
    answer = visitor.client.get(redirect(authn_request(clock())))
    assert answer.status_code == 303 and answer["Location"].startswith("/sign-in/")


def test_a_role_that_may_not_enter(youssef, clock):
    youssef.get(redirect(authn_request(clock(), issuer=CLOSED.entity_id)))
    assert youssef.page.status_code == 403 and "SAMLResponse" not in youssef.html


def test_a_disabled_person_reaches_no_site(youssef, clock):
    Person.objects.filter(login=YOUSSEF.login).update(state="disabled")
    assert youssef.get(redirect(authn_request(clock()))).path == "/sign-in/"


@pytest.mark.parametrize("asked", [TRANSIENT, PERSISTENT, EMAIL])
def test_a_site_never_learns_more_than_it_may(youssef, clock, asked):
    """Registered as persistent: less may be asked for, more not."""
    root = into(youssef, clock, inside=policy(asked))
    if asked == EMAIL:
        assert statuses(root) == ["Requester", "InvalidNameIDPolicy"]
    else:
        assert root.find(".//saml:NameID", NS).get("Format") == asked


def test_a_site_that_is_registered_for_addresses(youssef, clock):
    request = authn_request(clock(), issuer=TAALIM.entity_id)
    root = answered(youssef.get(redirect(request, key=SITE_KEYS.key)))
    name = root.find(".//saml:NameID", NS)
    assert (name.get("Format"), name.text) == (EMAIL, YOUSSEF.login)


def test_transient_names_change_with_the_session(youssef, clock):
    def name(visitor):
        return text(into(visitor, clock, inside=policy(TRANSIENT)), "//saml:NameID")

    other = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    assert name(youssef) == name(youssef) != name(other)


def test_the_numbers_that_the_site_gave_its_addresses(youssef, clock, monkeypatch):
    """They are the site's own: the first address is not number 0 here, and number 0 is nobody's."""
    assert into(youssef, clock, AssertionConsumerServiceIndex="1").get("Destination") == ACS_TWO, "positions, without"
    register(monkeypatch, replace(RETRAITE, acs_indexes=(3, 1)))

    def to(**attributes: str) -> str:
        return into(youssef, clock, **attributes).get("Destination")

    assert [to(AssertionConsumerServiceIndex="1"), to(AssertionConsumerServiceIndex="3"), to()] == [ACS_TWO, ACS, ACS]
    for index in ("0", "2", "01", "+1", " 1"):
        refused = youssef.client.get(redirect(authn_request(clock(), AssertionConsumerServiceIndex=index)))
        assert refused.status_code == 400, index


def test_two_certificates_while_one_is_rolled(youssef, clock):
    def certificates():
        return [e.text for e in metadata_of(youssef).iterfind(".//ds:X509Certificate", NS)]

    def signing():
        root = into(youssef, clock)
        return root.find("ds:Signature//ds:X509Certificate", NS).text

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


def test_an_operator_says_when_the_next_certificate_begins(youssef, clock):
    sites.keys.active(sites.keys.SAML, now=clock())
    (sentence,) = sites.keys.rotate(now=clock(), uses=(sites.keys.SAML,), lead=timedelta(days=40))
    assert local_time.stamp(clock() + timedelta(days=40)) in sentence
    assert [key.state for key in sites.keys.statuses(now=clock() + timedelta(days=39))] == ["waiting", "active"]
    assert [key.state for key in sites.keys.statuses(now=clock() + timedelta(days=41))] == ["active", "retired"]


def test_logout_ends_the_session_and_is_answered(youssef, clock):
    answer = leave(youssef, clock, *visit(youssef, clock), relay="after")
    assert logout_status(answer) == ["Success"]
    assert parse_qs(urlsplit(answer["Location"]).query)["RelayState"] == ["after"]
    assert not youssef.signed_in


def test_a_long_relay_state_comes_back_without_a_long_header(youssef, clock):
    """Up to 4096 bytes; what nginx as it comes keeps for all headers of an answer is no more than that."""
    answer = leave(youssef, clock, *visit(youssef, clock), relay="r" * 4096)
    assert answer.status_code == 200 and "Location" not in answer
    way = urlsplit(led_on(answer.content.decode()))
    assert way._replace(query="").geturl() == SLO_OF_SITE and parse_qs(way.query)["RelayState"] == ["r" * 4096]


def test_logout_by_post_comes_without_cookies(youssef, clock):
    name, index = visit(youssef, clock)
    form = {"SAMLRequest": posted(enveloped(logout_request(clock(), name=name, index=index)))}
    other = Visitor()
    assert logout_status(after(other, other.client.post("/saml/slo", form))) == ["Success"]
    assert not youssef.signed_in


def after(visitor: Visitor, posted):
    """The browser asks again by itself, and now its cookies come along."""
    assert posted.status_code == 303 and posted["Location"].startswith("/saml/slo/asked/?ref=")
    return visitor.client.get(posted["Location"])


def test_a_posted_logout_of_a_transient_name_is_that_of_this_browser(youssef, clock):
    name, index = visit(youssef, clock, inside=policy(TRANSIENT))
    form = {"SAMLRequest": posted(enveloped(logout_request(clock(), name=name, index=index))), "RelayState": "after"}
    first = youssef.client.post("/saml/slo", form)
    answer = after(youssef, first)
    assert logout_status(answer) == ["Success"] and not youssef.signed_in
    assert parse_qs(urlsplit(answer["Location"]).query)["RelayState"] == ["after"]
    assert youssef.client.get(first["Location"])["Location"] == "/sign-in/", "once"


def test_a_way_that_nobody_posted_ends_nothing(youssef, clock):
    visit(youssef, clock)
    for ref in ("", "x" * 43, sites.saved_requests.save({"protocol": "saml", "asked": {}}, now=clock())):
        assert youssef.client.get(f"/saml/slo/asked/?ref={ref}")["Location"] == "/"
    assert youssef.signed_in


def test_logout_under_the_name_of_that_visit_after_the_address_changed(youssef, clock, monkeypatch):
    register(monkeypatch, replace(RETRAITE, name_id="email"))
    name, index = visit(youssef, clock)
    Person.objects.filter(login=YOUSSEF.login).update(login="youssef.b@men.gov.ma")
    answer = leave(youssef, clock, name, index)
    assert name == YOUSSEF.login and logout_status(answer) == ["Success"] and not youssef.signed_in


def test_a_name_for_a_group_of_sites_can_not_be_had(youssef, clock):
    """SAML core §3.4.1.1: SPNameQualifier other than the site itself."""
    for qualifier, status in (
        (ENTITY, ["Success"]),
        ("https://other.example/sp", ["Requester", "InvalidNameIDPolicy"]),
    ):
        asked = f'<samlp:NameIDPolicy Format="{PERSISTENT}" SPNameQualifier="{qualifier}"/>'
        assert statuses(into(youssef, clock, inside=asked)) == status


@pytest.mark.parametrize("before", ["transient", "over already"])
def test_logout_of_what_is_hard_to_find(youssef, clock, before):
    name, index = visit(youssef, clock, inside=policy(TRANSIENT) if before == "transient" else "")
    if before == "over already":
        youssef.get("/").submit("/sign-out/")
    assert logout_status(leave(youssef, clock, name, index)) == ["Success"] and not youssef.signed_in


def test_logout_at_a_site_without_an_address_for_the_answer(youssef, clock, monkeypatch):
    register(monkeypatch, replace(RETRAITE, slo=""))
    name, index = visit(youssef, clock)
    request = logout_request(clock(), name=name, index=index)
    youssef.get(redirect(request, key=SITE_KEYS.key, to="/saml/slo"))
    assert youssef.path == "/sign-in/" and not youssef.signed_in


def test_other_sites_hear_of_it(youssef, clock, monkeypatch, post):
    told = replace(CLOSED, roles=(), backchannel_logout_uri="https://closed.example.ma/logout-token")
    register(monkeypatch, RETRAITE, told)
    name, index = visit(youssef, clock)
    visit(youssef, clock, issuer=told.entity_id)
    leave(youssef, clock, name, index)
    person = Person.objects.get(login=YOUSSEF.login)
    put = delivery.outbox.about(person.id, purpose="site_logout", since=clock() - timedelta(minutes=1))
    assert [slug for slug, _ in put] == ["inspectors"]


def test_metadata_says_where_everything_is():
    root = metadata_of(Visitor())
    assert root.get("entityID") == METADATA == f"{settings.MASSAR.public_url}/saml/metadata"
    services = {
        (etree.QName(e).localname, e.get("Binding").rsplit("-", 1)[1], e.get("Location"))
        for e in root.iter()
        if e.get("Location")
    }
    end = settings.MASSAR.public_url
    assert services == {
        (kind, way, f"{end}/saml/{path}")
        for kind, path in (("SingleSignOnService", "sso"), ("SingleLogoutService", "slo"))
        for way in ("Redirect", "POST")
    }


DRIVER = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:import namespace="urn:oasis:names:tc:SAML:2.0:metadata" schemaLocation="{0}/saml-schema-metadata-2.0.xsd"/>
  <xs:import namespace="urn:oasis:names:tc:SAML:metadata:algsupport"
    schemaLocation="{0}/sstc-saml-metadata-algsupport-v1.0.xsd"/>
</xs:schema>"""


def test_metadata_names_the_algorithms_that_are_taken_and_fits_the_schemas():
    """Shibboleth's SP 3 signs with SHA-1 by SOAP where nothing is said. RFC 9231 and XML Encryption give the names."""
    root = metadata_of(Visitor())
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
    person, judge = people.directory.by_login(YOUSSEF.login), access.decide

    def and_then_ended(**given):
        found = judge(**given)
        if end == "disabled":
            close_account.disable(person=person, reason="", now=clock())
        else:
            sessions.signed_in.end_all(person.id, now=clock(), why=end[:20])
        return found

    monkeypatch.setattr(access, "decide", and_then_ended)
    answer = youssef.client.get(redirect(authn_request(clock())))
    assert (answer.status_code, answer["Location"]) == (303, "/sign-in/")
    assert sites.grants.visits(RETRAITE.slug, person.id) == []
