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
from massar.core.saml.messages import LogoutRequest, LogoutResponse, MessageRefused, NameId
from massar.domain.delivery import api as delivery
from massar.domain.sites import api as sites
from massar.domain.sites.api import IdentityProvider, saml_idp
from massar.journeys.sso.log_out_of_sites import RecentLogout, name_kind, supports_browser_logout
from massar.journeys.sso.saml.validate_message import ValidMessage, validate

LIFE = timedelta(minutes=3)


def _request(site: sites.Site, to: str, id: str, name: NameId, indexes: Iterable[str], now: datetime) -> LogoutRequest:
    return LogoutRequest(id, saml_idp.idp_of(site).entity_id, now, to, name, tuple(indexes), now + LIFE)


# -- by SOAP


def soap_request(message: delivery.QueuedMessage, *, now: datetime) -> str:
    """The envelope with the LogoutRequest of one message, signed anew for each attempt."""
    values, site = message.values, settings.MASSAR.sites.by_slug[message.values["site"]]
    name = saml_idp.name_id(site, values["kind"], **{key: values[key] for key in ("sid", "subject", "login")})
    request = _request(site, message.to, _attempt_id(message), name, [values["sid"]], now)
    return encode_soap(request, saml_idp.signer(now=now))


def soap_request_about_nobody(site: sites.Site, id: str, *, now: datetime) -> str:
    """An envelope with a LogoutRequest that ends nothing, to try the site with."""
    nobody = ids.short_token()
    name = saml_idp.name_id(site, "", sid=nobody, subject=nobody, login=nobody)
    return encode_soap(_request(site, site.slo_soap, id, name, [ids.short_token()], now), saml_idp.signer(now=now))


def _attempt_id(message: delivery.QueuedMessage) -> str:
    """The ID of the LogoutRequest of this attempt."""
    return f"_{message.uid}.{message.attempt}"


def judge_soap_answer(message: delivery.QueuedMessage, result: delivery.Result, *, now: datetime) -> delivery.Result:
    """What the site's answer is worth. Only a believed Success is Accepted.

    What can't be believed is tried again, and an operator must look; the others' sign-outs go on.
    """
    if not isinstance(result, delivery.Accepted):
        return result
    site = settings.MASSAR.sites.by_slug[message.values["site"]]
    try:
        valid = validate_soap_answer(result.answer, site=site, now=now)
        if valid.site.slug != site.slug or valid.message.in_response_to != _attempt_id(message):
            raise MessageRefused("request", "the answer is another's")
    except MessageRefused as refused:
        return delivery.Rejected(refused.why, permanent=False, configuration_error=True, about=delivery.RECIPIENT)
    if valid.message.is_success:
        return result
    return delivery.Rejected(valid.message.status_name, permanent=True, about=delivery.RECIPIENT)


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
    visits = [
        (grant, saml_idp.name_id(site, name_kind(grant), sid=grant.sid, subject=grant.subject, login=grant.login))
        for grant in sites.grants.ended_since(recent.person_id, since=int(recent.since.timestamp()))
        if grant.site == site.slug
    ]
    if not visits or not supports_browser_logout(site):
        return None
    called = next((name for grant, name in visits if grant.session_id == recent.session_id), visits[0][1])
    indexes = dict.fromkeys(grant.sid for grant, name in visits if name == called)
    return _request(site, site.slo, _bound_id(site, recent, ids.short_token()), called, indexes, now)


def _bound_id(site: sites.Site, recent: RecentLogout, nonce: str) -> str:
    """An ID that says by itself for whom and for which site it was made: nothing has to be kept."""
    about = (site.slug, recent.person_id, int(recent.since.timestamp()), nonce)
    return f"_{nonce}.{encryption.browser_keys().sign('saml-leaving', *about)[:32]}"


def validate_browser_answer(
    encoded: EncodedMessage, *, idp: IdentityProvider, now: datetime
) -> ValidMessage[LogoutResponse]:
    """The site's answer, believed. Whose it is is for `is_bound_to` to say. Raises MessageRefused."""
    received = decode_logout_response(encoded)
    return validate(received, idp=idp, destination=idp.slo_url, must_be_signed=True, now=now)


def is_bound_to(recent: RecentLogout, site: sites.Site, request_id: str) -> bool:
    """Whether the LogoutRequest of that ID was made for this browser and that site."""
    return request_id == _bound_id(site, recent, request_id[1:].partition(".")[0])
