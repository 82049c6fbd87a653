"""A site asks to sign the person out (OpenID Connect RP-Initiated Logout 1.0).

A link alone ends nothing: an ID token of that very session is the proof that the site may ask, else the person is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from massar.core.browser import Browser
from massar.domain.people import api as people
from massar.domain.sites import api as sites
from massar.journeys.account import close_sessions
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import access, log_out_of_sites
from massar.journeys.sso.oidc import verify


@dataclass(frozen=True)
class EndSessionRequest:
    """A logout request. `back`: where the browser goes afterwards, '' for nowhere. `session`: the sid it proves, of whom
    the site calls `subject`.
    """

    site: sites.Site | None
    back: str
    state: str
    session: str
    subject: str = ""

    def fits(self, signed_in: SignedIn) -> bool:
        """Whether the proof is of this very session."""
        return bool(self.site) and log_out_of_sites.is_sid_of(self.session, self.site.slug, signed_in.session.id)


def read(
    *, id_token_hint: str, client_id: str, post_logout_redirect_uri: str, state: str, now: datetime
) -> EndSessionRequest | None:
    """The request, or None if something in it is false: then nothing is done and nobody is sent anywhere.

    An address needs a site that is known for sure and has it registered; without a site it is left out.
    """
    session = subject = ""
    if id_token_hint:
        proof = verify.of_ours(id_token_hint, now=now)
        hint = proof or verify.of_a_removed_key(id_token_hint)
        if hint is None or hint["iss"] != access.issuer() or client_id not in ("", hint["aud"]):
            return None
        client_id, session, subject = hint["aud"], hint["sid"] if proof else "", hint["sub"]
    site = settings.MASSAR.sites.by_client.get(client_id) if client_id else None
    if client_id and site is None:
        return None
    if site is None:
        return EndSessionRequest(None, "", "", "")
    if post_logout_redirect_uri and post_logout_redirect_uri not in site.post_logout_redirect_uris:
        return None
    return EndSessionRequest(site, post_logout_redirect_uri, state, session, subject)


def sign_out(*, signed_in: SignedIn, browser: Browser, now: datetime) -> None:
    """Ends the session; every site it opened is told, the asking one too."""
    close_sessions.sign_out(signed_in=signed_in, browser=browser, now=now)


@transaction.atomic
def end_left_open(*, wish: EndSessionRequest, browser: Browser, now: datetime) -> None:
    """Nobody is signed in here any more (idle, or the browser was closed), but the site proves which session it means.

    That session ends, and the other sites that it had opened are told.
    """
    person_id = sites.subjects.person_of(wish.site.slug, wish.subject) if wish.site and wish.session else None
    person = people.directory.by_id(person_id) if person_id else None
    if person is None:
        return
    visits = sites.grants.visits(wish.site.slug, person.id)
    meant = sorted({visit.session_id for visit in visits if visit.sid == wish.session})
    close_sessions.sign_out_by_site(person=person, session_ids=meant, site=wish.site.slug, browser=browser, now=now)
