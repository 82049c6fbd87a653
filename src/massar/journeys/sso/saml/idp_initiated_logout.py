"""The account tells a SAML site that sessions are over (SAML core §3.7.1, profiles §4.4.3.2).

The sessions have ended here before; nothing of this can bring them back or hold their end up. Either the worker asks
by SOAP, with the leases and retries of the outbox, or the person follows a link: one site, one step, and back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings

from massar.core import encryption, ids
from massar.core.saml.decode import EncodedMessage, decode_logout_response, decode_soap
from massar.core.saml.encode import encode_soap
from massar.core.saml.messages import LogoutRequest, LogoutResponse, MessageRefused
from massar.domain.delivery import api as delivery
from massar.domain.sites import api as sites
from massar.domain.sites.api import IdentityProvider, saml_idp
from massar.journeys.sso import log_out_of_sites
from massar.journeys.sso.log_out_of_sites import RecentLogout
from massar.journeys.sso.saml.validate_message import ValidMessage, validate

LIFE = timedelta(minutes=3)

# -- by SOAP


def soap_request(message: delivery.QueuedMessage, *, now: datetime) -> str:
    """The envelope with the LogoutRequest of one message, signed anew for each attempt."""
    values = message.values
    site = settings.MASSAR.sites.by_slug[values["site"]]
    kind = values["kind"] or site.name_id
    name = saml_idp.name_id_values(values["sid"], values["subject"], values["login"])[kind]
    request = _request(site, message.to, _attempt_id(message), kind, name, [values["sid"]], now)
    return encode_soap(request, saml_idp.signer(now=now))


def soap_request_about_nobody(site: sites.Site, id: str, *, now: datetime) -> str:
    """An envelope with a LogoutRequest that ends nothing, to try the site with."""
    request = _request(site, site.slo_soap, id, site.name_id, ids.short_token(), [ids.short_token()], now)
    return encode_soap(request, saml_idp.signer(now=now))


def _attempt_id(message: delivery.QueuedMessage) -> str:
    """The ID of the LogoutRequest of this attempt."""
    return f"_{message.uid}.{message.attempt}"


def judge_soap_answer(message: delivery.QueuedMessage, result: delivery.Result, *, now: datetime) -> delivery.Result:
    """What the site's answer is worth. Only a believed Success is Accepted; what can't be believed is tried again."""
    if not isinstance(result, delivery.Accepted):
        return result
    try:
        valid = validate_soap_answer(result.answer, site=settings.MASSAR.sites.by_slug[message.values["site"]], now=now)
    except MessageRefused as refused:
        return _not_believed(refused.why)
    if valid.site.slug != message.values["site"] or valid.message.in_response_to != _attempt_id(message):
        return _not_believed("the answer is another's")
    if valid.message.is_success:
        return result
    return delivery.Rejected(valid.message.status_name, permanent=True, about=delivery.RECIPIENT)


def _not_believed(why: str) -> delivery.Rejected:
    """An operator must look; the others' sign-outs go on."""
    return delivery.Rejected(why, permanent=False, configuration_error=True, about=delivery.RECIPIENT)


def validate_soap_answer(envelope: bytes, *, site: sites.Site, now: datetime) -> ValidMessage[LogoutResponse]:
    """The LogoutResponse in the envelope that a site sent back, believed. Raises MessageRefused.

    The connection says whose it is; a signature is demanded of sites that sign everything, and judged where it stands.
    """
    received, idp = decode_logout_response(decode_soap(envelope)), saml_idp.idp_of(site)
    return validate(received, idp=idp, destination=None, must_be_signed=False, now=now)


# -- through the browser


def browser_request(site: sites.Site, recent: RecentLogout, *, now: datetime) -> LogoutRequest | None:
    """The LogoutRequest that the browser carries, which its binding signs. None: the site was not visited.

    It calls the person as this browser's session did there, else as the newest did, and names every session that knew
    the person by that name.
    """
    ended = sites.grants.ended_since(recent.person_id, since=int(recent.since.timestamp()))
    visits = [g for g in ended if g.site == site.slug]
    if not visits or not log_out_of_sites.supports_browser_logout(site):
        return None
    own = next((g for g in visits if g.session_id == recent.session_id), visits[0])
    kind, name = _called(site, own)
    indexes = dict.fromkeys(g.sid for g in visits if _called(site, g) == (kind, name))
    return _request(site, site.slo, _bound_id(site, recent, ids.short_token()), kind, name, indexes, now)


def _called(site: sites.Site, grant: sites.GrantFacts) -> tuple[str, str]:
    kind = log_out_of_sites.name_kind(grant) or site.name_id
    return kind, saml_idp.name_id_values(grant.sid, grant.subject, grant.login)[kind]


def _bound_id(site: sites.Site, recent: RecentLogout, nonce: str) -> str:
    """An ID that says by itself for whom and for which site it was made: nothing has to be kept."""
    tag = encryption.browser_keys().sign(
        "saml-leaving", site.slug, recent.person_id, int(recent.since.timestamp()), nonce
    )
    return f"_{nonce}.{tag[:32]}"


def validate_browser_answer(
    encoded: EncodedMessage, *, idp: IdentityProvider, now: datetime
) -> ValidMessage[LogoutResponse]:
    """The site's answer, believed. Whose it is is for `is_bound_to` to say. Raises MessageRefused."""
    received = decode_logout_response(encoded)
    return validate(received, idp=idp, destination=idp.slo_url, must_be_signed=True, now=now)


def is_bound_to(recent: RecentLogout, site: sites.Site, request_id: str) -> bool:
    """Whether the LogoutRequest of that ID was made for this browser and that site."""
    nonce = request_id[1:].partition(".")[0]
    return request_id == _bound_id(site, recent, nonce)


# -- both


def _request(
    site: sites.Site, to: str, id: str, kind: str, name: str, indexes: Iterable[str], now: datetime
) -> LogoutRequest:
    issuer, name_id = saml_idp.idp_of(site).entity_id, saml_idp.name_id(site, kind, name)
    return LogoutRequest(id, issuer, now, to, name_id, tuple(indexes), now + LIFE)
