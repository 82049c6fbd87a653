"""The demo's screen: a phone and a mailbox, side by side, and what to try."""

import re
from dataclasses import dataclass
from functools import wraps

from django.conf import settings
from django.http import Http404, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.template.loader import get_template
from django.views.decorators.http import require_safe
from markupsafe import Markup

from massar.core import local_time, phone
from massar.interfaces.base.request import Request
from massar.interfaces.demo import cast
from massar.interfaces.demo.store import Received, Store

LANGUAGES = (("ar", "العربية"), ("fr", "Français"), ("en", "English"))
STEPS = ("sign_in", "profile", "prove", "recover", "read", "enter", "change", "home")
FAULTS = (("0001", "refused"), ("0002", "unsure"), ("0003", "slow"))
# Only what a letter is made of, in a frame that can run nothing, reach nothing and send nothing.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)
_CODE = re.compile(r"^(?:[a-z]{5}-\d{5}|\d{6})$", re.MULTILINE)
_LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class Shown:
    """A message as the screen shows it. `to` is `recipient` as people write it, `code` is for copying."""

    id: int
    kind: str
    key: str
    sender: str
    recipient: str
    to: str
    subject: str
    text: str
    code: str
    clock: str
    at: str
    has_html: bool
    rtl: bool


def _in_the_demo_only(view):
    @wraps(view)
    def guarded(request: Request, *words, **named):
        if not settings.MASSAR.demo or settings.MASSAR.demo_store is None:
            raise Http404
        return view(request, *words, **named)

    return guarded


@require_safe
@_in_the_demo_only
def screen(request: Request) -> HttpResponse:
    """The page with everything that has arrived, newest first."""
    received = [_shown(message) for message in _store().after(0)]
    context = {
        "texts": [message for message in received if message.kind == "sms"],
        "letters": [message for message in received if message.kind == "email"],
        "last": received[0].id if received else 0,
        "cast": _cast(request.language),
        "steps": STEPS,
        "faults": FAULTS,
        "clock_now": local_time.clock_time(request.now),
    }
    return HttpResponse(get_template("demo/screen.html").render({**_frame(request), **context}))


@require_safe
@_in_the_demo_only
def messages(request: Request) -> JsonResponse:
    """`?after=<number>`: {"last": number, "clock": "14:35", "messages": [newer ones, newest first]}.

    Each has id, kind (sms, email), key, from, to, subject, text, code, at (ISO 8601, UTC), has_html and card (HTML).
    """
    typed = request.GET.get("after", "0")
    after = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 19 else 0
    received = [_shown(message) for message in _store().after(after)]
    card = get_template("demo/card.html")
    listed = [
        {
            "id": message.id,
            "kind": message.kind,
            "key": message.key,
            "from": message.sender,
            "to": message.recipient,
            "subject": message.subject,
            "text": message.text,
            "code": message.code,
            "at": message.at,
            "has_html": message.has_html,
            "card": card.render({**_frame(request), "message": message, "fresh": True, "opened": True}),
        }
        for message in received
    ]
    last = received[0].id if received else after
    return JsonResponse({"last": last, "clock": local_time.clock_time(request.now), "messages": listed})


@require_safe
@_in_the_demo_only
def mail(request: Request, number: int) -> HttpResponse:
    """The HTML part of an e-mail, for the frame in the mailbox."""
    letter = _store().one(number) if number <= _LARGEST_NUMBER else None
    if letter is None or not letter.html:
        raise Http404
    response = HttpResponse(letter.html)
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _store() -> Store:
    return Store(settings.MASSAR.demo_store)


def _cast(language: str) -> list[dict[str, str]]:
    """The people who can sign in, with what proves them. The note is a message id."""
    return [
        {
            "name": _name(one, language),
            "login": one.login,
            "password": one.password,
            "note": "demo.note_contacts" if one.email or one.phone else "demo.note_none",
            "contacts": [contact for contact in (one.phone, one.email) if contact],
        }
        for one, _ in cast.PEOPLE
    ]


def _name(person: cast.NewPerson, language: str) -> str:
    if language == "ar":
        return f"{person.first_ar} {person.last_ar}"
    return f"{person.first_latin} {person.last_latin}"


def _shown(message: Received) -> Shown:
    code = _CODE.search(message.text)
    words = re.search(r"[^\W\d_]", message.text)
    return Shown(
        id=message.id,
        kind=message.kind,
        key=message.key,
        sender=message.sender,
        recipient=message.recipient,
        to=phone.shown(message.recipient) if message.kind == "sms" else message.recipient,
        subject=message.subject,
        text=message.text,
        code=code[0] if code else "",
        clock=local_time.clock_time(message.at),
        at=message.at.isoformat(),
        has_html=bool(message.html),
        rtl=bool(words) and "\u0590" <= words[0] <= "\u08ff",
    )


def _frame(request: Request) -> dict[str, object]:
    """What the base page needs. Nobody is signed in here: this is the other device, the one that receives."""
    return {
        "lang": request.language,
        "dir": "rtl" if request.language == "ar" else "ltr",
        "languages": LANGUAGES,
        "person": None,
        "page_address": request.path,
        "help_contact": settings.MASSAR.help_contact,
        "demo": False,
        "flash": [],
        "now": request.now,
        "csrf_field": lambda: Markup('<input type="hidden" name="csrfmiddlewaretoken" value="{}">').format(
            get_token(request)
        ),
    }
