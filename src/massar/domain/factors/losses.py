"""A lost factor: whoever knows the password and receives a code waits, while everybody is told, and may be stopped.

proving --code of a proved contact--> waiting --the wait is over, at a right sign-in--> done
   |                                     |
   +---------------> cancelled <---------+  by a link, a session, a factor that was found, a new password

The help desk begins one at "waiting", for whom it has before it (ADR 77). A wait that is over serves for SERVES: an
account whose owner never came back is not left with one lock less for good.

One statement decides each move: of a cancellation and an end at the same moment, one comes about."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import F, QuerySet

from massar.core import encryption, sql
from massar.domain.factors.models import Loss

State = Loss.State
MOVES = {
    State.PROVING: {State.WAITING, State.CANCELLED},
    State.WAITING: {State.CANCELLED, State.DONE},
    State.CANCELLED: set[State](),
    State.DONE: set[State](),
}
CODE_TRIES = 5
SERVES = timedelta(days=30)


class LossFacts(NamedTuple):
    """A loss that waits. From `ends_at` on, for SERVES, a right sign-in removes every factor."""

    id: int
    person_id: int
    asked_at: datetime
    ends_at: datetime


def begin(person_id: int, *, contact_id: int, code: str, now: datetime, valid_for: timedelta) -> None:
    """Keep the HMAC of the code that goes to that contact; a code before it no longer fits."""
    mine = Loss.objects.filter(person_id=person_id, state=State.PROVING)
    mine.update(state=State.CANCELLED, closed_at=now, code_hmac="")
    code_hmac = encryption.data_keys().sign("loss-code", person_id, contact_id, code)
    Loss.objects.create(
        person_id=person_id, contact_id=contact_id, code_hmac=code_hmac, asked_at=now, code_expires_at=now + valid_for
    )


def proving(person_id: int, *, now: datetime) -> int | None:
    """The contact whose code is waited for; None where none is, or it has run out."""
    mine = Loss.objects.filter(person_id=person_id, state=State.PROVING, code_expires_at__gt=now)
    return mine.values_list("contact_id", flat=True).first()


def prove(person_id: int, code: str, *, now: datetime, wait: timedelta) -> LossFacts | str:
    """Judge the code, each try counted before it is compared. Right: the wait begins. Else 'wrong', 'expired', 'spent'
    or 'gone'."""
    mine = Loss.objects.filter(person_id=person_id, state=State.PROVING)
    if not mine.filter(code_tries__lt=CODE_TRIES).update(code_tries=F("code_tries") + 1):
        return "spent" if mine.exists() else "gone"
    row = mine.first()
    if row is None:
        return "gone"
    if not encryption.data_keys().verify(row.code_hmac, "loss-code", person_id, row.contact_id, code):
        return "wrong"
    if row.code_expires_at <= now:
        return "expired"
    moved = mine.filter(pk=row.pk).update(state=State.WAITING, ends_at=now + wait, code_hmac="")
    return LossFacts(row.pk, person_id, row.asked_at, now + wait) if moved else "gone"


def begin_wait(person_id: int, *, now: datetime, wait: timedelta) -> LossFacts | None:
    """Begin the wait at once; None where one goes on. The caller holds the person's lock."""
    if waiting(person_id):
        return None
    cancel(person_id, now=now)
    row = Loss.objects.create(
        person_id=person_id, state=State.WAITING, contact_id=0, code_hmac="", asked_at=now, code_expires_at=now,
        ends_at=now + wait,
    )  # fmt: skip
    return LossFacts(row.pk, person_id, now, now + wait)


def waiting(person_id: int) -> LossFacts | None:
    found = Loss.objects.filter(person_id=person_id, state=State.WAITING).first()
    return LossFacts(found.pk, person_id, found.asked_at, found.ends_at) if found and found.ends_at else None


def cancel(person_id: int, *, now: datetime, loss_id: int | None = None) -> bool:
    """Stop what is open; whether the wait had begun. loss_id: that one alone."""
    which, that_one = ("AND id = %s", (loss_id,)) if loss_id is not None else ("", ())
    stopped = sql.rows(
        "UPDATE factors_loss SET state = 'cancelled', closed_at = %s, code_hmac = '' "
        f"WHERE person_id = %s AND state IN ('proving', 'waiting') {which} RETURNING ends_at",
        (sql.at(now), person_id, *that_one),
    )
    return any(ends_at is not None for (ends_at,) in stopped)


def cancel_everybodys(*, now: datetime) -> int:
    """Stop every wait of everybody."""
    return sql.execute(
        "UPDATE factors_loss SET state = 'cancelled', closed_at = %s, code_hmac = '' "
        "WHERE state IN ('proving', 'waiting')",
        (sql.at(now),),
    )


def is_over(person_id: int, *, now: datetime) -> bool:
    """Whether a wait is over, and serves."""
    return _over(person_id, now).exists()


def finish(person_id: int, *, now: datetime) -> bool:
    """End a wait that is over, and serves; whether there was one."""
    return _over(person_id, now).update(state=State.DONE, closed_at=now) > 0


def finished_since(person_id: int, moment: datetime) -> bool:
    """Whether factors were removed since then, after a wait."""
    return Loss.objects.filter(person_id=person_id, state=State.DONE, closed_at__gte=moment).exists()


def sweep(*, now: datetime, keep: timedelta = timedelta(days=90)) -> int:
    """Forget what ended so long ago; codes that nobody typed end, and waits that nobody came back for."""
    Loss.objects.filter(state=State.PROVING, code_expires_at__lt=now).update(
        state=State.CANCELLED, closed_at=now, code_hmac=""
    )
    Loss.objects.filter(state=State.WAITING, ends_at__lte=now - SERVES).update(state=State.CANCELLED, closed_at=now)
    return Loss.objects.filter(closed_at__lt=now - keep).delete()[0]


def _over(person_id: int, now: datetime) -> QuerySet[Loss]:
    return Loss.objects.filter(person_id=person_id, state=State.WAITING, ends_at__lte=now, ends_at__gt=now - SERVES)
