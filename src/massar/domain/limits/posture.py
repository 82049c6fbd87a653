"""What speaks against an unknown browser's try, read in one statement before anything is taken or verified."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from massar.core import sql
from massar.domain.limits import siege, tally
from massar.domain.limits.gcra import Bucket, units_gone
from massar.domain.limits.siege import SiegeState


class Posture(NamedTuple):
    """gone: by key, how many units each bucket lacks. accounts: on about how many accounts the password failed in the
    last hour. siege: by key, what was ordered (`on`, `off`, ``) or has begun by itself (`held`)."""

    gone: Mapping[str, int]
    accounts: float
    sieges: Mapping[str, str]


def read(buckets: Sequence[Bucket], *, password: str, account: str, now: datetime) -> Posture:
    """Read it for these buckets, this password ('': none was typed) and the account with that key."""
    keys = [one.key for one in buckets] or [""]  # PostgreSQL knows no empty list
    places = tally.ids_of_password(password, now=now) if password else []
    hour = tally.ids_of_all(now=now) if password else []
    of_password = (
        f"UNION ALL SELECT 'cells', '', cells, 0, 0 FROM limits_failurecount WHERE id IN ({_marks(places)}) "
        "UNION ALL SELECT 'failures', '', CAST(COALESCE(SUM(number), 0) AS BIGINT), 0, 0 FROM limits_failurecount "
        f"WHERE id IN ({_marks(hour)}) "
    )
    rows = sql.rows(
        f"SELECT 'bucket', key, tat, 0, 0 FROM limits_bucketstate WHERE key IN ({_marks(keys)}) "
        f"{of_password if places else ''}"
        "UNION ALL SELECT 'siege', key, on_until, off_until, held_until FROM limits_siege WHERE key IN (%s, %s)",
        (*keys, *places, *hour, siege.EVERYWHERE, account),
    )
    tats = {key: tat for kind, key, tat, *_ in rows if kind == "bucket"}
    gone = {one.key: units_gone(one, tats.get(one.key, 0), now=now) for one in buckets}
    states = [SiegeState(key, None, *moments) for kind, key, *moments in rows if kind == "siege"]
    failures = sum(row[2] for row in rows if row[0] == "failures")
    cells = [row[2] for row in rows if row[0] == "cells"]
    sieges = {one.key: one.ordered(now) or ("held" if one.held(now) else "") for one in states}
    return Posture(gone, tally.accounts(cells, failures=failures), sieges)


def _marks(values: Sequence[object]) -> str:
    return sql.placeholders(len(values))
