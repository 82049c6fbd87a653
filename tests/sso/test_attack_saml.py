"""Attacks on the SAML identity provider, by the numbers of docs/security/attack-cases.md (117 to 127).

The account is the side that answers: what sites ask is attacked here. How our answers stand up when somebody wraps or
replays them is for the sites' libraries; case 128 holds one of them to it.
"""

from __future__ import annotations

import base64
import copy
import hmac
import re
import socket
import time
import zlib
from dataclasses import replace
from datetime import timedelta
from html import unescape
from urllib.parse import quote_plus, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from massar.core import xml, xml_signature
from massar.domain.people.models import Person
from massar.domain.sites import saml_certificate
from tests.cast import YOUSSEF
from tests.sso.saml_site import (
    ACS,
    EXPIRED,
    NS,
    RETRAITE,
    RSA_SHA256,
    SITE_KEYS,
    SLO,
    STRANGER_KEYS,
    TAALIM,
    authn_request,
    carried,
    deflated,
    enveloped,
    into,
    leave,
    local,
    logout_request,
    posted,
    redirect,
    register,
    relying_site,
    visit,
    written,
)
from tests.support.visitor import Visitor

DS, SAMLP = NS["ds"], NS["samlp"]
RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
HMAC_SHA1 = "http://www.w3.org/2000/09/xmldsig#hmac-sha1"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    register(monkeypatch)


def refuses(answer) -> bool:
    """Our own page with the reason, and nothing that would go to a site."""
    return answer.status_code == 400 and b"SAMLResponse" not in answer.content and "Location" not in answer


def asked(visitor: Visitor, address: str) -> bool:
    """Whether the request was refused; it must have been one or the other."""
    answer = visitor.client.get(address)
    assert answer.status_code in (200, 400), answer.status_code
    assert (answer.status_code == 200) == (b"SAMLResponse" in answer.content)
    return refuses(answer)


def sent(visitor: Visitor, document, path: str = "/saml/sso"):
    return visitor.client.post(path, {"SAMLRequest": posted(document)})


# -- 117


@pytest.mark.parametrize(
    "attributes",
    [
        {"AssertionConsumerServiceURL": "https://evil.example/acs"},
        {"AssertionConsumerServiceURL": ACS + "/"},
        {"AssertionConsumerServiceURL": ACS.replace("/acs", "/ACS")},
        {"AssertionConsumerServiceURL": ACS.replace("https://", "http://")},
        {"AssertionConsumerServiceURL": ACS + "?x=1"},
        {"AssertionConsumerServiceURL": ACS + "#x"},
        {"AssertionConsumerServiceURL": ACS.replace("retraite.", "retraite.example.ma@evil.")},
        {"AssertionConsumerServiceURL": " "},
        {"AssertionConsumerServiceURL": TAALIM.acs[0]},
        {"AssertionConsumerServiceIndex": "2"},
        {"AssertionConsumerServiceIndex": "-1"},
        {"AssertionConsumerServiceIndex": "٠"},
        {"AssertionConsumerServiceIndex": "0", "AssertionConsumerServiceURL": ACS},
        {"ProtocolBinding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"},
    ],
)
def test_atk_117_an_address_that_is_not_registered(youssef, clock, attributes):
    assert asked(youssef, redirect(authn_request(clock(), **attributes)))


@pytest.mark.parametrize("issuer", ["https://evil.example/", "", RETRAITE.entity_id.upper(), "a" * 5000])
def test_atk_117_a_site_that_is_not_registered(youssef, clock, issuer):
    assert asked(youssef, redirect(authn_request(clock(), issuer=issuer)))


# -- 118, 119


def test_atk_118_a_name_that_would_be_an_attribute(cast, clock):
    evil = '</saml:AttributeValue></saml:Attribute><saml:Attribute Name="role">x'
    Person.objects.filter(login=YOUSSEF.login).update(first_name_latin=evil)
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    root = into(visitor, clock)
    names = root.xpath("//saml:Attribute/@Name", namespaces=NS)
    assert "role" not in names and names.count("name") == 1
    value = root.xpath("//saml:Attribute[@Name='name']/saml:AttributeValue", namespaces=NS)[0]
    assert evil in value.text and len(value) == 0


