"""The bound beside recovery's page: bare inserts of a row of the same size, each in its own commit.

    python -m bench.inserts SECONDS WRITERS        (with MASSAR_DATABASE_URL in the environment)

Prints rows per second as a JSON number. PostgreSQL is written to over as many connections as there are browsers;
SQLite has one writer, and the product's own pragmas.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing

import psycopg

Insert = Callable[[str], object]

SQLITE = "sqlite:///"
SEALED = bytes(420)
NOW = "2026-11-23 08:00:00+00"
TABLE = "CREATE TABLE IF NOT EXISTS bench_row (id {id}, ask_id varchar(43) UNIQUE, ciphertext {bytes}, created_at text)"
INSERT = "INSERT INTO bench_row (ask_id, ciphertext, created_at) VALUES ({0}, {0}, {0}) ON CONFLICT (ask_id) DO NOTHING"


def postgres(address: str, bell: str = "") -> Insert:
    """`bell`: a channel that each insert notifies, in the same commit."""
    connection = psycopg.connect(address, autocommit=True)
    statement = (INSERT.format("%s") + (f" RETURNING pg_notify('{bell}', '')" if bell else "")).encode()
    return lambda key: connection.execute(statement, (key, SEALED, NOW))


def sqlite(address: str) -> Insert:
    connection = sqlite3.connect(address, isolation_level=None, timeout=20, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return lambda key: connection.execute(INSERT.format("?"), (key, SEALED, NOW))


def opened(address: str, bell: str = "") -> Insert:
    """One writer's `insert(key)` on that database, its table made."""
    if address.startswith(SQLITE):
        path = address.removeprefix(SQLITE)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(TABLE.format(id="INTEGER PRIMARY KEY", bytes="BLOB"))
        return sqlite(path)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(TABLE.format(id="bigserial PRIMARY KEY", bytes="bytea"))
    return postgres(address, bell)


def repeat(insert: Insert, writer: int, end: float, counts: list[int]) -> None:
    while time.perf_counter() < end:
        insert(f"{writer:08d}{time.monotonic_ns():035d}")
        counts[writer] += 1


def main() -> None:
    seconds, writers = float(sys.argv[1]), int(sys.argv[2])
    address = os.environ["MASSAR_DATABASE_URL"]
    writers = 1 if address.startswith(SQLITE) else writers
    inserts, counts = [opened(address) for _ in range(writers)], [0] * writers
    start = time.perf_counter()
    threads = [
        threading.Thread(target=repeat, args=(insert, i, start + seconds, counts)) for i, insert in enumerate(inserts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(sum(counts) / (time.perf_counter() - start)))


if __name__ == "__main__":
    main()
