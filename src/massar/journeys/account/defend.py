"""What a browser that nobody knows must do before a try of it is judged. Known devices never come here.

the try of an unknown browser
  ├─ its password failed on more than a hundred accounts within the hour → refused, right or wrong
  ├─ siege · five tries lost at the account · its network's failures spent · its password failed on more than twenty
  │  accounts → a challenge, and then what stands below
  └─ nothing of it → charged to account and network, before anything is verified

Sources: decision 18; NIST SP 800-63B-4 §3.2.2; OWASP ASVS 5.0 6.3.1. No challenge blocks anybody: without scripts
waiting is enough, and a known device meets none. One becomes known by a sign-in, a recovery or a code to a proved
contact (`vouch.py`); in a siege an unknown one meets a challenge before it asks for these two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.delivery.api import metrics
from massar.domain.limits import api as limits
from massar.journeys.outcomes import ChallengeRequired, PasswordSprayed, TooManyAttempts

FREE = 5  # tries at one account that need no challenge
SPRAYED, WIDELY = 20, 100  # accounts on which one password failed within the hour: a challenge, refused
LONG_ROW = 20  # failures in a row, days old or not, from which an account is under siege


class Verdict(StrEnum):
    NONE = "none"
    CHALLENGE = "challenge"
    REFUSED = "refused"


@dataclass(frozen=True)
class ChallengeAnswer:
    """A challenge that came back, and what the script found ('' where none ran)."""

    challenge: limits.challenges.Challenge
    solution: str = field(repr=False)


@dataclass(frozen=True)
class Stranger:
    """A try of an unknown browser. typed: what it typed, so that it need not type it again. password: '' for a code.
    account: the bucket that stands for the account, existing or not."""

    action: str
    browser: Browser
    typed: Mapping[str, str] = field(repr=False)
    account: limits.Bucket
    password: str = field(default="", repr=False)
    answer: ChallengeAnswer | None = None


def resume(*, sealed: str, solution: str, action: str, browser: Browser, now: datetime) -> ChallengeAnswer | None:
    """Read a challenge that a form brought back. None: it is over, or not of this browser's network."""
    found = limits.challenges.resume(sealed, action, network=browser.network, now=now)
    return ChallengeAnswer(found, solution) if found else None


def charge(
    tried: Stranger, by_account: list[limits.Bucket], *, silent: Sequence[limits.Bucket] = (), now: datetime
) -> list[limits.Bucket] | TooManyAttempts | ChallengeRequired | PasswordSprayed:
    """Charge a try before it is judged. Returns what it was charged to, for `refund` where it is right. silent: as in
    `limits.take`; those of them that were spent are not among what is returned."""
    network = limits.rate_limits.SIGN_IN_NETWORK.bucket(tried.browser.network)
    buckets = [*by_account, network]
    seen = limits.posture.read(buckets, password=tried.password, account=tried.account.key, now=now)
    verdict = judge(seen, by_account, network, tried.account)
    if verdict is Verdict.REFUSED:
        return PasswordSprayed()
    if verdict is Verdict.CHALLENGE:
        unmet = _meet(tried, now)
        if unmet:
            return unmet
        buckets = by_account
    taken = limits.take(buckets, silent=silent, now=now) if buckets or silent else {}
    if isinstance(taken, limits.RateLimited):
        # Another try was faster: only the network's, so this one needs a challenge.
        return _challenge(tried, now) if taken.spent == {network.limit.name} else TooManyAttempts(taken.until)
    buckets = [*buckets, *(one for one in silent if one.key in taken)]
    if verdict is Verdict.NONE and taken.get(tried.account.key, 0) > FREE:  # others were faster at this account
        limits.refund(buckets, now=now)
        return _challenge(tried, now)
    return buckets


