"""The names of SAML 2.0: namespaces, bindings, formats of a NameID, status codes, classes of a sign-in."""

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
ALG = "urn:oasis:names:tc:SAML:metadata:algsupport"
SOAP_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
POST, REDIRECT, SOAP = (
    f"urn:oasis:names:tc:SAML:2.0:bindings:{name}" for name in ("HTTP-POST", "HTTP-Redirect", "SOAP")
)
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
BASIC, URI = (f"urn:oasis:names:tc:SAML:2.0:attrname-format:{name}" for name in ("basic", "uri"))
UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
NAME_ID_FORMATS = {
    "transient": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
    "persistent": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    "email": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
}  # by the word of the registry, from the one that tells least to the one that tells most
_STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
SUCCESS, REQUESTER, RESPONDER = (f"{_STATUS}{name}" for name in ("Success", "Requester", "Responder"))
NO_PASSIVE, NO_AUTHN_CONTEXT, INVALID_NAME_ID_POLICY, UNKNOWN_PRINCIPAL, PARTIAL_LOGOUT = (
    f"{_STATUS}{name}"
    for name in ("NoPassive", "NoAuthnContext", "InvalidNameIDPolicy", "UnknownPrincipal", "PartialLogout")
)
_CLASS = "urn:oasis:names:tc:SAML:2.0:ac:classes:"
CLASS_PROTECTED, CLASS_PASSWORD, CLASS_UNSPECIFIED = (
    f"{_CLASS}{name}" for name in ("PasswordProtectedTransport", "Password", "unspecified")
)
