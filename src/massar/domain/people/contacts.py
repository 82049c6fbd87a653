"""Contacts: proposed, proved by a code, counting from a date, ending at a date (decisions 10 and 12).

proposed --right code--> proved --(time)--> counting --removed or replaced, after the wait--> ended
    |                       |
    +------ cancelled <-----+   (while it does not count yet)
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, Q

from massar.core import encryption, ids, sql, text
from massar.domain.people.models import Contact, Person

MOVES = {
    Contact.State.PROPOSED: {Contact.State.PROVED, Contact.State.CANCELLED},
    Contact.State.PROVED: {Contact.State.CANCELLED},
    Contact.State.CANCELLED: set(),
}
CODE_TRIES = 5
FIRST_DAY = timedelta(days=1)  # in which the second contact of a newcomer joins the first


@dataclass(frozen=True)
class ContactFacts:
    """A contact with its value opened. `counts(now)` is what recovery asks."""

    id: int
    person_id: int
    kind: str
    state: str
    value: str
    proposed_at: datetime
    proved_at: datetime | None
    counts_from: datetime | None
    ends_at: datetime | None
    code_sent_at: datetime | None
    code_expires_at: datetime | None
    code_tries: int
    bounced_at: datetime | None = None

    @property
    def proved(self) -> bool:
        return self.state == Contact.State.PROVED

    def counts(self, now: datetime) -> bool:
        return self.proved and self.counts_from <= now and (self.ends_at is None or self.ends_at > now)

    def waits(self, now: datetime) -> bool:
        return self.proved and self.counts_from > now

    def receives(self, now: datetime) -> bool:
        """Notices go to every proved contact that has not ended, the waiting ones included."""
        return self.proved and (self.ends_at is None or self.ends_at > now)

    @property
    def masked(self) -> str:
        return text.masked_email(self.value) if self.kind == Contact.Kind.EMAIL else text.masked_phone(self.value)


def of_person(person_id: int, now: datetime) -> list[ContactFacts]:
    """Proposed and proved contacts that have not ended, oldest first. Unreadable rows (moved, forged) are left out."""
    rows = Contact.objects.filter(person_id=person_id).exclude(state=Contact.State.CANCELLED)
    rows = rows.filter(Q(ends_at=None) | Q(ends_at__gt=now)).order_by("id")
    return [facts for facts in map(_open, rows) if facts]


def by_id(contact_id: int, person_id: int) -> ContactFacts | None:
    row = Contact.objects.filter(pk=contact_id, person_id=person_id).first()
    return _open(row) if row else None


def matching(person_id: int, kind: str, typed: str, now: datetime) -> ContactFacts | None:
    """The counting contact of that kind whose value is `typed`; every comparison is constant-time."""
    wanted = typed.encode()
    found = None
    for contact in of_person(person_id, now):
        same = hmac.compare_digest(contact.value.encode(), wanted)
        if same and contact.kind == kind and contact.counts(now):
            found = contact
    return found


def accounts_with(kind: str, value: str, *, besides: int, now: datetime) -> int:
    """How many other people have proved this value and still have it."""
    rows = Contact.objects.filter(value_hmac__in=_tags(kind, value), state=Contact.State.PROVED).exclude(
        person_id=besides
    )
    return rows.filter(Q(ends_at=None) | Q(ends_at__gt=now)).values("person_id").distinct().count()


def propose(person_id: int, kind: str, value: str, *, now: datetime, session_id: int | None = None) -> ContactFacts:
    """A new contact, not proved. An older proposal of the same kind is cancelled: one field, one proposal."""
    lock(person_id)
    Contact.objects.filter(person_id=person_id, kind=kind, state=Contact.State.PROPOSED).update(
        state=Contact.State.CANCELLED, ends_at=now, code_hmac=""
    )
    uid = ids.short_token()
    row = Contact.objects.create(
        person_id=person_id,
        kind=kind,
        uid=uid,
        proposed_at=now,
        entered_in=session_id,
        value_hmac=_tags(kind, value)[0],
        value_ciphertext=encryption.data_keys().encrypt(
            value.encode(), associated_data=_associated_data(person_id, kind, uid)
        ),
    )
    return _open(row)


def give_code(contact_id: int, code: str, *, now: datetime, valid_for: timedelta) -> None:
    """Stores the tag of a new code; an older code of this contact no longer fits."""
    Contact.objects.filter(pk=contact_id, state=Contact.State.PROPOSED).update(
        code_hmac=_code_hmac(contact_id, code), code_sent_at=now, code_expires_at=now + valid_for, code_tries=0
    )


def try_code(contact_id: int, person_id: int, code: str, *, now: datetime) -> str:
    """'right', 'wrong', 'expired', 'spent' or 'gone'. Each try is counted before it is compared (atomic)."""
    mine = Contact.objects.filter(pk=contact_id, person_id=person_id, state=Contact.State.PROPOSED)
    if not mine.filter(code_tries__lt=CODE_TRIES).update(code_tries=F("code_tries") + 1):
        return "spent" if mine.exists() else "gone"
    row = mine.first()
    if row is None:
        return "gone"
    right = bool(row.code_hmac) and encryption.data_keys().verify(row.code_hmac, "contact-code", row.pk, code)
    if right and row.code_expires_at <= now:
        return "expired"
    return "right" if right else "wrong"


def prove(
    contact_id: int, person_id: int, *, now: datetime, wait: timedelta, session_id: int | None = None
) -> ContactFacts | None:
    """proposed -> proved. It counts at once if the person had no contact within `wait`, or joins a newcomer's first.

    session_id: the session in which the code was typed. A value that counts already is not doubled: the proposal goes,
    and the contact that has it no longer bounces.
    """
    lock(person_id)
    held = _prove_again(contact_id, person_id, now)
    if held:
        return _open(held)
    mine = Contact.objects.filter(pk=contact_id, person_id=person_id, state=Contact.State.PROPOSED)
    row = mine.first()
    if row is None:
        return None
    waits = _had_contact_since(person_id, now - wait) and not _joins_the_first(row, now - wait, session_id, now)
    mine.update(
        state=Contact.State.PROVED,
        proved_at=now,
        proved_in=session_id,
        counts_from=now + wait if waits else now,
        code_hmac="",
        bounced_at=None,
    )
    proved = Contact.objects.get(pk=contact_id)
    _replace_older(proved, now)
    return _open(proved)


def would_join(person_id: int, kind: str, *, session_id: int, now: datetime, wait: timedelta) -> bool:
    """Whether a contact of that kind, entered and proved now in that session, would join a newcomer's first."""
    new = Contact(person_id=person_id, kind=kind, proposed_at=now)
    return _had_contact_since(person_id, now - wait) and _joins_the_first(new, now - wait, session_id, now)


