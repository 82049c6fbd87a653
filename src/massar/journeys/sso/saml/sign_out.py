"""Single logout (SAML core §3.7, profiles §4.4), both ways round.

A site asks. Signed: the name and the SessionIndex must belong together, to the site that asks, and to the person in
front of the browser if somebody is signed in there; otherwise nothing ends. What a site did not sign, or by what nobody
should trust, is worth a link: nothing ends by it, the person is asked, and the site is answered.

The account asks, for sessions that have ended here before: nothing of this can bring them back or hold their end up.
Either the worker asks by SOAP, with the leases and retries of the outbox, or the person follows a link: one site, one
step, and back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from massar.core import encryption, ids
from massar.core.saml import decode, messages
from massar.core.saml.decode import EncodedMessage
from massar.core.saml.encode import encode_soap
from massar.core.saml.messages import LogoutRequest, LogoutResponse, MessageRefused, NameId, demand
from massar.domain.delivery import api as delivery
from massar.domain.people import api as people
from massar.domain.sites import api as sites
from massar.domain.sites.api import IdentityProvider, saml_idp
from massar.journeys.account import close_sessions
from massar.journeys.sso import log_out_of_sites
from massar.journeys.sso.access import Visitor
from massar.journeys.sso.log_out_of_sites import RecentLogout
from massar.journeys.sso.saml.validate_message import ValidMessage, validate

PROVED, NOT_PROVED = "saml_logout", "saml_logout_to_confirm"  # kinds of a saved request
ValidAnswer = ValidMessage[LogoutResponse]
LIFE = timedelta(minutes=3)  # of a LogoutRequest of the account


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
    def from_saved(cls, values: Mapping[str, str], *, is_proved: bool) -> "RequestedLogout | None":
        """None: it is something else, or of the other kind, or the site is no longer registered."""
        site = settings.MASSAR.sites.by_slug.get(values.get("site", ""))
        if site is None or values.get("protocol") != (PROVED if is_proved else NOT_PROVED):
            return None
        indexes = tuple(filter(None, values.get("session_indexes", "").split("\n")))
        return cls(site, values["id"], values.get("name", ""), indexes, values["relay_state"], is_proved)


@dataclass(frozen=True)
class LogoutOutcome:
    """ended_here: the session of this browser. is_partial: another site stays open that only this browser can tell."""

    ended_here: bool = False
    is_partial: bool = False


def requested(encoded: EncodedMessage, idp: IdentityProvider, visitor: Visitor) -> RequestedLogout:
    """What a LogoutRequest asks. Raises MessageRefused."""
    received, now = decode.decode_logout_request(encoded), visitor.now
    valid = validate(received, idp=idp, destination=idp.at("slo"), now=now, visitor=visitor)
    request, relay_state = valid.message, valid.relay_state
    demand(not request.not_on_or_after or request.not_on_or_after > now, "NotOnOrAfter is over.", problem="expired")
    meant = (request.id, request.name_id.value, request.session_indexes)
    return RequestedLogout(valid.site, *meant, relay_state, valid.is_proved, valid.is_distrusted)


@transaction.atomic
def end_here(requested: RequestedLogout, visitor: Visitor, *, cookie: str) -> LogoutOutcome:
    """The person in front of the browser signs out. cookie: of a session that may have been idle for too long."""
    signed_in, browser, now = visitor.recognised, visitor.browser, visitor.now
    if signed_in is None:
        close_sessions.sign_out_left_open(cookie=cookie, browser=browser, now=now)
        return LogoutOutcome()
    close_sessions.sign_out(signed_in=signed_in, browser=browser, now=now)
    return _outcome(requested, visitor, signed_in.person.id, [signed_in.session.id])


@transaction.atomic
def end(requested: RequestedLogout, visitor: Visitor) -> LogoutOutcome | None:
    """End the sessions that were meant, if they have not ended, and tell the other sites. None: none is the site's."""
    site, present = requested.site, visitor.recognised.person if visitor.recognised else None
    person = _person(requested, present, visitor.now)
    if person is None or (present and present.id != person.id):
        return None
    meant: dict[int, None] = {}  # sessions in which the person visited the site under that name
    for visit in sites.grants.visits(site.slug, person.id):
        names = saml_idp.name_id_values(visit.sid, visit.subject, visit.login)
        own = [names[kind] for kind in saml_idp.name_id_kinds(site)]
        if requested.name in own and (not requested.session_indexes or visit.sid in requested.session_indexes):
            meant[visit.session_id] = None
    if not meant:
        return None
    ended = close_sessions.sign_out_by_site(
        person=person, session_ids=list(meant), site=site.slug, browser=visitor.browser, now=visitor.now
    )
    return _outcome(requested, visitor, person.id, ended)


def _outcome(requested: RequestedLogout, visitor: Visitor, person_id: int, ended: list[int]) -> LogoutOutcome:
    knows = (requested.site.slug,)
    left_open = log_out_of_sites.has_left_open(person_id, ended, since=visitor.now, confirmed=knows)
    return LogoutOutcome(bool(visitor.recognised and visitor.recognised.session.id in ended), left_open)


def _person(requested: RequestedLogout, present: people.PersonFacts | None, now: datetime) -> people.PersonFacts | None:
    """By the site's own name of the person. A transient name or a former address says nothing without a session."""
    known = sites.subjects.person_of(requested.site.slug, requested.name)
    if known:
        return people.directory.by_id(known, now=now)
    if requested.site.name_id == "email" and "@" in requested.name:
        found = people.directory.by_login(requested.name, now=now)
        if found:
            return found
    return present


