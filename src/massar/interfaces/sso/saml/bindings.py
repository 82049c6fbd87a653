"""The two ways a SAML message travels through a browser: in the address (Redirect) or in a form (POST).

SAML bindings §3.4 and §3.5. The signature of the Redirect binding is over the values as they were encoded by the
sender, so they are taken from the raw query and put in the order of the specification.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus, urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from massar.core import xml
from massar.core.xml_signature import RSA_SHA256
from massar.domain.sites import api as sites
from massar.interfaces.base.request import Request
from massar.journeys.sso.saml.message import Beside, Message, Refused

LONGEST_QUERY = 32 * 1024  # characters
DEFLATE = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
_OURS = ("SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding")


def received(request: Request, name: str) -> Message:
    """The message under that name (SAMLRequest, SAMLResponse). Raises Refused."""
    return _posted(request, name) if request.method == "POST" else _in_address(request, name)


def _posted(request: Request, name: str) -> Message:
    values, relay = request.POST.getlist(name), request.POST.getlist("RelayState") or [""]
    if len(values) != 1 or len(relay) != 1:
        raise Refused("request", f"The form must hold one {name} and at most one RelayState.")
    return Message(_decoded("".join(values[0].split())), relay[0], redirect=False)


def _in_address(request: Request, name: str) -> Message:
    query = request.META.get("QUERY_STRING", "")
    if len(query) > LONGEST_QUERY:
        raise Refused("request", "The address is too long.")
    raw: dict[str, str] = {}
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key in _OURS and key in raw:
            raise Refused("request", f"{key} stands twice in the address.")
        raw[key] = value
    if not raw.get(name) or unquote_plus(raw.get("SAMLEncoding", DEFLATE)) != DEFLATE:
        raise Refused("request", f"The address must hold one {name}, deflated.")
    try:
        document = xml.inflate(_decoded(unquote_plus(raw[name])))
    except xml.XmlRefused as refused:
        raise Refused("request", f"The message was not read: {refused}.") from refused
    return Message(document, unquote_plus(raw.get("RelayState", "")), redirect=True, beside=_beside(raw, name))


def _beside(raw: dict[str, str], name: str) -> Beside | None:
    if not raw.get("Signature"):
        if "SigAlg" in raw:
            raise Refused("request", "SigAlg without a Signature.")
        return None
    octets = "&".join(f"{key}={raw[key]}" for key in (name, "RelayState", "SigAlg") if key in raw)
    return Beside(
        octets.encode("utf-8", "surrogatepass"),
        _decoded(unquote_plus(raw["Signature"])),
        unquote_plus(raw.get("SigAlg", "")),
    )


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as trouble:
        raise Refused("request", "The message is not base64.") from trouble


def address(to: str, name: str, document: bytes, *, relay_state: str, signer: sites.Signer) -> str:
    """Where to send the browser with a message of ours, signed."""
    query = {name: base64.b64encode(xml.deflate(document)).decode()}
    if relay_state:
        query["RelayState"] = relay_state
    octets = urlencode({**query, "SigAlg": RSA_SHA256})
    signature = signer.key.sign(octets.encode(), padding.PKCS1v15(), hashes.SHA256())
    encoded = urlencode({"Signature": base64.b64encode(signature).decode()})
    return f"{to}{'&' if '?' in to else '?'}{octets}&{encoded}"
