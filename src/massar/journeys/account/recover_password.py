"""Recovery: asking is one insert; the worker looks up, compares, issues and puts the message into the outbox.

Asking changes nothing for the owner (promise iv): the password in use stays valid until the new one is saved. And no
try of a stranger silences him: a right contact always brings a message (ADR 36).

right contact
  ├─ the budget of a known device, or of account and contact → a new secret
  ├─ beyond them → the running secret again, or a new one where none runs
  └─ beyond that too → in some minutes, when it has not been sent meanwhile"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core import text
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.account import defend, edit_profile
from massar.journeys.messages import sms_budget
from massar.journeys.outcomes import ChallengeRequired, Done, Problem, TooManyAttempts

QUEUE_LONGEST = timedelta(minutes=45)  # after that the person has gone: nothing is issued or sent
POSTPONED = timedelta(minutes=2)  # at least, while the country's SMS are spent: a long queue must not turn in place


ACTION = "recovery"  # what a challenge that is met here opens


def ask(
    *, typed_login: str, channel: str, typed_contact: str, ask_id: str, browser: Browser, now: datetime,
    answer: defend.ChallengeAnswer | None = None,
) -> Done | TooManyAttempts | ChallengeRequired:  # fmt: skip
    """Store what was typed, encrypted. The same work and the same answer whatever it was; nothing is looked up. Limit
    and row are one commit: who reads "asked" is answered, whatever dies. TooManyAttempts only speaks of the network's
    limit, or of this browser's, which know nothing of what was typed. In a siege a browser that knows no account meets
    a challenge first. answer: the one that kept what was typed."""
    contact = edit_profile.read_contact(channel, typed_contact)
    asked = delivery.TypedRecovery(
        login=text.login(typed_login) or "", channel=channel, contact="" if isinstance(contact, Problem) else contact,
        language=browser.language, network=browser.network, browser=browser.label,
        trusted_devices=browser.trusted_devices, recovery_browser=browser.recovery_browser,
    )  # fmt: skip
    known = sessions.devices.read(browser.trusted_devices, now=now)[:1]
    if not known:
        typed = {"login": typed_login, "channel": channel, "contact": typed_contact, "ask_id": ask_id}
        unmet = defend.before_asking(action=ACTION, typed=typed, browser=browser, answer=answer, now=now)
        if unmet:
            return unmet
    with transaction.atomic(savepoint=False):
        # The limit of a browser that knows an account comes first; the network's when that is spent.
        buckets = [limits.rate_limits.ASK_DEVICE.bucket(device.person_id) for device in known]
        for bucket in (*buckets, limits.rate_limits.ASK_NETWORK.bucket(browser.network)):
            refused = limits.consume([bucket], now=now)
            if refused is None:
                break
        if refused:
            return TooManyAttempts(refused.until)
        if not delivery.requests.put(ask_id, asked, now=now):
            limits.refund([bucket], now=now)  # a reload, or a repeat after a lost answer
    return Done()


class _Judged(NamedTuple):
    """What a request leads to: the word of the audit log and, where a message is to leave, the `contact` it goes to.
    `known`: asked for at a known device. `again`: beyond the limits of new secrets, so with the `live` one, if any."""

    person: people.PersonFacts | None
    outcome: str
    contact: people.Contact | None = None
    known: bool = False
    again: bool = False
    live: credentials.temporary.LiveSecret | None = None


class _Later(Exception):
    """What this answer needs comes back at `until`. All that was written and consumed for it goes back. judged: what
    the audit log says if that is too late."""

    def __init__(self, until: datetime, judged: _Judged):
        super().__init__()
        self.until, self.judged = until, judged


def answer(claimed: delivery.requests.ClaimedRequest, *, now: datetime) -> str:
    """Answer one claimed request, in one transaction. Returns what was done, for the worker's log. Where the country's
    SMS are spent, or the contact has just been written to, it waits while there is time."""
    if claimed.tries > delivery.requests.MOST_TRIES:
        return _give_up(claimed, "every worker that took it died", now)
    try:
        return _answer(claimed, None, now)
    except _Later as later:
        if later.until - claimed.created_at > QUEUE_LONGEST:
            return _answer(claimed, later.judged, now)
        delivery.requests.postpone(claimed, until=later.until)
        return "postponed"


def meet_fault(claimed: delivery.requests.ClaimedRequest, fault: str, *, now: datetime) -> None:
    """Have a request whose answer met a fault of ours answered later, or end it after the last try."""
    if claimed.tries < delivery.requests.MOST_TRIES:
        delivery.requests.postpone(claimed, until=now + delivery.requests.pause(claimed), fault=fault)
    else:
        _give_up(claimed, fault, now)


@transaction.atomic
def _give_up(claimed: delivery.requests.ClaimedRequest, fault: str, now: datetime) -> str:
    if not delivery.requests.finish(claimed, now=now, reason=f"{delivery.outbox.FAULT}{fault}"):
        return "lost"
    audit_log.record_event("recovery_asked", now=now, outcome="fault")
    delivery.counters.add(delivery.counters.count_fault("recovery"))
    return "fault"


@transaction.atomic
def _answer(claimed: delivery.requests.ClaimedRequest, judged: _Judged | None, now: datetime) -> str:
    """judged: what it comes to without a message, since nothing can be sent in time. Raises _Later."""
    asked = claimed.form
    if not delivery.requests.finish(claimed, now=now, reason="" if asked else delivery.outbox.UNREADABLE):
        return "lost"
    if asked is None:
        audit_log.record_event("recovery_asked", now=now, outcome="unreadable")
        return "unreadable"
    judged = judged or _judge(asked, claimed.created_at, now)
    person, browser = judged.person, Browser(network=asked.network, label=asked.browser)
    person_id = person.id if person else None
    audit_log.record_event(
        "recovery_asked", now=now, person_id=person_id, outcome=judged.outcome, browser=browser, channel=asked.channel
    )
    if person and judged.contact:
        _send(person, judged.contact, judged, asked, now)
    return judged.outcome


def _judge(asked: delivery.TypedRecovery, asked_at: datetime, now: datetime) -> _Judged:
    person = people.directory.by_login(asked.login)
    if person is None:
        return _Judged(None, "unknown")
    if now - asked_at > QUEUE_LONGEST:
        return _Judged(person, "too_late")
    if not person.active:
        return _Judged(person, "disabled")
    kind = "email" if asked.channel == "email" else "phone"
    contact = people.contacts.matching(person.id, kind, asked.contact, now)
    if contact:
        return _find_a_way(person, contact, asked, asked_at, now)
    # Counted against network and browser, never against the account; it only changes the word in the audit log.
    by_network = limits.rate_limits.GUESS_NETWORK.bucket(person.id, asked.network)
    spent = limits.consume([by_network, limits.rate_limits.GUESS_BROWSER.bucket(asked.recovery_browser)], now=now)
    return _Judged(person, "guesses_spent") if spent else _Judged(person, "no_match")


def _find_a_way(
    person: people.PersonFacts,
    contact: people.Contact,
    asked: delivery.TypedRecovery,
    asked_at: datetime,
    now: datetime,
) -> _Judged:  # fmt: skip
    """Find the limit that gives the message, a known device's own first: what strangers spend is not his. Raises _Later
    where none does, and nothing was sent since."""
    people.contacts.lock(person.id)  # requests answered side by side still leave two secrets alive at most
    rates, owner = limits.rate_limits, (person.id, contact.kind, contact.value)
    gap = rates.ASK_GAP.bucket(asked.recovery_browser, *owner)
    if asked.recovery_browser and limits.consume([gap], now=now):
        return _Judged(person, "too_often")
    since = credentials.passwords.stored(person.id).devices_since
    device = sessions.devices.find(asked.trusted_devices, person.id, now=now, not_before=since)
    known = device is not None
    ways = [(rates.SEND_DEVICE_HOUR, rates.SEND_DEVICE_DAY, (device.nonce, *owner))] if device else []
    for hour, day, whose in (*ways, (rates.SEND_HOUR, rates.SEND_DAY, owner)):
        buckets = [rates.hourly(hour, settings.MASSAR.recoveries_per_hour).bucket(*whose), day.bucket(*whose)]
        if limits.consume(buckets, now=now) is None:
            return _Judged(person, "sent", contact, known)
    live = credentials.temporary.find_live(person.id, contact.id, now=now)
    if live and live.issued_at > asked_at:  # one message answers all who waited for it
        if live.expires_at is not None:
            credentials.temporary.share(live, recovery_browser=asked.recovery_browser, sent_at=live.issued_at)
        return _Judged(person, "sent_meanwhile")
    refused = limits.consume([rates.SEND_AGAIN.bucket(*owner)], now=now)
    if refused:
        raise _Later(refused.until, _Judged(person, "too_often"))
    return _Judged(person, "sent_again", contact, known, again=True, live=live)


def _lifetime(channel: str) -> timedelta:
    return settings.MASSAR.temporary_sms if channel == "sms" else settings.MASSAR.temporary_email


def longest(channel: str) -> timedelta:
    """Return how long after asking something of it can be of use: the wait, the hand-over, the secret's life."""
    return QUEUE_LONGEST + 2 * _lifetime(channel)


