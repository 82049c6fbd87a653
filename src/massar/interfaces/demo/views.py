"""The demo's screen: a phone and a mailbox, side by side, and what to try."""

from django.conf import settings
from django.http import Http404, HttpResponse, JsonResponse
from django.template.loader import get_template
from django.urls import path
from django.views.decorators.http import require_safe

from massar.core import local_time
from massar.interfaces.base import page
from massar.interfaces.base.request import Request
from massar.interfaces.demo import cast
from massar.interfaces.demo.store import Store

STEPS = (
    "sign_in", "profile", "prove", "recover", "read", "enter", "change", "home", "child", "family", "desk", "class",
    "case",
)  # fmt: skip
FAULTS = (("0001", "refused"), ("0002", "unsure"), ("0003", "slow"))
# Only what a letter is made of, in a frame that can run nothing, reach nothing and send nothing.
MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
MAIL_POLICY += "frame-ancestors 'self'; sandbox"
_LARGEST_NUMBER = 2**63 - 1


def _store() -> Store:
    """What has arrived. Raises Http404 outside the demo."""
    if not settings.MASSAR.demo or settings.MASSAR.demo_store is None:
        raise Http404
    return Store(settings.MASSAR.demo_store)


@require_safe
def screen(request: Request) -> HttpResponse:
    received, arabic = _store().after(0), request.language == "ar"
    people = [  # who can sign in, with what proves them; the note is a message id
        {
            "name": f"{one.first_ar} {one.last_ar}" if arabic else f"{one.first_latin} {one.last_latin}",
            "login": one.login, "password": one.password, "contacts": [*filter(None, (one.phone, one.email))],
            "note": f"demo.note_{note or ('contacts' if one.email or one.phone else 'none')}",
        }
        for one, _, note in cast.PEOPLE
    ]  # fmt: skip
    more = {
        "texts": [message for message in received if message.kind == "sms"],
        "letters": [message for message in received if message.kind == "email"],
        "last": received[0].id if received else 0, "cast": people, "steps": STEPS, "faults": FAULTS,
        "clock_now": local_time.clock_time(request.now),
    }  # fmt: skip
    return HttpResponse(get_template("demo/screen.html").render({**_context(request), **more}))


@require_safe
def messages(request: Request) -> HttpResponse:
    """`?after=<number>`: {"last": number, "clock": "14:35", "messages": [newer ones, newest first]}. Each has id, kind
    (sms, email), key, from, to, subject, text, code, at (ISO 8601, UTC), has_html and card (HTML)."""
    typed = request.GET.get("after", "0")
    after = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 19 else 0
    card = get_template("demo/card.html")
    listed = []
    for message in _store().after(after):
        shown = {**_context(request), "message": message, "fresh": True, "opened": True}
        listed.append(
            {name: getattr(message, name) for name in ("id", "kind", "key", "subject", "text", "code")}
            | {"from": message.sender, "to": message.recipient, "at": message.at.isoformat()}
            | {"has_html": bool(message.html), "card": card.render(shown)}
        )
    last = listed[0]["id"] if listed else after
    return JsonResponse({"last": last, "clock": local_time.clock_time(request.now), "messages": listed})


@require_safe
def mail(request: Request, number: int) -> HttpResponse:
    letter = _store().one(number) if number <= _LARGEST_NUMBER else None
    if letter is None or not letter.html:
        raise Http404
    response = HttpResponse(letter.html)
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _context(request: Request) -> dict[str, object]:
    """Nobody is signed in: this is the other device, the one that receives."""
    return {**page.context(request), "demo": False}


urlpatterns = [
    path("", screen, name="demo"),
    path("messages", messages, name="demo_messages"),
    path("mail/<int:number>", mail, name="demo_mail"),
]
