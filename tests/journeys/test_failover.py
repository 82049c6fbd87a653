"""Two providers for one channel: one falls silent, errs, swallows, is late, is throttled; messages find their way.

Minutes of traffic, turned by hand on the test's clock.
"""

from collections import Counter
from concurrent.futures import Future
from datetime import timedelta

import pytest

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message
from massar.interfaces.commands import worker as worker_command
from massar.interfaces.commands.worker import Worker
from massar.journeys.messages import watch_messages
from massar.journeys.messages.deliver_messages import MessageDelivery
from massar.journeys.messages.leased_delivery import BUSY_PAUSE, Load
from massar.providers.smpp.pdu import refusal
from tests.support import fakes, outbox
from tests.support.fakes import BehavingProvider
from tests.support.post_office import AtOnce, worker_with

pytestmark = pytest.mark.django_db
PROMPT = timedelta(seconds=4)
MUTE = delivery.OutcomeUnknown("no answer in time")
ANSWERS = {**fakes.ANSWERS, "mute": MUTE}


class Operator(delivery.Pipelined):
    """A provider with a standing connection that answers at once and sends receipts when the test's clock is there.

    `mood`: '' (good), one of ANSWERS, `swallow` (accepts, delivers nothing), `late`, `undeliverable`, `standby`.
    `refuses`: what single numbers get whatever the mood.
    """

    channel, longest = "sms", timedelta(seconds=12)

    def __init__(self, name: str, clock):
        self.name, self.clock, self.mood = name, clock, ""
        self.arrived: list[delivery.OutboundMessage] = []
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
        mood, name, answer = self.mood, f"{self.name}-{self.asked}", Future()
        refused = self.refuses.get(message.to) or ANSWERS.get(mood)
        answer.set_result(refused or delivery.Accepted(name, receipt=True))
        if not refused and mood in ("", "late"):
            self.arrived.append(message)
        if not refused and mood != "swallow":
            state = delivery.FAILED if mood == "undeliverable" else delivery.DELIVERED
            after = timedelta(minutes=3) if mood == "late" else PROMPT
            self.due.append((self.clock() + after, delivery.Receipt(self.name, name, state, to=message.to)))
        return answer

    def tell(self) -> None:
        for one in [one for one in self.due if one[0] <= self.clock()]:
            self.due.remove(one)
            self.sink(one[1])


class Traffic:
    """One message to a number of its own at each look, and a worker with both providers."""

    def __init__(self, clock):
        self.clock, self.count = clock, 0
        self.a, self.b = Operator("a", clock), Operator("b", clock)
        self.only(self.a, self.b)

    def only(self, *operators: Operator) -> None:
        """These providers alone, with a worker of its own."""
        providers = {"sms": operators} if operators else {}
        self.worker = Worker(delivery.ProviderRegistry(providers), tick=self.clock, pool=AtOnce())
        for operator in operators:
            operator.open(self.worker.take_receipt)

    def flow(self, seconds: int, *, put: bool = True, step: int = 1) -> None:
        """A look of the worker every `step` seconds."""
        for _ in range(0, seconds, step):
            if put:
                self.count += 1
                self.put(f"+2126611{self.count:05d}", self.count)
            for operator in (self.a, self.b):
                operator.tell()
            for _ in range(20):
                if not self.worker.turn():
                    break
            self.clock.advance(seconds=step)

    def put(self, to: str, person_id: int) -> None:
        now, ten = self.clock(), timedelta(minutes=10)
        outbox.put(now, to=to, person_id=person_id, within=ten, expires_at=now + ten)

    def states(self) -> dict[str, int]:
        return Counter(Message.objects.values_list("state", flat=True))

    def shares(self, seconds: int) -> tuple[int, int]:
        """How many messages each provider is asked for in so many seconds of traffic."""
        before = self.a.asked, self.b.asked
        self.flow(seconds)
        return self.a.asked - before[0], self.b.asked - before[1]

    def twins(self) -> int:
        arrived = [message.message_id for message in self.a.arrived + self.b.arrived]
        return len(arrived) - len(set(arrived))


