"""Cases with four eyes in every order, against a small model that says what must come of each step.

Hypothesis draws the walks: two browsers that ask for numbers, three agents (two of whom may share a computer), a role
that is taken back and given again, a freeze, a clock. Whatever came before: no change form without two different agents
at two machines within ten minutes each, in the browser of the number alone, and one new password for each case."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.desk import api as desk
from massar.domain.people import api as people
from massar.domain.people.models import RoleGrant
from massar.domain.sessions import api as sessions
from massar.domain.sessions.models import ChangeSession
from massar.journeys.account import change_password, close_sessions, freeze_account, sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.desk import approve, open_case
from massar.journeys.desk.agents import Agent
from massar.journeys.outcomes import Done, Gone, MustChangePassword, Problems, SessionOpened
from tests import cast
from tests.cast import FATIMA, JAMAL, KHADIJA, SALMA, YOUSSEF
from tests.conftest import AWKWARD_MOMENT
from tests.support.desk import Role, appoint, plant

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
LIFE = timedelta(minutes=10)
PASSWORDS = [f"Tamarin&{n}-oued" for n in range(7048, 7090)]
SEATS, AGENTS = st.sampled_from(["phone", "thief"]), st.sampled_from(["first", "second", "head"])


@dataclass
class Seen:
    """The newest case of one browser, by the model's reckoning."""

    number: str
    opened_at: datetime
    state: str = "open"
    proposer: str = ""
    confirmer: str = ""
    together: bool = False
    approved_at: datetime | None = None


@dataclass
class Seat:
    browser: Browser
    case: Seen | None = None
    change: MustChangePassword | None = None


@dataclass
class Model:
    password: str = FATIMA.password
    frozen: bool = False
    revoked: set[str] = field(default_factory=set)
    together: bool = False
    changes: int = 0


