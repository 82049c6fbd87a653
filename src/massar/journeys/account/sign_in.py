"""Signing in: one Argon2id whatever was typed, the same statements for known and unknown.

typed login and password
  ├─ of the shape of a temporary password → claimed, late or wrong; never charged as a password
  └─ anything else → a password: consume the rate limits, verify, refund on success
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from massar.core import text
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.policy import api as policy
from massar.domain.sessions import api as sessions
from massar.journeys.account import password_limits
from massar.journeys.outcomes import (
    MustChangePassword,
    Overloaded,
    Problem,
    Problems,
    SecretExpired,
    SessionOpened,
    TooManyAttempts,
    WrongSecret,
)
from massar.journeys.sso import log_out_of_sites


@dataclass(frozen=True)
class _Attempt:
    """Who may be meant, and which browser tries it when."""

    person: people.PersonFacts | None
    stored: credentials.StoredPassword
    browser: Browser
    now: datetime

    def device(self) -> sessions.TrustedDevice | None:
        if self.person is None:
            return None
        since = self.stored.devices_since
        return sessions.devices.find(self.browser.trusted_devices, self.person.id, now=self.now, not_before=since)

    def record_refusal(self, outcome: str) -> None:
        person_id = self.person.id if self.person else None
        audit_log.record_event(
            "sign_in_refused", now=self.now, person_id=person_id, outcome=outcome, browser=self.browser
        )


def enter(
    *, typed_login: str, password: str, browser: Browser, now: datetime, earlier: sessions.SessionFacts | None = None
) -> SessionOpened | MustChangePassword | WrongSecret | SecretExpired | TooManyAttempts | Overloaded:
    """Judge what was typed on the sign-in page. Nothing tells an unknown account from a wrong password.

    earlier: the session this browser has; its own person's sign-in renews it, another's leaves it to the caller.
    """
    login = text.login(typed_login) or ""
    person = people.directory.by_login(login)
    attempt = _Attempt(person, credentials.passwords.stored(person.id if person else None), browser, now)
    secret = policy.canonical_temporary(password)
    if secret is not None:
        return _enter_with_temporary(attempt, secret)
    return _enter_with_password(attempt, login or typed_login, password, earlier)


def _enter_with_password(
    attempt: _Attempt, login: str, password: str, earlier: sessions.SessionFacts | None
) -> SessionOpened | WrongSecret | TooManyAttempts | Overloaded:
    person, device = attempt.person, attempt.device()
    buckets, refused = password_limits.reserve(login, person, device, now=attempt.now)
    if refused:
        attempt.record_refusal("wait")
        return TooManyAttempts(refused.until)
    try:
        typed = policy.strip_invisible(policy.canonical(password))
        right = credentials.passwords.is_right(typed, attempt.stored, known=device is not None)
    except credentials.Busy:
        limits.refund(buckets, now=attempt.now)
        return Overloaded()
    if person is None or not right or not person.active:
        attempt.record_refusal("wrong")
        return WrongSecret()
    if credentials.hashing.needs_rehash(attempt.stored.phc):
        with contextlib.suppress(credentials.Busy):  # then at the next sign-in
            credentials.passwords.rehash(person.id, credentials.hashing.hash_password(typed), attempt.stored)
    return _open_after_password(attempt, person, buckets, earlier)


@transaction.atomic
def _open_after_password(
    attempt: _Attempt, person: people.PersonFacts, buckets: list[limits.Bucket], earlier: sessions.SessionFacts | None
) -> SessionOpened | WrongSecret:
    people.contacts.lock(person.id)
    if not credentials.passwords.unchanged(person.id, attempt.stored):  # another was saved while this was verified
        attempt.record_refusal("wrong")
        return WrongSecret()
    password_limits.proven(buckets, now=attempt.now)
    credentials.temporary.end_those_of_browser(person.id, attempt.browser.recovery_browser, now=attempt.now)
    return open_session(person, how="password", browser=attempt.browser, now=attempt.now, earlier=earlier)


def open_session(
    person: people.PersonFacts,
    *,
    how: str,
    browser: Browser,
    now: datetime,
    earlier: sessions.SessionFacts | None = None,
) -> SessionOpened:
    """Open a full session, or renew the person's `earlier` one, and remember the device. The caller commits."""
    if browser.language and browser.language != person.language:
        people.directory.set_language(person.id, browser.language)
    cookie = None
    if earlier and earlier.person_id == person.id:
        session_id, cookie = earlier.id, sessions.signed_in.renew(earlier, how=how, browser=browser, now=now)
    if cookie is None:
        # What gives way ends like any other session: nobody may keep a site open by signing in ten times more.
        session_id, cookie, gave_way = sessions.signed_in.open_for(person.id, how=how, browser=browser, now=now)
        log_out_of_sites.end_grants_and_notify(person, gave_way, now=now)
    audit_log.record_event("sign_in", now=now, person_id=person.id, session_id=session_id, outcome=how, browser=browser)
    devices = sessions.devices.remember(browser.trusted_devices, person.id, now=now)
    return SessionOpened(person, session_id, cookie, devices)


