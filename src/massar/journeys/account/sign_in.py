"""Signing in: one Argon2id whatever was typed, the same statements for known and unknown.

typed login and password
  ├─ of the shape of a temporary password → claimed, late or wrong; never charged as a password
  └─ anything else → a password: consume the rate limits (decision 18), verify, refund on success; right, and a
     campaign asks for another one → the change form alone
Before either, a browser that is unknown to the account may have to meet a challenge (journeys/account/defend.py).

Who has a second factor, or must have one, is not in yet: a half-done sign-in opens the second step alone
(`second_step`). A remembered device spares that step, but never somebody who must have a factor.

Before something grave a person who is signed in proves it anew (`prove_again`): the password, and a factor where there
is one. Every journey that asks for it asks here."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core import text
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.policy import api as policy
from massar.domain.sessions import api as sessions
from massar.journeys import outcomes
from massar.journeys.account import defend, notices
from massar.journeys.account.close_sessions import SignedIn, must_have_factor
from massar.journeys.outcomes import (
    FactorNotFresh,
    MustChangePassword,
    Overloaded,
    SecondStepRequired,
    SecretExpired,
    SessionOpened,
    TooManyAttempts,
)
from massar.journeys.sso import log_out_of_sites

PASSWORD_ALONE = "pwd"  # RFC 8176
ACTION = "sign-in"  # what a challenge that is met here opens
STILL_FRESH = timedelta(minutes=10)  # that a second factor was proved, before something grave
Entered = SessionOpened | SecondStepRequired | MustChangePassword
Unjudged = TooManyAttempts | outcomes.ChallengeRequired | outcomes.PasswordSprayed | Overloaded
Refused = outcomes.WrongSecret | SecretExpired | outcomes.AccountFrozen | Unjudged
_REFUSED = ((TooManyAttempts, "wait"), (outcomes.ChallengeRequired, "challenge"), (outcomes.PasswordSprayed, "sprayed"))


@dataclass(frozen=True)
class _Attempt:
    """What name was typed, who is meant, and which browser tries it when. `typed`: all that was typed, as it was;
    `answer`: the challenge that came back with it. `found`: whom the name may mean."""

    login: str
    person: people.PersonFacts | None
    stored: credentials.StoredPassword
    browser: Browser
    now: datetime
    typed: Mapping[str, str] = field(default_factory=dict, repr=False)
    answer: defend.ChallengeAnswer | None = None
    found: Sequence[people.PersonFacts] = ()

    def known_device(self) -> sessions.devices.TrustedDevice | None:
        cookie, stored = self.browser.trusted_devices, self.stored
        return known_device(self.person, cookie, now=self.now, stored=stored) if self.person else None

    def stranger(self, password: str = "") -> defend.Stranger:
        """The try as one of a browser that this account does not know. password: '' for a code."""
        account = _shared_limits(self.login)[0]
        return defend.Stranger(ACTION, self.browser, self.typed, account, password, self.answer)

    def record_unjudged(self, outcome: Unjudged) -> None:
        """Tell the audit log why nothing was judged; a server that is busy is no news there."""
        for kind, word in _REFUSED:
            if isinstance(outcome, kind):
                self.record_refusal(word)

    def record_refusal(self, outcome: str) -> None:
        person_id = self.person.id if self.person else None
        audit_log.record_event(
            "sign_in_refused", now=self.now, person_id=person_id, outcome=outcome, browser=self.browser,
            typed_login=self.login,
        )  # fmt: skip


def known_device(
    person: people.PersonFacts, cookie: str, *, now: datetime, stored: credentials.StoredPassword | None = None
) -> sessions.devices.TrustedDevice | None:
    """The known device of that person that this browser is, by its cookie: none that a recovery, or "this was not me",
    has made a stranger. stored: the password in use, where it has been read."""
    since = (stored or credentials.passwords.stored(person.id)).devices_since
    return sessions.devices.find(cookie, person.id, now=now, not_before=since)


def enter(
    *, typed_login: str, password: str, browser: Browser, now: datetime, earlier: sessions.SessionFacts | None = None,
    answer: defend.ChallengeAnswer | None = None,
) -> Entered | Refused:  # fmt: skip
    """Judge what was typed on the sign-in page. Nothing tells an unknown account from a wrong password. earlier: the
    session this browser has; its own person's sign-in renews it, another's leaves it to the caller. answer: the
    challenge that kept what was typed."""
    login = text.login(typed_login) or ""
    found = people.directory.candidates(login, now=now)
    person = _meant(found, browser, now)
    stored = credentials.passwords.stored(person.id if person else None, factors=factors.held.SINCE)
    typed = {"login": typed_login, "password": password}
    attempt = _Attempt(login or typed_login, person, stored, browser, now, typed, answer, found)
    secret = policy.canonical_temporary(password)
    return (
        _enter_with_password(attempt, password, earlier) if secret is None else _enter_with_temporary(attempt, secret)
    )


def _meant(found: Sequence[people.PersonFacts], browser: Browser, now: datetime) -> people.PersonFacts | None:
    """Of two with one name the one who has signed in on this device before; else nobody: the page tells everybody to
    type the whole address."""
    here = {device.person_id for device in sessions.devices.read(browser.trusted_devices, now=now)}
    likely = list(found) if len(found) == 1 else [person for person in found if person.id in here]
    return likely[0] if len(likely) == 1 else None


def _enter_with_password(
    attempt: _Attempt, password: str, earlier: sessions.SessionFacts | None
) -> Entered | outcomes.WrongSecret | outcomes.AccountFrozen | Unjudged:
    person, verified = attempt.person, _verify(attempt, password)
    if not isinstance(verified, _Verified):
        attempt.record_unjudged(verified)
        return verified
    if person is None or not verified.right or not person.enabled:
        return _refuse_wrong(attempt, verified)
    if person.frozen_at:  # said to who knows the password alone
        attempt.record_refusal("frozen")
        return outcomes.AccountFrozen()
    if credentials.passwords.needs_rehash(attempt.stored.phc):
        with contextlib.suppress(credentials.Busy):  # then at the next sign-in
            phc = credentials.passwords.hash_password(verified.typed)
            credentials.passwords.rehash(person.id, phc, attempt.stored)
    with transaction.atomic():
        people.contacts.lock(person.id)
        # Another password was saved, or a factor added or removed, while this was verified.
        if not credentials.passwords.unchanged(person.id, attempt.stored, factors=factors.held.SINCE):
            return _refuse_wrong(attempt, verified)
        _refund(verified, person, attempt.now)
        lost = attempt.stored.factors_since is not None and take_lost_factors_away(
            person, browser=attempt.browser, now=attempt.now
        )
        stored = replace(attempt.stored, factors_since=None) if lost else attempt.stored
        if owes_second_step(attempt, person, stored):
            return ask_for_second_step(person, stored, browser=attempt.browser, now=attempt.now)
        credentials.temporary.end_those_of_browser(person.id, attempt.browser.recovery_browser, now=attempt.now)
        if attempt.stored.due_for is not None:
            return ask_for_change(person, browser=attempt.browser, now=attempt.now)
        known = attempt.known_device() is not None
        return open_session(
            person, how="password", browser=attempt.browser, now=attempt.now, earlier=earlier, known=known
        )


def ask_for_change(person: people.PersonFacts, *, browser: Browser, now: datetime, amr: str = "") -> MustChangePassword:
    """A campaign asks for another password: the right one opens the change form and nothing else. amr: what was proved
    beside it."""
    cookie = sessions.changing.open_due(person.id, now=now, amr=amr)
    audit_log.record_event("password_due", now=now, person_id=person.id, browser=browser)
    return MustChangePassword(person, cookie)


def take_lost_factors_away(person: people.PersonFacts, *, browser: Browser, now: datetime) -> bool:
    """Remove every factor whose loss was told, and not stopped, in good time (`lose_factors`). Whether that was so."""
    if not factors.losses.finish(person.id, now=now):
        return False
    factors.held.remove_all(person.id, now=now)
    factors.backup.remove(person.id)
    entry = audit_log.record_event("factors_removed", now=now, person_id=person.id, browser=browser)
    notices.tell(person, "factors_removed", now=now, browser=browser, entry=entry)
    return True


def owes_second_step(attempt: _Attempt, person: people.PersonFacts, stored: credentials.StoredPassword) -> bool:
    """Whether a right password is not enough: a second factor is asked for, or has to be set up."""
    if must_have_factor(person, now=attempt.now):
        return True
    return stored.factors_since is not None and not _spared(person, stored, attempt.browser, attempt.now)


def _spared(person: people.PersonFacts, stored: credentials.StoredPassword, browser: Browser, now: datetime) -> bool:
    """Whether the person wished on this device not to be asked for a while, and neither the password nor any factor has
    changed since (a recovery, and "this was not me", change what is trusted too)."""
    device = known_device(person, browser.trusted_devices, now=now, stored=stored)
    changes = [moment for moment in (stored.devices_since, stored.changed_at, stored.factors_since) if moment]
    wished = device.second_at if device else None
    remembered = settings.MASSAR.second_factor_remember
    return wished is not None and wished > now - remembered and all(wished >= change for change in changes)


def ask_for_second_step(
    person: people.PersonFacts, stored: credentials.StoredPassword, *, browser: Browser, now: datetime,
    temporary_id: int = 0, claim: str = "", first: str = "password",
) -> SecondStepRequired:  # fmt: skip
    """Who must have a factor and has none begins with an app here: the page that shows it writes nothing. stored: read
    with `factors`. first: what was right, for the audit log."""
    id, cookie = sessions.pending.open_for(person.id, temporary_id=temporary_id, claim=claim, now=now)
    if stored.factors_since is None:
        factors.totp.enroll(person.id, place=place_of_half_done(id), now=now)
    audit_log.record_event("first_step_right", now=now, person_id=person.id, browser=browser, outcome=first)
    return SecondStepRequired(person, cookie)


def place_of_half_done(pending_id: int) -> str:
    """The half-done sign-in to which belongs what is begun in it; of a session: `edit_factors.place_of`."""
    return f"pending:{pending_id}"


class _Verified(NamedTuple):
    """What was compared, whether it is right, and what the try was charged to."""

    typed: str
    right: bool
    buckets: list[limits.Bucket]
    stranger: defend.Stranger | None


def _refuse_wrong(attempt: _Attempt, verified: _Verified) -> outcomes.WrongSecret:
    with transaction.atomic(savepoint=False):
        attempt.record_refusal("wrong")
        _count_failure(verified.stranger, attempt.now)
    return outcomes.WrongSecret()


def _count_failure(stranger: defend.Stranger | None, now: datetime) -> None:
    if stranger:
        defend.count_failure(stranger, now=now)


def _verify(attempt: _Attempt, password: str) -> _Verified | Unjudged:
    """Charge the try before anything is verified. A known device whose limit is spent falls to the shared one."""
    typed, device, stranger = policy.strip_invisible(password), attempt.known_device(), None
    charged, beyond = _charge_device(device, attempt.now) if device else [], False
    if not charged:
        stranger = attempt.stranger(typed)
        own = _own_limits(attempt.login, attempt.person)
        given = defend.charge(stranger, _shared_limits(attempt.login), silent=own, now=attempt.now)
        if not isinstance(given, list):
            return given
        charged = given
        beyond = any(one not in charged for one in own)
    verified = _compare(attempt, typed, charged, stranger)
    return verified._replace(right=False) if beyond and isinstance(verified, _Verified) else verified


def _compare(
    attempt: _Attempt, typed: str, charged: list[limits.Bucket], stranger: defend.Stranger | None
) -> _Verified | Overloaded:
    try:
        right = credentials.passwords.is_right(typed, attempt.stored)
    except credentials.Busy:
        limits.refund(charged, now=attempt.now)
        return Overloaded()
    return _Verified(typed, right, charged, stranger)


def _charge_device(device: sessions.devices.TrustedDevice, now: datetime) -> list[limits.Bucket]:
    """Return what was charged; nothing where the device's own limit is spent."""
    buckets = [limits.rate_limits.SIGN_IN_DEVICE.bucket(device.person_id, device.nonce)]
    return [] if limits.consume(buckets, now=now) else buckets


