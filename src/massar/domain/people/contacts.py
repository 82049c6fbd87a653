"""Contacts: proposed, proved by a code, counting from a date, ending at a date (decisions 10 and 12).

proposed --right code--> proved --(time)--> counting --removed or replaced, after the wait--> ended
    |                       |
    +------ cancelled <-----+   (while it does not count yet)"""

import hmac
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, Q, QuerySet

from massar.core import encryption, ids, sql
from massar.domain.people.models import PHONE_SERVES, Contact, Person

State = Contact.State
MOVES = {State.PROPOSED: {State.PROVED, State.CANCELLED}, State.PROVED: {State.CANCELLED}, State.CANCELLED: set()}
_MOMENTS = (
    "proposed_at", "proved_at", "counts_from", "ends_at", "bounced_at", "undone_at", "code_sent_at", "code_expires_at",
)  # fmt: skip
_COLUMNS = (
    "id", "person_id", "kind", "state", "value_ciphertext", "value_hmac", "uid", "proposed_at", "proved_at",
    "counts_from", "ends_at", "bounced_at", "entered_in", "proved_in", "undone_at", "code_hmac", "code_sent_at",
    "code_expires_at", "code_tries",
)  # fmt: skip
CODE_TRIES = 5
FIRST_DAY = timedelta(days=1)  # in which the second contact of a newcomer joins the first


def of_person(person_id: int, now: datetime) -> list[Contact]:
    """Return proposed and proved contacts that have not ended, oldest first; not what can't be read (moved, forged)."""
    rows = sql.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM people_contact WHERE person_id = %s AND state <> 'cancelled' "
        "AND (ends_at IS NULL OR ends_at > %s) ORDER BY id",
        (person_id, sql.at(now)),
    )
    return _decrypted(map(_of_row, rows))


def by_id(contact_id: int, person_id: int) -> Contact | None:
    return next(iter(_decrypted(Contact.objects.filter(pk=contact_id, person_id=person_id))), None)


def usable(person_id: int, now: datetime) -> list[Contact]:
    """Return the counting contacts, to which something that opens may be sent. A phone that was not proved for so long
    that it may be another's by now is none of them, unless it is all that the person has (ATK-056)."""
    counting = [contact for contact in of_person(person_id, now) if contact.counts(now)]
    return [contact for contact in counting if not contact.lapsed(now)] or counting


def matching(person_id: int, kind: str, typed: str, now: datetime) -> Contact | None:
    """Return the usable contact of that kind whose value is `typed`; every comparison is constant-time."""
    found = None
    for contact in usable(person_id, now):
        same = hmac.compare_digest(contact.value.encode(), typed.encode())
        if same and contact.kind == kind:
            found = contact
    return found


def receiving(person_ids: Collection[int], now: datetime) -> dict[int, list[Contact]]:
    """The contacts of these people that hear of what happens, oldest first; who has none is missing."""
    rows = sql.find(", ".join(_COLUMNS), "people_contact", "person_id", person_ids) if person_ids else ()
    held = [contact for contact in map(_of_row, rows) if contact.receives(now)]
    found: dict[int, list[Contact]] = {}
    for contact in _decrypted(sorted(held, key=lambda one: one.pk)):
        found.setdefault(contact.person_id, []).append(contact)
    return found


def proved_kinds(person_ids: Sequence[int], *, now: datetime) -> dict[int, set[str]]:
    """Of these people, by id, the kinds of which each has a proved contact; who has none is missing."""
    found: dict[int, set[str]] = {}
    statement = (
        f"SELECT person_id, kind FROM people_contact WHERE person_id IN ({sql.placeholders(len(person_ids))}) "
        "AND state = 'proved' AND (ends_at IS NULL OR ends_at > %s)"
    )
    for person_id, kind in sql.rows(statement, (*person_ids, sql.at(now))) if person_ids else ():
        found.setdefault(person_id, set()).add(kind)
    return found


def reached_by(person_ids: Collection[int], *, now: datetime) -> dict[int, dict[str, Contact]]:
    """Of each of these people, by kind, the contact that messages go to: one that counts before one that waits, then
    the oldest."""
    found: dict[int, dict[str, Contact]] = {}
    for person_id, held in receiving(person_ids, now).items():
        for contact in sorted(held, key=lambda one: one.waits(now)):
            found.setdefault(person_id, {}).setdefault(contact.kind, contact)
    return found


