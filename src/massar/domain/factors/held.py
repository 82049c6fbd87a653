"""Which factors a person has: enrolled, active once proved, removed.

enrolled --first code or signature--> active --by the person, or with the journey of a lost factor--> removed
    |                                                                                                    ^
    +----------------------------------- given up, or replaced by a new try -----------------------------+"""

from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import ids, sql
from massar.domain.factors.models import Factor

State = Factor.State
BEGUN_LIFE = timedelta(minutes=15)  # from the password to the first code
MOVES = {
    State.ENROLLED: {State.ACTIVE, State.REMOVED},
    State.ACTIVE: {State.REMOVED},
    State.REMOVED: set[State](),
}
# For a statement that reads a person's row: since when the second factors are what they are; NULL where none is active.
# What was begun and given up has never been one: it was never used, not even by the code that proves it.
# It is asked with what is read anyway, and judged each time: nothing that is kept elsewhere can say otherwise.
SINCE = (
    "(SELECT CASE WHEN SUM(CASE WHEN f.state = 'active' THEN 1 ELSE 0 END) > 0 THEN MAX(f.moved_at) END "
    "FROM factors_factor f WHERE f.person_id = {person} AND (f.state = 'active' OR f.used_at IS NOT NULL))"
)


class FactorFacts(NamedTuple):
    """An active factor. `name`: the person's own word for it, '' for none."""

    id: int
    person_id: int
    kind: str
    name: str
    moved_at: datetime
    used_at: datetime | None


def of_person(person_id: int) -> list[FactorFacts]:
    """The active factors, oldest first."""
    return sql.select(
        FactorFacts,
        "SELECT id, person_id, kind, name, moved_at, used_at FROM factors_factor "
        "WHERE person_id = %s AND state = 'active' ORDER BY id",
        (person_id,),
    )


def enroll(person_id: int, kind: str, *, name: str, now: datetime, place: str = "") -> Factor:
    """Add a factor that is not proved yet: it opens nothing, and is asked for by nobody. place: the session or
    half-done sign-in that alone may prove it, where that takes a while; what was begun there before gives way."""
    if place:
        begun = Factor.objects.filter(person_id=person_id, kind=kind, enrolled_in=place, state=State.ENROLLED)
        begun.update(state=State.REMOVED, moved_at=now, secret_ciphertext=None)
    factor = Factor(person_id=person_id, kind=kind, name=name, uid=ids.short_token(), enrolled_in=place)
    factor.enrolled_at = factor.moved_at = now
    factor.save(force_insert=True)
    return factor


def begun(person_id: int, kind: str, *, place: str, now: datetime) -> Factor | None:
    """The factor that this session, or half-done sign-in, has begun to enrol."""
    mine = Factor.objects.filter(person_id=person_id, kind=kind, enrolled_in=place, state=State.ENROLLED)
    return mine.filter(enrolled_at__gt=now - BEGUN_LIFE).order_by("-id").first()


def activate(factor_id: int, person_id: int, *, now: datetime, last_step: int = 0) -> bool:
    """Make a proved factor count, atomically; False if it was no longer there to be proved. last_step: of the code that
    proved an app, which is thereby used up."""
    mine = Factor.objects.filter(pk=factor_id, person_id=person_id, state=State.ENROLLED)
    return mine.update(state=State.ACTIVE, moved_at=now, used_at=now, last_step=last_step) == 1


def mark_used(factor_id: int, *, now: datetime) -> None:
    Factor.objects.filter(pk=factor_id, state=State.ACTIVE).update(used_at=now)


def remove(factor_id: int, person_id: int, *, now: datetime) -> FactorFacts | None:
    """Remove one active factor, atomically; None if it was not there."""
    found = next((one for one in of_person(person_id) if one.id == factor_id), None)
    mine = Factor.objects.filter(pk=factor_id, person_id=person_id, state=State.ACTIVE)
    gone = mine.update(state=State.REMOVED, moved_at=now, secret_ciphertext=None)
    return found if gone else None


def remove_all(person_id: int, *, now: datetime) -> int:
    """Remove every factor, proved or not; returns how many were active."""
    mine = Factor.objects.filter(person_id=person_id)
    mine.filter(state=State.ENROLLED).update(state=State.REMOVED, moved_at=now, secret_ciphertext=None)
    return mine.filter(state=State.ACTIVE).update(state=State.REMOVED, moved_at=now, secret_ciphertext=None)


def sweep(*, now: datetime) -> int:
    """Forget what was begun and never proved."""
    never = Factor.objects.filter(used_at=None, enrolled_at__lt=now - timedelta(days=1))
    return never.exclude(state=State.ACTIVE).delete()[0]