@pytest.fixture
def traffic(clock, monkeypatch) -> Traffic:
    monkeypatch.setattr(worker_command, "WATCH_EVERY", timedelta(days=1))  # alarms have no say here
    return Traffic(clock)


def hand_over_seconds() -> list[float]:
    """From putting to the provider's answer, of every message that was accepted."""
    rows = Message.objects.exclude(submitted_at=None).values_list("created_at", "submitted_at")
    return [(handed - created).total_seconds() for created, handed in rows]


def shut(provider: str) -> bool:
    facts = delivery.breaker.all_states().get(provider)
    return facts is not None and facts.state != "closed"


def test_while_all_is_well_the_second_has_nothing_to_do(traffic):
    assert traffic.shares(60) == (60, 0)
    traffic.flow(10, put=False)
    assert traffic.states() == {"delivered": 60}


@pytest.mark.parametrize("mood", ["gone", "not_now", "configuration_error"])
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
    traffic.flow(60, step=2)
    traffic.a.mood = ""
    traffic.flow(90, step=3)
    assert traffic.shares(10) == (10, 0)


def test_what_other_workers_hold_is_left_to_them_and_then_leaves_by_the_next(traffic):
    """A worker that holds a bind and works takes a message in less; one that hangs holds up nobody."""
    traffic.a.mood = "standby"
    traffic.flow(20)
    traffic.flow(5, put=False)
    assert len(traffic.b.arrived) == 20 and delivery.breaker.all_states() == {}
    assert 1 < max(hand_over_seconds()) <= 3
    traffic.a.mood = ""
    assert traffic.shares(10) == (10, 0)


@pytest.mark.both_databases
def test_while_other_workers_hold_the_only_provider_messages_wait_and_end_at_their_time(traffic):
    traffic.a.mood = traffic.b.mood = "standby"
    traffic.flow(20)
    assert traffic.states() == {"queued": 20} and delivery.breaker.all_states() == {}
    traffic.a.mood = ""
    traffic.flow(10, put=False)
    assert traffic.states() == {"delivered": 20}
    traffic.a.mood = "standby"
    traffic.flow(5)
    traffic.flow(620, put=False, step=10)
    assert traffic.states() == {"delivered": 20, "expired": 5}
    assert not Message.objects.filter(state="expired").exclude(ciphertext=None).exists()


def test_throttling_is_no_fault(traffic):
    traffic.a.mood = "throttled"
    traffic.flow(30)
    assert delivery.breaker.all_states() == {} and traffic.states().get("failed") is None
    assert len(traffic.b.arrived) == 30


def test_what_is_throttled_for_long_is_not_given_up(clock):
    provider = BehavingProvider("sms")
    provider.mood = "throttled"
    outbox.put(clock())
    worker = worker_with({"sms": provider}, clock)
    while Message.objects.get().attempts <= delivery.outbox.MOST_ATTEMPTS // 2:
        worker.turn()
        clock.advance(seconds=5)
    assert clock() - Message.objects.get().created_at > timedelta(minutes=15), "attempts are not used up"
    provider.mood = ""
    clock.advance(seconds=30)
    worker.turn()
    assert [message.to for message in provider.received] == [outbox.NUMBER]


def test_a_provider_that_swallows_loses_its_share_to_one_that_delivers(traffic):
    traffic.a.mood = "swallow"
    traffic.flow(240, step=3)
    a, b = traffic.shares(50)
    assert b > 3 * a > 0, "a trickle stays, or it could never come back"
    traffic.a.mood = ""
    traffic.flow(700, step=10)
    assert traffic.shares(10) == (10, 0)


def test_when_both_are_late_nothing_is_switched(traffic):
    traffic.a.mood = traffic.b.mood = "late"
    traffic.flow(400, step=5)
    assert traffic.shares(20) == (20, 0)
    traffic.flow(200, put=False, step=10)
    assert traffic.states() == {"delivered": 100}