def test_atk_119_characters_that_xml_can_not_hold(cast, clock):
    Person.objects.filter(login=YOUSSEF.login).update(first_name_latin="You\x01s\x1bs\ufffeef")
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    root = into(visitor, clock)
    value = root.xpath("//saml:Attribute[@Name='name']/saml:AttributeValue", namespaces=NS)[0]
    assert value.text.startswith("Youssef")


# -- 120


@pytest.mark.parametrize("relay", ["x" * 4097, "ف" * 2049])
def test_atk_120_relay_state_too_long(youssef, clock, relay):
    assert asked(youssef, redirect(authn_request(clock()), relay=relay))


@pytest.mark.parametrize("relay", ['"><script>alert(1)</script>', "javascript:alert(1)", "ف" * 2048, "x" * 4096])
def test_atk_120_relay_state_is_text(youssef, clock, relay):
    youssef.get(redirect(authn_request(clock()), relay=relay))
    assert "<script>alert" not in youssef.html
    form = re.findall(r'name="RelayState" value="([^"]*)"', youssef.html)
    assert len(form) == 1 and "<" not in form[0] and unescape(form[0]) == relay


# -- 121, 122

BOMBS = {
    "file": '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "http": '<!DOCTYPE r [<!ENTITY e SYSTEM "http://127.0.0.1:9/x">]>',
    "external DTD": '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">',
    "parameter": '<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>',
    "laughs": "<!DOCTYPE r [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12))
    + "<!ENTITY e '&a11;'>]>",
    "quadratic": f"<!DOCTYPE r [<!ENTITY e '{'x' * 20_000}'>]>",
    "small letters": "<!doctype r>",
    "empty": "<!DOCTYPE r>",
    "style sheet": '<?xml-stylesheet href="http://127.0.0.1:9/x.xsl" type="text/xsl"?>',
}


