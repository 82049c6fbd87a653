"""What a campaign may become, how far it has come, and who works at it: one row, one statement for each move.

counting --all are counted--> counted --a person confirms the number--> running --everybody was reached--> done
   ^                            |  |                                     |   ^
   +------ counted anew --------+  +--many people--> confirmed           |   |
                                     --another person approves--> running|   +--resumed-- stopped <--stopped-- running
counting, counted, confirmed, stopped --cancelled--> cancelled;  done --what it asked is taken back--> cancelled

A worker holds the row while it deals with a few people, and moves `place` in the same transaction: after kill -9 what
was done and how far it came are one truth, and of two workers one does it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from massar.core import sql
from massar.domain.campaigns.models import Campaign, Target

Kind: TypeAlias = Campaign.Kind
State: TypeAlias = Campaign.State
Why: TypeAlias = Campaign.Why
MOVES: Mapping[State, frozenset[State]] = {
    State.COUNTING: frozenset({State.COUNTED, State.CANCELLED}),
    State.COUNTED: frozenset({State.COUNTING, State.CONFIRMED, State.RUNNING, State.CANCELLED}),
    State.CONFIRMED: frozenset({State.COUNTING, State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset({State.STOPPED, State.DONE}),
    State.STOPPED: frozenset({State.RUNNING, State.CANCELLED}),
    State.DONE: frozenset({State.CANCELLED}),
    State.CANCELLED: frozenset(),
}
NOTHING_ELSE: Mapping[str, object] = MappingProxyType({})
_AT_WORK = "state IN ('counting', 'running')"  # as in the index, which SQLite takes for the same words only


class CampaignFacts(NamedTuple):
    """As the model tells it."""

    id: int
    kind: str
    state: str
    name: str
    why: str
    unit_id: int | None
    belongs_as: int | None
    role: str
    listed: bool
    changed_before: datetime
    due_day: date | None
    pace: int
    people: int
    emails: int
    texts: int
    segments: int
    cost: int
    counted_at: datetime | None
    place: int
    last: int
    done: int
    next_at: datetime
    by: int | None
    approved_by: int | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def about(self) -> str:
        """What its messages are about, in the outbox."""
        return about(self.id)

    @property
    def share(self) -> float:
        """How much of the country has been looked at, 0 to 1."""
        if self.state in (State.DONE, State.COUNTED, State.CONFIRMED):
            return 1.0
        return min(1.0, self.place / self.last) if self.last else 0.0

    @property
    def batch(self) -> int:
        """How many people are dealt with at once: ten seconds' worth, so that a stop is a matter of seconds."""
        return max(1, self.pace // 360)

    def is_over(self, today: date) -> bool:
        """Whether it reminds of a day that has come."""
        return self.kind != Kind.CHANGE and self.due_day is not None and self.due_day <= today

    def pause(self, number: int) -> timedelta:
        """How long the pace wants to wait after so many people."""
        return timedelta(hours=number / self.pace)


_COLUMNS = ", ".join(CampaignFacts._fields)


class Plan(NamedTuple):
    """What is asked of whom: see the model."""

    kind: Kind
    name: str
    why: str = ""
    unit_id: int | None = None
    belongs_as: int | None = None
    role: str = ""
    changed_before: datetime | None = None
    due_day: date | None = None
    pace: int = 20_000


class CampaignTally(NamedTuple):
    """What some people come to."""

    people: int = 0
    emails: int = 0
    texts: int = 0
    segments: int = 0
    cost: int = 0


def about(campaign_id: int) -> str:
    return f"campaign:{campaign_id}"


def add(plan: Plan, *, by: int | None, targets: Sequence[int] | None = None, last: int, now: datetime) -> int:
    """Add a campaign, which is counted first; return its id. targets: the people of a list; None: whoever fits. last:
    the highest id of a person. Inside the caller's transaction."""
    row = Campaign.objects.create(
        kind=plan.kind, name=plan.name, why=plan.why, unit_id=plan.unit_id, belongs_as=plan.belongs_as, role=plan.role,
        listed=targets is not None, changed_before=plan.changed_before or now, due_day=plan.due_day, pace=plan.pace,
        last=last, next_at=now, by=by, created_at=now,
    )  # fmt: skip
    sql.insert("campaigns_target", "campaign_id, person_id", [(row.pk, one) for one in sorted(set(targets or ()))])
    return row.pk


def by_id(campaign_id: int) -> CampaignFacts | None:
    return sql.select_one(CampaignFacts, f"SELECT {_COLUMNS} FROM campaigns_campaign WHERE id = %s", (campaign_id,))


def newest(most: int = 50) -> list[CampaignFacts]:
    return sql.select(CampaignFacts, f"SELECT {_COLUMNS} FROM campaigns_campaign ORDER BY id DESC LIMIT %s", (most,))


def why(campaign_id: int) -> str:
    """Why it asks for another password; as of old ones where it is forgotten."""
    found = sql.row("SELECT why FROM campaigns_campaign WHERE id = %s", (campaign_id,))
    return found[0] if found and found[0] in Why.values else str(Why.OLD)


def move(
    campaign_id: int, to: State, *, now: datetime, among: Sequence[State] = (),
    changes: Mapping[str, object] = NOTHING_ELSE,
) -> bool:  # fmt: skip
    """Move it there from any state that may become it, or from these of them; False where it stands in another one.
    changes: columns that change with it."""
    before = [state for state in MOVES if to in MOVES[state] and (not among or state in among)]
    given = {"state": to, "next_at": now, **changes}
    values = [sql.at(value) if isinstance(value, datetime) else value for value in given.values()]
    statement = (
        f"UPDATE campaigns_campaign SET {', '.join(f'{name} = %s' for name in given)} "
        f"WHERE id = %s AND state IN ({sql.placeholders(len(before))})"
    )
    return sql.execute(statement, (*values, campaign_id, *before)) == 1


def recount(campaign_id: int, *, last: int, now: datetime) -> bool:
    """Count it anew."""
    changes = {"place": 0, "last": last, "counted_at": None, **dict.fromkeys(CampaignTally._fields, 0)}
    return move(campaign_id, State.COUNTING, now=now, changes=changes)


def start(
    campaign_id: int, *, last: int, now: datetime, approved_by: int | None = None, among: Sequence[State]
) -> bool:
    """Let it begin with the first person."""
    changes = {"place": 0, "last": last, "done": 0, "started_at": now, "approved_by": approved_by}
    return move(campaign_id, State.RUNNING, now=now, among=among, changes=changes)


def take_due(*, now: datetime) -> CampaignFacts | None:
    """Hold the one that has waited longest for its next step, if any. Inside a transaction, which the step ends."""
    statement = (
        f"SELECT {_COLUMNS} FROM campaigns_campaign WHERE {_AT_WORK} AND next_at <= %s "
        f"ORDER BY next_at, id LIMIT 1 {sql.skip_locked()}"
    )
    return sql.select_one(CampaignFacts, statement, (sql.at(now),))


def targets(campaign_id: int, *, after: int, most: int) -> list[int]:
    """People of its list, by id, behind that one."""
    statement = (
        "SELECT person_id FROM campaigns_target WHERE campaign_id = %s AND person_id > %s ORDER BY person_id LIMIT %s"
    )
    return [person_id for (person_id,) in sql.rows(statement, (campaign_id, after, most))]


def add_to_forecast(one: CampaignFacts, place: int, tally: CampaignTally) -> bool:
    """Note what was counted up to there; False where it was moved meanwhile."""
    sums = ", ".join(f"{name} = {name} + %s" for name in CampaignTally._fields)
    statement = f"UPDATE campaigns_campaign SET {sums}, place = %s WHERE id = %s AND state = 'counting' AND place = %s"
    return sql.execute(statement, (*tally, place, one.id, one.place)) == 1


def advance(one: CampaignFacts, place: int, number: int, *, next_at: datetime) -> bool:
    """Note that it was done for so many people up to there; False where it was moved meanwhile: then nothing of it may
    stand. Inside the transaction that did it."""
    statement = (
        "UPDATE campaigns_campaign SET place = %s, done = done + %s, next_at = %s "
        "WHERE id = %s AND state = 'running' AND place = %s"
    )
    return sql.execute(statement, (place, number, sql.at(next_at), one.id, one.place)) == 1


def wait(one: CampaignFacts, *, until: datetime) -> None:
    """Have it rest where it is."""
    sql.execute(f"UPDATE campaigns_campaign SET next_at = %s WHERE id = %s AND {_AT_WORK}", (sql.at(until), one.id))


def stopped() -> list[str]:
    """What messages are about that stay in the queue."""
    return [about(one) for (one,) in sql.rows("SELECT id FROM campaigns_campaign WHERE state = 'stopped' ORDER BY id")]


def stop_all(*, now: datetime) -> int:
    """Stop all that run: nobody knows what of them has left since a copy was made."""
    running = [one for (one,) in sql.rows("SELECT id FROM campaigns_campaign WHERE state = 'running'")]
    return sum(move(one, State.STOPPED, now=now) for one in running)


def sweep(*, now: datetime, keep: timedelta) -> int:
    """Forget the lists of those that ended so long ago; the campaigns themselves stay."""
    old = Campaign.objects.filter(state__in=(State.DONE, State.CANCELLED), ended_at__lt=now - keep)
    return Target.objects.filter(campaign_id__in=old.values("pk")).delete()[0]
