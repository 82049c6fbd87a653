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


def form_goes_to_site(response: HttpResponse, address: str) -> HttpResponse:
    """For a page that is nothing but an answer to a site, as a form: it may end wherever the site leads.

    Browsers hold form-action against every redirect that follows a form, those of the site too, and sites do lead on to
    other hosts. Pages on which people type keep 'self'; what follows their forms goes through `page.redirect_by_page`.
    """
    loopback = " http:" if urlsplit(address).scheme == "http" else ""  # no other address of a site is plain
    response["Content-Security-Policy"] = _CSP.format(f"'self' https:{loopback}")
    return response
