"""Rows of the outbox as a day leaves them, for tests of what is seen of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from massar.core import ids
from massar.domain.delivery.models import Attempt, Breaker, Message, Part, RecoveryRequest


def message(at: datetime, **changed) -> Message:
    """A message put in at that moment. `waited`, `arrived`, `used`: seconds until handed over, from there until
    delivered and until typed in; without `waited` it has not left.
    """
    waited, arrived, used = (changed.pop(name, None) for name in ("waited", "arrived", "used"))
    handed = None if waited is None else at + timedelta(seconds=waited)
    values = {"purpose": "temporary_password", "channel": "sms", "language": "ar", "person_id": 1, "not_before": at,
              "deadline": at + timedelta(minutes=30), "created_at": at}  # fmt: skip
    if handed:
        values |= {"state": "submitted", "provider": "sms-a", "segments": 1, "cost": 250, "submitted_at": handed,
                   "final_at": handed, "attempts": 1}  # fmt: skip
    if arrived is not None:
        values |= {"state": "delivered", "delivered_at": handed + timedelta(seconds=arrived)}
    if used is not None:
        values |= {"used_at": handed + timedelta(seconds=used)}
    return Message.objects.create(uid=ids.short_token(), **{**values, **changed})


def attempt(one: Message, at: datetime, outcome: str = "accepted", **changed) -> Attempt:
    values = {"number": max(1, one.attempts), "provider": one.provider or "sms-a"}
    return Attempt.objects.create(message=one, started_at=at, outcome=outcome, **{**values, **changed})


def part(one: Message, at: datetime, arrived: float | None = None, state: str = "delivered", code: str = "") -> Part:
    """A segment that was handed over then and, if `arrived` is given, told about so many seconds later."""
    told = None if arrived is None else at + timedelta(seconds=arrived)
    values = {"provider": one.provider, "reference": ids.short_token(), "number": 1, "code": code}
    return Part.objects.create(message=one, sent_at=at, told_at=told, state=state if told else "", **values)


def request(at: datetime, state: str = "waiting", **changed) -> RecoveryRequest:
    return RecoveryRequest.objects.create(ask_id=ids.token(), state=state, created_at=at, **changed)


def shut(provider: str, since: datetime, *, reason: str = "no answer", state: str = "open") -> Breaker:
    until = since + timedelta(seconds=5)
    return Breaker.objects.create(
        provider=provider, state=state, faults=5, pause=5, until=until, reason=reason, changed_at=since
    )
