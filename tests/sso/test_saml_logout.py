"""The account tells SAML sites that a session is over: behind the browser by SOAP, or through it by a link."""

import argparse
import base64
import functools
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from lxml import etree
from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils

from massar.core import xml_signature
from massar.domain.delivery.models import Message
from massar.domain.people.models import Person
from massar.domain.sites import keys, saml_certificate
from massar.interfaces.base import site_trials
from massar.interfaces.commands import sites
from massar.journeys.sso.log_out_of_sites import logout_statuses
from tests.cast import JAMAL, YOUSSEF
from tests.sso import saml_site as saml
from tests.support import steps
from tests.support.post_office import turning
from tests.support.serving import serving
from tests.support.visitor import Visitor

ENVELOPE = '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>{}</S:Body></S:Envelope>'
LEAVE, EVERYWHERE = "/saml/leave/retraite/", "/sign-out/everywhere/"
NEW_PASSWORD = "Rivage-8412-ouvert"
TRANSIENT = saml.policy(saml.TRANSIENT)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("saml_sites")]


def states(since) -> dict[str, str]:
    person = Person.objects.get(login=YOUSSEF.login)
    return {one.site.slug: one.state for one in logout_statuses(person.id, since=since)}


def certificate_of_the_account() -> str:
    return Utils.format_cert(saml.metadata_of(Visitor()).find(".//ds:X509Certificate", saml.NS).text)


# -- by SOAP


@pytest.fixture
def by_soap(monkeypatch, clock):
    """The site's SOAP endpoint on loopback; `answer` turns the request (an element) into (status, body)."""
    kept = SimpleNamespace(asked=[], answer=lambda request: (200, signed(clock(), request)))

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
    saml.register(monkeypatch, replace(saml.RETRAITE, slo_soap=kept.address, signed_requests=True))
    with serving(server):
        yield kept


def soap(message: etree._Element | str) -> bytes:
    return ENVELOPE.format(message if isinstance(message, str) else etree.tostring(message).decode()).encode()


def signed(now, request: etree._Element, keys=saml.SITE_KEYS, **said) -> bytes:
    """The site's answer in its envelope."""
    return soap(saml.enveloped(saml.logout_response(now, request, **said), keys))


the_products_own = functools.cache(site_trials.sites)  # the system's authorities are read once


def work(clock) -> None:
    turning(the_products_own(), clock)()


def enter(visitor: Visitor, clock, **request) -> tuple[str, str]:
    """Into the site with a signed request: (NameID, SessionIndex)."""
    visitor.get(saml.redirect(saml.authn_request(clock(), **request), key=saml.SITE_KEYS.key))
    return saml.name_and_index(visitor)


def name_in(request: etree._Element) -> str:
    return request.find("saml:NameID", saml.NS).text


def indexes_in(request: etree._Element) -> list[str]:
    return [element.text for element in request.findall("samlp:SessionIndex", saml.NS)]


@pytest.mark.parametrize("inside", ["", TRANSIENT], ids=["persistent", "transient"])
def test_the_site_is_asked_by_soap_and_its_answer_is_shown(real_time, youssef, clock, by_soap, inside):
    name, index = enter(youssef, clock, inside=inside)
    since = clock()
    saml.everywhere(youssef)
    assert not youssef.signed_in and states(since) == {"retraite": "waiting"}
    work(clock)
    ((headers, request),) = by_soap.asked
    assert headers["Content-Type"].startswith("text/xml") and "oasis-open.org" in headers["SOAPAction"]
    assert (request.get("Destination"), name_in(request), indexes_in(request)) == (by_soap.address, name, [index])
    assert Utils.validate_sign(
        etree.tostring(request), cert=certificate_of_the_account(), xpath="/samlp:LogoutRequest/ds:Signature",
        raise_exceptions=True,
    ), "for a public library"  # fmt: skip
    assert states(since) == {"retraite": "confirmed"}
    assert saml.shows(youssef.get(EVERYWHERE), "sso.told.confirmed")


def test_every_name_that_the_site_was_told_is_signed_out_by_a_changed_password_too(youssef, clock, by_soap):
    names = {enter(youssef, clock)[0], enter(youssef, clock, inside=TRANSIENT)[0]}
    youssef.change(YOUSSEF.password, NEW_PASSWORD)
    work(clock)
    assert {name_in(request) for _, request in by_soap.asked} == names and len(names) == 2
    assert saml.shows(youssef.get("/password/changed/"), "sso.told.confirmed")


