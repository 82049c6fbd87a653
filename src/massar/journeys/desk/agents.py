"""Who helps others at the desk, whom and with what, and how it is written down.

An agent is a person with a role at a unit (`people.roles`). A person at the desk is named by a sealed reference that
serves in the agent's own session alone; behind it every page asks `find`, which judges anew. Whoever is outside is
nobody: the same answer, and one row in the audit log."""

import base64
import binascii
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import NamedTuple

from massar.core import encryption, local_time
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.desk import api as desk
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.domain.sessions import api as sessions
from massar.journeys.account import sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.outcomes import FactorNotFresh, Gone, Overloaded, Problems, TooManyAttempts

TYPED = timedelta(minutes=15)  # since when a teacher, who needs no second factor, has typed the password
LONGEST_REASON = people.roles.LONGEST_REASON
_LONGEST_SEALED = 1000
PERSON = "person"  # what a reference names
CHECKED = ("identity", "present")  # what an agent says to have seen: a document with a face, and that face


class Agent(NamedTuple):
    """Who is signed in, with the roles that hold today, at least one."""

    signed_in: SignedIn
    roles: tuple[people.roles.HeldRole, ...]

    @property
    def person(self) -> people.PersonFacts:
        return self.signed_in.person

    @property
    def session(self) -> sessions.SessionFacts:
        return self.signed_in.session

    @property
    def serves_ministry(self) -> bool:
        return any(held.role == rights.Role.MINISTRY_DESK for held in self.roles)

    @property
    def teaches_only(self) -> bool:
        return {held.role for held in self.roles} == {rights.Role.TEACHER}


class Found(NamedTuple):
    """A person for whom the agent may do what was asked, by which role, at which branch; and the reference that named
    the person, for the addresses of the page."""

    person: people.PersonFacts
    permission: rights.Permission
    reference: str


def recognise(signed_in: SignedIn, *, now: datetime) -> Agent | None:
    """The agent; None for whoever has no role today."""
    if not signed_in.person.helps_as:  # no statement for all the others
        return None
    held = people.roles.holding(signed_in.person.id, on=_day(now))
    return Agent(signed_in, tuple(held)) if held else None


def rights_of(agent: Agent) -> frozenset[rights.Right]:
    """What the agent may do for somebody, one person or another."""
    tables = (rights.RIGHTS[rights.Role(held.role)] for held in agent.roles)
    return frozenset(right for table in tables for some in table.values() for right in some)


def proof_owed(agent: Agent, *, used_at: datetime | None, now: datetime) -> str:
    """What is to be proved before the desk opens: 'factor', 'password', or '' for nothing; 'set_up': there is no factor
    yet. used_at: when this session last used the desk.

    The desk's clock is its own (docs/adr/0076): a second factor of these eight hours, and no quarter of an hour away. A
    head who works at a site all day is not signed out of it. Who only teaches needs no factor."""
    session = agent.session
    if agent.teaches_only:
        typed_at = max(session.signed_in_at, session.second_at or session.signed_in_at)
        return "password" if now - typed_at >= TYPED else ""
    if session.two_factors and session.second_at is not None:
        last, rules = max(session.second_at, used_at or session.second_at), sessions.signed_in
        if now - last < rules.PRIVILEGED_IDLE and now - session.second_at < rules.PRIVILEGED_LONGEST:
            return ""
    return "factor" if factors.held.of_person(agent.person.id) else "set_up"


def prove(
    agent: Agent, *, password: str, browser: Browser, now: datetime
) -> str | Problems | TooManyAttempts | Overloaded | FactorNotFresh | Gone:
    """Judge the password and sign in anew in the same session: its new cookie."""
    refused = sign_in.prove_again(signed_in=agent.signed_in, password=password, browser=browser, now=now)
    if refused:
        return refused
    session = agent.session
    cookie = sessions.signed_in.renew(session, how=session.how, browser=browser, now=now, amr=sign_in.PASSWORD_ALONE)
    return cookie or Gone()


def seal(agent: Agent, what: str, text: str) -> str:
    """Make of a text what may stand in an address: sealed, for this agent's session alone. what: its kind."""
    sealed = encryption.browser_keys().encrypt(text.encode(), associated_data=_place(agent, what))
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def unseal(agent: Agent, what: str, token: str) -> str | None:
    """The text; None for what this session did not seal as that kind."""
    try:
        sealed = base64.urlsafe_b64decode(token[:_LONGEST_SEALED] + "=" * (-len(token) % 4))
        return encryption.browser_keys().decrypt(sealed, associated_data=_place(agent, what)).decode()
    except (binascii.Error, ValueError, encryption.DecryptionFailed):
        return None


def reference(agent: Agent, person_id: int) -> str:
    """What names a person in the addresses of the agent's pages."""
    return seal(agent, PERSON, str(person_id))


