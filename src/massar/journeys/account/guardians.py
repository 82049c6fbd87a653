"""What guardians have to do with a pupil's recovery: its message may go to a contact of theirs, and they hear of it.

The message names the child and holds the temporary password. Handing it over is the guardian's yes; who does nothing
has said no, and nothing has changed. A guardian whose link has ended, whose account is disabled or frozen, or who is
another child's, is nobody here (ADR 79)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core import local_time
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.journeys.account import notices


class Reached(NamedTuple):
    """A guardian, and the usable contact of theirs that was typed."""

    guardian: people.PersonFacts
    contact: people.Contact


def lock_with_pupils(found: Sequence[people.PersonFacts], *, now: datetime) -> list[people.guardians.Link]:
    """Lock these people, and the guardians of those who are pupils, in one statement as everywhere; return the links as
    they stand behind it. Who has no pupil among them asks for no links."""
    pupils = _pupils(found)
    links = people.guardians.of_pupils(pupils, now=now)
    guardians = sorted({one.guardian_id for one in links})
    people.contacts.lock(*people.directory.ids_of(found), *guardians)
    return [one for one in people.guardians.of_pupils(pupils if links else (), now=now) if one.guardian_id in guardians]


def reached(
    pupil: people.PersonFacts, links: Iterable[people.guardians.Link], kind: str, typed: str, *, now: datetime
) -> Reached | None:
    """The first guardian of that pupil who has this contact, if it may receive what opens an account."""
    for link in links:
        if link.pupil_id == pupil.id and (held := people.contacts.matching(link.guardian_id, kind, typed, now)):
            guardian = people.directory.by_id(link.guardian_id, now=now)
            return Reached(guardian, held) if guardian else None
    return None


def contacts_of(pupil: people.PersonFacts, *, now: datetime) -> list[people.Contact]:
    """Every proved contact of the pupil's guardians."""
    links = people.guardians.of_pupils(_pupils([pupil]), now=now)
    held = [contact for link in links for contact in people.contacts.of_person(link.guardian_id, now)]
    return [contact for contact in held if contact.receives(now)]


def usable_of(pupil: people.PersonFacts, *, now: datetime) -> list[people.Contact]:
    """The contacts of the pupil's guardians to which a recovery may go."""
    links = people.guardians.of_pupils(_pupils([pupil]), now=now)
    return [contact for link in links for contact in people.contacts.usable(link.guardian_id, now)]


def tell(pupil: people.PersonFacts, event: str, *, browser: Browser, now: datetime, entry: str = "") -> None:
    """Tell each guardian of something grave on the child's account, at every contact but for one message to a value
    that two of them share. By SMS within the child's limit of notices. Nothing for who is no pupil. entry: as for
    `notices.tell`."""
    links = people.guardians.of_pupils(_pupils([pupil]), now=now)
    facts = people.directory.by_ids([link.guardian_id for link in links], now=now)
    held = people.contacts.receiving(facts, now)
    for guardian, contact in _each_once((facts[link.guardian_id] for link in links if link.guardian_id in facts), held):
        _tell_one(pupil, guardian, contact, event, entry=entry, browser=browser, now=now)


def tell_linked(
    links: Sequence[people.guardians.NewLink], before: Iterable[people.guardians.Link], *, now: datetime
) -> None:
    """Tell of new links whoever could say that one is wrong: the new guardian, those of before, and a pupil who has
    contacts. before: the links of these pupils until now.

    A list of a school year makes a million links of pupils whom nobody could warn: their first guardians hear by mail
    alone (campaigns, which are counted before, have SMS for whole years). No letter has the link that freezes the
    account: a guardian of before could use it against the new one, and the other way round."""
    others = dict[int, list[int]]()
    for stood in before:
        others.setdefault(stood.pupil_id, []).append(stood.guardian_id)
    pairs = [(link, [link.guardian_id, *others.get(link.pupil_id, ())]) for link in links]
    concerned = {id for link, guardian_ids in pairs for id in (link.pupil_id, *guardian_ids)}
    facts, held = people.directory.by_ids(concerned, now=now), people.contacts.receiving(concerned, now)
    for link, guardian_ids in pairs:
        pupil, new = facts[link.pupil_id], facts[link.guardian_id]
        warned = link.pupil_id in held or link.pupil_id in others
        for guardian, contact in _each_once((facts[id] for id in guardian_ids), held):
            if warned or contact.kind != "phone":
                _tell_one(pupil, guardian, contact, "child_linked", browser=Browser(), now=now, whom=new)
        if link.pupil_id in held:
            notices.tell(pupil, "guardian_linked", now=now, browser=Browser(), whom=new.name(pupil.language))


