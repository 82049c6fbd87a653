"""What a role lets its holder do for other people: one table and one pure judge.

Never for oneself, for an operator, or for anybody who holds a role as high as one's own: those are helped from above
(security design §4, ATK-135 to 140). No right lets anybody see or choose a secret: there is no such right."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from massar.domain.people.models import Belonging, Unit

Kind = Belonging.Kind


class Right(StrEnum):
    """An act for one person."""

    SEARCH = "search"  # find the person, contacts masked
    STATE = "state"  # see how the account stands
    UNMASK = "unmask"  # see a whole contact, with a reason
    RECOVER = "recover"  # start the person's own recovery, to a proved contact
    SLIP = "slip"  # print a slip that activates the account
    APPROVE = "approve"  # let the browser of a person who stands there go on
    PROPOSE = "propose"  # a contact in place of another
    CONFIRM = "confirm"  # what somebody else has proposed or approved
    FACTOR = "factor"  # begin the wait after which second factors go
    CODE = "code"  # give a pupil a code for one use
    EXPORT = "export"  # put the person into a list that leaves, contacts masked
    LINK = "link"  # let a guardian answer for a pupil, with a second agent; end that


class Role(StrEnum):
    """Each is granted at units of one kind."""

    MINISTRY_DESK = "ministry_desk"
    ACADEMY_DESK = "academy_desk"
    DIRECTORATE_DESK = "directorate_desk"
    HEAD = "head"
    TEACHER = "teacher"


AT: Mapping[Role, Unit.Kind] = {
    Role.MINISTRY_DESK: Unit.Kind.MINISTRY,
    Role.ACADEMY_DESK: Unit.Kind.ACADEMY,
    Role.DIRECTORATE_DESK: Unit.Kind.DIRECTORATE,
    Role.HEAD: Unit.Kind.ESTABLISHMENT,
    Role.TEACHER: Unit.Kind.CLASS,
}
LOOK = frozenset({Right.SEARCH, Right.STATE})  # what changes nothing; open for a disabled account too
_HELP = LOOK | {Right.RECOVER, Right.SLIP, Right.APPROVE, Right.PROPOSE, Right.EXPORT}
_DESK = _HELP | {Right.UNMASK, Right.CONFIRM, Right.FACTOR}
_STAFF, _FAMILIES = (Kind.STAFF, Kind.COMPLEMENT), (Kind.PUPIL, Kind.GUARDIAN)
_OF_DESK = {**dict.fromkeys((*_STAFF, *_FAMILIES), _DESK), Kind.PUPIL: _DESK | {Right.LINK}}
# What each role may do for people who belong as this kind; what does not stand here, nobody may.
RIGHTS: Mapping[Role, Mapping[Kind, frozenset[Right]]] = {
    Role.MINISTRY_DESK: _OF_DESK,
    Role.ACADEMY_DESK: _OF_DESK,
    Role.DIRECTORATE_DESK: _OF_DESK,
    Role.HEAD: {**dict.fromkeys(_STAFF, _HELP), Kind.PUPIL: _HELP | {Right.CODE, Right.LINK}, Kind.GUARDIAN: _HELP},
    Role.TEACHER: {Kind.PUPIL: LOOK | {Right.SLIP, Right.CODE}},
}
_RANK = {role: rank for rank, role in enumerate(reversed(Role), 1)}


def highest(roles: Iterable[Role]) -> Role:
    """The one whose holder may do most, for the most people. Raises ValueError where there is none."""
    return max(roles, key=_RANK.__getitem__)


def as_high_as(role: Role) -> list[Role]:
    """The roles whose holders are no business of this one's."""
    return [other for other in Role if _RANK[other] >= _RANK[role]]


def is_above(role: Role, other: Role) -> bool:
    """Whether the one answers for what the other does. The highest answers for itself: there is nothing above."""
    return _RANK[role] > _RANK[other] or role == other == Role.MINISTRY_DESK


class Standing(NamedTuple):
    """How an agent and a person stand to each other on a day. over: the agent's roles at units above the person, each
    with a kind as which the person belongs there. held: the roles that the person holds anywhere."""

    agent_id: int
    person_id: int
    over: frozenset[tuple[Role, Kind]]
    held: frozenset[Role]
    operates: bool


class Permission(NamedTuple):
    """by: the role by which it is allowed; None: it is not. why: 'self', 'outside', 'privileged' or 'right'. unit: code
    of the agent's branch, where somebody has asked which of several it is."""

    by: Role | None
    why: str = ""
    unit: str = ""


def judge(right: Right, standing: Standing) -> Permission:
    """Whether the agent may do this for the person; by the lowest role that will do."""
    if standing.agent_id == standing.person_id:
        return Permission(None, "self")
    if not standing.over:
        return Permission(None, "outside")
    highest = max((_RANK[role] for role in standing.held), default=0)
    above = [(role, kind) for role, kind in standing.over if _RANK[role] > highest]
    if standing.operates or not above:
        return Permission(None, "privileged")
    able = [role for role, kind in above if right in RIGHTS[role].get(kind, frozenset())]
    return Permission(min(able, key=_RANK.__getitem__)) if able else Permission(None, "right")
