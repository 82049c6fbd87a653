"""The desk's side of a case: find it by its number, propose, confirm, refuse (docs/adr/0077).

    number typed --> whose account it is, if it is in the branch --> proposed by who has checked the identity
        --> approved by a second agent: another person, elsewhere --> the browser of the number goes on

One agent is enough for a pupil at the pupil's own school, and of a directorate to begin the wait of a lost factor. No
step shows, or lets anybody choose, a secret. What an agent may not see is answered as a number that is not there.
Attack cases 138, 139, 141."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core import local_time
from massar.core.browser import Browser
from massar.domain.desk import api as desk
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.journeys.account import edit_profile, notices
from massar.journeys.desk import agents, begin_loss, link_guardian, open_case
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import Done, Gone, Problem, Problems, TooManyAttempts

Kind = desk.cases.Kind
State = desk.cases.State
_NEEDS = {Kind.CONTACT: rights.Right.PROPOSE, Kind.GUARDIAN: rights.Right.LINK}
NOBODY = link_guardian.NamedGuardian(link_guardian.Relation.TUTOR)


class Seen(NamedTuple):
    """A case in front of an agent. may: 'propose', 'confirm' or ''. alone: this agent's word is enough. contact: what
    is proposed, while it is. links: whether this agent may propose a guardian. proposer: the agent who did, and the
    second one. has_factor: and from when on an approval removes it, where its loss is told."""

    case: desk.CaseFacts
    person: people.PersonFacts
    permission: rights.Permission
    may: str = ""
    alone: bool = False
    contact: str = ""
    links: bool = False
    proposer: people.PersonFacts | None = None
    second: people.PersonFacts | None = None
    has_factor: bool = False
    factors_go_at: datetime | None = None

    @property
    def needs(self) -> rights.Right:
        """The right of who proposes it."""
        return _NEEDS.get(Kind(self.case.kind or Kind.PASSWORD), rights.Right.APPROVE)


def find(*, agent: Agent, typed: str, now: datetime) -> Seen | Problems | TooManyAttempts:
    """Find a case by what was typed. A slip is told by the check digit; a number that is nobody's of this branch is
    said to be none."""
    number = desk.numbers.read(typed)
    if number is None:
        return Problems({"number": [Problem("case_number")]})
    return look(agent=agent, number=number, now=now) or Problems({"number": [Problem("case_unknown")]})


def look(*, agent: Agent, number: str, now: datetime) -> Seen | TooManyAttempts | None:
    """The case as this agent may see it; None for one that is not there, was late before anybody acted, or is of
    another branch: that is counted, by whatever address the number came."""
    bucket = limits.rate_limits.CASE_TYPED.bucket(agent.person.id)
    refused = limits.consume([bucket], now=now)
    if refused:
        return TooManyAttempts(refused.until)
    seen = _look(agent, number, now)
    if seen:
        limits.refund([bucket], now=now)
    return seen


def _look(agent: Agent, number: str, now: datetime) -> Seen | None:
    case = desk.cases.by_number(number)
    if case is None:
        return None
    if case.state == State.OPEN:
        return _look_at_open(agent, case, now) if case.expires_at > now else None
    if case.person_id is None:
        return None
    permission = agents.permit(agent, case.person_id, rights.Right.APPROVE, now=now)
    person = people.directory.by_id(case.person_id, now=now) if permission.by else None
    if person is None:
        return None
    of = {id: people.directory.by_id(id, now=now) for id in (case.agent_id, case.second_id) if id}
    waits = case.state == State.PROPOSED and case.expires_at > now and case.agent_id != agent.person.id
    return Seen(
        case, person, permission, "confirm" if waits else "", contact=case.typed.get("value", ""),
        proposer=of.get(case.agent_id or 0), second=of.get(case.second_id or 0), **_factors(person),
    )  # fmt: skip


def _look_at_open(agent: Agent, case: desk.CaseFacts, now: datetime) -> Seen | None:
    """Whom the login means that was typed: of two with one name the one of this branch."""
    found = people.directory.candidates(case.typed.get("login"), now=now)
    judged = [(p, agents.permit(agent, p.id, rights.Right.APPROVE, now=now)) for p in found if p.enabled]
    allowed = [(person, permission) for person, permission in judged if permission.by]
    if len(allowed) != 1:
        return None
    [(person, permission)] = allowed
    links = person.is_pupil and agents.weigh(agent, person.id, rights.Right.LINK, now=now).by is not None
    alone = _is_enough(person, permission)
    return Seen(case, person, permission, "propose", alone=alone, links=links, **_factors(person))


def _to(agent: Agent, number: str, may: str, now: datetime) -> Seen | TooManyAttempts | Gone:
    """The case, where it is this agent's turn to do that."""
    seen = look(agent=agent, number=number, now=now)
    return Gone() if seen is None or (isinstance(seen, Seen) and seen.may != may) else seen