def judge(
    seen: limits.posture.Posture, by_account: list[limits.Bucket], network: limits.Bucket, account: limits.Bucket
) -> Verdict:
    """Decide from what was read. What is spent is not judged here: that waits, with a challenge or without."""
    if any(seen.gone[one.key] >= one.limit.burst for one in by_account):
        return Verdict.NONE
    if seen.accounts > WIDELY:
        return Verdict.REFUSED
    row = max((seen.gone[b.key] for b in by_account if b.limit is limits.rate_limits.SIGN_IN_CONSECUTIVE), default=0)
    ordered = seen.sieges.get(account.key, "")
    besieged = ordered == "on" or (row >= LONG_ROW and ordered != "off")
    reasons = (
        seen.sieges.get(limits.siege.EVERYWHERE) in ("on", "held"),
        besieged,
        seen.accounts > SPRAYED,
        seen.gone.get(account.key, 0) >= FREE,
        seen.gone[network.key] >= network.limit.burst,
    )
    return Verdict.CHALLENGE if any(reasons) else Verdict.NONE


def before_asking(
    *, action: str, typed: Mapping[str, str], browser: Browser, answer: ChallengeAnswer | None, now: datetime
) -> ChallengeRequired | None:
    """In a siege an unknown browser meets a challenge before it asks for a recovery; nothing is looked up."""
    if not limits.siege.everywhere().active(now):
        return None
    return _meet_or_give(action, typed, browser, answer, now)


def count_failure(tried: Stranger, *, now: datetime) -> None:
    limits.tally.count_failure(password=tried.password, account=tried.account.key, now=now)


def watch(*, now: datetime) -> None:
    """Let the siege of the country begin and go on by itself; the audit log tells when it begins and ends."""
    word = limits.siege.watch(now=now)
    if word and limits.siege.everywhere().ordered(now) != "off":
        audit_log.record_event(f"siege_{word}", now=now, outcome="by_itself")


def observe(*, now: datetime) -> metrics.Defence:
    """Read what alarms and metrics tell of it."""
    hour, recent, usual = limits.tally.failures(now=now)
    states = limits.siege.states()
    everywhere = any(one.active(now) for one in states if one.key == limits.siege.EVERYWHERE)
    return metrics.Defence(
        siege=everywhere, failures=recent, usual=usual,
        accounts=len({one.person_id for one in states if one.key != limits.siege.EVERYWHERE and one.active(now)}),
        passwords=limits.tally.sprayed(SPRAYED, failures=hour, now=now),
        networks=limits.count_spent(limits.rate_limits.SIGN_IN_NETWORK, now=now),
    )  # fmt: skip


@transaction.atomic
def order_siege(
    mode: str, *, accounts: Sequence[limits.Bucket], person_id: int | None, until: datetime, now: datetime
) -> None:
    """Set the siege by command: `on` or `off` until then, or `auto`; at one account under all its names, or where none
    is given everywhere."""
    for key in [one.key for one in accounts] or [limits.siege.EVERYWHERE]:
        limits.siege.order(mode, key=key, person_id=person_id, until=until)
    audit_log.record_event("siege_ordered", now=now, person_id=person_id, outcome=mode)


def _meet(tried: Stranger, now: datetime) -> ChallengeRequired | None:
    return _meet_or_give(tried.action, tried.typed, tried.browser, tried.answer, now)


def _challenge(tried: Stranger, now: datetime) -> ChallengeRequired:
    return _given(tried.action, tried.typed, tried.browser, now)


def _meet_or_give(
    action: str, typed: Mapping[str, str], browser: Browser, answer: ChallengeAnswer | None, now: datetime
) -> ChallengeRequired | None:
    """None: the challenge that came back with the try is met."""
    if answer is None:
        return _given(action, typed, browser, now)
    unmet = limits.challenges.meet(answer.challenge, answer.solution, now=now)
    if unmet is None:
        return None
    return ChallengeRequired(answer.challenge, unmet.until) if unmet.until else _given(action, typed, browser, now)


def _given(action: str, typed: Mapping[str, str], browser: Browser, now: datetime) -> ChallengeRequired:
    return ChallengeRequired(limits.challenges.give(action, typed=typed, network=browser.network, now=now))
