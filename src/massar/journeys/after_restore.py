"""A copy of the database was put back: what had ended since it was made must not live again (ATK-150).

Every session, code, token and secret of everybody ends, and no device is known any more. Passwords are those of the
copy. Whose password or factors changed since is told by an export of the audit log from before the loss, where there
is one: these accounts are frozen until a recovery, since the old password may be the reason of the change. Who was
disabled is so again, a role that was taken back is, and who was a pupil's guardian no more is none. All programs are
stopped meanwhile. It may be done again, or be killed between two commits and done once more."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.domain.campaigns import api as campaigns
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.desk import api as desk
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.account import close_account, freeze_account, guardians
from massar.journeys.outcomes import Done
from massar.journeys.people import grant_roles

WHY = "restored"
REASON = "the database was restored from a copy of before"
# After one of these the copy lets in whom its person has locked out.
GUARDS = frozenset({
    "password_changed", "password_recovered", "account_frozen", "factors_dropped", "factors_removed", "factor_removed",
    "factor_added", "backup_codes_made", "contact_removed", "contact_cancelled",
})  # fmt: skip
SHUT, OPENED, REVOKED = "account_disabled", "account_enabled", "role_revoked"
LINKED, UNLINKED = "guardian_linked", "guardian_unlinked"


class Lost(NamedTuple):
    """Rows of the audit log that this database does not have: how many, and of whom. strange: how many people are newer
    than the copy. revoked: (login, role, unit's code). unlinked: how many guardians answer for a pupil no more."""

    rows: int
    frozen: list[str]
    disabled: list[str]
    strange: int
    revoked: list[tuple[str, str, str]]
    unlinked: int = 0


@transaction.atomic
def end_everything(*, now: datetime) -> dict[str, int]:
    """End what lives; returns how many of each kind. No site is told: which ones are open the copy does not know."""
    credentials.passwords.distrust_all_devices(now=now)
    factors.totp.use_up_steps(now=now)
    ended = {
        "sessions": sessions.signed_in.end_everybodys(now=now, why=WHY),
        "half-done sign-ins": sessions.pending.end_everybodys(now=now),
        "half-done changes": sessions.changing.end_everybodys(now=now),
        "temporary passwords": credentials.temporary.end_everybodys(now=now, why=WHY),
        "codes of contacts": people.contacts.end_codes(now=now),
        "waits of lost factors": factors.losses.cancel_everybodys(now=now),
        "grants of sites": sites.grants.end_everybodys(now=int(now.timestamp())),
        "requests of sites": sites.saved_requests.delete_all(),
        "requests of people": delivery.requests.drop_all(),
        "cases of the help desk": desk.cases.end_everybodys(now=now),
        "messages": delivery.outbox.cancel_all(now=now, reason=WHY),
        "lists": people.list_jobs.stop_all(now=now),  # one may have been stopped, or corrected, since
        "exported lists": people.exports.end_all(now=now),
        "campaigns": campaigns.store.stop_all(now=now),  # what has left since the copy was made would leave again
    }
    told = {what.replace(" ", "_").replace("-", "_"): number for what, number in ended.items() if number}
    told |= {"last_seq": audit_log.sealing.cursor().last_seq, "signed_seq": audit_log.checkpoints.newest()}
    audit_log.record_events([audit_log.AuditEvent("database_restored", now, detail=told)])
    return ended


def guard(lines: Iterable[Mapping[str, Any]], *, now: datetime) -> Lost:
    """Freeze or disable the accounts that lines of an export tell of, take back their roles, and end their guardians'
    links, as far as this database lacks them. Raises KeyError, ValueError or TypeError for a line of anything else."""
    here = audit_log.sealing.cursor()
    guarded, shut, unlinked, rows = set[int](), set[int](), set[tuple[int, int]](), 0
    revoked = defaultdict[int, set[tuple[people.rights.Role, str]]](set)
    for line in lines:
        if line["database"] != here.database or line["seq"] <= here.last_seq:
            continue
        rows += 1
        event, person_id = str(line["event"]), line["person_id"]
        if person_id is None:
            continue
        if event in GUARDS:
            guarded.add(person_id)
        elif event == SHUT:
            shut.add(person_id)
        elif event == OPENED:
            shut.discard(person_id)
        elif event == REVOKED:
            revoked[person_id].add((people.rights.Role(line["outcome"]), line["detail"]["unit"]))
        elif event == UNLINKED:
            unlinked.add((person_id, int(line["detail"]["guardian"])))
        elif event == LINKED:
            unlinked.discard((person_id, int(line["detail"]["guardian"])))
    lost = _act(guarded, shut, revoked, rows, now)
    return lost._replace(unlinked=sum(guardians.unlink(*pair, now=now) for pair in sorted(unlinked)))


def _act(
    guarded: Set[int], shut: Set[int], revoked: Mapping[int, Set[tuple[people.rights.Role, str]]], rows: int,
    now: datetime,
) -> Lost:  # fmt: skip
    """Who is shut may be frozen too: whoever opens the account later opens it to its owner alone."""
    lost = Lost(rows, [], [], 0, [])
    for person_id in sorted({*guarded, *shut, *revoked}):
        person = people.directory.by_id(person_id, now=now)
        if person is None:
            lost = lost._replace(strange=lost.strange + 1)
            continue
        if person_id in guarded and freeze_account.by_operator(person=person, reason=REASON, now=now) == Done():
            lost.frozen.append(person.login)
        if person_id in shut:
            close_account.disable(person=person, reason=REASON, now=now)
            lost.disabled.append(person.login)
        for role, code in sorted(revoked.get(person_id, ())):
            if grant_roles.revoke(person=person, role=role, code=code, reason=REASON, now=now, void=True) == Done():
                lost.revoked.append((person.login, role, code))
    return lost