def _factors(person: people.PersonFacts) -> dict[str, Any]:
    loss = factors.losses.waiting(person.id)
    return {"has_factor": bool(factors.held.of_person(person.id)), "factors_go_at": loss.ends_at if loss else None}


def _is_enough(person: people.PersonFacts, permission: rights.Permission) -> bool:
    """Whether one agent will do: a pupil, at the pupil's own school."""
    return person.role == "pupil" and permission.by == rights.Role.HEAD


def propose(
    *, agent: Agent, number: str, kind: str, reason: str, contact: tuple[str, str] = ("", ""),
    guardian: link_guardian.NamedGuardian = NOBODY, browser: Browser, now: datetime, stop_url: Callable[[str], str],
) -> Done | Problems | TooManyAttempts | Gone:  # fmt: skip
    """Say that the person was recognised, face to face, and propose; approved at once where one agent is enough.
    contact: (kind, as it was typed), where one is to be added; guardian: who is to answer for a pupil. stop_url: makes
    the address of the page that stops the wait of a lost factor, from the token for it."""
    seen = _to(agent, number, "propose", now)
    if not isinstance(seen, Seen):
        return seen
    wish, machine = Kind(kind), open_case.machine(browser, now)
    problem = _judge_first(agent, seen, wish, machine, now)
    if problem:
        return problem
    typed = _read_guardian(agent, seen, guardian, now) if wish == Kind.GUARDIAN else _read(seen, wish, contact, now)
    if not isinstance(typed, dict):
        return typed
    permission = _alone(agent, seen, wish, machine, now)
    seen = seen._replace(permission=permission or seen.permission)
    proposal = agents.proposal_of(agent, seen.person, seen.permission, wish, machine, reason, now)
    with transaction.atomic():
        if not agents.hold(agent, seen.person.id, now=now):
            return Gone()
        spent = _charge(agent, seen, _of_proposing(agent, proposal, now), now)
        if spent:
            return spent
        to = State.APPROVED if permission else State.PROPOSED
        if not desk.cases.propose(seen.case, proposal, typed, to=to, now=now):
            transaction.set_rollback(True)
            return Gone()
        if not permission:
            _tell("desk_proposed", agent, seen, wish, reason, now)
            return Done()
        return _carry_out(agent, seen, wish, reason, browser, now, stop_url)


def confirm(
    *, agent: Agent, number: str, browser: Browser, now: datetime, stop_url: Callable[[str], str]
) -> Done | Problems | TooManyAttempts | Gone:
    """Approve what another agent has proposed. stop_url: as for `propose`."""
    seen = _to(agent, number, "confirm", now)
    if not isinstance(seen, Seen):
        return seen
    if not seen.person.enabled:
        return Gone()
    permission = agents.permit(agent, seen.person.id, rights.Right.CONFIRM, now=now)
    if permission.by is None:
        return Gone()
    seen, case = seen._replace(permission=permission), seen.case
    problem = _judge_second(agent, seen, open_case.machine(browser, now), now)
    if problem:
        return problem
    with transaction.atomic():
        if not agents.hold(agent, seen.person.id, now=now):
            return Gone()
        spent = _charge(agent, seen, [agents.of_day(limits.rate_limits.CONFIRM_AGENT, agent.person.id, now)], now)
        if spent:
            return spent
        if not desk.cases.approve(case.id, second_id=agent.person.id, role=str(permission.by), now=now):
            transaction.set_rollback(True)
            return Gone()
        return _carry_out(agent, seen, Kind(case.kind), case.reason, browser, now, stop_url)


def _carry_out(
    agent: Agent, seen: Seen, wish: Kind, reason: str, browser: Browser, now: datetime, stop_url: Callable[[str], str]
) -> Done | TooManyAttempts | Gone:
    """Do what the approval itself does, in its transaction, and tell it; nothing of it stands where it is refused."""
    case, person = seen.case, seen.person
    if wish == Kind.FACTOR:
        begun = begin_loss.start(
            agent, person, seen.permission, reason=reason, case=case.shown, now=now, cancel_url=stop_url
        )
        if begun and desk.cases.finish(case.id, now=now):
            return Done()
        transaction.set_rollback(True)
        return Gone()
    done: Done | TooManyAttempts | Gone = Done()
    if wish == Kind.CONTACT:
        done = _add_contact(seen, browser, now) or done
    if wish == Kind.GUARDIAN:
        done = link_guardian.carry_out(agent, case, person, seen.permission, browser=browser, now=now)
    if not isinstance(done, Done):
        transaction.set_rollback(True)
        return done
    _tell("desk_approved", agent, seen, wish, reason, now)
    return Done()


