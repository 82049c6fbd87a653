"""What nothing can pass: the bare work under a measurement, alone. Prints JSON.

    python -m bench.bounds argon2 CPU_SECONDS LIBRARY MEMORY_KIB,PASSES …
    python -m bench.bounds inserts SECONDS          (with MASSAR_DATABASE_URL in the environment, as for tokens)
    python -m bench.bounds tokens SECONDS
    python -m bench.bounds saml SAMPLES

argon2   verifications per CPU-second by parameters, in one thread, by one of the product's libraries
inserts  rows of recovery's size per second, each in its own commit
tokens   signatures per CPU-second of one thread; look-ups of a token and inserts of a grant with its token per second
saml     CPU ms of one thread, medians: one RSA-3072 signature, and a whole answer, which holds two
"""

import base64
import json
import os
import secrets
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from massar.core import argon2id
from massar.core.saml.encode import encode_signed
from massar.core.saml.messages import CLASS_PROTECTED, NAME_ID_FORMATS, SUCCESS, Assertion, NameId, Response
from massar.core.xml_signature import XmlSigner
from tests.support.certificates import pair

Ask = Callable[..., Any]  # a connection's `execute`
Once = Callable[[Ask, str], object]  # asks once; the second is the database's mark of a parameter

SQLITE = "sqlite:///"
CONNECTIONS = 16
PASSWORD = "the same length as a real one"
ROW = "CREATE TABLE IF NOT EXISTS bench_row (id {0}, ask_id varchar(43) UNIQUE, ciphertext bytea, created_at text)"
INSERT = "INSERT INTO bench_row (ask_id, ciphertext, created_at) VALUES ({0}, {0}, {0}) ON CONFLICT (ask_id) DO NOTHING"
READ = (
    "SELECT g.id, g.site, g.person_id, g.scope FROM sites_token t JOIN sites_grant g ON g.id = t.grant_id "
    "WHERE t.hash = {0} AND t.kind = 'access' AND t.expires_at > 0 AND t.used_at = 0 AND g.ended_at = 0"
)
GRANT = (
    "INSERT INTO sites_grant (site, person_id, session_id, subject, login, scope, auth_time, nonce, created_at, "
    "expires_at, sid, ended_at) VALUES ('bound', 0, 0, 'bound', '', 'profile email school', 0, '', 0, 1, '', 0) "
    "RETURNING id"
)
TOKEN = "INSERT INTO sites_token (hash, kind, grant_id, binding, expires_at, used_at) "


def per_cpu_second(work: Callable[[], object], seconds: float) -> float:
    start, count = time.process_time(), 0
    while time.process_time() - start < seconds:
        work()
        count += 1
    return count / (time.process_time() - start)


def argon2(seconds: float, memory_kib: int, passes: int) -> float:
    phc = argon2id.make(PASSWORD, memory_kib=memory_kib, passes=passes)
    return per_cpu_second(lambda: argon2id.fits(PASSWORD, phc), seconds)


# -- statements


def connect(address: str) -> tuple[Ask, str]:
    """A connection with the table of rows made: its `execute`, and its mark. SQLite is set as the product sets it."""
    if address.startswith(SQLITE):
        path = address.removeprefix(SQLITE)
        connection = sqlite3.connect(path, isolation_level=None, timeout=20, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(ROW.format("INTEGER PRIMARY KEY"))
        return connection.execute, "?"
    ask: Ask = psycopg.connect(address, autocommit=True).execute
    ask(ROW.format("bigserial PRIMARY KEY"))
    return ask, "%s"


def insert(ask: Ask, mark: str, bell: str = "") -> None:
    """A row as of recovery's page. bell: a channel of PostgreSQL that is notified in the same commit."""
    heard = f" RETURNING pg_notify('{bell}', '')" if bell and mark == "%s" else ""
    ask(INSERT.format(mark) + heard, (secrets.token_hex(22)[:43], bytes(420), "2026-11-23 08:00:00+00"))


def look_up(ask: Ask, mark: str) -> None:
    """What stands behind an access token."""
    ask(READ.format(mark), ("0" * 64,)).fetchone()


def grant(ask: Ask, mark: str) -> None:
    """A grant and its token, durably: one statement on PostgreSQL, a transaction on SQLite."""
    key = secrets.token_hex(32)
    if mark == "%s":
        ask(f"WITH g AS ({GRANT}) {TOKEN} SELECT %s, 'access', g.id, '', 1, 0 FROM g", (key,))
        return
    ask("BEGIN IMMEDIATE")
    ask(f"{TOKEN} VALUES (?, 'access', ?, '', 1, 0)", (key, ask(GRANT).fetchone()[0]))
    ask("COMMIT")


def per_second(once: Once, seconds: float) -> float:
    """Over as many connections as there are callers; SQLite has one writer."""
    address = os.environ["MASSAR_DATABASE_URL"]
    connections = [connect(address) for _ in range(1 if address.startswith(SQLITE) else CONNECTIONS)]

    def repeat(connection: tuple[Ask, str]) -> int:
        end, count = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            once(*connection)
            count += 1
        return count

    with ThreadPoolExecutor(len(connections)) as pool:
        return sum(pool.map(repeat, connections)) / seconds


def tokens(seconds: float) -> dict[str, float]:
    elliptic, text = ec.generate_private_key(ec.SECP256R1()), b"x" * 400
    big = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "es256": per_cpu_second(lambda: elliptic.sign(text, ec.ECDSA(hashes.SHA256())), seconds),
        "rs256": per_cpu_second(lambda: big.sign(text, padding.PKCS1v15(), hashes.SHA256()), seconds),
        "read": per_second(look_up, seconds),
        "write": per_second(grant, seconds),
    }


# -- SAML


def saml(samples: int) -> dict[str, float]:
    """Interleaved, so that a busy neighbour slows both alike."""
    made, now = pair(bits=3072), datetime.now(UTC)
    signer = XmlSigner(made.key, made.certificate)
    account, site = "https://account.example.ma/saml/metadata", "https://retraite.example.ma/saml"
    assertion = Assertion(
        name_id=NameId("s" + "x" * 21, NAME_ID_FORMATS["persistent"], account, site),
        audience=site,
        authenticated_at=now,
        session_ends_at=now + timedelta(hours=12),
        session_index="0" * 32,
        context_class=CLASS_PROTECTED,
        attributes={"email": "jamal.jalal@taalim.ma", "name": "Jamal Jalal", "school": "Lycée Ibn Khaldoun"},
    )
    response = Response("_" + "r" * 22, account, now, f"{site}/acs", "_" + "x" * 40, (SUCCESS,), assertion)
    works: dict[str, Callable[[], object]] = {
        "rsa": lambda: signer.sign_octets(b"x" * 500),
        "answer": lambda: base64.b64encode(encode_signed(response, signer)),
    }
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(samples):
        for name, work in works.items():
            began = time.thread_time()
            work()
            spent[name].append((time.thread_time() - began) * 1000)
    return {name: statistics.median(times) for name, times in spent.items()}


def main(what: str, amount: str, *sets: str) -> object:
    match what:
        case "argon2":
            argon2id.use(sets[0])
            return {text: argon2(float(amount), *map(int, text.split(","))) for text in sets[1:]}
        case "inserts":
            return per_second(insert, float(amount))
        case "tokens":
            return tokens(float(amount))
        case _:
            return saml(int(amount))


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
