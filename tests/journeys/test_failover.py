"""Two providers for one channel: one falls silent, errs, swallows, is late, is throttled; messages find their way.

Minutes of traffic, turned by hand on the test's clock. The faults and what is expected of each: delivery design, §6.
"""

from __future__ import annotations

from concurrent.futures import Future
from datetime import timedelta

import pytest

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message
from massar.interfaces.commands.worker import Worker
from massar.journeys.messages import watch_messages
from massar.journeys.messages.deliver_messages import MessageDelivery
from massar.journeys.messages.leased_delivery import BUSY_PAUSE, Load
from massar.providers.smpp.pdu import refusal
from tests.support.fakes import BehavingProvider
from tests.support.post_office import AtOnce, worker_with

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
PROMPT = timedelta(seconds=4)


class Operator(delivery.Pipelined):
    """A provider with a standing connection that answers at once and sends receipts when the test's clock is there.

    `mood`: '' (good), `mute`, `error`, `swallow` (accepts, delivers nothing), `late`, `busy`, `gone`,
    `configuration_error`, `undeliverable`. `refuses`: what single numbers get whatever the mood.
    """

    channel, longest = "sms", timedelta(seconds=12)

    def __init__(self, name: str, clock):
        self.name, self.clock, self.mood = name, clock, ""
        self.arrived: list[str] = []
        self.taken: list[delivery.OutboundMessage] = []
        self.asked = 0
        self.due: list = []
        self.sink = None
        self.refuses: dict[str, delivery.Result] = {}

    def open(self, receipts) -> None:
        self.sink = receipts

    def check(self) -> list[str]:
        return []

    def room(self) -> int:
        return 20

    def standby(self) -> bool:
        return self.mood == "standby"

    def submit(self, message: delivery.OutboundMessage, *, valid_for) -> Future:
        self.asked += 1
        answer: Future = Future()
        answer.set_result(self._answer(message))
        return answer

    def _answer(self, message):
        mood, name = self.mood, f"{self.name}-{self.asked}"
        if message.to in self.refuses:
            return self.refuses[message.to]
        if mood in ("mute", "error", "busy", "gone", "configuration_error"):
            return {
                "mute": delivery.OutcomeUnknown("no answer in time"),
                "error": delivery.Rejected("0x08", permanent=False),
                "busy": delivery.Rejected("0x58", permanent=False, busy=True),
                "gone": delivery.NotTransmitted("no bind"),
                "configuration_error": delivery.Rejected("0x0E", permanent=False, configuration_error=True),
            }[mood]
        if mood == "undeliverable":
            self._tell_later(name, message, delivery.FAILED, PROMPT)
        elif mood != "swallow":
            self.arrived.append(message.message_id)
            self.taken.append(message)
            self._tell_later(name, message, delivery.DELIVERED, timedelta(minutes=3) if mood == "late" else PROMPT)
        return delivery.Accepted(name, receipt=True)

    def _tell_later(self, name: str, message, state: str, after: timedelta) -> None:
        self.due.append((self.clock() + after, delivery.Receipt(self.name, name, state, to=message.to)))

    def tell(self) -> None:
        for one in [one for one in self.due if one[0] <= self.clock()]:
            self.due.remove(one)
            self.sink(one[1])


class Traffic:
    """One message a second to a number of its own, and a worker with both providers."""

    def __init__(self, clock):
        self.clock = clock
        self.a, self.b = Operator("a", clock), Operator("b", clock)
        registry = delivery.ProviderRegistry({"sms": [self.a, self.b]})
        self.worker = Worker(registry, tick=clock, pool=AtOnce())
        for operator in (self.a, self.b):
            operator.open(self.worker.take_receipt)
        self.count = 0

    def only(self, operator: Operator) -> None:
        """That provider alone, with a worker of its own."""
        self.worker = Worker(delivery.ProviderRegistry({"sms": [operator]}), tick=self.clock, pool=AtOnce())
        operator.open(self.worker.take_receipt)

    def flow(self, seconds: int, *, put: bool = True) -> None:
        for _ in range(seconds):
            if put:
                self._put()
            for operator in (self.a, self.b):
                operator.tell()
            for _ in range(20):
                if not self.worker.turn():
                    break
            self.clock.advance(seconds=1)

    def _put(self) -> None:
        self.count += 1
        self.put(f"+2126611{self.count:05d}", self.count)

    def put(self, to: str, person_id: int) -> None:
        now = self.clock()
        delivery.outbox.put(
            purpose="contact_code", channel="sms", language="fr", person_id=person_id, now=now,
            to=to, values={"code": "123456", "host": "compte.example.ma"},
            within=timedelta(minutes=10), expires_at=now + timedelta(minutes=10),
        )  # fmt: skip

    def states(self) -> dict[str, int]:
        found = list(Message.objects.values_list("state", flat=True))
        return {state: found.count(state) for state in set(found)}

    def shares(self, seconds: int) -> tuple[int, int]:
        """How many messages each provider is asked for in so many seconds of traffic."""
        before = self.a.asked, self.b.asked
        self.flow(seconds)
        return self.a.asked - before[0], self.b.asked - before[1]

    def twins(self) -> int:
        arrived = self.a.arrived + self.b.arrived
        return len(arrived) - len(set(arrived))


