"""Recovery: asking is one insert; the worker looks up, compares, issues and puts the message into the outbox.

Asking changes nothing for the owner (promise iv): the password in use stays valid until the new one is saved. And no
try of a stranger silences him: a right contact always brings a message (ADR 36).

right contact
  ├─ the budget of a known device, or of account and contact → a new secret
  ├─ beyond them → the running secret again, or a new one where none runs
  ├─ beyond that too, and it left less than two minutes ago → that message serves, also in this browser
  └─ else → within two minutes, when it has not been sent meanwhile

A pupil's message may go to a guardian's contact (`guardians.py`); limits and secrets are the pupil's.
A request for vouching (`vouch.py`) is asked and answered here by the same moves; budgets and secrets are its own."""

from collections.abc import Sequence
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
from massar.journeys import season
from massar.journeys.account import defend, edit_profile, guardians, sign_in
from massar.journeys.messages import sms_budget
from massar.journeys.outcomes import ChallengeRequired, Done, Problem, TooManyAttempts

# What must be left of a secret's life when it is sent again: whoever asks just after has time enough to type it.
_WORTH_SENDING = credentials.temporary.WORTH_TYPING + limits.rate_limits.JUST_SENT
MESSAGES = {credentials.temporary.RECOVERY: "temporary_password", credentials.temporary.VOUCHING: "vouching_code"}
POSTPONED = timedelta(minutes=2)  # at least, while the country's SMS are spent: a long queue must not turn in place


def ask(
    *, typed_login: str, channel: str, typed_contact: str, ask_id: str, browser: Browser, now: datetime,
    purpose: str = credentials.temporary.RECOVERY, answer: defend.ChallengeAnswer | None = None,
) -> Done | TooManyAttempts | ChallengeRequired:  # fmt: skip
    """Store what was typed, encrypted. The same work and the same answer whatever it was; nothing is looked up. Limit
    and row are one commit: who reads "asked" is answered, whatever dies. TooManyAttempts only speaks of the network's
    limit, or of this browser's, which know nothing of what was typed. In a siege a browser that knows no account meets
    a challenge first. answer: the one that kept what was typed."""
    asked = typed(typed_login, channel, typed_contact, browser, purpose=purpose)
    known = sessions.devices.read(browser.trusted_devices, now=now)[:1]
    if not known:
        kept = {"login": typed_login, "channel": channel, "contact": typed_contact, "ask_id": ask_id}
        unmet = defend.before_asking(action=purpose, typed=kept, browser=browser, answer=answer, now=now)
        if unmet:
            return unmet
    # The limit of a browser that knows an account comes first; the network's when that is spent.
    buckets = [limits.rate_limits.ASK_DEVICE.bucket(device.person_id) for device in known]
    return put(ask_id, asked, [*buckets, limits.rate_limits.ASK_NETWORK.bucket(browser.network)], now=now) or Done()


def typed(
    login: str, channel: str, contact: str, browser: Browser, *, purpose: str = credentials.temporary.RECOVERY
) -> delivery.TypedRecovery:
    """What a request for a secret holds; channel: email or phone."""
    read = edit_profile.read_contact(channel, contact)
    return delivery.TypedRecovery(
        login=text.login(login) or "", channel=channel, contact="" if isinstance(read, Problem) else read,
        language=browser.language, network=browser.network, browser=browser.label,
        trusted_devices=browser.trusted_devices, recovery_browser=browser.recovery_browser, purpose=purpose,
    )  # fmt: skip


@transaction.atomic(savepoint=False)
def put(
    ask_id: str, asked: delivery.TypedRecovery, buckets: Sequence[limits.Bucket], *, now: datetime
) -> TooManyAttempts | None:
    """Store a request, charged to the first of these limits that is not spent: one commit."""
    charged = limits.consume_first(buckets, now=now)
    if isinstance(charged, limits.RateLimited):
        return TooManyAttempts(charged.until)
    if not delivery.requests.put(ask_id, asked, now=now):
        limits.refund([charged], now=now)  # a reload, or a repeat after a lost answer
    return None


class _Judged(NamedTuple):
    """What a request leads to: the word of the audit log and, where a message is to leave, the `contact` it goes to.
    `guardian`: whose contact it is, where it is not the person's own. `known`: asked for at a known device. `again`:
    beyond the limits of new secrets, so with the `live` one, if any."""

    person: people.PersonFacts | None
    outcome: str
    contact: people.Contact | None = None
    guardian: people.PersonFacts | None = None
    known: bool = False
    again: bool = False
    live: credentials.temporary.LiveSecret | None = None