def find(agent: Agent, token: str, right: rights.Right, *, now: datetime) -> Found | None:
    """The person of that reference, if the agent may do this for them; None for everybody else. A disabled account can
    be looked at, and nothing else."""
    named = unseal(agent, PERSON, token)
    if named is None:
        return None
    permission = permit(agent, int(named), right, now=now)
    person = people.directory.by_id(int(named), now=now) if permission.by else None
    if person is None:
        return None
    if not person.enabled and right not in rights.LOOK:
        refuse(agent, person.id, right, "disabled", now)
        return None
    return Found(person, permission, token)


def allowed(agent: Agent, person: people.PersonFacts, *, now: datetime) -> frozenset[rights.Right]:
    """All that the agent may do for that person today, for the page that offers it."""
    standing = people.roles.standing(agent.person.id, person.id, on=_day(now))
    may = frozenset(right for right in rights.Right if rights.judge(right, standing).by)
    return may if person.enabled else may & rights.LOOK


def permit(agent: Agent, person_id: int, right: rights.Right, *, now: datetime) -> rights.Permission:
    """Judge whether the agent may do this for the person today, and at which branch. A refusal is written down."""
    permission = weigh(agent, person_id, right, now=now)
    if permission.by is None:
        refuse(agent, person_id, right, permission.why, now)
    return permission


def weigh(agent: Agent, person_id: int, right: rights.Right, *, now: datetime) -> rights.Permission:
    """Judge as `permit` does, of a list that somebody else has made: nobody has tried anything."""
    permission = rights.judge(right, people.roles.standing(agent.person.id, person_id, on=_day(now)))
    return permission._replace(unit=_branch(agent, person_id, permission.by, now)) if permission.by else permission


def weigh_all(
    agent: Agent, person_ids: Collection[int], right: rights.Right, *, now: datetime
) -> dict[int, rights.Permission]:
    """The same of many at once, without the branch."""
    standings = people.roles.standings(agent.person.id, person_ids, on=_day(now))
    return {person_id: rights.judge(right, standing) for person_id, standing in standings.items()}


def charge(
    agent: Agent, limit: limits.RateLimit, *, now: datetime, of: tuple[object, ...] = ()
) -> TooManyAttempts | None:
    """Take one unit of what the agent may do in a day of the calendar; TooManyAttempts until the next. of: for what
    else apart from the agent it is counted."""
    spent = limits.consume([of_day(limit, agent.person.id, now, *of)], now=now)
    return TooManyAttempts(local_time.next_day(now)) if spent else None


def of_day(limit: limits.RateLimit, owner: int | None, now: datetime, *of: object) -> limits.Bucket:
    """What that agent, or that branch, may do in a day of the calendar, by whichever page it is done."""
    return limit.bucket(owner, _day(now), *of)


def record(
    event: str, agent: Agent | None, person: people.PersonFacts, permission: rights.Permission | None, *, now: datetime,
    outcome: str = "", reason: str = "", **more: str | int,
) -> str:  # fmt: skip
    """Write an act of the agent, or of a command (None), into the person's history, in the transaction of the act;
    return the event's uid."""
    why, by = {"reason": reason[:LONGEST_REASON]} if reason else {}, dict[str, str | int]()
    if agent and permission:
        by = {"by": agent.person.id, "role": permission.by or "", "unit": permission.unit}
    told = audit_log.AuditEvent(event, now, outcome, person.id, detail={**by, **why, **more})
    audit_log.record_events([told])
    return told.uid


def hold(agent: Agent, *person_ids: int, now: datetime) -> bool:
    """Lock these people and the agent, inside a transaction; whether the agent's own account still stands. What
    somebody does who was shut out meanwhile, nobody would take back (`take_back`)."""
    people.contacts.lock(*person_ids, agent.person.id)
    me = people.directory.by_id(agent.person.id, now=now)
    return me is not None and me.active


def proposal_of(
    agent: Agent, person: people.PersonFacts, permission: rights.Permission, kind: desk.cases.Kind,
    machine: desk.Machine, reason: str, now: datetime,
) -> desk.Proposal:  # fmt: skip
    """What the agent proposes for that person, whom the agent has before him."""
    return desk.Proposal(
        kind, person.id, people.belonging.branch_of(person.id, on=_day(now)), permission.unit, agent.person.id,
        str(permission.by), agent.session.id, machine, reason[:LONGEST_REASON], CHECKED,
    )  # fmt: skip


def refuse(agent: Agent, person_id: int, right: rights.Right, why: str, now: datetime) -> None:
    """It stands with the agent, who tried it, not in the history of a person to whom nothing happened."""
    audit_log.record_event(
        "desk_refused", now=now, person_id=agent.person.id, session_id=agent.session.id, outcome=why, right=right,
        of=person_id,
    )  # fmt: skip


def _branch(agent: Agent, person_id: int, role: rights.Role, now: datetime) -> str:
    """The code of the agent's unit above the person at which that role is held."""
    mine = [held for held in agent.roles if held.role == role]
    if len(mine) > 1:
        mine = [held for held in mine if people.belonging.is_below(person_id, held.unit_id, on=_day(now))]
    return mine[0].code if mine else ""


def _place(agent: Agent, what: str) -> str:
    return f"desk|{what}|{agent.person.id}|{agent.session.id}"


def _day(now: datetime) -> date:
    return local_time.local(now).date()
