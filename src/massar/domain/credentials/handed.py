"""Codes that are handed over: a slip, printed, for months; a class code, told to one pupil, for minutes.

They are temporary passwords with a purpose of their own (`temporary.MOVES`), typed as the password on the ordinary page
and good for one change. Nobody can read them again: a row is an HMAC from its first moment on, and whoever loses a slip
gets a new one, which ends the older.

Slips are printed in batches: the batch is begun and has its number, then pages are made of codes that stand nowhere
else, then all of them begin to serve at once (`put`). So what serves was printed, and a printing that died left nothing
that serves, and ended nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import encryption, ids, sql
from massar.domain.credentials.models import SlipBatch
from massar.domain.credentials.temporary import CLASS_CODE, SLIP, TRIES_OF_OTHERS, signed_as

PAPER, VOICE = "paper", "voice"  # by which way
_HOW = {SLIP: PAPER, CLASS_CODE: VOICE}
_COLUMNS = (
    "person_id, channel, contact_id, secret_hmac, known, purpose, state, recovery_browser_hmac, issued_at, expires_at, "
    "tries, asker_tries, claim, ended_why, batch_id, place"
)
_WHICH = "t.batch_id = %s AND t.place = COALESCE(%s, t.place)"  # a batch, or one slip of it
_ABOUT = "t.batch_id, t.place, t.person_id, t.state, t.issued_at, t.expires_at, t.ended_at, t.ended_why, t.tries"
_BATCHES = """SELECT b.id, b.unit_id, b.printed_by, b.begun_at, b.printed_at, COUNT(t.id) AS slips,
COALESCE(SUM(CASE WHEN t.state IN ('issued', 'claimed') THEN 1 ELSE 0 END), 0) AS waiting,
COALESCE(SUM(CASE WHEN t.state = 'consumed' THEN 1 ELSE 0 END), 0) AS used
FROM (SELECT * FROM credentials_slipbatch WHERE [which] ORDER BY id DESC LIMIT %s) b
LEFT JOIN credentials_temporarypassword t ON t.batch_id = b.id
GROUP BY b.id, b.unit_id, b.printed_by, b.begun_at, b.printed_at ORDER BY b.id DESC"""


class Made(NamedTuple):
    """A code that serves nobody yet. place: of a slip in its batch, from 1 on."""

    person_id: int
    place: int
    code: str

    def __repr__(self) -> str:
        return f"Made({self.person_id}, {self.place}, code=…)"


class SlipFacts(NamedTuple):
    """A slip as its row has it."""

    batch_id: int
    place: int
    person_id: int
    state: str
    issued_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_why: str
    tries: int

    @property
    def number(self) -> str:
        return number(self.batch_id, self.place)

    def stands(self, now: datetime) -> str:
        """'waits', 'used', 'voided', 'replaced' by a newer slip, 'over' (the account was opened otherwise, or closed),
        'late', or 'spent': tried too often by others."""
        if self.state == "consumed":
            return "used"
        if self.state == "dead":
            whys = {"voided": "voided", "superseded": "replaced", "expired": "late"}
            return whys.get(self.ended_why, "over")
        if self.expires_at <= now:
            return "late"
        return "waits" if self.tries <= TRIES_OF_OTHERS else "spent"


class BatchFacts(NamedTuple):
    """A batch with how many slips it has, and how many of them serve still or were used. printed_at: None where the
    printing did not end."""

    id: int
    unit_id: int | None
    printed_by: int | None
    begun_at: datetime
    printed_at: datetime | None
    slips: int
    waiting: int
    used: int


def number(batch_id: int, place: int) -> str:
    """What stands on the slip and tells it from all others; no secret."""
    return f"{batch_id}-{place:02d}"


def read_number(text: str) -> tuple[int, int | None] | None:
    """(batch, place) of a slip's number, (batch, None) of a batch's; None where it is neither."""
    batch, dash, place = text.partition("-")
    digits = [batch, *([place] if dash else [])]
    if not all(one.isascii() and one.isdecimal() and len(one) < 10 for one in digits):
        return None
    return int(batch), int(place) if dash else None


def begin_batch(*, unit_id: int | None, printed_by: int | None, now: datetime) -> int:
    """Give a printing its number, in a commit of its own; nothing serves yet."""
    return SlipBatch.objects.create(unit_id=unit_id, printed_by=printed_by, begun_at=now).pk


def draw(person_ids: Sequence[int]) -> list[Made]:
    """Make a code for each, in this process alone."""
    return [Made(person_id, place, ids.temporary_password()) for place, person_id in enumerate(person_ids, 1)]


def put(batch_id: int, made: Sequence[Made], *, until: datetime, now: datetime) -> None:
    """Let printed slips serve until then; an older slip of the same person ends. Inside the transaction of the caller,
    who has locked the people."""
    _supersede([one.person_id for one in made], SLIP, now)
    rows = [_row(one.person_id, one.code, SLIP, until, now, batch_id, one.place) for one in made]
    sql.insert("credentials_temporarypassword", _COLUMNS, rows)
    SlipBatch.objects.filter(pk=batch_id).update(printed_at=now)


def give_class_code(person_id: int, *, until: datetime, now: datetime) -> str:
    """Make a class code that serves until then, and return it, this once; an older one ends. Inside the transaction of
    the caller, who has locked the person."""
    [made] = draw([person_id])
    _supersede([person_id], CLASS_CODE, now)
    sql.insert("credentials_temporarypassword", _COLUMNS, [_row(person_id, made.code, CLASS_CODE, until, now)])
    return made.code


def _row(
    person_id: int, code: str, purpose: str, until: datetime, now: datetime, batch_id: int | None = None,
    place: int | None = None,
) -> sql.Row:  # fmt: skip
    how = _HOW[purpose]
    secret_hmac = encryption.data_keys().sign(signed_as(purpose), person_id, how, 0, code)
    columns = (person_id, how, 0, secret_hmac, False, purpose, "issued", "", sql.at(now), sql.at(until))
    return (*columns, 0, 0, "", "", batch_id, place)


def _supersede(person_ids: Sequence[int], purpose: str, now: datetime) -> None:
    for some in sql.parts(person_ids):
        sql.execute(
            "UPDATE credentials_temporarypassword SET state = 'dead', ended_at = %s, ended_why = 'superseded' "
            f"WHERE person_id IN ({sql.placeholders(len(some))}) AND purpose = %s AND state IN ('issued', 'claimed')",
            (sql.at(now), *some, purpose),
        )


def people_of(batch_id: int, place: int | None = None) -> list[int]:
    """Whose slips these are, in the order in which people are locked."""
    statement = f"SELECT DISTINCT person_id FROM credentials_temporarypassword t WHERE {_WHICH} ORDER BY person_id"
    return [person_id for (person_id,) in sql.rows(statement, (batch_id, place))]


def void(batch_id: int, place: int | None = None, *, now: datetime) -> list[tuple[int, int]]:
    """End the slips of a batch that still serve, or one of them: (place, person) of each that did. The caller has
    locked the people."""
    statement = (
        "UPDATE credentials_temporarypassword AS t SET state = 'dead', ended_at = %s, ended_why = 'voided' "
        f"WHERE {_WHICH} AND state IN ('issued', 'claimed') RETURNING place, person_id"
    )
    return sorted(sql.rows(statement, (sql.at(now), batch_id, place)))


def waiting_of_printer(printed_by: int, *, since: datetime | None = None) -> dict[int, tuple[int | None, int]]:
    """The batches that this agent has begun since then of which slips still serve: by id the unit, and how many."""
    newer = "AND b.begun_at >= %s" if since else ""
    found = sql.rows(
        "SELECT b.id, b.unit_id, COUNT(*) FROM credentials_slipbatch b JOIN credentials_temporarypassword t "
        f"ON t.batch_id = b.id WHERE b.printed_by = %s {newer} AND t.state IN ('issued', 'claimed') "
        "GROUP BY b.id, b.unit_id ORDER BY b.id",
        (printed_by, *([sql.at(since)] if since else [])),
    )
    return {batch_id: (unit_id, count) for batch_id, unit_id, count in found}


def slips(batch_id: int, place: int | None = None) -> list[SlipFacts]:
    statement = f"SELECT {_ABOUT} FROM credentials_temporarypassword t WHERE {_WHICH} ORDER BY t.place"
    return sql.select(SlipFacts, statement, (batch_id, place))


def newest_slips(person_ids: Sequence[int]) -> dict[int, SlipFacts]:
    """The last slip that was printed for each of these people, by person."""
    found = dict[int, SlipFacts]()
    for some in sql.parts(person_ids):
        statement = (
            f"SELECT {_ABOUT} FROM credentials_temporarypassword t WHERE t.batch_id IS NOT NULL "
            f"AND t.person_id IN ({sql.placeholders(len(some))}) ORDER BY t.id"
        )
        found |= {one.person_id: one for one in sql.select(SlipFacts, statement, some)}
    return found


def batches_of(unit_ids: Sequence[int], *, most: int = 50) -> list[BatchFacts]:
    """The newest batches that were printed for these units."""
    where = f"unit_id IN ({sql.placeholders(len(unit_ids))})"
    return sql.select(BatchFacts, _BATCHES.replace("[which]", where), (*unit_ids, most)) if unit_ids else []


def batches(*, most: int = 50) -> list[BatchFacts]:
    """The newest batches of all."""
    return sql.select(BatchFacts, _BATCHES.replace("[which]", "1 = 1"), (most,))


def batch(batch_id: int) -> BatchFacts | None:
    return sql.select_one(BatchFacts, _BATCHES.replace("[which]", "id = %s"), (batch_id, 1))


def forget_batches(*, now: datetime, keep: timedelta) -> int:
    """Remove the batches of before whose last slip is forgotten."""
    statement = (
        "DELETE FROM credentials_slipbatch WHERE begun_at < %s AND NOT EXISTS "
        "(SELECT 1 FROM credentials_temporarypassword t WHERE t.batch_id = credentials_slipbatch.id)"
    )
    return sql.execute(statement, (sql.at(now - keep),))
