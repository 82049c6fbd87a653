"""What is wrong with registered sites, or soon will be: what their file can't tell by itself."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings

from massar.core import local_time
from massar.core.loopback import is_loopback
from massar.domain.sites import api as sites
from massar.domain.sites.api import Finding, Site, rules
from massar.journeys.sso import log_out_of_sites

NOT_ENCODED = (
    "in HTTP Basic such a sign is to be form-encoded (RFC 6749 §2.3.1), "
    "and Authlib, requests-oauthlib and Dovecot do not do that"
)
ROLLED_BEFORE = timedelta(days=60)  # people at many sites put the account's next certificate in by hand


def judged(site: Site, now: datetime) -> Iterator[Finding]:
    """What the file can't tell by itself: time, place, what our verifier takes, who would not hear of a sign-out.

    A mistake is what does not work, or soon will not, or is not safe; a note is worth knowing while all works.
    """
    yield from sites.saml_certificate.findings(site.certificate, now=now) if site.certificate else ()
    if settings.MASSAR.mode == "production":
        # Where browsers and the account go; a native program listens on the person's own machine, which is right.
        one = (site.backchannel_logout_uri, site.slo, site.slo_response, site.slo_soap, site.home, site.gate_origin)
        pages = [address for address in site.redirect_uris if address not in site.loopback_uris]
        for address in (*pages, *site.acs, *filter(None, one)):
            if is_loopback(urlsplit(address).hostname or ""):
                yield Finding(f"{address} is this machine: people's browsers don't get there.")
    if odd := rules.form_encoded(site.client_id):
        sentence = f"client_id holds {odd!r}: {NOT_ENCODED}; letters, digits, - . and _ are safe."
        yield Finding(sentence, note=":" not in odd)
    told = site.backchannel_logout_uri or site.slo_soap or log_out_of_sites.supports_browser_logout(site)
    if site.slo and not site.certificate:
        yield Finding("has slo but no certificate: nothing that it says about a sign-out can be believed.")
    elif site.connected and site.hears_sign_out and not told and site.protocol != "gate":  # it asks each time
        ways = "backchannel_logout_uri" if site.protocol == "oidc" else "slo_soap, backchannel_logout_uri or slo"
        wish = "give one, or say hears_sign_out = false if it need not"
        yield Finding(f"has no {ways}: it won't hear that somebody signed out; {wish}.")


def own_certificate_judged(now: datetime) -> list[str]:
    """The end of the account's own certificate, for `massar check` too. Raises django.db.Error without a database."""
    ends, next_from = sites.keys.saml_certificate_expiry(now=now) or (None, None)
    if ends is None or ends > now + ROLLED_BEFORE or (next_from and next_from <= ends):  # the new one is in time
        return []
    told = f"The account's SAML certificate {'ended' if ends <= now else 'ends'} on {local_time.day(ends)}"
    if next_from:
        wish = "`massar keys rotate --use saml --at-once` signs with a new one now, give it to every SAML site"
        return [f"{told} and the next one signs from {local_time.day(next_from)} only: {wish}."]
    return [f"{told}: make the next one with `massar keys rotate --use saml` and give it to every SAML site."]
