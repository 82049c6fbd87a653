"""Ids that must not come twice: SAML requests, client assertions (RFC 7523 §3, SAML profiles §4.1.4.5)."""

import hashlib
from datetime import datetime

from massar.core import sql


def add(kind: str, issuer: str, value: str, *, until: datetime) -> bool:
    """Add an id until it could no longer be valid; False if it was there. Atomic."""
    key = hashlib.sha256(f"{kind}|{len(issuer)}|{issuer}|{value}".encode("utf-8", "surrogatepass")).hexdigest()
    statement = "INSERT INTO sites_replaycacheentry (key, expires_at) VALUES (%s, %s) ON CONFLICT (key) DO NOTHING"
    return sql.execute(statement, (key, sql.at(until))) == 1


def sweep(*, now: datetime) -> int:
    return sql.execute("DELETE FROM sites_replaycacheentry WHERE expires_at < %s", (sql.at(now),))