def test_a_site_that_was_away_is_asked_later_with_a_fresh_request(youssef, clock, by_soap):
    enter(youssef, clock)
    since, right = clock(), by_soap.answer
    by_soap.answer = lambda request: (503, b"")
    saml.everywhere(youssef)
    work(clock)
    assert states(since) == {"retraite": "waiting"}
    by_soap.answer = right
    clock.advance(hours=1)
    work(clock)
    first, last = by_soap.asked[0][1], by_soap.asked[-1][1]
    assert first.get("ID") != last.get("ID") and last.get("IssueInstant") == saml.written(clock())
    assert states(since) == {"retraite": "confirmed"}


UNBELIEVED = {
    "a plain no": lambda now, r: signed(now, r, status=saml.REQUESTER),
    "not signed": lambda now, r: soap(saml.logout_response(now, r)),
    "another's key": lambda now, r: signed(now, r, saml.STRANGER_KEYS),
    "another site": lambda now, r: signed(now, r, issuer="https://mail.example.ma/saml"),
    "to another request": lambda now, r: signed(now, etree.Element("a", ID="_x")),
    "changed afterwards": lambda now, r: signed(now, r, status=saml.REQUESTER).replace(b":Requester", b":Success"),
    "no envelope": lambda now, r: etree.tostring(saml.enveloped(saml.logout_response(now, r))),
    "two messages": lambda now, r: soap(etree.tostring(saml.enveloped(saml.logout_response(now, r))).decode() * 2),
    "a document type": lambda now, r: b"<!DOCTYPE a>" + signed(now, r),
    "too long": lambda now, r: signed(now, r) + b" " * 70_000,
    "no XML": lambda now, r: b"OK",
}


@pytest.mark.parametrize("wrong", UNBELIEVED)
def test_a_no_is_shown_and_what_can_not_be_believed_confirms_nothing(youssef, clock, by_soap, wrong):
    """As the site has an address for browsers too, the person can still take the request there."""
    enter(youssef, clock)
    since = clock()
    by_soap.answer = lambda request: (200, UNBELIEVED[wrong](clock(), request))
    saml.everywhere(youssef)
    work(clock)
    assert by_soap.asked and states(since) == {"retraite": "failed" if wrong == "a plain no" else "waiting"}
    assert wrong != "a plain no" or (len(by_soap.asked) == 1 and f'href="{LEAVE}"' in youssef.get(EVERYWHERE).html)


@pytest.mark.parametrize("status", [200, 404, 302])
def test_what_a_site_says_of_one_person_keeps_no_other_persons_sign_out_away(youssef, clock, by_soap, status):
    """Rubbish for the first, again and again; the next is told at the first try, right after."""
    first, right = enter(youssef, clock)[0], by_soap.answer
    by_soap.answer = lambda request: (status, b"OK") if name_in(request) == first else right(request)
    saml.everywhere(youssef)
    while len(by_soap.asked) < 7:
        clock.advance(minutes=5)
        work(clock)
    other = Visitor().sign_in(JAMAL.login, JAMAL.password)
    enter(other, clock)
    asked = len(by_soap.asked)
    saml.everywhere(other)
    work(clock)
    assert len(by_soap.asked) in (asked + 1, asked + 2)
    ended = Message.objects.filter(purpose="site_logout").values_list("state", flat=True)
    assert sorted(ended) == ["queued", "submitted"]


def test_the_same_answer_confirms_once(youssef, clock, by_soap):
    """An answer that was seen before can't confirm another session (ATK-126)."""
    enter(youssef, clock)
    enter(Visitor().sign_in(YOUSSEF.login, YOUSSEF.password), clock)
    first = []

    def again(request):
        first.append(signed(clock(), request))
        return 200, first[0]

    by_soap.answer = again
    since = clock()
    saml.everywhere(youssef)
    work(clock)
    assert len(by_soap.asked) >= 2 and states(since) == {"retraite": "waiting"}


def test_massar_sites_test_is_content_with_a_site_that_verifies_and_no_other(by_soap, clock, capsys, monkeypatch, cast):
    monkeypatch.setattr(sites.clock, "now", clock)
    certificates = saml_certificate.usable(keys.active(keys.SAML, now=clock()).public, now=clock())

    def tried() -> tuple[int, str]:
        return sites.run(argparse.Namespace(action="test", slug="retraite")), capsys.readouterr().out

    code, said = tried()
    assert code == 1 and f"WRONG  {by_soap.address} answers a forged one with Success" in said

    def verifying(request):
        try:
            xml_signature.verify(request, certificates=certificates, now=clock())
        except xml_signature.SignatureRefused:
            return 400, b""
        return 200, signed(clock(), request)

    by_soap.answer = verifying
    assert tried()[1].count(f"well   {by_soap.address}") == 2


# -- through the browser


