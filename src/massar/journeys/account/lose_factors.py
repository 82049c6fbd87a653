"""Every factor is lost: a journey of its own, with a wait and a way to stop it.

The password is right, a code comes back from a proved contact, then the wait: all contacts and the institution mailbox
are told at once, each mail with a link that stops it. After the wait the next right password removes the factors
(`sign_in`). It stops by that link, in any session, with a factor that was found after all, and with a new password.
Who has lost the password too is not helped here, two things that arrive at one contact being one thing; nor is who
never had the factor, a thief having added it. Both go to the help desk (`by_operator`)."""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import transaction

from massar.core import encryption, ids, text
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.delivery import api as delivery
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.journeys.account import close_account, close_sessions, edit_profile, notices
from massar.journeys.account.second_step import HalfDone
from massar.journeys.outcomes import Done, Gone, Problem, Problems, TooManyAttempts

_PURPOSE = "cancel-loss"


def contacts_of(person: people.PersonFacts, *, now: datetime) -> list[people.Contact]:
    """Where a code may be sent: what recovery may use as well."""
    return people.contacts.usable(person.id, now)


@transaction.atomic
def send_code(*, of: HalfDone, contact_id: int, browser: Browser, now: datetime) -> Done | TooManyAttempts | Gone:
    """Send a code to one of the contacts. Gone: it is none of these, or the password was a temporary one."""
    person = of.person
    people.contacts.lock(person.id)  # beside a wait that begins just now, no second one begins
    contact = next((one for one in contacts_of(person, now=now) if one.id == contact_id), None)
    if contact is None or of.pending.claim or factors.losses.waiting(person.id):
        return Gone()
    refused = edit_profile.may_send(person.id, {contact.kind: contact.value}, browser, now)
    if refused:
        return refused
    code, life, sms = ids.contact_code(), settings.MASSAR.contact_code, contact.kind == "phone"
    factors.losses.begin(person.id, contact_id=contact.id, code=code, now=now, valid_for=life)
    delivery.outbox.put(
        purpose="loss_code", channel="sms" if sms else "email", language=browser.language or person.language,
        person_id=person.id, to=contact.value, now=now, within=life, expires_at=now + life, priority=2,
        values={"code": code, "host": settings.MASSAR.host if sms else settings.MASSAR.address},
    )  # fmt: skip
    audit_log.record_event("loss_code_sent", now=now, person_id=person.id, browser=browser, kind=contact.kind)
    return Done(masked=contact.masked)


def prove(
    *, of: HalfDone, code: str, browser: Browser, now: datetime, cancel_url: Callable[[str], str]
) -> Done | Problems | Gone:
    """Judge the code. Right: the wait begins, and everybody hears of it. cancel_url: makes the address of the page that
    stops it, from the token for it."""
    person, typed = of.person, text.code(code)
    if not ids.is_contact_code(typed):
        return Problems({"code": [Problem("code_shape")]})
    with transaction.atomic():
        people.contacts.lock(person.id)
        wait = settings.MASSAR.second_factor_lost
        loss = "gone" if of.pending.claim else factors.losses.prove(person.id, typed, now=now, wait=wait)
        if isinstance(loss, str):
            return Gone() if loss == "gone" else Problems({"code": [Problem(f"loss_code_{loss}")]})
        entry = audit_log.record_event("factors_lost", now=now, person_id=person.id, browser=browser)
        link = cancel_url(cancel_token(loss))
        notices.tell(person, "factors_lost", now=now, browser=browser, counts_from=loss.ends_at, link=link, entry=entry)
        return Done(from_when=loss.ends_at)


@transaction.atomic
def cancel(*, person: people.PersonFacts, browser: Browser, now: datetime, loss_id: int | None = None) -> Done | Gone:
    """Stop the wait: in a session, or by the link (`cancel_by_link`)."""
    people.contacts.lock(person.id)
    if not factors.losses.cancel(person.id, now=now, loss_id=loss_id):
        return Gone()
    notices.tell_of_found_factors(person, browser=browser, now=now)
    return Done()


def cancel_by_link(*, token: str, browser: Browser, now: datetime) -> Done | Gone:
    """It can stop this one wait, and opens nothing."""
    loss_id, person_id = _read(token) or (0, 0)
    person = people.directory.by_id(person_id, now=now) if person_id else None
    return cancel(person=person, browser=browser, now=now, loss_id=loss_id) if person else Gone()


def link_is_live(*, token: str) -> bool:
    """Whether pressing the button of that page would stop something."""
    loss_id, person_id = _read(token) or (0, 0)
    found = factors.losses.waiting(person_id) if person_id else None
    return found is not None and found.id == loss_id


@transaction.atomic
def by_operator(*, person: people.PersonFacts, reason: str, now: datetime) -> Done | Gone:
    """Remove every factor and printed code for an owner whom the operator has recognised. Whatever is open ends, for
    the factor may be another's; a frozen account stays frozen. Gone: there was none."""
    people.contacts.lock(person.id)
    if not factors.held.remove_all(person.id, now=now):
        return Gone()
    factors.backup.remove(person.id)
    ended, told = close_sessions.end_everything(person, now=now, why="factors_dropped")
    entry = audit_log.record_event(
        "factors_dropped", now=now, person_id=person.id, outcome="by_operator", sessions_ended=len(ended),
        sites_told=told, reason=reason[: close_account.LONGEST_REASON],
    )  # fmt: skip
    notices.tell(person, "factors_dropped", now=now, browser=Browser(), entry=entry)
    return Done()


def cancel_token(loss: factors.losses.LossFacts) -> str:
    """Make what the link in the notice carries: it can stop this one wait, and opens nothing."""
    named = (loss.id, loss.person_id)
    return "-".join(map(str, (*named, encryption.browser_keys().sign(_PURPOSE, *named))))


def _read(token: str) -> tuple[int, int] | None:
    """(loss, person) of a genuine token. It ends with what it stops."""
    parts = token.split("-")
    if len(parts) != 3 or not token.isascii() or not all(part.isdecimal() and len(part) < 19 for part in parts[:2]):
        return None
    loss_id, person_id = map(int, parts[:2])
    return (loss_id, person_id) if encryption.browser_keys().verify(parts[2], _PURPOSE, loss_id, person_id) else None
