"""A SAML site asks to end the session of one of its people (SAML core §3.7, profiles §4.4).

Signed: the name and the SessionIndex must belong together, to the site that asks, and to the person in front of the
browser if somebody is signed in there; otherwise nothing ends. What a site did not sign, or by what nobody should
trust, is worth a link: nothing ends by it, the person is asked, and the site is answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from massar.core import ids
from massar.core.browser import Browser
from massar.core.saml.decode import EncodedMessage, decode_logout_request
from massar.core.saml.messages import LogoutResponse, MessageRefused
from massar.core.saml.names import PARTIAL_LOGOUT, REQUESTER, SUCCESS, UNKNOWN_PRINCIPAL
from massar.domain.people import api as people
from massar.domain.sites import api as sites
from massar.domain.sites.api import IdentityProvider, saml_idp
from massar.journeys.account import close_sessions
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import log_out_of_sites, save_request
from massar.journeys.sso.saml.validate_message import validate

PROVED, NOT_PROVED = "saml_logout", "saml_logout_to_confirm"  # kinds of a saved request


@dataclass(frozen=True)
class RequestedLogout:
    """A site's request to sign somebody out. It ends sessions by itself only if it `is_proved` to be the site's.

    session_indexes: (): every session of that name. is_distrusted: it is signed, by an algorithm that is not taken.
    """

    site: sites.Site
    id: str
    name: str
    session_indexes: tuple[str, ...]
    relay_state: str
    is_proved: bool = True
    is_distrusted: bool = False

    def saved(self) -> dict[str, str]:
        """Texts, to wait for the browser or the person. Of what is not proved only what answers the site."""
        meant = {"name": self.name, "session_indexes": "\n".join(self.session_indexes)} if self.is_proved else {}
        kind = PROVED if self.is_proved else NOT_PROVED
        return {"protocol": kind, "site": self.site.slug, "id": self.id, "relay_state": self.relay_state, **meant}

    @classmethod
    def from_saved(cls, values: Mapping[str, str], *, is_proved: bool) -> RequestedLogout | None:
        """None: it is something else, or of the other kind, or the site is no longer registered."""
        site = settings.MASSAR.sites.by_slug.get(values.get("site", ""))
        if site is None or values.get("protocol") != (PROVED if is_proved else NOT_PROVED):
            return None
        indexes = tuple(filter(None, values.get("session_indexes", "").split("\n")))
        return cls(site, values["id"], values.get("name", ""), indexes, values["relay_state"], is_proved)


@dataclass(frozen=True)
class LogoutOutcome:
    """How it went. knows_name: it was one of the site's. ended_here: the session of this browser is over.

    is_partial: another site stays open that only the person's browser can tell.
    """

    knows_name: bool = True
    ended_here: bool = False
    is_partial: bool = False


def requested(
    encoded: EncodedMessage, *, idp: IdentityProvider, signed_in: SignedIn | None, browser: Browser, now: datetime
) -> RequestedLogout:
    """What a LogoutRequest asks. Raises MessageRefused. signed_in, browser: for whom unsigned IDs are remembered."""
    valid = validate(
        decode_logout_request(encoded),
        idp=idp,
        destination=idp.slo_url,
        must_be_signed=False,
        now=now,
        may_remember=lambda: save_request.may_add_to_replay_cache(signed_in=signed_in, browser=browser, now=now),
    )
    request, relay_state = valid.message, valid.relay_state
    if request.not_on_or_after and request.not_on_or_after <= now:
        raise MessageRefused("expired", "NotOnOrAfter is over.")
    meant = (request.id, request.name_id.value, request.session_indexes)
    return RequestedLogout(valid.site, *meant, relay_state, valid.is_proved, valid.is_distrusted)


@transaction.atomic
def end_here(
    *, requested: RequestedLogout, signed_in: SignedIn | None, cookie: str, browser: Browser, now: datetime
) -> LogoutOutcome:
    """The person in front of the browser signs out. cookie: of a session that may have been idle for too long."""
    if signed_in is None:
        close_sessions.sign_out_left_open(cookie=cookie, browser=browser, now=now)
        return LogoutOutcome()
    close_sessions.sign_out(signed_in=signed_in, browser=browser, now=now)
    return _outcome(requested, signed_in.person.id, [signed_in.session.id], signed_in, now)


@transaction.atomic
def end(*, requested: RequestedLogout, signed_in: SignedIn | None, browser: Browser, now: datetime) -> LogoutOutcome:
    """End the sessions that were meant and tell the other sites. A session that had ended already is no error."""
    site, person = requested.site, _person(requested, signed_in)
    if person is None or (signed_in and signed_in.person.id != person.id):
        return LogoutOutcome(knows_name=False)
    meant: dict[int, None] = {}  # sessions in which the person visited the site under that name
    for visit in sites.grants.visits(site.slug, person.id):
        names = saml_idp.name_id_values(visit.sid, visit.subject, visit.login)
        own = [names[kind] for kind in saml_idp.name_id_kinds(site)]
        if requested.name in own and (not requested.session_indexes or visit.sid in requested.session_indexes):
            meant[visit.session_id] = None
    if not meant:
        return LogoutOutcome(knows_name=False)
    ended = close_sessions.sign_out_by_site(
        person=person, session_ids=list(meant), site=site.slug, browser=browser, now=now
    )
    return _outcome(requested, person.id, ended, signed_in, now)


def _outcome(
    requested: RequestedLogout, person_id: int, ended: list[int], signed_in: SignedIn | None, now: datetime
) -> LogoutOutcome:
    ended_here = signed_in is not None and signed_in.session.id in ended
    left_open = log_out_of_sites.has_left_open(person_id, ended, since=now, confirmed=(requested.site.slug,))
    return LogoutOutcome(ended_here=ended_here, is_partial=left_open)


def _person(requested: RequestedLogout, signed_in: SignedIn | None) -> people.PersonFacts | None:
    """By the site's own name of the person. A transient name or a former address says nothing without a session."""
    known = sites.subjects.person_of(requested.site.slug, requested.name)
    if known:
        return people.directory.by_id(known)
    if requested.site.name_id == "email" and "@" in requested.name:
        found = people.directory.by_login(requested.name)
        if found or not signed_in:
            return found
    return signed_in.person if signed_in else None


def response(*, requested: RequestedLogout, outcome: LogoutOutcome, now: datetime) -> LogoutResponse:
    """What answers the site."""
    site, status = requested.site, (SUCCESS, PARTIAL_LOGOUT) if outcome.is_partial else (SUCCESS,)
    status = status if outcome.knows_name else (REQUESTER, UNKNOWN_PRINCIPAL)
    id, issuer = f"_{ids.short_token()}", saml_idp.idp_of(site).entity_id
    return LogoutResponse(id, issuer, now, site.slo_answers, requested.id, status)
