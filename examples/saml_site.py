"""A site that speaks SAML 2.0, with python3-saml. This page and saml_client.py are all that such a site needs.

Registered are the entity id, the address for answers (/acs), two for single logout (/slo for browsers, /slo/soap for
the account itself) and the site's certificate.
"""

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path
from django.views.decorators.http import require_POST

from examples import kit
from examples.kit import SiteRequest
from examples.saml_client import answered_by_soap, asked_by_soap, client_of, end

ANSWERS = kit.Shelf[tuple[str, dict[str, object]]]()  # (id of the request that is answered, what we learned)
MOST_ASKED = 10  # sign-ins that one browser may have on their way


def login(request: SiteRequest) -> HttpResponse:
    """To the account; only this browser may bring the answer. ForceAuthn: a fresh proof, whoever is signed in."""
    client = client_of(request)
    address = client.login(return_to="", force_authn=bool(request.GET.get("again")))
    request.session["asked"] = [*request.session.get("asked", []), client.get_last_request_id()][-MOST_ASKED:]
    return HttpResponseRedirect(address)


@require_POST
def acs(request: SiteRequest) -> HttpResponse:
    """The signed answer, in a form that comes from the account's host, so our SameSite cookie is not with it.

    What it says is checked here and laid aside until the browser comes by itself. An answer that nobody asked for (a
    card on the account's home page, or a trap) signs nobody in: we ask ourselves, and hear who is in this very browser.
    """
    client = client_of(request)
    try:
        client.process_response()
    except Exception as refused:  # whatever is wrong with it: not believed
        return kit.refused(request, refused)
    if client.get_errors() or not client.is_authenticated():
        return kit.refused(request, client.get_last_error_reason())
    asked = client.get_last_response_in_response_to()
    if not asked:
        return HttpResponseRedirect("/login")
    learned = {
        "claims": {**{k: ", ".join(v) for k, v in client.get_attributes().items()}, "NameID": client.get_nameid()},
        "sid": client.get_session_index(),
        "name_id": client.get_nameid(),
        "name_id_format": client.get_nameid_format(),
    }
    return HttpResponseRedirect(f"/arrived?answer={ANSWERS.put((asked, learned))}")


def arrived(request: SiteRequest) -> HttpResponse:
    """The browser with its cookie: the answer must be to a request of its own that still waits; each waits once."""
    asked, learned = ANSWERS.take(request.GET.get("answer", "")) or ("", {})
    if asked not in request.session.get("asked", []):
        return kit.refused(request, "this browser did not ask for that.")
    request.session["asked"].remove(asked)
    return kit.signed_in(request, **learned)


def logout(request: SiteRequest) -> HttpResponse:
    """Ends the session here and at the account, which tells every other site."""
    mine = dict(request.session)
    request.session.clear()
    if "name_id" not in mine:
        return HttpResponseRedirect("/")
    about = {"name_id": mine["name_id"], "session_index": mine["sid"], "name_id_format": mine["name_id_format"]}
    return HttpResponseRedirect(client_of(request).logout(return_to="bye", **about))


def slo(request: SiteRequest) -> HttpResponse:
    """Single logout through the browser: the answer to our own request, or the account says that a session is over."""
    client = client_of(request)
    try:
        onwards = client.process_slo(delete_session_cb=lambda: end(request, client.get_last_request_xml()))
    except Exception as refused:
        return kit.refused(request, refused)
    if client.get_errors():
        return kit.refused(request, client.get_last_error_reason())
    return HttpResponseRedirect(onwards if onwards and "SAMLResponse" in onwards else "/")


@require_POST
def slo_soap(request: SiteRequest) -> HttpResponse:
    """Single logout behind the browser: the account asks and is answered at once."""
    try:
        asked = asked_by_soap(request)
    except Exception as refused:  # whatever is wrong with it: not believed
        return HttpResponse(str(refused), status=400, content_type="text/plain; charset=utf-8")
    end(request, asked)
    return answered_by_soap(request, asked)


urlpatterns = [
    path("", kit.home), path("login", login), path("acs", acs), path("arrived", arrived),
    path("logout", logout), path("slo", slo), path("slo/soap", slo_soap),
]  # fmt: skip
