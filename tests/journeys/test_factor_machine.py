"""Sign-in, factors, recovery and loss in every order, against a small model that says what must come of each step.

Hypothesis draws the walks; two browsers, and a clock that jumps. Whatever came before: no session and no change form
without the factor where there is one, no code twice, no factor that goes but by its owner or after the whole wait."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pyotp
import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.factors import api as factors
from massar.domain.people.models import Contact
from massar.domain.sessions.models import ChangeSession, Session
from massar.journeys.account import (
    change_password,
    close_sessions,
    edit_factors,
    lose_factors,
    second_step,
    sign_in,
)
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.account.edit_factors import Added
from massar.journeys.outcomes import (
    Done,
    FactorNotFresh,
    Gone,
    MustChangePassword,
    Problems,
    SecondStepRequired,
    SessionOpened,
)
from tests import cast
from tests.cast import YOUSSEF
from tests.conftest import AWKWARD_MOMENT
from tests.support.visitor import Post

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
WAIT, IDLE, HALF_DONE = timedelta(hours=72), timedelta(minutes=30), timedelta(minutes=10)
PASSWORDS = [f"Tamarin&{n}-oued" for n in range(7048, 7090)]
WHO = st.sampled_from(["owner", "thief"])


@dataclass
class Seat:
    """One browser, by the model's reckoning."""

    browser: Browser
    session: SessionOpened | None = None
    used_at: datetime | None = None
    half_done: str = ""
    half_done_at: datetime | None = None
    by_temporary: bool = False
    change: MustChangePassword | None = None


@dataclass
class Model:
    password: str = YOUSSEF.password
    app: pyotp.TOTP | None = None
    last_step: int = 0
    codes: list[str] = field(default_factory=list)
    spared: datetime | None = None
    lost_until: datetime | None = None