def with_old_phone(person_ids: Sequence[int], *, now: datetime) -> set[int]:
    """Those of these people whose phone was not proved for so long that they are asked to prove it again."""
    statement = (
        f"SELECT person_id FROM people_contact WHERE person_id IN ({sql.placeholders(len(person_ids))}) "
        "AND kind = 'phone' AND state = 'proved' AND ends_at IS NULL AND proved_at <= %s"
    )
    found = sql.rows(statement, (*person_ids, sql.at(now - PHONE_SERVES))) if person_ids else []
    return {person_id for (person_id,) in found}


def accounts_with(kind: str, value: str, *, besides: int, now: datetime) -> int:
    """Count the other people who have proved this value and still have it."""
    rows = Contact.objects.filter(_not_ended(now), value_hmac__in=_indexes(kind, value), state=State.PROVED)
    return rows.exclude(person_id=besides).values("person_id").distinct().count()


def propose(person_id: int, kind: str, value: str, *, now: datetime, session_id: int | None = None) -> Contact:
    """Add a contact that is not proved. An older proposal of the same kind is cancelled: one field, one proposal."""
    lock(person_id)
    _cancel(Contact.objects.filter(person_id=person_id, kind=kind, state=State.PROPOSED), now)
    row = Contact(person_id=person_id, kind=kind, uid=ids.short_token(), proposed_at=now, entered_in=session_id)
    row.value, row.value_hmac = value, _indexes(kind, value)[0]
    row.value_ciphertext = encryption.data_keys().encrypt(value.encode(), associated_data=_associated_data(row))
    row.save(force_insert=True)
    return row


def give_code(contact_id: int, code: str, *, now: datetime, valid_for: timedelta) -> None:
    """Keep the HMAC of a new code; an older code of this contact no longer fits."""
    code_hmac = encryption.data_keys().sign("contact-code", contact_id, code)
    given = {"code_hmac": code_hmac, "code_sent_at": now, "code_expires_at": now + valid_for, "code_tries": 0}
    Contact.objects.filter(pk=contact_id, state=State.PROPOSED).update(**given)


def try_code(contact_id: int, person_id: int, code: str, *, now: datetime) -> str:
    """Return 'right', 'wrong', 'expired', 'spent' or 'gone'. Each try is counted before it is compared (atomic)."""
    mine = Contact.objects.filter(pk=contact_id, person_id=person_id, state=State.PROPOSED)
    if not mine.filter(code_tries__lt=CODE_TRIES).update(code_tries=F("code_tries") + 1):
        return "spent" if mine.exists() else "gone"
    row = mine.first()
    if row is None:
        return "gone"
    if not row.code_hmac or not encryption.data_keys().verify(row.code_hmac, "contact-code", row.pk, code):
        return "wrong"
    return "expired" if row.code_expires_at is None or row.code_expires_at <= now else "right"


def prove(
    contact_id: int, person_id: int, *, now: datetime, wait: timedelta, session_id: int | None = None,
    by_desk: bool = False,
) -> Contact | None:  # fmt: skip
    """Move a proposed contact to proved. It counts at once if the person had no contact within `wait`, or joins a
    newcomer's first. session_id: the session in which the code was typed. by_desk: others
    added it for the person, so that it waits in any case. A value that counts already is not doubled:
    the proposal goes, and the contact that has it no longer bounces, nor is old."""
    lock(person_id)
    if not by_desk and (held := _prove_again(contact_id, person_id, now)):
        return by_id(held, person_id)
    mine = Contact.objects.filter(pk=contact_id, person_id=person_id, state=State.PROPOSED)
    row = mine.first()
    if row is None:
        return None
    counts_from = now + wait if by_desk or _waits(row, session_id, now, wait) else now
    mine.update(
        state=State.PROVED, proved_at=now, proved_in=session_id, counts_from=counts_from, code_hmac="", bounced_at=None
    )
    _replace_older(row, counts_from, now)
    return by_id(contact_id, person_id)


def would_wait(person_id: int, kind: str, *, session_id: int, now: datetime, wait: timedelta) -> bool:
    """Whether a contact of that kind, entered and proved now in that session, would wait before it counts."""
    return _waits(Contact(person_id=person_id, kind=kind, proposed_at=now), session_id, now, wait)