def _shared_limits(typed: str) -> list[limits.Bucket]:
    """Return what tries of strangers are charged to: the name before the domain, whether anybody has it or not, typed
    with one of the institution's domains or without. So nothing shows in what shares a limit with what (ADR 54)."""
    name, _, domain = typed.partition("@")
    owner, rates = typed if domain and domain not in settings.MASSAR.institution_domains else name, limits.rate_limits
    return [rates.SIGN_IN_ACCOUNT.bucket(owner), rates.SIGN_IN_CONSECUTIVE.bucket(owner)]


def _own_limits(typed: str, person: people.PersonFacts | None) -> list[limits.Bucket]:
    """Return what else a stranger's try is charged to, silently: the account, under whatever name it was typed; of a
    name that nobody has its own, which costs as much (ADR 72)."""
    owner = ("id", person.id) if person else ("name", typed)
    rates = limits.rate_limits
    return [rates.SIGN_IN_PERSON.bucket(*owner), rates.SIGN_IN_PERSON_CONSECUTIVE.bucket(*owner)]


def accounts_of(person: people.PersonFacts) -> list[limits.Bucket]:
    """The buckets that stand for the account where strangers try it, one for each of its names."""
    others = [f"{name}@{domain}" if domain else name for name, domain in people.directory.names_of(person.id)]
    return [_shared_limits(name)[0] for name in (person.login, *others)]


