"""A site's metadata becomes a table of the registry, which then reads it without a mistake."""

import base64
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from onelogin.saml2.metadata import OneLogin_Saml2_Metadata

from massar.domain.sites import saml_metadata
from massar.domain.sites.registry import Site
from massar.domain.sites.saml_metadata import MetadataRefused
from massar.interfaces.commands import sites as command
from tests.sso.saml_site import ACS, ACS_TWO, ENTITY, SITE_KEYS, SLO_OF_SITE, STRANGER_KEYS
from tests.support.sites import load

NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
HEAD = (
    '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
    'xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{entity}">{inside}</md:EntityDescriptor>'
)
POST, REDIRECT, SOAP, ARTIFACT, PAOS = (
    f"urn:oasis:names:tc:SAML:2.0:bindings:{end}"
    for end in ("HTTP-POST", "HTTP-Redirect", "SOAP", "HTTP-Artifact", "PAOS")
)


def read(document: bytes) -> dict:
    return saml_metadata.read(document, now=NOW)[0]


def registered(table: str, folder: Path) -> Site:
    """The site that the registry reads from the table."""
    (folder / "sites.toml").write_text(table)
    return load(folder / "sites.toml").by_slug["retraite"]


@pytest.fixture
def printed(tmp_path, capsys):
    """What `massar sites import-metadata` prints for a file: (output, error stream)."""

    def run(document: bytes) -> tuple[str, str]:
        (tmp_path / "site.xml").write_bytes(document)
        assert command.import_metadata(str(tmp_path / "site.xml")) == 0
        return capsys.readouterr()

    return run


def bare(certificate: str) -> str:
    return "".join(certificate.splitlines()[1:-1])


def key(certificate: str, use: str = ' use="signing"') -> str:
    held = f"<ds:X509Data><ds:X509Certificate>\n{bare(certificate)}\n</ds:X509Certificate></ds:X509Data>"
    return f"<md:KeyDescriptor{use}><ds:KeyInfo>{held}</ds:KeyInfo></md:KeyDescriptor>"


def acs(location: str, index: object, *, binding: str = POST, default: bool | None = None) -> str:
    mark = "" if default is None else f' isDefault="{str(default).lower()}"'
    number = "" if index is None else f' index="{index}"'
    return f'<md:AssertionConsumerService Binding="{binding}" Location="{location}"{number}{mark}/>'


def metadata(inside: str, *, entity: str = ENTITY, signed: str = "true") -> bytes:
    protocols = 'protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"'
    role = f'<md:SPSSODescriptor {protocols} AuthnRequestsSigned="{signed}">{inside}</md:SPSSODescriptor>'
    return HEAD.format(entity=entity, inside=role).encode()


def logout(binding: str, location: str, answers: str = "") -> str:
    back = f' ResponseLocation="{answers}"' if answers else ""
    return f'<md:SingleLogoutService Binding="{binding}" Location="{location}"{back}/>'


THREE = "https://retraite.example.ma/saml/acs3"
FULL = (
    key(SITE_KEYS.certificate)
    + key(STRANGER_KEYS.certificate, ' use="encryption"')
    + logout(REDIRECT, SLO_OF_SITE)
    + "<md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</md:NameIDFormat>"
    + acs(ACS_TWO, 0)
    + acs(ACS, 1, default=True)
    + acs("https://retraite.example.ma/artifact", 2, binding=ARTIFACT)
)
GOOD = key(SITE_KEYS.certificate) + acs(ACS, 0) + logout(REDIRECT, SLO_OF_SITE)


def test_everything_that_the_registry_wants_and_reads(tmp_path, printed):
    assert read(metadata(FULL)) == {
        "protocol": "saml", "entity_id": ENTITY, "acs": [ACS, ACS_TWO], "acs_indexes": [1, 0], "slo": SLO_OF_SITE,
        "name_id": "email", "certificate": SITE_KEYS.certificate, "signed_requests": True,
    }  # fmt: skip
    site = registered(printed(metadata(FULL))[0], tmp_path)
    assert (site.entity_id, site.acs, site.certificate) == (ENTITY, (ACS, ACS_TWO), SITE_KEYS.certificate)
    assert site.acs_by_index == {"1": ACS, "0": ACS_TWO}


