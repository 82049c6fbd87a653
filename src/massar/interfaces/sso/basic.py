"""Name and secret of the header that servers prove themselves with (RFC 7617)."""

import base64
import binascii

from django.http import HttpRequest


def presented(request: HttpRequest) -> tuple[str, str] | None:
    """As they stand, not decoded any further. Unreadable is nobody (two empty texts); None: there is no such header."""
    scheme, _, value = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ("", "")
    return name, secret