@pytest.fixture
def traffic(clock) -> Traffic:
    return Traffic(clock)


def test_while_all_is_well_the_second_has_nothing_to_do(traffic):
    assert traffic.shares(60) == (60, 0)
    traffic.flow(10, put=False)
    assert traffic.states() == {"delivered": 60}


@pytest.mark.parametrize("mood", ["gone", "error", "configuration_error"])
def test_what_one_refuses_leaves_by_the_other_in_the_same_second(traffic, mood):
    traffic.flow(10)
    traffic.a.mood = mood
    traffic.flow(60)
    assert max(t for t in hand_over_seconds()) < 1.0, "nobody waited"
    traffic.flow(10, put=False)
    assert traffic.states() == {"delivered": 70} and traffic.twins() == 0
    assert traffic.a.asked < 30, "the breaker keeps most of them away from it"


def test_a_mute_provider_costs_the_first_few_a_little_time_and_nobody_the_message(traffic):
    traffic.flow(10)
    traffic.a.mood = "mute"
    traffic.flow(90)
    traffic.flow(20, put=False)
    assert traffic.states() == {"delivered": 100} and traffic.twins() == 0
    waits = hand_over_seconds()
    assert max(waits) < 20 and sum(w > 1 for w in waits) < 15


def test_it_comes_back_by_a_probe_as_soon_as_it_is_well(traffic):
    traffic.a.mood = "gone"
    traffic.flow(60)
    traffic.a.mood = ""
    traffic.flow(90)
    assert traffic.shares(30) == (30, 0)


def test_what_other_workers_hold_is_left_to_them_and_then_leaves_by_the_next(traffic):
    """A worker that holds a bind and works takes a message in less; one that hangs holds up nobody."""
    traffic.a.mood = "standby"
    traffic.flow(20)
    traffic.flow(5, put=False)
    assert len(traffic.b.arrived) == 20 and delivery.breaker.all_states() == {}
    assert 1 < max(hand_over_seconds()) <= 3
    traffic.a.mood = ""
    assert traffic.shares(10) == (10, 0)


def test_while_other_workers_hold_the_only_provider_messages_wait_and_end_at_their_time(traffic):
    traffic.a.mood = traffic.b.mood = "standby"
    traffic.flow(20)
    assert traffic.states() == {"queued": 20} and delivery.breaker.all_states() == {}
    traffic.a.mood = ""
    traffic.flow(10, put=False)
    assert traffic.states() == {"delivered": 20}
    traffic.a.mood = "standby"
    traffic.flow(5)
    traffic.flow(620, put=False)
    assert traffic.states() == {"delivered": 20, "expired": 5}
    assert not Message.objects.filter(state="expired").exclude(ciphertext=None).exists()


def test_throttling_is_no_fault(traffic):
    traffic.a.mood = "busy"
    traffic.flow(30)
    assert delivery.breaker.all_states() == {} and traffic.states().get("failed") is None
    assert len(traffic.b.arrived) == 30


def test_what_is_throttled_for_long_is_not_given_up(clock):
    provider = BehavingProvider("sms")
    provider.send = lambda message, *, valid_for: delivery.Rejected("http 429", permanent=False, busy=True)
    delivery.outbox.put(**letter_to("+212661100009", 7, clock()))
    worker = worker_with({"sms": provider}, clock)
    for _ in range(360):
        worker.turn()
        clock.advance(seconds=5)
    del provider.send
    clock.advance(seconds=30)
    worker.turn()
    assert [message.to for message in provider.received] == ["+212661100009"]


def test_a_provider_that_swallows_loses_its_share_to_one_that_delivers(traffic):
    traffic.a.mood = "swallow"
    traffic.flow(150)
    a, b = traffic.shares(50)
    assert b > 3 * a > 0, "a trickle stays, or it could never come back"
    traffic.a.mood = ""
    traffic.flow(700)
    assert traffic.shares(20) == (20, 0)


def test_when_both_are_late_nothing_is_switched(traffic):
    traffic.a.mood = traffic.b.mood = "late"
    traffic.flow(400)
    a, b = traffic.shares(50)
    assert (a, b) == (50, 0)
    traffic.flow(200, put=False)
    assert traffic.states() == {"delivered": 450}


