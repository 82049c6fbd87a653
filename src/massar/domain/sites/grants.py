"""Grants and their tokens. Hot paths: plain SQL, times as whole seconds since 1970, tokens only as SHA-256.

A token is 256 random bits, so one fast hash at rest is enough; nothing readable in the table opens anything.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from massar.core import ids, sql

CODE_LIFE = 60  # seconds; ASVS 10.4.3
ACCESS_LIFE = 600
REFRESH_LIFE = 12 * 3600
SERVICE_LIFE = 600


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


_NAMES = (
    "id", "site", "person_id", "session_id", "subject", "login", "scope", "auth_time", "nonce", "created_at",
    "expires_at", "ended_at",
)  # fmt: skip
_GRANT = ", ".join(f"g.{name}" for name in _NAMES)


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
) -> int:
    """A new grant; returns its id."""
    return sql.row(
        "INSERT INTO sites_grant (site, person_id, session_id, subject, login, scope, auth_time, nonce, created_at, "
        "expires_at, ended_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0) RETURNING id",
        (site, person_id, session_id, subject, login, scope, auth_time, nonce, now, now + life),
    )[0]


def issue(kind: str, grant_id: int, *, now: int, life: int, binding: dict | None = None) -> str:
    """A new token of that kind; only its hash stays here."""
    token = ids.token()
    sql.change(
        "INSERT INTO sites_token (hash, kind, grant_id, binding, expires_at, used_at) VALUES (%s, %s, %s, %s, %s, 0)",
        (hashed(token), kind, grant_id, json.dumps(binding) if binding else "", now + life),
    )
    return token


def live(kind: str, token: str, *, now: int) -> GrantFacts | None:
    """The grant behind an access or refresh token that is in time, unused and not ended. One statement.

    Its scope is the token's, where that is narrower (RFC 6749 §6).
    """
    found = sql.row(
        f"SELECT {_GRANT}, t.binding FROM sites_token t JOIN sites_grant g ON g.id = t.grant_id "
        "WHERE t.hash = %s AND t.kind = %s AND t.expires_at > %s AND t.used_at = 0 AND g.ended_at = 0 AND g.expires_at > %s",
        (hashed(token), kind, now, now),
    )
    if found is None:
        return None
    narrower = json.loads(found[-1]).get("scope") if found[-1] else None
    grant = GrantFacts(*found[:-1])
    return replace(grant, scope=narrower) if narrower else grant


def ends_at(token: str) -> int:
    """When a token runs out, 0 for an unknown one."""
    found = sql.row("SELECT expires_at FROM sites_token WHERE hash = %s", (hashed(token),))
    return found[0] if found else 0


@dataclass(frozen=True)
class Spent:
    """A code or refresh token, claimed by this call alone. `binding` is what it was issued with."""

    grant: GrantFacts
    binding: dict


def spend(kind: str, token: str, *, site: str, now: int) -> Spent | None:
    """Atomic, once, by the site that it was issued to.

    A second use ends the whole family: somebody has a copy (RFC 9700 §2.2.2, OAuth 2.1 §4.1.3). Another site's try
    changes nothing: it could end what is not its own.
    """
    key = hashed(token)
    claimed = sql.row(
        "UPDATE sites_token SET used_at = %s WHERE hash = %s AND kind = %s AND used_at = 0 AND expires_at > %s "
        "AND grant_id IN (SELECT id FROM sites_grant WHERE site = %s) RETURNING grant_id, binding",
        (now, key, kind, now, site),
    )
    if claimed is None:
        _end_family_of_used(key, kind, site, now)
        return None
    found = sql.row(
        f"SELECT {_GRANT} FROM sites_grant g WHERE g.id = %s AND g.ended_at = 0 AND g.expires_at > %s",
        (claimed[0], now),
    )
    return Spent(GrantFacts(*found), json.loads(claimed[1]) if claimed[1] else {}) if found else None


def _end_family_of_used(key: str, kind: str, site: str, now: int) -> None:
    sql.change(
        "UPDATE sites_grant SET ended_at = %s WHERE ended_at = 0 AND site = %s AND id IN "
        "(SELECT grant_id FROM sites_token WHERE hash = %s AND kind = %s AND used_at > 0)",
        (now, site, key, kind),
    )


def grant_of(token: str) -> GrantFacts | None:
    """The grant of any token of ours, live or not, for revocation (RFC 7009 §2.1)."""
    found = sql.row(
        f"SELECT {_GRANT} FROM sites_token t JOIN sites_grant g ON g.id = t.grant_id WHERE t.hash = %s",
        (hashed(token),),
    )
    return GrantFacts(*found) if found else None


def end(grant_id: int, *, now: int) -> bool:
    return (
        sql.change("UPDATE sites_grant SET ended_at = %s WHERE id = %s AND ended_at = 0", (now, grant_id))
        == 1
    )


def end_of_sessions(session_ids: list[int], *, now: int) -> list[GrantFacts]:
    """Ends what these sessions granted; returns all grants they ever had, for the sites to be told.

    Those that ended before are among them: a site that gave its token back still shows the person as signed in.
    """
    if not session_ids:
        return []
    marks = ", ".join(["%s"] * len(session_ids))
    sql.change(
        f"UPDATE sites_grant SET ended_at = %s WHERE session_id IN ({marks}) AND ended_at = 0",
        (now, *session_ids),
    )
    return [
        GrantFacts(*r)
        for r in sql.rows(
            f"SELECT {_GRANT} FROM sites_grant g WHERE g.session_id IN ({marks}) ORDER BY g.id", session_ids
        )
    ]


def of_session(session_id: int) -> list[GrantFacts]:
    """Every grant of a session, ended ones too: which sites it has opened."""
    return [
        GrantFacts(*r)
        for r in sql.rows(
            f"SELECT {_GRANT} FROM sites_grant g WHERE g.session_id = %s ORDER BY g.id", (session_id,)
        )
    ]


def ended_since(person_id: int, *, since: int) -> list[GrantFacts]:
    """The person's grants that ended then or later, newest first."""
    found = sql.rows(
        f"SELECT {_GRANT} FROM sites_grant g WHERE g.person_id = %s AND g.ended_at >= %s ORDER BY g.id DESC",
        (person_id, since),
    )
    return [GrantFacts(*row) for row in found]


def visits(site: str, person_id: int) -> list[tuple[int, str]]:
    """(session id, subject) of every session in which the person visited the site, ended ones too."""
    return sql.rows(
        "SELECT DISTINCT session_id, subject FROM sites_grant WHERE person_id = %s AND site = %s AND session_id > 0",
        (person_id, site),
    )


def sweep(*, now: int, keep: int = 24 * 3600) -> int:
    """Forgets tokens and grants whose time is long over."""
    sql.change("DELETE FROM sites_token WHERE expires_at < %s", (now - keep,))
    return sql.change(
        "DELETE FROM sites_grant WHERE expires_at < %s AND id NOT IN (SELECT grant_id FROM sites_token)",
        (now - keep,),
    )


def hashed(token: str) -> str:
    """SHA-256 in hex. Tokens longer than ours are nobody's."""
    return hashlib.sha256(token[:200].encode("utf-8", "surrogatepass")).hexdigest()
