"""Which rate limits a typed password is charged to, wherever one is asked (decision 18)."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from massar.core import encryption
from massar.domain.limits import api as limits
from massar.domain.people.api import PersonFacts
from massar.domain.sessions.api import TrustedDevice


def buckets_for(typed: str, person: PersonFacts | None, device: TrustedDevice | None) -> list[limits.Bucket]:
    """Return what a try is charged to: a known device's limit, else the account's, also of one that does not exist."""
    rates = limits.rate_limits
    if device:
        return [rates.SIGN_IN_DEVICE.bucket(device.person_id, device.nonce)]
    owner = ("person", person.id) if person else ("nobody", _whole_address(typed))
    return [
        rates.SIGN_IN_TYPED.bucket(typed),
        rates.SIGN_IN_ACCOUNT.bucket(*owner),
        rates.SIGN_IN_CONSECUTIVE.bucket(*owner),
    ]


def _whole_address(typed: str) -> str:
    """Let an unknown name without its domain share the limits of one address, as a known one does.

    Which of the domains that is follows from a blind index: to guessers a name that exists behaves no differently.
    """
    domains = settings.MASSAR.institution_domains
    if not typed or "@" in typed or not domains:
        return typed
    return f"{typed}@{domains[int(encryption.data_keys().blind_index('nobody-domain', typed), 16) % len(domains)]}"


def reserve(
    typed: str, person: PersonFacts | None, device: TrustedDevice | None, *, now: datetime
) -> tuple[list[limits.Bucket], limits.RateLimited | None]:
    """Consume before anything is verified. A known device whose limit is spent falls to the shared one."""
    buckets = buckets_for(typed, person, device)
    refused = limits.consume(buckets, now=now)
    if refused and device:
        buckets = buckets_for(typed, person, None)
        refused = limits.consume(buckets, now=now)
    return buckets, refused


def proven(buckets: list[limits.Bucket], *, now: datetime) -> None:
    """Refund what was reserved, for the owner was here; the count of consecutive failures starts anew."""
    consecutive = [d for d in buckets if d.limit is limits.rate_limits.SIGN_IN_CONSECUTIVE]
    limits.refund([d for d in buckets if d not in consecutive], reset=consecutive, now=now)


def recovered(person: PersonFacts) -> None:
    """Reset the account's limits after a recovery: who proved to be the owner is not kept waiting."""
    short = person.login.partition("@")[0]
    limits.reset([*buckets_for(person.login, person, None), limits.rate_limits.SIGN_IN_TYPED.bucket(short)])
