"""The account tells SAML sites that a session is over: behind the browser by SOAP, or through it by a link."""

from __future__ import annotations

import argparse
import base64
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from lxml import etree
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from massar.core import xml_signature
from massar.domain.delivery.models import Message
from massar.domain.people.models import Person
from massar.domain.sites import keys, saml_certificate
from massar.interfaces.commands import providers, sites
from massar.journeys.sso.log_out_of_sites import logout_statuses
from tests.cast import JAMAL, YOUSSEF
from tests.sso.saml_site import (
    NS,
    RETRAITE,
    SITE_KEYS,
    SLO,
    SLO_OF_SITE,
    STRANGER_KEYS,
    TRANSIENT,
    authn_request,
    back,
    enveloped,
    everywhere,
    form_of,
    local,
    logout_request,
    logout_response,
    metadata_of,
    name_and_index,
    policy,
    posted,
    redirect,
    register,
    relying_site_at,
    sent_there,
    shows,
    visit,
    written,
)
from tests.support import steps
from tests.support.post_office import worker_with
from tests.support.serving import serving
from tests.support.visitor import Visitor

SUCCESS, REQUESTER = (f"urn:oasis:names:tc:SAML:2.0:status:{word}" for word in ("Success", "Requester"))
ENVELOPE = '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>{}</S:Body></S:Envelope>'

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    register(monkeypatch)


def states(since) -> dict[str, str]:
    person = Person.objects.get(login=YOUSSEF.login)
    return {one.site.slug: one.state for one in logout_statuses(person.id, since=since)}


# -- by SOAP


@dataclass
class Site:
    """A SAML site's SOAP endpoint on loopback; `answer` turns the request (an element) into (status, body)."""

    address: str = ""
    answer: object = None
    asked: list[tuple[dict, etree._Element]] = field(default_factory=list)


@pytest.fixture
def site(clock):
    kept = Site(answer=lambda request: (200, soap(enveloped(logout_response(clock(), request)))))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            root = etree.fromstring(self.rfile.read(int(self.headers["Content-Length"])))
            (request,) = root.findall("{*}Body/*")
            kept.asked.append((dict(self.headers), request))
            status, body = kept.answer(request)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.address = f"http://127.0.0.1:{server.server_port}/slo/soap"
    with serving(server):
        yield kept


@pytest.fixture
def by_soap(monkeypatch, site):
    register(monkeypatch, replace(RETRAITE, slo_soap=site.address, signed_requests=True))
    return site


def soap(message: etree._Element | str) -> bytes:
    return ENVELOPE.format(message if isinstance(message, str) else etree.tostring(message).decode()).encode()


def work(clock) -> None:
    """The worker with the product's own providers, until nothing is due."""
    worker = worker_with(providers.sites(), clock)
    while worker.turn():
        pass


def enter(visitor: Visitor, clock, **request) -> tuple[str, str]:
    """Into the site with a signed request: (NameID, SessionIndex)."""
    visitor.get(redirect(authn_request(clock(), **request), key=SITE_KEYS.key))
    return name_and_index(visitor)


@pytest.mark.parametrize("inside", ["", policy(TRANSIENT)], ids=["persistent", "transient"])
def test_the_site_is_asked_by_soap_and_its_answer_is_shown(youssef, clock, by_soap, inside):
    name, index = enter(youssef, clock, inside=inside)
    since = clock()
    everywhere(youssef)
    assert not youssef.signed_in and states(since) == {"retraite": "waiting"}
    work(clock)
    ((headers, request),) = by_soap.asked
    assert headers["Content-Type"].startswith("text/xml") and "oasis-open.org" in headers["SOAPAction"]
    assert (request.get("Destination"), request.find("saml:NameID", NS).text) == (by_soap.address, name)
    assert [e.text for e in request.findall("samlp:SessionIndex", NS)] == [index]
    assert states(since) == {"retraite": "confirmed"}
    assert shows(youssef.get("/sign-out/everywhere/"), "sso.told.confirmed")


def test_the_request_is_signed_for_a_public_library(real_time, youssef, clock, by_soap):
    enter(youssef, clock)
    everywhere(youssef)
    work(clock)
    ((_, request),) = by_soap.asked
    certificate = OneLogin_Saml2_Utils.format_cert(metadata_of(Visitor()).find(".//ds:X509Certificate", NS).text)
    assert OneLogin_Saml2_Utils.validate_sign(
        etree.tostring(request), cert=certificate, xpath="/samlp:LogoutRequest/ds:Signature", raise_exceptions=True
    )


