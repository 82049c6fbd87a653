"""Known devices: a signed cookie set at full sign-in, or when a code to a proved contact let the browser in. It opens
nothing; it only gives tries a rate limit of their own.

NIST SP 800-63B-4 §5.1: remembering a browser is never used instead of authentication. One browser may know up to ten
accounts (shared school computers); the cookie stays below 4 kB."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from massar.core import encryption, ids

LIFE = timedelta(days=180)
MOST_ACCOUNTS = 10
_LONGEST = 3500
_ENTRY = re.compile(r"(\d{1,18})\.([^.]*)\.(\d{1,11})(?:\.(\d{1,11}))?\.([^.]*)", re.ASCII)


class TrustedDevice(NamedTuple):
    """One account known to this browser. `nonce` names the device in its attempt budget. second_at: when the person
    proved a second factor here and wished not to be asked again for a while."""

    person_id: int
    nonce: str
    since: datetime
    second_at: datetime | None = None


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


def remember(cookie: str, person_id: int, *, now: datetime, second: bool = False, nonce: str = "") -> str:
    """Return the cookie with a fresh entry for that account in front; the eleventh account falls off. second: from now
    on the second factor is not asked here for a while; without it an earlier such wish stands as it was. nonce: the
    name of the device where it has one already."""
    known = read(cookie, now=now)
    wish = now if second else next((d.second_at for d in known if d.person_id == person_id), None)
    others = [d for d in known if d.person_id != person_id]
    device = TrustedDevice(person_id, nonce or ids.short_token(), now, wish)
    return "|".join(map(_write, [device, *others][:MOST_ACCOUNTS]))


def _write(device: TrustedDevice) -> str:
    signed = _signed(device)
    return ".".join(map(str, (*signed[1:], encryption.browser_keys().sign(*signed))))


def _signed(device: TrustedDevice) -> tuple[str, *tuple[object, ...]]:
    """What the signature covers: its purpose, then the fields as they stand in the cookie."""
    named = (device.person_id, device.nonce, int(device.since.timestamp()))
    return ("device", *named) if device.second_at is None else ("second", *named, int(device.second_at.timestamp()))


def _parse(entry: str) -> TrustedDevice | None:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        return None
    second_at = datetime.fromtimestamp(int(found[4]), UTC) if found[4] else None
    device = TrustedDevice(int(found[1]), found[2], datetime.fromtimestamp(int(found[3]), UTC), second_at)
    return device if encryption.browser_keys().verify(found[5], *_signed(device)) else None