def test_a_public_library_is_signed_out_through_the_browser(real_time, youssef, clock):
    """python3-saml as the site: it believes the request, and its answer is shown as confirmed."""
    name, index = saml.visit(youssef, clock)
    saml.everywhere(youssef)
    assert saml.shows(youssef, "sso.told.open") and saml.shows(youssef, "sso.told.by_hand") and not youssef.signed_in
    address, request = saml.sent_there(youssef)
    there = saml.relying_site_at(youssef, address)
    ended = []
    answer = there.process_slo(delete_session_cb=lambda: ended.append(True))
    assert (there.get_errors(), there.get_last_error_reason()) == ([], None) and ended
    assert (name_in(request), indexes_in(request)) == (name, [index])
    youssef.get(saml.local(answer))
    assert youssef.path == EVERYWHERE and saml.shows(youssef, "sso.told.confirmed")
    assert "/saml/leave/" not in youssef.html and not saml.shows(youssef, "sso.told.not_confirmed")


def test_after_a_changed_password_it_comes_back_to_that_page(youssef, clock):
    saml.visit(youssef, clock)
    youssef.change(YOUSSEF.password, NEW_PASSWORD)
    _, request = saml.sent_there(youssef)
    youssef.get(saml.back(clock(), request))
    assert youssef.path == "/password/changed/" and saml.shows(youssef, "sso.told.confirmed")


@pytest.mark.parametrize("inside", ["", TRANSIENT], ids=["persistent", "transient"])
def test_every_session_under_that_name_is_named(youssef, clock, inside):
    """A site can end those of other devices too, by their indexes. A transient name is this browser's."""
    name, index = saml.visit(youssef, clock, inside=inside)
    _, elsewhere = saml.visit(Visitor().sign_in(YOUSSEF.login, YOUSSEF.password), clock, inside=inside)
    _, request = saml.sent_there(saml.everywhere(youssef))
    assert (name_in(request), set(indexes_in(request))) == (name, {index} if inside else {index, elsewhere})


NOT_CONFIRMED = {
    "the site says no": lambda now, r: saml.back(now, r, status=saml.REQUESTER),
    "not signed": lambda now, r: saml.back(now, r, key=None),
    "another's key": lambda now, r: saml.back(now, r, key=saml.STRANGER_KEYS.key),
    "to another address": lambda now, r: saml.back(now, r, to=f"{saml.SLO}/"),
    "to another request": lambda now, r: saml.back(now, etree.Element("a", ID="_x")),
    "nonsense": lambda now, r: "/saml/slo?SAMLResponse=AAAA",
    "an own word": lambda now, r: f"/saml/left/?said=retraite.{r.get('ID')}.AAAA",
    "nothing": lambda now, r: "/saml/left/",
}


@pytest.mark.parametrize("wrong", NOT_CONFIRMED)
def test_whatever_comes_back_the_person_is_on_the_page_and_signed_out(youssef, clock, wrong):
    saml.visit(youssef, clock)
    _, request = saml.sent_there(saml.everywhere(youssef))
    youssef.get(NOT_CONFIRMED[wrong](clock(), request))
    assert youssef.path == EVERYWHERE and not youssef.signed_in
    assert saml.shows(youssef, "sso.told.not_confirmed") and saml.shows(youssef, "sso.told.open")


def test_the_answer_to_another_persons_request_confirms_nothing(youssef, jamal, clock):
    for visitor in (jamal, youssef):
        saml.visit(visitor, clock)
        saml.everywhere(visitor)
    youssef.get(saml.back(clock(), saml.sent_there(jamal)[1]))
    assert saml.shows(youssef, "sso.told.open") and saml.shows(youssef, "sso.told.not_confirmed")


def test_the_way_there_closes_with_the_list(youssef, clock, monkeypatch):
    """And without a certificate of the site no answer could be believed."""
    saml.visit(youssef, clock)
    saml.everywhere(youssef).submit("/language/", language="en")
    assert youssef.path == EVERYWHERE and steps.shows(youssef, "sso.told.by_hand", "en")
    assert Visitor().get(LEAVE).path == "/sign-in/", "another browser"
    assert youssef.client.get("/saml/leave/taalim/")["Location"] == "/sign-in/", "a site that was not visited"
    saml.register(monkeypatch, replace(saml.RETRAITE, certificate=""))
    assert steps.shows(youssef.get(EVERYWHERE), "sso.told.unreachable", "en") and "/saml/leave/" not in youssef.html
    saml.register(monkeypatch)
    clock.advance(minutes=15)
    assert youssef.get(LEAVE).path == "/sign-in/"