def test_a_changed_password_tells_it_too(youssef, clock, by_soap):
    enter(youssef, clock)
    youssef.change(YOUSSEF.password, "Rivage-8412-ouvert")
    work(clock)
    assert len(by_soap.asked) == 1 and shows(youssef.get("/password/changed/"), "sso.told.confirmed")


def test_every_name_that_the_site_was_told_is_signed_out(youssef, clock, by_soap):
    names = {enter(youssef, clock)[0], enter(youssef, clock, inside=policy(TRANSIENT))[0]}
    everywhere(youssef)
    work(clock)
    assert {request.find("saml:NameID", NS).text for _, request in by_soap.asked} == names


def test_a_site_that_was_away_is_asked_later_with_a_fresh_request(youssef, clock, by_soap):
    enter(youssef, clock)
    since, right = clock(), by_soap.answer
    by_soap.answer = lambda request: (503, b"")
    everywhere(youssef)
    work(clock)
    assert states(since) == {"retraite": "waiting"}
    by_soap.answer = right
    clock.advance(hours=1)
    work(clock)
    first, last = by_soap.asked[0][1], by_soap.asked[-1][1]
    assert first.get("ID") != last.get("ID") and last.get("IssueInstant") == written(clock())
    assert states(since) == {"retraite": "confirmed"}


def test_a_site_that_says_no_is_shown_as_silent(youssef, clock, by_soap):
    """And because it has an address for browsers too, the person can still take the request there."""
    enter(youssef, clock)
    since = clock()
    by_soap.answer = lambda request: (200, soap(enveloped(logout_response(clock(), request, status=REQUESTER))))
    everywhere(youssef)
    work(clock)
    assert states(since) == {"retraite": "failed"} and len(by_soap.asked) == 1
    assert 'href="/saml/leave/retraite/"' in youssef.get("/sign-out/everywhere/").html


UNBELIEVED = {
    "not signed": lambda now, r: soap(logout_response(now, r)),
    "another's key": lambda now, r: soap(enveloped(logout_response(now, r), STRANGER_KEYS)),
    "another site": lambda now, r: soap(enveloped(logout_response(now, r, issuer="https://mail.example.ma/saml"))),
    "to another request": lambda now, r: soap(enveloped(logout_response(now, etree.Element("a", ID="_x")))),
    "changed afterwards": lambda now, r: soap(enveloped(logout_response(now, r, status=REQUESTER))).replace(
        b"status:Requester", b"status:Success"
    ),
    "no envelope": lambda now, r: etree.tostring(enveloped(logout_response(now, r))),
    "two messages": lambda now, r: soap(etree.tostring(enveloped(logout_response(now, r))).decode() * 2),
    "a document type": lambda now, r: b"<!DOCTYPE a>" + soap(enveloped(logout_response(now, r))),
    "too long": lambda now, r: soap(enveloped(logout_response(now, r))) + b" " * 70_000,
    "no XML": lambda now, r: b"OK",
}


@pytest.mark.parametrize("wrong", UNBELIEVED)
def test_an_answer_that_can_not_be_believed_confirms_nothing(youssef, clock, by_soap, wrong):
    enter(youssef, clock)
    since = clock()
    by_soap.answer = lambda request: (200, UNBELIEVED[wrong](clock(), request))
    everywhere(youssef)
    work(clock)
    assert by_soap.asked and states(since) == {"retraite": "waiting"}


@pytest.mark.parametrize("status", [200, 404, 302])
def test_what_a_site_says_of_one_person_keeps_no_other_persons_sign_out_away(youssef, clock, by_soap, status):
    """Rubbish for the first, again and again; the next is told at the first try, right after."""
    enter(youssef, clock)
    right, first = by_soap.answer, []

    def rubbish_for_the_first(request):
        name = request.find("saml:NameID", NS).text
        first.append(name) if not first else None
        return (status, b"OK") if name in first else right(request)

    by_soap.answer = rubbish_for_the_first
    everywhere(youssef)
    while len(by_soap.asked) < 7:
        clock.advance(seconds=5)
        work(clock)
    other = Visitor().sign_in(JAMAL.login, JAMAL.password)
    enter(other, clock)
    asked = len(by_soap.asked)
    everywhere(other)
    work(clock)
    assert len(by_soap.asked) in (asked + 1, asked + 2)
    assert sorted(Message.objects.filter(purpose="site_logout").values_list("state", flat=True)) == [
        "queued",
        "submitted",
    ]