@transaction.atomic
def decline(*, agent: Agent, number: str, reason: str, now: datetime) -> Done | TooManyAttempts | Gone:
    """Refuse: the identity is in doubt, or the request is none of this desk's. The owner hears that somebody was
    there, who may not have been the owner."""
    seen = look(agent=agent, number=number, now=now)
    if isinstance(seen, TooManyAttempts):
        return seen
    if seen is None or seen.case.state not in (State.OPEN, State.PROPOSED):
        return Gone()
    spent = _charge(agent, seen, [agents.of_day(limits.rate_limits.DECLINE_AGENT, agent.person.id, now)], now)
    if spent:
        return spent
    if not desk.cases.refuse(seen.case, now=now):
        transaction.set_rollback(True)
        return Gone()
    agents.record(
        "desk_declined", agent, seen.person, seen.permission, now=now, outcome=seen.case.kind, reason=reason,
        case=seen.case.shown,
    )  # fmt: skip
    notices.tell(seen.person, "desk_declined", now=now, browser=Browser(label=seen.case.browser))
    return Done()


def _alone(agent: Agent, seen: Seen, wish: Kind, machine: desk.Machine, now: datetime) -> rights.Permission | None:
    """By what right this agent's word is enough; None where a second one confirms. Where an approval removes a lost
    factor there are always two: who began its wait may be this very agent."""
    if wish == Kind.FACTOR:
        permission = agents.weigh(agent, seen.person.id, rights.Right.FACTOR, now=now)
        return permission if permission.by else None
    near = machine.looks_like(seen.case.opened_in)
    enough = seen.alone and wish == Kind.PASSWORD and not near and not seen.factors_go_at
    return seen.permission if enough else None


def _judge_first(agent: Agent, seen: Seen, wish: Kind, machine: desk.Machine, now: datetime) -> Problems | Gone | None:
    """ATK-138, 139: not in an agent's own browser; not what the role may not do; not for an account that somebody has
    frozen, which its own recovery opens, or an operator."""
    if wish in _NEEDS and agents.permit(agent, seen.person.id, _NEEDS[wish], now=now).by is None:
        return Gone()
    if machine.is_same_browser(seen.case.opened_in) or seen.case.opened_in.knows(agent.person.id):
        return _refuse(agent, seen, "case_own_browser", now)
    return _refuse(agent, seen, "case_frozen", now) if seen.person.frozen_at else None


def _judge_second(agent: Agent, seen: Seen, machine: desk.Machine, now: datetime) -> Problems | None:
    """ATK-138: two people at two machines, neither of them the one that shows the number, and neither made an agent by
    the other. Where that one looks like a machine of theirs, they are in two networks."""
    case, first, today = seen.case, seen.case.proposed_in, local_time.local(now).date()
    opened, proposer = case.opened_in, case.agent_id or 0
    if machine.is_same_browser(opened) or opened.knows(agent.person.id):
        return _refuse(agent, seen, "case_own_browser", now)
    together = machine.is_same_browser(first) or machine.knows(proposer) or first.knows(agent.person.id)
    if together or agent.session.id == case.agent_session_id:
        return _refuse(agent, seen, "case_same_place", now)
    if (opened.looks_like(first) or opened.looks_like(machine)) and first.network == machine.network:
        return _refuse(agent, seen, "case_near", now)
    if people.roles.depend(agent.person.id, proposer, on=today):
        return _refuse(agent, seen, "case_below", now)
    standing, shut = people.roles.standing(proposer, seen.person.id, on=today), not open_case.agents_stand(case, now)
    if shut or rights.judge(seen.needs, standing).by is None:  # account or role was taken back meanwhile
        return _refuse(agent, seen, "case_proposer_gone", now)
    if case.kind == Kind.GUARDIAN:
        wrong = link_guardian.judge(case.typed, seen.person, (proposer, agent.person.id), now=now)
        if wrong:
            return _refuse(agent, seen, wrong[1], now)
    return _refuse(agent, seen, "case_frozen", now) if seen.person.frozen_at else None


