"""What stands under the data keys, row by row: counting it, and encrypting it anew while people work.

Each room tells in its api which of its columns are encrypted (SEALED), and what is found by an HMAC and ends by itself
(ENDING). `tests/house/test_sealed.py` finds an encrypted column that no room tells of."""

import string
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from massar.core import encryption, sql
from massar.core.encryption import Keyring
from massar.core.keyring.state import LAG

BATCH = 200  # rows in one transaction: it holds up nobody for longer than a sign-in takes


class Index(NamedTuple):
    """A blind index of the same value: its column, its purpose, and the columns that stand before the value in it."""

    column: str
    purpose: str
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sealed:
    """An encrypted column. associated_data: with names of columns in braces, as `password|{person_id}`. key: the
    primary key's column. where: which rows of the table are meant, in SQL, where not all are."""

    table: str
    column: str
    associated_data: str
    key: str = "id"
    index: Index | None = None
    where: str = ""

    @property
    def named(self) -> tuple[str, ...]:
        """The columns that re-encrypting has to know."""
        in_data = [name for _, name, _, _ in string.Formatter().parse(self.associated_data) if name]
        return tuple(dict.fromkeys((*in_data, *(self.index.before if self.index else ()))))

    def under(self, names: Sequence[str], *, others: bool = False) -> tuple[str, list[object]]:
        """The condition, with its parameters, for rows under one of these keys: each value begins with its key.
        others: for the rows under none of them."""
        heads = [encryption.head(name) for name in names]
        one = f"substr({self.column}, 1, %s) = %s"
        these = " OR ".join([one] * len(heads)) or "1 = 0"
        return f"{_any(self)} AND {'NOT ' if others else ''}({these})", [v for head in heads for v in (len(head), head)]


class Ending(NamedTuple):
    """Rows that are found by an HMAC under the key that wrote when they were made, and end by themselves. what: in
    words, as `sessions`. since: the column that tells when. until: the column that tells their end; or `lives`, how
    long they do. live: further conditions of one that has not ended."""

    what: str
    table: str
    since: str
    live: str
    until: str = ""
    lives: timedelta = timedelta(0)


class Progress(NamedTuple):
    """How far it is: of one column, `done` of `total` rows."""

    sealed: Sealed
    done: int
    total: int


def count(sealed: Sealed, names: Sequence[str]) -> int:
    """Count the rows under one of these keys."""
    where, heads = sealed.under(names)
    [(found,)] = sql.rows(f"SELECT COUNT(*) FROM {sealed.table} WHERE {where}", heads)
    return int(found)


def count_others(sealed: Sealed, names: Sequence[str]) -> dict[str, int]:
    """Count the rows under each key that is not among these. It reads the whole column."""
    found: dict[str, int] = {}
    while name := _another_key(sealed, [*names, *found]):
        found[name] = count(sealed, [name])
    return found


def _another_key(sealed: Sealed, names: Sequence[str]) -> str:
    where, heads = sealed.under(names, others=True)
    rows = sql.rows(f"SELECT {sealed.column} FROM {sealed.table} WHERE {where} LIMIT {BATCH}", heads)
    return next(filter(None, (encryption.key_of(value) for (value,) in rows)), "")


def opens(sealed: Sealed, keyring: Keyring) -> bool | None:
    """Whether the oldest or the newest row can be opened; None where there is none."""
    ends = [f"(SELECT {end}({sealed.key}) FROM {sealed.table} WHERE {_any(sealed)})" for end in ("MIN", "MAX")]
    found = sql.rows(f"SELECT {_columns(sealed)} FROM {sealed.table} WHERE {sealed.key} IN ({', '.join(ends)})")
    return any(_opened(sealed, row, keyring) is not None for row in found) if found else None


def count_broken(sealed: Sealed, name: str, keyring: Keyring) -> int:
    """Count the rows under that key which no key opens. It reads all of them: of a key that is to go they are few."""
    where, heads = sealed.under([name])
    found = sql.rows(f"SELECT {_columns(sealed)} FROM {sealed.table} WHERE {where}", heads)
    return sum(_opened(sealed, row, keyring) is None for row in found)