def _enter_with_temporary(
    attempt: _Attempt, secret: str
) -> MustChangePassword | WrongSecret | SecretExpired | Overloaded:
    try:  # the same one hash as any other try; its answer has no say here
        credentials.passwords.is_right(secret, attempt.stored, known=False)
    except credentials.Busy:
        return Overloaded()
    found = _count_and_match(attempt, secret)
    return _claim(attempt, *found) if isinstance(found, tuple) else found


@transaction.atomic(savepoint=False)
def _count_and_match(attempt: _Attempt, secret: str) -> tuple[people.PersonFacts, int] | WrongSecret | SecretExpired:
    """Count the try and judge it in one commit, before anything is answered: no clock tells where a secret lives.

    Returns the person and the id of the temporary password where it is right.
    """
    person, asked = attempt.person, attempt.browser.recovery_browser
    match = credentials.temporary.match(person.id if person else None, secret, recovery_browser=asked, now=attempt.now)
    if match is None or person is None or not person.active:
        attempt.record_refusal("wrong_code")
        return WrongSecret()
    if match.late:
        attempt.record_refusal("late_code")
        return SecretExpired()
    return person, match.id


@transaction.atomic
def _claim(attempt: _Attempt, person: people.PersonFacts, temporary_id: int) -> MustChangePassword | SecretExpired:
    people.contacts.lock(person.id)  # two secrets claimed at once still leave one change session
    delivery.outbox.used(person.id, "temporary_password", temporary_id=temporary_id, now=attempt.now)
    claim = credentials.temporary.claim(temporary_id, now=attempt.now)
    if claim is None:
        return SecretExpired()
    cookie = sessions.changing.open_for(person.id, temporary_id=temporary_id, claim=claim, now=attempt.now)
    audit_log.record_event("temporary_accepted", now=attempt.now, person_id=person.id, browser=attempt.browser)
    return MustChangePassword(person, cookie)


def prove_again(
    *, person: people.PersonFacts, password: str, field: str = "password", browser: Browser, now: datetime
) -> Problems | TooManyAttempts | Overloaded | None:
    """Judge the password that a signed-in person types again before something sensitive. None: it was right.

    field: where it was typed, for the problem.
    """
    attempt = _Attempt(person, credentials.passwords.stored(person.id), browser, now)
    buckets, refused = password_limits.reserve(person.login, person, attempt.device(), now=now)
    if refused:
        return TooManyAttempts(refused.until)
    try:
        typed = policy.strip_invisible(policy.canonical(password))
        right = credentials.passwords.is_right(typed, attempt.stored, known=True)
    except credentials.Busy:
        limits.refund(buckets, now=now)
        return Overloaded()
    if not right:
        audit_log.record_event("proof_refused", now=now, person_id=person.id, browser=browser)
        return Problems({field: [Problem("password_wrong")]})
    password_limits.proven(buckets, now=now)
    return None
