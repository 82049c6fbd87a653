"""Telling the owner: each proved contact and the institution mailbox hear of changes (NIST SP 800-63B-4 §4.6)."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from massar.core import encryption
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.domain.people import api as people

WITHIN = timedelta(days=2)
BY_MAIL_ALONE = (
    "new_device",
    "desk_unmasked",
    "desk_recovery",
)  # too frequent for the country's SMS, or told beside one


def tell(
    person: people.PersonFacts, event: str, *, now: datetime, browser: Browser, besides: int | None = None,
    about: people.Contact | None = None, counts_from: datetime | None = None, dropped: Sequence[people.Contact] = (),
    cancel_url: Callable[[str], str] | None = None, link: str = "", entry: str = "", whom: str = "",
) -> None:  # fmt: skip
    """Send one notice to each address of the person, inside the transaction of the event. Who adds and takes back
    without end causes no SMS without end: past the account's limit the mails alone tell it.

    besides: a contact left out. dropped: contacts that a recovery has cancelled. cancel_url: makes the address of the
    page that takes the change back, from the token for it. link: that address itself. whom: the name of another
    person whom it concerns. entry: the event's uid in the
    audit log, which the link "this was not me" of the mails names."""
    values = {
        "event": event,
        "when": now.isoformat(),
        "device": browser.label,
        "contact": about.masked if about else "",
        "whom": whom,
        "counts_from": counts_from.isoformat() if counts_from else "",
        "dropped": " · ".join(one.masked for one in dropped),
        "host": settings.MASSAR.address,
        "help": settings.MASSAR.help_contact,
    }
    links = {
        "cancel_url": link or _cancel_link(person, about, counts_from, cancel_url),
        "not_me_url": entry and f"{settings.MASSAR.not_me_url}{not_me_token(person.id, entry)}/",
    }
    held = [c for c in people.contacts.of_person(person.id, now) if c.receives(now) and c.id != besides]
    for kind, to in [("email", person.login), *((c.kind, c.value) for c in held)]:
        channel = "sms" if kind == "phone" else "email"
        if channel == "sms" and (
            event in BY_MAIL_ALONE or limits.consume([limits.rate_limits.NOTICE_SMS.bucket(person.id)], now=now)
        ):
            continue
        delivery.outbox.put(
            purpose="notice", channel=channel, language=browser.language or person.language, person_id=person.id,
            to=to, now=now, within=WITHIN, about=event,
            values={**values, **(links if channel == "email" else {})},
        )  # fmt: skip


def tell_head(head: people.PersonFacts, person: people.PersonFacts, *, now: datetime) -> None:
    """Tell the head of a person's establishment, at the institution's mailbox, that the help desk has let a browser set
    that person's password: whoever is not at the desk may be sitting next door."""
    values = {
        "event": "desk_colleague", "when": now.isoformat(), "whom": person.name(head.language),
        "host": settings.MASSAR.address, "help": settings.MASSAR.help_contact,
    }  # fmt: skip
    delivery.outbox.put(
        purpose="notice", channel="email", language=head.language, person_id=head.id, to=head.login, now=now,
        within=WITHIN, about="desk_colleague", values=values,
    )  # fmt: skip


def tell_of_found_factors(person: people.PersonFacts, *, browser: Browser, now: datetime) -> None:
    """A lost factor is lost no more: the wait was stopped."""
    entry = audit_log.record_event("factors_found", now=now, person_id=person.id, browser=browser)
    tell(person, "factors_found", now=now, browser=browser, entry=entry)


def not_me_token(person_id: int, entry: str) -> str:
    """Make what the link "this was not me" about that event of the audit log carries. It can freeze the account, once,
    and nothing else: `freeze_account`."""
    return f"{person_id}.{entry}.{encryption.browser_keys().sign('not-me', person_id, entry)}"


def read_not_me_token(token: str) -> tuple[int, str] | None:
    """Return (person, the event's uid) of a genuine token; None otherwise."""
    person_id, _, rest = token.partition(".")
    entry, _, signature = rest.rpartition(".")
    genuine = encryption.browser_keys().verify(signature, "not-me", person_id, entry)
    return (int(person_id), entry) if genuine else None


def _cancel_link(
    person: people.PersonFacts, about: people.Contact | None, ends: datetime | None,
    cancel_url: Callable[[str], str] | None,
) -> str:  # fmt: skip
    return cancel_url(cancel_token(about.id, person.id, ends)) if cancel_url and about and ends else ""


def cancel_token(contact_id: int, person_id: int, ends: datetime) -> str:
    """Make what the link in the notice carries. It can take back this one contact change and nothing else."""
    named = (contact_id, person_id, int(ends.timestamp()))
    return "-".join(map(str, (*named, encryption.browser_keys().sign("cancel-contact", *named))))


def read_cancel_token(token: str, *, now: datetime) -> tuple[int, int] | None:
    """Return (contact, person) of a genuine token whose change still waits; None otherwise."""
    parts = token.split("-")
    if len(parts) != 4 or not token.isascii() or not all(p.isdecimal() and len(p) < 19 for p in parts[:3]):
        return None
    contact_id, person_id, end = map(int, parts[:3])
    genuine = encryption.browser_keys().verify(parts[3], "cancel-contact", contact_id, person_id, end)
    return (contact_id, person_id) if genuine and end > now.timestamp() else None
