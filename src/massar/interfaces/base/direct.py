"""The short way to views that other servers ask, many times a second (docs/adr/0019-direct-views.md).

What stands between the outermost middleware and a page means nothing to them: files, the token of forms, languages, the
search through all addresses. What that middleware does for every request is done for them too, by the same functions.
The views are ordinary ones and stand among the addresses like all others."""

import base64
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.views.decorators.csrf import csrf_exempt

from massar.core import log
from massar.domain.credentials import api as credentials
from massar.interfaces.base import cookies, errors, middleware, outage, rsgi
from massar.interfaces.base.request import Request

View = Callable[[Request], Any]  # Django types its wrapper wider than what we put into it
AnyView = TypeVar("AnyView", bound=Callable[..., HttpResponse])


def direct_view(view: AnyView) -> AnyView:
    """Mark a view at a fixed address whose proof is never a cookie of ours."""
    view = csrf_exempt(view)
    vars(view)["direct"] = True
    return view


def basic_credentials(request: HttpRequest) -> tuple[str, str] | None:
    """Name and secret of HTTP Basic as they stand (RFC 7617); two empty texts: unreadable; None: no such header."""
    scheme, _, value = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:
        return ("", "")
    return name, secret


@cache
def views() -> dict[str, View]:
    """Return the marked views by path. An exception becomes what it becomes anywhere: a fault page, or 503."""

    def flat(found: Iterable[URLPattern | URLResolver]) -> Iterator[URLPattern]:
        for one in found:
            yield from flat(one.url_patterns) if isinstance(one, URLResolver) else (one,)

    return {
        reverse(str(pattern.name)): convert_exception_to_response(outage.survive_outage(pattern.callback))
        for pattern in flat(get_resolver().url_patterns)
        if "direct" in vars(pattern.callback)
    }


class DjangoHandler(WSGIHandler):
    request_class = Request


class Direct:
    """The WSGI callable of the product: marked views at once, everything else by way of Django's handler."""

    def __init__(self, django: WSGIApplication):
        self.django, self.views = django, views()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        credentials.passwords.has_turn.set(environ.get(rsgi.HAS_TURN, True))
        view = self.views.get(environ["PATH_INFO"])
        if view is None:
            return self.django(environ, start_response)
        try:
            request = Request(environ)
            log.request_id.set(request.id)
            response: HttpResponse = middleware.refuse_other_hosts(request) or view(request)
            if response.status_code == 405:
                response = errors.in_plain_words(response)
            said = {**middleware.headers(request.language, settings.MASSAR.https), **response.headers}
            head = [*said.items(), *cookies.headers(response)]
            start_response(f"{response.status_code} {response.reason_phrase}", head)
            return [response.content]
        finally:
            self.release()

    def release(self) -> None:
        """Give the database connection back; a broken one goes, and the next request gets another."""
        close_old_connections()
