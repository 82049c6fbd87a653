"""The way back after a sign-in: to the request of a site, or to our own page with what was typed on it, secrets apart.

Of a site's request the browser holds a reference; what was asked stays on the server. Keys every protocol gives:
`protocol`, `resume_url` (where it goes on). Keys the pages know beside: `login_hint`, `language`, `again` (the password
is to be typed although somebody is signed in). Our own page the browser holds itself, and where to is judged when it
comes back (`addresses.own_page`). What was typed is encrypted for the person whose session it was."""

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
from massar.domain.sites import api as sites
from massar.interfaces.base import addresses, cookies
from massar.interfaces.base import page as pages
from massar.interfaces.base.request import Request
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import save_request

P = ParamSpec("P")
KEPT = {"profile": ("email", "phone")}  # fields by page; never a secret
LONGEST = 254  # characters of one field


def signed_in_only(view: Callable[Concatenate[Request, SignedIn, P], HttpResponse]) -> Callable[..., HttpResponse]:
    """Give the view who is signed in. Without a full session the page is the sign-in page, and comes after it."""

    @wraps(view)
    def guarded(request: Request, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.signed_in:
            response = remember(request, pages.redirect_to("second_step" if request.recognised else "sign_in"))
            if cookies.SESSION.read(request) and not request.recognised:
                cookies.SESSION.drop(response)
                cookies.write_flash(response, "info", "flash.sign_in_again")
            return _say_what_is_owed(request, response)
        return view(request, request.signed_in, *args, **kwargs)

    return guarded


def _say_what_is_owed(request: Request, response: HttpResponse) -> HttpResponse:
    """A rule that has begun is told to whom it meets in the middle of a session: nobody is thrown out in silence."""
    if owed := request.factor_owed:
        cookies.write_flash(response, "info", "flash.factor_required" if owed.must_set_up else "flash.factor_owed")
    return response


def remember(request: Request, response: HttpResponse) -> HttpResponse:
    """Remember the way back from the sign-in page: with what was typed, where the page keeps it."""
    come_back(request, response)
    left_open = sessions.signed_in.left_open(cookies.SESSION.read(request))
    return keep_typed(request, response, left_open.person_id) if left_open else response


def come_back(request: Request, response: HttpResponse) -> HttpResponse:
    """Let whoever goes to a proof from here come back to this page."""
    page = addresses.own_page(request.get_full_path() if request.method in ("GET", "HEAD") else request.path)
    if page != reverse("home"):
        cookies.RETURN_TO.write(response, page)
    return response


def prove_factor_first(request: Request) -> HttpResponse:
    """Lead to the second step, and after it back to this page, with what was typed where the page keeps it."""
    response = remember(request, pages.redirect_to("second_step"))
    cookies.write_flash(response, "info", "flash.prove_factor")
    return response


def keep_typed(request: Request, response: HttpResponse, owner: int) -> HttpResponse:
    """Keep what this request's form brought for its page, encrypted for the person with the id `owner`: on a shared
    computer the next one gets none of it."""
    typed = {name: request.POST.get(name, "")[:LONGEST] for name in KEPT.get(addresses.name_of(request), ())}
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
    response = pages.see_other(addresses.own_page(kept) if kept else reverse("home"))
    if kept:
        cookies.RETURN_TO.drop(response)
    return response


def save_and_sign_in(request: Request, asked: dict[str, str]) -> HttpResponse:
    """Keep the request and lead to the sign-in page. What waited before is given up."""
    sites.saved_requests.delete(cookies.SAVED_REQUEST.read(request))
    return save(request, _say_what_is_owed(request, pages.see_other(reverse("sign_in"))), asked)


def save_and_step_up(request: Request, asked: dict[str, str]) -> HttpResponse:
    """Keep the request and lead to the second step, by a person who is signed in."""
    sites.saved_requests.delete(cookies.SAVED_REQUEST.read(request))
    return save(request, _say_what_is_owed(request, pages.see_other(reverse("second_step"))), asked)


def waits_on(response: HttpResponse) -> bool:
    """Whether an answer to a saved request leads to a proof first, after which it goes on."""
    return response.get("Location") in (reverse("sign_in"), reverse("second_step"))


def save(request: Request, response: HttpResponse, asked: dict[str, str]) -> HttpResponse:
    """Put the reference to it into a cookie; over the rate limit, a sentence for the next page."""
    ref = save_request.save(asked, request)
    if ref:
        cookies.SAVED_REQUEST.write(response, ref)
    else:
        cookies.SAVED_REQUEST.drop(response)
        cookies.write_flash(response, "warning", "sso.waiting.full")
    return response


def extend_for_recovery(request: Request, *, channel: str) -> None:
    """Keep it for longer than the temporary password lives. channel: 'email' or 'sms'."""
    save_request.extend_for_recovery(cookies.SAVED_REQUEST.read(request), channel=channel, now=request.now)


def discard(request: Request, response: HttpResponse) -> HttpResponse:
    """Forget it: it was answered, or can't be."""
    kept = cookies.SAVED_REQUEST.read(request)
    if kept:
        sites.saved_requests.delete(kept)
        cookies.SAVED_REQUEST.drop(response)
    return response


def redirect_after_sign_in(request: Request) -> HttpResponse:
    """Go to what waits, else to our own page that was asked for."""
    resume_url = request.saved_request.get("resume_url")
    return pages.see_other(resume_url) if resume_url else redirect_to_page(request)
