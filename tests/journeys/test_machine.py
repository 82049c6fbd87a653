"""The journeys in every order, against a small model that says what must come of each step.

Hypothesis draws the walks: three browsers, a clock that jumps, workers that are slow, refused, cut off or killed; a
person who has an app as second factor, or gets, removes or loses one on the way.
After every step the product must stand where the model stands. Everything a person does goes through HTTP.
"""

import itertools
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pyotp
import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from massar.core import ids, sql
from massar.core.browser import Browser
from massar.domain.credentials.models import FormerPassword, Password, TemporaryPassword
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Message
from massar.domain.factors import api as factors
from massar.domain.people.models import Contact, Person
from massar.domain.sessions.models import ChangeSession, Session
from massar.journeys import retention
from massar.journeys.account import freeze_account, recover_password
from massar.journeys.outcomes import Done
from tests import cast
from tests.cast import FATIMA, YOUSSEF, YOUSSEF_EMAIL
from tests.conftest import AWKWARD_MOMENT
from tests.support.authenticator import BACKUP, KEY
from tests.support.faults import PostOffice
from tests.support.trail import all_events
from tests.support.visitor import CODE, TEMPORARY
from tests.support.words import said

pytestmark = pytest.mark.both_databases

PHONE = "+212662000333"
DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
WAIT = 72 * HOUR
CHANGE_LIFE, STILL_FRESH = 15 * MINUTE, 10 * MINUTE
STEP = "/sign-in/second/"
LIVES = {"email": 60 * MINUTE, "sms": 10 * MINUTE}
BROWSERS = ("asker", "second", "thief")
BROWSER, KIND = st.sampled_from(BROWSERS), st.sampled_from(["email", "phone"])
RESUMED = (
    "/",
    "/profile/",
    "/profile/security/",
    "/devices/",
    "/password/change/",
)  # the page that a browser was on before it signed in
JUMPS = [*[61 * SECOND] * 4, *[125 * SECOND] * 3, *[11 * MINUTE] * 2,
         20 * SECOND, 31 * MINUTE, 61 * MINUTE, 25 * HOUR, 73 * HOUR]  # fmt: skip
DEPTHS = (
    "here before",
    "asked",
    "delivered",
    "claimed",
    "claimed",
    "recovered",
    "remembered",
    "proposed",
    "waiting",
    "app",
    "app asked",
    "app recovered",
    "app lost",
)
PAGES = {"recovery": ("/recovery/", "/recovery/asked/"), "vouching": ("/let-in/", "/let-in/code/")}
NEW_PASSWORDS = [f"Tamarin&{n}-oued" for n in range(6048, 6078)]
TRIES = {
    "wrong": 8,
    "code": 14,
    "wrong_contact": 8,
    "proposal": 5,
    "factor": 4,
    "loss": 2,
}  # below every budget: those have tests of their own


def all_but(table, *left_out: str) -> str:
    columns = [one.column for one in table._meta.fields if one.column not in left_out]
    return f"{', '.join(columns)} FROM {table._meta.db_table}"


OWNED = [("id", all_but(Person)), ("person_id", all_but(Session, "last_seen_at")),  # looking at any page moves it
         *(("person_id", all_but(one)) for one in (Password, FormerPassword, ChangeSession, Contact))]  # fmt: skip


class Bucket:
    """The model of a budget: a plain token bucket, unlike the product's single number."""

    def __init__(self, burst: int, refill: timedelta):
        self.burst, self.refill, self.left, self.since = burst, refill, float(burst), None

    def take(self, now: datetime) -> bool:
        if self.since:
            self.left = min(self.burst, self.left + (now - self.since) / self.refill)
        self.since = now
        if self.left < 1 - 1e-9:
            return False
        self.left -= 1
        return True

    def give_back(self) -> None:
        self.left += 1


@dataclass
class Secret:
    """A temporary password as the model knows it. `text` is learned from the message alone."""

    id: int
    channel: str
    asked_by: str
    issued_at: datetime  # or when its contact was told it again for this browser
    contact: str = ""
    known: bool = False  # asked for from a known device
    purpose: str = "recovery"
    one: object = None  # the same in all rows of one secret, which was sent again for other browsers
    state: str = "issued"  # issued, claimed, superseded, dead, consumed
    text: str = ""
    expires_at: datetime | None = None
    opened: int = 0
    device: int = 0  # that a vouching code has made known

    @property
    def open(self) -> bool:
        return self.state in ("issued", "claimed")

    def worth_sending(self, now: datetime) -> bool:
        soon = self.expires_at > now + 3 * MINUTE if self.expires_at else self.issued_at > now - 10 * MINUTE
        return self.open and soon

    def live(self, now: datetime) -> bool:
        return self.open and (self.expires_at is None or self.expires_at > now)


@dataclass
class Grant:
    """A change session."""

    secret: Secret
    opened_at: datetime
    open: bool = True
    proved: bool = False  # the secret was typed right once: it is not asked for again
    two: bool = False  # after a second factor

    def good(self, now: datetime) -> bool:
        return self.open and now < self.opened_at + CHANGE_LIFE


@dataclass
class ModelContact:
    """A contact as the model knows it."""

    id: int
    kind: str
    value: str
    state: str = "proposed"
    counts_from: datetime | None = None
    ends_at: datetime | None = None
    code_until: datetime | None = None
    tries: int = 0

    def counts(self, now: datetime) -> bool:
        return self.state == "proved" and self.counts_from <= now and (self.ends_at is None or self.ends_at > now)

    def waits(self, now: datetime) -> bool:
        return self.state == "proved" and self.counts_from > now


@dataclass
class Asking:
    """A recovery request that was not answered yet."""

    by: str
    channel: str
    contact: str
    at: datetime
    device: tuple | None  # number and moment of the browser's newest full sign-in, or when it was let in
    purpose: str = "recovery"
    leased_until: datetime | None = None


@dataclass
class Seat:
    """One browser: what it holds by the model's reckoning."""

    client: Client
    signed_in: bool = False
    grant: Grant | None = None
    device: tuple | None = None
    second_at: datetime | None = None  # when a second factor was proved in this session


@dataclass
class Model:
    """Everything the product must agree with."""

    password: str = YOUSSEF.password
    used: list[str] = field(default_factory=list)
    secrets: list[Secret] = field(default_factory=list)
    contacts: list[ModelContact] = field(default_factory=list)
    asked: list[Asking] = field(default_factory=list)
    frozen_until: datetime | None = None
    shut: bool = False  # the account is frozen
    buckets: dict[tuple, Bucket] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TRIES, 0))
    sessions_opened: int = 0
    devices: int = 0
    devices_since: datetime | None = None
    recovered: int = 0
    app: pyotp.TOTP | None = None
    step: int = 0  # of the last code that was taken
    printed: list[str] = field(default_factory=list)
    lost_until: datetime | None = None

    def bucket(self, name: str, burst: int, refill: timedelta, *key) -> Bucket:
        return self.buckets.setdefault((name, *key), Bucket(burst, refill))

    def frozen(self, now: datetime) -> bool:
        return self.frozen_until is not None and self.frozen_until > now

    def remember(self, seat: Seat, now: datetime) -> None:
        """A full session opened there: from now on it is a known device, and a new one."""
        self.devices += 1
        seat.device = (self.devices, now)

    def lose_factors(self) -> None:
        self.app, self.printed, self.lost_until = None, [], None

    def end_secrets(self) -> None:
        for secret in self.secrets:
            secret.state = "dead" if secret.open else secret.state


