"""Temporary passwords: issued, claimed by one browser, consumed by one change (decisions 1–7).

issued --right secret, in time--> claimed --right secret again--> claimed (by the newer browser)
  |                                  |
  |                                  +--new password saved--> consumed
  +--third request, password changed, sign-in with the old password by the asking browser, …--> dead
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from massar.core import ids, seal, sql
from massar.domain.credentials.models import TemporaryPassword

State = TemporaryPassword.State
MOVES = {
    State.ISSUED: {State.CLAIMED, State.DEAD},
    State.CLAIMED: {State.CLAIMED, State.CONSUMED, State.DEAD},
    State.CONSUMED: set(),
    State.DEAD: set(),
}
LIVE = (State.ISSUED, State.CLAIMED)
MOST_LIVE = 2
TRIES_OF_OTHERS = 100  # NIST SP 800-63B-4 §3.2.2
TRIES_OF_ASKER = 20
REMEMBERED = timedelta(hours=24)  # how long a late secret is still told from a wrong one


@dataclass(frozen=True)
class Match:
    """A typed secret that fits an issued one. `late`: right, but its time is over or a newer one took its place."""

    id: int
    late: bool


def issue(person_id: int, *, channel: str, contact_id: int, asked: str, now: datetime) -> tuple[int, str]:
    """A new secret for that contact: (id, canonical secret). At most two live; a third ends the oldest."""
    live = TemporaryPassword.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now), person_id=person_id, state__in=LIVE
    )
    live = live.order_by("-id").values_list("pk", flat=True)
    _end(Q(pk__in=list(live)[MOST_LIVE - 1 :]), now, "superseded")
    secret = ids.temporary_password()
    row = TemporaryPassword.objects.create(
        person_id=person_id,
        channel=channel,
        contact_id=contact_id,
        issued_at=now,
        asked_tag=asked_tag(asked),
        tag=seal.data_keys().tag("temporary", person_id, channel, contact_id, secret),
    )
    return row.pk, secret


def fix_expiry(temporary_ids: list[int], expires_at: datetime) -> None:
    """Sets their end once, just before the first attempt to hand over."""
    if temporary_ids:
        TemporaryPassword.objects.filter(pk__in=temporary_ids, state=State.ISSUED, expires_at=None).update(
            expires_at=expires_at
        )


def wanted(temporary_ids: list[int], now: datetime) -> set[int]:
    """Those of them that it still makes sense to send."""
    if not temporary_ids:
        return set()
    rows = TemporaryPassword.objects.filter(pk__in=temporary_ids, state__in=LIVE)
    return set(rows.filter(Q(expires_at=None) | Q(expires_at__gt=now)).values_list("pk", flat=True))


def match(person_id: int | None, secret: str, *, asked: str, now: datetime) -> Match | None:
    """Compares a code-shaped input with what was issued; counts the try first, in one statement, whoever it is.

    The browser that asked has tries of its own; all others share theirs. A closed code is closed to that lane only.
    """
    mine = asked_tag(asked)
    found = sql.rows(
        "UPDATE credentials_temporarypassword SET "
        "asker_tries = asker_tries + CASE WHEN asked_tag = %s THEN 1 ELSE 0 END, "
        "tries = tries + CASE WHEN asked_tag = %s THEN 0 ELSE 1 END "
        "WHERE person_id = %s AND issued_at > %s "
        "AND (state IN ('issued', 'claimed') OR (state = 'dead' AND ended_why = 'superseded')) "
        "RETURNING id, channel, contact_id, tag, expires_at, asked_tag, tries, asker_tries, state",
        (mine, mine, person_id or 0, sql.at(now - REMEMBERED)),
    )
    best = None
    for row_id, channel, contact_id, tag, expires_at, asker, tries, asker_tries, state in sorted(
        found, key=lambda r: r[0]
    ):
        fits = seal.data_keys().matches(tag, "temporary", person_id, channel, contact_id, secret)
        closed = asker_tries > TRIES_OF_ASKER if asker == mine else tries > TRIES_OF_OTHERS
        if fits and not closed and expires_at is not None:
            best = Match(row_id, state == State.DEAD or sql.moment(expires_at) <= now)
    return best


def claim(temporary_id: int, *, now: datetime) -> str | None:
    """Atomic: the code now belongs to one browser. Returns the claim, or None if it was no longer to be had."""
    mark = ids.short_token()
    claimed = TemporaryPassword.objects.filter(pk=temporary_id, state__in=LIVE, expires_at__gt=now).update(
        state=State.CLAIMED, claim=mark
    )
    return mark if claimed else None


def is_claimed(temporary_id: int, claim_mark: str) -> bool:
    return TemporaryPassword.objects.filter(pk=temporary_id, state=State.CLAIMED, claim=claim_mark).exists()


def is_the_one(temporary_id: int, claim_mark: str, secret: str) -> bool:
    """Whether the typed secret is the claimed one (the form asks for it again as the current password)."""
    row = TemporaryPassword.objects.filter(pk=temporary_id, state=State.CLAIMED, claim=claim_mark).first()
    return row is not None and seal.data_keys().matches(
        row.tag, "temporary", row.person_id, row.channel, row.contact_id, secret
    )


def consume(temporary_id: int, claim_mark: str, *, now: datetime) -> bool:
    """Atomic, once: the change that this code paid for. All others of the account end."""
    mine = TemporaryPassword.objects.filter(pk=temporary_id, state=State.CLAIMED, claim=claim_mark)
    person_id = mine.values_list("person_id", flat=True).first()
    if person_id is None or not mine.update(state=State.CONSUMED, ended_at=now, ended_why="changed"):
        return False
    _end(Q(person_id=person_id, state__in=LIVE), now, "changed")
    return True


def end_all(person_id: int, *, now: datetime, why: str) -> int:
    return _end(Q(person_id=person_id, state__in=LIVE), now, why)


def end_asked_by(person_id: int, asked: str, *, now: datetime) -> int:
    """The asking browser signed in with the password in use: what it asked for is not needed (decision 6)."""
    if not asked:
        return 0
    return sql.change(
        "UPDATE credentials_temporarypassword SET state = 'dead', ended_at = %s, ended_why = 'remembered' "
        "WHERE person_id = %s AND asked_tag = %s AND state IN ('issued', 'claimed')",
        (sql.at(now), person_id, asked_tag(asked)),
    )


def asked_tag(asked: str) -> str:
    """The tag of the browser that asks; '' (no cookie) never equals a stored one that is empty."""
    return seal.data_keys().tag("asked", asked) if asked else "none"


def sweep(*, now: datetime) -> int:
    """Ends what is long past its time, or was never handed over."""
    return _end(Q(state__in=LIVE, issued_at__lt=now - REMEMBERED), now, "expired")


def _end(which: Q, now: datetime, why: str) -> int:
    return TemporaryPassword.objects.filter(which, state__in=LIVE).update(
        state=State.DEAD, ended_at=now, ended_why=why
    )