def _prove_again(contact_id: int, person_id: int, now: datetime) -> Contact | None:
    mine = Contact.objects.filter(person_id=person_id)
    row = mine.filter(pk=contact_id, state=Contact.State.PROPOSED).first()
    proposed = _open(row) if row else None
    if proposed is None:
        return None
    same = mine.filter(kind=proposed.kind, value_hmac__in=_tags(proposed.kind, proposed.value))
    held = same.filter(state=Contact.State.PROVED, bounced_at__isnull=False, ends_at=None).first()
    if held is None:
        return None
    mine.filter(pk=contact_id).update(state=Contact.State.CANCELLED, ends_at=now, code_hmac="")
    mine.filter(pk=held.pk).update(bounced_at=None, proved_at=now)
    return mine.get(pk=held.pk)


def came_back(contact_id: int, *, sent_at: datetime, now: datetime) -> bool:
    """Notes that this address does not exist, unless it was proved after the message was sent. False: nothing is new."""
    open_rows = Contact.objects.filter(pk=contact_id, bounced_at=None).exclude(state=Contact.State.CANCELLED)
    return bool(open_rows.filter(Q(proved_at=None) | Q(proved_at__lte=sent_at)).update(bounced_at=now))


def arrived(contact_id: int, *, sent_at: datetime) -> bool:
    """A message that was sent after the bounce has arrived: the address exists. False: nothing is new."""
    return bool(Contact.objects.filter(pk=contact_id, bounced_at__lte=sent_at).update(bounced_at=None))


def cancel(contact_id: int, person_id: int, *, now: datetime) -> bool:
    """Takes back a proposal, an addition or change that does not count yet, or a removal that has not come about."""
    lock(person_id)
    mine = Contact.objects.filter(pk=contact_id, person_id=person_id)
    undone = mine.filter(Q(state=Contact.State.PROPOSED) | Q(state=Contact.State.PROVED, counts_from__gt=now)).update(
        state=Contact.State.CANCELLED, ends_at=now, code_hmac=""
    )
    if undone:
        kind, counts_from = mine.values_list("kind", "counts_from").get()
        _leaving(person_id, kind, now).filter(ends_at=counts_from).update(ends_at=None)
        return True
    return bool(mine.filter(state=Contact.State.PROVED, ends_at__gt=now).update(ends_at=None))


def remove(contact_id: int, person_id: int, *, now: datetime, wait: timedelta) -> datetime | None:
    """A counting contact ends after the wait. Returns when, or None if there is nothing to remove."""
    lock(person_id)
    ends_at = now + wait
    mine = Contact.objects.filter(
        pk=contact_id, person_id=person_id, state=Contact.State.PROVED, counts_from__lte=now, ends_at=None
    )
    return ends_at if mine.update(ends_at=ends_at) else None


