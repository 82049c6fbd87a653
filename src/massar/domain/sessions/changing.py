"""Sessions that can only change the password: own cookie, own table, own look-up (promise ii of the house)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from massar.core import encryption, ids
from massar.domain.sessions.models import ChangeSession

LIFE = timedelta(minutes=15)


@dataclass(frozen=True)
class ChangeFacts:
    """`current_right`: the temporary password was typed right on the change page already."""

    id: int
    person_id: int
    temporary_id: int
    claim: str
    expires_at: datetime
    current_right: bool = False


def open_for(person_id: int, *, temporary_id: int, claim: str, now: datetime) -> str:
    """Open one and end all others of the person: the claim moved here. Returns the cookie value."""
    end_all(person_id, now=now)
    cookie = f"{person_id}.{ids.token()}"
    ChangeSession.objects.create(
        person_id=person_id,
        temporary_id=temporary_id,
        claim=claim,
        opened_at=now,
        expires_at=now + LIFE,
        cookie_hmac=encryption.data_keys().blind_index("change-session", cookie),
    )
    return cookie


def resume(cookie: str, *, now: datetime) -> ChangeFacts | None:
    owner = cookie.partition(".")[0]
    # 18 digits: a longer number fits no column, and the database would raise instead of finding nothing.
    if len(cookie) > 100 or len(owner) > 18 or not owner.isascii() or not owner.isdecimal():
        return None
    row = ChangeSession.objects.filter(
        cookie_hmac__in=encryption.data_keys().blind_indexes("change-session", cookie),
        person_id=int(owner),
        ended_at=None,
        expires_at__gt=now,
    ).first()
    if row is None:
        return None
    current_right = row.current_right_at is not None
    return ChangeFacts(row.pk, row.person_id, row.temporary_id, row.claim, row.expires_at, current_right)


def current_was_right(session_id: int, *, now: datetime) -> None:
    """Note on the server, never in the page, that the temporary password need not be typed again."""
    ChangeSession.objects.filter(pk=session_id, ended_at=None).update(current_right_at=now)


def end_all(person_id: int, *, now: datetime) -> int:
    return ChangeSession.objects.filter(person_id=person_id, ended_at=None).update(ended_at=now)


def end(session_id: int, *, now: datetime) -> bool:
    return bool(ChangeSession.objects.filter(pk=session_id, ended_at=None).update(ended_at=now))
