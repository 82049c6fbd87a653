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

import psycopg

SEALED = bytes(420)
NOW = "2026-11-23 08:00:00+00"
TABLE = "CREATE TABLE IF NOT EXISTS bench_row (id {id}, ask_id varchar(43) UNIQUE, sealed {bytes}, created_at text)"
INSERT = "INSERT INTO bench_row (ask_id, sealed, created_at) VALUES ({0}, {0}, {0}) ON CONFLICT (ask_id) DO NOTHING"


def postgres(address: str):
    connection = psycopg.connect(address, autocommit=True)
    return lambda key: connection.execute(INSERT.format("%s"), (key, SEALED, NOW))


def sqlite(address: str):
    connection = sqlite3.connect(address, isolation_level=None, timeout=20, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return lambda key: connection.execute(INSERT.format("?"), (key, SEALED, NOW))


def repeat(insert, writer: int, end: float, counts: list[int]) -> None:
    while time.perf_counter() < end:
        insert(f"{writer:08d}{time.monotonic_ns():035d}")
        counts[writer] += 1


def main() -> None:
    seconds, writers = float(sys.argv[1]), int(sys.argv[2])
    address = os.environ["MASSAR_DATABASE_URL"]
    if address.startswith("sqlite:///"):
        writers, open_one = 1, lambda: sqlite(address.removeprefix("sqlite:///"))
        sqlite3.connect(address.removeprefix("sqlite:///")).execute(
            TABLE.format(id="INTEGER PRIMARY KEY", bytes="BLOB")
        )
    else:
        open_one = lambda: postgres(address)  # noqa: E731
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(TABLE.format(id="bigserial PRIMARY KEY", bytes="bytea"))
    inserts, counts = [open_one() for _ in range(writers)], [0] * writers
    start = time.perf_counter()
    threads = [
        threading.Thread(target=repeat, args=(insert, i, start + seconds, counts))
        for i, insert in enumerate(inserts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(sum(counts) / (time.perf_counter() - start)))


if __name__ == "__main__":
    main()
