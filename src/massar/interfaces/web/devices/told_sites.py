"""What the sites said when they were told that a session is over, for the browser in which it ended."""

from __future__ import annotations

from django.http import HttpRequest

from massar.journeys import tell_sites
from massar.journeys.saml_farewell import Leaving


def shown(request: HttpRequest, seen: tuple[Leaving, tuple[str, ...]] | None) -> list[tell_sites.Told]:
    """The list of the sites; empty for the next person at this browser. seen: of `cookies.read_told`."""
    if not seen or (request.here and seen[0].person_id != request.here.person.id):
        return []
    leaving, left = seen
    return tell_sites.told(leaving.person_id, since=leaving.since, left=left)