def test_the_same_answer_confirms_once(youssef, clock, by_soap):
    """An answer that was seen before can't confirm another session (ATK-126)."""
    enter(youssef, clock)
    other = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    enter(other, clock)
    first = []

    def again(request):
        first.append(soap(enveloped(logout_response(clock(), request))))
        return 200, first[0]

    by_soap.answer = again
    since = clock()
    everywhere(youssef)
    work(clock)
    assert len(by_soap.asked) >= 2 and states(since) == {"retraite": "waiting"}


def tried(capsys) -> tuple[int, str]:
    code = sites.run(argparse.Namespace(action="test", slug="retraite"))
    return code, capsys.readouterr().out


def test_massar_sites_test_is_content_with_a_site_that_verifies(by_soap, clock, capsys, monkeypatch, cast):
    monkeypatch.setattr(sites.clock, "now", clock)
    certificates = saml_certificate.usable(keys.active(keys.SAML, now=clock()).public, now=clock())

    def verifying(request):
        try:
            xml_signature.verify(request, certificates=certificates, now=clock())
        except xml_signature.SignatureRefused:
            return 400, b""
        return 200, soap(enveloped(logout_response(clock(), request)))

    by_soap.answer = verifying
    _, said = tried(capsys)
    assert said.count(f"well   {by_soap.address}") == 2, said


def test_massar_sites_test_sees_a_site_that_believes_every_request(by_soap, clock, capsys, monkeypatch, cast):
    monkeypatch.setattr(sites.clock, "now", clock)
    code, said = tried(capsys)
    assert code == 1 and f"WRONG  {by_soap.address} answers a forged one with Success" in said


# -- through the browser


def test_a_public_library_is_signed_out_through_the_browser(real_time, youssef, clock):
    """python3-saml as the site: it believes the request, and its answer is shown as confirmed."""
    name, index = visit(youssef, clock)
    everywhere(youssef)
    assert shows(youssef, "sso.told.open") and shows(youssef, "sso.told.by_hand") and not youssef.signed_in
    address, request = sent_there(youssef)
    there = relying_site_at(youssef, address)
    ended = []
    answer = there.process_slo(delete_session_cb=lambda: ended.append(True))
    assert (there.get_errors(), there.get_last_error_reason()) == ([], None) and ended
    assert (request.find("saml:NameID", NS).text, request.find("samlp:SessionIndex", NS).text) == (name, index)
    youssef.get(local(answer))
    assert youssef.path == "/sign-out/everywhere/" and shows(youssef, "sso.told.confirmed")
    assert "/saml/leave/" not in youssef.html and not shows(youssef, "sso.told.not_confirmed")


def test_the_answer_may_come_as_a_form(youssef, clock):
    """It comes without our cookies, so the browser is asked once more."""
    visit(youssef, clock)
    _, request = sent_there(everywhere(youssef))
    form = {"SAMLResponse": posted(enveloped(logout_response(clock(), request, to=SLO)))}
    answer = Visitor().client.post("/saml/slo", form)
    assert answer.status_code == 303 and answer["Location"].startswith("/saml/left/?")
    assert shows(youssef.get(answer["Location"]), "sso.told.confirmed")


def test_after_a_changed_password_it_comes_back_to_that_page(youssef, clock):
    visit(youssef, clock)
    youssef.change(YOUSSEF.password, "Rivage-8412-ouvert")
    _, request = sent_there(youssef)
    youssef.get(back(clock(), request))
    assert youssef.path == "/password/changed/" and shows(youssef, "sso.told.confirmed")


def test_every_session_under_that_name_is_named(youssef, clock):
    """A site that keeps its sessions by index can end those of other devices as well."""
    other = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    indexes = {visit(youssef, clock)[1], visit(other, clock)[1]}
    _, request = sent_there(everywhere(youssef))
    assert {e.text for e in request.findall("samlp:SessionIndex", NS)} == indexes