def response(*, requested: RequestedLogout, outcome: LogoutOutcome | None, now: datetime) -> LogoutResponse:
    """What answers the site."""
    site, status = requested.site, [messages.REQUESTER, messages.UNKNOWN_PRINCIPAL]
    if outcome:
        status = [messages.SUCCESS, messages.PARTIAL_LOGOUT] if outcome.is_partial else [messages.SUCCESS]
    id, issuer = f"_{ids.short_token()}", saml_idp.idp_of(site).entity_id
    return LogoutResponse(id, issuer, now, site.slo_answers, requested.id, tuple(status))


def _request(site: sites.Site, to: str, id: str, name: NameId, indexes: Iterable[str], now: datetime) -> LogoutRequest:
    return LogoutRequest(id, saml_idp.idp_of(site).entity_id, now, to, name, tuple(indexes), now + LIFE)


def soap_request(message: delivery.QueuedMessage, *, now: datetime) -> str:
    """The envelope with the LogoutRequest of one message, signed anew for each attempt."""
    values, site = message.values, settings.MASSAR.sites.by_slug[message.values["site"]]
    name = saml_idp.name_id(site, values["kind"], values["sid"], values["subject"], values["login"])
    request = _request(site, message.to, _attempt_id(message), name, [values["sid"]], now)
    return encode_soap(request, saml_idp.signer(now=now))


def soap_request_about_nobody(site: sites.Site, id: str, *, now: datetime) -> str:
    """An envelope with a LogoutRequest that ends nothing, to try the site with."""
    name = saml_idp.name_id(site, "", *[ids.short_token()] * 3)
    return encode_soap(_request(site, site.slo_soap, id, name, [ids.short_token()], now), saml_idp.signer(now=now))


def _attempt_id(message: delivery.QueuedMessage) -> str:
    """The ID of the LogoutRequest of this attempt."""
    return f"_{message.uid}.{message.attempt}"


def judge_soap_answer(message: delivery.QueuedMessage, result: delivery.Result, *, now: datetime) -> delivery.Result:
    """Only a believed Success is Accepted. What can't be believed is tried again, and an operator must look."""
    if not isinstance(result, delivery.Accepted):
        return result
    site = settings.MASSAR.sites.by_slug[message.values["site"]]
    try:
        valid = validate_soap_answer(result.answer, site=site, now=now)
        right = valid.site.slug == site.slug and valid.message.in_response_to == _attempt_id(message)
        demand(right, "the answer is another's")
    except MessageRefused as refused:
        return delivery.Rejected(refused.why, permanent=False, configuration_error=True, about=delivery.RECIPIENT)
    if valid.message.is_success:
        return result
    return delivery.Rejected(valid.message.status_name, permanent=True, about=delivery.RECIPIENT)


def validate_soap_answer(envelope: bytes, *, site: sites.Site, now: datetime) -> ValidAnswer:
    """The LogoutResponse in the envelope that a site sent back. Raises MessageRefused. The connection says whose it is;
    a signature is demanded of sites that sign everything, and judged where it stands."""
    received, idp = decode.decode_logout_response(decode.decode_soap(envelope)), saml_idp.idp_of(site)
    return validate(received, idp=idp, destination=None, now=now)


def browser_request(site: sites.Site, recent: RecentLogout, *, now: datetime) -> LogoutRequest | None:
    """The LogoutRequest that the browser carries, which its binding signs; None: the site was not visited. It calls the
    person as this browser's session did there, else as the newest did, and names every session of that name."""
    visits = []
    for grant in sites.grants.ended_since(recent.person_id, since=int(recent.since.timestamp())):
        if grant.site == site.slug:
            kind, about = log_out_of_sites.name_kind(grant), (grant.sid, grant.subject, grant.login)
            visits.append((grant, saml_idp.name_id(site, kind, *about)))
    if not visits or not log_out_of_sites.supports_browser_logout(site):
        return None
    called = next((name for grant, name in visits if grant.session_id == recent.session_id), visits[0][1])
    indexes = dict.fromkeys(grant.sid for grant, name in visits if name == called)
    return _request(site, site.slo, _bound_id(site, recent, ids.short_token()), called, indexes, now)


def _bound_id(site: sites.Site, recent: RecentLogout, nonce: str) -> str:
    """An ID that says by itself for whom and for which site it was made: nothing has to be kept."""
    about = (site.slug, recent.person_id, int(recent.since.timestamp()), nonce)
    return f"_{nonce}.{encryption.browser_keys().sign('saml-leaving', *about)[:32]}"


def validate_browser_answer(encoded: EncodedMessage, *, idp: IdentityProvider, now: datetime) -> ValidAnswer:
    """The site's answer, believed. Whose it is is for `is_bound_to` to say. Raises MessageRefused."""
    received = decode.decode_logout_response(encoded)
    return validate(received, idp=idp, destination=idp.at("slo"), must_be_signed=True, now=now)


def is_bound_to(recent: RecentLogout, site: sites.Site, request_id: str) -> bool:
    """Whether the LogoutRequest of that ID was made for this browser and that site."""
    return request_id == _bound_id(site, recent, request_id[1:].partition(".")[0])
