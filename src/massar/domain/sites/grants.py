"""Grants and their tokens. Hot paths: plain SQL, times as whole seconds since 1970, tokens only as SHA-256.

A token is 256 random bits, so one fast hash at rest is enough; nothing readable in the table opens anything. The one
exception is encrypted and short: the successor of a refresh token, for who did not hear the answer (docs/adr/0040).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from django.db import transaction

from massar.core import encryption, ids, sql

CODE_LIFE = 60  # seconds; ASVS 10.4.3
ACCESS_LIFE = 600
REFRESH_LIFE = 12 * 3600
SERVICE_LIFE = 600
REPEAT_WINDOW = 30  # seconds in which a refresh token that has just been replaced brings the same successor once more


@dataclass(frozen=True)
class GrantFacts:
    """What a session granted to a site. person_id 0: the site acts for itself."""

    id: int
    site: str
    person_id: int
    session_id: int
    subject: str
    login: str
    scope: str
    auth_time: int
    nonce: str
    created_at: int
    expires_at: int
    ended_at: int
    sid: str
    offline: bool


_NAMES = (
    "id", "site", "person_id", "session_id", "subject", "login", "scope", "auth_time", "nonce", "created_at",
    "expires_at", "ended_at", "sid", "offline",
)  # fmt: skip
COLUMNS, WIDTH = ", ".join(f"g.{name}" for name in _NAMES), len(_NAMES)
TOKEN_COLUMNS = "t.kind, t.binding, t.expires_at, t.used_at"
TABLES = "sites_token t JOIN sites_grant g ON g.id = t.grant_id"


@dataclass(frozen=True)
class NewToken:
    """A token to be issued. `life` in seconds; `binding` is what it carries until it is used."""

    kind: str
    life: int
    binding: dict | None = None


def open_grant(
    *,
    site: str,
    scope: str,
    now: int,
    life: int,
    person_id: int = 0,
    session_id: int = 0,
    subject: str = "",
    login: str = "",
    auth_time: int = 0,
    nonce: str = "",
    sid: str = "",
    offline: bool = False,
) -> int:
    """A new grant; returns its id."""
    return sql.row(
        _OPEN, (site, person_id, session_id, subject, login, scope, auth_time, nonce, now, now + life, sid, offline)
    )[0]


_OPEN = (
    "INSERT INTO sites_grant (site, person_id, session_id, subject, login, scope, auth_time, nonce, created_at, "
    "expires_at, sid, offline, ended_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0) RETURNING id"
)


def open_service_grant(*, site: str, scope: str, subject: str, life: int, now: int) -> str:
    """A site's own grant and the access token that is all of it. Atomic."""
    opened = (site, 0, 0, subject, "", scope, 0, "", now, now + life, "", False)
    return _with_tokens(_OPEN, opened, [NewToken("access", life)], now)[0]


def issue(kind: str, grant_id: int, *, now: int, life: int, binding: dict | None = None) -> str:
    """A new token of that kind."""
    return _issue(grant_id, NewToken(kind, life, binding), now)


def turn(kind: str, token: str, fresh: list[NewToken], *, site: str, now: int) -> list[str] | None:
    """Uses a token up, once, for the site that it was issued to, and issues `fresh` in its place. Atomic.

    None: it can't be used (again). A second use ends the whole family: somebody has a copy (RFC 9700 §2.2.2, OAuth
    2.1 §4.1.3). Another site's try changes nothing: it could end what is not its own. One case is no second use: a
    refresh token that comes again at once, from a program that asks twice or has not heard the answer.
    """
    key = hash_token(token)
    replaced = key if kind == "refresh" else ""
    issued = _with_tokens(_SPEND, (now, key, kind, now, site, now), fresh, now, replaced)
    if issued is None and replaced and fresh:
        issued = _once_more(key, fresh, site, now)
    if issued is None:
        _end_family_of_used(key, kind, site, now)
    return issued


# EXISTS: for an IN, SQLite lists every grant of the site first.
_SPEND = (
    "UPDATE sites_token SET used_at = %s, repeat = NULL, repeat_until = 0 "
    "WHERE hash = %s AND kind = %s AND used_at = 0 AND expires_at > %s AND EXISTS "
    "(SELECT 1 FROM sites_grant g WHERE g.id = sites_token.grant_id AND g.site = %s AND g.ended_at = 0 AND g.expires_at > %s) "
    "RETURNING grant_id"
)