def _prove_again(contact_id: int, person_id: int, now: datetime) -> int | None:
    """Take back a proposal whose value a contact has that bounced or is old, and return that contact's id."""
    mine = Contact.objects.filter(person_id=person_id)
    proposed = next(iter(_decrypted(mine.filter(pk=contact_id, state=State.PROPOSED))), None)
    if proposed is None:
        return None
    same = mine.filter(kind=proposed.kind, value_hmac__in=_indexes(proposed.kind, proposed.value))
    ours = same.filter(state=State.PROVED, ends_at=None)
    held = next((one for one in ours if one.bounced_at or one.old(now)), None)
    if held is None:
        return None
    _cancel(mine.filter(pk=contact_id), now)
    mine.filter(pk=held.pk).update(bounced_at=None, proved_at=now)
    return held.pk


def withdraw(contact_ids: Sequence[int], *, now: datetime) -> int:
    """Take back those of these that are not proved; how many."""
    waiting = Contact.objects.filter(pk__in=contact_ids, state=State.PROPOSED)
    return _cancel(waiting, now) if contact_ids else 0


def end_codes(*, now: datetime) -> int:
    """No code of anybody's serves any more; another can be sent."""
    return Contact.objects.filter(state=State.PROPOSED).exclude(code_hmac="").update(code_hmac="", code_expires_at=now)


def came_back(contact_id: int, *, sent_at: datetime, now: datetime) -> bool:
    """Note that this address does not exist, unless it was proved after the message was sent; whether that is new."""
    open_rows = Contact.objects.filter(pk=contact_id, bounced_at=None).exclude(state=State.CANCELLED)
    return bool(open_rows.filter(Q(proved_at=None) | Q(proved_at__lte=sent_at)).update(bounced_at=now))


def arrived(contact_id: int, *, sent_at: datetime) -> bool:
    """Note that a message that was sent after the bounce has arrived: the address exists; whether that is new."""
    return bool(Contact.objects.filter(pk=contact_id, bounced_at__lte=sent_at).update(bounced_at=None))


def cancel(contact_id: int, person_id: int, *, now: datetime) -> bool:
    """Take back a proposal, an addition or change that does not count yet, or a removal that has not come about."""
    lock(person_id)
    mine = Contact.objects.filter(pk=contact_id, person_id=person_id)
    if _cancel(mine.filter(_pending(now)), now):
        kind, counts_from = mine.values_list("kind", "counts_from").get()
        _leaving(person_id, now).filter(kind=kind, ends_at=counts_from).update(ends_at=None)
        return True
    return bool(mine.filter(state=State.PROVED, ends_at__gt=now).update(ends_at=None))


def remove(contact_id: int, person_id: int, *, now: datetime, wait: timedelta) -> datetime | None:
    """End a counting contact after the wait. Returns when, or None if there is nothing to remove."""
    lock(person_id)
    mine = Contact.objects.filter(pk=contact_id, person_id=person_id, state=State.PROVED, ends_at=None)
    return now + wait if mine.filter(counts_from__lte=now).update(ends_at=now + wait) else None


def undo_pending_changes(
    person_id: int, *, now: datetime, wait: timedelta, suspect: datetime | None = None
) -> list[Contact]:
    """Undo after a recovery all that is pending, and freeze contacts for `wait`. suspect: contacts that were proved
    since then, or less than `wait` before, go too, though they count, the desk's as well; those that came with the
    account stay, for the institution vouches for them. What has ended never comes back: who holds it may be whom it was
    taken from. Returns what was undone, as it stands now: a cancelled contact was dropped, a proved one would have been
    removed and stays.
    """
    lock(person_id)
    added = _pending(now)
    if suspect:
        since = {"proved_at__gt": suspect - wait, "counts_from__gt": suspect - wait}
        added |= Q(state=State.PROVED, code_sent_at__isnull=False, **since)  # none came with the account
    _cancel(Contact.objects.filter(added, person_id=person_id), now, undone_at=now)
    _leaving(person_id, now).update(ends_at=None, undone_at=now)
    Person.objects.filter(pk=person_id).update(contacts_frozen_until=now + wait)
    return undone(person_id, since=now)


def undone(person_id: int, *, since: datetime) -> list[Contact]:
    """Return what recoveries from that moment on dropped or kept, oldest first."""
    return _decrypted(Contact.objects.filter(person_id=person_id, undone_at__gte=since).order_by("id"))


