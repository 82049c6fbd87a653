"""Cases: a browser shows a number, agents decide about it, that browser goes on (docs/adr/0077).

open --an agent has checked who it is--> proposed --another agent--> approved --that browser is done--> done
  |                                          |                          |
  +--one agent, where one will do------------------------------------> approved
  +------------> closed, refused, expired <--+--------------------------+

One statement decides each move, and time is part of it: what is late moves nowhere but to its end. What ends unserved
tells the contact that waited for its code, which is of another room. A case opens nothing
by itself: `journeys/desk/` asks who may, before it calls what stands here."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from massar.core import encryption, sql
from massar.core.browser import Browser
from massar.domain.desk import numbers, reviews
from massar.domain.desk.models import Case

Kind = Case.Kind
State = Case.State
MOVES: Mapping[State, frozenset[State]] = {
    State.OPEN: frozenset((State.PROPOSED, State.APPROVED, State.REFUSED, State.CLOSED, State.EXPIRED)),
    State.PROPOSED: frozenset((State.APPROVED, State.REFUSED, State.CLOSED, State.EXPIRED)),
    State.APPROVED: frozenset((State.DONE, State.CLOSED, State.EXPIRED)),
    State.DONE: frozenset(),
    State.REFUSED: frozenset(),
    State.CLOSED: frozenset(),
    State.EXPIRED: frozenset(),
}
LIVE = (State.OPEN, State.PROPOSED, State.APPROVED)
_LIVE = "'open', 'proposed', 'approved'"
LIFE = timedelta(minutes=10)  # from the number to the approval; and from there until the browser goes on
ENDING = timedelta(minutes=30)  # from there to the new password: a second step, and a change session
MOST_KNOWN = 10  # accounts that one browser knows
_SHORT = 16  # hex digits of an HMAC that only tells same from other
COLUMNS = (
    "id, number, kind, state, ciphertext, browser_hmac, network_hmac, devices, browser, person_id, unit, branch_id, "
    "reason, checked, contact_id, agent_id, agent_role, agent_session_id, agent_browser_hmac, agent_browser, "
    "agent_network_hmac, "
    "agent_devices, second_id, second_role, opened_at, expires_at, proposed_at, approved_at, ended_at, review"
)


class Machine(NamedTuple):
    """A browser as a case remembers it: keyed HMACs of its cookie, of its network, and of each account that it knows
    as a trusted device; and its name in short. `browser` is '' where there is no cookie."""

    browser: str
    network: str
    known: frozenset[str]
    label: str

    def knows(self, person_id: int) -> bool:
        """Whether that account has signed in there."""
        return _known(person_id) in self.known

    def is_same_browser(self, other: "Machine") -> bool:
        return bool(self.browser) and self.browser == other.browser

    def looks_like(self, other: "Machine") -> bool:
        """Whether it may be the same machine without its cookies: one network, one kind of browser."""
        return self.network == other.network and self.label == other.label


class CaseFacts(NamedTuple):
    """A case; see the model. Moments are aware, in UTC."""

    id: int
    number: str
    kind: str
    state: str
    ciphertext: bytes | None
    browser_hmac: str
    network_hmac: str
    devices: str
    browser: str
    person_id: int | None
    unit: str
    branch_id: int | None
    reason: str
    checked: str
    contact_id: int | None
    agent_id: int | None
    agent_role: str
    agent_session_id: int | None
    agent_browser_hmac: str
    agent_browser: str
    agent_network_hmac: str
    agent_devices: str
    second_id: int | None
    second_role: str
    opened_at: datetime
    expires_at: datetime
    proposed_at: datetime | None
    approved_at: datetime | None
    ended_at: datetime | None
    review: str

    @property
    def shown(self) -> str:
        return numbers.shown(self.number)

    @property
    def opened_in(self) -> Machine:
        return Machine(self.browser_hmac, self.network_hmac, frozenset(self.devices.split()), self.browser)

    @property
    def proposed_in(self) -> Machine:
        known = frozenset(self.agent_devices.split())
        return Machine(self.agent_browser_hmac, self.agent_network_hmac, known, self.agent_browser)

    @property
    def minutes(self) -> int | None:
        """How many minutes it took, begun ones counted; None while it goes on."""
        return -(-int((self.ended_at - self.opened_at).total_seconds()) // 60) if self.ended_at else None

    @property
    def deciders(self) -> list[tuple[int, str]]:
        """Who proposed and who confirmed, as far as it went: the agents, each with the role."""
        both = ((self.agent_id, self.agent_role), (self.second_id, self.second_role))
        return [(agent_id, role) for agent_id, role in both if agent_id]

    @property
    def typed(self) -> dict[str, str]:
        """What was typed: `login`; of a proposed contact `kind` and `value`; of a guardian what `link_guardian` keeps.
        {} once it has ended, and for a row that was changed. Raises KeyMissing."""
        if self.ciphertext is None:
            return {}
        plain = encryption.open_row(
            self.ciphertext, associated_data=f"desk-case|{self.number}", row=f"desk_case {self.id}"
        )
        found: dict[str, str] = json.loads(plain) if plain is not None else {}
        return found


class Proposal(NamedTuple):
    """What an agent proposes: for whom, what, why, what was checked, and where the agent sits."""

    kind: Kind
    person_id: int
    branch_id: int | None
    unit: str
    agent_id: int
    role: str
    session_id: int
    machine: Machine
    reason: str
    checked: tuple[str, ...]


def machine_of(browser: Browser, known: Collection[int]) -> Machine:
    """known: the accounts that this browser knows as a trusted device, genuine entries only."""
    keys = encryption.data_keys()
    cookie = keys.blind_index("recovery-browser", browser.recovery_browser) if browser.recovery_browser else ""
    network = keys.blind_index("recovery-browser", "network", browser.network)[:_SHORT]
    return Machine(cookie, network, frozenset(map(_known, list(known)[:MOST_KNOWN])), browser.label)


def open_case(login: str, machine: Machine, *, now: datetime) -> str:
    """Open a case for that browser and return its number. Nothing is looked up."""
    while True:
        number = numbers.draw(now)
        added = sql.execute(
            "INSERT INTO desk_case (number, kind, state, ciphertext, browser_hmac, network_hmac, devices, browser, "
            "unit, reason, checked, agent_role, agent_browser_hmac, agent_browser, agent_network_hmac, agent_devices, "
            "second_role, opened_at, expires_at) "
            "VALUES (%s, '', 'open', %s, %s, %s, %s, %s, '', '', '', '', '', '', '', '', '', %s, %s) "
            "ON CONFLICT (number) DO NOTHING",
            (
                number, _sealed(number, {"login": login}), machine.browser, machine.network,
                " ".join(sorted(machine.known)), machine.label, sql.at(now), sql.at(now + LIFE),
            ),
        )  # fmt: skip
        if added:
            return number


def decided_by(agent_id: int, *, since: datetime) -> list[CaseFacts]:
    """Contacts, lost factors and guardians that were approved since then, by this agent's word or confirmation."""
    statement = (
        f"SELECT {COLUMNS} FROM desk_case WHERE approved_at >= %s AND kind IN ('contact', 'factor', 'guardian') "
        "AND (agent_id = %s OR second_id = %s) ORDER BY id"
    )
    return sql.select(CaseFacts, statement, (sql.at(since), agent_id, agent_id))


