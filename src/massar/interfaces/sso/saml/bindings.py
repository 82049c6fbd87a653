"""The two ways a SAML message travels through a browser: in the address (Redirect) or in a form (POST).

SAML bindings §3.4 and §3.5. The signature of the Redirect binding is over the values as they were encoded by the
sender, so they are taken from the raw query and put in the order of the specification.
"""

from __future__ import annotations

import base64
from urllib.parse import unquote_plus, urlencode

from massar.core import xml
from massar.core.saml.decode import EncodedMessage
from massar.core.saml.encode import encode
from massar.core.saml.messages import LogoutRequest, LogoutResponse, MessageRefused
from massar.core.xml_signature import RSA_SHA256, XmlSigner
from massar.interfaces.base.request import Request

LONGEST_QUERY = 32 * 1024  # characters
DEFLATE = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
_PARAMETERS = ("SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding")


def received(request: Request, name: str) -> EncodedMessage:
    """The message under that name (SAMLRequest, SAMLResponse). Raises MessageRefused."""
    if request.method != "POST":
        return _in_address(request.META.get("QUERY_STRING", ""), name)
    values, relay = request.POST.getlist(name), request.POST.getlist("RelayState") or [""]
    if len(values) != 1 or len(relay) != 1:
        raise MessageRefused("request", f"The form must hold one {name} and at most one RelayState.")
    return EncodedMessage(_decoded("".join(values[0].split())), relay[0])


def _in_address(query: str, name: str) -> EncodedMessage:
    if len(query) > LONGEST_QUERY:
        raise MessageRefused("request", "The address is too long.")
    raw: dict[str, str] = {}
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key in _PARAMETERS and key in raw:
            raise MessageRefused("request", f"{key} stands twice in the address.")
        raw[key] = value
    if not raw.get(name) or unquote_plus(raw.get("SAMLEncoding", DEFLATE)) != DEFLATE:
        raise MessageRefused("request", f"The address must hold one {name}, deflated.")
    try:
        document = xml.inflate(_decoded(unquote_plus(raw[name])))
    except xml.XmlRefused as refused:
        raise MessageRefused("request", f"The message was not read: {refused}.") from refused
    signature = None
    if raw.get("Signature"):
        octets = "&".join(f"{key}={raw[key]}" for key in (name, "RelayState", "SigAlg") if key in raw)
        signed = octets.encode("utf-8", "surrogatepass")
        signature = signed, _decoded(unquote_plus(raw["Signature"])), unquote_plus(raw.get("SigAlg", ""))
    elif "SigAlg" in raw:
        raise MessageRefused("request", "SigAlg without a Signature.")
    return EncodedMessage(document, unquote_plus(raw.get("RelayState", "")), True, signature)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as trouble:
        raise MessageRefused("request", "The message is not base64.") from trouble


def redirect_url(message: LogoutRequest | LogoutResponse, name: str, relay_state: str, signer: XmlSigner) -> str:
    """Where to send the browser with a message of the account, signed beside it."""
    query = {name: base64.b64encode(xml.deflate(encode(message))).decode()}
    if relay_state:
        query["RelayState"] = relay_state
    octets = urlencode({**query, "SigAlg": RSA_SHA256})
    signature = base64.b64encode(signer.sign_octets(octets.encode())).decode()
    to = message.destination
    return f"{to}{'&' if '?' in to else '?'}{octets}&{urlencode({'Signature': signature})}"