def lock(*person_ids: int) -> None:
    """Serialise what changes one person, or two of one name. Journeys lock the person before any other row, so that
    none waits in a circle. SQLite is already exclusive inside a write transaction. The key stays free: rows that point
    to the person go in."""
    if not connection.in_atomic_block:
        raise RuntimeError("a person is locked inside a transaction")
    if connection.vendor == "postgresql":
        these = sql.placeholders(len(person_ids))
        sql.rows(f"SELECT 1 FROM people_person WHERE id IN ({these}) ORDER BY id FOR NO KEY UPDATE", person_ids)


def _not_ended(now: datetime) -> Q:
    return Q(ends_at=None) | Q(ends_at__gt=now)


def _pending(now: datetime) -> Q:
    """Proposed, or proved and not counting yet."""
    return Q(state=State.PROPOSED) | Q(state=State.PROVED, counts_from__gt=now)


def _cancel(which: QuerySet[Contact], now: datetime, **more: datetime) -> int:
    return which.update(state=State.CANCELLED, ends_at=now, code_hmac="", **more)


def _waits(proposed: Contact, session_id: int | None, now: datetime, wait: timedelta) -> bool:
    """Whether the person had a contact within the wait, and this one does not join the first of a newcomer. It joins
    where somebody who had none until today adds the other kind, for whoever could add the first could add both: both
    were entered in one session before either was proved, or both are proved in one session. Nothing that serves is ever
    replaced this way, and a contact that came with the account begins no first day."""
    served = Contact.objects.filter(_not_ended(now - wait), person_id=proposed.person_id, state=State.PROVED)
    held = list(served.order_by("counts_from", "id"))
    if not held:
        return False
    first = held[0]
    if proposed.kind in {one.kind for one in held} or first.counts_from is None or first.proved_at is None:
        return True
    if first.counts_from > first.proved_at or not first.counts_from <= now < first.counts_from + FIRST_DAY:
        return True
    entered_together = proposed.entered_in == first.entered_in is not None and proposed.proposed_at <= first.proved_at
    return not (entered_together or session_id == first.proved_in is not None)


def _replace_older(proved: Contact, counts_from: datetime, now: datetime) -> None:
    """End the contact of the same kind at the moment the new one counts, and drop a waiting one."""
    mine = Contact.objects.filter(person_id=proved.person_id, kind=proved.kind, state=State.PROVED)
    others = mine.exclude(pk=proved.pk)
    dropped = others.filter(counts_from__gt=now)
    # Who gave way to the dropped one stays until this one counts: no hours without any contact.
    given_way = _leaving(proved.person_id, now).filter(kind=proved.kind)
    given_way.filter(ends_at__in=list(dropped.values_list("counts_from", flat=True))).update(ends_at=counts_from)
    dropped.update(state=State.CANCELLED, ends_at=now)
    others.filter(_not_ended(counts_from), counts_from__lte=now).update(ends_at=counts_from)


def history(person_id: int) -> list[Contact]:
    """All of the person's contacts that are still kept, those that are over too, newest first."""
    return _decrypted(Contact.objects.filter(person_id=person_id).order_by("-id"))


def sweep(*, now: datetime, keep: timedelta) -> int:
    """Remove what was proposed and never proved, was cancelled, or ended, so long ago."""
    old = now - keep
    ended = Q(state__in=(State.PROVED, State.CANCELLED), ends_at__lt=old)
    return Contact.objects.filter(Q(state=State.PROPOSED, proposed_at__lt=old) | ended).delete()[0]


def _leaving(person_id: int, now: datetime) -> QuerySet[Contact]:
    """Counting contacts that have an end before them."""
    return Contact.objects.filter(person_id=person_id, state=State.PROVED, counts_from__lte=now, ends_at__gt=now)


def _of_row(row: sql.Row) -> Contact:
    """Make a contact of a row of _COLUMNS."""
    values = zip(_COLUMNS, row, strict=True)
    return Contact.from_db(None, _COLUMNS, [sql.moment(v) if name in _MOMENTS else v for name, v in values])


def _decrypted(rows: Iterable[Contact]) -> list[Contact]:
    """Return the readable ones of these rows, with their values."""
    found = []
    for row in rows:
        place, data = f"people_contact {row.pk}", _associated_data(row)
        value = encryption.open_row(row.value_ciphertext, associated_data=data, row=place)
        if value is not None:
            row.value = value.decode()
            found.append(row)
    return found


def _associated_data(row: Contact) -> str:
    return f"contact|{row.person_id}|{row.kind}|{row.uid}"


def _indexes(kind: str, value: str) -> list[str]:
    return encryption.data_keys().blind_indexes("contact-value", kind, value)