class Factors(RuleBasedStateMachine):
    """`clock` is put on the class by the test."""

    clock = None

    def __init__(self):
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.clock.set(AWKWARD_MOMENT + timedelta(days=100))
        cast.enter(YOUSSEF, now=self.clock())
        self.person = cast.facts(YOUSSEF)
        self.model, self.fresh = Model(), iter(PASSWORDS)
        self.seats = {
            who: Seat(Browser(network=f"192.0.{n}.0/24", label=who)) for n, who in enumerate(("owner", "thief"))
        }

    def teardown(self):
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    # --- what the model expects

    @property
    def now(self) -> datetime:
        return self.clock()

    def opened(self, seat: Seat, entered: SessionOpened, *, two: bool) -> None:
        assert Session.objects.get(pk=entered.session_id).amr == ("pwd otp mfa" if two else "pwd")
        seat.session, seat.used_at, seat.half_done, seat.change = entered, self.now, "", None
        seat.browser = replace(seat.browser, trusted_devices=entered.trusted_devices)

    def end_half_done(self) -> None:
        for seat in self.seats.values():
            seat.half_done, seat.change = "", None

    def everything_ends(self) -> None:
        self.end_half_done()
        for seat in self.seats.values():
            seat.session = None
        self.model.spared = self.model.lost_until = None

    def signed_in(self, seat: Seat) -> SignedIn | None:
        return close_sessions.authenticate(cookie=seat.session.cookie, now=self.now) if seat.session else None

    def waiting(self, seat: Seat) -> second_step.HalfDone | None:
        found = second_step.waiting(cookie=seat.half_done, now=self.now) if seat.half_done else None
        in_time = seat.half_done and self.now - seat.half_done_at < HALF_DONE
        assert bool(found) == bool(in_time), "a half-done sign-in lives ten minutes, and ends with what ends all"
        return found

    # --- steps

    @initialize(has_app=st.sampled_from([True, True, False]))
    def begin(self, has_app):
        """Most walks begin with an owner who has an app."""
        if has_app:
            self.types_the_password("owner")
            self.adds_an_app()
            self.time_passes(1)

    @rule(minutes=st.sampled_from([0.3, 0.3, 1, 1, 5, 11, 31, 60 * 25, 60 * 73, 60 * 24 * 31]))
    def time_passes(self, minutes):
        self.clock.advance(minutes=minutes)
        if minutes >= 31:
            for seat in self.seats.values():
                seat.session = None

    @rule(who=WHO)
    def types_the_password(self, who):
        seat, model = self.seats[who], self.model
        entered = sign_in.enter(typed_login=YOUSSEF.login, password=model.password, browser=seat.browser, now=self.now)
        if model.app and model.lost_until and model.lost_until <= self.now:
            model.app, model.codes, model.lost_until, model.spared = None, [], None, None
        spared = who == "owner" and model.spared and model.spared > self.now - timedelta(days=30)
        if model.app is None or spared:
            assert isinstance(entered, SessionOpened), entered
            self.opened(seat, entered, two=False)
        else:
            assert isinstance(entered, SecondStepRequired), "no session without the factor"
            seat.half_done, seat.half_done_at, seat.by_temporary = entered.cookie, self.now, False

    @rule(who=WHO)
    def types_a_temporary_password(self, who):
        seat = self.seats[who]
        contact = Contact.objects.get(person_id=self.person.id, kind="email")
        row, secret = credentials.temporary.issue(
            self.person.id, channel="email", contact_id=contact.pk, recovery_browser="", now=self.now
        )
        credentials.temporary.fix_expiry([row], self.now + timedelta(minutes=60))
        entered = sign_in.enter(typed_login=YOUSSEF.login, password=secret, browser=seat.browser, now=self.now)
        if self.model.app is None:
            assert isinstance(entered, MustChangePassword)
            for other in self.seats.values():
                other.change = None
            seat.change, self.secret = entered, secret
        else:
            assert isinstance(entered, SecondStepRequired), "no change form without the factor"
            seat.half_done, seat.half_done_at, seat.by_temporary = entered.cookie, self.now, True
            self.secret = secret

    @precondition(lambda self: self.model.app)
    @rule(who=WHO, which=st.sampled_from(["app", "app", "app again", "printed", "wrong"]), spare=st.booleans())
    def does_the_second_step(self, who, which, spare):
        seat, model = self.seats[who], self.model
        of = self.waiting(seat)
        if of is None or (which == "printed" and not model.codes):
            return
        step = int(self.now.timestamp()) // 30
        code = {"app": model.app.at(self.now), "app again": model.app.generate_otp(model.last_step)}.get(which)
        code = code or (model.codes[0] if which == "printed" else "999999999999")
        right = which == "printed" or (which == "app" and step > model.last_step)
        spare = spare and who == "owner"
        entered = second_step.enter_code(of=of, typed=code, spare=spare, browser=seat.browser, now=self.now)
        if not right:
            assert isinstance(entered, Problems | Gone) or type(entered).__name__ == "TooManyAttempts", entered
            if isinstance(entered, Gone):
                seat.half_done = ""
            return
        if type(entered).__name__ == "TooManyAttempts" or isinstance(entered, Gone):
            return
        model.last_step = step if which == "app" else model.last_step
        model.codes = model.codes[1:] if which == "printed" else model.codes
        model.lost_until = None
        if seat.by_temporary:
            assert isinstance(entered, MustChangePassword)
            for other in self.seats.values():
                other.change = None
            seat.half_done, seat.change = "", entered
        else:
            assert isinstance(entered, SessionOpened)
            self.opened(seat, entered, two=True)
            model.spared = self.now if spare else model.spared
            self.clock.advance(seconds=1)  # a change is later than the wish, kept in whole seconds

    @precondition(lambda self: self.model.app)
    @rule(who=WHO, which=st.sampled_from(["app", "app again", "printed"]), spare=st.booleans())
    def comes_in(self, who, which, spare):
        """One step instead of two, so that walks come far."""
        self.types_the_password(who)
        if self.model.app:
            self.does_the_second_step(who, which, spare)

    @precondition(lambda self: any(seat.change for seat in self.seats.values()))
    @rule()
    def saves_a_new_password(self):
        seat = next(seat for seat in self.seats.values() if seat.change)
        may = close_sessions.may_change(cookie=seat.change.cookie, now=self.now)
        if may is None:
            seat.change = None
            return
        new = next(self.fresh)
        entered = change_password.by_temporary(
            grant=may[1], current=self.secret, new=new, confirm=new, browser=seat.browser, now=self.now
        )
        if not isinstance(entered, SessionOpened):
            seat.change = None
            return
        self.model.password = new
        self.everything_ends()
        self.opened(seat, entered, two=self.model.app is not None)

    @rule()
    def adds_an_app(self):
        seat = self.seats["owner"]
        who = self.signed_in(seat)
        if who is None or self.model.app:
            return
        begun = edit_factors.begin_app(signed_in=who, password=self.model.password, browser=seat.browser, now=self.now)
        assert begun == Done()
        shown = edit_factors.app_of(who, now=self.now)
        app = pyotp.TOTP(shown.key.replace(" ", ""))
        added = edit_factors.prove_app(of=who, typed=app.at(self.now), browser=seat.browser, now=self.now)
        assert isinstance(added, Added)
        self.model.app, self.model.last_step = app, int(self.now.timestamp()) // 30
        self.model.codes, self.model.spared = [code.replace("-", "") for code in added.codes], None
        self.model.lost_until = None
        self.end_half_done()
        self.opened(seat, added.entered, two=True)

    @precondition(lambda self: self.model.app)
    @rule(who=WHO)
    def removes_the_app(self, who):
        seat = self.seats[who]
        signed_in = self.signed_in(seat)
        if signed_in is None:
            return
        [factor] = factors.held.of_person(self.person.id)
        done = edit_factors.remove(
            signed_in=signed_in, factor_id=factor.id, password=self.model.password, browser=seat.browser, now=self.now
        )
        proved = signed_in.session.second_at
        if proved and self.now - proved < timedelta(minutes=10):
            assert done == Done()
            self.model.app, self.model.codes, self.model.spared, self.model.lost_until = None, [], None, None
        else:
            assert done == FactorNotFresh(), "a session with the password alone removes nothing"

    @precondition(lambda self: self.model.app)
    @rule(who=WHO)
    def loses_it(self, who):
        seat = self.seats[who]
        of = self.waiting(seat)
        if of is None or self.model.lost_until:
            return
        [contact] = [one for one in lose_factors.contacts_of(self.person, now=self.now) if one.kind == "email"]
        sent = lose_factors.send_code(of=of, contact_id=contact.id, browser=seat.browser, now=self.now)
        if seat.by_temporary:
            assert isinstance(sent, Gone)
        if not isinstance(sent, Done):
            return
        code = Post(self.clock).code(contact.value)
        done = lose_factors.prove(of=of, code=code, browser=seat.browser, now=self.now, cancel_url=lambda token: token)
        assert done == Done(from_when=self.now + WAIT)
        self.model.lost_until = self.now + WAIT

    @precondition(lambda self: self.model.lost_until)
    @rule()
    def stops_the_loss(self):
        assert lose_factors.cancel(person=self.person, browser=Browser(), now=self.now) == Done()
        self.model.lost_until = None

    # --- always

    @invariant()
    def the_product_stands_where_the_model_stands(self):
        assert bool(factors.held.of_person(self.person.id)) == bool(self.model.app)
        assert factors.backup.left(self.person.id) == len(self.model.codes)
        assert bool(factors.losses.waiting(self.person.id)) == bool(self.model.lost_until)

    @invariant()
    def no_change_form_without_the_factor(self):
        live = ChangeSession.objects.filter(ended_at=None, expires_at__gt=self.now)
        if self.model.app:
            assert all("mfa" in amr for amr in live.values_list("amr", flat=True))


def test_sign_in_factors_recovery_and_loss_in_every_order(clock, db):
    Factors.clock = clock
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    steps = {"max_examples": 12, "stateful_step_count": 30, "phases": [Phase.generate]}
    chosen = settings(**steps, deadline=None, suppress_health_check=checks)
    stateful.run_state_machine_as_test(Factors, settings=chosen)