def undo_pending_changes(person_id: int, *, now: datetime, wait: timedelta) -> list[ContactFacts]:
    """A recovery undoes all that is pending and freezes contacts for `wait`. Returns what it undid, as it stands now:
    a cancelled contact was dropped, a proved one would have been removed and stays."""
    lock(person_id)
    mine = Contact.objects.filter(person_id=person_id)
    leaving = mine.filter(state=Contact.State.PROVED, counts_from__lte=now, ends_at__gt=now)
    leaving.update(ends_at=None, undone_at=now)
    mine.filter(Q(state=Contact.State.PROPOSED) | Q(state=Contact.State.PROVED, counts_from__gt=now)).update(
        state=Contact.State.CANCELLED, ends_at=now, code_hmac="", undone_at=now
    )
    Person.objects.filter(pk=person_id).update(contacts_frozen_until=now + wait)
    return undone(person_id, since=now)


def undone(person_id: int, *, since: datetime) -> list[ContactFacts]:
    """What recoveries from that moment on dropped or kept, oldest first."""
    rows = Contact.objects.filter(person_id=person_id, undone_at__gte=since).order_by("id")
    return [facts for facts in map(_open, rows) if facts]


def lock(person_id: int) -> None:
    """Serialises what changes one person. Journeys lock the person before any other row, so that none waits in a circle.

    SQLite is already exclusive inside a write transaction. The key stays free: rows that point to the person go in.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("a person is locked inside a transaction")
    if connection.vendor == "postgresql":
        sql.row("SELECT 1 FROM people_person WHERE id = %s FOR NO KEY UPDATE", (person_id,))


def _had_contact_since(person_id: int, since: datetime) -> bool:
    return _held_since(person_id, since).exists()


def _held_since(person_id: int, since: datetime):
    proved = Contact.objects.filter(person_id=person_id, state=Contact.State.PROVED)
    return proved.filter(Q(ends_at=None) | Q(ends_at__gt=since))


def _joins_the_first(proposed: Contact, since: datetime, session_id: int | None, now: datetime) -> bool:
    """Whether somebody who had no contact until today adds the other kind: whoever could add the first could add both.

    Both were entered in one session before either was proved, or both are proved in one session. Nothing that serves is
    ever replaced this way, and a contact that came with the account begins no first day.
    """
    held = list(_held_since(proposed.person_id, since).order_by("counts_from", "id"))
    first = held[0]
    if proposed.kind in {one.kind for one in held} or first.counts_from > first.proved_at:
        return False
    if not first.counts_from <= now < first.counts_from + FIRST_DAY:
        return False
    entered_together = proposed.entered_in == first.entered_in is not None and proposed.proposed_at <= first.proved_at
    return entered_together or session_id == first.proved_in is not None


def _replace_older(proved: Contact, now: datetime) -> None:
    """The contact of the same kind gives way at the moment the new one counts; a waiting one is dropped."""
    others = Contact.objects.filter(person_id=proved.person_id, kind=proved.kind, state=Contact.State.PROVED).exclude(
        pk=proved.pk
    )
    dropped = others.filter(counts_from__gt=now)
    # Who gave way to the dropped one stays until this one counts: no hours without any contact.
    _leaving(proved.person_id, proved.kind, now).filter(
        ends_at__in=list(dropped.values_list("counts_from", flat=True))
    ).update(ends_at=proved.counts_from)
    dropped.update(state=Contact.State.CANCELLED, ends_at=now)
    others.filter(Q(ends_at=None) | Q(ends_at__gt=proved.counts_from), counts_from__lte=now).update(
        ends_at=proved.counts_from
    )


def _leaving(person_id: int, kind: str, now: datetime):
    """Counting contacts of that kind that have an end before them."""
    proved = Contact.objects.filter(person_id=person_id, kind=kind, state=Contact.State.PROVED)
    return proved.filter(counts_from__lte=now, ends_at__gt=now)


def _open(row: Contact) -> ContactFacts | None:
    try:
        value = (
            encryption.data_keys()
            .decrypt(row.value_ciphertext, associated_data=_associated_data(row.person_id, row.kind, row.uid))
            .decode()
        )
    except encryption.DecryptionFailed:
        return None
    return ContactFacts(
        row.pk,
        row.person_id,
        row.kind,
        row.state,
        value,
        row.proposed_at,
        row.proved_at,
        row.counts_from,
        row.ends_at,
        row.code_sent_at,
        row.code_expires_at,
        row.code_tries,
        row.bounced_at,
    )


def open_with_our_keys() -> bool:
    """Whether the oldest and the newest contact open with the keys of this process; True where there is none."""
    try:
        for row in filter(None, (Contact.objects.order_by("pk").first(), Contact.objects.order_by("pk").last())):
            encryption.data_keys().decrypt(
                row.value_ciphertext, associated_data=_associated_data(row.person_id, row.kind, row.uid)
            )
    except encryption.DecryptionFailed:
        return False
    return True


def _associated_data(person_id: int, kind: str, uid: str) -> str:
    return f"contact|{person_id}|{kind}|{uid}"


def _tags(kind: str, value: str) -> list[str]:
    return encryption.data_keys().blind_indexes("contact-value", kind, value)


def _code_hmac(contact_id: int, code: str) -> str:
    return encryption.data_keys().blind_index("contact-code", contact_id, code)
