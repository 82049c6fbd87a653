"""How a campaign stands, for whoever looks at it: whom it means, how far it is, until when, what may be done now."""

from datetime import datetime
from typing import NamedTuple

from massar.domain.campaigns.api import CampaignFacts, Kind, State
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.journeys.campaigns import carry_out, manage


class CampaignSeen(NamedTuple):
    """unit: of the branch; None: the country, or a list. hours: how long it takes. share: 0 to 1, how far. rate: people
    an hour. ends: when, as fast as it went. due: who was asked and has not changed yet. acts: what this viewer may do;
    waits: it waits for another person. held: what holds it while it is at work (`carry_out.held_by`)."""

    unit: people.units.UnitFacts | None
    people_kind: str
    hours: float
    by_budget: bool
    share: float
    rate: float
    ends: datetime | None
    due: int
    acts: tuple[str, ...]
    waits: bool
    held: str


_ACTS = {
    State.COUNTED: ("confirm", "count", "cancel"),
    State.CONFIRMED: ("approve", "count", "cancel"),
    State.COUNTING: ("cancel",),
    State.RUNNING: ("stop",),
    State.STOPPED: ("resume", "cancel"),
}


def look(one: CampaignFacts, *, viewer: int, now: datetime) -> CampaignSeen:
    state, told = State(one.state), manage.forecast(one)
    acts = _ACTS.get(state, ("cancel",) if state == State.DONE and one.kind == Kind.CHANGE else ())
    waits = state == State.CONFIRMED and one.by == viewer
    running = state in (State.RUNNING, State.STOPPED)
    return CampaignSeen(
        unit=people.units.by_id(one.unit_id) if one.unit_id else None,
        people_kind="" if one.belongs_as is None else people.Kind(one.belongs_as).name.lower(),
        hours=told.longest.total_seconds() / 3600, by_budget=told.by_budget > told.by_pace,
        share=min(1.0, one.done / one.people) if running and one.people else one.share,
        rate=manage.rate(one, now=now), ends=manage.ends_at(one, now=now),
        due=credentials.passwords.still_due(one.id) if one.kind == Kind.CHANGE and one.started_at else 0,
        acts=tuple(act for act in acts if not (waits and act == "approve")), waits=waits,
        held=carry_out.held_by(one, now=now),
    )  # fmt: skip
