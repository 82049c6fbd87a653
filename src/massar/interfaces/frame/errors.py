"""Fault pages: what happened, what to do, and an id that stands in the log."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template
from django.utils import translation

from massar.interfaces.frame import page
from massar.interfaces.frame.jinja import t

log = logging.getLogger("massar.web")


def show(
    request: HttpRequest, status: int, name: str = "", *, reference: str | None = None, wait_until=None
) -> HttpResponse:
    name = name or str(status)
    request.here = None  # a fault page asks the database for nothing
    response = page.render(
        request,
        "errors/error.html",
        status=status,
        title=t(f"errors.{name}.title"),
        text=t(f"errors.{name}.text"),
        reference=reference,
        wait_until=wait_until,
    )
    if wait_until:
        response["Retry-After"] = str(max(1, int((wait_until - request.now).total_seconds())))
    elif status == 503:
        response["Retry-After"] = "3"
    return response


def bad_request(request, exception=None):
    return show(request, 400)


def forbidden(request, exception=None):
    return show(request, 403)


def csrf_failure(request, reason=""):
    """The form was open too long, or came from another site."""
    log.info("form refused: %s", reason)
    return show(request, 403, "403_csrf")


def not_found(request, exception=None):
    return show(request, 404)


def fault(request):
    """Django has logged the exception; this page has no more to say than the id under which it did."""
    try:
        with translation.override(request.language):
            return show(request, 500, reference=request.fault_id)
    except Exception:  # whatever broke the page may break this one too: the last page needs nothing
        log.exception("the fault page failed too")
        return HttpResponse(get_template("errors/plain.html").render(), status=500)
