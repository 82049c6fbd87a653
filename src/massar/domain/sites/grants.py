"""Grants and their tokens. Hot paths: plain SQL, times as whole seconds since 1970, tokens only as SHA-256.

A token is 256 random bits, so one fast hash at rest is enough: nothing readable in the table opens anything. The one
exception is encrypted and short: the successor of a refresh token, for who did not hear the answer (docs/adr/0040).
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import transaction

from massar.core import encryption, ids, sql

CODE_LIFE = 60  # seconds; ASVS 10.4.3
ACCESS_LIFE = 600
REFRESH_LIFE = 12 * 3600
SERVICE_LIFE = 600
KEPT_AFTER = 24 * 3600
REPEAT_WINDOW = 30  # seconds in which a refresh token that has just been replaced brings the same successor once more


class GrantFacts(NamedTuple):
    """What a session granted to a site; the fields are columns of its table. person_id 0: the site acts for itself."""

    id: int
    site: str
    subject: str
    scope: str
    created_at: int
    expires_at: int
    person_id: int = 0
    session_id: int = 0
    login: str = ""
    auth_time: int = 0
    nonce: str = ""
    sid: str = ""
    offline: bool = False
    ended_at: int = 0


COLUMNS = ", ".join(f"g.{name}" for name in GrantFacts._fields)
TOKEN_COLUMNS = "t.kind, t.binding, t.expires_at, t.used_at"
TABLES = "sites_token t JOIN sites_grant g ON g.id = t.grant_id"
_OPEN = (
    f"INSERT INTO sites_grant ({', '.join(GrantFacts._fields[1:])}) "
    f"VALUES ({', '.join('%s' for _ in GrantFacts._fields[1:])}) RETURNING id"
)


class NewToken(NamedTuple):
    """A token to be issued. `life` in seconds; `binding` is what it carries until it is used."""

    kind: str
    life: int
    binding: dict[str, str] | None = None


def open_grant(grant: GrantFacts) -> GrantFacts:
    """Open a grant of a person's session; returned with its id, whatever it came with."""
    opened = sql.row(_OPEN, grant[1:])
    assert opened is not None  # RETURNING names the row that was inserted
    return grant._replace(id=opened[0])


def open_service_grant(*, site: str, scope: str, subject: str, life: int, now: int) -> str:
    """Open a site's own grant and issue the access token that is all of it. Atomic."""
    grant = GrantFacts(0, site, subject, scope, created_at=now, expires_at=now + life)
    issued = _with_tokens(_OPEN, grant[1:], [NewToken("access", life)], now)
    assert issued is not None  # an INSERT always names its grant
    return issued[0]


def issue(grant_id: int, new: NewToken, *, now: int) -> str:
    token = ids.token()
    _insert(grant_id, _values(token, new, now))
    return token


def redeem(kind: str, token: str, new: Sequence[NewToken], *, site: str, now: int) -> list[str] | None:
    """Use up a code, ticket or refresh token, once, for the site that it was issued to, and issue `new`. Atomic.

    Returns:
        The issued tokens; None if it can't be used (again). A second use ends the whole family: somebody has a copy
        (OAuth 2.1 §4.1.3, RFC 9700 §2.2.2), but for a refresh token that comes again at once, from a program that asks
        twice or has not heard the answer: that brings the same successor. Another site's try changes nothing: it could
        end what is not its own.
    """
    key, refreshes = hash_token(token), kind == "refresh"
    issued = _with_tokens(_USE_UP, (now, key, kind, now, site, now), new, now, replaced=key if refreshes else "")
    if issued is None and refreshes and new:
        issued = _repeat_rotation(key, new, site, now)
    if issued is None:
        sql.execute(_END_FAMILY_OF_USED, (now, site, key, kind))
    return issued


