"""Which budgets a typed password is charged to, wherever one is asked (decision 18)."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from massar.core import encryption
from massar.domain.limits import api as limits
from massar.domain.people.api import PersonFacts
from massar.domain.sessions.api import Device

lanes = limits.rate_limits


def draws_for(typed: str, person: PersonFacts | None, device: Device | None) -> list[limits.Draw]:
    """A known device has its own lane. All others share the account's; the unknown account has one of its own too."""
    if device:
        return [limits.draw(lanes.SIGN_IN_DEVICE, device.person_id, device.nonce)]
    owner = ("person", person.id) if person else ("nobody", _whole_address(typed))
    return [
        limits.draw(lanes.SIGN_IN_TYPED, typed),
        limits.draw(lanes.SIGN_IN_ACCOUNT, *owner),
        limits.draw(lanes.SIGN_IN_CONSECUTIVE, *owner),
    ]


def _whole_address(typed: str) -> str:
    """An unknown name without its domain shares the budget of one address, as a known one does.

    Which of the domains that is follows from a keyed tag: to guessers a name that exists behaves no differently.
    """
    domains = settings.MASSAR.institution_domains
    if not typed or "@" in typed or not domains:
        return typed
    return f"{typed}@{domains[int(encryption.data_keys().tag('nobody-domain', typed), 16) % len(domains)]}"


def reserve(
    typed: str, person: PersonFacts | None, device: Device | None, *, now: datetime
) -> tuple[list[limits.Draw], limits.Refused | None]:
    """Reserves before anything is verified. A known device whose lane is spent falls to the shared one."""
    draws = draws_for(typed, person, device)
    refused = limits.take(draws, now=now)
    if refused and device:
        draws = draws_for(typed, person, None)
        refused = limits.take(draws, now=now)
    return draws, refused


def proven(person: PersonFacts, draws: list[limits.Draw], *, now: datetime) -> None:
    """The owner was here: what was reserved comes back, and the count of consecutive failures starts anew."""
    consecutive = [d for d in draws if d.limit is lanes.SIGN_IN_CONSECUTIVE]
    limits.give_back([d for d in draws if d not in consecutive], whole=consecutive, now=now)


def recovered(person: PersonFacts) -> None:
    """A completed recovery fills the account's budgets: who proved to be the owner is not kept waiting."""
    limits.forget(
        [
            limits.draw(lanes.SIGN_IN_ACCOUNT, "person", person.id),
            limits.draw(lanes.SIGN_IN_CONSECUTIVE, "person", person.id),
            limits.draw(lanes.SIGN_IN_TYPED, person.login),
            limits.draw(lanes.SIGN_IN_TYPED, person.login.partition("@")[0]),
        ]
    )