def test_a_transient_name_is_that_of_this_browser(youssef, clock):
    name, index = visit(youssef, clock, inside=policy(TRANSIENT))
    visit(Visitor().sign_in(YOUSSEF.login, YOUSSEF.password), clock, inside=policy(TRANSIENT))
    _, request = sent_there(everywhere(youssef))
    assert request.find("saml:NameID", NS).text == name
    assert [e.text for e in request.findall("samlp:SessionIndex", NS)] == [index]


NOT_CONFIRMED = {
    "the site says no": lambda now, r: back(now, r, status=REQUESTER),
    "not signed": lambda now, r: back(now, r, key=None),
    "another's key": lambda now, r: back(now, r, key=STRANGER_KEYS.key),
    "to another address": lambda now, r: back(now, r, to=f"{SLO}/"),
    "to another request": lambda now, r: back(now, etree.Element("a", ID="_x")),
    "nonsense": lambda now, r: "/saml/slo?SAMLResponse=AAAA",
    "an own word": lambda now, r: f"/saml/left/?said=retraite.{r.get('ID')}.AAAA",
    "nothing": lambda now, r: "/saml/left/",
}


@pytest.mark.parametrize("wrong", NOT_CONFIRMED)
def test_whatever_comes_back_the_person_is_on_the_page_and_signed_out(youssef, clock, wrong):
    visit(youssef, clock)
    _, request = sent_there(everywhere(youssef))
    youssef.get(NOT_CONFIRMED[wrong](clock(), request))
    assert youssef.path == "/sign-out/everywhere/" and not youssef.signed_in
    assert shows(youssef, "sso.told.not_confirmed") and shows(youssef, "sso.told.open")


def test_the_answer_to_another_persons_request_confirms_nothing(youssef, clock):
    jamal = Visitor().sign_in(JAMAL.login, JAMAL.password)
    visit(jamal, clock)
    visit(youssef, clock)
    _, of_jamal = sent_there(everywhere(jamal))
    everywhere(youssef).get(back(clock(), of_jamal))
    assert shows(youssef, "sso.told.open") and shows(youssef, "sso.told.not_confirmed")


def test_the_way_there_closes_with_the_list(youssef, clock):
    visit(youssef, clock)
    everywhere(youssef)
    assert Visitor().get("/saml/leave/retraite/").path == "/sign-in/", "another browser"
    assert youssef.client.get("/saml/leave/taalim/")["Location"] == "/sign-in/", "a site that was not visited"
    clock.advance(minutes=15)
    assert youssef.get("/saml/leave/retraite/").path == "/sign-in/"


def test_without_a_certificate_no_answer_could_be_believed(youssef, clock, monkeypatch):
    register(monkeypatch, replace(RETRAITE, certificate=""))
    visit(youssef, clock)
    assert shows(everywhere(youssef), "sso.told.unreachable") and "/saml/leave/" not in youssef.html


def test_answers_go_to_their_own_address_where_there_is_one(youssef, clock, monkeypatch):
    """ResponseLocation is for answers, Location for requests (SAML metadata §2.2.2)."""
    register(monkeypatch, replace(RETRAITE, slo_response=f"{SLO_OF_SITE}/answers"))
    visit(youssef, clock)
    _, request = sent_there(everywhere(youssef))
    assert request.get("Destination") == SLO_OF_SITE


def test_a_plain_sign_out_lists_what_only_the_browser_can_tell(youssef, clock):
    """On a shared computer the next person must not find the site open. Other devices stay signed in."""
    elsewhere = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    visit(youssef, clock)
    youssef.get("/").submit("/sign-out/")
    assert youssef.path == "/sign-out/everywhere/" and not youssef.signed_in and elsewhere.signed_in
    assert shows(youssef, "flash.signed_out") and not shows(youssef, "sso.everywhere.done")
    _, request = sent_there(youssef)
    youssef.get(back(clock(), request))
    assert shows(youssef, "sso.told.confirmed") and shows(youssef, "flash.signed_out")


def test_a_plain_sign_out_without_such_a_site_is_as_ever(youssef):
    assert youssef.get("/").submit("/sign-out/").path == "/sign-in/"


def test_the_language_can_be_changed_on_the_list(youssef, clock):
    visit(youssef, clock)
    everywhere(youssef).submit("/language/", language="en")
    assert youssef.path == "/sign-out/everywhere/" and steps.shows(youssef, "sso.told.by_hand", "en")


# -- through the browser, in a form (Spring Security's default)


