"""Signing in: one Argon2id whatever was typed, the same statements for known and unknown.

typed login and password
  ├─ of the shape of a temporary password → claimed, late or wrong; never charged as a password
  └─ anything else → a password: consume the rate limits, verify, refund on success
"""

from __future__ import annotations

import contextlib
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
    SecretExpired,
    SessionOpened,
    TooManyAttempts,
    WrongSecret,
)
from massar.journeys.sso import log_out_of_sites


def enter(
    *,
    typed_login: str,
    password: str,
    browser: Browser,
    now: datetime,
    earlier: sessions.SessionFacts | None = None,
) -> SessionOpened | MustChangePassword | WrongSecret | SecretExpired | TooManyAttempts | Overloaded:
    """Judges what was typed on the sign-in page. Nothing tells an unknown account from a wrong password.

    earlier: the session this browser has; its own person's sign-in renews it, another's leaves it to the caller.
    """
    login = text.login(typed_login) or ""
    person = people.directory.by_login(login)
    stored = credentials.passwords.stored(person.id if person else None)
    secret = policy.canonical_temporary(password)
    if secret is not None:
        return _enter_with_code(person, stored, secret, browser, now)
    return _enter_with_password(login or typed_login, person, stored, password, browser, earlier, now)


def _enter_with_password(login, person, stored, password, browser, earlier, now):
    device = _known_device(person, stored, browser, now)
    buckets, refused = password_limits.reserve(login, person, device, now=now)
    if refused:
        audit_log.record_event(
            "sign_in_refused", now=now, person_id=person and person.id, outcome="wait", browser=browser
        )
        return TooManyAttempts(refused.until)
    try:
        typed = policy.strip_invisible(policy.canonical(password))
        right = credentials.passwords.is_right(typed, stored, known=device is not None)
    except credentials.Busy:
        limits.refund(buckets, now=now)
        return Overloaded()
    if not (right and person.active):
        audit_log.record_event(
            "sign_in_refused", now=now, person_id=person and person.id, outcome="wrong", browser=browser
        )
        return WrongSecret()
    _refresh_hash(person, stored, typed)
    return _open_session(person, stored, buckets, browser, earlier, now)


def _refresh_hash(person, stored, typed: str) -> None:
    """Today's parameters, when there is time for it; if not, at the next sign-in."""
    if not credentials.hashing.needs_rehash(stored.phc):
        return
    with contextlib.suppress(credentials.Busy):
        credentials.passwords.rehash(person.id, credentials.hashing.hash_password(typed), stored)


@transaction.atomic
def _open_session(person, stored, buckets, browser, earlier, now) -> SessionOpened | WrongSecret:
    people.contacts.lock(person.id)
    if not credentials.passwords.unchanged(person.id, stored):  # another was saved while this one was verified
        audit_log.record_event("sign_in_refused", now=now, person_id=person.id, outcome="wrong", browser=browser)
        return WrongSecret()
    password_limits.proven(person, buckets, now=now)
    credentials.temporary.end_those_of_browser(person.id, browser.recovery_browser, now=now)
    return open_session(person, how="password", browser=browser, now=now, earlier=earlier)


def open_session(
    person: people.PersonFacts,
    *,
    how: str,
    browser: Browser,
    now: datetime,
    earlier: sessions.SessionFacts | None = None,
) -> SessionOpened:
    """A full session, new or the person's `earlier` one renewed, and a fresh device entry, inside the caller's transaction."""
    if browser.language and browser.language != person.language:
        people.directory.set_language(person.id, browser.language)
    session_id, cookie = _renewed(person, earlier, how, browser, now) or _opened(person, how, browser, now)
    audit_log.record_event("sign_in", now=now, person_id=person.id, session_id=session_id, outcome=how, browser=browser)
    devices = sessions.devices.remember(browser.trusted_devices, person.id, now=now)
    return SessionOpened(person, session_id, cookie, devices)


def _renewed(person, earlier, how, browser, now) -> tuple[int, str] | None:
    if earlier is None or earlier.person_id != person.id:
        return None
    cookie = sessions.signed_in.renew(earlier, how=how, browser=browser, now=now)
    return (earlier.id, cookie) if cookie else None


def _opened(person, how, browser, now) -> tuple[int, str]:
    """What gives way ends like any other session: nobody may keep a site open by signing in ten times more."""
    session_id, cookie, gave_way = sessions.signed_in.open_for(person.id, how=how, browser=browser, now=now)
    log_out_of_sites.end_grants_and_notify(person, gave_way, now=now)
    return session_id, cookie


def _enter_with_code(person, stored, secret, browser, now):
    try:  # the same one hash as any other try; its answer has no say here
        credentials.passwords.is_right(secret, stored, known=False)
    except credentials.Busy:
        return Overloaded()
    match = _counted(person, secret, browser, now)
    if isinstance(match, (WrongSecret, SecretExpired)):
        return match
    return _claim(person, match.id, browser, now)


@transaction.atomic(savepoint=False)
def _counted(person, secret, browser, now) -> credentials.temporary.Match | WrongSecret | SecretExpired:
    """The try is counted and told in one commit, and nothing is answered before it: no clock tells where a code lives."""
    match = credentials.temporary.match(
        person.id if person else None, secret, recovery_browser=browser.recovery_browser, now=now
    )
    if match is not None and person.active and not match.late:
        return match
    late = match is not None and person.active
    audit_log.record_event(
        "sign_in_refused",
        now=now,
        person_id=person and person.id,
        outcome="late_code" if late else "wrong_code",
        browser=browser,
    )
    return SecretExpired() if late else WrongSecret()


@transaction.atomic
def _claim(person, temporary_id, browser, now) -> MustChangePassword | SecretExpired:
    people.contacts.lock(person.id)  # two secrets claimed at once still leave one change session
    delivery.outbox.used(person.id, "temporary_password", temporary_id=temporary_id, now=now)
    claim = credentials.temporary.claim(temporary_id, now=now)
    if claim is None:
        return SecretExpired()
    cookie = sessions.changing.open_for(person.id, temporary_id=temporary_id, claim=claim, now=now)
    audit_log.record_event("temporary_accepted", now=now, person_id=person.id, browser=browser)
    return MustChangePassword(person, cookie)


def _known_device(person, stored, browser, now):
    if person is None:
        return None
    return sessions.devices.find(browser.trusted_devices, person.id, now=now, not_before=stored.devices_since)


def prove_again(
    *, person: people.PersonFacts, password: str, browser: Browser, now: datetime
) -> WrongSecret | TooManyAttempts | Overloaded | None:
    """A signed-in person types the password again before something sensitive. None: it was right."""
    stored = credentials.passwords.stored(person.id)
    device = _known_device(person, stored, browser, now)
    buckets, refused = password_limits.reserve(person.login, person, device, now=now)
    if refused:
        return TooManyAttempts(refused.until)
    try:
        right = credentials.passwords.is_right(policy.strip_invisible(policy.canonical(password)), stored, known=True)
    except credentials.Busy:
        limits.refund(buckets, now=now)
        return Overloaded()
    if not right:
        audit_log.record_event("proof_refused", now=now, person_id=person.id, browser=browser)
        return WrongSecret()
    password_limits.proven(person, buckets, now=now)
    return None