def _refund(verified: _Verified, person: people.PersonFacts, now: datetime) -> None:
    """Put back what was consumed, for the owner was here; the count of consecutive failures starts anew. Not where
    another person has the same name in another domain: nobody's success may end the count of tries at somebody else."""
    rates = limits.rate_limits
    shared = [one for one in verified.buckets if one.limit is rates.SIGN_IN_CONSECUTIVE]
    if shared and people.directory.has_namesake(person):
        shared = []
    filled = [*shared, *(one for one in verified.buckets if one.limit is rates.SIGN_IN_PERSON_CONSECUTIVE)]
    limits.refund([one for one in verified.buckets if one not in filled], reset=filled, now=now)


def fill_limits(person: people.PersonFacts) -> None:
    """Give the account all its tries after a recovery: who proved to be the owner is not kept waiting. Not those that
    it shares with a namesake, as above; there the browser that has just recovered is a known one."""
    shared = [] if people.directory.has_namesake(person) else _shared_limits(person.login)
    limits.refund([], reset=[*shared, *_own_limits(person.login, person)])


def open_session(
    person: people.PersonFacts, *, how: str, browser: Browser, now: datetime, amr: str = PASSWORD_ALONE,
    earlier: sessions.SessionFacts | None = None, spare: bool = False, known: bool = True,
    second_at: datetime | None = None,
) -> SessionOpened:  # fmt: skip
    """Open a full session, or renew the person's `earlier` one, and remember the device. The caller commits. amr: what
    was proved, in words of RFC 8176. spare: the second factor is not to be asked on this device for a while. known:
    this is a known device, or another notice tells of the event. second_at: when the second factor was proved, if not
    now."""
    if browser.language and browser.language != person.language:
        people.directory.set_language(person.id, browser.language)
    cookie = None
    if earlier and earlier.person_id == person.id:
        session_id = earlier.id
        cookie = sessions.signed_in.renew(earlier, how=how, amr=amr, browser=browser, now=now)
    if cookie is None:
        # What gives way ends like any other session: nobody may keep a site open by signing in ten times more.
        session_id, cookie, gave_way = sessions.signed_in.open_for(
            person.id, how=how, amr=amr, browser=browser, now=now, second_at=second_at
        )
        log_out_of_sites.end_grants_and_notify(person, gave_way, now=now)
    entry = audit_log.record_event(
        "sign_in", now=now, person_id=person.id, session_id=session_id, outcome=how, browser=browser, amr=amr
    )
    if not known and limits.consume([limits.rate_limits.NOTICE_NEW_DEVICE.bucket(person.id)], now=now) is None:
        notices.tell(person, "new_device", now=now, browser=browser, entry=entry)
    devices = sessions.devices.remember(browser.trusted_devices, person.id, now=now, second=spare)
    return SessionOpened(person, session_id, cookie, devices)


