"""The person's side of a case: the number on the screen of a browser, and going on there once the desk has approved.

Asking is one row, whatever login was typed: nothing is looked up before an agent types the number. The case is bound to
the browser by the cookie of recoveries. What the desk approves is a claim without a secret (`credentials.temporary`):
the way from there is that of every temporary password, second step, change form and notices included."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core import ids, local_time, text
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.desk import api as desk
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.account import close_sessions, defend, edit_profile, guardians, notices, sign_in
from massar.journeys.outcomes import (
    ChallengeRequired,
    Done,
    Gone,
    MustChangePassword,
    Problem,
    Problems,
    SecondStepRequired,
    TooManyAttempts,
)

ACTION = "desk"  # what a challenge that is met here opens
Branches = list[tuple[people.units.UnitFacts, list[people.units.UnitFacts]]]


class ChosenBranch(NamedTuple):
    """A provincial directorate of the list, and where its desk is found."""

    unit: people.units.UnitFacts
    office: desk.OfficeFacts


class Shown(NamedTuple):
    """The case of this browser. contact: masked, the one whose code is waited for. factors_go_at: from when on the
    second factors may go, whose loss was told."""

    case: desk.CaseFacts
    contact: str = ""
    factors_go_at: datetime | None = None

    @property
    def waits(self) -> bool:
        return self.case.state in ("open", "proposed")


def ask(
    *, typed_login: str, browser: Browser, answer: defend.ChallengeAnswer | None = None, now: datetime
) -> Done | TooManyAttempts | ChallengeRequired:
    """Open a case for this browser. The same work and the same answer whatever was typed. In a siege a browser that
    knows no account meets a challenge first."""
    known = _known(browser, now)
    if not known:
        unmet = defend.before_asking(
            action=ACTION, typed={"login": typed_login}, browser=browser, answer=answer, now=now
        )
        if unmet:
            return unmet
    with transaction.atomic(savepoint=False):
        # The limit of a browser that knows an account comes first; the network's when that is spent.
        buckets = [limits.rate_limits.ASK_DEVICE.bucket("case", person_id) for person_id in known[:1]]
        buckets.append(limits.rate_limits.CASE_NETWORK.bucket(browser.network))
        charged = limits.consume_first(buckets, now=now)
        if isinstance(charged, limits.RateLimited):
            return TooManyAttempts(charged.until)
        here = machine(browser, now)
        people.contacts.withdraw(desk.cases.end_of_browser(here, now=now), now=now)
        desk.cases.open_case(text.login(typed_login) or "", here, now=now)
    return Done()


def look(*, browser: Browser, now: datetime) -> Shown | None:
    """What this browser is shown of the case that it opened; None where there is none, or it is late."""
    case = desk.cases.of_browser(machine(browser, now))
    if case is None or (case.state in desk.cases.LIVE and case.expires_at <= now):
        return None
    contact = loss = None
    if case.kind == desk.cases.Kind.CONTACT and case.contact_id and case.person_id:
        contact = people.contacts.by_id(case.contact_id, case.person_id)
    if case.kind == desk.cases.Kind.GUARDIAN and "code" in case.typed:
        return Shown(case, text.masked_phone(case.typed["phone"]))
    if case.kind in (desk.cases.Kind.FACTOR, desk.cases.Kind.PASSWORD) and case.person_id:
        loss = factors.losses.waiting(case.person_id)
    return Shown(case, contact.masked if contact else "", loss.ends_at if loss else None)


@transaction.atomic
def close(*, browser: Browser, now: datetime) -> None:
    """Let the person leave: the number serves nobody any more, and a contact that waits for its code is dropped."""
    case = desk.cases.of_browser(machine(browser, now))
    if case and case.state in desk.cases.LIVE and desk.cases.close(case, now=now) and case.contact_id:
        people.contacts.withdraw([case.contact_id], now=now)


@transaction.atomic
def end_late(*, now: datetime) -> int:
    """End the cases whose time is over; how many contacts that were never proved went with them."""
    return people.contacts.withdraw(desk.cases.expire(now=now), now=now)


@transaction.atomic
def go_on(*, browser: Browser, now: datetime) -> MustChangePassword | SecondStepRequired | Gone:
    """Open the change form in the browser that showed the number. It may be done again for ten minutes, as an answer
    may be lost; one password comes of it. A second factor is asked for before. Only where its loss was told, nobody has
    stopped that, and the wait is over, the form opens without it; the new password removes it (ADR 85)."""
    case = desk.cases.of_browser(machine(browser, now))
    if case is None or case.person_id is None or case.kind != desk.cases.Kind.PASSWORD:
        return Gone()
    people.contacts.lock(case.person_id)
    person = people.directory.by_id(case.person_id, now=now)
    if person is None or not person.active or not agents_stand(case, now) or not desk.cases.go_on(case, now=now):
        return Gone()
    until = now + desk.cases.ENDING
    claimed, claim = credentials.temporary.claim_for_case(person.id, case.id, until=until, now=now)
    stored = credentials.passwords.stored(person.id, factors=factors.held.SINCE)
    lost = stored.factors_since is not None and factors.losses.is_over(person.id, now=now)
    if not lost and (stored.factors_since is not None or close_sessions.must_have_factor(person, now=now)):
        return sign_in.ask_for_second_step(
            person, stored, browser=browser, now=now, temporary_id=claimed, claim=claim, first="desk"
        )
    cookie = sessions.changing.open_for(person.id, temporary_id=claimed, claim=claim, now=now, by_desk=True)
    audit_log.record_event("temporary_accepted", now=now, person_id=person.id, outcome="desk", browser=browser)
    return MustChangePassword(person, cookie)


@transaction.atomic
def prove_contact(
    *, code: str, browser: Browser, now: datetime, cancel_url: Callable[[str], str]
) -> Done | Problems | Gone:
    """Judge the code of the contact that two agents have added, typed in the browser that showed the number. Right: it
    counts after the wait, whatever other contacts there are, and everybody hears of it. The freeze after a recovery
    does not stop it: two agents have seen who it is, and the wait is as long."""
    case = desk.cases.of_browser(machine(browser, now))
    if case is None or case.person_id is None or case.contact_id is None or case.state != desk.cases.State.APPROVED:
        return Gone()
    typed = text.code(code)
    if not ids.is_contact_code(typed):
        return _refuse("code_shape")
    people.contacts.lock(case.person_id)
    person = people.directory.by_id(case.person_id, now=now)
    answer = people.contacts.try_code(case.contact_id, case.person_id, typed, now=now)
    contact = people.contacts.by_id(case.contact_id, case.person_id)
    if answer == "gone" or contact is None or person is None or not person.active or not agents_stand(case, now):
        return Gone()
    if answer != "right":
        left = max(0, people.CODE_TRIES - contact.code_tries)
        return _refuse(f"code_{answer}" if left or answer != "wrong" else "code_spent", left=left)
    if edit_profile.serves_too_many(contact.kind, contact.value, person.id, now):
        return _refuse("phone_too_many", count=settings.MASSAR.accounts_per_phone)
    if not desk.cases.finish(case.id, now=now):
        return Gone()
    delivery.outbox.used(person.id, "contact_code", to=contact.value, now=now)
    wait = settings.MASSAR.contact_wait
    proved = people.contacts.prove(contact.id, person.id, now=now, wait=wait, by_desk=True)
    if proved is None:
        return Gone()
    entry = audit_log.record_event(
        "contact_proved", now=now, person_id=person.id, outcome="waits", browser=browser, kind=proved.kind,
        contact=proved.masked, case=case.shown,
    )  # fmt: skip
    notices.tell(
        person, "contact_change_waiting", now=now, browser=browser, besides=proved.id, about=proved,
        counts_from=proved.counts_from, cancel_url=cancel_url, entry=entry,
    )  # fmt: skip
    guardians.tell(person, "child_contact", entry=entry, browser=browser, now=now)
    return Done(from_when=proved.counts_from, masked=proved.masked)


@transaction.atomic
def send_again(*, browser: Browser, now: datetime) -> Done | TooManyAttempts | Gone:
    """Send the new contact another code; the older one no longer fits."""
    case = desk.cases.of_browser(machine(browser, now))
    if case is None or case.person_id is None or case.contact_id is None or not desk.cases.is_approved(case, now=now):
        return Gone()
    people.contacts.lock(case.person_id)
    person = people.directory.by_id(case.person_id, now=now)
    contact = people.contacts.by_id(case.contact_id, case.person_id)
    if person is None or not person.active or contact is None or contact.state != "proposed":
        return Gone()
    wait = edit_profile.may_send(person.id, {contact.kind: contact.value}, browser, now)
    if wait:
        return wait
    edit_profile.send_code(person, contact, browser, now, "again")
    return Done(masked=contact.masked)


def branches(*, now: datetime) -> Branches:
    """The academies with their directorates: a list that is the same for everybody."""
    return people.units.branches(on=local_time.local(now).date())


def choose(listed: Branches, code: str) -> ChosenBranch | None:
    """One directorate of the list; never that of an account."""
    unit = next((one for _, directorates in listed for one in directorates if one.code == code), None)
    return ChosenBranch(unit, desk.offices.of_unit(unit.id)) if unit else None


def machine(browser: Browser, now: datetime) -> desk.Machine:
    """What a case remembers of a browser."""
    return desk.cases.machine_of(browser, _known(browser, now))


def agents_stand(case: desk.CaseFacts, now: datetime) -> bool:
    """Whether the agents' own accounts and roles still do: what somebody did with an account that was frozen since, or
    disabled, or by a role that was taken back, opens nothing."""
    return all(_stands(agent_id, role, now) for agent_id, role in case.deciders)


def _stands(agent_id: int, role: str, now: datetime) -> bool:
    agent = people.directory.by_id(agent_id, now=now)
    held = people.roles.holding(agent_id, on=local_time.local(now).date())
    return agent is not None and agent.active and role in {one.role for one in held}


def _known(browser: Browser, now: datetime) -> list[int]:
    return [device.person_id for device in sessions.devices.read(browser.trusted_devices, now=now)]


def _refuse(problem: str, **args: int) -> Problems:
    return Problems({"code": [Problem(problem, args)]})