def _send(
    person: people.PersonFacts, contact: people.Contact, judged: _Judged, asked: delivery.TypedRecovery, now: datetime
) -> None:
    """Write the secret and its message: one commit with the end of the request. Raises _Later."""
    channel, live, asker = "sms" if contact.kind == "phone" else "email", judged.live, asked.recovery_browser
    if live and live.expires_at is None:
        return  # its message is still to leave
    if live:
        secret, temporary_id = live.secret, credentials.temporary.share(live, recovery_browser=asker, sent_at=now)
    else:
        temporary_id, secret = credentials.temporary.issue(
            person.id, channel=channel, contact_id=contact.id, recovery_browser=asker, known=judged.known, now=now
        )
    # An SMS binds the secret to the host (a phone offers it to no other site); a mail says what to type.
    host = settings.MASSAR.host if channel == "sms" else settings.MASSAR.address
    lifetime = _lifetime(channel)
    delivery.outbox.put(
        purpose="temporary_password", channel=channel, language=asked.language or person.language, person_id=person.id,
        to=contact.value, temporary_id=temporary_id, lifetime=lifetime, expires_at=live.expires_at if live else None,
        now=now, within=QUEUE_LONGEST + lifetime, priority=1,
        values={"secret": secret, "host": host, "help": settings.MASSAR.help_contact},
    )  # fmt: skip
    if channel == "email":
        return
    # Recovery's reserve is for new secrets: what strangers have sent again to one phone takes it from nobody.
    refused = sms_budget.take(1, now=now) if judged.again else sms_budget.take_for_recovery(now=now)
    if refused:  # a long queue must not turn in place
        raise _Later(max(refused.until, now + POSTPONED), _Judged(person, "over_budget"))