def end_of_browser(machine: Machine, *, now: datetime) -> list[int]:
    """End the case that a browser has open; the contacts that waited for their code."""
    return _end_live("closed", "browser_hmac = %s", machine.browser, now)


def record_act(proposal: Proposal, *, now: datetime) -> str:
    """Number an act of one agent that was done at once, without a browser of the person; return the number."""
    number = open_case("", Machine("", "", frozenset(), ""), now=now)
    case = by_number(number)
    if case is None or not propose(case, proposal, {}, to=State.APPROVED, now=now):
        raise RuntimeError("a case of this very transaction is gone")
    finish(case.id, now=now)
    return number


def by_number(number: str) -> CaseFacts | None:
    return sql.select_one(CaseFacts, f"SELECT {COLUMNS} FROM desk_case WHERE number = %s", (number,))


def by_numbers(wanted: Sequence[str]) -> list[CaseFacts]:
    """These cases, oldest first."""
    statement = f"SELECT {COLUMNS} FROM desk_case WHERE number IN ({sql.placeholders(len(wanted))}) ORDER BY id"
    return sql.select(CaseFacts, statement, wanted) if wanted else []


def by_id(case_id: int) -> CaseFacts | None:
    return sql.select_one(CaseFacts, f"SELECT {COLUMNS} FROM desk_case WHERE id = %s", (case_id,))


def of_browser(machine: Machine) -> CaseFacts | None:
    """The newest case that was opened in that browser."""
    if not machine.browser:
        return None
    statement = f"SELECT {COLUMNS} FROM desk_case WHERE browser_hmac = %s ORDER BY id DESC LIMIT 1"
    return sql.select_one(CaseFacts, statement, (machine.browser,))


def propose(case: CaseFacts, proposal: Proposal, typed: Mapping[str, str], *, to: State, now: datetime) -> bool:
    """Let an agent propose, or approve where one will do (`to`). typed: a contact. Whether it was open, and in time."""
    values: dict[str, object] = {
        "kind": proposal.kind, "person_id": proposal.person_id, "branch_id": proposal.branch_id, "unit": proposal.unit,
        "agent_id": proposal.agent_id, "agent_role": proposal.role, "agent_session_id": proposal.session_id,
        "agent_browser_hmac": proposal.machine.browser, "agent_browser": proposal.machine.label,
        "agent_network_hmac": proposal.machine.network,
        "agent_devices": " ".join(sorted(proposal.machine.known)), "reason": proposal.reason,
        "checked": " ".join(proposal.checked), "proposed_at": now,
        "ciphertext": _sealed(case.number, {**case.typed, **typed}),
    }  # fmt: skip
    if to == State.APPROVED:
        values |= {
            "approved_at": now, "expires_at": now + LIFE, "ciphertext": None, "review": reviews.drawn(case.id),
        }  # fmt: skip
    return _move(case.id, State.OPEN, to, values, now)


