"""Fault pages: what happened, what to do, and an id that stands in the log."""

import logging
import re
from datetime import datetime

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import Error
from django.http import HttpResponse
from django.template.loader import get_template
from django.urls import resolve, reverse
from django.utils import translation

from massar.interfaces.base import addresses, outage, page, way_back
from massar.interfaces.base.jinja import t
from massar.interfaces.base.request import Request

log = logging.getLogger("massar.web")
_LIKE_A_PAGE = re.compile(r"(?:/[\w-]+)+/?", re.ASCII)
# Pages from which who is signed in is led on.
FOR_STRANGERS = ("sign_in", "passkey_sign_in", "recovery", "vouch", "vouch_code")
OLD_TOKEN = "CSRF token from POST incorrect."  # Django's words for a token that another one has replaced


def render_error(
    request: Request, status: int, name: str = "", *, reference: str = "", wait_until: datetime | None = None,
    onwards: str = "", known: bool = False,
) -> HttpResponse:  # fmt: skip
    """Render a fault page. onwards: the address of the page where the person goes on; else home. known: it shows who is
    signed in. The others ask the database for nothing, and so does this one when it is away."""
    name = name or str(status)
    try:
        request.signed_in = request.signed_in if known else None
    except Error:
        request.signed_in = None
    words = {"title": t(f"errors.{name}.title"), "text": t(f"errors.{name}.text"), "reference": reference}
    way = {"wait_until": wait_until, "onwards": onwards or reverse("home")}
    response = page.render(request, "errors/error.html", status=status, **words, **way)
    if wait_until:
        page.add_retry_after(response, wait_until, request.now)
    elif status == 503:
        response["Retry-After"] = "3"
    return response


def bad_request(request: Request, exception: Exception | None = None) -> HttpResponse:
    """413 where it was the size (RFC 9110 §15.5.14): who typed so much can shorten it."""
    return render_error(request, 413 if isinstance(exception, RequestDataTooBig) else 400)


def forbidden(request: Request, exception: Exception | None = None) -> HttpResponse:
    return render_error(request, 403)


@outage.survive_outage  # it comes before the middleware that makes views so
def csrf_failure(request: Request, reason: str = "") -> HttpResponse:
    """Refuse a form that was open too long, or came from another site. What was typed waits on its page. Who has signed
    in in another tab since is led on by the sign-in page, home or to what waits."""
    log.info("form refused: %s", reason)
    if refused := _judge_method(request):
        return refused
    if not request.signed_in:
        return render_error(request, 403, "403_csrf")
    if addresses.name_of(request) in FOR_STRANGERS and reason == OLD_TOKEN:
        return page.redirect_to("sign_in")
    if addresses.name_of(request) in addresses.TAKE_FILES and not request.POST:  # too large: nothing of it was read
        return render_error(request, 413, "413_file", onwards=addresses.own_page(request.path))
    owner = request.signed_in.person.id  # the page of the fault knows nobody
    told = render_error(request, 403, "403_csrf", onwards=addresses.own_page(request.path))
    return way_back.keep_typed(request, told, owner)


def _judge_method(request: Request) -> HttpResponse | None:
    """Return the 405 of a view that does not take the method (RFC 9110 §15.5.6): no token would help. The view knows
    what it takes and is asked with OPTIONS, which anybody may ask with, and which none takes."""
    view, args, kwargs = resolve(request.path_info)
    asked, request.method = request.method, "OPTIONS"
    answer: HttpResponse = view(request, *args, **kwargs)
    request.method = asked
    return None if asked in answer.get("Allow", "").split(", ") else answer


def not_found(request: Request, exception: Exception | None = None) -> HttpResponse:
    """Lead on, or say so. Where a cache could take the address for a file's, the page names nobody (ATK-095)."""
    page_address = addresses.guess_page(request)
    like_a_page = _LIKE_A_PAGE.fullmatch(request.path) and not request.path.startswith(settings.STATIC_URL)
    return page.see_other(page_address) if page_address else render_error(request, 404, known=bool(like_a_page))


def wrong_method(request: Request, response: HttpResponse) -> HttpResponse:
    """Explain a 405, where Django shows nothing: to who reloads where a wrong code has left the browser."""
    if addresses.name_of(request).startswith(addresses.OF_SITES):
        return in_plain_words(response)
    told = render_error(request, 405, onwards=addresses.page_above(request.path), known=True)
    told["Allow"] = response["Allow"]
    return told


def in_plain_words(response: HttpResponse) -> HttpResponse:
    response.content = f"This address takes {response['Allow']}.\n"
    response["Content-Type"] = "text/plain; charset=utf-8"
    return response


def server_error(request: Request) -> HttpResponse:
    """Django has logged the exception; this page has no more to say than the id under which it did."""
    try:
        with translation.override(request.language):
            return render_error(request, 500, reference=request.id)
    except Exception:  # whatever broke the page may break this one too: the last page needs nothing
        log.exception("the fault page failed too")
        return HttpResponse(get_template("errors/plain.html").render(), status=500)
