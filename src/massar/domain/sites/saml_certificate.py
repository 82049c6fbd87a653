"""A SAML site's certificate is judged here: which ones count now, and what `massar sites check` says of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from massar.core import local_time
from massar.core.saml.messages import MessageRefused, demand
from massar.domain.sites.rules import SHORTEST_RSA

SOON = timedelta(days=30)
BEGIN = "-----BEGIN CERTIFICATE-----"


def usable(pem: str, *, now: datetime) -> list[x509.Certificate]:
    """The certificates of a site that are RSA and in their time. Raises MessageRefused if there is none."""
    try:
        known = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as trouble:
        why = "Not signed as it must be: no readable certificate is registered for the site."
        raise MessageRefused("request", why) from trouble
    usable = [one for one in known if _rsa_bits(one) and _is_in_time(one, now)]
    demand(usable, "Not signed as it must be: the registered certificate is out of its time, or not RSA.")
    return usable


def _rsa_bits(certificate: x509.Certificate) -> int:
    """0: another kind of key, under which nothing is verified."""
    key = certificate.public_key()
    return key.key_size if isinstance(key, rsa.RSAPublicKey) else 0


def _is_in_time(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


@dataclass(frozen=True)
class Finding:
    """One sentence about a site. note: worth knowing, nothing to put right."""

    sentence: str
    note: bool = False


def findings(pem: str, *, now: datetime) -> Iterator[Finding]:
    """What is wrong with each certificate, or soon will be. A site that rolls its key has two for a while."""
    if "PRIVATE KEY" in pem:
        yield Finding("certificate holds a private key as well: take it out, only the site may have it.")
    try:
        known = [(one, _rsa_bits(one)) for one in x509.load_pem_x509_certificates(pem.encode())]
    except (ValueError, UnsupportedAlgorithm):
        known = []
    if not known or len(known) != pem.count(BEGIN):  # the reader passes over a block without its last line
        yield Finding(f"certificate can't be read: give each in PEM, from {BEGIN} to {BEGIN.replace('BEGIN', 'END')}.")
        return
    for number, (one, bits) in enumerate(known, 1):
        called = "certificate" if len(known) == 1 else f"certificate, block {number},"
        others = [other for other, good in known if other is not one and good]
        if not bits:
            why = "nothing signed with it is believed, the site must sign with RSA and SHA-2"
            yield Finding(f"{called} has a key that is not RSA: {why}.", note=bool(others))
        elif bits < SHORTEST_RSA:
            wish = f"the site needs one of {SHORTEST_RSA} or more"
            yield Finding(f"{called} has an RSA key of {bits} bits: {wish}.")
        else:
            yield from _judge_time(called, one, others, now)


def _judge_time(called: str, one: x509.Certificate, others: list[x509.Certificate], now: datetime) -> Iterator[Finding]:
    """A note where another certificate does the work at those moments."""
    begins, ends, moments = one.not_valid_before_utc, one.not_valid_after_utc, [now]
    if ends <= now:
        state, then, otherwise = f"ended on {local_time.day(ends)}", "take it out", "ask the site for its new one"
    elif begins > now:
        state = f"begins on {local_time.day(begins)}"
        then, otherwise = "another counts until then", "nothing is believed until then"
    elif ends <= now + SOON:
        state, moments = f"ends on {local_time.day(ends)}", [ends, now + SOON]
        then, otherwise = "another goes on after it", "ask the site for its next one"
    else:
        return
    covered = any(all(_is_in_time(other, moment) for moment in moments) for other in others)
    yield Finding(f"{called} {state}: {then if covered else otherwise}.", note=covered)
