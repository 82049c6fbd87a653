"""The registered sites: seen, tried over the network, and a table to paste. The file stays what counts."""

import threading
from time import monotonic

from django import forms
from django.conf import settings
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from massar.domain.sites import api as sites
from massar.domain.sites.api import rules
from massar.interfaces.base import cookies, form_fields, page, site_trials
from massar.interfaces.base.request import Request
from massar.interfaces.desk.guard import ministry_only
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import Problem
from massar.journeys.sso import see_sites

LONGEST = 200_000  # signs of metadata
TRIAL_WITHIN = 10.0  # seconds, for all that is asked of a site while a page waits
TRIALS = threading.BoundedSemaphore(2)  # in each process, whose other threads serve everybody else
_SLUG = dict.fromkeys(("required", "invalid"), "error.site_slug")


class TableForm(forms.Form):
    """What a new site says of itself. metadata: of a SAML site, XML; redirect_uris: of one that speaks OpenID Connect,
    one a line."""

    slug = forms.RegexField(r"^[a-z][a-z0-9_-]{1,39}$", error_messages=_SLUG)
    redirect_uris = form_fields.line(4000, required=False)
    metadata = form_fields.line(LONGEST, required=False)


@require_safe
@ministry_only
def index(request: Request, agent: Agent) -> HttpResponse:
    return _page(request)


@require_POST
@ministry_only
def trial(request: Request, agent: Agent, slug: str) -> HttpResponse:
    """Ask one site over the network, and show what came of it."""
    site = settings.MASSAR.sites.by_slug.get(slug)
    if site is None or not site.connected:
        raise Http404
    if not TRIALS.acquire(blocking=False):
        response = page.redirect_to("desk_sites")
        cookies.write_flash(response, "warning", "flash.sites_busy")
        return response
    ends = monotonic() + TRIAL_WITHIN
    try:
        tried = site_trials.run(site, left=lambda: ends - monotonic())
    finally:
        TRIALS.release()
    return _page(request, tried=tried, tried_slug=slug)


def _page(request: Request, *, tried: list[site_trials.Tried] | None = None, tried_slug: str = "") -> HttpResponse:
    seen = see_sites.look(now=request.now)
    return page.render(request, "desk/sites.html", seen=seen, tried=tried, tried_slug=tried_slug)


@require_http_methods(["GET", "HEAD", "POST"])
@ministry_only
def table(request: Request, agent: Agent) -> HttpResponse:
    """Write the table to paste into the file, with what is not in it. Nothing is stored or changed."""
    form = TableForm(request.POST if request.method == "POST" else None)
    written, left_out = "", list[str]()
    if form.is_valid():
        typed = form.cleaned_data
        try:
            values, left_out = _values(typed["slug"], typed["redirect_uris"], typed["metadata"], request)
        except sites.saml_metadata.MetadataRefused as refused:
            form.add_error("metadata", form_fields.as_error(Problem("site_metadata", {"why": str(refused)})))
        else:
            written = sites.saml_metadata.as_toml(typed["slug"], values) if values else ""
            if not values:
                form.add_error("redirect_uris", form_fields.as_error(Problem("site_addresses")))
    status, notes = 422 if form.errors else 200, list(dict.fromkeys(left_out))
    return page.render(request, "desk/site_table.html", status=status, form=form, written=written, left_out=notes)


def _values(slug: str, addresses: str, metadata: str, request: Request) -> tuple[dict[str, object], list[str]]:
    if metadata:
        return sites.saml_metadata.read(metadata.encode(), now=request.now)
    uris = addresses.split()
    if not uris:
        return {}, []
    wrong = [f"{one}: {refused}" for one in uris if (refused := _refusal(one))]
    values: dict[str, object] = {"protocol": "oidc", "client_id": slug, "client_secret": "", "redirect_uris": uris}
    told = (
        "client_secret: paste the hash that `massar sites secret` prints; the site gets the secret, shown there once."
    )
    return values, [*wrong, told]


def _refusal(address: str) -> str:
    try:
        rules.address(address)
    except ValueError as refused:
        return str(refused)
    return ""