@pytest.mark.parametrize(("ends", "addresses", "indexes"), [
    ([acs(ACS, 0), acs(ACS_TWO, 1)], [ACS, ACS_TWO], None),
    ([acs(ACS, 1), acs(ACS_TWO, 2)], [ACS, ACS_TWO], [1, 2]),
    ([acs(ACS, 7)], [ACS], [7]),
    ([acs(ACS, 65535)], [ACS], [65535]),
    ([acs(ACS, None), acs(ACS_TWO, None)], [ACS, ACS_TWO], None),
    ([acs(ACS, 0), acs("https://x.ma/", 1, binding=ARTIFACT), acs(ACS_TWO, 2)], [ACS, ACS_TWO], [0, 2]),
    # the default: as written the first that is true, else the first that does not say false, else the first
    ([acs(ACS, 0), acs(ACS_TWO, 1, default=True), acs(THREE, 2, default=True)], [ACS_TWO, ACS, THREE], [1, 0, 2]),
    ([acs(ACS, 0, default=False), acs(ACS_TWO, 1)], [ACS_TWO, ACS], [1, 0]),
    ([acs(ACS_TWO, 1), acs(ACS, 0)], [ACS_TWO, ACS], [1, 0]),
    ([acs(ACS, 1, default=False), acs(ACS_TWO, 0, default=False)], [ACS, ACS_TWO], [1, 0]),
    # one address under two numbers stays under both; the same line twice is one
    ([acs(ACS, 0), acs(ACS, 1), acs(ACS, 1)], [ACS, ACS], None),
])  # fmt: skip
def test_the_site_keeps_its_own_numbers(tmp_path, capsys, ends, addresses, indexes):
    values = read(metadata(key(SITE_KEYS.certificate) + "".join(ends)))
    assert (values["acs"], values.get("acs_indexes")) == (addresses, indexes)
    site = registered(saml_metadata.as_toml("retraite", values), tmp_path)
    numbers = map(str, indexes or range(len(addresses)))
    assert list(site.acs_by_index.items()) == list(zip(numbers, addresses, strict=True))


@pytest.mark.parametrize(("index", "why"), [
    *((none, "from 0 to 65535") for none in (-1, 65536, "x", "٠", "9" * 5000)),
    *((i, "of its own") for i in (0, None)),
])  # fmt: skip
def test_a_number_that_is_none_or_not_its_own(index, why):
    with pytest.raises(MetadataRefused, match=why):
        read(metadata(acs(ACS, 0) + acs(ACS_TWO, index)))


def test_every_way_to_tell_the_site_of_a_sign_out_and_both_certificates_while_it_rolls_its_key():
    soap, answers = "https://retraite.example.ma/soap", f"{SLO_OF_SITE}/answers"
    keys = key(SITE_KEYS.certificate) + key(STRANGER_KEYS.certificate, "")
    values = read(metadata(keys + logout(SOAP, soap) + logout(REDIRECT, SLO_OF_SITE, answers) + acs(ACS, 0)))
    assert [values[name] for name in ("slo", "slo_response", "slo_soap")] == [SLO_OF_SITE, answers, soap]
    assert values["certificate"] == SITE_KEYS.certificate + STRANGER_KEYS.certificate


def test_the_names_that_the_site_asks_for(tmp_path, printed):
    """Those that are known become a table with the fitting claim; the registry reads it."""
    names = ("urn:oid:0.9.2342.19200300.100.1.3", "sn", "eduPersonAffiliation")
    asked = "".join(f'<md:RequestedAttribute Name="{name}"/>' for name in names)
    service = f'<md:AttributeConsumingService index="0">{asked}</md:AttributeConsumingService>'
    site = registered(printed(metadata(FULL + service))[0], tmp_path)
    assert site.released == {"urn:oid:0.9.2342.19200300.100.1.3": "email", "sn": "family_name"}


def test_metadata_of_a_public_library():
    sp = {
        "entityId": ENTITY, "assertionConsumerService": {"url": ACS, "binding": POST},
        "singleLogoutService": {"url": SLO_OF_SITE, "binding": REDIRECT},
        "NameIDFormat": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient", "attributeConsumingService": {},
    }  # fmt: skip
    made = OneLogin_Saml2_Metadata.builder(sp, authnsign=True, wsign=True)
    made = OneLogin_Saml2_Metadata.add_x509_key_descriptors(made, SITE_KEYS.certificate, False)
    values = read(made if isinstance(made, bytes) else made.encode())
    assert (values["acs"], values["slo"], values["name_id"]) == ([ACS], SLO_OF_SITE, "transient")
    assert values["certificate"] == SITE_KEYS.certificate