class _Way(NamedTuple):
    """To whom a message may go: the contact that was typed, of the person or of that guardian."""

    person: people.PersonFacts
    contact: people.Contact
    guardian: people.PersonFacts | None = None


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
        if later.until - claimed.created_at > season.queue_longest(now):
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
        f"{asked.purpose}_asked", now=now, person_id=person_id, outcome=judged.outcome, browser=browser,
        typed_login=asked.login, channel=asked.channel, **({"guardian": judged.guardian.id} if judged.guardian else {}),
    )  # fmt: skip
    if person and judged.contact:
        _send(person, judged.contact, judged, asked, now)
    return judged.outcome


def _judge(asked: delivery.TypedRecovery, asked_at: datetime, now: datetime) -> _Judged:
    found = people.directory.candidates(asked.login, now=now)
    if not found:
        return _Judged(None, "unknown")
    person, one = found[0], found[0] if len(found) == 1 else None
    if now - asked_at > season.queue_longest(now):
        return _Judged(one, "too_late")
    opens = [p for p in found if p.enabled and not (p.frozen_at and asked.purpose != credentials.temporary.RECOVERY)]
    if not opens:
        return _Judged(one, "disabled")
    # What a freeze drops at this moment gets nothing; two secrets alive at most.
    links = guardians.lock_with_pupils(found, now=now)
    right = [way for p in opens if (way := _way_to(p, links, asked, now))]
    if len(right) == 1:  # of two with one name the contact tells who is meant; one of both tells nothing
        return _find_a_way(right[0], asked, asked_at, now)
    if one is None:
        return _Judged(None, "no_match")
    # Counted against network and browser, never against the account; it only changes the word in the audit log.
    by_network = limits.rate_limits.GUESS_NETWORK.bucket(person.id, asked.network)
    spent = limits.consume([by_network, limits.rate_limits.GUESS_BROWSER.bucket(asked.recovery_browser)], now=now)
    return _Judged(person, "guesses_spent") if spent else _Judged(person, "no_match")


def _way_to(
    person: people.PersonFacts, links: Sequence[people.guardians.Link], asked: delivery.TypedRecovery, now: datetime
) -> _Way | None:
    """The contact that was typed, where it is the person's own, or for a recovery that of a guardian."""
    kind = "email" if asked.channel == "email" else "phone"
    if held := people.contacts.matching(person.id, kind, asked.contact, now):
        return _Way(person, held)
    guarded = links if asked.purpose == credentials.temporary.RECOVERY else ()
    reached = guardians.reached(person, guarded, kind, asked.contact, now=now)
    return _Way(person, reached.contact, reached.guardian) if reached else None


def _find_a_way(way: _Way, asked: delivery.TypedRecovery, asked_at: datetime, now: datetime) -> _Judged:
    """Find the limit that gives the message, a known device's own first: what strangers spend is not his; a guardian's
    own device counts for a child. Raises _Later where none does, and nothing was sent since."""
    person, contact, guardian = way
    rates, owner = limits.rate_limits, (person.id, contact.kind, contact.value)
    gap = rates.apart(rates.ASK_GAP, asked.purpose).bucket(asked.recovery_browser, *owner)
    if asked.recovery_browser and limits.consume([gap], now=now):
        return _Judged(person, "too_often")
    owners = (person, guardian) if guardian else (person,)
    known_ones = (sign_in.known_device(one, asked.trusted_devices, now=now) for one in owners)
    device = next(filter(None, known_ones), None)
    known = device is not None
    ways = [(rates.SEND_DEVICE_HOUR, rates.SEND_DEVICE_DAY, (device.nonce, *owner))] if device else []
    for hour, day, whose in (*ways, (rates.SEND_HOUR, rates.SEND_DAY, owner)):
        both = (rates.hourly(hour, settings.MASSAR.recoveries_per_hour), day)
        if limits.consume([rates.apart(one, asked.purpose).bucket(*whose) for one in both], now=now) is None:
            return _Judged(person, "sent", contact, guardian, known)
    return _send_again(way, asked, asked_at, known=known, now=now)