# EXISTS: for an IN, SQLite lists every grant of the site first.
_USE_UP = (
    "UPDATE sites_token SET used_at = %s, repeat = NULL, repeat_until = 0 "
    "WHERE hash = %s AND kind = %s AND used_at = 0 AND expires_at > %s AND EXISTS (SELECT 1 FROM sites_grant g "
    "WHERE g.id = sites_token.grant_id AND g.site = %s AND g.ended_at = 0 AND g.expires_at > %s) RETURNING grant_id"
)
_END_FAMILY_OF_USED = (
    "UPDATE sites_grant SET ended_at = %s WHERE ended_at = 0 AND site = %s AND id IN "
    "(SELECT grant_id FROM sites_token WHERE hash = %s AND kind = %s AND used_at > 0)"
)


def _repeat_rotation(key: str, new: Sequence[NewToken], site: str, now: int) -> list[str] | None:
    """Issue a new access token, and give the refresh token that replaced this one a moment ago, while it is unused: its
    ciphertext is bound to its direct predecessor."""
    found = sql.row(_SUCCESSOR, (key, site, now, now, now))
    if found is None:
        return None
    grant_id, successor, ciphertext = found
    try:
        repeated = encryption.data_keys().decrypt(ciphertext, associated_data=_associated_data(key, successor)).decode()
    except encryption.DecryptionFailed:
        return None
    return [repeated if one.kind == "refresh" else issue(grant_id, one, now=now) for one in new]


_SUCCESSOR = (
    "SELECT n.grant_id, n.hash, n.repeat FROM sites_token t JOIN sites_grant g ON g.id = t.grant_id "
    "JOIN sites_token n ON n.grant_id = t.grant_id WHERE t.hash = %s AND t.kind = 'refresh' AND t.used_at > 0 "
    "AND g.site = %s AND g.ended_at = 0 AND g.expires_at > %s "
    "AND n.kind = 'refresh' AND n.used_at = 0 AND n.expires_at > %s AND n.repeat_until > %s"
)


def _associated_data(replaced: str, successor: str) -> str:
    return f"repeat|{replaced}|{successor}"


def grant_of(token: str) -> GrantFacts | None:
    """Find the grant of any token of ours, live or not, for revocation (RFC 7009 §2.1)."""
    return sql.select_one(GrantFacts, f"SELECT {COLUMNS} FROM {TABLES} WHERE t.hash = %s", (hash_token(token),))


def end(grant_id: int, *, now: int) -> bool:
    """End a grant and all its tokens; False if it had ended."""
    return sql.execute("UPDATE sites_grant SET ended_at = %s WHERE id = %s AND ended_at = 0", (now, grant_id)) == 1


def end_everybodys(*, now: int) -> int:
    """End all grants with their tokens, of people and of servers."""
    return sql.execute("UPDATE sites_grant SET ended_at = %s WHERE ended_at = 0", (now,))


def end_of_sessions(session_ids: Sequence[int], *, now: int) -> list[GrantFacts]:
    """End what these sessions granted, but what outlives them (OpenID Connect Back-Channel Logout 1.0 §2.7). Returns
    all grants that they ever had: a site that gave its token back still shows the person as signed in."""
    if not session_ids:
        return []
    of_sessions = f"session_id IN ({', '.join(['%s'] * len(session_ids))})"
    ends = f"UPDATE sites_grant SET ended_at = %s WHERE {of_sessions} AND ended_at = 0 AND NOT offline"
    sql.execute(ends, (now, *session_ids))
    return _select(f"{of_sessions} ORDER BY id", *session_ids)


def offline_of(person_id: int, *, now: int) -> list[GrantFacts]:
    return _select("person_id = %s AND offline AND ended_at = 0 AND expires_at > %s ORDER BY id DESC", person_id, now)


def ended_since(person_id: int, *, since: int) -> list[GrantFacts]:
    """The person's grants that ended then or later, newest first."""
    return _select("person_id = %s AND ended_at >= %s ORDER BY id DESC", person_id, since)