def _once_more(key: str, fresh: list[NewToken], site: str, now: int) -> list[str] | None:
    """A new access token and the very refresh token that replaced this one a moment ago, while nobody has used that one.

    A family has one refresh token that is not used, and decrypts it for the direct predecessor alone.
    """
    found = sql.row(_SUCCESSOR, (key, site, now, now, now))
    if found is None:
        return None
    grant_id, successor, ciphertext = found
    try:
        repeated = encryption.data_keys().decrypt(ciphertext, associated_data=_associated_data(key, successor)).decode()
    except encryption.DecryptionFailed:
        return None
    return [repeated if one.kind == "refresh" else _issue(grant_id, one, now) for one in fresh]


_SUCCESSOR = (
    "SELECT n.grant_id, n.hash, n.repeat FROM sites_token t JOIN sites_grant g ON g.id = t.grant_id "
    "JOIN sites_token n ON n.grant_id = t.grant_id WHERE t.hash = %s AND t.kind = 'refresh' AND t.used_at > 0 "
    "AND g.site = %s AND g.ended_at = 0 AND g.expires_at > %s "
    "AND n.kind = 'refresh' AND n.used_at = 0 AND n.expires_at > %s AND n.repeat_until > %s"
)


def _associated_data(replaced: str, successor: str) -> str:
    return f"repeat|{replaced}|{successor}"


def _end_family_of_used(key: str, kind: str, site: str, now: int) -> None:
    sql.change(
        "UPDATE sites_grant SET ended_at = %s WHERE ended_at = 0 AND site = %s AND id IN "
        "(SELECT grant_id FROM sites_token WHERE hash = %s AND kind = %s AND used_at > 0)",
        (now, site, key, kind),
    )


def grant_of(token: str) -> GrantFacts | None:
    """The grant of any token of ours, live or not, for revocation (RFC 7009 §2.1)."""
    found = sql.row(
        f"SELECT {COLUMNS} FROM {TABLES} WHERE t.hash = %s",
        (hash_token(token),),
    )
    return GrantFacts(*found) if found else None


def end(grant_id: int, *, now: int) -> bool:
    return sql.change("UPDATE sites_grant SET ended_at = %s WHERE id = %s AND ended_at = 0", (now, grant_id)) == 1


def end_of_sessions(session_ids: list[int], *, now: int) -> list[GrantFacts]:
    """Ends what these sessions granted; returns all grants they ever had, for the sites to be told.

    Those that ended before are among them: a site that gave its token back still shows the person as signed in. What
    outlives its session goes on (OpenID Connect Back-Channel Logout 1.0 §2.7).
    """
    if not session_ids:
        return []
    marks = ", ".join(["%s"] * len(session_ids))
    sql.change(
        f"UPDATE sites_grant SET ended_at = %s WHERE session_id IN ({marks}) AND ended_at = 0 AND NOT offline",
        (now, *session_ids),
    )
    return [
        GrantFacts(*r)
        for r in sql.rows(
            f"SELECT {COLUMNS} FROM sites_grant g WHERE g.session_id IN ({marks}) ORDER BY g.id", session_ids
        )
    ]


def offline_of(person_id: int, *, now: int) -> list[GrantFacts]:
    """What outlives the person's sessions, newest first."""
    found = sql.rows(
        f"SELECT {COLUMNS} FROM sites_grant g WHERE g.person_id = %s AND g.offline AND g.ended_at = 0 AND g.expires_at > %s "
        "ORDER BY g.id DESC",
        (person_id, now),
    )
    return [GrantFacts(*row) for row in found]


def of_session(session_id: int) -> list[GrantFacts]:
    """Every grant of a session, ended ones too: which sites it has opened."""
    return [
        GrantFacts(*r)
        for r in sql.rows(f"SELECT {COLUMNS} FROM sites_grant g WHERE g.session_id = %s ORDER BY g.id", (session_id,))
    ]


