"""Vouching: a code to a proved contact lets this browser in, for who knows the password and was only told to wait.

    asked, answered (`recover_password.py`, with the purpose of vouching)
      --right code, in time, in a browser that asked--> this browser is a known device of the account
        --the password, within the device's own limit--> signed in (`sign_in.py`)

It opens nothing by itself and changes no password. A code serves only in a browser that asked: who reads it elsewhere,
over a shoulder or on a locked screen, has no use for it; whom somebody talked into reading one out has at least not
asked himself (NIST SP 800-63B-4 §3.1.3.1 binds an out-of-band code to its session)."""

from dataclasses import dataclass, field
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
from massar.journeys.account import notices, recover_password
from massar.journeys.outcomes import SecretExpired, TooManyAttempts, WrongSecret

PURPOSE = credentials.temporary.VOUCHING


@dataclass(frozen=True)
class LetIn:
    """This browser is a known device now. `trusted_devices`: the cookie for it to keep."""

    person: people.PersonFacts
    trusted_devices: str = field(repr=False)


def let_in(
    *, typed_login: str, code: str, browser: Browser, now: datetime
) -> LetIn | WrongSecret | SecretExpired | TooManyAttempts:
    """Judge a code that was typed on the page of vouching. Known and unknown cost the same statements and commits;
    nothing tells a wrong code from one that another browser asked for. Refusals are charged to the network: beyond its
    limit a wrong code is told to wait and writes no event, a right one still lets in."""
    login = text.login(typed_login) or ""
    found = people.directory.candidates(login, now=now)
    ids, person = people.directory.ids_of(found), found[0] if len(found) == 1 else None
    secret, asked = policy.canonical_temporary(code) or "", browser.recovery_browser
    # Counted and judged in one commit, before anything is answered.
    with transaction.atomic(savepoint=False):
        people.contacts.lock(*ids)  # first, as everywhere: the tries of its secrets are rows too
        match = credentials.temporary.match(ids, secret, recovery_browser=asked, purpose=PURPOSE, now=now)
        if match:  # of two with one name the code tells who is meant
            person = next(one for one in found if one.id == match.person_id)
        if match is None or person is None or not person.active:
            return _refuse(login, person, "wrong_code", WrongSecret(), browser, now)
        if match.late:
            return _refuse(login, person, "late_code", SecretExpired(), browser, now)
    with transaction.atomic():
        people.contacts.lock(person.id)
        claimed = credentials.temporary.claim_once(match.id, now=now)
        if claimed is None:
            return SecretExpired()
        nonce, first = claimed
        if first:
            delivery.outbox.used(person.id, recover_password.MESSAGES[PURPOSE], temporary_id=match.id, now=now)
            recover_password.fill_limits(person, purpose=PURPOSE, now=now)
            entry = audit_log.record_event("browser_let_in", now=now, person_id=person.id, browser=browser)
            notices.tell(person, "browser_let_in", now=now, browser=browser, entry=entry)
        devices = sessions.devices.remember(browser.trusted_devices, person.id, now=now, nonce=nonce)
        return LetIn(person, devices)


def _refuse(
    login: str, person: people.PersonFacts | None, outcome: str, refusal: WrongSecret | SecretExpired,
    browser: Browser, now: datetime,
) -> WrongSecret | SecretExpired | TooManyAttempts:  # fmt: skip
    spent = limits.consume([limits.rate_limits.VOUCHING_NETWORK.bucket(browser.network)], now=now)
    if spent:
        return TooManyAttempts(spent.until)
    person_id = person.id if person else None
    audit_log.record_event(
        "vouching_refused", now=now, person_id=person_id, outcome=outcome, browser=browser, typed_login=login
    )
    return refusal
