"""The strict headers of every answer, and the one exception a page may make: where its forms may lead."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpResponse

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action {}; base-uri 'none'; frame-ancestors 'none'"
)
CSP = _CSP.format("'self'")
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def forms_may_lead_to(response: HttpResponse, address: str) -> HttpResponse:
    """Lets the forms of this page end at the origin of a registered address.

    Browsers hold form-action against the whole chain of redirects that follows a form, not only its first step.
    """
    parts = urlsplit(address)
    if parts.scheme in ("http", "https") and parts.netloc:
        response["Content-Security-Policy"] = _CSP.format(f"'self' {parts.scheme}://{parts.netloc}")
    return response