class Cases(RuleBasedStateMachine):
    """`clock` is put on the class by the test."""

    clock, changed = None, 0

    def __init__(self):
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.clock.set(AWKWARD_MOMENT + timedelta(days=100))
        cast.enter(JAMAL, FATIMA, YOUSSEF, KHADIJA, SALMA, now=self.clock())
        plant()
        people_of = {"first": YOUSSEF, "second": KHADIJA, "head": JAMAL}
        for person, role, code in (
            (YOUSSEF, Role.DIRECTORATE_DESK, "D07"), (KHADIJA, Role.ACADEMY_DESK, "A07"), (JAMAL, Role.HEAD, "24187K"),
        ):  # fmt: skip
            appoint(person, role, code, now=self.clock())
        self.facts = {name: cast.facts(person) for name, person in people_of.items()}
        self.person = cast.facts(FATIMA)
        self.model, self.fresh = Model(), iter(PASSWORDS)
        self.seats = {
            who: Seat(Browser(network=f"192.0.{n}.0/24", label="Chrome · Android", recovery_browser=who))
            for n, who in enumerate(("phone", "thief"))
        }

    def teardown(self):
        if self.model.changes:
            self.only_the_last_password_counts()
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    @property
    def now(self) -> datetime:
        return self.clock()

    def agent(self, name: str) -> Agent | None:
        day = self.now.date()
        held = people.roles.holding(self.facts[name].id, on=day)
        session = SimpleNamespace(id=sorted(self.facts).index(name) + 1)
        return Agent(SignedIn(self.facts[name], session), tuple(held)) if held else None

    def browser_of(self, name: str) -> Browser:
        """Each agent's own computer, which knows its own person; or one that knows all."""
        whose = list(self.facts) if self.model.together else [name]
        known = ""
        for one in whose:
            known = sessions.devices.remember(known, self.facts[one].id, now=self.now)
        machine = "shared" if self.model.together else name
        return Browser(
            network="198.51.100.0/24", label="Firefox · Windows", recovery_browser=machine, trusted_devices=known
        )

    def live(self, seen: Seen | None) -> bool:
        """Whether something may still be decided about it."""
        return bool(seen and seen.state in ("open", "proposed") and self.now - seen.opened_at < LIFE)

    def deciders_stand(self, seen: Seen) -> bool:
        """Whether both agents of an approved case still have their roles."""
        return not self.model.revoked & {seen.proposer, seen.confirmer}

    def everything_ends(self) -> None:
        """What goes on at the desk ends with a new password, and with a freeze."""
        for seat in self.seats.values():
            seat.change = None
            if seat.case and seat.case.state in ("proposed", "approved"):
                seat.case.state = "closed"

    # --- steps

    @rule(minutes=st.sampled_from([0.5, 0.5, 1, 2, 4, 9, 11]))
    def time_passes(self, minutes):
        self.clock.advance(minutes=minutes)
        if minutes == 11:
            desk.cases.expire(now=self.now)

    @rule(who=SEATS)
    def a_browser_asks_for_a_number(self, who):
        seat = self.seats[who]
        assert open_case.ask(typed_login=FATIMA.login, browser=seat.browser, now=self.now) == Done()
        seat.case = Seen(open_case.look(browser=seat.browser, now=self.now).case.number, self.now)

    @precondition(lambda self: any(seat.case for seat in self.seats.values()))
    @rule(who=SEATS, name=AGENTS)
    def an_agent_proposes(self, who, name):
        seen, agent = self.seats[who].case, self.agent(name)
        if seen is None or agent is None:
            return
        done = approve.propose(
            agent=agent, number=seen.number, kind="password", reason="carte", browser=self.browser_of(name),
            now=self.now, stop_url=str,
        )  # fmt: skip
        if not self.live(seen) or seen.state != "open":
            assert done == Gone()
        elif self.model.frozen:
            assert isinstance(done, Problems)
        else:
            assert done == Done()
            seen.state, seen.proposer, seen.together = "proposed", name, self.model.together

    @precondition(lambda self: any(seat.case and seat.case.proposer for seat in self.seats.values()))
    @rule(who=SEATS, name=AGENTS)
    def an_agent_confirms(self, who, name):
        seen, agent = self.seats[who].case, self.agent(name)
        if seen is None or agent is None:
            return
        done = approve.confirm(
            agent=agent, number=seen.number, browser=self.browser_of(name), now=self.now, stop_url=str
        )
        if not self.live(seen) or seen.state != "proposed" or seen.proposer == name or name == "head":
            assert done == Gone(), "late, nothing to confirm, the own proposal, or no right to"
        elif self.model.together or seen.together or self.model.frozen or seen.proposer in self.model.revoked:
            assert isinstance(done, Problems)
        else:
            assert done == Done()
            seen.state, seen.confirmer, seen.approved_at = "approved", name, self.now

    @precondition(lambda self: any(seat.case for seat in self.seats.values()))
    @rule(who=SEATS, by=st.sampled_from(["person", "agent"]))
    def somebody_ends_it(self, who, by):
        seen, seat, agent = self.seats[who].case, self.seats[who], self.agent("second")
        if seen is None or agent is None:
            return
        if by == "person":
            open_case.close(browser=seat.browser, now=self.now)
            seen.state = "closed" if self.live(seen) or seen.state == "approved" else seen.state
        elif approve.decline(agent=agent, number=seen.number, reason="doute", now=self.now) == Done():
            assert self.live(seen)
            seen.state = "refused"

    @precondition(lambda self: any(seat.case and seat.case.approved_at for seat in self.seats.values()))
    @rule(who=SEATS)
    def a_browser_goes_on(self, who):
        seat = self.seats[who]
        done = open_case.go_on(browser=seat.browser, now=self.now)
        in_time = seat.case and seat.case.state == "approved" and self.now - seat.case.approved_at < LIFE
        if in_time and not self.model.frozen and self.deciders_stand(seat.case):
            assert isinstance(done, MustChangePassword), done
            for other in self.seats.values():
                other.change = None
            seat.change = done
        else:
            assert done == Gone()

    @precondition(lambda self: any(seat.change for seat in self.seats.values()))
    @rule()
    def it_saves_a_new_password(self):
        seat = next(seat for seat in self.seats.values() if seat.change)
        may = close_sessions.may_change(cookie=seat.change.cookie, now=self.now)
        seat.change = None
        if may is None:
            return
        new = next(self.fresh)
        entered = change_password.by_temporary(
            grant=may[1], current="", new=new, confirm=new, browser=seat.browser, now=self.now
        )
        if isinstance(entered, SessionOpened):
            Cases.changed += 1
            assert seat.case.state == "approved" and self.deciders_stand(seat.case), "each case pays once"
            self.model.password, self.model.changes, seat.case.state = new, self.model.changes + 1, "done"
            self.everything_ends()
        else:
            assert entered == Gone()

    @rule(who=SEATS, saves=st.booleans())
    def is_served(self, who, saves):
        """Several steps in one, on a day on which nothing is in the way, so that walks come far."""
        if self.model.frozen:
            self.the_owner_freezes_or_an_operator_opens()
        for name in sorted(self.model.revoked):
            self.a_role_is_taken_back_or_given_again(name)
        self.model.together = False
        self.a_browser_asks_for_a_number(who)
        self.an_agent_proposes(who, "first")
        self.an_agent_confirms(who, "second")
        self.a_browser_goes_on(who)
        if saves:
            self.it_saves_a_new_password()

    @rule(name=st.sampled_from(["first", "second"]))
    def a_role_is_taken_back_or_given_again(self, name):
        gone = name in self.model.revoked
        grants = RoleGrant.objects.filter(person_id=self.facts[name].id)
        grants.update(revoked_at=None if gone else self.now)
        self.model.revoked ^= {name}

    @rule()
    def the_agents_sit_together_or_apart(self):
        self.model.together = not self.model.together

    @rule()
    def the_owner_freezes_or_an_operator_opens(self):
        if self.model.frozen:
            people.directory.reopen(self.person.id, now=self.now)
        else:
            freeze_account.by_operator(person=cast.facts(FATIMA), reason="appel", now=self.now)
            self.everything_ends()
        self.model.frozen = not self.model.frozen

    # --- always

    @invariant()
    def the_product_stands_where_the_model_stands(self):
        for seat in self.seats.values():
            if seat.case:
                row = desk.cases.by_number(seat.case.number)
                assert row is None or row.state in (seat.case.state, "expired")
                assert row is None or row.state != "approved" or row.agent_id != row.second_id is not None

    @invariant()
    def nothing_opens_but_by_two(self):
        """Each change session stands for a case that two agents approved."""
        live = ChangeSession.objects.filter(ended_at=None, expires_at__gt=self.now).values_list(
            "temporary_id", flat=True
        )
        for temporary_id in live:
            case = desk.cases.by_id(credentials.temporary.case_of(temporary_id))
            assert case is None or (case.agent_id and case.second_id and case.agent_id != case.second_id)

    def only_the_last_password_counts(self):
        people.directory.reopen(self.person.id, now=self.now)
        browser = replace(self.seats["phone"].browser, trusted_devices="")
        entered = sign_in.enter(typed_login=FATIMA.login, password=self.model.password, browser=browser, now=self.now)
        assert isinstance(entered, SessionOpened)


def test_cases_with_four_eyes_in_every_order(clock, db):
    Cases.clock = clock
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    steps = {"max_examples": 15, "stateful_step_count": 30, "phases": [Phase.generate]}
    chosen = settings(**steps, deadline=None, suppress_health_check=checks)
    stateful.run_state_machine_as_test(Cases, settings=chosen)
    assert Cases.changed, "no walk came to a new password"
