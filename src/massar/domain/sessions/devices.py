"""Known devices: a signed cookie set at full sign-in. It opens nothing; it only gives tries a rate limit of their own.

NIST SP 800-63B-4 §5.1: remembering a browser is never used instead of authentication. One browser may know up to ten
accounts (shared school computers); the cookie stays below 4 kB."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from massar.core import encryption, ids

LIFE = timedelta(days=180)
MOST_ACCOUNTS = 10
_LONGEST = 3500
_ENTRY = re.compile(r"(\d{1,18})\.([^.]*)\.(\d{1,11})\.([^.]*)", re.ASCII)


class TrustedDevice(NamedTuple):
    """One account known to this browser. `nonce` names the device in its attempt budget."""

    person_id: int
    nonce: str
    since: datetime


def find(cookie: str, person_id: int, *, now: datetime, not_before: datetime | None) -> TrustedDevice | None:
    """Return the entry of that account, if genuine, young enough and not older than the account's last recovery."""
    # The cookie keeps whole seconds: compare in these, or a device set right after a recovery is a stranger.
    first = not_before.replace(microsecond=0) if not_before else now - LIFE
    return next((d for d in read(cookie, now=now) if d.person_id == person_id and d.since >= first), None)


def read(cookie: str, *, now: datetime) -> list[TrustedDevice]:
    """Return genuine entries, newest first. Anything else in the cookie is ignored without a word."""
    if len(cookie) > _LONGEST:
        return []
    return [d for d in map(_parse, filter(None, cookie.split("|"))) if d and d.since > now - LIFE][:MOST_ACCOUNTS]


def remember(cookie: str, person_id: int, *, now: datetime) -> str:
    """Return the cookie with a fresh entry for that account in front; the eleventh account falls off."""
    others = [d for d in read(cookie, now=now) if d.person_id != person_id]
    return "|".join(map(_write, [TrustedDevice(person_id, ids.short_token(), now), *others][:MOST_ACCOUNTS]))


def _write(device: TrustedDevice) -> str:
    since = int(device.since.timestamp())
    signature = encryption.browser_keys().sign("device", device.person_id, device.nonce, since)
    return f"{device.person_id}.{device.nonce}.{since}.{signature}"


def _parse(entry: str) -> TrustedDevice | None:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        return None
    person_id, nonce, since = int(found[1]), found[2], int(found[3])
    genuine = encryption.browser_keys().verify(found[4], "device", person_id, nonce, since)
    return TrustedDevice(person_id, nonce, datetime.fromtimestamp(since, UTC)) if genuine else None
