"""What the database is at fault with just now, in its own words: for the log, the alarm and the signs of life
(docs/adr/0067-operators-see-why.md).

Each process knows what it has met itself. That lasts for LASTS after it was met last: a full disk and a refused
connection are met again by whoever asks next."""

import logging
import re
import sqlite3
import threading
from collections.abc import Iterable
from time import monotonic
from typing import NamedTuple

import psycopg
from psycopg_pool import PoolTimeout

FULL, READ_ONLY, REFUSED, UNREACHABLE, BROKEN, BUSY = "full", "read-only", "refused", "unreachable", "broken", "busy"
LASTS = 60.0  # seconds after it was met last
SAY_EVERY = 60.0  # seconds between two lines about one trouble: a full disk is not filled further
LONGEST = 300  # characters of the database's words
PAGE = "docs/operate/alarms/database-trouble.md"
_OF_SQLITE = {
    sqlite3.SQLITE_FULL: FULL, sqlite3.SQLITE_READONLY: READ_ONLY, sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: UNREACHABLE, sqlite3.SQLITE_BUSY: BUSY, sqlite3.SQLITE_LOCKED: BUSY,
}  # fmt: skip
# SQLSTATE, PostgreSQL appendix A, by its beginning; the longest that fits counts.
_OF_POSTGRES = {
    "53100": FULL, "25006": READ_ONLY, "28": REFUSED, "3D": REFUSED, "53": REFUSED, "08": UNREACHABLE,
    "57P": UNREACHABLE, "57": BUSY, "55": BUSY, "40": BUSY,
}  # fmt: skip
# libpq has no code for what went wrong before a server answered, only words.
_REFUSALS = re.compile(r"certificate|\bSSL\b|TLS|FATAL|authentication", re.IGNORECASE)
_COMES_BACK = re.compile(r"starting up|shutting down|recovery mode|not yet accepting")
log = logging.getLogger("massar.database")


class Trouble(NamedTuple):
    """kind: one of the words above, for anybody. words: what the database said, for operators alone: it may name
    hosts and files."""

    kind: str
    words: str


class _Met:
    """What this process has met. Moments are of `monotonic`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.trouble: Trouble | None = None
        self.last = self.said = 0.0
        self.unsaid = 0
        self.refusal = ""


_met = _Met()


def note_refusal(error: psycopg.Error, secrets: Iterable[str] = ()) -> None:
    """Keep why a connection could not be made. The pool tells those who wait for one only that they waited."""
    _met.refusal = in_one_line(str(error), secrets)


def judge(error: BaseException) -> Trouble:
    """Tell what kind of trouble an error of the database is."""
    cause = error.__cause__ or error
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        return Trouble(_OF_SQLITE.get(code, BROKEN), in_one_line(str(cause)))
    if isinstance(cause, PoolTimeout) and _met.refusal:
        return Trouble(_kind_of_refusal(_met.refusal), _met.refusal)
    words = in_one_line((cause.diag.message_primary or str(cause)) if isinstance(cause, psycopg.Error) else str(cause))
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    fitting = [begin for begin in _OF_POSTGRES if state and state.startswith(begin)]
    kind = _OF_POSTGRES[max(fitting, key=len)] if fitting else BROKEN if state else _kind_of_refusal(words)
    return Trouble(kind, words)


def _kind_of_refusal(words: str) -> str:
    return REFUSED if _REFUSALS.search(words) and not _COMES_BACK.search(words) else UNREACHABLE


def meet(trouble: Trouble) -> None:
    """Keep it, and say it in the log: at once where it is new, else once a minute with how often it was met. One that
    others hold for a moment is no alarm."""
    if trouble.kind == BUSY:
        log.warning("the database is busy: %s", trouble.words)
        return
    now = monotonic()
    with _met.lock:
        new = _met.trouble is None or _met.trouble.kind != trouble.kind or now - _met.last > LASTS
        _met.trouble, _met.last = trouble, now
        _met.unsaid += 1
        if not new and now - _met.said < SAY_EVERY:
            return
        times, _met.unsaid, _met.said = _met.unsaid, 0, now
    if new:
        log.error("alarm database-trouble begins (%s: %s): see %s", trouble.kind, trouble.words, PAGE)
    else:
        log.error("the database is still %s, met %s times in a minute: %s", trouble.kind, times, trouble.words)


def standing() -> Trouble | None:
    """What was met within the last LASTS seconds. Who looks first after its end says that it is over."""
    with _met.lock:
        trouble = _met.trouble
        if trouble is None or monotonic() - _met.last <= LASTS:
            return trouble
    end()
    return None


def end(*kinds: str) -> None:
    """The trouble is over; or, where kinds are given, over if it is one of them."""
    with _met.lock:
        trouble = _met.trouble
        if trouble is None or (kinds and trouble.kind not in kinds):
            return
        _met.trouble, _met.unsaid = None, 0
    log.info("alarm database-trouble is over")


def in_one_line(said: str, secrets: Iterable[str] = ()) -> str:
    """The database's words as one line without any of these secrets, which it has no reason to repeat."""
    words = " ".join(said.split())
    for secret in filter(None, secrets):
        words = words.replace(secret, "…")
    return words[:LONGEST]