def ended_since(person_id: int, *, since: int) -> list[GrantFacts]:
    """The person's grants that ended then or later, newest first."""
    found = sql.rows(
        f"SELECT {COLUMNS} FROM sites_grant g WHERE g.person_id = %s AND g.ended_at >= %s ORDER BY g.id DESC",
        (person_id, since),
    )
    return [GrantFacts(*row) for row in found]


def visits(site: str, person_id: int) -> list[GrantFacts]:
    """What every session in which the person visited the site was granted, ended ones too."""
    found = sql.rows(
        f"SELECT {COLUMNS} FROM sites_grant g WHERE g.person_id = %s AND g.site = %s AND g.session_id > 0 ORDER BY g.id",
        (person_id, site),
    )
    return [GrantFacts(*row) for row in found]


def sweep(*, now: int, keep: int = 24 * 3600) -> int:
    """Forgets tokens and grants whose time is long over, and wipes what nobody can be handed again."""
    sql.change(
        "UPDATE sites_token SET repeat = NULL, repeat_until = 0 WHERE repeat_until > 0 AND repeat_until <= %s", (now,)
    )
    sql.change("DELETE FROM sites_token WHERE expires_at < %s", (now - keep,))
    return sql.change(
        "DELETE FROM sites_grant WHERE expires_at < %s "
        "AND NOT EXISTS (SELECT 1 FROM sites_token t WHERE t.grant_id = sites_grant.id)",
        (now - keep,),
    )


_INTO_TOKENS = "INSERT INTO sites_token (hash, kind, grant_id, binding, expires_at, used_at, repeat, repeat_until)"
_FRESH = "(%s, %s, %s, CAST(%s AS bigint), CAST(%s AS bytea), CAST(%s AS bigint))"


def _with_tokens(head: str, params: tuple, fresh: list[NewToken], now: int, replaced: str = "") -> list[str] | None:
    """Runs `head`, which names a grant, and issues tokens under it: all or nothing. None if it names none.

    PostgreSQL writes both tables in one statement, which needs no BEGIN and COMMIT around it. replaced: hash of the
    refresh token that these come instead of.
    """
    tokens = [ids.token() for _ in fresh]
    rows = [_row(token, one, now, replaced) for token, one in zip(tokens, fresh, strict=True)]
    if fresh and sql.writes_in_with():
        marks = ", ".join([_FRESH] * len(fresh))
        done = sql.change(
            f"WITH head (grant_id) AS ({head}) {_INTO_TOKENS} "
            "SELECT f.hash, f.kind, head.grant_id, f.binding, f.expires_at, 0, f.repeat, f.repeat_until "
            f"FROM head CROSS JOIN (VALUES {marks}) AS f (hash, kind, binding, expires_at, repeat, repeat_until)",
            (*params, *(value for row in rows for value in row)),
        )
        return tokens if done else None
    with transaction.atomic():
        found = sql.row(head, params)
        for row in rows if found else ():
            _insert(found[0], row)
    return tokens if found else None


def _issue(grant_id: int, one: NewToken, now: int) -> str:
    token = ids.token()
    _insert(grant_id, _row(token, one, now))
    return token


def _row(token: str, one: NewToken, now: int, replaced: str = "") -> tuple:
    """hash, kind, binding, expires_at, repeat, repeat_until. Only the hash stays here, but for a successor's window."""
    key, bound = hash_token(token), json.dumps(one.binding) if one.binding else ""
    if not replaced or one.kind != "refresh":
        return key, one.kind, bound, now + one.life, None, 0
    ciphertext = encryption.data_keys().encrypt(token.encode(), associated_data=_associated_data(replaced, key))
    return key, one.kind, bound, now + one.life, ciphertext, now + REPEAT_WINDOW


def _insert(grant_id: int, row: tuple) -> None:
    key, kind, bound, expires_at, repeat, repeat_until = row
    sql.change(
        f"{_INTO_TOKENS} VALUES (%s, %s, %s, %s, %s, 0, %s, %s)",
        (key, kind, grant_id, bound, expires_at, repeat, repeat_until),
    )


def hash_token(token: str) -> str:
    """SHA-256 in hex. Tokens longer than ours are nobody's."""
    return hashlib.sha256(token[:200].encode("utf-8", "surrogatepass")).hexdigest()
