"""A site asks to sign the person out (OpenID Connect RP-Initiated Logout 1.0).

A link alone ends nothing: an ID token of that very session proves that the site may ask, else the person is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction

from massar.domain.people import api as people
from massar.domain.sites import api as sites
from massar.journeys.account import close_sessions
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import access, log_out_of_sites
from massar.journeys.sso.access import Visitor
from massar.journeys.sso.oidc import verify

FIELDS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")
LONGEST = 8192  # characters of one value; sites put whole objects into state, as for the sign-in


@dataclass(frozen=True)
class EndSessionRequest:
    """return_to: where the browser goes afterwards, with the site's state; '' for nowhere. sid, subject: of the session
    that it proves."""

    site: sites.Site | None = None
    return_to: str = ""
    sid: str = ""
    subject: str = ""

    def is_about(self, signed_in: SignedIn) -> bool:
        """Whether the proof is of this very session."""
        return self.site is not None and log_out_of_sites.is_sid_of(self.sid, self.site.slug, signed_in.session.id)


def read(given: Mapping[str, str], *, now: datetime) -> EndSessionRequest | None:
    """Read the request; None if something in it is false: then nothing is done and nobody is sent anywhere. An address
    needs a site that is known for sure and has it registered; without a site it is left out."""
    id_token_hint, client_id, return_to, state = values = [given.get(name, "") for name in FIELDS]
    if any(len(value) > LONGEST for value in values):
        return None
    sid = subject = ""
    if id_token_hint:
        proof = verify.of_ours(id_token_hint, now=now)
        hint = proof or verify.of_a_removed_key(id_token_hint)
        if hint is None or hint["iss"] != access.issuer() or client_id not in ("", hint["aud"]):
            return None
        client_id, sid, subject = hint["aud"], hint["sid"] if proof else "", hint["sub"]
    if not client_id:
        return EndSessionRequest()
    site = settings.MASSAR.sites.by_client.get(client_id)
    if site is None or return_to not in ("", *site.post_logout_redirect_uris):
        return None
    if return_to and state:
        return_to += f"{'&' if '?' in return_to else '?'}{urlencode({'state': state})}"
    return EndSessionRequest(site, return_to, sid, subject)


@transaction.atomic
def end_left_open(asked: EndSessionRequest, visitor: Visitor) -> None:
    """Nobody is signed in here any more (idle, or the browser was closed), but the site proves which session it means:
    that ends, and the other sites are told."""
    site = asked.site
    person_id = sites.subjects.person_of(site.slug, asked.subject) if site and asked.sid else None
    person = people.directory.by_id(person_id, now=visitor.now) if person_id else None
    if site is None or person is None:
        return
    meant = {visit.session_id for visit in sites.grants.visits(site.slug, person.id) if visit.sid == asked.sid}
    close_sessions.sign_out_by_site(
        person=person, session_ids=sorted(meant), site=site.slug, browser=visitor.browser, now=visitor.now
    )