class Journeys(RuleBasedStateMachine):
    """`clock` and `patch` are put on the class by the test: the product's frozen clock and pytest's monkeypatch."""

    clock = None
    patch = None
    seen: Counter = Counter()  # what the walks came by, over all of them

    def __init__(self):
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.clock.set(AWKWARD_MOMENT + 100 * DAY)
        cast.enter(YOUSSEF, FATIMA, now=self.clock())
        self.person = cast.facts(YOUSSEF).id
        self.neighbour = cast.facts(FATIMA).id
        self.model = Model()
        for row in Contact.objects.filter(person_id=self.person).order_by("id"):
            value = YOUSSEF_EMAIL if row.kind == "email" else PHONE
            self.model.contacts.append(ModelContact(row.pk, row.kind, value, "proved", self.clock(), None))
        self.seats = {b: Seat(Client(headers={"user-agent": f"Firefox/{b}"})) for b in BROWSERS}
        self.post = PostOffice(self.clock)
        self.read = self.audit_rows = 0
        self.fresh = iter(NEW_PASSWORDS)
        self.neighbours = self._rows(self.neighbour)

    def teardown(self):
        try:
            events = list(all_events())
            assert all(one.genuine for one in events), "a row of the audit log is not genuine"
            assert [one.event for one in events].count("password_recovered") == self.model.recovered
            assert self._rows(self.neighbour) == self.neighbours, "another person's rows changed"
        finally:
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)

    @initialize(depth=st.sampled_from(DEPTHS), kind=KIND)
    def begin(self, depth, kind):
        """The owner has been here before, in the browser that will ask; walks begin at several depths."""
        self._sign_in_with("asker", self.model.password)
        ask, arrives = ("ask", "asker", kind, False), ("worker_turns", "", 0)
        claim, change = ("sign_in_with_a_secret", "second", 0), ("change", "second", "good", True)
        app, later = ("add_an_app", "asker"), ("time_passes", 61 * SECOND)
        propose, prove = ("propose_a_contact", "asker", kind, True), ("prove_a_contact", "asker", True, 0)
        self.walk({
            "here before": [], "asked": [ask], "delivered": [ask, arrives], "claimed": [ask, arrives, claim],
            "recovered": [ask, arrives, claim, change], "proposed": [propose, arrives],
            "remembered": [ask, arrives, claim, ("sign_in_with_the_password", "asker"), change],
            "waiting": [propose, arrives, prove],
            "app": [app], "app asked": [app, later, ask, arrives],
            "app recovered": [app, later, ask, arrives, claim, change],
            "app lost": [app, later, ("lose_the_app",)],
        }[depth])  # fmt: skip

    def walk(self, steps) -> None:
        for step, *how in steps:
            getattr(self, step)(*how)

    @rule(browser=BROWSER, which=KIND, mood=st.sampled_from(["", "silent", "slow"]))
    def ask_and_receive(self, browser, which, mood):
        """One step instead of three, so that walks come far."""
        self.time_passes(61 * SECOND)
        self.ask(browser, which, False)
        self.worker_turns(mood, 0)

    @rule(browser=BROWSER)
    def three_secrets_and_the_oldest(self, browser):
        """The third ends the first, which then reads as late."""
        self.ask_and_receive(browser, "email", "")
        self.ask_and_receive(browser, "phone", "")
        self.ask_and_receive(browser, "email", "")
        if sum(bool(s.text) for s in self.model.secrets) > 2:
            self.sign_in_with_a_secret(browser, 2)

    @precondition(lambda self: any(s.text for s in self.model.secrets))
    @rule(browser=BROWSER, jump=st.sampled_from([10 * MINUTE - SECOND, 10 * MINUTE, HOUR - SECOND, HOUR]))
    def wait_for_the_end_of_a_secret(self, browser, jump):
        """To the second of its end, and one before it."""
        newest = [s for s in self.model.secrets if s.text][-1]
        moment = newest.expires_at - LIVES[newest.channel] + jump
        if moment > self.clock():
            self.time_passes(moment - self.clock())
            self.sign_in_with_a_secret(browser, 0)

    @rule(browser=BROWSER, which=KIND, seconds=st.sampled_from([-31, -29, 1, 60]))
    def a_secret_ends_in_a_dead_workers_hand(self, browser, which, seconds):
        """Its time was fixed, it was never sent, and the next worker comes around the very end."""
        self.time_passes(61 * SECOND)
        self.ask(browser, which, False)
        issued = len(self.model.secrets)
        self._expect_answers()
        died = self.post.die(self.patch, "write")
        self._read_post()
        if not died or len(self.model.secrets) == issued or self.model.secrets[-1].expires_at is None:
            return
        newest = self.model.secrets[-1]
        if not Message.objects.filter(temporary_id=newest.id).exists():  # another's message told it meanwhile
            return
        self.time_passes(newest.expires_at + timedelta(seconds=seconds) - self.clock())
        self.worker_turns("", 1)
        state = Message.objects.filter(temporary_id=newest.id).earliest("id").state
        self.seen[f"{state} {seconds} s around its end"] += 1
        assert state in (("submitted", "cancelled") if seconds < -30 else ("expired", "cancelled"))

    @rule(browser=BROWSER, new=st.sampled_from(["good", "bad"]))
    def enter_and_change(self, browser, new):
        if any(s.text for s in self.model.secrets):
            self.sign_in_with_a_secret(browser, 0)
            self.change(browser, new, True)

    # --- the clock and the workers

    @rule(jump=st.sampled_from(JUMPS))
    def time_passes(self, jump):
        self.clock.advance(seconds=jump.total_seconds())
        if jump > 30 * MINUTE:
            for seat in self.seats.values():
                seat.signed_in = False

    @rule(mood=st.sampled_from(["", "", "", "refused", "not_now", "silent", "gone", "slow"]), which=st.integers(0, 1))
    def worker_turns(self, mood, which):
        for forget in retention.by_days().values():  # what is over goes when its days are over: nobody's doing
            forget(now=self.clock() + timedelta(hours=1))
        before = self._rows(self.person)
        self._work(mood, which)
        assert self._rows(self.person) == before, "answering or sending changed something of the owner's"

    def _work(self, mood: str, which: int) -> None:
        busy = True
        while busy:  # turn by turn: a slow provider lets leases lapse in between
            self._expect_answers()
            busy = self.post.work(mood, which=which, most=1)
            self._read_post()

    @rule(place=st.sampled_from(["write", "settle", "_still_wanted"]))
    def worker_dies(self, place):
        self._expect_answers()
        self.seen[f"killed before {place}"] += self.post.die(self.patch, place)
        self._read_post()

    @rule()
    def worker_dies_with_requests(self):
        delivery.requests.claim(50, now=self.clock())
        for asking in self.model.asked:
            if asking.leased_until is None or asking.leased_until <= self.clock():
                asking.leased_until = self.clock() + timedelta(seconds=20)

    def _expect_answers(self) -> None:
        now = self.clock()
        leased = lambda asking: asking.leased_until and asking.leased_until > now  # noqa: E731
        self.model.asked = [one for one in self.model.asked if leased(one) or not self._expect_answer(one, now)]

    def _expect_answer(self, asking: Asking, now: datetime) -> bool:
        """False: it waits for its turn, until `leased_until`."""
        kind = "email" if asking.channel == "email" else "phone"
        right = any(c.kind == kind and c.value == asking.contact and c.counts(now) for c in self.model.contacts)
        if now - asking.at > 45 * MINUTE or not right or (self.model.shut and asking.purpose == "vouching"):
            return True
        owner, since = (asking.purpose, kind, asking.contact), self.model.devices_since
        known = asking.device is not None and (since is None or asking.device[1] >= since)
        gap = self.model.bucket("gap", 1, MINUTE, asking.by, *owner)
        if not gap.take(now):
            return True
        if (known and self._take_both("device", 3, 12, HOUR, now, asking.device[0], *owner)) or self._take_both(
            "shared", 3, 6, 4 * HOUR, now, *owner
        ):
            self._expect_secret(asking, known, now)
            return True
        return self._expect_again(asking, known, gap, now)

    def _expect_again(self, asking: Asking, known: bool, gap: Bucket, now: datetime) -> bool:
        running = self._running(asking, now)
        again = self.model.bucket("again", 3, 4 * MINUTE, asking.purpose, asking.channel, asking.contact)
        meanwhile = running is not None and running.issued_at > asking.at
        if not meanwhile and again.take(now):
            if running is None or (running.expires_at and running.expires_at < now + 5 * MINUTE):
                self._expect_secret(asking, known, now)
            else:
                self.seen["sent again"] += 1
                self._expect_shared(running, asking, now if running.expires_at else running.issued_at)
            return True
        if meanwhile or (running is not None and now - running.issued_at <= 2 * MINUTE):
            self.seen["sent meanwhile"] += 1
            self._expect_shared(running, asking, running.issued_at)
            return True
        gap.give_back()
        self.seen["waits for its turn"] += 1
        asking.leased_until = now + timedelta(seconds=round((1 - again.left) * 240))
        return False

    def _take_both(self, name: str, hourly: int, daily: int, refill: timedelta, now: datetime, *owner) -> bool:
        hour = self.model.bucket(f"{name} hour", hourly, 20 * MINUTE, *owner)
        day = self.model.bucket(f"{name} day", daily, refill, *owner)
        had_hour, had_day = hour.take(now), day.take(now)
        if had_hour != had_day:
            (hour if had_hour else day).give_back()
        return had_hour and had_day

    def _running(self, asking: Asking, now: datetime) -> Secret | None:
        named = (asking.contact, asking.purpose)
        worth = [s for s in self.model.secrets if (s.contact, s.purpose) == named and s.worth_sending(now)]
        worth = [one for one in worth if one.purpose == "recovery" or one.state == "issued"]
        return max(reversed(worth), key=lambda one: one.issued_at, default=None)

    def _expect_secret(self, asking: Asking, known: bool, now: datetime) -> None:
        same = [one for one in self.model.secrets if (one.known, one.purpose) == (known, asking.purpose)]
        alive = [one for one in same if one.live(now)]
        kept = max(reversed(alive), key=lambda one: one.issued_at, default=None)
        for other in alive:
            if other.one is not kept.one:
                other.state = "superseded"
        channel = "email" if asking.channel == "email" else "sms"
        secret = Secret(0, channel, asking.by, now, asking.contact, known, asking.purpose, object())
        self.model.secrets.append(secret)

    def _expect_shared(self, running: Secret, asking: Asking, sent_at: datetime) -> None:
        mine = [s for s in self.model.secrets if s.one is running.one and s.open and s.asked_by == asking.by]
        if mine:
            mine[-1].issued_at = sent_at
        else:
            shared = replace(running, id=0, asked_by=asking.by, issued_at=sent_at, state="issued", opened=0)
            self.model.secrets.append(shared)

    def _read_post(self) -> None:
        """Learns secrets and ends from what was delivered; a repeat must be the same letter."""
        rows = list(TemporaryPassword.objects.filter(person_id=self.person).order_by("id"))
        assert len(rows) == len(self.model.secrets), "not as many secrets as the model issued"
        for row, secret in zip(rows, self.model.secrets, strict=True):
            secret.id = row.pk
            if secret.expires_at is None and row.expires_at:
                assert secret.issued_at <= row.expires_at - LIVES[secret.channel] <= self.clock()
                secret.expires_at = row.expires_at
            assert row.expires_at == secret.expires_at, "the end of a secret moved"
        letters: dict[str, str] = {}
        arrived = {one.message.message_id for one in self.post.arrived}
        messages = Message.objects.in_bulk(arrived, field_name="uid")
        self.seen["repeat"] += len(self.post.arrived) - len(arrived)
        for arrival in self.post.arrived:
            message = messages[arrival.message.message_id]
            assert arrival.at < message.expires_at <= message.deadline, "handed over after its end"
            assert letters.setdefault(message.uid, arrival.message.text) == arrival.message.text, "a repeat differs"
            found = TEMPORARY.findall(arrival.message.text)
            if message.temporary_id:
                secret = next(s for s in self.model.secrets if s.id == message.temporary_id)
                assert len(set(found)) == 1 and secret.text in ("", found[0])
                for same in self.model.secrets:
                    same.text = found[0] if same.one is secret.one else same.text

    # --- recovery

    @rule(browser=BROWSER, which=st.sampled_from([*["email", "phone"] * 2, "wrong email", "wrong phone", "pending"]),
          reload=st.booleans())  # fmt: skip
    def ask(self, browser, which, reload, purpose="recovery"):
        channel, contact = self._contact_to_type(which)
        if contact is None or (which.startswith("wrong") and not self._may("wrong_contact")):
            return
        before, now = self._rows(self.person), self.clock()
        form_at, then = PAGES[purpose]
        page = self.seats[browser].client.get(form_at).content.decode()
        form = re.search(r'name="ask_id" value="([^"]{43})"', page).group(1)
        typed = {"user": YOUSSEF.login, "channel": channel, "ask_id": form, channel: contact}
        for _ in range(1 + reload):
            answer = self._post(browser, form_at, **typed)
            assert answer.status_code == 303 and answer["Location"] == f"{then}?by={channel}"
        self.model.asked.append(Asking(browser, channel, contact, now, self.seats[browser].device, purpose))
        assert self._rows(self.person) == before, "asking changed something of the owner's"

    def _contact_to_type(self, which: str) -> tuple[str, str | None]:
        if which == "pending":
            held = [c for c in self.model.contacts if c.state == "proposed" or c.waits(self.clock())]
            if not held or not self._may("wrong_contact"):
                return "email", None
            return held[-1].kind, held[-1].value
        channel = which.split()[-1]
        if which.startswith("wrong"):
            return channel, "+212669999999" if channel == "phone" else "someone.else@example.org"
        counting = [c.value for c in self.model.contacts if c.kind == channel and c.counts(self.clock())]
        return channel, counting[-1] if counting else None

    # --- signing in

    @rule(browser=BROWSER)
    def sign_in_with_the_password(self, browser):
        if self.model.sessions_opened < 9:
            self._sign_in_with(browser, self.model.password)

    @precondition(lambda self: not self.model.shut)
    @rule()
    def freeze_the_account(self):
        """At any moment; from then on nothing but a recovery opens it."""
        now = self.clock()
        assert freeze_account.by_operator(person=cast.facts(YOUSSEF), reason="called", now=now) == Done()
        self.model.shut, self.model.sessions_opened, self.model.devices_since = True, 0, now
        self.model.end_secrets()
        self._end_grants()
        for seat in self.seats.values():
            seat.signed_in = False
        self._undo_contacts(now)
        self.model.lost_until = None
        self.seen["account frozen"] += 1

    def _undo_contacts(self, now: datetime) -> None:
        for held in self.model.contacts:
            if held.state == "proposed" or held.waits(now):
                held.state, held.ends_at = "cancelled", now
        self._keep_leaving(now, "email", "phone")
        self.model.frozen_until = now + WAIT

    def _sign_in_with(self, browser: str, password: str) -> None:
        if self.model.shut and not self._may("wrong"):  # the right one is charged, too
            return
        answer = self._sign_in(browser, password)
        if self.model.shut:
            assert answer.status_code == 422 and said("ar", "problem.frozen") in answer.content.decode()
            self.seen["refused while frozen"] += 1
            return
        if self.model.lost_until and self.model.lost_until <= self.clock():
            self.model.lose_factors()
            self.seen["lost factors gone"] += 1
        if self.model.app:
            answer = self._second_step(browser, answer)
        assert answer.status_code == 303 and answer["Location"] in RESUMED
        seat = self.seats[browser]
        seat.signed_in, seat.grant, seat.second_at = True, None, self.clock() if self.model.app else None
        self.model.remember(seat, self.clock())
        self.model.sessions_opened += 1
        for secret in self.model.secrets:
            if secret.asked_by == browser and secret.open:
                self.seen["cancelled by the old password"] += 1
                secret.state = "dead"

    @rule(browser=BROWSER, typed=st.sampled_from(["Nothing?like-it-19", "zzzzz-99999", "the former"]))
    def sign_in_with_something_wrong(self, browser, typed):
        if self._may("code" if typed == "zzzzz-99999" else "wrong"):
            former = typed == "the former" and self.model.used
            self._expect_wrong(self._sign_in(browser, self.model.used[-1] if former else typed))

    def _expect_wrong(self, answer) -> None:
        assert answer.status_code == 422
        page = answer.content.decode()
        assert said("ar", "problem.wrong") in page and said("ar", "problem.expired_code") not in page

    @precondition(lambda self: any(s.text for s in self.model.secrets))
    @rule(browser=BROWSER, back=st.sampled_from([0, 0, 0, 1, 2, 3]))
    def sign_in_with_a_secret(self, browser, back):
        known = [s for s in self.model.secrets if s.text]
        if back >= len(known) or not self._may("code"):
            return
        typed, now, seat = known[-1 - back].text, self.clock(), self.seats[browser]
        answer = self._sign_in(browser, typed.upper().replace("-", " "))
        rows = [s for s in known if s.text == typed and s.issued_at > now - DAY and s.state not in ("dead", "consumed")]
        rows = [one for one in rows if one.purpose == "recovery"]
        secret = rows[-1] if rows else None
        if secret is None:
            self._expect_wrong(answer)
        elif secret.state == "superseded" or secret.expires_at <= now:
            assert answer.status_code == 422 and said("ar", "problem.expired_code") in answer.content.decode()
            self.seen["superseded" if secret.state == "superseded" else "late"] += 1
        else:
            if self.model.app:
                answer = self._second_step(browser, answer)
            assert (answer.status_code, answer["Location"]) == (303, "/password/expired/")
            self.seen["claim moved" if secret.state == "claimed" else "claim"] += 1
            self._end_grants()
            secret.state = "claimed"
            seat.signed_in, seat.grant = False, Grant(secret, self.clock(), two=self.model.app is not None)

    # --- vouching

    @rule(browser=BROWSER, which=st.sampled_from(["email", "phone", "phone", "wrong phone", "pending"]))
    def ask_to_be_let_in(self, browser, which):
        self.ask(browser, which, False, "vouching")

    @rule(browser=BROWSER, which=KIND, flood=st.integers(0, 3), others=st.booleans())
    def ask_for_a_code_and_type_it(self, browser, which, flood, others):
        """One step, so that walks come far; before it strangers have asked too, in this browser's hour."""
        self.time_passes(61 * SECOND)
        for number in range(flood):
            self._strangers_ask(which, "vouching", number)
        self.ask(browser, which, False, "vouching")
        self.worker_turns("", 0)
        self.type_a_code(BROWSERS[(BROWSERS.index(browser) + others) % 3], 0)

    @rule(which=KIND, purpose=st.sampled_from(["recovery", "vouching"]))
    def strangers_ask_at_once(self, which, purpose):
        for number in range(8):
            self._strangers_ask(which, purpose, number)
        self.worker_turns("", 0)

    def _strangers_ask(self, which: str, purpose: str, number: int) -> None:
        """With name and contact, each from a browser of its own, by the journey itself."""
        channel, contact = self._contact_to_type(which)
        if contact is None:
            return
        recover_password.ask(
            typed_login=YOUSSEF.login, channel=channel, typed_contact=contact, ask_id=ids.token(), purpose=purpose,
            browser=Browser(recovery_browser=f"stranger-{number}", language="ar"), now=self.clock(),
        )  # fmt: skip
        self.model.asked.append(Asking(f"stranger-{number}", channel, contact, self.clock(), None, purpose))

    @precondition(lambda self: any(s.text for s in self.model.secrets))
    @rule(browser=BROWSER, back=st.sampled_from([0, 0, 0, 1, 2, 3]))
    def type_a_code(self, browser, back):
        texts = list(dict.fromkeys(s.text for s in reversed(self.model.secrets) if s.text))
        texts.sort(key=lambda text: all(s.purpose == "recovery" for s in self.model.secrets if s.text == text))
        if back >= len(texts) or not self._may("code"):
            return
        now, seat = self.clock(), self.seats[browser]
        answer = self._post(browser, "/let-in/code/", user=YOUSSEF.login, code=texts[back].upper())
        mine = [s for s in self.model.secrets if s.text == texts[back] and s.purpose == "vouching"]
        rows = [s for s in mine if s.asked_by == browser and s.issued_at > now - DAY and s.state != "dead"]
        if not rows:
            assert answer.status_code == 422 and said("ar", "vouch.code_wrong") in answer.content.decode()
            self.seen["code of another browser"] += bool(mine)
        elif rows[-1].state == "superseded" or rows[-1].expires_at <= now:
            assert answer.status_code == 422 and said("ar", "vouch.code_late") in answer.content.decode()
        else:
            assert (answer.status_code, answer["Location"]) == (303, "/sign-in/")
            self.seen["let in"] += 1
            self._expect_let_in(rows[-1], mine, seat, now)

    def _expect_let_in(self, secret: Secret, same: list[Secret], seat: Seat, now: datetime) -> None:
        if secret.state == "issued":
            self.model.devices += 1
            secret.state, secret.device = "claimed", self.model.devices
            for other in same:
                other.state = "dead" if other.open and other is not secret else other.state
            self._fill_again("vouching")
        seat.device = (secret.device, now)

    def _fill_again(self, purpose: str) -> None:
        self.model.buckets = {key: one for key, one in self.model.buckets.items() if key[:2] != ("again", purpose)}

    # --- changing

    @rule(browser=BROWSER, new=st.sampled_from([*["good"] * 3, "bad", "mismatch", "same", "code"]),
          right=st.sampled_from([*[True] * 3, False]))  # fmt: skip
    def change(self, browser, new, right):
        seat = self.seats[browser]
        if seat.grant is not None and seat.grant.good(self.clock()):
            self._change_forced(browser, seat, new, right)
        elif not seat.signed_in:
            answer = self._post_change(browser, self.model.password, "good")[0]
            assert (answer.status_code, answer["Location"]) == (303, "/sign-in/")
            seat.grant = None
        elif right or self._may("wrong"):
            self._freshen(browser, "/password/change/", current=self.model.password, new="x", confirm="x")
            answer, chosen = self._post_change(browser, self.model.password if right else "Not-the-one#7", new)
            if right and new == "good":
                self.seen["voluntary change"] += 1
                self._expect_changed(answer, seat, chosen)
            else:
                assert answer.status_code == 422

    def _change_forced(self, browser: str, seat: Seat, new: str, right: bool) -> None:
        secret = seat.grant.secret
        answer, chosen = self._post_change(browser, secret.text if right else "zzzzz-99999", new)
        if secret.state != "claimed":
            assert (answer.status_code, answer["Location"]) == (303, "/sign-in/")
            seat.grant = None
            self.seen["change of a dead secret refused"] += 1
        elif (right or seat.grant.proved) and new == "good":
            self.seen["recovered with the factor"] += seat.grant.two
            proved_at = self.clock() if seat.grant.two else None
            self._expect_changed(answer, seat, chosen)
            seat.second_at = proved_at
            secret.state, secret.opened = "consumed", secret.opened + 1
            self._fill_again("recovery")
            self.seen["change by a secret"] += 1
            self.model.recovered += 1
            self.model.devices_since = self.clock()
            self.seen["opened by a recovery"] += self.model.shut
            self.model.shut = False
            self._undo_contacts(self.clock())
        else:
            assert answer.status_code == 422
            seat.grant.proved |= right

    def _expect_changed(self, answer, seat: Seat, chosen: str) -> None:
        assert (answer.status_code, answer["Location"]) == (303, "/password/changed/")
        self.model.used.append(self.model.password)
        self.model.password = chosen
        self.model.end_secrets()
        self.model.lost_until = None
        self._end_grants()
        for other in self.seats.values():
            other.signed_in = False
        seat.signed_in, seat.grant = True, None
        self.model.remember(seat, self.clock())
        self.model.sessions_opened = 1

    def _post_change(self, browser: str, current: str, new: str):
        chosen = {"bad": "short1!", "same": self.model.password, "code": "kdmwt-47392"}.get(new) or next(self.fresh)
        confirm = chosen + "x" if new == "mismatch" else chosen
        return self._post(browser, "/password/change/", current=current, new=chosen, confirm=confirm), chosen

    @rule(browser=BROWSER)
    def close_the_dialog(self, browser):
        answer, seat = self._post(browser, "/password/close/"), self.seats[browser]
        assert (answer.status_code, answer["Location"]) == (303, "/sign-in/")
        if seat.grant and seat.grant.good(self.clock()):
            seat.grant.open = False
        seat.grant = None

    # --- sessions

    @rule(browser=BROWSER)
    def sign_out(self, browser):
        answer, seat = self._post(browser, "/sign-out/"), self.seats[browser]
        assert answer.status_code == 303
        seat.signed_in, seat.grant = False, None

    @rule(browser=BROWSER)
    def end_all_others(self, browser):
        answer = self._post(browser, "/devices/end-all/")
        if self.seats[browser].signed_in:
            assert answer["Location"] == "/devices/"
            for name, seat in self.seats.items():
                seat.signed_in = seat.signed_in and name == browser
            self._end_grants()
            self.model.sessions_opened, self.model.lost_until = 1, None
        else:
            assert answer["Location"] == "/sign-in/"

    # --- the second factor

    def _second_step(self, browser: str, first):
        """What follows a right first step, in the same browser: a printed code where the app's is used up."""
        assert (first.status_code, first["Location"]) == (303, STEP), "nothing opens without the factor"
        app, now = self.model.app, self.clock()
        step, printed = int(now.timestamp()) // 30, ""
        if step <= self.model.step and self.model.printed:
            printed = self.model.printed.pop(0)
            self.seen["printed code"] += 1
        elif step <= self.model.step:
            self.clock.advance(seconds=31)
            step, now = int(self.clock().timestamp()) // 30, self.clock()
        answer = self._post(browser, STEP, code=printed or app.at(now))
        self.model.step = self.model.step if printed else step
        self.model.lost_until = None
        self.seen["second step"] += 1
        return answer

    def _freshen(self, browser: str, page: str, **typed: str) -> None:
        """Who has a factor and has not proved it just now is led to the step, in the session, and changes nothing."""
        seat = self.seats[browser]
        if self.model.app is None or (seat.second_at and self.clock() - seat.second_at < STILL_FRESH):
            return
        before = self._rows(self.person)
        answer = self._post(browser, page, **typed)
        assert self._rows(self.person) == before, "changed without a fresh factor"
        answer = self._second_step(browser, answer)
        assert answer.status_code == 303 and answer["Location"] in RESUMED
        seat.second_at = self.clock()
        self.model.remember(seat, self.clock())
        self.seen["stepped up"] += 1

    def _freshen_for_contacts(self, browser: str) -> None:
        if self.seats[browser].signed_in:
            self._freshen(browser, "/password/change/", current=self.model.password, new="x", confirm="x")

    @precondition(lambda self: self.model.app is None)
    @rule(browser=BROWSER)
    def add_an_app(self, browser):
        """It ends what was half done without it: secrets, and change forms."""
        answer, seat = (
            self._post(browser, "/profile/security/app/begin/", password=self.model.password),
            self.seats[browser],
        )
        if not seat.signed_in:
            assert answer["Location"] == "/sign-in/"
            return
        app = pyotp.TOTP(KEY.search(seat.client.get(answer["Location"]).content.decode())[1].replace(" ", ""))
        answer, now = self._post(browser, answer["Location"], code=app.at(self.clock())), self.clock()
        self.model.app, self.model.step = app, int(now.timestamp()) // 30
        self.model.printed = BACKUP.findall(answer.content.decode())
        assert answer.status_code == 200 and len(self.model.printed) == 10
        self.model.end_secrets()
        self._end_grants()
        seat.second_at = now
        self.model.remember(seat, now)

    @precondition(lambda self: self.model.app)
    @rule(browser=BROWSER, fresh=st.booleans())
    def remove_the_app(self, browser, fresh):
        seat, [held] = self.seats[browser], factors.held.of_person(self.person)
        page = f"/profile/security/{held.id}/remove/"
        if fresh and seat.signed_in:
            self._freshen(browser, "/password/change/", current=self.model.password, new="x", confirm="x")
        answer = self._post(browser, page, password=self.model.password)
        assert answer.status_code == 303
        if seat.signed_in and seat.second_at and self.clock() - seat.second_at < STILL_FRESH:
            self.model.lose_factors()
            self.seen["app removed"] += 1

    @precondition(lambda self: self.model.app)
    @rule(browser=BROWSER)
    def leave_the_second_step(self, browser):
        """The first step is right and no code, or a wrong one, follows: nothing opens."""
        due = self.model.lost_until and self.model.lost_until <= self.clock()
        if self.model.shut or due or not self._may("factor"):
            return
        answer = self._sign_in(browser, self.model.password)
        assert (answer.status_code, answer["Location"]) == (303, STEP), "nothing opens without the factor"
        answer = self._post(browser, STEP, code=_another(self.model.app.at(self.clock())))
        assert answer.status_code == 422 and said("ar", "error.factor_code_wrong") in answer.content.decode()
        self._post(browser, "/sign-out/")
        self.seats[browser].signed_in, self.seats[browser].grant = False, None

    @precondition(lambda self: self.model.app and not self.model.lost_until and not self.model.shut)
    @rule()
    def lose_the_app(self):
        """In a browser of its own, with a code to a contact that counts."""
        now = self.clock()
        to = next((c for c in self.model.contacts if c.kind == "email" and c.counts(now)), None)
        if to is None or not self._may("loss"):
            return
        client = Client(headers={"user-agent": "Firefox/loser"})
        answer = client.post("/sign-in/", {"user": YOUSSEF.login, "password": self.model.password})
        if answer.status_code != 303:  # a stranger meets a challenge where there were many wrong tries
            return
        if client.post(f"{STEP}lost/", {"contact": to.id}).status_code != 303:
            return
        self._work("", 0)
        letter = Message.objects.filter(purpose="loss_code").latest("id")
        told = [one.message.text for one in self.post.arrived if one.message.message_id == letter.uid]
        answer = client.post(f"{STEP}lost/code/", {"code": CODE.findall(told[0])[0]})
        assert answer.status_code == 303
        self.model.lost_until = self.clock() + WAIT
        self.seen["loss waits"] += 1

    @precondition(lambda self: self.model.lost_until)
    @rule(browser=BROWSER)
    def stop_the_loss(self, browser):
        self._post(browser, "/profile/security/lost/stop/")
        if self.seats[browser].signed_in:
            self.model.lost_until = None
            self.seen["loss stopped"] += 1

    # --- contacts

    @rule(browser=BROWSER, kind=KIND, right=st.booleans())
    def propose_a_contact(self, browser, kind, right):
        number = self.model.tries["proposal"]
        if number >= TRIES["proposal"] or not (right or self._may("wrong")):
            return
        self._freshen_for_contacts(browser)
        value = f"new{number}@example.org" if kind == "email" else f"+21266300044{number}"
        password = self.model.password if right else "Not-the-one#7"
        answer, now = self._post(browser, "/profile/", password=password, **{kind: value}), self.clock()
        if not self.seats[browser].signed_in:
            assert answer["Location"] == "/sign-in/"
        elif self.model.frozen(now):
            self.seen["frozen"] += 1
            assert answer["Location"] == "/profile/"
        elif not right:
            assert answer.status_code == 422
        else:
            assert answer["Location"] == "/profile/"
            self.model.tries["proposal"] += 1
            for older in self.model.contacts:
                if older.kind == kind and older.state == "proposed":
                    older.state, older.ends_at = "cancelled", now
            newest = Contact.objects.filter(person_id=self.person).latest("id")
            self.model.contacts.append(ModelContact(newest.pk, kind, value, code_until=now + 10 * MINUTE))

    @precondition(lambda self: any(c.state == "proposed" for c in self.model.contacts))
    @rule(browser=BROWSER, right=st.sampled_from([True, True, False]), which=st.integers(0, 1))
    def prove_a_contact(self, browser, right, which):
        proposed = [c for c in self.model.contacts if c.state == "proposed"]
        held, now = proposed[which % len(proposed)], self.clock()
        code = self._code_for(held)
        right = right and code is not None
        answer = self._post(browser, f"/profile/contacts/{held.id}/prove/", code=code if right else _another(code))
        if not self.seats[browser].signed_in:
            assert answer["Location"] == "/sign-in/"
        elif self.model.frozen(now):
            assert answer["Location"] == "/profile/"
        elif held.tries >= 5 or not right or held.code_until <= now:
            assert answer.status_code == 422
            held.tries = min(5, held.tries + 1)
        else:
            assert answer.status_code == 303
            held.tries += 1
            self.seen["proved"] += 1
            self._expect_proved(held, now)

    def _expect_proved(self, held: ModelContact, now: datetime) -> None:
        others = [c for c in self.model.contacts if c.state == "proved"]
        recently = any(c.ends_at is None or c.ends_at > now - WAIT for c in others)
        held.state, held.counts_from = "proved", now + WAIT if recently else now
        for other in (c for c in others if c.kind == held.kind):
            if other.counts_from > now:
                other.state, other.ends_at = "cancelled", now
            elif other.ends_at is None or other.ends_at > held.counts_from:
                other.ends_at = held.counts_from

    @rule(browser=BROWSER, which=st.integers(0, 4))
    def cancel_a_contact(self, browser, which):
        now = self.clock()
        held = self.model.contacts[-1 - which % len(self.model.contacts)]
        answer = self._post(browser, f"/profile/contacts/{held.id}/cancel/")
        assert answer.status_code == 303
        if not self.seats[browser].signed_in:
            return
        if held.state == "proposed" or held.waits(now):
            held.state, held.ends_at = "cancelled", now
            self._keep_leaving(now, held.kind)
        elif held.state == "proved" and held.ends_at and held.ends_at > now:
            held.ends_at = None

    def _keep_leaving(self, now: datetime, *kinds: str) -> None:
        for other in self.model.contacts:
            if other.kind in kinds and other.state == "proved" and other.ends_at and other.ends_at > now:
                other.ends_at = None

    @rule(browser=BROWSER, which=st.integers(0, 4), right=st.sampled_from([True, True, False]))
    def remove_a_contact(self, browser, which, right):
        held, now = self.model.contacts[-1 - which % len(self.model.contacts)], self.clock()
        if not (right or self._may("wrong")):
            return
        self._freshen_for_contacts(browser)
        now, password = self.clock(), self.model.password if right else "Not-the-one#7"
        answer = self._post(browser, f"/profile/contacts/{held.id}/remove/", password=password)
        if self.seats[browser].signed_in and not self.model.frozen(now):
            assert answer.status_code == (303 if right else 422)
            if right and held.counts(now) and held.ends_at is None:
                held.ends_at = now + WAIT
        else:
            assert answer.status_code == 303

    def _code_for(self, held: ModelContact) -> str | None:
        """The code out of the newest letter to that contact, if it arrived."""
        texts = [one.message.text for one in self.post.arrived if one.message.to == held.value]
        codes = [code for text in texts if not TEMPORARY.search(text) for code in CODE.findall(text)[:1]]
        return codes[-1] if codes else None

    # --- what must hold after every step

    @invariant()
    def every_browser_is_where_the_model_says(self):
        for name, seat in self.seats.items():
            home = seat.client.get("/")
            assert home.status_code == (200 if seat.signed_in else 303), f"{name} at home: {home.status_code}"
            assert seat.signed_in or home["Location"] == "/sign-in/"
            asked = seat.client.get("/password/expired/")
            granted = seat.grant is not None and seat.grant.good(self.clock())
            assert asked.status_code == (200 if granted else 303), f"{name} at the change: {asked.status_code}"

    @invariant()
    def contacts_stand_as_the_model_says(self):
        rows = list(Contact.objects.filter(person_id=self.person).order_by("id"))
        held = self.model.contacts
        assert [(c.pk, c.state, c.ends_at, c.code_tries) for c in rows] == [
            (c.id, c.state, c.ends_at, c.tries) for c in held
        ]
        # The first two were vouched for before the walk.
        assert [c.counts_from for c in rows[2:]] == [c.counts_from for c in held[2:]]
        assert Person.objects.get(pk=self.person).contacts_frozen_until == self.model.frozen_until

    @invariant()
    def secrets_stand_as_the_model_says(self):
        now = self.clock()
        rows = list(TemporaryPassword.objects.filter(person_id=self.person).order_by("id"))
        live = [r for r in rows if r.state in ("issued", "claimed") and (r.expires_at is None or r.expires_at > now)]
        for named in itertools.product((True, False), PAGES):
            same = {r.secret_hmac for r in live if (r.known, r.purpose) == named}
            assert len(same) <= 2, "more than two temporary passwords live"
        assert [r.state == "consumed" for r in rows] == [s.state == "consumed" for s in self.model.secrets]
        assert all(s.opened <= 1 for s in self.model.secrets)
        assert ChangeSession.objects.filter(person_id=self.person, ended_at=None).count() <= 1

    @invariant()
    def factors_stand_as_the_model_says(self):
        waiting = factors.losses.waiting(self.person)
        assert bool(factors.held.of_person(self.person)) == bool(self.model.app)
        assert factors.backup.left(self.person) == len(self.model.printed)
        assert (waiting and waiting.ends_at) == self.model.lost_until
        if self.model.app:
            live = ChangeSession.objects.filter(person_id=self.person, ended_at=None, expires_at__gt=self.clock())
            assert all("mfa" in amr for amr in live.values_list("amr", flat=True)), "a change form without the factor"

    @invariant()
    def final_messages_keep_nothing(self):
        final = Message.objects.exclude(state__in=("queued", "sending"))
        assert not final.exclude(ciphertext=None).exists(), "a final message keeps its body"
        assert not Message.objects.filter(state__in=("queued", "sending"), ciphertext=None).exists()

    @invariant()
    def the_audit_log_only_grows(self):
        [(rows,)] = sql.rows("SELECT COUNT(*) FROM audit_event")
        assert rows >= self.audit_rows
        self.audit_rows = rows

    # --- helpers

    def _rows(self, person_id: int) -> list:
        """All that is the person's own: nobody may change it by asking."""
        mine = [sql.rows(f"SELECT {columns} WHERE {owner} = %s ORDER BY 1", [person_id]) for owner, columns in OWNED]
        return [str(rows) for rows in mine]

    def _may(self, what: str) -> bool:
        self.model.tries[what] += 1
        return self.model.tries[what] <= TRIES[what]

    def _end_grants(self) -> None:
        for seat in self.seats.values():
            if seat.grant:
                seat.grant.open = False

    def _sign_in(self, browser: str, password: str):
        return self._post(browser, "/sign-in/", user=YOUSSEF.login, password=password)

    def _post(self, browser: str, path: str, **typed: str):
        client = self.seats[browser].client
        if "massar-language" not in client.cookies:
            client.cookies["massar-language"] = "ar"
        return client.post(path, typed)