def test_what_will_not_arrive_by_one_goes_by_the_other(traffic):
    traffic.a.mood = "undeliverable"
    traffic.flow(20)
    traffic.flow(20, put=False)
    assert traffic.states() == {"delivered": 20} and len(traffic.b.arrived) == 20
    assert set(Attempt.objects.values_list("provider", flat=True)) == {"a", "b"}


def test_both_gone_holds_everything_until_its_end_and_sends_nothing_after_it(traffic, clock):
    traffic.a.mood = traffic.b.mood = "gone"
    traffic.flow(10)
    traffic.flow(590, put=False)
    traffic.a.mood = ""
    traffic.flow(30, put=False)
    assert traffic.states() == {"expired": 10} and traffic.a.arrived == []
    assert not Message.objects.exclude(ciphertext=None).exists()


def test_both_gone_for_a_while_loses_nothing(traffic):
    traffic.a.mood = traffic.b.mood = "gone"
    traffic.flow(120)
    traffic.b.mood = ""
    traffic.flow(120, put=False)
    assert traffic.states() == {"delivered": 120} and traffic.twins() == 0


def test_without_a_provider_messages_wait_for_one_until_their_end(traffic, clock):
    with_providers = traffic.worker
    traffic.worker = Worker(delivery.ProviderRegistry({}), tick=clock, pool=AtOnce())
    traffic.flow(10)
    assert set(Message.objects.values_list("reason", "attempts")) == {("no provider for this channel", 0)}
    traffic.worker = with_providers
    traffic.flow(70, put=False)
    assert traffic.states() == {"delivered": 10}, "the provider that was configured meanwhile takes them"
    traffic.worker = Worker(delivery.ProviderRegistry({}), tick=clock, pool=AtOnce())
    traffic.flow(1)
    traffic.flow(630, put=False)
    assert traffic.states() == {"delivered": 10, "expired": 1}
    assert not Message.objects.exclude(ciphertext=None).exists()


def hand_over_seconds() -> list[float]:
    """From putting to the provider's answer, of every message that was accepted."""
    rows = Message.objects.exclude(submitted_at=None).values_list("created_at", "submitted_at")
    return [(handed - created).total_seconds() for created, handed in rows]


# -- what a reading found


def letters(count: int, clock) -> None:
    for number in range(count):
        delivery.outbox.put(
            purpose="contact_code", channel="sms", language="fr", person_id=1, to=f"+2126611{number:05}",
            values={"code": "123456", "help": "", "host": "x"}, now=clock(), within=timedelta(hours=1),
        )  # fmt: skip


def test_no_more_is_given_to_a_provider_than_it_has_senders(clock):
    """Behind a standing connection with room for twenty: what waited for a thread beside its lease would leave
    twice."""
    first, second = Operator("first", clock), BehavingProvider("sms")
    registry = delivery.ProviderRegistry({"sms": [first, second]})
    router = delivery.Router(registry)
    for _ in range(delivery.breaker.FAULTS):
        delivery.breaker.fault("first", "no answer", now=clock())
    router.look(clock())
    letters(10, clock)
    ready = MessageDelivery(router).take(20, channel="sms", now=clock(), load=Load(senders=4))
    assert [one.provider for one in ready] == [second] * 4
    waiting = Message.objects.filter(state="queued")
    assert waiting.count() == 6 and {row.not_before for row in waiting} == {clock() + BUSY_PAUSE}


def test_a_secret_does_not_age_while_every_provider_is_shut(clock):
    """Its life begins with the first attempt: after eleven minutes without a provider it is still worth ten."""
    delivery.outbox.put(
        purpose="contact_code", channel="sms", language="fr", person_id=1, to="+212661100009",
        values={"code": "123456", "help": "", "host": "x"}, now=clock(), within=timedelta(minutes=45),
        lifetime=timedelta(minutes=10),
    )  # fmt: skip
    for _ in range(11):
        worker_with({}, clock).turn()
        clock.advance(minutes=1)
    provider = BehavingProvider("sms")
    worker_with({"sms": provider}, clock).turn()
    assert len(provider.received) == 1
    assert Message.objects.get().expires_at == clock() + timedelta(minutes=10)


# -- one person's trouble

MINE = "+212661999999"
FAILED_SUBMIT = refusal(0x45)


@pytest.mark.parametrize("answer", [
    FAILED_SUBMIT, delivery.Rejected("smpp 0x400", permanent=False, about=delivery.MESSAGE),
    delivery.Rejected("http 404", permanent=False, configuration_error=True, about=delivery.MESSAGE),
    delivery.OutcomeUnknown("no answer in time"),
    delivery.NotTransmitted("the server hung up", delivery.RECIPIENT),
], ids=["0x45", "vendor's", "404", "mute", "hangs up"])  # fmt: skip
def test_a_number_that_is_refused_again_and_again_holds_up_nobody(traffic, answer):
    """It is put in first, and the provider is the only one."""
    traffic.only(traffic.a)
    traffic.a.refuses[MINE] = answer
    traffic.put(MINE, 999)
    traffic.flow(45)
    traffic.flow(10, put=False)
    assert not shut("a")
    assert len(traffic.a.arrived) == 45 and max(hand_over_seconds()) < 1.0