def approve(case_id: int, *, second_id: int, role: str, now: datetime) -> bool:
    """Let the second agent approve. Whether it was proposed by somebody else, and in time."""
    values = {
        "second_id": second_id, "second_role": role, "approved_at": now, "expires_at": now + LIFE, "ciphertext": None,
        "review": reviews.drawn(case_id),
    }  # fmt: skip
    return _move(case_id, State.PROPOSED, State.APPROVED, values, now, not_by=second_id)


def refuse(case: CaseFacts, *, now: datetime) -> bool:
    return _end(case.id, State(case.state), State.REFUSED, now)


def close(case: CaseFacts, *, now: datetime) -> bool:
    """Let the person end it."""
    return _end(case.id, State(case.state), State.CLOSED, now)


def go_on(case: CaseFacts, *, now: datetime) -> bool:
    """Note that the browser goes on: from here the way to the new password has its time. Whether it may still begin."""
    return bool(sql.execute(
        "UPDATE desk_case SET expires_at = %s WHERE id = %s AND state = 'approved' AND expires_at > %s "
        "AND approved_at > %s",
        (sql.at(now + ENDING), case.id, sql.at(now), sql.at(now - LIFE)),
    ))  # fmt: skip


def is_approved(case: CaseFacts, *, now: datetime) -> bool:
    return case.state == State.APPROVED and case.expires_at > now


def add_contact(case_id: int, contact_id: int) -> None:
    sql.execute("UPDATE desk_case SET contact_id = %s WHERE id = %s", (contact_id, case_id))


def keep(case: CaseFacts, typed: Mapping[str, str]) -> bool:
    """Keep what was typed beyond the approval, for who has yet to prove something there. Whether it goes on."""
    statement = "UPDATE desk_case SET ciphertext = %s WHERE id = %s AND state = 'approved'"
    return bool(sql.execute(statement, (_sealed(case.number, typed), case.id)))


def finish(case_id: int, *, now: datetime) -> bool:
    """End a case that was served, once."""
    return _end(case_id, State.APPROVED, State.DONE, now)


def expire(*, now: datetime) -> list[int]:
    """End what is late; the contacts that waited for their code. Of a number that nobody acted upon nothing stays; it
    is of no branch, which an index finds."""
    sql.execute("DELETE FROM desk_case WHERE branch_id IS NULL AND kind = '' AND expires_at <= %s", (sql.at(now),))
    return _end_live("expired", "expires_at <= %s", sql.at(now), now)


def end_of_person(person_id: int, *, now: datetime) -> list[int]:
    """End every live case about that person; the contacts that waited for their code."""
    return _end_live("closed", "person_id = %s", person_id, now)


def end_everybodys(*, now: datetime) -> int:
    return sql.execute(
        f"UPDATE desk_case SET state = 'closed', ended_at = %s, ciphertext = NULL WHERE state IN ({_LIVE})",
        (sql.at(now),),
    )


def sweep(*, now: datetime, keep: timedelta) -> int:
    return sql.execute("DELETE FROM desk_case WHERE ended_at < %s", (sql.at(now - keep),))


def _end_live(to: str, which: str, value: object, now: datetime) -> list[int]:
    found = sql.rows(
        f"UPDATE desk_case SET state = %s, ended_at = %s, ciphertext = NULL WHERE state IN ({_LIVE}) AND {which} "
        "RETURNING contact_id",
        (to, sql.at(now), value),
    )
    return [contact_id for (contact_id,) in found if contact_id is not None]


def _move(case_id: int, state: State, to: State, values: Mapping[str, object], now: datetime, not_by: int = 0) -> bool:
    """Move one case, atomically: False if it was not there, not in that state, late, or proposed by `not_by`."""
    if to not in MOVES[state]:
        return False
    mine = Case.objects.filter(pk=case_id, state=state, expires_at__gt=now)
    return (mine.exclude(agent_id=not_by) if not_by else mine).update(state=to, **values) == 1


def _end(case_id: int, state: State, to: State, now: datetime) -> bool:
    return _move(case_id, state, to, {"ended_at": now, "ciphertext": None}, now)


def _sealed(number: str, typed: Mapping[str, str]) -> bytes:
    plain = json.dumps(dict(typed), ensure_ascii=False).encode()
    return encryption.data_keys().encrypt(plain, associated_data=f"desk-case|{number}")


def _known(person_id: int) -> str:
    return encryption.data_keys().blind_index("recovery-browser", "account", person_id)[:_SHORT]