def _each_once(
    guardians: Iterable[people.PersonFacts], held: Mapping[int, Sequence[people.Contact]]
) -> list[tuple[people.PersonFacts, people.Contact]]:
    """Their contacts, each with whose it is; a value that two of them share is the first one's alone."""
    found = dict[tuple[str, str], tuple[people.PersonFacts, people.Contact]]()
    for guardian in guardians:
        for contact in held.get(guardian.id, ()):
            found.setdefault((contact.kind, contact.value), (guardian, contact))
    return list(found.values())


def _tell_one(
    pupil: people.PersonFacts, guardian: people.PersonFacts, contact: people.Contact, event: str, *, entry: str = "",
    browser: Browser, now: datetime, whom: people.PersonFacts | None = None,
) -> None:  # fmt: skip
    sms = contact.kind == "phone"
    if sms and limits.consume([limits.rate_limits.NOTICE_SMS.bucket(pupil.id)], now=now):
        return
    link = f"{settings.MASSAR.not_me_url}{notices.not_me_token(pupil.id, entry)}/" if entry and not sms else ""
    delivery.outbox.put(
        purpose="notice", channel="sms" if sms else "email", language=guardian.language, person_id=guardian.id,
        to=contact.value, now=now, within=notices.WITHIN, about=event,
        values={
            "event": event, "when": now.isoformat(), "device": browser.label, "host": settings.MASSAR.address,
            "child": pupil.first_name(guardian.language), "help": settings.MASSAR.help_contact,
            "not_me_url": link, "whom": whom.name(guardian.language) if whom else "",
        },
    )  # fmt: skip


def tell_unlinked(pupil: people.PersonFacts, ended: people.PersonFacts, *, now: datetime) -> None:
    """Tell that somebody answers for the pupil no more: that one, those who still do, and a pupil who has contacts."""
    links = people.guardians.of_pupils(_pupils([pupil]), now=now)
    facts = people.directory.by_ids([ended.id, *(link.guardian_id for link in links)], now=now)
    held = people.contacts.receiving([*facts, pupil.id], now)
    for guardian, contact in _each_once(facts.values(), held):
        _tell_one(pupil, guardian, contact, "child_unlinked", browser=Browser(), now=now, whom=ended)
    if pupil.id in held:
        notices.tell(pupil, "guardian_unlinked", now=now, browser=Browser(), whom=ended.name(pupil.language))


def end_what_was_told(guardian: people.PersonFacts, *, now: datetime, why: str) -> int:
    """End the secrets of children that went to a contact of this guardian; how many."""
    children = [one.pupil_id for one in people.guardians.of_guardian(guardian.id, now=now)]
    held = [one.id for one in people.contacts.history(guardian.id)] if children else []
    return credentials.temporary.end_told(children, held, now=now, why=why) if held else 0


@transaction.atomic
def unlink(pupil_id: int, guardian_id: int, *, now: datetime) -> bool:
    """End a link at once; False where there was none any more."""
    people.contacts.lock(pupil_id)
    if not people.guardians.end(pupil_id, guardian_id, last=local_time.local(now).date() - timedelta(days=1)):
        return False
    say_unlinked(pupil_id, guardian_id, now=now)
    return True


def say_unlinked(pupil_id: int, guardian_id: int, *, now: datetime) -> None:
    """A link has ended before its time: whoever could object hears of it. Inside the caller's transaction."""
    stop_told(pupil_id, guardian_id, now=now)
    audit_log.record_event("guardian_unlinked", now=now, person_id=pupil_id, guardian=guardian_id)
    audit_log.record_event("child_unlinked", now=now, person_id=guardian_id, pupil=pupil_id)
    facts = people.directory.by_ids([pupil_id, guardian_id], now=now)
    tell_unlinked(facts[pupil_id], facts[guardian_id], now=now)


def stop_told(pupil_id: int, guardian_id: int, *, now: datetime) -> None:
    """What that guardian was told for the pupil serves no more."""
    held = [one.id for one in people.contacts.history(guardian_id)]
    credentials.temporary.end_told([pupil_id], held, now=now, why="unlinked")


def _pupils(found: Iterable[people.PersonFacts]) -> list[int]:
    return [one.id for one in found if one.is_pupil]