def count_live(ending: Ending, *, written_until: datetime, now: datetime) -> tuple[int, datetime | None]:
    """Count the rows of before `written_until` that have not ended; and when the last of them does, where they say."""
    first = written_until + LAG
    where, params = f"{ending.live} AND {ending.since} <= %s", [sql.at(first)]
    if ending.lives:
        found = sql.rows(
            f"SELECT COUNT(*), MAX({ending.since}) FROM {ending.table} WHERE {where} AND {ending.since} > %s",
            [*params, sql.at(now - ending.lives)],
        )
    else:
        found = sql.rows(
            f"SELECT COUNT(*), MAX({ending.until}) FROM {ending.table} WHERE {where} "
            f"AND ({ending.until} IS NULL OR {ending.until} > %s)",
            [*params, sql.at(now)],
        )
    [(number, last)] = found
    end = sql.moment(last)
    return int(number), end + ending.lives if end and ending.lives else end


def reseal(
    every: Iterable[Sealed],
    names: Sequence[str],
    keyring: Keyring,
    *,
    say: Callable[[Progress], None],
    rest: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Encrypt anew what stands under these keys, and write its blind index anew; return the rows that can't be opened.

    Each batch is a transaction of its own and the rows themselves say what is left: it may be killed at any moment and
    started again, by several at once too. Rows that somebody holds are left for the next round: it waits for nobody,
    and so is in no circle of those who wait. Between two batches it rests as long as one took."""
    broken: list[str] = []
    names = [name for name in names if name != keyring.writes]  # what is written under it would never be done
    for sealed in every:
        done, left = 0, count(sealed, names)
        while left:
            fresh, bad, total = 0, list[str](), done + left
            for written, unopened in _batches(sealed, names, keyring, rest):
                fresh, bad = fresh + written, bad + unopened
                say(Progress(sealed, min(done + fresh, total), total))
            done, left = done + fresh, count(sealed, names)
            if left <= len(bad):
                broken += bad
                break
            if not fresh:  # others hold what is left
                rest(0.2)
    return broken


def _batches(
    sealed: Sealed, names: Sequence[str], keyring: Keyring, rest: Callable[[float], None]
) -> Iterator[tuple[int, list[str]]]:
    """One round through the table: of each batch how many rows were written, and which can't be opened."""
    after: object = None
    while True:
        begun = time.monotonic()
        with transaction.atomic():
            found = _claim(sealed, names, after)
            broken = _renew(sealed, found, keyring)
        if not found:
            return
        after = found[-1][0]
        yield len(found) - len(broken), broken
        rest(time.monotonic() - begun)


def _claim(sealed: Sealed, names: Sequence[str], after: object) -> list[sql.Row]:
    where, params = sealed.under(names)
    later = "" if after is None else f" AND {sealed.key} > %s"
    return sql.rows(
        f"SELECT {_columns(sealed)} FROM {sealed.table} WHERE {where}{later} "
        f"ORDER BY {sealed.key} LIMIT {BATCH} {sql.skip_locked()}",
        [*params, *([] if after is None else [after])],
    )


def _columns(sealed: Sealed) -> str:
    return ", ".join((sealed.key, sealed.column, *sealed.named))


def _any(sealed: Sealed) -> str:
    return f"{sealed.column} IS NOT NULL{f' AND {sealed.where}' if sealed.where else ''}"


def _opened(sealed: Sealed, row: sql.Row, keyring: Keyring) -> tuple[bytes, str, dict[str, object]] | None:
    """The value, its associated data, and the other columns by name; None for a row that was changed."""
    named = dict(zip(sealed.named, row[2:], strict=True))
    associated_data = sealed.associated_data.format(**named)
    try:
        return keyring.decrypt(row[1], associated_data=associated_data), associated_data, named
    except encryption.DecryptionFailed:
        return None


def _renew(sealed: Sealed, found: list[sql.Row], keyring: Keyring) -> list[str]:
    """Write rows under the key that writes; return those that can't be opened: nothing of these is touched."""
    index, params, broken = sealed.index, list[list[Any]](), list[str]()
    for row in found:
        opened = _opened(sealed, row, keyring)
        if opened is None:
            broken.append(f"{sealed.table} {row[0]}")
            continue
        plain, associated_data, named = opened
        before = [named[column] for column in index.before] if index else []
        indexed = [keyring.blind_index(index.purpose, *before, plain.decode())] if index else []
        params.append([keyring.encrypt(plain, associated_data=associated_data), *indexed, row[0]])
    if params:
        sets = ", ".join(f"{column} = %s" for column in (sealed.column, *([index.column] if index else [])))
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {sealed.table} SET {sets} WHERE {sealed.key} = %s", params)
    return broken