@pytest.fixture
def no_connections(monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("way", ["redirect", "post"])
def test_atk_121_document_types_and_entities(clock, no_connections, name, way):
    inside = "<samlp:Extensions>&e;</samlp:Extensions>" if "ENTITY e" in BOMBS[name] else ""
    document = BOMBS[name] + authn_request(clock(), inside=inside)
    assert_read_nowhere(document.encode(), way)


ENCODINGS = ["utf-16", "utf-16-le", "utf-32", "utf-7", "latin-1"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_atk_121_hidden_in_another_encoding(clock, no_connections, encoding):
    document = f'<?xml version="1.0" encoding="{encoding}"?>{BOMBS["file"]}{authn_request(clock())}'
    assert_read_nowhere(document.encode(encoding), "post")


@pytest.mark.parametrize(
    "inside",
    [
        '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>',
        "<samlp:Extensions>" + "<a>" * 30 + "</a>" * 30 + "</samlp:Extensions>",
        "<samlp:Extensions>" + "<a/>" * 2500 + "</samlp:Extensions>",
        "<samlp:Extensions><!-- x --></samlp:Extensions>",
        "<samlp:Extensions><![CDATA[x]]></samlp:Extensions>",
    ],
    ids=["XInclude", "deep", "many", "comment", "CDATA"],
)
def test_atk_121_other_tricks_of_xml(clock, no_connections, inside):
    assert_read_nowhere(authn_request(clock(), inside=inside).encode(), "post")


def assert_read_nowhere(document: bytes, way: str) -> None:
    began = time.process_time()
    visitor = Visitor()
    if way == "post":
        assert refuses(visitor.client.post("/saml/sso", {"SAMLRequest": posted(document)}))
    else:
        assert refuses(visitor.client.get(f"/saml/sso?SAMLRequest={quote_plus(deflated(document))}"))
    assert time.process_time() - began < 1, "reading it was work"


def test_atk_121_the_parser_itself_is_quick_to_refuse():
    for bomb in BOMBS.values():
        began = time.process_time()
        with pytest.raises(xml.XmlRefused):
            xml.parse(f"{bomb}<r>&e;</r>".encode())
        assert time.process_time() - began < 0.05


def bomb(size: int) -> bytes:
    machine = zlib.compressobj(9, wbits=-15)
    return machine.compress(b" " * size) + machine.flush()


def test_atk_122_a_bomb_in_the_address(clock):
    packed = bomb(20 * 1024 * 1024)
    assert len(packed) < 22_000
    query = quote_plus(base64.b64encode(packed).decode())
    assert refuses(Visitor().client.get(f"/saml/sso?SAMLRequest={query}"))
    for cap in (0, 1):
        began = time.process_time()
        with pytest.raises(xml.XmlRefused):
            xml.inflate(bomb(50 * 1024 * 1024) + b"x" * cap)
        assert time.process_time() - began < 2  # making the bomb is what takes the time


def test_atk_122_the_limit_is_exact():
    assert len(xml.inflate(bomb(xml.LONGEST))) == xml.LONGEST
    with pytest.raises(xml.XmlRefused):
        xml.inflate(bomb(xml.LONGEST + 1))
    with pytest.raises(xml.XmlRefused):
        xml.inflate(bomb(100)[:-1])


def test_atk_122_a_bomb_in_a_form(clock):
    assert refuses(sent(Visitor(), bomb(20 * 1024 * 1024)))
    padded = authn_request(clock()).replace("</samlp:", " " * xml.LONGEST + "</samlp:")
    assert sent(Visitor(), padded).status_code in (400, 413)


# -- 123: TAALIM asks for signed requests


def taalim(clock, **attributes) -> str:
    return authn_request(clock(), issuer=TAALIM.entity_id, **attributes)


def test_atk_123_right_signatures_are_taken(youssef, clock):
    assert not asked(youssef, redirect(taalim(clock), key=SITE_KEYS.key))
    assert sent(youssef, enveloped(taalim(clock))).status_code == 303


def test_atk_123_unsigned(youssef, clock):
    assert asked(youssef, redirect(taalim(clock)))
    assert refuses(sent(youssef, taalim(clock)))


def test_atk_123_by_another_key_that_names_itself(youssef, clock):
    """KeyInfo is not read: neither the stranger's certificate nor a KeyValue in the right one's place."""
    assert asked(youssef, redirect(taalim(clock), key=STRANGER_KEYS.key))
    root = enveloped(taalim(clock), STRANGER_KEYS)
    assert refuses(sent(youssef, root))
    info = enveloped(taalim(clock), STRANGER_KEYS)
    held = info.find(f".//{{{DS}}}X509Certificate")
    held.text = xml_signature.certificate_base64(SITE_KEYS.certificate)
    assert refuses(sent(youssef, info))
    numbers = STRANGER_KEYS.key.public_key().public_numbers()
    value = enveloped(taalim(clock), STRANGER_KEYS)
    about = value.find(f".//{{{DS}}}KeyInfo")
    about.clear()
    rsa_value = etree.SubElement(etree.SubElement(about, f"{{{DS}}}KeyValue"), f"{{{DS}}}RSAKeyValue")
    for tag, number in (("Modulus", numbers.n), ("Exponent", numbers.e)):
        raw = number.to_bytes((number.bit_length() + 7) // 8)
        etree.SubElement(rsa_value, f"{{{DS}}}{tag}").text = base64.b64encode(raw).decode()
    assert refuses(sent(youssef, value))


def test_atk_123_a_signature_that_is_not_asked_for_must_be_right_all_the_same(youssef, clock):
    assert asked(youssef, redirect(authn_request(clock()), key=STRANGER_KEYS.key))
    assert refuses(sent(youssef, enveloped(authn_request(clock()), STRANGER_KEYS)))


@pytest.mark.parametrize("algorithm", [RSA_SHA1, HMAC_SHA1, "", "http://example.ma/none"])
def test_atk_123_weak_and_foreign_algorithms(youssef, clock, algorithm):
    """Signed all over again under the other algorithm's name: by SHA-1, or HMAC with the certificate as its key."""
    root = enveloped(taalim(clock))
    info = root.find(f".//{{{DS}}}SignedInfo")
    info.find(f"{{{DS}}}SignatureMethod").set("Algorithm", algorithm)
    octets = xml.canonical(info)
    made = (
        hmac.digest(SITE_KEYS.certificate.encode(), octets, "sha1")
        if algorithm == HMAC_SHA1
        else SITE_KEYS.key.sign(octets, padding.PKCS1v15(), hashes.SHA1())
    )
    root.find(f".//{{{DS}}}SignatureValue").text = base64.b64encode(made).decode()
    assert refuses(sent(youssef, root))
    assert asked(youssef, redirect(taalim(clock), key=SITE_KEYS.key, algorithm=algorithm))


def test_atk_123_a_certificate_that_has_ended(youssef, clock, monkeypatch):
    register(monkeypatch, replace(TAALIM, certificate=EXPIRED.certificate))
    assert asked(youssef, redirect(taalim(clock), key=EXPIRED.key))
    assert refuses(sent(youssef, enveloped(taalim(clock), EXPIRED)))
    register(monkeypatch, replace(TAALIM, certificate=EXPIRED.certificate + SITE_KEYS.certificate))
    assert not asked(youssef, redirect(taalim(clock), key=SITE_KEYS.key)), "two stand there while one is rolled"


def test_atk_123_what_was_changed_after_signing(youssef, clock):
    root = enveloped(taalim(clock))
    root.set("ForceAuthn", "true")
    assert refuses(sent(youssef, root))


# -- 124


def signed_query(clock, *, relay: str = "state") -> str:
    return redirect(taalim(clock), key=SITE_KEYS.key, relay=relay).partition("?")[2]


def test_atk_124_the_order_of_the_address_does_not_matter_the_signed_one_does(youssef, clock):
    parts = signed_query(clock).split("&")
    assert not asked(youssef, "/saml/sso?" + "&".join(reversed(parts)))
    request, relay = (part for part in signed_query(clock).split("&")[:2])
    wrong = f"{relay}&{request}&SigAlg={quote_plus(RSA_SHA256)}"
    signature = SITE_KEYS.key.sign(wrong.encode(), padding.PKCS1v15(), hashes.SHA256())
    assert asked(youssef, f"/saml/sso?{wrong}&Signature={quote_plus(base64.b64encode(signature).decode())}")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda q: f"{q}&SAMLRequest=x",
        lambda q: f"SAMLRequest=x&{q}",
        lambda q: f"{q}&RelayState=other",
        lambda q: f"{q}&Signature=x",
        lambda q: q.replace("RelayState=state", "RelayState=other"),
        lambda q: q.replace("RelayState=state&", ""),
        lambda q: q.replace("sha256", "sha512"),
        lambda q: re.sub("&SigAlg=[^&]*", "", q),
        lambda q: re.sub("&Signature=[^&]*", "", q),
        lambda q: re.sub("Signature=.{8}", "Signature=AAAAAAAA", q),
        lambda q: f"{q}&SAMLEncoding=other",
    ],
)
def test_atk_124_an_address_that_was_changed(youssef, clock, spoil):
    assert asked(youssef, f"/saml/sso?{spoil(signed_query(clock))}")
    without = redirect(taalim(clock), key=SITE_KEYS.key)
    assert asked(youssef, f"{without}&RelayState=mine"), "one was added"


def test_atk_124_a_signature_inside_does_not_count_in_an_address(youssef, clock):
    assert asked(youssef, redirect(etree.tostring(enveloped(taalim(clock)))))


# -- 125: signature wrapping. `evil` asks what was never signed; the signature of `good` is put to every use.


def _signature(root):
    return root.find(f"{{{DS}}}Signature")


def _plain(good):
    """The signed message, without its signature."""
    found = copy.deepcopy(good)
    found.remove(_signature(found))
    return found


def _signed_by(good, evil):
    """The evil one with the good one's signature."""
    evil.insert(1, copy.deepcopy(_signature(good)))
    return evil


def _inside(parent, name, *children):
    held = etree.SubElement(parent, name)
    held.extend(children)
    return held


def xsw1(good, evil):
    """The signed one inside the signature of the other."""
    _signature(_signed_by(good, evil)).append(_plain(good))
    return evil


def xsw2(good, evil):
    """The signature beside the signed one."""
    _signed_by(good, evil).append(_plain(good))
    return evil


def xsw3(good, evil):
    """The signed one, whole, as the first child."""
    evil.insert(1, good)
    return evil


def xsw4(good, evil):
    """The evil one inside the signed one."""
    good.append(evil)
    return good


def xsw5(good, evil):
    """The evil one takes the signature and the ID; the signed one stands after it."""
    evil.set("ID", "_good")
    return xsw2(good, evil)


def xsw6(good, evil):
    """The signed one deep inside the signature, in an Object."""
    _inside(_signature(_signed_by(good, evil)), f"{{{DS}}}Object", _plain(good))
    return evil


def xsw7(good, evil):
    """The signed one in Extensions."""
    _inside(evil, f"{{{SAMLP}}}Extensions", good)
    return evil


def xsw8(good, evil):
    """The evil one keeps the signature, which holds the signed one, whole, in an Object."""
    _inside(_signature(_signed_by(good, evil)), f"{{{DS}}}Object", good)
    return evil


def two_signatures(good, evil):
    return _signed_by(good, good)


def id_in_other_words(good, evil):
    """An `Id` and an `xml:id` with the value that was signed."""
    (held,) = _inside(_signed_by(good, evil), f"{{{SAMLP}}}Extensions", _plain(good))
    held.set("Id", held.attrib.pop("ID"))
    held.set("{http://www.w3.org/XML/1998/namespace}id", "_good")
    return evil


def same_id_twice(good, evil):
    evil.set("ID", "_good")
    _inside(good, f"{{{SAMLP}}}Extensions", evil)
    return good


def no_reference(good, evil):
    del good.find(f".//{{{DS}}}Reference").attrib["URI"]
    return good


def two_references(good, evil):
    reference = good.find(f".//{{{DS}}}Reference")
    reference.addnext(copy.deepcopy(reference))
    return good


def path_filter(good, evil):
    transform = _inside(good.find(f".//{{{DS}}}Transforms"), f"{{{DS}}}Transform")
    transform.set("Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116")
    etree.SubElement(transform, f"{{{DS}}}XPath").text = "false()"
    return good


SPOILED = {
    "other reference": ("Reference", "URI", "#other"),
    "empty reference": ("Reference", "URI", ""),
    "external reference": ("Reference", "URI", "http://127.0.0.1:9/x"),
    "style sheet": ("Transform", "Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
    # inclusive, with comments, or of a relative namespace that canonicalizes to nothing
    "other C14N": ("CanonicalizationMethod", "Algorithm", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
}
WRAPPINGS = [
    xsw1, xsw2, xsw3, xsw4, xsw5, xsw6, xsw7, xsw8, two_signatures, id_in_other_words, same_id_twice, no_reference,
    two_references, path_filter, *SPOILED,
]  # fmt: skip


@pytest.mark.parametrize("how", WRAPPINGS, ids=lambda how: how if isinstance(how, str) else how.__name__)
def test_atk_125_signature_wrapping(youssef, clock, no_connections, how):
    assert sent(youssef, enveloped(taalim(clock))).status_code == 303, "unspoiled it is taken"
    good, evil = enveloped(taalim(clock, id="_good")), etree.fromstring(taalim(clock, id="_evil", ForceAuthn="true"))
    if isinstance(how, str):
        element, attribute, value = SPOILED[how]
        good.find(f".//{{{DS}}}{element}").set(attribute, value)
    assert refuses(sent(youssef, good if isinstance(how, str) else how(good, evil)))


def test_atk_125_what_nobody_can_canonicalize(youssef, clock):
    """Relative namespaces make some libraries canonicalize to nothing, and then sign and verify nothing."""
    root = etree.tostring(enveloped(taalim(clock))).decode()
    assert refuses(sent(youssef, root.replace("<ds:SignedInfo", '<ds:SignedInfo xmlns:n="1"', 1)))
    assert refuses(sent(youssef, root.replace('ID="_', 'xmlns:n="1" n:x="" ID="_', 1)))


def test_atk_125_the_part_that_was_signed_is_the_part_that_is_used(clock):
    root = enveloped(taalim(clock, id="_one"))
    certificates = saml_certificate.usable(SITE_KEYS.certificate, now=clock())
    found = xml_signature.verify(root, certificates=certificates, now=clock())
    assert found is not root and found.get("ID") == "_one"
    assert found.find(f"{{{DS}}}Signature") is None, "the signature is no part of what it signs"


# -- 126


def test_atk_126_a_request_comes_once(youssef, clock):
    address = redirect(authn_request(clock()))
    assert not asked(youssef, address)
    assert asked(youssef, address)
    clock.advance(minutes=4)
    assert asked(Visitor(), address)


@pytest.mark.parametrize(
    ("minutes", "refused"),
    [(0, False), (4.9, False), (5.1, True), (-0.9, False), (-1.1, True), (60 * 24, True)],
)
def test_atk_126_a_request_is_young(youssef, clock, minutes, refused):
    said = clock() - timedelta(minutes=minutes)
    assert asked(youssef, redirect(authn_request(said))) is refused


@pytest.mark.parametrize(
    "attributes",
    [
        {"IssueInstant": ""},
        {"IssueInstant": "now"},
        {"IssueInstant": "9999-99-99T99:99:99Z"},
        {"ID": ""},
        {"ID": "1"},
        {"ID": "_" + "x" * 200},
        {"Version": "1.1"},
        {"Destination": "https://elsewhere.example.ma/saml/sso"},
        {"Destination": SLO},
        {"ForceAuthn": "yes"},
    ],
)
def test_atk_126_what_a_request_must_say(youssef, clock, attributes):
    values = {name: value for name, value in attributes.items() if value}
    text = authn_request(clock(), **values)
    for name in set(attributes) - set(values):
        text = re.sub(rf' {name}="[^"]*"', "", text)
    assert asked(youssef, redirect(text))


def test_atk_126_a_signed_message_says_where_it_goes(youssef, clock):
    assert asked(youssef, redirect(taalim(clock, Destination=""), key=SITE_KEYS.key))


def test_atk_126_a_logout_comes_once(youssef, clock):
    name, index = visit(youssef, clock)
    request = redirect(logout_request(clock(), name=name, index=index), key=SITE_KEYS.key, to="/saml/slo")
    assert youssef.client.get(request).status_code == 303
    assert refuses(youssef.client.get(request))


# -- 127


def test_atk_127_a_logout_must_be_signed_by_the_site_and_in_time(youssef, clock, monkeypatch):
    name, index = visit(youssef, clock)
    assert refuses(leave(youssef, clock, name, index, key=None))
    assert refuses(leave(youssef, clock, name, index, key=STRANGER_KEYS.key))
    assert refuses(sent(youssef, logout_request(clock(), name=name, index=index), "/saml/slo"))
    assert refuses(leave(youssef, clock, name, index, NotOnOrAfter=written(clock()))), "it has run out"
    register(monkeypatch, replace(RETRAITE, certificate=""))
    assert refuses(leave(youssef, clock, name, index)), "without a certificate nobody is signed out"
    assert youssef.signed_in


def test_atk_127_names_and_sessions_that_do_not_belong_together(youssef, jamal, clock):
    mine, theirs = visit(youssef, clock), visit(jamal, clock)
    tried = [(theirs[0], mine[1]), (mine[0], theirs[1]), (theirs[0], theirs[1]), ("s-nobody", mine[1]),
             (mine[0], "no-session"), (YOUSSEF.login, mine[1])]  # fmt: skip
    for name, index in tried:
        answer = leave(youssef, clock, name, index)
        assert answer.status_code == 303 and b"SAMLResponse" not in answer.content
        assert youssef.signed_in and jamal.signed_in, (name, index)


def test_atk_127_a_name_of_another_site(youssef, clock, monkeypatch):
    other = replace(
        RETRAITE,
        slug="other",
        entity_id="https://other.example.ma/saml",
        acs=("https://other.example.ma/acs",),
    )
    register(monkeypatch, RETRAITE, other)
    name, index = visit(youssef, clock)
    leave(youssef, clock, name, index, issuer=other.entity_id)
    assert youssef.signed_in


def test_atk_127_without_a_session_index_only_the_sites_own_sessions(youssef, clock):
    elsewhere = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    name, _index = visit(youssef, clock)
    leave(youssef, clock, name, "")
    assert not youssef.signed_in and elsewhere.signed_in


# -- 128: our answers, held against a strict site (python3-saml)


@pytest.fixture
def answer_of(youssef):
    """(id of the request, the form that went to the site)"""
    site = relying_site(youssef)
    youssef.get(local(site.login()))
    return site.get_last_request_id(), carried(youssef)


def believed(visitor, form, request_id, **about) -> bool:
    site = relying_site(visitor, post_data=form, **about)
    site.process_response(request_id=request_id)
    return not site.get_errors() and site.is_authenticated()


@pytest.mark.usefixtures("real_time")
def test_atk_128_our_answer_binds_itself(youssef, answer_of):
    """Audience, Recipient and InResponseTo are there for the site to check, and it does."""
    asked_for, form = answer_of
    assert believed(youssef, form, asked_for)
    assert not believed(youssef, form, "_another-request")
    assert not believed(youssef, form, asked_for, http_host="other.example.ma")


@pytest.mark.usefixtures("real_time")
def test_atk_128_what_was_changed_or_taken_out_is_not_believed(youssef, answer_of):
    asked_for, form = answer_of
    document = base64.b64decode(form["SAMLResponse"])

    def another_name(root):
        root.find(".//saml:NameID", NS).text = "s-somebody-else"

    def commented_name(root):
        name = root.find(".//saml:NameID", NS)
        name.append(etree.Comment("x"))
        name[0].tail = "tail"

    def unsigned(root):
        root.remove(root.find("ds:Signature", NS))

    def both_unsigned(root):
        for signature in list(root.iter(f"{{{DS}}}Signature")):
            signature.getparent().remove(signature)

    def second_assertion(root):
        evil = copy.deepcopy(root.find("saml:Assertion", NS))
        evil.set("ID", "_evil")
        root.insert(2, evil)

    for change in (another_name, commented_name, unsigned, both_unsigned, second_assertion):
        root = etree.fromstring(document)
        change(root)
        form = {"SAMLResponse": base64.b64encode(etree.tostring(root)).decode()}
        assert not believed(youssef, form, asked_for), change.__name__


@pytest.mark.usefixtures("real_time")
def test_atk_128_our_answer_runs_out(youssef, answer_of, clock):
    root = etree.fromstring(base64.b64decode(answer_of[1]["SAMLResponse"]))
    for path in (".//saml:Conditions", ".//saml:SubjectConfirmationData"):
        assert root.find(path, NS).get("NotOnOrAfter") == written(clock() + timedelta(minutes=3))
    assert urlsplit(root.get("Destination")).netloc == "retraite.example.ma"