def _refuse(agent: Agent, seen: Seen, problem: str, now: datetime) -> Problems:
    agents.refuse(agent, seen.person.id, seen.needs, problem, now)
    return Problems({"": [Problem(problem)]})


def _read(seen: Seen, wish: Kind, contact: tuple[str, str], now: datetime) -> dict[str, str] | Problems:
    """What is to be kept of what was typed, or what is wrong with it."""
    if wish == Kind.FACTOR and not begin_loss.can_begin(seen.person):
        return Problems({"kind": [Problem("no_factor")]})
    if wish != Kind.CONTACT:
        return {}
    kind, text = contact
    read = edit_profile.read_contact(kind, text)
    if isinstance(read, str) and edit_profile.serves_too_many(kind, read, seen.person.id, now):
        read = Problem("phone_too_many", {"count": settings.MASSAR.accounts_per_phone})
    return Problems({"contact": [read]}) if isinstance(read, Problem) else {"kind": kind, "value": read}


def _read_guardian(
    agent: Agent, seen: Seen, named: link_guardian.NamedGuardian, now: datetime
) -> dict[str, str] | Problems | TooManyAttempts:
    """Charged before anybody is looked up: an agent who asks whose numbers these are is stopped, and stands in the
    log."""
    spent = _charge(agent, seen, [agents.of_day(limits.rate_limits.GUARDIAN_NAMED, agent.person.id, now)], now)
    if spent:
        return spent
    typed = link_guardian.read(agent, seen.person, named, now=now)
    if isinstance(typed, Problems):
        [[problem]] = typed.of.values()
        agents.refuse(agent, seen.person.id, rights.Right.LINK, problem.id, now)
    return typed


def _charge(agent: Agent, seen: Seen, buckets: Sequence[limits.Bucket], now: datetime) -> TooManyAttempts | None:
    """ATK-141: what an agent may do of a kind in a day, all or none of the buckets. A colleague may go on, unless the
    whole directorate may not."""
    spent = limits.consume(buckets, now=now)
    if spent is None:
        return None
    agents.refuse(agent, seen.person.id, seen.needs, "cap", now)
    shared = {limits.rate_limits.REPLACE_BRANCH.name, limits.rate_limits.LINK_BRANCH.name}
    colleague = shared.isdisjoint(spent.spent)
    return TooManyAttempts(local_time.next_day(now), "colleague" if colleague else "")


def _of_proposing(agent: Agent, proposal: desk.Proposal, now: datetime) -> list[limits.Bucket]:
    rates = limits.rate_limits
    if proposal.kind == Kind.PASSWORD:
        return [agents.of_day(rates.APPROVE_AGENT, agent.person.id, now)]
    if proposal.kind == Kind.FACTOR:
        return [agents.of_day(rates.LOSS_AGENT, agent.person.id, now)]
    each, all_of_branch = rates.REPLACE_AGENT, rates.REPLACE_BRANCH
    if proposal.kind == Kind.GUARDIAN:
        each, all_of_branch = rates.LINK_AGENT, rates.LINK_BRANCH
    return [agents.of_day(each, agent.person.id, now), agents.of_day(all_of_branch, proposal.branch_id, now)]


def _add_contact(seen: Seen, browser: Browser, now: datetime) -> TooManyAttempts | None:
    """Send its code, which the person types in the browser of the number."""
    typed, person = seen.case.typed, seen.person
    wait = edit_profile.may_send(person.id, {typed["kind"]: typed["value"]}, browser, now)
    if wait:
        return wait
    contact = people.contacts.propose(person.id, typed["kind"], typed["value"], now=now)
    edit_profile.send_code(person, contact, Browser(), now, "desk")
    desk.cases.add_contact(seen.case.id, contact.id)
    return None


def _tell(event: str, agent: Agent, seen: Seen, kind: Kind, reason: str, now: datetime) -> None:
    """Write it into the person's history. That a browser may go on is told to all contacts at once, each with the link
    that stops it, and to the head of the establishment."""
    entry = agents.record(
        event, agent, seen.person, seen.permission, now=now, outcome=str(kind), reason=reason, case=seen.case.shown
    )
    if event != "desk_approved" or kind != Kind.PASSWORD:
        return
    notices.tell(seen.person, event, now=now, browser=Browser(label=seen.case.browser), entry=entry)
    for head_id in people.roles.heads_of(seen.person.id, on=local_time.local(now).date()):
        head = people.directory.by_id(head_id, now=now)
        if head and head.active and head_id not in (agent.person.id, seen.case.agent_id):
            notices.tell_head(head, seen.person, now=now)
