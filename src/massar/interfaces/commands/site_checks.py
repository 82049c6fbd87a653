"""What the file of sites can't tell by itself: time, the place, what our verifier takes, who would not hear of a sign-out,
and the end of the account's own SAML certificate.

Two kinds. A mistake is to be put right: something does not work, or soon will not, or is not safe. A note is worth
knowing while all works; it does not change the exit status.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

from massar.core import local_time
from massar.domain.sites.api import Site, keys, rules
from massar.journeys.sso import log_out_of_sites

NOT_ENCODED = (
    "in HTTP Basic such a sign is to be form-encoded (RFC 6749 §2.3.1), "
    "and Authlib, requests-oauthlib and Dovecot do not do that"
)
SOON = timedelta(days=30)
ROLLED_BEFORE = timedelta(days=60)  # people at many sites put the account's next certificate in by hand


@dataclass(frozen=True)
class Finding:
    """One sentence about a site. note: worth knowing, nothing to put right."""

    sentence: str
    note: bool = False


def judged(site: Site, now: datetime) -> Iterator[Finding]:
    yield from _certificates_judged(site, now) if site.certificate else ()
    if settings.MASSAR.mode == "production":
        for address in _addresses(site):
            if urlsplit(address).hostname in rules.LOOPBACK:
                yield Finding(f"{address} is this machine: people's browsers don't get there.")
    odd = rules.form_encoded(site.client_id)
    if odd:
        yield Finding(
            f"client_id holds {odd!r}: {NOT_ENCODED}; letters, digits, - . and _ are safe.", note=":" not in odd
        )
    if site.slo and not site.certificate:
        yield Finding("has slo but no certificate: nothing that it says about a sign-out can be believed.")
    elif site.connected and site.hears_sign_out and not _hears(site):
        ways = "backchannel_logout_uri" if site.protocol == "oidc" else "slo_soap, backchannel_logout_uri or slo"
        wish = "give one, or say hears_sign_out = false if it need not"
        yield Finding(f"has no {ways}: it won't hear that somebody signed out; {wish}.")


def _hears(site: Site) -> bool:
    """A gated site asks at every request."""
    return bool(
        site.protocol == "gate"
        or site.backchannel_logout_uri
        or site.slo_soap
        or log_out_of_sites.supports_browser_logout(site)
    )


def _addresses(site: Site) -> list[str]:
    """Where browsers and the account go; a native program listens on the person's own machine, which is right."""
    one = (site.backchannel_logout_uri, site.slo, site.slo_response, site.slo_soap, site.home, site.gate_origin)
    pages = [address for address in site.redirect_uris if address not in site.loopback_uris]
    return [*pages, *site.acs, *filter(None, one)]


# -- the account's own certificate


def own_certificate_judged(now: datetime) -> list[str]:
    """What `massar check` says as well. Raises django.db.Error where the database does not answer."""
    ending = keys.saml_certificate_expiry(now=now)
    if ending is None or ending.ends > now + ROLLED_BEFORE:
        return []
    if ending.next_from and ending.next_from <= ending.ends:
        return []  # it is rolled, the new one takes over in time
    told = (
        f"The account's SAML certificate {'ended' if ending.ends <= now else 'ends'} on {local_time.day(ending.ends)}"
    )
    if ending.next_from:
        late = f"{told} and the next one signs from {local_time.day(ending.next_from)} only"
        return [
            f"{late}: `massar keys rotate --use saml --at-once` signs with a new one now, give it to every SAML site."
        ]
    return [f"{told}: make the next one with `massar keys rotate --use saml` and give it to every SAML site."]


# -- certificates of sites


@dataclass(frozen=True)
class _Held:
    """One certificate of a site. bits: of its RSA key; 0: another kind of key, under which we verify nothing."""

    called: str
    begins: datetime
    ends: datetime
    bits: int

    def good_at(self, moment: datetime) -> bool:
        return bool(self.bits) and self.begins <= moment <= self.ends


def _certificates_judged(site: Site, now: datetime) -> Iterator[Finding]:
    """Each block of `certificate`: a site that rolls its key has two for a while."""
    if "PRIVATE KEY" in site.certificate:
        yield Finding("certificate holds a private key as well: take it out, only the site may have it.")
    held = _held(site.certificate)
    if held is None:
        yield Finding(
            "certificate can't be read: give each in PEM, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----."
        )
        return
    for one in held:
        others = [other for other in held if other is not one]
        found = _key_judged(one, others) or _time_judged(one, others, now)
        if found:
            yield found


def _held(pem: str) -> list[_Held] | None:
    """None if any block can't be read; the reader itself passes over a block without its last line."""
    try:
        known = x509.load_pem_x509_certificates(pem.encode())
        keys = [one.public_key() for one in known]
    except (ValueError, UnsupportedAlgorithm):
        return None
    if len(known) != pem.count("-----BEGIN CERTIFICATE-----"):
        return None
    names = (
        ["certificate"] if len(known) == 1 else [f"certificate, block {number}," for number in range(1, len(known) + 1)]
    )
    return [
        _Held(
            name,
            one.not_valid_before_utc,
            one.not_valid_after_utc,
            key.key_size if isinstance(key, rsa.RSAPublicKey) else 0,
        )
        for name, one, key in zip(names, known, keys, strict=True)
    ]


def _key_judged(one: _Held, others: list[_Held]) -> Finding | None:
    if not one.bits:
        told = f"{one.called} has a key that is not RSA: nothing signed with it is believed, the site must sign with RSA and SHA-2."
        return Finding(told, note=any(other.bits for other in others))
    if one.bits < rules.SHORTEST_RSA:
        return Finding(
            f"{one.called} has an RSA key of {one.bits} bits: the site needs one of {rules.SHORTEST_RSA} or more."
        )
    return None


def _time_judged(one: _Held, others: list[_Held], now: datetime) -> Finding | None:
    """A note where another block does the work at those moments."""
    moments = (now,)
    if one.ends <= now:
        told, then, otherwise = f"ended on {local_time.day(one.ends)}", "take it out", "ask the site for its new one"
    elif one.begins > now:
        told, then, otherwise = (
            f"begins on {local_time.day(one.begins)}",
            "another counts until then",
            "nothing is believed until then",
        )
    elif one.ends <= now + SOON:
        told, then, otherwise = (
            f"ends on {local_time.day(one.ends)}",
            "another goes on after it",
            "ask the site for its next one",
        )
        moments = (one.ends, now + SOON)
    else:
        return None
    covered = any(all(other.good_at(moment) for moment in moments) for other in others)
    return Finding(f"{one.called} {told}: {then if covered else otherwise}.", note=covered)