@pytest.fixture
def by_form(monkeypatch):
    register(monkeypatch, replace(RETRAITE, slo_binding="post", slo_response=f"{SLO_OF_SITE}/answers"))


def believed_by_a_library(fields: dict[str, str], name: str, kind: str) -> etree._Element:
    """The message, after python3-saml has judged the signature inside it."""
    document = base64.b64decode(fields[name])
    certificate = OneLogin_Saml2_Utils.format_cert(metadata_of(Visitor()).find(".//ds:X509Certificate", NS).text)
    assert OneLogin_Saml2_Utils.validate_sign(
        document, cert=certificate, xpath=f"/samlp:{kind}/ds:Signature", raise_exceptions=True
    )
    return etree.fromstring(document)


def test_a_site_that_takes_forms_alone_is_signed_out_by_one(youssef, clock, by_form):
    name, index = visit(youssef, clock)
    assert 'href="/saml/leave/retraite/"' in everywhere(youssef).html
    page = youssef.client.get("/saml/leave/retraite/")
    assert page.status_code == 200 and "form-action 'self' https:;" in page["Content-Security-Policy"]
    fields = form_of(page.content.decode(), SLO_OF_SITE)
    request = believed_by_a_library(fields, "SAMLRequest", "LogoutRequest")
    assert set(fields) == {"SAMLRequest"} and request.get("Destination") == SLO_OF_SITE
    assert (request.find("saml:NameID", NS).text, request.find("samlp:SessionIndex", NS).text) == (name, index)
    form = {"SAMLResponse": posted(enveloped(logout_response(clock(), request, to=SLO)))}
    youssef.get(Visitor().client.post("/saml/slo", form)["Location"])
    assert youssef.path == "/sign-out/everywhere/" and shows(youssef, "sso.told.confirmed")


def test_its_own_posted_request_is_answered_by_a_form(youssef, clock, by_form):
    name, index = visit(youssef, clock)
    asked = logout_request(clock(), name=name, index=index)
    first = Visitor().client.post("/saml/slo", {"SAMLRequest": posted(enveloped(asked)), "RelayState": "back & there"})
    page = youssef.client.get(first["Location"])
    fields = form_of(page.content.decode(), f"{SLO_OF_SITE}/answers")
    answer = believed_by_a_library(fields, "SAMLResponse", "LogoutResponse")
    assert answer.find("samlp:Status/samlp:StatusCode", NS).get("Value") == SUCCESS and not youssef.signed_in
    assert answer.get("InResponseTo") == etree.fromstring(asked).get("ID")
    assert answer.get("Destination") == f"{SLO_OF_SITE}/answers" and fields["RelayState"] == "back &amp; there"


def test_a_request_that_can_not_be_believed_gets_no_form(youssef, clock, by_form):
    name, index = visit(youssef, clock)
    for message in (
        logout_request(clock(), name=name, index=index),
        enveloped(logout_request(clock(), name=name, index=index), STRANGER_KEYS),
    ):
        assert Visitor().client.post("/saml/slo", {"SAMLRequest": posted(message)}).status_code == 400
    assert youssef.signed_in


def test_where_another_site_stays_open_the_list_leads_to_the_form(youssef, clock, monkeypatch):
    entity, acs, slo = (f"https://mutuelle.example.ma/{end}" for end in ("saml", "acs", "slo"))
    other = replace(RETRAITE, slug="mutuelle", entity_id=entity, acs=(acs,), slo=slo, slo_binding="post")
    register(monkeypatch, replace(RETRAITE, slo_binding="post"), other)
    visit(youssef, clock)
    request = authn_request(clock(), issuer=other.entity_id)
    youssef.get(redirect(request))
    name, index = name_and_index(youssef)
    asked = logout_request(clock(), name=name, index=index, issuer=other.entity_id)
    first = Visitor().client.post("/saml/slo", {"SAMLRequest": posted(enveloped(asked))})
    youssef.get(first["Location"])
    assert youssef.path == "/sign-out/everywhere/" and shows(youssef, "sso.told.open")
    fields = form_of(youssef.client.get("/saml/answer/").content.decode(), other.slo)
    response = etree.fromstring(base64.b64decode(fields["SAMLResponse"]))
    codes = [code.get("Value").rpartition(":")[2] for code in response.iter(f"{{{NS['samlp']}}}StatusCode")]
    assert codes == ["Success", "PartialLogout"]