def test_a_plain_sign_out_lists_what_only_the_browser_can_tell(youssef, jamal, clock):
    """On a shared computer the next person must not find the site open. Other devices stay signed in."""
    elsewhere = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    saml.visit(youssef, clock)
    youssef.get("/").submit("/sign-out/")
    assert youssef.path == EVERYWHERE and not youssef.signed_in and elsewhere.signed_in
    assert saml.shows(youssef, "flash.signed_out") and not saml.shows(youssef, "sso.everywhere.done")
    _, request = saml.sent_there(youssef)
    youssef.get(saml.back(clock(), request))
    assert saml.shows(youssef, "sso.told.confirmed") and saml.shows(youssef, "flash.signed_out")
    assert jamal.get("/").submit("/sign-out/").path == "/sign-in/", "without such a site as ever"


# -- through the browser, in a form (Spring Security's default)


@pytest.fixture
def by_form(monkeypatch):
    """ResponseLocation is for answers, Location for requests (SAML metadata §2.2.2)."""
    saml.register(monkeypatch, replace(saml.RETRAITE, slo_binding="post", slo_response=f"{saml.SLO_OF_SITE}/answers"))


def believed_by_a_library(fields: dict[str, str], name: str, kind: str) -> etree._Element:
    """The message, after python3-saml has judged the signature inside it."""
    document, path = base64.b64decode(fields[name]), f"/samlp:{kind}/ds:Signature"
    assert Utils.validate_sign(document, cert=certificate_of_the_account(), xpath=path, raise_exceptions=True)
    return etree.fromstring(document)


def test_a_site_that_takes_forms_alone_is_signed_out_by_one(youssef, clock, by_form):
    name, index = saml.visit(youssef, clock)
    assert f'href="{LEAVE}"' in saml.everywhere(youssef).html
    page = youssef.client.get(LEAVE)
    assert page.status_code == 200 and "form-action 'self' https:;" in page["Content-Security-Policy"]
    fields = saml.form_of(page.content.decode(), saml.SLO_OF_SITE)
    request = believed_by_a_library(fields, "SAMLRequest", "LogoutRequest")
    assert set(fields) == {"SAMLRequest"} and request.get("Destination") == saml.SLO_OF_SITE
    assert (name_in(request), indexes_in(request)) == (name, [index])
    form = {"SAMLResponse": saml.posted(saml.enveloped(saml.logout_response(clock(), request, to=saml.SLO)))}
    answer = Visitor().client.post("/saml/slo", form)  # without our cookies, so the browser is asked once more
    assert answer.status_code == 303 and answer["Location"].startswith("/saml/left/?")
    assert youssef.get(answer["Location"]).path == EVERYWHERE and saml.shows(youssef, "sso.told.confirmed")


def test_its_own_posted_request_is_answered_by_a_form_if_it_can_be_believed(youssef, clock, by_form):
    name, index = saml.visit(youssef, clock)
    asked = saml.logout_request(clock(), name=name, index=index)
    for message in (asked, saml.enveloped(asked, saml.STRANGER_KEYS)):
        assert Visitor().client.post("/saml/slo", {"SAMLRequest": saml.posted(message)}).status_code == 400
    assert youssef.signed_in
    asked = saml.logout_request(clock(), name=name, index=index)
    form = {"SAMLRequest": saml.posted(saml.enveloped(asked)), "RelayState": "back & there"}
    page = youssef.client.get(Visitor().client.post("/saml/slo", form)["Location"])
    fields = saml.form_of(page.content.decode(), f"{saml.SLO_OF_SITE}/answers")
    answer = believed_by_a_library(fields, "SAMLResponse", "LogoutResponse")
    assert saml.statuses(answer) == ["Success"] and not youssef.signed_in
    assert answer.get("InResponseTo") == etree.fromstring(asked).get("ID")
    assert answer.get("Destination") == f"{saml.SLO_OF_SITE}/answers" and fields["RelayState"] == "back &amp; there"


def test_where_another_site_stays_open_the_list_leads_to_the_form(youssef, clock, monkeypatch):
    entity, acs, slo = (f"https://mutuelle.example.ma/{end}" for end in ("saml", "acs", "slo"))
    other = replace(saml.RETRAITE, slug="mutuelle", entity_id=entity, acs=(acs,), slo=slo, slo_binding="post")
    saml.register(monkeypatch, replace(saml.RETRAITE, slo_binding="post"), other)
    saml.visit(youssef, clock)
    name, index = saml.visit(youssef, clock, issuer=entity)
    asked = saml.logout_request(clock(), name=name, index=index, issuer=entity)
    first = Visitor().client.post("/saml/slo", {"SAMLRequest": saml.posted(saml.enveloped(asked))})
    youssef.get(first["Location"])
    assert youssef.path == EVERYWHERE and saml.shows(youssef, "sso.told.open")
    fields = saml.form_of(youssef.client.get("/saml/answer/").content.decode(), slo)
    response = etree.fromstring(base64.b64decode(fields["SAMLResponse"]))
    assert saml.statuses(response) == ["Success", "PartialLogout"]
