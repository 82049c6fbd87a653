"""What the sites said when they were told that a session is over, for the browser in which it ended."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from massar.domain.sites.api import Site
from massar.interfaces.base.request import Request
from massar.journeys.sso import log_out_of_sites
from massar.journeys.sso.log_out_of_sites import RecentLogout


def requester(leaving: RecentLogout | None) -> tuple[Site, str] | None:
    """Return the site that waits for this browser, and the way there."""
    begun = leaving.requester if leaving else None
    site = settings.MASSAR.sites.by_slug.get(begun.site) if begun else None
    return (site, begun.address or reverse("saml_answer")) if site and begun else None


def shown(request: Request, seen: tuple[RecentLogout, tuple[str, ...]] | None) -> list[log_out_of_sites.LogoutStatus]:
    """List the sites; empty for the next person at this browser. seen: of `cookies.read_recent_logout`."""
    if not seen or (request.signed_in and seen[0].person_id != request.signed_in.person.id):
        return []
    leaving, left = seen
    return log_out_of_sites.logout_statuses(leaving.person_id, since=leaving.since, left=left)