def visits(site: str, person_id: int) -> list[GrantFacts]:
    """What every session in which the person visited the site was granted, ended ones too."""
    return _select("person_id = %s AND site = %s AND session_id > 0 ORDER BY id", person_id, site)


def _select(where: str, *params: object) -> list[GrantFacts]:
    return sql.select(GrantFacts, f"SELECT {COLUMNS} FROM sites_grant g WHERE {where}", params)


def newest(slugs: Iterable[str]) -> dict[str, int]:
    """By site, when a person last got a grant for it (seconds since 1970), as far as grants are kept."""
    statement = "SELECT created_at FROM sites_grant WHERE site = %s AND person_id > 0 ORDER BY created_at DESC LIMIT 1"
    found = {slug: sql.row(statement, (slug,)) for slug in slugs}  # each reads one entry of its index
    return {slug: one[0] for slug, one in found.items() if one}


def sweep(*, now: int) -> int:
    """Delete tokens and grants whose time was over a day ago, and wipe what nobody can be handed again."""
    wiped = "UPDATE sites_token SET repeat = NULL, repeat_until = 0 WHERE repeat_until > 0 AND repeat_until <= %s"
    without_tokens = "NOT EXISTS (SELECT 1 FROM sites_token t WHERE t.grant_id = sites_grant.id)"
    sql.execute(wiped, (now,))
    sql.execute("DELETE FROM sites_token WHERE expires_at < %s", (now - KEPT_AFTER,))
    return sql.execute(f"DELETE FROM sites_grant WHERE expires_at < %s AND {without_tokens}", (now - KEPT_AFTER,))


_INTO_TOKENS = "INSERT INTO sites_token (hash, kind, binding, expires_at, repeat, repeat_until, grant_id, used_at)"
_NEW_ROW = "(%s, %s, %s, CAST(%s AS bigint), CAST(%s AS bytea), CAST(%s AS bigint))"


def _with_tokens(
    head: str, params: tuple[object, ...], new: Sequence[NewToken], now: int, replaced: str = ""
) -> list[str] | None:
    """Run `head`, which names a grant, and issue tokens under it: all or nothing. None if it names none. PostgreSQL
    writes both tables in one statement, without BEGIN and COMMIT. replaced: hash of the refresh token before these."""
    tokens = [ids.token() for _ in new]
    rows = [_values(token, one, now, replaced) for token, one in zip(tokens, new, strict=True)]
    if new and sql.writes_in_with():
        done = sql.execute(
            f"WITH head (grant_id) AS ({head}) {_INTO_TOKENS} SELECT f.*, head.grant_id, 0 FROM head "
            f"CROSS JOIN (VALUES {', '.join([_NEW_ROW] * len(new))}) AS f",
            (*params, *(value for row in rows for value in row)),
        )
        return tokens if done else None
    with transaction.atomic():
        found = sql.row(head, params)
        if found is None:
            return None
        for row in rows:
            _insert(found[0], row)
    return tokens


def _values(token: str, new: NewToken, now: int, replaced: str = "") -> tuple[object, ...]:
    """The row but for its grant: only the hash of a token is kept, and for a short while the encrypted successor."""
    key, bound = hash_token(token), json.dumps(new.binding) if new.binding else ""
    if not replaced or new.kind != "refresh":
        return key, new.kind, bound, now + new.life, None, 0
    ciphertext = encryption.data_keys().encrypt(token.encode(), associated_data=_associated_data(replaced, key))
    return key, new.kind, bound, now + new.life, ciphertext, now + REPEAT_WINDOW


def _insert(grant_id: int, values: tuple[object, ...]) -> None:
    sql.execute(f"{_INTO_TOKENS} VALUES (%s, %s, %s, %s, %s, %s, %s, 0)", (*values, grant_id))


def hash_token(token: str) -> str:
    """SHA-256 in hex. Tokens longer than ours are nobody's."""
    return hashlib.sha256(token[:200].encode("utf-8", "surrogatepass")).hexdigest()
