"""The table of figures: replaced whole by each count, read by page views through an index."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from massar.core import sql

EVERYBODY = 0  # in place of a kind of belonging
LEASE = timedelta(minutes=5)  # of a worker that counts, from each of its steps on; a country's longest takes one
HISTORY = timedelta(days=400)


class FigureFacts(NamedTuple):
    """As the model tells it."""

    unit_id: int
    belongs_as: int
    people: int = 0
    activated: int = 0
    one: int = 0
    two: int = 0
    recoveries: int = 0
    median: int | None = None
    emails: int = 0
    texts: int = 0
    segments: int = 0
    cost: int = 0


class DayFacts(NamedTuple):
    day: date
    people: int
    activated: int
    one: int
    two: int


class RunFacts(NamedTuple):
    counted_at: datetime | None
    seconds: float


_COLUMNS = ", ".join(FigureFacts._fields)
_DAY = "unit_id, day, people, activated, one, two"


def claim(*, now: datetime) -> bool:
    """Whether a count is due, which is this caller's then: one statement decides."""
    statement = (
        "INSERT INTO figures_figurerun (id, seconds, due_at) VALUES (1, 0, %s) ON CONFLICT (id) DO UPDATE "
        "SET due_at = excluded.due_at WHERE figures_figurerun.due_at <= %s RETURNING id"
    )
    return bool(sql.rows(statement, (sql.at(now + LEASE), sql.at(now))))


def go_on(*, now: datetime) -> None:
    """Keep the lease while the count takes its next step. Nobody's turn is made shorter by it."""
    until = sql.at(now + LEASE)
    sql.execute("UPDATE figures_figurerun SET due_at = %s WHERE id = 1 AND due_at < %s", (until, until))


@transaction.atomic
def replace(found: Iterable[FigureFacts], days: Iterable[FigureFacts], *, day: date, now: datetime) -> None:
    """Put a new count, begun at `now`, in the place of the last one. days: those of which the history is kept.

    Whoever took so long that another worker has counted since is late, and changes nothing."""
    statement = (
        "INSERT INTO figures_figurerun (id, counted_at, seconds, due_at) VALUES (1, %s, 0, %s) ON CONFLICT (id) "
        "DO UPDATE SET counted_at = excluded.counted_at WHERE figures_figurerun.counted_at IS NULL "
        "OR figures_figurerun.counted_at <= excluded.counted_at RETURNING id"
    )
    if not sql.rows(statement, (sql.at(now), sql.at(now))):  # which the others wait for: one replaces after the other
        return
    sql.execute("DELETE FROM figures_figure")
    sql.insert("figures_figure", _COLUMNS, list(found))
    sql.execute("DELETE FROM figures_figureday WHERE day = %s OR day < %s", (sql.day(day), sql.day(day - HISTORY)))
    rows = [(one.unit_id, sql.day(day), one.people, one.activated, one.one, one.two) for one in days]
    sql.insert("figures_figureday", _DAY, rows)


def schedule(*, seconds: float, due_at: datetime) -> None:
    sql.execute("UPDATE figures_figurerun SET seconds = %s, due_at = %s WHERE id = 1", (seconds, sql.at(due_at)))


def run() -> RunFacts:
    found = sql.select_one(RunFacts, "SELECT counted_at, seconds FROM figures_figurerun WHERE id = 1")
    return found or RunFacts(None, 0)


def of_units(unit_ids: Sequence[int], *, belongs_as: int = EVERYBODY) -> dict[int, FigureFacts]:
    """By unit; a unit without anybody is missing."""
    found: dict[int, FigureFacts] = {}
    for some in sql.parts(unit_ids):
        statement = (
            f"SELECT {_COLUMNS} FROM figures_figure WHERE unit_id IN ({sql.placeholders(len(some))}) "
            "AND belongs_as = %s"
        )
        found |= {one.unit_id: one for one in sql.select(FigureFacts, statement, (*some, belongs_as))}
    return found


def history(unit_id: int, *, since: date) -> list[DayFacts]:
    statement = (
        "SELECT day, people, activated, one, two FROM figures_figureday WHERE unit_id = %s AND day >= %s ORDER BY day"
    )
    return sql.select(DayFacts, statement, (unit_id, sql.day(since)))
