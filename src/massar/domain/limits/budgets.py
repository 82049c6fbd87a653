"""Attempt budgets: reserved before anything is verified, in one atomic statement, given back on success.

Source: decision 18; NIST SP 800-63B-4 §3.2.2 (at most 100 consecutive failures); OWASP "Slow down online guessing
with device cookies" for the two lanes. No budget ever locks an account: a known device has its own lane, and
recovery stays open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from massar.core import clock, seal, sql


@dataclass(frozen=True)
class Limit:
    """`burst` units at once; then one more every `refill`."""

    name: str
    burst: int
    refill: timedelta

    @property
    def cost(self) -> int:
        return int(self.refill.total_seconds() * 1_000_000)


@dataclass(frozen=True)
class Refused:
    """A budget is spent; a unit comes back at `until`."""

    limit: str
    until: datetime


@dataclass(frozen=True)
class Draw:
    """One unit of one budget. The key is a keyed tag: the table tells nothing about what was typed."""

    limit: Limit
    key: str


def draw(limit: Limit, *owner: object) -> Draw:
    return Draw(limit, seal.data_keys().tag("limit", limit.name, *owner))


def take(draws: list[Draw], *, now: datetime) -> Refused | None:
    """Reserves one unit of every budget, or of none. One statement decides: parallel calls can't overrun."""
    ordered = sorted(draws, key=lambda d: d.key)  # one order for all: no deadlock between rows
    moment = clock.micros(now)
    values = ", ".join(["(%s, %s, %s, %s)"] * len(ordered))
    params: list[object] = []
    for one in ordered:
        params += [one.key, moment + one.limit.cost, one.limit.cost, one.limit.cost * one.limit.burst]
    owed = f"{sql.greatest()}(limits_budget.tat, excluded.tat - excluded.cost)"
    taken = {
        r[0]
        for r in sql.rows(
            f"INSERT INTO limits_budget (key, tat, cost, room) VALUES {values} "
            f"ON CONFLICT (key) DO UPDATE SET tat = {owed} + excluded.cost, cost = excluded.cost, room = excluded.room "
            f"WHERE {owed} <= excluded.tat - 2 * excluded.cost + excluded.room RETURNING key",
            params,
        )
    }
    missing = [d for d in ordered if d.key not in taken]
    if not missing:
        return None
    give_back([d for d in ordered if d.key in taken])
    return _refusal(missing[0], now)


def give_back(draws: list[Draw], *, whole: list[Draw] | None = None) -> None:
    """Returns the reserved units (the try was right, or never came about); budgets of `whole` are filled again.

    One statement that locks its rows in the order of `take`: two that follow each other in a transaction could wait
    for a `take` which waits for them.
    """
    keys, filled = [d.key for d in draws], [d.key for d in whole or []]
    if not keys + filled:
        return
    chosen = f"key IN ({', '.join(['%s'] * len(keys + filled))})"
    tat = f"CASE WHEN key IN ({', '.join(['%s'] * len(filled))}) THEN 0 ELSE tat - cost END" if filled else "tat - cost"
    sql.change(
        f"UPDATE limits_budget SET tat = {tat} WHERE key IN "
        f"(SELECT key FROM limits_budget WHERE {chosen} {sql.lock_in_order('key')})",
        [*filled, *keys, *filled],
    )


def forget(draws: list[Draw]) -> None:
    """Fills the budgets again, whole: the owner was here."""
    for key in sorted(d.key for d in draws):  # one by one, in the order of `take`
        sql.change("DELETE FROM limits_budget WHERE key = %s", (key,))


def left(one: Draw, *, now: datetime) -> int:
    """How many units could be taken now."""
    found = sql.row("SELECT tat FROM limits_budget WHERE key = %s", (one.key,))
    owed = max(0, (found[0] if found else 0) - clock.micros(now))
    return max(0, (one.limit.cost * one.limit.burst - owed) // one.limit.cost)


def sweep(*, now: datetime) -> int:
    """Removes budgets that are full again. Returns how many."""
    return sql.change("DELETE FROM limits_budget WHERE tat < %s", (clock.micros(now),))


def _refusal(one: Draw, now: datetime) -> Refused:
    found = sql.row("SELECT tat, cost, room FROM limits_budget WHERE key = %s", (one.key,))
    if found is None:  # filled by its owner since: the next try finds it open
        return Refused(one.limit.name, now)
    tat, cost, room = found
    return Refused(one.limit.name, clock.from_micros(tat + cost - room))
