"""What happened on the own account: sign-ins and changes, newest first, by pages, out of the audit log.

Refused tries that follow each other are one line with their number, and so is what was asked in vain, by kind: whoever
tries a thousand passwords, or asks a thousand times with a wrong contact, hides nothing behind them."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from massar.core.audit import api as audit_log
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites
from massar.journeys.account import freeze_account, notices

LINES = 20
BACK = timedelta(days=366)
REFUSED = ("sign_in_refused", "second_step_refused", "proof_refused", "vouching_refused")
DENIABLE = (
    "sign_in", "password_changed", "password_recovered", "contact_proved", "contact_removed", "contact_cancelled",
    "factor_added", "factor_removed", "backup_codes_made", "browser_let_in", "factors_lost", "factors_found",
    "factors_removed", "account_activated", "slip_printed", "class_code_given",
    "desk_approved", "desk_factors_lost",
)  # fmt: skip
SHOWN = (
    *REFUSED, *DENIABLE, "sign_out", "recovery_asked", "temporary_accepted", "contact_proposed", "session_ended",
    "sessions_ended_all", "program_ended", "account_disabled", "account_enabled", "account_frozen", "account_reopened",
    "factors_dropped", "vouching_asked", "passkey_copied", "data_exported",
    "people_exported", "people_export_fetched",
    "role_granted", "role_revoked", "recovery_stopped", "guardian_linked", "child_linked", "guardian_unlinked",
    "child_unlinked", "slip_voided",
    "change_asked", "password_due", "desk_looked", "desk_unmasked", "desk_recovery",
    "desk_proposed", "desk_declined",
)  # fmt: skip
_BATCH, _MOST_READ, _NEWEST = 200, 2000, 1 << 62


class HistoryLine(NamedTuple):
    """An event, or the newest of `times` refused tries, or asks in vain, since `since`. strength: of a sign-in
    ('password', 'temporary', 'two_steps', 'passkey'). entered: the sites, in its session. open: that session is live.
    not_me: the token of the page that denies it, '' where that is of no use. branch: whose agent did it."""

    event: audit_log.AuditEvent
    times: int
    since: datetime
    strength: str = ""
    entered: tuple[sites.Site, ...] = ()
    open: bool = False
    not_me: str = ""
    branch: people.units.UnitFacts | None = None


class HistoryPage(NamedTuple):
    """Lines, and from where the next page goes on; None: there is none."""

    lines: list[HistoryLine]
    before: int | None


def page(*, person: people.PersonFacts, now: datetime, before: int | None = None) -> HistoryPage:
    """Return one page. before: where the page before ended."""
    lines, goes_on = _read(person.id, now - BACK, before)
    at_sessions = [line.event.session_id for line in lines if line.event.event == "sign_in" and line.event.session_id]
    entered: dict[int, dict[str, None]] = {}
    for session_id, slug in audit_log.outcomes_of_sessions(person.id, "site_entered", at_sessions):
        entered.setdefault(session_id, {})[slug] = None
    live = {one.id for one in sessions.signed_in.of_person(person.id, now=now)}
    reopened_at = people.directory.reopened_at(person.id)
    branches = {code: people.units.by_code(code) for code in {_unit_of(line.event) for line in lines} if code}
    filled = [_filled(line, entered, live, reopened_at, now) for line in lines]
    return HistoryPage([line._replace(branch=branches.get(_unit_of(line.event))) for line in filled], goes_on)


def _unit_of(event: audit_log.AuditEvent) -> str:
    """The code of the branch whose agent did it; '' for what the person did."""
    return str(event.detail.get("unit", "")) if "by" in event.detail else ""


def _filled(
    line: HistoryLine, entered: dict[int, dict[str, None]], live: set[int], reopened_at: datetime | None, now: datetime
) -> HistoryLine:
    event, by_slug = line.event, settings.MASSAR.sites.by_slug
    settled = event.at + freeze_account.LINK_LIFE <= now or (reopened_at is not None and event.at < reopened_at)
    not_me = (
        notices.not_me_token(event.person_id or 0, event.uid)
        if event.event in DENIABLE and event.genuine and not settled
        else ""
    )
    if event.event != "sign_in":
        return line._replace(not_me=not_me)
    slugs = entered.get(event.session_id or 0, {})
    return line._replace(
        strength=_strength(event), entered=tuple(by_slug[slug] for slug in slugs if slug in by_slug),
        open=event.session_id in live, not_me=not_me,
    )  # fmt: skip


def _strength(event: audit_log.AuditEvent) -> str:
    """By what was proved (RFC 8176); older rows tell only how."""
    proved = str(event.detail.get("amr", "pwd")).split()
    if "mfa" in proved:
        return "two_steps"
    if "pwd" not in proved:
        return "passkey"
    return "temporary" if event.outcome == "temporary_password" else "password"


def _read(person_id: int, since: datetime, before: int | None) -> tuple[list[HistoryLine], int | None]:
    """Read until the page is full. After so many rows it ends early: nobody's tries make a page slow."""
    lines, last, read = list[HistoryLine](), before, 0
    while read < _MOST_READ:
        batch = audit_log.of_person(person_id, limit=_BATCH, before=last)
        for event in batch:
            if event.at < since:
                return lines, None
            joined = _line_of_its_kind(lines, event)
            if event.event in SHOWN and joined is None and len(lines) == LINES:
                return lines, last
            if event.event in SHOWN:
                _add(lines, event, joined)
            last = event.id or last  # what is still counted has none
        read, last = read + len(batch), last or _NEWEST
        if len(batch) < _BATCH:
            return lines, None
    return lines, last


def _kind_in_vain(event: audit_log.AuditEvent) -> str:
    """What came to nothing, by its kind; '' for what did not."""
    return "refused" if event.event in REFUSED else event.event if event.asked_in_vain else ""


def _line_of_its_kind(lines: list[HistoryLine], event: audit_log.AuditEvent) -> int | None:
    """The line that this event joins: one of its kind, since when nothing but what came to nothing happened."""
    kind = _kind_in_vain(event)
    for at in range(len(lines) - 1, -1, -1) if kind else ():
        found = _kind_in_vain(lines[at].event)
        if found in ("", kind):
            return at if found else None
    return None


def _add(lines: list[HistoryLine], event: audit_log.AuditEvent, joined: int | None) -> None:
    times = int(event.detail.get("count", 1))
    if joined is not None:
        lines[joined] = lines[joined]._replace(times=lines[joined].times + times, since=event.at)
    else:
        lines.append(HistoryLine(event, times, event.at))
