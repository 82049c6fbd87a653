"""A SAML site's certificate, judged: which of the registered ones count now, and what `massar sites check` says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from massar.core import local_time
from massar.domain.sites.rules import SHORTEST_RSA

SOON = timedelta(days=30)
BEGIN = "-----BEGIN CERTIFICATE-----"


class CertificateRefused(Exception):
    """Nothing can be verified for the site; the message says why."""


def usable(pem: str, *, now: datetime) -> list[x509.Certificate]:
    """Those of a site's registered certificates that are RSA and in their time. Raises CertificateRefused without any."""
    try:
        known = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as trouble:
        raise CertificateRefused("no readable certificate is registered for the site") from trouble
    usable = [one for one in known if isinstance(one.public_key(), rsa.RSAPublicKey) and _is_in_time(one, now)]
    if not usable:
        raise CertificateRefused("the registered certificate is out of its time, or not RSA")
    return usable


def _is_in_time(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


@dataclass(frozen=True)
class Finding:
    """One sentence about a site. note: worth knowing, nothing to put right."""

    sentence: str
    note: bool = False


@dataclass(frozen=True)
class _Block:
    """One certificate of several. bits: of its RSA key; 0: another kind of key, under which nothing is verified."""

    called: str
    begins: datetime
    ends: datetime
    bits: int

    def is_good_at(self, moment: datetime) -> bool:
        return bool(self.bits) and self.begins <= moment <= self.ends


def findings(pem: str, *, now: datetime) -> Iterator[Finding]:
    """What is wrong with each block of the setting, or soon will be. A site that rolls its key has two for a while."""
    if "PRIVATE KEY" in pem:
        yield Finding("certificate holds a private key as well: take it out, only the site may have it.")
    blocks = _blocks(pem)
    if blocks is None:
        yield Finding(f"certificate can't be read: give each in PEM, from {BEGIN} to {BEGIN.replace('BEGIN', 'END')}.")
        return
    for one in blocks:
        others = [other for other in blocks if other is not one]
        found = _judge_key(one, others) or _judge_time(one, others, now)
        if found:
            yield found


def _blocks(pem: str) -> list[_Block] | None:
    """None if any block can't be read; the reader itself passes over a block without its last line."""
    try:
        known = x509.load_pem_x509_certificates(pem.encode())
        keys = [one.public_key() for one in known]
    except (ValueError, UnsupportedAlgorithm):
        return None
    if len(known) != pem.count(BEGIN):
        return None
    return [
        _Block(
            "certificate" if len(known) == 1 else f"certificate, block {number},",
            one.not_valid_before_utc,
            one.not_valid_after_utc,
            key.key_size if isinstance(key, rsa.RSAPublicKey) else 0,
        )
        for number, (one, key) in enumerate(zip(known, keys, strict=True), 1)
    ]


def _judge_key(one: _Block, others: list[_Block]) -> Finding | None:
    if not one.bits:
        told = f"{one.called} has a key that is not RSA: nothing signed with it is believed, the site must sign with RSA and SHA-2."
        return Finding(told, note=any(other.bits for other in others))
    if one.bits < SHORTEST_RSA:
        return Finding(f"{one.called} has an RSA key of {one.bits} bits: the site needs one of {SHORTEST_RSA} or more.")
    return None


def _judge_time(one: _Block, others: list[_Block], now: datetime) -> Finding | None:
    """A note where another block does the work at those moments."""
    moments = [now]
    if one.ends <= now:
        told, then, otherwise = f"ended on {local_time.day(one.ends)}", "take it out", "ask the site for its new one"
    elif one.begins > now:
        told = f"begins on {local_time.day(one.begins)}"
        then, otherwise = "another counts until then", "nothing is believed until then"
    elif one.ends <= now + SOON:
        told = f"ends on {local_time.day(one.ends)}"
        then, otherwise = "another goes on after it", "ask the site for its next one"
        moments = [one.ends, now + SOON]
    else:
        return None
    covered = any(all(other.is_good_at(moment) for moment in moments) for other in others)
    return Finding(f"{one.called} {told}: {then if covered else otherwise}.", note=covered)
