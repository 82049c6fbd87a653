"""Messages of sites, whichever way they came: from a registered site, signed where they must be, in time, and once.

Nothing of a message is believed before `validate` has returned it.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic

from django.conf import settings
from django.db import transaction

from massar.core.saml.decode import M, UnverifiedMessage
from massar.core.saml.messages import MessageRefused, demand
from massar.domain.sites import api as sites
from massar.domain.sites.api import IdentityProvider
from massar.journeys.sso import save_request
from massar.journeys.sso.access import Visitor

WINDOW = timedelta(minutes=5)  # how old a message may be
SKEW = timedelta(seconds=60)  # how far ahead a site's clock may go
log = logging.getLogger("massar.saml")


@dataclass(frozen=True)
class ValidMessage(Generic[M]):
    """is_proved: a registered certificate says that the site wrote it. is_distrusted: it carries a signature by
    algorithms that nobody should trust, which was not looked at."""

    site: sites.Site
    message: M
    relay_state: str
    is_proved: bool
    is_distrusted: bool


def validate(
    received: UnverifiedMessage[M],
    *,
    idp: IdentityProvider,
    destination: str | None,
    now: datetime,
    must_be_signed: bool = False,
    visitor: Visitor | None = None,
) -> ValidMessage[M]:
    """Judge a message, and remember its ID. Raises MessageRefused: nothing is sent anywhere.

    A site that need not sign may sign by what is not taken (SHA-1, as Microsoft 365 does): that counts as unsigned.

    idp: to which entity of the account it came. destination: where it must say that it goes; None where the connection
    itself says so (SOAP). must_be_signed: whatever the registry says. visitor: by whom it came, if anybody may send
    it: their network pays for the ID of what nobody has signed. Such a message could as well come with another ID, so
    where there is no room the message is answered all the same.
    """
    site = settings.MASSAR.sites.by_entity.get((idp.name, received.issuer))
    if site is None or site.protocol != "saml" or not site.connected:
        raise MessageRefused("site", f"No site is registered under this Issuer for {idp.entity_id}.")
    must_be_signed, is_signed, kind = must_be_signed or site.signed_requests, received.is_signed, received.kind
    is_distrusted = is_signed and not must_be_signed and not received.has_accepted_algorithm
    if is_distrusted:
        log.info("the %s of %s is signed by an algorithm that is not taken, and counts as unsigned", kind, site.slug)
        is_signed = False
    demand(is_signed or not must_be_signed, f"The {kind} must be signed.")
    is_proved = is_signed and bool(site.certificate)
    demand(is_proved or not must_be_signed, "No certificate is registered for the site.")
    if is_proved:
        message = received.verified(sites.saml_certificate.usable(site.certificate, now=now), now=now)
    else:
        message = received.unverified()
    # A signed message must say where it goes (bindings §3.4.5.2).
    unsaid = destination is None or (not message.destination and not is_signed)
    demand(unsaid or message.destination == destination, f"Destination must be {destination}.")
    demand(message.issued_at <= now + SKEW, "IssueInstant lies ahead of us.")
    demand(message.issued_at >= now - WINDOW, "IssueInstant is older than five minutes.", problem="expired")
    until = message.issued_at + WINDOW + SKEW
    with transaction.atomic():  # what the ID's row costs its network is paid with the row, or not at all
        remembered = is_proved or visitor is None or save_request.may_add_to_replay_cache(visitor)
        is_new = not remembered or sites.replay_cache.add("saml", site.slug, message.id, until=until)
        demand(is_new, "This ID has come before.", problem="expired")
    return ValidMessage(site, message, received.encoded.relay_state, is_proved, is_distrusted)