def _send_again(way: _Way, asked: delivery.TypedRecovery, asked_at: datetime, *, known: bool, now: datetime) -> _Judged:
    """Beyond the limits of new secrets: what runs serves this browser too. Raises _Later."""
    person, contact, guardian = way
    live = credentials.temporary.find_live(person.id, contact.id, purpose=asked.purpose, now=now)
    refused = None
    if live is None or live.issued_at <= asked_at:  # else one message answers all who waited for it
        refused = limits.consume([_again(asked.purpose, person, contact)], now=now)
        if refused is None:
            runs_out = live and live.expires_at and live.expires_at < now + _WORTH_SENDING
            live = None if runs_out else live
            return _Judged(person, "sent_again", contact, guardian, known, again=True, live=live)
    if refused and (live is None or now - live.issued_at > limits.rate_limits.JUST_SENT):
        raise _Later(refused.until, _Judged(person, "too_often"))
    if live:
        credentials.temporary.share(live, recovery_browser=asked.recovery_browser, sent_at=live.issued_at)
    return _Judged(person, "sent_meanwhile")


def _again(purpose: str, person: people.PersonFacts, contact: people.Contact) -> limits.Bucket:
    limit = limits.rate_limits.apart(limits.rate_limits.SEND_AGAIN, purpose)
    return limit.bucket(person.id, contact.kind, contact.value)


def fill_limits(person: people.PersonFacts, *, purpose: str, now: datetime) -> None:
    """Let the next request be answered at once, for the running secrets have just served their owner and ended."""
    held = [*people.contacts.of_person(person.id, now), *guardians.contacts_of(person, now=now)]
    limits.refund([], reset=[_again(purpose, person, contact) for contact in held])


def longest(channel: str, now: datetime) -> timedelta:
    """Return how long after asking something of it can be of use: the wait, the hand-over, the secret's life."""
    return season.queue_longest(now) + 2 * season.lifetime(channel, now)


def _write_secret(
    person_id: int, contact_id: int, channel: str, judged: _Judged, asked: delivery.TypedRecovery, now: datetime
) -> tuple[int, str]:
    """Give this browser its row of the running secret, or of a new one: (id, secret)."""
    live, asker = judged.live, asked.recovery_browser
    if live is None:
        return credentials.temporary.issue(
            person_id, channel=channel, contact_id=contact_id, recovery_browser=asker, known=judged.known,
            purpose=asked.purpose, now=now,
        )  # fmt: skip
    sent_at = now if live.expires_at else live.issued_at  # what has not left looks no younger for being asked again
    return credentials.temporary.share(live, recovery_browser=asker, sent_at=sent_at), live.secret


def _send(
    person: people.PersonFacts, contact: people.Contact, judged: _Judged, asked: delivery.TypedRecovery, now: datetime
) -> None:
    """Write the secret and its message: one commit with the end of the request. Raises _Later."""
    channel, live = "sms" if contact.kind == "phone" else "email", judged.live
    temporary_id, secret = _write_secret(person.id, contact.id, channel, judged, asked, now)
    if live and live.expires_at is None:
        return  # its message is still to leave
    # An SMS binds the secret to the host (a phone offers it to no other site); a mail says what to type.
    host = settings.MASSAR.host if channel == "sms" else settings.MASSAR.address
    lifetime = season.lifetime(channel, now)
    language = judged.guardian.language if judged.guardian else asked.language or person.language
    child = {"child": person.first_name(language)} if judged.guardian else {}
    delivery.outbox.put(
        purpose=MESSAGES[asked.purpose], channel=channel, language=language,
        person_id=person.id, to=contact.value, temporary_id=temporary_id, lifetime=lifetime,
        expires_at=live.expires_at if live else None, now=now, within=season.queue_longest(now) + lifetime, priority=1,
        values={"secret": secret, "host": host, "help": settings.MASSAR.help_contact, **child},
    )  # fmt: skip
    if channel == "email":
        return
    # The reserve is for new secrets of recoveries: what strangers have sent again to one phone takes it from nobody.
    reserved = asked.purpose == credentials.temporary.RECOVERY and not judged.again
    refused = sms_budget.take_for_recovery(now=now) if reserved else sms_budget.take(1, now=now)
    if refused:  # a long queue must not turn in place
        raise _Later(max(refused.until, now + POSTPONED), _Judged(person, "over_budget"))