@pytest.mark.parametrize("evil", ['a"\nclient_secret = "x', "a\\u0022", "a\x7fb", 'a"""b', "ب"])
def test_no_text_leaves_its_quotes(evil):
    said = {"protocol": "saml", "entity_id": evil, "acs": [evil]}
    assert tomllib.loads(saml_metadata.as_toml("site", said))["sites"]["site"] == said


def test_a_name_from_the_host(printed):
    for entity, name in (("https://www.Retraite.example.ma/x", "retraite"), ("urn:site:1", "new-site")):
        assert printed(metadata(FULL, entity=entity))[0].startswith(f"[sites.{name}]")


COMMENT = b"<!-- This is example metadata only. -->"


def test_a_comment_is_no_obstacle_and_changes_no_value():
    """Shibboleth writes one before the root."""
    whole = metadata(FULL)
    inside = whole.replace(b"nameid-format:emailAddress", b"nameid-format:emailA<!-- x -->ddress")
    beside = (COMMENT + b"\n" + whole, b"\n\n" + whole, b'<?xml version="1.0"?>\n' + COMMENT + whole, whole + COMMENT)
    for document in (*beside, inside):
        assert read(document) == read(whole)


@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "soon"])
@pytest.mark.parametrize("element", [b"<md:EntityDescriptor", b"<md:SPSSODescriptor"])
def test_what_was_good_until_yesterday_is_refused(until, element):
    with pytest.raises(MetadataRefused, match="good until"):
        read(metadata(FULL).replace(element, element + b' validUntil="' + until.encode() + b'"'))
    later = b' validUntil="2026-03-01T00:00:00Z"'
    assert read(metadata(FULL).replace(element, element + later)) == read(metadata(FULL))


OLD = "urn:oasis:names:tc:SAML:1.0:profiles:browser-post"
WHERE = "https://retraite.example.ma/x"


def left_out(inside: str) -> list[str]:
    return saml_metadata.read(metadata(inside), now=NOW)[1]


@pytest.mark.parametrize("binding", [REDIRECT, POST])
def test_a_site_is_told_by_what_it_speaks(binding, tmp_path, capsys):
    """POST alone is Spring Security's default; where both are there, Redirect needs no script and no button."""
    ends = logout(binding, SLO_OF_SITE, f"{SLO_OF_SITE}/answers") + acs(ACS, 0)
    values = read(metadata(key(SITE_KEYS.certificate) + ends))
    assert (values["slo"], values["slo_response"]) == (SLO_OF_SITE, f"{SLO_OF_SITE}/answers")
    assert values.get("slo_binding", "redirect") == ("post" if binding == POST else "redirect")
    site = registered(saml_metadata.as_toml("retraite", values), tmp_path)
    assert (site.slo, site.slo_answers) == (SLO_OF_SITE, f"{SLO_OF_SITE}/answers")


def test_nothing_is_said_where_everything_was_taken():
    transient = "<md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:transient</md:NameIDFormat>"
    both = key(SITE_KEYS.certificate) + acs(ACS, 0) + logout(POST, SLO_OF_SITE) + logout(SOAP, f"{SLO_OF_SITE}/s")
    assert left_out(GOOD + transient) == left_out(both) == []


