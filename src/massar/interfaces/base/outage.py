"""When the database is away: nobody sees its restart, and who comes while it is gone is asked to come back (adr/0038).
The same where this process lacks a key that the database needs: other nodes have it (adr/0064).

A request whose connection was cut before anything could be committed is done once more. Otherwise its answer is 503:
for people a page that needs no database, no catalogue and no session; for programs what their protocol says. A view
names its own answer with `answer_when_away`."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template

from massar.core import database_trouble, encryption, sql
from massar.core.keyring import api as keyring

# What the signs of life say of it: anybody reads them, so the database's own words stand in the log alone.
SAID = {
    database_trouble.FULL: "is full", database_trouble.READ_ONLY: "is read-only",
    database_trouble.REFUSED: "refuses us", database_trouble.BROKEN: "is broken",
}  # fmt: skip
RETRY_AFTER = 5  # seconds; all parts are back within so many of the database's return
View = Callable[..., HttpResponse]
AnyView = TypeVar("AnyView", bound=View)
note = logging.getLogger("massar.web")


class DatabaseOutageMiddleware:
    """The last middleware: by then a request has passed all the others, and what the view does is all there is."""

    def __init__(self, get_response: View):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: View, args: Any, kwargs: Any) -> HttpResponse:
        return survive_outage(view)(request, *args, **kwargs)


def answer_when_away(answer: Callable[..., HttpResponse]) -> Callable[[AnyView], AnyView]:
    """Mark a view that is asked by programs: `answer` makes what it says while the database is away."""

    def mark(view: AnyView) -> AnyView:
        vars(view)["when_away"] = answer
        return view

    return mark


def survive_outage(view: View) -> View:
    """Do the view once more where that is safe, and answer 503 instead of a fault while the database is away."""

    @wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        sql.track_writes()
        try:
            try:
                return view(request, *args, **kwargs)
            except Error as trouble:
                if not sql.is_safe_to_repeat(trouble):
                    raise
            sql.discard_connection()
            note.warning("the connection to the database was cut; the request is done once more")
            return view(request, *args, **kwargs)
        except Error as trouble:
            if not sql.unavailable(trouble):
                raise
            database_trouble.meet(database_trouble.judge(trouble))
        except encryption.KeyMissing as trouble:
            note.error("a key is missing here: %s", trouble)
        answer: View = vars(view).get("when_away", page)
        response = answer(request)
        response.status_code = 503
        vars(response)["_has_been_logged"] = True  # above; Django's own line would say the same
        response["Cache-Control"] = "no-store"
        response.headers.setdefault("Retry-After", str(RETRY_AFTER))
        return response

    return asked


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_template("errors/plain.html").render())


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{sentence()}\n", content_type="text/plain; charset=utf-8")


def sentence() -> str:
    """What this process lacks, or has met of the database lately, for anybody."""
    if keyring.state.known_trouble():
        return "a data key is missing here"
    trouble = database_trouble.standing()
    return f"the database {SAID.get(trouble.kind, 'is away') if trouble else 'is away'}"
