"""Sessions that can only change the password: own cookie, own table, own look-up (promise ii of the house)."""

from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import encryption, ids
from massar.domain.sessions.models import ChangeSession

LIFE = timedelta(minutes=15)


class ChangeFacts(NamedTuple):
    """`current_right`: the password that pays for it was typed right already. `amr`: what was proved beside it, in
    words of RFC 8176; '' for nothing. `temporary_id`: 0 where no temporary password opened it but the one in
    use, of which another one is asked (`due`)."""

    id: int
    person_id: int
    temporary_id: int
    claim: str
    current_right: bool
    amr: str

    @property
    def due(self) -> bool:
        return not self.temporary_id


def open_due(person_id: int, *, now: datetime, amr: str = "") -> str:
    """As `open_for`, after the right password in use, which is not asked for again."""
    return _open(person_id, now=now, amr=amr, temporary_id=0, claim="", current_right_at=now)


def open_for(
    person_id: int, *, temporary_id: int, claim: str, now: datetime, amr: str = "", by_desk: bool = False
) -> str:
    """Open one and end all others of the person: the claim moved here. Returns the cookie value. by_desk: there is no
    temporary password that could be typed again."""
    right_at = now if by_desk else None
    return _open(person_id, now=now, amr=amr, temporary_id=temporary_id, claim=claim, current_right_at=right_at)


def _open(
    person_id: int, *, now: datetime, amr: str, temporary_id: int, claim: str, current_right_at: datetime | None
) -> str:
    end_all(person_id, now=now)
    cookie = f"{person_id}.{ids.token()}"
    row = ChangeSession(
        person_id=person_id, temporary_id=temporary_id, claim=claim, opened_at=now, expires_at=now + LIFE, amr=amr,
        current_right_at=current_right_at,
    )  # fmt: skip
    row.cookie_hmac = encryption.data_keys().blind_index("change-session", cookie)
    row.save(force_insert=True)
    return cookie


def resume(cookie: str, *, now: datetime) -> ChangeFacts | None:
    if not cookie or len(cookie) > 100 or not cookie.isascii():
        return None
    found_by = encryption.data_keys().blind_indexes("change-session", cookie)
    row = ChangeSession.objects.filter(cookie_hmac__in=found_by, ended_at=None, expires_at__gt=now).first()
    if row is None or str(row.person_id) != cookie.partition(".")[0]:
        return None
    return ChangeFacts(row.pk, row.person_id, row.temporary_id, row.claim, row.current_right_at is not None, row.amr)


def current_was_right(session_id: int, *, now: datetime) -> None:
    """Note on the server, never in the page, that the temporary password need not be typed again."""
    ChangeSession.objects.filter(pk=session_id, ended_at=None).update(current_right_at=now)


def sweep(*, now: datetime, keep: timedelta) -> int:
    return ChangeSession.objects.filter(expires_at__lt=now - keep).delete()[0]


def end_all(person_id: int, *, now: datetime) -> int:
    return ChangeSession.objects.filter(person_id=person_id, ended_at=None).update(ended_at=now)


def end_everybodys(*, now: datetime) -> int:
    return ChangeSession.objects.filter(ended_at=None).update(ended_at=now)


def end(session_id: int, *, now: datetime) -> bool:
    return bool(ChangeSession.objects.filter(pk=session_id, ended_at=None).update(ended_at=now))
