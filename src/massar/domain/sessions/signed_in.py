"""Full sessions. Opening and looking up are hot paths: plain SQL."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from massar.core import encryption, ids, sql
from massar.core.browser import Browser
from massar.domain.sessions.models import Session

MOST_SESSIONS = 10  # ASVS 7.1.2: documented; the oldest gives way
PRIVILEGED_IDLE, PRIVILEGED_LONGEST = timedelta(minutes=15), timedelta(hours=8)
TOUCH_EVERY = timedelta(seconds=60)


class SessionFacts(NamedTuple):
    """A live session. Moments are aware, in UTC."""

    id: int
    person_id: int
    how: str
    signed_in_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    network: str
    browser: str
    amr: str
    second_at: datetime | None

    @property
    def methods(self) -> list[str]:
        """What was proved in it, in words of RFC 8176."""
        return self.amr.split()

    @property
    def two_factors(self) -> bool:
        return "mfa" in self.methods

    @property
    def proof(self) -> str:
        """Names the sign-in itself: a session that is renewed keeps its id, and this becomes another."""
        return f"{self.id}@{self.signed_in_at.isoformat()}"


_RENEWED = (
    "cookie_hmac",
    "how",
    "signed_in_at",
    "last_seen_at",
    "expires_at",
    "network",
    "browser",
    "amr",
    "second_at",
)
_SELECT = """SELECT id, person_id, how, signed_in_at, last_seen_at, expires_at, network, browser, amr, second_at
FROM sessions_session WHERE ended_at IS NULL"""
# For a statement in which sessions are joined: what a session granted has its own end, so being idle does not count.
TABLE, NOT_ENDED = "sessions_session s", "s.ended_at IS NULL"


def open_for(
    person_id: int, *, how: str, browser: Browser, now: datetime, amr: str = "pwd", second_at: datetime | None = None
) -> tuple[int, str, list[int]]:
    """Open a session: (id, cookie value, ids of older ones that gave way, whose sites are to be told). The secret is
    256 bits and only its HMAC is stored. second_at: when a second factor was proved, where `amr` holds one and that was
    not now: a session that is opened in place of another makes no proof younger."""
    cookie, values = _cookie_and_values(person_id, how, amr, browser, now, second_at)
    [(session_id, others)] = sql.rows(
        f"INSERT INTO sessions_session ({', '.join(_RENEWED)}, person_id, ended_why) "
        f"VALUES ({sql.placeholders(len(values) + 1)}, '') RETURNING id, "
        "(SELECT COUNT(*) FROM sessions_session o WHERE o.person_id = %s AND o.ended_at IS NULL)",
        [*values, person_id, person_id],
    )
    if others < MOST_SESSIONS:  # may count the new one or not: both databases have their own view of it
        return session_id, cookie, []
    ended = sql.rows(
        "UPDATE sessions_session SET ended_at = %s, ended_why = 'too_many' "
        "WHERE person_id = %s AND ended_at IS NULL AND id NOT IN (SELECT id FROM sessions_session "
        "WHERE person_id = %s AND ended_at IS NULL ORDER BY signed_in_at DESC, id DESC LIMIT %s) RETURNING id",
        (sql.at(now), person_id, person_id, MOST_SESSIONS),
    )
    return session_id, cookie, [gave_way for (gave_way,) in ended]


def renew(earlier: SessionFacts, *, how: str, browser: Browser, now: datetime, amr: str = "pwd") -> str | None:
    """Renew the session in which its person signed in anew: the new cookie value, or None if it has ended. The earlier
    cookie opens nothing from now on (ASVS 7.2.4). The id stays, so what sites were given in this session stays too. A
    later sign-in is never told as the earlier one, whatever the clocks of two machines say."""
    at = max(now, earlier.signed_in_at + timedelta(microseconds=1))
    cookie, values = _cookie_and_values(earlier.person_id, how, amr, browser, at)
    found = sql.execute(
        f"UPDATE sessions_session SET {', '.join(f'{name} = %s' for name in _RENEWED)} "
        "WHERE id = %s AND person_id = %s AND ended_at IS NULL",
        [*values, earlier.id, earlier.person_id],
    )
    return cookie if found else None


def step_up(session_id: int, person_id: int, *, amr: str, now: datetime) -> str | None:
    """Note that a second factor was proved in this session: the new cookie value, or None if it has ended. The earlier
    cookie opens nothing from now on (ASVS 7.2.4); when the person signed in stays what it was."""
    cookie = f"{person_id}.{ids.token()}"
    cookie_hmac = encryption.data_keys().blind_index("session", cookie)
    found = sql.execute(
        "UPDATE sessions_session SET cookie_hmac = %s, amr = %s, second_at = %s "
        "WHERE id = %s AND person_id = %s AND ended_at IS NULL",
        (cookie_hmac, amr, sql.at(now), session_id, person_id),
    )
    return cookie if found else None


def _cookie_and_values(
    person_id: int, how: str, amr: str, browser: Browser, now: datetime, second_at: datetime | None = None
) -> tuple[str, list[object]]:
    """A new cookie, and what a sign-in writes into the columns of _RENEWED."""
    cookie, ends_at = f"{person_id}.{ids.token()}", now + settings.MASSAR.session_longest
    cookie_hmac = encryption.data_keys().blind_index("session", cookie)
    moments = [sql.at(now), sql.at(now), sql.at(ends_at)]
    proved_at = sql.at(second_at or now) if "mfa" in amr.split() else None
    return cookie, [cookie_hmac, how, *moments, browser.network, browser.label, amr, proved_at]


def resume(cookie: str, *, now: datetime) -> SessionFacts | None:
    """Return the live session of a cookie. Idle and longest life are judged here, on the server."""
    if not cookie or len(cookie) > 100 or not cookie.isascii():
        return None
    return _if_live(_by_cookie(cookie), cookie.partition(".")[0], now)


def left_open(cookie: str) -> SessionFacts | None:
    """Return the session of a cookie that nobody has ended, idle or run out though it may be."""
    return _by_cookie(cookie[:100]) if cookie else None


def _by_cookie(cookie: str) -> SessionFacts | None:
    found_by = encryption.data_keys().blind_indexes("session", cookie)
    return sql.select_one(SessionFacts, f"{_SELECT} AND cookie_hmac IN ({sql.placeholders(len(found_by))})", found_by)


def alive(session_id: int, person_id: int, *, now: datetime) -> SessionFacts | None:
    """Return the live session of that person with that id. Being asked for counts as use of it."""
    return _if_live(sql.select_one(SessionFacts, f"{_SELECT} AND id = %s", (session_id,)), str(person_id), now)


def _if_live(found: SessionFacts | None, owner: str, now: datetime) -> SessionFacts | None:
    if found is None or str(found.person_id) != owner or found.expires_at <= now:
        return None
    if found.last_seen_at + settings.MASSAR.session_idle <= now:
        return None
    if now - found.last_seen_at >= TOUCH_EVERY:
        sql.execute("UPDATE sessions_session SET last_seen_at = %s WHERE id = %s", (sql.at(now), found.id))
    return found


def fits_privileged(facts: SessionFacts, *, now: datetime) -> bool:
    """Whether the session is young and busy enough for somebody with rights over others."""
    return now - facts.last_seen_at < PRIVILEGED_IDLE and now - facts.signed_in_at < PRIVILEGED_LONGEST


def of_person(person_id: int, *, now: datetime) -> list[SessionFacts]:
    return sql.select(
        SessionFacts,
        f"{_SELECT} AND person_id = %s AND expires_at > %s AND last_seen_at > %s ORDER BY signed_in_at DESC, id DESC",
        (person_id, sql.at(now), sql.at(now - settings.MASSAR.session_idle)),
    )


def hold(session_id: int, person_id: int) -> bool:
    """Whether that person's session has not ended; nobody ends it before this transaction is over."""
    theirs = "id = %s AND person_id = %s AND ended_at IS NULL"
    held = f"UPDATE sessions_session SET last_seen_at = last_seen_at WHERE {theirs}"
    return sql.execute(held, (session_id, person_id)) == 1


def end(session_id: int, person_id: int, *, now: datetime, why: str) -> bool:
    """End one session of that person; False if it was not theirs or had ended."""
    mine = Session.objects.filter(pk=session_id, person_id=person_id, ended_at=None)
    return bool(mine.update(ended_at=now, ended_why=why))


def end_all(person_id: int, *, now: datetime, why: str, besides: int | None = None) -> list[int]:
    """End the person's live sessions; return their ids, for the sites they opened to be told."""
    ended = sql.rows(
        "UPDATE sessions_session SET ended_at = %s, ended_why = %s "
        "WHERE person_id = %s AND ended_at IS NULL AND id <> %s RETURNING id",
        (sql.at(now), why, person_id, besides or 0),
    )
    return [session_id for (session_id,) in ended]


def end_everybodys(*, now: datetime, why: str) -> int:
    """End every session of everybody, and give no id again that one had after a backup: sites know sessions by it."""
    sql.leap("sessions_session")
    return Session.objects.filter(ended_at=None).update(ended_at=now, ended_why=why)


def sweep(*, now: datetime, keep: timedelta) -> int:
    return Session.objects.filter(expires_at__lt=now - keep).delete()[0]
