"""Challenges: a browser that nobody knows proves that it spent a second of work, or twenty of waiting, on one try.

The work is ALTCHA's proof of work, version 2, in its deterministic mode: PBKDF2 with a counter that only we know. A
challenge is not stored when it is given, so nobody can fill a table by asking. It travels in the form, encrypted
together with what was typed, for this action and this network alone; what is stored is that it was met, so that it
opens once (the library itself accepts one solution twice).

No moment is believed that lies ahead: what a clock ahead of ours has given is given anew."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import altcha

from massar.core import clock, encryption, ids, sql
from massar.domain.limits import gcra, rate_limits

LIFE = timedelta(minutes=10)
WAIT = timedelta(seconds=20)
ALGORITHM = "PBKDF2/SHA-256"
ROUNDS = 5_000  # of PBKDF2 in each step: about 1 ms of a server's core, 7 ms of a cheap phone's
STEPS = (100, 200)  # how many steps lead to the counter; which of these is drawn
_LONGEST = 8_000  # characters of what comes back


@dataclass(frozen=True)
class Challenge:
    """One that was given. `sealed`: what the form brings back. `puzzle`: JSON for the script. `typed`: kept for it."""

    sealed: str = field(repr=False)
    puzzle: str = field(repr=False)
    typed: Mapping[str, str] = field(repr=False)
    given_at: datetime
    network: str

    @property
    def ready_at(self) -> datetime:
        """From when waiting is enough."""
        return self.given_at + WAIT


class NotMet(NamedTuple):
    """The challenge is neither solved nor waited out. `until`: then waiting is enough; None: it can't be met any more,
    so another is given."""

    until: datetime | None = None


def give(action: str, *, typed: Mapping[str, str], network: str, now: datetime) -> Challenge:
    """Make a challenge for one try. typed: what the person need not type again."""
    counter, key = ids.between(*STEPS), _secret("solution")
    made = altcha.create_challenge(
        ALGORITHM, ROUNDS, counter=counter, hmac_secret=_secret("challenge"), hmac_key_secret=key
    )
    whole = {"typed": dict(typed), "at": clock.micros(now), "challenge": made.to_dict()}
    plain = json.dumps(whole, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return _read(encryption.browser_keys().encrypt(plain, associated_data=_bound_to(action, network)), plain, network)


def resume(sealed: str, action: str, *, network: str, now: datetime) -> Challenge | None:
    """Read what a form brought back. None: it is not ours, too old, from a clock ahead, or of another network."""
    if not sealed or len(sealed) > _LONGEST:
        return None
    try:
        encrypted = base64.urlsafe_b64decode(sealed.encode("ascii"))
        plain = encryption.browser_keys().decrypt(encrypted, associated_data=_bound_to(action, network))
    except (encryption.DecryptionFailed, UnicodeEncodeError, binascii.Error):
        return None
    found = _read(encrypted, plain, network)
    return found if -clock.SKEW <= now - found.given_at < LIFE else None


def meet(challenge: Challenge, solution: str, *, now: datetime) -> NotMet | None:
    """Take the challenge as met, once; one statement decides. solution: the derived key (hex) that the script found, or
    ''. None: the try may go on."""
    if not _solved(challenge, solution):
        if now < challenge.ready_at:
            return NotMet(challenge.ready_at)
        refused = gcra.consume([rate_limits.CHALLENGE_WAIT.bucket(challenge.network)], now=now)
        if refused:
            return NotMet(refused.until)
    # By its nonce and not by what came back: one value has many spellings in base64.
    ref = encryption.data_keys().blind_index("challenge", _given(challenge).parameters.nonce)
    taken = sql.rows(
        "INSERT INTO limits_passedchallenge (ref, forget_at) VALUES (%s, %s) ON CONFLICT (ref) DO NOTHING RETURNING 1",
        (ref, clock.micros(challenge.given_at + LIFE)),
    )
    return None if taken else NotMet()


def sweep(*, now: datetime) -> int:
    return sql.execute("DELETE FROM limits_passedchallenge WHERE forget_at <= %s", (clock.micros(now),))


def _solved(challenge: Challenge, solution: str) -> bool:
    payload = altcha.Payload(_given(challenge), altcha.Solution(0, solution))
    return altcha.verify_solution(payload, _secret("challenge"), hmac_key_secret=_secret("solution")).verified


def _given(challenge: Challenge) -> altcha.Challenge:
    return altcha.Challenge.from_dict(json.loads(challenge.puzzle))


def _read(sealed: bytes, plain: bytes, network: str) -> Challenge:
    """What we encrypted ourselves is of our shape."""
    whole, form = json.loads(plain.decode("utf-8", "surrogatepass")), base64.urlsafe_b64encode(sealed).decode()
    return Challenge(form, json.dumps(whole["challenge"]), whole["typed"], clock.from_micros(whole["at"]), network)


def _bound_to(action: str, network: str) -> str:
    return f"challenge|{action}|{network}"


def _secret(use: str) -> str:
    return encryption.browser_keys().sign("proof-of-work", use)
