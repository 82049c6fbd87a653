"""Our own pages after a sign-in: the page that was asked for, and what was typed on it, secrets apart.

The browser holds both; nothing is stored here. Where to is judged when it comes back (`addresses.own_page`). What was
typed is encrypted for the person whose session it was: on a shared computer the next one gets none of it.
"""

import base64
import binascii
import json
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpResponse
from django.urls import reverse

from massar.core import encryption
from massar.domain.sessions import api as sessions
from massar.interfaces.base import cookies
from massar.interfaces.base.addresses import name_of, own_page
from massar.interfaces.base.request import Request
from massar.interfaces.base.responses import redirect_to, see_other
from massar.journeys.account.close_sessions import SignedIn

P = ParamSpec("P")
KEPT = {"profile": ("email", "phone")}  # fields by page; never a secret
LONGEST = 254  # characters of one field


def signed_in_only(view: Callable[Concatenate[Request, SignedIn, P], HttpResponse]) -> Callable[..., HttpResponse]:
    """Give the view who is signed in. Without a full session the page is the sign-in page, and comes after it."""

    @wraps(view)
    def guarded(request: Request, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.signed_in:
            response = remember(request, redirect_to("sign_in"))
            if cookies.SESSION.read(request):
                cookies.SESSION.drop(response)
                cookies.write_flash(response, "info", "flash.sign_in_again")
            return response
        return view(request, request.signed_in, *args, **kwargs)

    return guarded


def remember(request: Request, response: HttpResponse) -> HttpResponse:
    """Remember the way back from the sign-in page: with what was typed, where the page keeps it."""
    page = own_page(request.get_full_path() if request.method in ("GET", "HEAD") else request.path)
    if page != reverse("home"):
        cookies.RETURN_TO.write(response, page)
    left_open = sessions.signed_in.left_open(cookies.SESSION.read(request))
    return keep_typed(request, response, left_open.person_id) if left_open else response


def keep_typed(request: Request, response: HttpResponse, owner: int) -> HttpResponse:
    """Keep what this request's form brought for its page. owner: id of the person."""
    typed = {name: request.POST.get(name, "")[:LONGEST] for name in KEPT.get(name_of(request), ())}
    if any(typed.values()):
        plain, place = json.dumps(typed).encode(), f"draft|{request.path}|{owner}"
        ciphertext = encryption.data_keys().encrypt(plain, associated_data=place)
        cookies.DRAFT.write(response, base64.urlsafe_b64encode(ciphertext).decode())
    return response


def typed_before(request: Request, owner: int) -> dict[str, str]:
    """Return what that person had typed on this page; {} if nothing, or somebody else did."""
    try:
        ciphertext = base64.urlsafe_b64decode(cookies.DRAFT.read(request)[: cookies.LONGEST])
        plain = encryption.data_keys().decrypt(ciphertext, associated_data=f"draft|{request.path}|{owner}")
        typed: dict[str, str] = json.loads(plain)
    except (binascii.Error, ValueError, encryption.DecryptionFailed):
        return {}
    return typed


def redirect_to_page(request: Request) -> HttpResponse:
    """Go to the page that was asked for before the sign-in, else home."""
    kept = cookies.RETURN_TO.read(request)
    response = see_other(own_page(kept) if kept else reverse("home"))
    if kept:
        cookies.RETURN_TO.drop(response)
    return response
