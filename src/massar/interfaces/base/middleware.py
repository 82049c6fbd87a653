"""Around every request: its language, its id in the log, and the same strict headers on every answer."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpResponse
from django.utils import translation

from massar.core import log
from massar.interfaces.base import addresses, errors, page
from massar.interfaces.base.request import Request

GetResponse = Callable[[Request], HttpResponse]
OF_PAGES = ("Cache-Control", "Content-Language")  # files have their own life and no language


class RequestContextMiddleware:
    def __init__(self, get_response: GetResponse):
        self.get_response = get_response

    def __call__(self, request: Request) -> HttpResponse:
        log.request_id.set(request.id)
        with translation.override(request.language):
            response = refuse_other_hosts(request) or self.get_response(request)
        static = request.path.startswith(settings.STATIC_URL)
        for name, value in headers(request.language, settings.MASSAR.https).items():
            if not static or name not in OF_PAGES:
                response.headers.setdefault(name, value)
        return response

    def process_view(self, request: Request, view: object, args: Any, kwargs: Any) -> HttpResponse | None:
        """Refuse a field that came twice: it has no one value, and two readers would each believe another (CWE-235).
        And a file where none is asked for."""
        if addresses.name_of(request) in addresses.JUDGE_FIELDS:  # it says so in the words of its protocol
            return None
        fields = (values for given in (request.GET, request.POST) for _, values in given.lists())
        twice = any(len(values) > 1 for values in fields)
        file = request.FILES and addresses.name_of(request) not in addresses.TAKE_FILES
        return errors.bad_request(request) if twice or file else None


def explain_method_not_allowed(get_response: GetResponse) -> GetResponse:
    """Turn an empty 405 into a page, or into a sentence for a program. It stands below what compresses."""

    def answer(request: Request) -> HttpResponse:
        response = get_response(request)
        empty = response.status_code == 405 and not response.content
        return errors.wrong_method(request, response) if empty else response

    return answer


def refuse_other_hosts(request: Request) -> HttpResponse | None:
    """Know one configured public address: nothing is built from what the client says (ATK-031)."""
    try:
        request.get_host()
    except DisallowedHost:
        return errors.bad_request(request)
    return None


@cache
def headers(language: str, https: bool) -> dict[str, str]:
    """Return what every answer carries where its view has not said otherwise (public keys alone may be kept)."""
    over_https = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains"} if https else {}
    return {**page.HEADERS, **over_https, "Cache-Control": "no-store", "Content-Language": language}