def _enter_with_temporary(
    attempt: _Attempt, secret: str
) -> MustChangePassword | SecondStepRequired | outcomes.WrongSecret | SecretExpired | Unjudged:
    stranger, charged = None if attempt.known_device() else attempt.stranger(), []
    if stranger:
        given = defend.charge(stranger, [], now=attempt.now)
        if not isinstance(given, list):
            attempt.record_unjudged(given)
            return given
        charged = given
    try:  # the same one hash as any other try; its answer has no say here
        credentials.passwords.is_right(secret, attempt.stored)
    except credentials.Busy:
        limits.refund(charged, now=attempt.now)
        return Overloaded()
    person, now, asked = attempt.person, attempt.now, attempt.browser.recovery_browser
    # Counted and judged in one commit, before anything is answered: no clock tells where a secret lives.
    with transaction.atomic(savepoint=False):
        ids = people.directory.ids_of(attempt.found)
        people.contacts.lock(*ids)  # first, as everywhere: the tries of its secrets are rows too
        match = credentials.temporary.match(ids, secret, recovery_browser=asked, now=now)
        if match and (person is None or person.id != match.person_id):
            attempt = _resolved(attempt, match.person_id)  # of two with one name the code tells who is meant
            person = attempt.person
        if match is None or person is None or not person.enabled:
            attempt.record_refusal("wrong_code")
            _count_failure(stranger, now)
            return outcomes.WrongSecret()
        if match.late:
            attempt.record_refusal("late_code")
            _count_failure(stranger, now)  # the same work as for a wrong one
            return SecretExpired(match.handed)
    with transaction.atomic():
        people.contacts.lock(person.id)  # two secrets claimed at once still leave one change session
        limits.refund(charged, now=now)
        delivery.outbox.used(person.id, "temporary_password", temporary_id=match.id, now=now)
        claim = credentials.temporary.claim(match.id, now=now)
        if claim is None:
            return SecretExpired(match.handed)
        # The second step comes before the change form: ATK-050.
        if attempt.stored.factors_since is not None or must_have_factor(person, now=now):
            return ask_for_second_step(
                person, attempt.stored, browser=attempt.browser, now=now, temporary_id=match.id, claim=claim,
                first="temporary_password",
            )  # fmt: skip
        cookie = sessions.changing.open_for(person.id, temporary_id=match.id, claim=claim, now=now)
        audit_log.record_event("temporary_accepted", now=now, person_id=person.id, browser=attempt.browser)
        return MustChangePassword(person, cookie)


