"""Half-done sign-ins: the password, or a temporary password, was right, and the second factor is still asked.

Own cookie, own table, own look-up, like change sessions: the row opens the page of the second step and nothing else,
only in the browser that did the first step, and becomes a session once (ATK-029)."""

from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import encryption, ids, sql
from massar.domain.sessions.models import PendingSignIn

LIFE = timedelta(minutes=10)
MOST_TRIES = 5  # then the password is asked again; the account's own limit counts on
_SELECT = (
    "SELECT id, person_id, temporary_id, claim, opened_at, tries FROM sessions_pendingsignin "
    "WHERE ended_at IS NULL AND expires_at > %s"
)


class PendingFacts(NamedTuple):
    """`temporary_id`, `claim`: of the temporary password that was right; 0 and '' after the password in use."""

    id: int
    person_id: int
    temporary_id: int
    claim: str
    opened_at: datetime
    tries: int


def open_for(person_id: int, *, now: datetime, temporary_id: int = 0, claim: str = "") -> tuple[int, str]:
    """Open one: (id, cookie value). The secret is 256 bits; only its HMAC is stored."""
    cookie = f"{person_id}.{ids.token()}"
    row = PendingSignIn.objects.create(
        cookie_hmac=encryption.data_keys().blind_index("pending-sign-in", cookie), person_id=person_id,
        temporary_id=temporary_id, claim=claim, opened_at=now, expires_at=now + LIFE,
    )  # fmt: skip
    return row.pk, cookie


def resume(cookie: str, *, now: datetime) -> PendingFacts | None:
    if not cookie or len(cookie) > 100 or not cookie.isascii():
        return None
    found_by = encryption.data_keys().blind_indexes("pending-sign-in", cookie)
    statement = f"{_SELECT} AND cookie_hmac IN ({sql.placeholders(len(found_by))})"
    found = sql.select_one(PendingFacts, statement, [sql.at(now), *found_by])
    return found if found and str(found.person_id) == cookie.partition(".")[0] else None


def take_try(pending_id: int, *, now: datetime) -> bool:
    """Count a try before anything is compared; False once they are spent or it has ended (one statement decides)."""
    statement = (
        "UPDATE sessions_pendingsignin SET tries = tries + 1 "
        "WHERE id = %s AND ended_at IS NULL AND expires_at > %s AND tries < %s"
    )
    return sql.execute(statement, (pending_id, sql.at(now), MOST_TRIES)) == 1


def finish(pending_id: int, person_id: int, *, now: datetime) -> bool:
    """Use it up for the session that follows, atomically and once."""
    theirs = "id = %s AND person_id = %s AND ended_at IS NULL AND expires_at > %s"
    statement = f"UPDATE sessions_pendingsignin SET ended_at = %s WHERE {theirs}"
    return sql.execute(statement, (sql.at(now), pending_id, person_id, sql.at(now))) == 1


def end_all(person_id: int, *, now: datetime) -> int:
    return PendingSignIn.objects.filter(person_id=person_id, ended_at=None).update(ended_at=now)


def end_everybodys(*, now: datetime) -> int:
    return PendingSignIn.objects.filter(ended_at=None).update(ended_at=now)


def sweep(*, now: datetime, keep: timedelta) -> int:
    return PendingSignIn.objects.filter(expires_at__lt=now - keep).delete()[0]
