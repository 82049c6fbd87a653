"""Full sessions. Opening and looking up are hot paths: plain SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from massar.core import encryption, ids, sql
from massar.core.browser import Browser
from massar.domain.sessions.models import Session

MOST_SESSIONS = 10  # ASVS 7.1.2: documented; the oldest gives way
PRIVILEGED_IDLE, PRIVILEGED_LONGEST = timedelta(minutes=15), timedelta(hours=8)
TOUCH_EVERY = timedelta(seconds=60)


@dataclass(frozen=True)
class SessionFacts:
    """A live session. Moments are aware, in UTC."""

    id: int
    person_id: int
    how: str
    signed_in_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    network: str
    browser: str

    @property
    def proof(self) -> str:
        """Names the sign-in itself: a session that is renewed keeps its id, and this becomes another."""
        return f"{self.id}@{self.signed_in_at.isoformat()}"


_COLUMNS = "id, person_id, how, signed_in_at, last_seen_at, expires_at, network, browser"
# For a statement in which sessions are joined: what a session granted has its own end, so being idle does not count.
TABLE, NOT_ENDED = "sessions_session s", "s.ended_at IS NULL"


def open_for(person_id: int, *, how: str, browser: Browser, now: datetime) -> tuple[int, str, list[int]]:
    """A new session: (id, cookie value, ids of older ones that gave way, whose sites are to be told).

    The secret is 256 bits and only its tag is stored.
    """
    cookie = f"{person_id}.{ids.token()}"
    session_id, others = sql.row(
        "INSERT INTO sessions_session (cookie_hmac, person_id, how, signed_in_at, last_seen_at, expires_at, network, browser, "
        "ended_why) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, '') RETURNING id, "
        "(SELECT COUNT(*) FROM sessions_session o WHERE o.person_id = %s AND o.ended_at IS NULL)",
        (
            _cookie_hmac(cookie),
            person_id,
            how,
            sql.at(now),
            sql.at(now),
            sql.at(now + settings.MASSAR.session_longest),
            browser.network,
            browser.label,
            person_id,
        ),
    )
    # May count the new one or not: both databases have their own view of it.
    gave_way = _end_oldest(person_id, now) if others >= MOST_SESSIONS else []
    return session_id, cookie, gave_way


def renew(earlier: SessionFacts, *, how: str, browser: Browser, now: datetime) -> str | None:
    """Its person has signed in anew in the same browser: the new cookie value, or None if the session has ended.

    The earlier cookie opens nothing from now on (ASVS 7.2.4). The id stays, so what sites were given in this session
    stays too. A later sign-in is never told as the earlier one, whatever the clocks of two machines say.
    """
    at = max(now, earlier.signed_in_at + timedelta(microseconds=1))
    cookie = f"{earlier.person_id}.{ids.token()}"
    found = sql.execute(
        "UPDATE sessions_session SET cookie_hmac = %s, how = %s, signed_in_at = %s, last_seen_at = %s, expires_at = %s, "
        "network = %s, browser = %s WHERE id = %s AND person_id = %s AND ended_at IS NULL",
        (
            _cookie_hmac(cookie),
            how,
            sql.at(at),
            sql.at(at),
            sql.at(at + settings.MASSAR.session_longest),
            browser.network,
            browser.label,
            earlier.id,
            earlier.person_id,
        ),
    )
    return cookie if found else None


def _end_oldest(person_id: int, now: datetime) -> list[int]:
    """Of more than MOST_SESSIONS live ones those signed in to the longest ago end."""
    ended = sql.rows(
        "UPDATE sessions_session SET ended_at = %s, ended_why = 'too_many' WHERE person_id = %s AND ended_at IS NULL AND id NOT IN "
        "(SELECT id FROM sessions_session WHERE person_id = %s AND ended_at IS NULL ORDER BY signed_in_at DESC, id DESC LIMIT %s) "
        "RETURNING id",
        (sql.at(now), person_id, person_id, MOST_SESSIONS),
    )
    return [session_id for (session_id,) in ended]


def resume(cookie: str, *, now: datetime) -> SessionFacts | None:
    """The live session of a cookie, or None. Idle and longest life are judged here, on the server."""
    owner = cookie.partition(".")[0]
    if not owner.isascii() or not owner.isdecimal() or len(cookie) > 100:
        return None
    found_by = encryption.data_keys().blind_indexes("session", cookie)
    marks = ", ".join(["%s"] * len(found_by))
    found = sql.row(
        f"SELECT {_COLUMNS} FROM sessions_session WHERE cookie_hmac IN ({marks}) AND ended_at IS NULL", found_by
    )
    return _if_live(found, int(owner), now)


def left_open(cookie: str) -> tuple[int, int] | None:
    """(session id, person id) of a cookie whose session nobody has ended, idle or run out though it may be."""
    found_by = encryption.data_keys().blind_indexes("session", cookie[:100])
    one_of = sql.placeholders(len(found_by))
    return sql.row(
        f"SELECT id, person_id FROM sessions_session WHERE cookie_hmac IN ({one_of}) AND ended_at IS NULL", found_by
    )


def alive(session_id: int, person_id: int, *, now: datetime) -> SessionFacts | None:
    """The live session of that person with that id, or None. Being asked for counts as use of it."""
    found = sql.row(f"SELECT {_COLUMNS} FROM sessions_session WHERE id = %s AND ended_at IS NULL", (session_id,))
    return _if_live(found, person_id, now)


def _if_live(found: tuple | None, owner: int, now: datetime) -> SessionFacts | None:
    if not found or found[1] != owner:
        return None
    facts = _facts(found)
    if facts.expires_at <= now or facts.last_seen_at + settings.MASSAR.session_idle <= now:
        return None
    if now - facts.last_seen_at >= TOUCH_EVERY:
        sql.execute("UPDATE sessions_session SET last_seen_at = %s WHERE id = %s", (sql.at(now), facts.id))
    return facts


def fits_privileged(facts: SessionFacts, *, now: datetime) -> bool:
    """Whether the session is young and busy enough for somebody with rights over others."""
    return now - facts.last_seen_at < PRIVILEGED_IDLE and now - facts.signed_in_at < PRIVILEGED_LONGEST


def of_person(person_id: int, *, now: datetime) -> list[SessionFacts]:
    """Live sessions, newest sign-in first."""
    found = sql.rows(
        f"SELECT {_COLUMNS} FROM sessions_session WHERE person_id = %s AND ended_at IS NULL AND expires_at > %s "
        "AND last_seen_at > %s ORDER BY signed_in_at DESC, id DESC",
        (person_id, sql.at(now), sql.at(now - settings.MASSAR.session_idle)),
    )
    return [_facts(r) for r in found]


def hold(session_id: int) -> bool:
    """Whether the session has not ended; nobody ends it before this transaction is over."""
    held = "UPDATE sessions_session SET last_seen_at = last_seen_at WHERE id = %s AND ended_at IS NULL"
    return sql.execute(held, (session_id,)) == 1


def end(session_id: int, person_id: int, *, now: datetime, why: str) -> bool:
    """Ends one session of that person; False if it was not theirs or had ended."""
    return bool(
        Session.objects.filter(pk=session_id, person_id=person_id, ended_at=None).update(ended_at=now, ended_why=why)
    )


def end_all(person_id: int, *, now: datetime, why: str, besides: int | None = None) -> list[int]:
    """Ends the person's live sessions; returns their ids, for the sites they opened to be told."""
    return [
        row[0]
        for row in sql.rows(
            "UPDATE sessions_session SET ended_at = %s, ended_why = %s WHERE person_id = %s AND ended_at IS NULL AND id <> %s "
            "RETURNING id",
            (sql.at(now), why, person_id, besides or 0),
        )
    ]


def sweep(*, now: datetime, keep: timedelta = timedelta(days=90)) -> int:
    """Forgets sessions that ended or ran out long ago."""
    return Session.objects.filter(expires_at__lt=now - keep).delete()[0]


def _facts(row: tuple) -> SessionFacts:
    return SessionFacts(
        row[0], row[1], row[2], sql.moment(row[3]), sql.moment(row[4]), sql.moment(row[5]), row[6], row[7]
    )


def _cookie_hmac(cookie: str) -> str:
    return encryption.data_keys().blind_index("session", cookie)