def test_what_will_not_arrive_by_one_goes_by_the_other(traffic):
    traffic.a.mood = "undeliverable"
    traffic.flow(20)
    traffic.flow(20, put=False)
    assert traffic.states() == {"delivered": 20} and len(traffic.b.arrived) == 20
    assert set(Attempt.objects.values_list("provider", flat=True)) == {"a", "b"}


def test_both_gone_holds_everything_until_its_end_and_sends_nothing_after_it(traffic):
    traffic.a.mood = traffic.b.mood = "gone"
    traffic.flow(10)
    traffic.flow(590, put=False, step=5)
    traffic.a.mood = ""
    traffic.flow(30, put=False)
    assert traffic.states() == {"expired": 10} and traffic.a.arrived == []
    assert not Message.objects.exclude(ciphertext=None).exists()


def test_both_gone_for_a_while_loses_nothing(traffic):
    traffic.a.mood = traffic.b.mood = "gone"
    traffic.flow(120, step=3)
    traffic.b.mood = ""
    traffic.flow(120, put=False, step=3)
    assert traffic.states() == {"delivered": 40} and traffic.twins() == 0


@pytest.mark.both_databases
def test_without_a_provider_messages_wait_for_one_until_their_end(traffic):
    traffic.only()
    traffic.flow(10)
    assert set(Message.objects.values_list("reason", "attempts")) == {("no provider for this channel", 0)}
    traffic.only(traffic.a)
    traffic.flow(70, put=False, step=5)
    assert traffic.states() == {"delivered": 10}, "the provider that was configured meanwhile takes them"
    traffic.only()
    traffic.flow(1)
    traffic.flow(630, put=False, step=10)
    assert traffic.states() == {"delivered": 10, "expired": 1}
    assert not Message.objects.exclude(ciphertext=None).exists()


def test_no_more_is_given_to_a_provider_than_it_has_senders(clock):
    """Behind a standing connection with room for twenty: what waited for a thread beside its lease would leave
    twice."""
    second = BehavingProvider("sms")
    router = delivery.Router(delivery.ProviderRegistry({"sms": [Operator("first", clock), second]}))
    for _ in range(delivery.breaker.FAULTS):
        delivery.breaker.fault("first", "no answer", now=clock())
    router.look(clock())
    for _ in range(10):
        outbox.put(clock())
    ready = MessageDelivery(router).take(20, channel="sms", now=clock(), load=Load(senders=4))
    assert [one.provider for one in ready] == [second] * 4
    waiting = Message.objects.filter(state="queued")
    assert waiting.count() == 6 and {row.not_before for row in waiting} == {clock() + BUSY_PAUSE}


def test_a_secret_does_not_age_while_every_provider_is_shut(clock):
    """Its life begins with the first attempt: after eleven minutes without a provider it is still worth ten."""
    outbox.put(clock(), lifetime=timedelta(minutes=10))
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
    MUTE, delivery.NotTransmitted("the server hung up", delivery.RECIPIENT),
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
        (one.id, one.about) for one in watch_messages.Overview(now=traffic.clock()).alarms
    ]
    traffic.flow(59)
    assert len(traffic.b.arrived) == 60 and max(hand_over_seconds()) < 1.0


@pytest.mark.both_databases
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
    assert [message.to for message in traffic.a.arrived] == [f"+2126611{4:05d}"]
    assert not shut("a") and max(hand_over_seconds()) <= delivery.breaker.FIRST_PAUSE
    assert Attempt.objects.filter(number__gt=0).order_by("id")[before].message.person_id == 4, "it alone tried"


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
        outbox.put(clock(), to=f"+2126611{number:05}", person_id=7)
    for person in (8, 9):
        outbox.put(clock(), to=f"+21266120000{person}", person_id=person)
    worker_with({"sms": provider}, clock, senders=3).turn()
    assert [message.to for message in provider.received][:3] == ["+212661100000", "+212661200008", "+212661200009"]
