"""Answers: a page with what every page has, redirects, and the strict headers of every answer."""

from datetime import datetime
from functools import cache
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token, rotate_token
from django.template.loader import get_template
from django.urls import reverse
from markupsafe import Markup

from massar.domain.sites.api import Site
from massar.interfaces.base import cookies
from massar.interfaces.base.jinja import ltr, t
from massar.interfaces.base.request import Request
from massar.journeys import season
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.outcomes import SessionOpened
from massar.journeys.sso.log_out_of_sites import LogoutRequester, RecentLogout

# Of a Location. All headers of an answer together must fit into the 4 KiB that nginx as it comes keeps for them
# (proxy_buffer_size); ours beside it take a kilobyte.
LONGEST_LOCATION = 2500
CSRF_FIELD = Markup('<input type="hidden" name="csrfmiddlewaretoken" value="{}">')
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action {}; base-uri 'none'; frame-ancestors 'none'"
)
FILES = {
    "csv": "text/csv; charset=utf-8", "json": "application/json", "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip
HEADERS = {
    "Content-Security-Policy": _CSP.format("'self'"), "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin", "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}  # fmt: skip


def context(request: Request) -> dict[str, object]:
    """Return what the base of every page needs, for a page that shows nobody and no message. calm: it is read by a
    pupil, as is known since the sign-in; a page that anybody opens never is."""
    return {
        "calm": False,
        "lang": request.language, "dir": "rtl" if request.language == "ar" else "ltr", "languages": settings.LANGUAGES,
        "help_contact": settings.MASSAR.help_contact, "demo": settings.MASSAR.demo, "now": request.now,
        "person": None, "flash": [], "season": season.current(request.now),
        # Where the language switch comes back to: a page that can be asked for with GET.
        "page_address": request.get_full_path() if request.method in ("GET", "HEAD") else request.path,
        "csrf_field": cache(lambda: CSRF_FIELD.format(get_token(request))),  # one mask for all forms of a page
    }  # fmt: skip


def form_secret(request: Request) -> str:
    """What ties forms to this browser: the secret of its cookie, of which each form holds a mask."""
    get_token(request)
    return str(request.META["CSRF_COOKIE"])


def render(request: Request, template: str, *, status: int = 200, **more: object) -> HttpResponse:
    """Render a page in the request's language. A pending flash message is shown once."""
    person, said = request.signed_in.person if request.signed_in else None, []
    flash = cookies.read_flash(request)
    if flash:
        kind, message_id, args = flash
        said = [{"kind": kind, "text": t(message_id, **{k: ltr(v) if k == "to" else v for k, v in args.items()})}]
    calm = person is not None and person.is_pupil
    shown = {**context(request), "calm": calm, "person": person, "flash": said, "status": status, **more}
    response = HttpResponse(get_template(template).render(shown), status=status)
    if flash:
        cookies.FLASH.drop(response)
    return response


def post_to_site(request: Request, address: str, site: Site, fields: dict[str, str]) -> HttpResponse:
    """Answer a site by a form that sends itself, which may end wherever the site leads: browsers hold form-action
    against every redirect that follows a form, and sites do lead on to other hosts. Pages on which people type keep
    'self'; what follows their forms goes through `redirect_by_page`."""
    response = render(request, "sso/send_on.html", site=site, action=address, fields=fields)
    loopback = " http:" if urlsplit(address).scheme == "http" else ""  # no other address of a site is plain
    response["Content-Security-Policy"] = _CSP.format(f"'self' https:{loopback}")
    return response


def redirect_by_page(request: Request, address: str, site: Site | None) -> HttpResponse:
    """Lead on to a site after a form of ours: by a page of its own, at once, without scripts too."""
    return render(request, "sso/go_on.html", site=site, address=address)


def redirect_to_site(request: Request, address: str, site: Site | None) -> HttpResponse:
    """Lead to a site where no form of ours was sent before: by a redirect, or by a page where the address is long."""
    return see_other(address) if len(address) <= LONGEST_LOCATION else redirect_by_page(request, address, site)


def see_other(address: str) -> HttpResponse:
    """303: the browser asks with GET, whatever it did before (ATK-093)."""
    return HttpResponseRedirect(address, status=303)


def redirect_to(name: str, **kwargs: str | int) -> HttpResponse:
    return see_other(reverse(name, kwargs=kwargs or None))


def redirect_to_logout_status(
    signed_in: SignedIn, *, now: datetime, requester: LogoutRequester | None = None, confirmed: tuple[str, ...] = ()
) -> HttpResponse:
    """Lead to the list of the sites, after the end of this browser's session. confirmed: sites that know already."""
    response = redirect_to("everywhere")
    recent = RecentLogout(signed_in.person.id, now, signed_in.session.id, True, requester, confirmed)
    cookies.write_recent_logout(response, recent)
    return response


def file(content: bytes, name: str, *, inline: bool = False) -> HttpResponse:
    """A file of that name, whose ending tells its type: to be kept, or inline, to be looked at."""
    response = HttpResponse(content, content_type=FILES[name.rpartition(".")[2]])
    response["Content-Disposition"] = f'{"inline" if inline else "attachment"}; filename="{name}"'
    return response


def add_retry_after(response: HttpResponse, until: datetime, now: datetime) -> HttpResponse:
    """Say in a header, for programs, when to try again (RFC 9110 §10.2.3); the page says it in words."""
    response["Retry-After"] = str(max(1, int((until - now).total_seconds())))
    return response


def start_session(request: Request, response: HttpResponse, entered: SessionOpened) -> HttpResponse:
    """Set the cookies of a new full session. Any earlier session or half-done change of this browser is left behind."""
    rotate_token(request)  # forms opened before the sign-in no longer fit
    cookies.SESSION.write(response, entered.cookie)
    cookies.TRUSTED_DEVICES.write(response, entered.trusted_devices)
    cookies.CHANGE.drop(response)
    cookies.SECOND_STEP.drop(response)
    return response