@pytest.mark.parametrize(("inside", "sentence"), [
    (GOOD + acs(WHERE, 1, binding=ARTIFACT), f"AssertionConsumerService {WHERE} (HTTP-Artifact) is left out"),
    (GOOD + acs(WHERE, 1, binding=PAOS), "(PAOS) is left out: answers go by HTTP-POST only"),
    (GOOD + acs(WHERE, 1, binding=OLD), "(browser-post) is left out"),
    (GOOD + acs("", 1), "AssertionConsumerService without a Location"),
    (GOOD + logout(POST, WHERE), f"SingleLogoutService {WHERE} (HTTP-POST) is left out: one for the browser"),
    (GOOD + logout(REDIRECT, WHERE), f"SingleLogoutService {WHERE} (HTTP-Redirect) is left out"),
    (GOOD + logout(ARTIFACT, WHERE), f"SingleLogoutService {WHERE} (HTTP-Artifact) is left out: HTTP-Redirect"),
    (GOOD + logout("urn:x:own", WHERE), "(own) is left out"),
    (GOOD + logout(POST, ""), "SingleLogoutService without a Location"),
    (key(SITE_KEYS.certificate) + acs(ACS, 0), "has no SingleLogoutService (none): it can't be told"),
    (GOOD + key(STRANGER_KEYS.certificate, ' use="encryption"'), "certificate for encryption is left out"),
    (GOOD + "<md:KeyDescriptor><ds:KeyInfo/></md:KeyDescriptor>", "a key without a certificate is left out"),
    (GOOD + "<md:NameIDFormat>urn:x:kerberos</md:NameIDFormat>", "of the site is given here (kerberos)"),
    (GOOD + '<md:RequestedAttribute Name="eduPersonAffiliation"/>', "eduPersonAffiliation is left out: give"),
    (GOOD + '<md:RequestedAttribute Name="cnie" isRequired="true"/>', "although the site calls it required"),
    (GOOD + '<md:ManageNameIDService Binding="x" Location="y"/>', "ManageNameIDService is left out"),
    (GOOD + '<md:ArtifactResolutionService Binding="x" Location="y"/>', "ArtifactResolutionService is left out"),
])  # fmt: skip
def test_what_is_left_out_is_said_in_a_sentence(inside, sentence):
    found = left_out(inside)
    assert len(found) == 1 and sentence in found[0] and found[0].endswith(".") and "\n" not in found[0]


def test_logout_by_artifact_alone_is_told_twice_why(printed):
    """What is left out stands on the error stream; the table can be sent to a file."""
    out, err = printed(metadata(key(SITE_KEYS.certificate) + acs(ACS, 0) + logout(ARTIFACT, WHERE)))
    assert "\nslo" not in out and err.count("note: ") == 2 and "can't be told of a sign-out" in err


def together(*entities: str) -> bytes:
    head = '<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">'
    return f"{head}{''.join(entities)}</md:EntitiesDescriptor>".encode()


BOTH = together(*(metadata(GOOD, entity=name).decode() for name in ("urn:a", "urn:b")))


@pytest.mark.parametrize(("document", "why"), [
    (b"", "not well-formed"),
    (b"no XML", "not well-formed"),
    (b"<a>" + b" " * 1024 * 1024 + b"</a>", "longer than 1048576 bytes"),
    (b'<!DOCTYPE a [<!ENTITY e "x">]>' + metadata(FULL), "document type"),
    (b"<!DOCTYPE r>" + metadata(FULL), "document type"),
    (b"<!-- x --><!DOCTYPE r [<!ENTITY e 'x'>]>" + metadata(FULL), "document type"),
    (b"<?xml-stylesheet href='x'?>" + metadata(FULL), "processing instruction"),
    (metadata(FULL.replace(bare(SITE_KEYS.certificate), base64.b64encode(b"nothing").decode())), "can't be read"),
    (BOTH, "several service providers (urn:a, urn:b): give a file with the one that is meant"),
    (metadata(key(SITE_KEYS.certificate) + acs(ACS, 0, binding=ARTIFACT)), "(the site has HTTP-Artifact)"),
    (metadata(key(SITE_KEYS.certificate)), "no AssertionConsumerService for HTTP-POST, and answers go by"),
    (HEAD.format(entity=ENTITY, inside="<md:IDPSSODescriptor/>").encode(), "no SPSSODescriptor is there"),
    (metadata(FULL).replace(b"SAML:2.0:protocol", b"SAML:1.1:protocol"), "no SPSSODescriptor speaks SAML 2.0"),
    (metadata(FULL, entity=""), "has no entityID"),
])  # fmt: skip
def test_why_a_file_can_not_be_used(document, why, tmp_path, capsys):
    with pytest.raises(MetadataRefused, match=re.escape(why)):
        read(document)
    file = tmp_path / "bad.xml"
    file.write_bytes(document)
    assert command.import_metadata(str(file)) == 1
    assert "can't be used" in capsys.readouterr().err


def test_one_of_several_that_is_a_site_is_taken():
    provider = HEAD.format(entity="urn:idp", inside="<md:IDPSSODescriptor/>")
    assert read(together(provider, metadata(GOOD).decode())) == read(metadata(GOOD))
