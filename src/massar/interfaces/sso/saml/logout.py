"""Single logout: a site asks, the session ends, the site hears how it went."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from massar.domain.sites import api as sites
from massar.interfaces.frame import cookies
from massar.interfaces.frame.answers import see_other, to
from massar.interfaces.sso.saml import bindings
from massar.interfaces.sso.saml.views import problem
from massar.journeys import saml_logout
from massar.journeys.saml_message import Refused


@csrf_exempt  # comes from a site, and is believed for its signature alone
@require_http_methods(["GET", "POST"])
def slo(request: HttpRequest) -> HttpResponse:
    """A LogoutRequest. By POST the browser's session does not come along: the name and SessionIndex decide."""
    try:
        wanted = saml_logout.wanted(bindings.received(request, "SAMLRequest"), now=request.now)
    except Refused as refused:
        said = refused.problem if refused.problem == "site" else "logout"
        return problem(request, Refused(said, refused.why))
    ended = saml_logout.end(
        wanted=wanted, here=request.here or None, browser=request.browser, now=request.now
    )
    return _leave(request, wanted, ended)


def _leave(request: HttpRequest, wanted: saml_logout.Wanted, ended: saml_logout.Ended) -> HttpResponse:
    if wanted.site.slo:
        document = saml_logout.response(wanted=wanted, ended=ended, now=request.now)
        signer = sites.keys.active(sites.keys.SAML, now=request.now)
        response = see_other(
            bindings.address(
                wanted.site.slo, "SAMLResponse", document, relay_state=wanted.relay_state, signer=signer
            )
        )
    elif ended.site_knows:
        response = to("sign_in")
        cookies.write_flash(response, "info", "flash.signed_out")
    else:
        return problem(request, Refused("logout", "The NameID and SessionIndex are not the site's own."))
    if ended.here:
        cookies.SESSION.drop(response)
    return response