def test_atk_164_one_person_alone_with_many_numbers_shuts_no_provider(traffic):
    traffic.only(traffic.a)
    for number in range(12):
        traffic.a.refuses[f"{MINE[:-2]}{number:02}"] = FAILED_SUBMIT
        traffic.put(f"{MINE[:-2]}{number:02}", 999)
        traffic.flow(5, put=False)
    assert not shut("a")


def test_what_different_people_meet_in_a_row_is_the_providers(traffic):
    traffic.a.refuses = {f"+2126611{n:05d}": FAILED_SUBMIT for n in range(100)}
    traffic.flow(60)
    assert shut("a")
    assert len(traffic.b.arrived) == 60 and max(hand_over_seconds()) < 1.0
    assert traffic.a.asked < 30


def test_what_blames_us_leaves_by_the_next_and_is_told_from_the_first(traffic):
    no_credit = delivery.Rejected("http 404", permanent=False, configuration_error=True, about=delivery.MESSAGE)
    traffic.a.refuses = {f"+2126611{n:05d}": no_credit for n in range(100)}
    traffic.flow(1)
    assert ("provider-configuration-error", ("a",)) in [
        (one.id, one.about) for one in watch_messages.read_overview(now=traffic.clock()).alarms
    ]
    traffic.flow(59)
    assert len(traffic.b.arrived) == 60 and max(hand_over_seconds()) < 1.0


def test_a_message_that_failed_there_is_not_the_one_that_tries(traffic):
    """Three people's messages failed until it was shut, and fail again; whoever comes next finds it well."""
    traffic.only(traffic.a)
    traffic.a.mood = "gone"
    traffic.flow(3)
    traffic.flow(2, put=False)
    assert shut("a")
    traffic.a.mood = ""
    traffic.a.refuses = {f"+2126611{number:05d}": FAILED_SUBMIT for number in range(1, 4)}
    before = traffic.a.asked
    traffic.flow(1)
    traffic.flow(int((delivery.breaker.all_states()["a"].until - traffic.clock()).total_seconds()) + 1, put=False)
    assert [message.to for message in traffic.a.taken] == [f"+2126611{4:05d}"]
    assert not shut("a") and max(hand_over_seconds()) <= delivery.breaker.FIRST_PAUSE
    assert Attempt.objects.filter(number__gt=0).order_by("id")[before].message.person_id == 4, "it alone tried"


def shut(provider: str) -> bool:
    facts = delivery.breaker.all_states().get(provider)
    return facts is not None and facts.state != "closed"


def test_who_waits_for_a_probe_leaves_with_its_success(traffic):
    """And not a minute later, when the probe of a dead worker would be over."""
    traffic.only(traffic.a)
    traffic.a.mood = "gone"
    traffic.flow(40)
    traffic.a.mood = ""
    until = delivery.breaker.all_states()["a"].until
    traffic.flow(int((until - traffic.clock()).total_seconds()) + 4, put=False)
    traffic.flow(8, put=False)
    assert len(traffic.a.arrived) == 40


def test_a_refusal_for_good_that_others_may_not_share_goes_by_the_other(traffic):
    traffic.a.refuses[MINE] = refusal(0x0B)
    traffic.put(MINE, 999)
    traffic.flow(2, put=False)
    assert len(traffic.b.arrived) == 1
    traffic.b.refuses[MINE] = refusal(0x0B)
    traffic.put(MINE, 999)
    traffic.flow(30, put=False)
    assert Message.objects.latest("id").state == "failed" and traffic.states() == {"delivered": 1, "failed": 1}


def test_everybodys_first_message_leaves_before_anybodys_second(clock):
    provider = BehavingProvider("sms")
    for number in range(30):
        delivery.outbox.put(**letter_to(f"+2126611{number:05}", 7, clock()))
    for person in (8, 9):
        delivery.outbox.put(**letter_to(f"+21266120000{person}", person, clock()))
    worker_with({"sms": provider}, clock, senders=3).turn()
    assert [message.to for message in provider.received][:3] == ["+212661100000", "+212661200008", "+212661200009"]


def letter_to(to: str, person_id: int, now) -> dict:
    return {"purpose": "contact_code", "channel": "sms", "language": "fr", "person_id": person_id, "to": to, "now": now,
            "values": {"code": "123456", "help": "", "host": "x"}, "within": timedelta(hours=1)}  # fmt: skip
