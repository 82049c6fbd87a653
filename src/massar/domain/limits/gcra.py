"""Attempt budgets: reserved before anything is verified, in one atomic statement, given back on success.

Source: decision 18; NIST SP 800-63B-4 §3.2.2 (at most 100 consecutive failures); OWASP "Slow down online guessing
with device cookies" for the two lanes. No budget ever locks an account: a known device has its own lane, and
recovery stays open.

No budget is owed more than it holds, whatever a clock did: `tat` is read as now + room at most, and a row that a
clock ahead of ours has written is put right by the first who is refused because of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from massar.core import clock, encryption, sql


@dataclass(frozen=True)
class Limit:
    """`burst` units at once; then one more every `refill`."""

    name: str
    burst: int
    refill: timedelta

    @property
    def cost(self) -> int:
        return int(self.refill.total_seconds() * 1_000_000)

    @property
    def room(self) -> int:
        return self.cost * self.burst


@dataclass(frozen=True)
class Refused:
    """A budget is spent; a unit comes back at `until`."""

    limit: str
    until: datetime


@dataclass(frozen=True)
class Draw:
    """Units of one budget, mostly one; more than it ever holds counts as all of it.

    The key is a keyed tag: the table tells nothing about what was typed.
    """

    limit: Limit
    key: str
    units: int = 1

    @property
    def cost(self) -> int:
        return self.limit.cost * min(self.units, self.limit.burst)


def draw(limit: Limit, *owner: object, units: int = 1) -> Draw:
    return Draw(limit, encryption.data_keys().tag("limit", limit.name, *owner), units)


def take(draws: list[Draw], *, now: datetime) -> Refused | None:
    """Reserves the units of every budget, or of none. One statement decides: parallel calls can't overrun.

    A budget that is drawn upon twice gives both or none.
    """
    ordered = _by_key(draws)
    moment = clock.micros(now)
    values = ", ".join(["(%s, %s, %s, %s)"] * len(ordered))
    params: list[object] = []
    for one in ordered:
        params += [one.key, moment + one.cost, one.cost, one.limit.room]
    # excluded.tat - excluded.cost is now.
    most = "excluded.tat - excluded.cost + excluded.room"
    owed = f"{sql.least()}({sql.greatest()}(limits_budget.tat, excluded.tat - excluded.cost), {most})"
    taken = {
        r[0]
        for r in sql.rows(
            f"INSERT INTO limits_budget (key, tat, cost, room) VALUES {values} "
            f"ON CONFLICT (key) DO UPDATE SET tat = {owed} + excluded.cost, cost = excluded.cost, room = excluded.room "
            f"WHERE {owed} <= {most} - excluded.cost RETURNING key",
            params,
        )
    }
    missing = [d for d in ordered if d.key not in taken]
    if not missing:
        return None
    give_back([d for d in ordered if d.key in taken], now=now)
    return _refusal(missing, now)


def give_back(draws: list[Draw], *, now: datetime | None = None, whole: list[Draw] | None = None) -> None:
    """Returns the reserved units (the try was right, or never came about); budgets of `whole` are filled again.

    now: when they were taken. A budget that owed nothing then owes nothing again, whatever a clock says later.

    One statement that locks its rows in the order of `take`: two that follow each other in a transaction could wait
    for a `take` which waits for them.
    """
    filled, returned = [d.key for d in whole or []], _by_key(draws)
    keys = filled + [d.key for d in returned]
    if not keys:
        return
    cases = "WHEN key = %s THEN 0 " * len(filled)
    cases += "WHEN key = %s THEN CASE WHEN tat - %s <= %s THEN 0 ELSE tat - %s END " * len(returned)
    moment = clock.micros(now) if now else 0
    # The keys stand outside too: without statistics PostgreSQL would lock them once for each row of the whole table.
    these = f"key IN ({sql.one_of(len(keys))})"
    sql.change(
        f"UPDATE limits_budget SET tat = CASE {cases}ELSE tat END WHERE {these} AND key IN "
        f"(SELECT key FROM limits_budget WHERE {these} {sql.lock_in_order('key')})",
        [*filled, *(value for d in returned for value in (d.key, d.cost, moment, d.cost)), *keys, *keys],
    )


def _by_key(draws: list[Draw]) -> list[Draw]:
    """Each budget once, in one order for all: no deadlock between rows."""
    found: dict[str, Draw] = {}
    for one in draws:
        known = found.get(one.key)
        found[one.key] = replace(one, units=known.units + one.units) if known else one
    return sorted(found.values(), key=lambda d: d.key)


def forget(draws: list[Draw]) -> None:
    """Fills the budgets again, whole: the owner was here."""
    for key in sorted(d.key for d in draws):  # one by one, in the order of `take`
        sql.change("DELETE FROM limits_budget WHERE key = %s", (key,))


def left(one: Draw, *, now: datetime) -> int:
    """How many units could be taken now."""
    found = sql.row("SELECT tat FROM limits_budget WHERE key = %s", (one.key,))
    owed = min(max(0, (found[0] if found else 0) - clock.micros(now)), one.limit.room)
    return (one.limit.room - owed) // one.limit.cost


def sweep(*, now: datetime) -> int:
    """Removes budgets that are full again. Returns how many."""
    return sql.change("DELETE FROM limits_budget WHERE tat < %s", (clock.micros(now),))


def _refusal(missing: list[Draw], now: datetime) -> Refused:
    """The budget that takes longest to give what was asked for: before that no try would pass."""
    keys, moment = [d.key for d in missing], clock.micros(now)
    full_at = dict(sql.rows(f"SELECT key, tat FROM limits_budget WHERE key IN ({sql.one_of(len(keys))})", keys))
    if any(d.key in full_at and full_at[d.key] > moment + d.limit.room for d in missing):
        _put_right(missing, moment)
    # Not found: filled by its owner since, the next try finds it open.
    most = {d.key: min(full_at.get(d.key, 0), moment + d.limit.room) for d in missing}
    again = [most[d.key] + d.cost - d.limit.room if d.key in full_at else moment for d in missing]
    until, name = max(zip(again, (d.limit.name for d in missing), strict=True))
    return Refused(name, clock.from_micros(until))


def _put_right(draws: list[Draw], moment: int) -> None:
    """Written down, or every later reader would count the whole room anew and nothing would ever come back."""
    for one in draws:  # in the order of `take`
        most = moment + one.limit.room
        sql.change("UPDATE limits_budget SET tat = %s WHERE key = %s AND tat > %s", (most, one.key, most))