INVARIANTS = ("every_browser_is_where_the_model_says", "contacts_stand_as_the_model_says",
              "secrets_stand_as_the_model_says", "factors_stand_as_the_model_says",
              "final_messages_keep_nothing", "the_audit_log_only_grows")  # fmt: skip
REACHED = (
    "claim", "claim moved", "change by a secret", "change of a dead secret refused", "superseded", "late", "frozen",
    "voluntary change", "cancelled by the old password", "proved", "repeat", "killed before settle", "sent again",
    "sent meanwhile", "waits for its turn", "let in", "code of another browser",
    "account frozen", "refused while frozen", "opened by a recovery",
    "second step", "printed code", "stepped up", "app removed", "recovered with the factor", "loss waits",
    "loss stopped", "lost factors gone",
    "submitted -31 s around its end", "expired -29 s around its end", "expired 1 s around its end",
)  # fmt: skip


def _another(code: str | None) -> str:
    """A code that is wrong and has the right shape: what can't be a code costs no try."""
    return f"{(int(code or 0) + 1) % 1_000_000:06d}"


@pytest.mark.django_db(transaction=True)  # each example is rolled back by itself
def test_journeys_in_every_order(clock, monkeypatch, vendor):
    """On PostgreSQL fewer walks: by all that matters there comes the test below."""
    Journeys.clock, Journeys.patch = clock, monkeypatch
    walks = 30 if vendor == "sqlite" else 10
    profile = settings(
        max_examples=walks, stateful_step_count=25, deadline=None, derandomize=True, print_blob=True, database=None,
        phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    stateful.run_state_machine_as_test(Journeys, settings=profile)


CORNERS = [
    ("begin", "here before", "email"), ("three_secrets_and_the_oldest", "second"),
    ("sign_in_with_a_secret", "second", 0), ("sign_in_with_a_secret", "thief", 0),
    ("sign_in_with_something_wrong", "thief", "zzzzz-99999"), ("change", "thief", "good", False),
    *[("change", "thief", new, True) for new in ("bad", "mismatch", "code")], ("close_the_dialog", "thief"),
    ("sign_in_with_a_secret", "asker", 0), ("change", "asker", "good", True),
    ("propose_a_contact", "asker", "email", True), ("sign_in_with_a_secret", "second", 1),
    ("sign_in_with_something_wrong", "second", "the former"), ("sign_in_with_the_password", "second"),
    ("end_all_others", "second"), ("change", "second", "same", True), ("change", "second", "good", True),
    ("time_passes", 73 * HOUR), ("sign_in_with_the_password", "asker"), ("propose_a_contact", "asker", "email", True),
    ("worker_turns", "silent", 0), ("time_passes", 2 * MINUTE), ("worker_turns", "slow", 1),
    ("prove_a_contact", "asker", False, 0), ("prove_a_contact", "asker", True, 0), ("ask", "thief", "pending", False),
    ("remove_a_contact", "asker", 2, True), ("cancel_a_contact", "asker", 0), ("worker_turns", "gone", 0),
    ("a_secret_ends_in_a_dead_workers_hand", "asker", "email", -31),
    ("a_secret_ends_in_a_dead_workers_hand", "asker", "email", -29), ("time_passes", 25 * HOUR),
    ("a_secret_ends_in_a_dead_workers_hand", "asker", "phone", 1), ("time_passes", 25 * HOUR),
    ("ask", "second", "phone", True), ("worker_dies_with_requests",), ("time_passes", 2 * MINUTE),
    ("worker_dies", "settle"), ("time_passes", 2 * MINUTE), ("worker_turns", "", 1),
    ("sign_in_with_a_secret", "thief", 0), ("sign_in_with_the_password", "second"), ("change", "thief", "good", True),
    ("ask_and_receive", "asker", "email", ""), ("wait_for_the_end_of_a_secret", "second", 60 * MINUTE),
    ("sign_out", "asker"),
]  # fmt: skip
SIEGE = [  # by a browser that is not known, beyond every budget of new secrets
    ("begin", "here before", "email"), *[("ask_and_receive", "second", "email", "")] * 7,
    ("ask", "thief", "email", False), ("worker_turns", "", 0), ("ask", "second", "email", False),
    ("ask_and_receive", "asker", "email", ""),
    *[("time_passes", 2 * MINUTE), ("ask", "thief", "email", False), ("worker_turns", "", 1)] * 3,
    ("sign_in_with_a_secret", "thief", 0), ("sign_in_with_the_password", "second"),
    ("sign_in_with_a_secret", "asker", 0), ("change", "asker", "good", True),
    ("time_passes", 61 * MINUTE), ("strangers_ask_at_once", "phone", "recovery"), ("time_passes", 125 * SECOND),
    ("ask", "thief", "phone", False), ("worker_turns", "", 0), ("time_passes", 2 * MINUTE), ("worker_turns", "", 0),
]  # fmt: skip
VOUCHING = [
    ("begin", "here before", "email"), ("ask_for_a_code_and_type_it", "second", "email", 0, True),
    ("type_a_code", "second", 0), ("type_a_code", "second", 0), ("sign_in_with_a_secret", "second", 0),
    ("ask_for_a_code_and_type_it", "second", "phone", 0, False), ("sign_in_with_the_password", "second"),
    *[("ask_for_a_code_and_type_it", "thief", "phone", 7, others) for others in (False, True)],
    ("strangers_ask_at_once", "phone", "recovery"), ("ask_and_receive", "thief", "phone", ""),
    ("type_a_code", "thief", 1),
    ("ask_to_be_let_in", "second", "phone"), ("worker_turns", "", 0), ("sign_in_with_a_secret", "thief", 0),
    ("change", "thief", "good", True), ("type_a_code", "second", 0),
    ("ask_for_a_code_and_type_it", "second", "phone", 2, False),
]  # fmt: skip
FREEZING = [  # with a secret that is claimed, one under way and a change that waits
    ("begin", "waiting", "phone"), ("ask_and_receive", "thief", "email", ""), ("sign_in_with_a_secret", "thief", 0),
    ("ask", "second", "phone", False), ("freeze_the_account",), ("change", "thief", "good", True),
    ("sign_in_with_the_password", "asker"), ("sign_in_with_something_wrong", "thief", "Nothing?like-it-19"),
    ("ask_to_be_let_in", "second", "email"), ("worker_turns", "", 0), ("sign_in_with_a_secret", "thief", 1),
    ("time_passes", 73 * HOUR), ("sign_in_with_the_password", "second"), ("ask_and_receive", "asker", "email", ""),
    ("sign_in_with_a_secret", "asker", 0), ("change", "asker", "good", True), ("sign_in_with_the_password", "second"),
]  # fmt: skip


FACTORS = [  # an app beside all of it: a change form from before it, a recovery with it, a loss that is stopped
    ("begin", "claimed", "email"), ("sign_in_with_the_password", "asker"), ("add_an_app", "asker"),
    ("change", "second", "good", True), ("leave_the_second_step", "thief"), ("time_passes", 11 * MINUTE),
    ("sign_in_with_the_password", "asker"), ("sign_in_with_the_password", "second"), ("remove_the_app", "thief", True),
    ("ask_and_receive", "thief", "email", ""), ("sign_in_with_a_secret", "thief", 0), ("lose_the_app",),
    ("change", "thief", "good", True), ("time_passes", 11 * MINUTE), ("lose_the_app",), ("stop_the_loss", "second"),
    ("change", "thief", "good", True), ("time_passes", 25 * HOUR), ("freeze_the_account",),
    ("ask_and_receive", "asker", "phone", ""), ("sign_in_with_a_secret", "asker", 0), ("change", "asker", "good", True),
    ("time_passes", 11 * MINUTE), ("remove_the_app", "asker", False), ("remove_the_app", "asker", True),
    ("add_an_app", "asker"),
]  # fmt: skip
LOSING = [
    ("begin", "app lost", "email"), ("stop_the_loss", "asker"), ("time_passes", 61 * MINUTE), ("lose_the_app",),
    ("time_passes", 73 * HOUR), ("sign_in_with_the_password", "second"), ("ask_and_receive", "second", "email", ""),
]  # fmt: skip


@pytest.mark.django_db
def test_every_corner_of_the_model(clock, monkeypatch):
    """Six walks that come by all that matters, whatever hypothesis draws elsewhere."""
    Journeys.clock, Journeys.patch = clock, monkeypatch
    Journeys.seen = Counter()
    for steps in (CORNERS, SIEGE, VOUCHING, FREEZING, FACTORS, LOSING):
        walk = Journeys()
        try:
            for step, *how in steps:
                getattr(walk, step)(*how)
                for holds in INVARIANTS:
                    getattr(walk, holds)()
        finally:
            walk.teardown()
    missed = [what for what in REACHED if not Journeys.seen[what]]
    assert not missed, f"the walks did not come by {missed}: {Journeys.seen}"
