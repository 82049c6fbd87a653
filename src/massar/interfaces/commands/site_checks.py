"""What the file of sites can't tell by itself: time, place, what our verifier takes, who would not hear of a sign-out,
and the end of the account's own SAML certificate.

Two kinds. A mistake is to be put right: something does not work, or soon will not, or is not safe. A note is worth
knowing while all works; it does not change the exit status.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings

from massar.core import local_time
from massar.core.loopback import is_loopback
from massar.domain.sites.api import Finding, Site, keys, rules, saml_certificate
from massar.journeys.sso import log_out_of_sites

NOT_ENCODED = (
    "in HTTP Basic such a sign is to be form-encoded (RFC 6749 §2.3.1), "
    "and Authlib, requests-oauthlib and Dovecot do not do that"
)
ROLLED_BEFORE = timedelta(days=60)  # people at many sites put the account's next certificate in by hand


def judged(site: Site, now: datetime) -> Iterator[Finding]:
    yield from saml_certificate.findings(site.certificate, now=now) if site.certificate else ()
    if settings.MASSAR.mode == "production":
        # Where browsers and the account go; a native program listens on the person's own machine, which is right.
        one = (site.backchannel_logout_uri, site.slo, site.slo_response, site.slo_soap, site.home, site.gate_origin)
        pages = [address for address in site.redirect_uris if address not in site.loopback_uris]
        for address in (*pages, *site.acs, *filter(None, one)):
            if is_loopback(urlsplit(address).hostname or ""):
                yield Finding(f"{address} is this machine: people's browsers don't get there.")
    if odd := rules.form_encoded(site.client_id):
        told = f"client_id holds {odd!r}: {NOT_ENCODED}; letters, digits, - . and _ are safe."
        yield Finding(told, note=":" not in odd)
    hears = (  # a gated site asks at every request
        site.protocol == "gate"
        or site.backchannel_logout_uri
        or site.slo_soap
        or log_out_of_sites.supports_browser_logout(site)
    )
    if site.slo and not site.certificate:
        yield Finding("has slo but no certificate: nothing that it says about a sign-out can be believed.")
    elif site.connected and site.hears_sign_out and not hears:
        ways = "backchannel_logout_uri" if site.protocol == "oidc" else "slo_soap, backchannel_logout_uri or slo"
        wish = "give one, or say hears_sign_out = false if it need not"
        yield Finding(f"has no {ways}: it won't hear that somebody signed out; {wish}.")


def own_certificate_judged(now: datetime) -> list[str]:
    """What `massar check` says as well. Raises django.db.Error where the database does not answer."""
    ends, next_from = keys.saml_certificate_expiry(now=now) or (None, None)
    if ends is None or ends > now + ROLLED_BEFORE:
        return []
    if next_from and next_from <= ends:
        return []  # it is rolled, the new one takes over in time
    told = f"The account's SAML certificate {'ended' if ends <= now else 'ends'} on {local_time.day(ends)}"
    if next_from:
        late = f"{told} and the next one signs from {local_time.day(next_from)} only"
        wish = "`massar keys rotate --use saml --at-once` signs with a new one now, give it to every SAML site"
        return [f"{late}: {wish}."]
    return [f"{told}: make the next one with `massar keys rotate --use saml` and give it to every SAML site."]