def _resolved(attempt: _Attempt, person_id: int) -> _Attempt:
    person = next(one for one in attempt.found if one.id == person_id)
    stored = credentials.passwords.stored(person_id, factors=factors.held.SINCE)
    return replace(attempt, person=person, stored=stored)


def owes_factor(signed_in: SignedIn, *, now: datetime) -> bool:
    """Whether a factor has to be proved before something grave: there is one, and none was proved just now."""
    return not _is_fresh(signed_in.session, now) and bool(factors.held.of_person(signed_in.person.id))


def _is_fresh(session: sessions.SessionFacts, now: datetime) -> bool:
    return session.second_at is not None and now - session.second_at < STILL_FRESH


def prove_again(
    *, signed_in: SignedIn, password: str, field: str = "password", browser: Browser, now: datetime
) -> outcomes.Problems | TooManyAttempts | Overloaded | FactorNotFresh | None:
    """Judge the password that a signed-in person types again before something grave, once a factor was proved within
    STILL_FRESH where there is one: a password alone does nothing that its owner needs two things for. Whether there is
    one stands in the statement that reads the password. None: all is right. field: where the password was typed, for
    the problem."""
    attempt = _again(signed_in.person, browser, now)
    if attempt.stored.factors_since is not None and not _is_fresh(signed_in.session, now):
        return FactorNotFresh()
    return _judge_again(attempt, signed_in.person, password, field)


def begin_again(
    *, signed_in: SignedIn, password: str, browser: Browser, now: datetime
) -> SecondStepRequired | outcomes.Problems | TooManyAttempts | Overloaded | outcomes.Gone:
    """Open a half-done sign-in beside the session, for somebody who can prove no factor any more: from there the loss
    is told (`lose_factors`), although this device is one that is not asked. It takes the password. Gone: there is no
    factor, or the session has ended."""
    person, attempt = signed_in.person, _again(signed_in.person, browser, now)
    if attempt.stored.factors_since is None:
        return outcomes.Gone()
    refused = _judge_again(attempt, person, password, "password")
    if refused:
        return refused
    with transaction.atomic():
        people.contacts.lock(person.id)
        if not sessions.signed_in.hold(signed_in.session.id, person.id):  # another password may have been saved
            return outcomes.Gone()
        return ask_for_second_step(person, attempt.stored, browser=browser, now=now)


def _again(person: people.PersonFacts, browser: Browser, now: datetime) -> _Attempt:
    stored = credentials.passwords.stored(person.id, factors=factors.held.SINCE)
    return _Attempt(person.login, person, stored, browser, now)


def _judge_again(
    attempt: _Attempt, person: people.PersonFacts, password: str, field: str
) -> outcomes.Problems | TooManyAttempts | Overloaded | None:
    device, now = attempt.known_device(), attempt.now
    charged = _charge_device(device, now) if device else []
    if not charged:
        charged = [*_shared_limits(person.login), *_own_limits(person.login, person)]
        refused = limits.consume(charged, now=now)
        if refused:
            return TooManyAttempts(refused.until)
    verified = _compare(attempt, policy.strip_invisible(password), charged, None)
    if not isinstance(verified, _Verified):
        return verified
    if not verified.right:
        audit_log.record_event("proof_refused", now=now, person_id=person.id, browser=attempt.browser)
        return outcomes.Problems({field: [outcomes.Problem("password_wrong")]})
    _refund(verified, person, now)
    return None
