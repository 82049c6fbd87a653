#!/usr/bin/env bash
# pysaml2 signs requests that go by an address (Redirect binding) with RSA and SHA-1 unless the site's settings say otherwise.
#
# Seen with: pysaml2 7.5.5 with xmlsec1 from the system. NIST SP 800-131A no longer allows SHA-1 for making signatures.
# Why it matters: the account takes SHA-256 and better. The signature counts as none (docs/adr/0041), so a site that must sign is
# refused, and at a sign-out of any other the person is asked first; its operator sees "signed" in his own settings.
# Ours: docs/integrate/python.md and tests/servers/test_pysaml2.py say `signing_algorithm`; what a SHA-1 signature is worth:
# tests/sso/test_microsoft365.py.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip --quiet --disable-pip-version-check install pysaml2==7.5.5
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=site -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>"$folder/openssl"

seen=$(cd "$folder" && "$folder/env/bin/python" - <<'PYTHON'
import shutil
import sys
from importlib.metadata import version
from urllib.parse import parse_qs, urlsplit

from saml2 import BINDING_HTTP_REDIRECT
from saml2.client import Saml2Client
from saml2.config import SPConfig

print(f"version:  pysaml2 {version('pysaml2')}", file=sys.stderr)
REDIRECT, PROTOCOL = BINDING_HTTP_REDIRECT, "urn:oasis:names:tc:SAML:2.0:protocol"
ACCOUNT = f"""<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://account.example/">
<IDPSSODescriptor protocolSupportEnumeration="{PROTOCOL}">
<SingleSignOnService Binding="{REDIRECT}" Location="https://account.example/sso"/></IDPSSODescriptor></EntityDescriptor>"""
settings = {
    "entityid": "https://site.example/",
    "key_file": "key.pem",
    "cert_file": "cert.pem",
    "xmlsec_binary": shutil.which("xmlsec1"),
    "metadata": {"inline": [ACCOUNT]},
    "service": {
        "sp": {
            "authn_requests_signed": True,
            "endpoints": {"assertion_consumer_service": [("https://site.example/acs", "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST")]},
        }
    },
}
_, sent = Saml2Client(SPConfig().load(settings)).prepare_for_authenticate("https://account.example/", binding=REDIRECT)
print(parse_qs(urlsplit(dict(sent["headers"])["Location"]).query)["SigAlg"][0])
PYTHON
)
echo "expected: http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
echo "seen:     $seen"
[ "$seen" = "http://www.w3.org/2000/09/xmldsig#rsa-sha1" ]
