"""Every site has its own breaker, share of the senders and figures: one that is away or slow holds up no other."""

import threading
from collections import Counter
from datetime import timedelta

import pytest

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Attempt, Message
from massar.domain.sites.api import Site
from massar.interfaces.commands.worker import Worker
from massar.journeys.messages import watch_messages
from massar.journeys.sso import deliver_logouts
from tests.sso.relying_party import register
from tests.support.fakes import BehavingProvider
from tests.support.post_office import turning, worker_with

LONG_SLUG = "x" * 39


def _site(slug: str) -> Site:
    return Site(
        slug, protocol="oidc", client_id=slug, redirect_uris=(f"https://{slug}.example.ma/back",),
        backchannel_logout_uri=f"https://{slug}.example.ma/out",
    )  # fmt: skip


class Sites(BehavingProvider):
    """A provider to sites: `away` are those that nobody answers at."""

    def __init__(self, channel: str = "site"):
        super().__init__(channel)
        self.away: set[str] = set()
        self.asked = Counter()
        self.says: dict[str, delivery.Result] = {}  # by subject

    def send(self, message, *, valid_for):
        site = message.to.removeprefix("https://").partition(".")[0]
        self.asked[site] += 1
        if site in self.away:
            return delivery.NotTransmitted("nobody there")
        answer = next((answer for subject, answer in self.says.items() if subject in message.text), None)
        if answer:
            return answer
        return super().send(message, valid_for=valid_for)


@pytest.fixture(autouse=True)
def registered(cast, settings):
    register(settings, *(_site(slug) for slug in ("massar", "haraka", LONG_SLUG)))


@pytest.fixture
def provider() -> Sites:
    return Sites()


@pytest.fixture
def turn(clock, provider):
    return turning({"site": provider}, clock)


def put(site: str, clock, *, channel: str = "site", count: int = 1, person: int = 1) -> None:
    for _ in range(count):
        delivery.outbox.put(
            purpose="site_logout", channel=channel, language="ar", person_id=person, to=f"https://{site}.example.ma/out",
            values={"site": site, "subject": f"s{person}", "sid": "x", "login": "", "kind": ""}, now=clock(),
            within=timedelta(hours=12), priority=1, about=site,
        )  # fmt: skip


def states(site: str) -> Counter:
    return Counter(Message.objects.filter(about=site).values_list("state", flat=True))


def test_a_site_that_is_away_is_left_alone_and_told_all_when_it_is_back(turn, provider, clock):
    """It is tried with one message; the others are told meanwhile, the one with the longest name too."""
    provider.away = {"massar"}
    for slug, count in (("massar", 60), ("haraka", 3), (LONG_SLUG, 1)):
        put(slug, clock, count=count)
    turn()
    assert states("haraka") == {"submitted": 3} and states("massar") == {"queued": 60}
    assert Message.objects.get(about=LONG_SLUG).provider == delivery.name_of_site(LONG_SLUG)
    before = provider.asked["massar"]
    assert before <= delivery.breaker.FAULTS + 3  # four leave at the same time
    assert Attempt.objects.filter(provider="site:massar").count() == before
    clock.advance(minutes=1)
    turn()
    assert provider.asked["massar"] == before + 1
    provider.away = set()
    for _ in range(2):  # those that were claimed beside the one that tried wait until it must have ended
        clock.advance(minutes=40)
        turn()
    assert states("massar") == {"submitted": 60}


def test_what_waits_for_a_site_that_stays_away_ends_at_its_time(turn, provider, clock):
    provider.away = {"massar"}
    put("massar", clock, count=12)
    for _ in range(50):
        turn()
        clock.advance(minutes=15)
    assert states("massar") == {"expired": 12}


def test_a_site_that_is_no_longer_registered_is_not_told(turn, provider, clock, settings):
    put("haraka", clock)
    register(settings, _site("massar"))
    turn()
    assert states("haraka") == {"cancelled": 1} and not provider.asked


class Slow(Sites):
    """Holds every message to other sites than `haraka` until it is let go."""

    def __init__(self):
        super().__init__()
        self.let_go = threading.Event()

    def send(self, message, *, valid_for):
        if "haraka" not in message.to:
            self.let_go.wait(20)
        return super().send(message, valid_for=valid_for)


@pytest.mark.both_databases
def test_slow_sites_leave_room_for_the_others(clock, plain):
    provider = Slow()
    for slow in ("massar", LONG_SLUG):
        put(slow, clock, count=10)
    put("haraka", clock, count=3)
    worker = Worker(delivery.ProviderRegistry({}), sites={"site": provider}, senders=4, tick=clock)
    try:
        for _ in range(400):
            worker.turn()
            if states("haraka") == {"submitted": 3}:
                break
            worker.wake.wait(0.05)
            worker.wake.clear()
        assert states("haraka") == {"submitted": 3}
        assert states("massar") == states(LONG_SLUG) == {"sending": 4, "queued": 6}
    finally:
        provider.let_go.set()
        stop = threading.Event()
        stop.set()
        worker.run(stop)  # to its end


@pytest.mark.both_databases
def test_operators_see_every_site_by_itself(turn, provider, clock):
    provider.away = {"massar"}
    put("massar", clock, count=6)
    put("haraka", clock, count=2)
    turn()
    clock.advance(seconds=70)
    turn()
    clock.advance(seconds=40)
    seen = watch_messages.Overview(now=clock())
    assert "worker-missing" not in [one.id for one in seen.alarms], "it waits in its place"
    assert seen.tallies[("site", "site:haraka")].sent == 2
    assert seen.breakers["site:massar"].state == "open"
    assert {error.provider for error in seen.errors} == {"site:massar"}
    assert ("provider-open", ("site:massar",)) in [(one.id, one.about) for one in seen.alarms]


def refused(code: str, **changes) -> delivery.Rejected:
    return delivery.Rejected(code, **{"permanent": False, "about": delivery.RECIPIENT, **changes})


ANSWERS = {
    "not believed": refused("the answer is another's", configuration_error=True),
    "404": refused("http 404", configuration_error=True), "500": refused("http 500", about=delivery.MESSAGE),
    "409": refused("http 409"), "no answer": delivery.OutcomeUnknown("no answer in time"),
    "nobody there": delivery.NotTransmitted("no way there"),
}  # fmt: skip


@pytest.fixture
def plain(monkeypatch):
    """What is sent names the person, so that the site can answer each in its own way."""
    monkeypatch.setitem(deliver_logouts.BINDINGS, "site", lambda message, now: message.values["subject"])


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_site_answers_about_one_person_keeps_no_other_away(turn, provider, clock, plain, answer):
    provider.says = {"s1": ANSWERS[answer]}
    put("massar", clock, person=1)
    for _ in range(8):
        turn()
        clock.advance(seconds=25)
    asked = provider.asked["massar"]
    for person in range(2, 9):
        put("massar", clock, person=person)
        turn()
        assert states("massar")["submitted"] == person - 1, "at once"
    clock.advance(minutes=20)
    turn()
    assert provider.asked["massar"] > asked + 7, "and the first one is tried again by itself"


@pytest.mark.parametrize("answer", ["500", "no answer", "nobody there"])
def test_what_different_people_meet_in_a_row_is_the_sites(turn, provider, clock, plain, answer):
    provider.says = {"s": ANSWERS[answer]}
    for person in range(1, 20):
        put("massar", clock, person=person)
        turn()
    assert delivery.breaker.all_states()["site:massar"].state == "open"
    assert provider.asked["massar"] == delivery.breaker.FAULTS


@pytest.mark.parametrize("answer", ["not believed", "404"])
def test_operators_hear_of_a_site_that_is_never_believed(turn, provider, clock, plain, answer):
    """It is told of everybody."""
    provider.says = {"s": ANSWERS[answer]}
    for person in range(1, 20):
        put("massar", clock, person=person)
    turn()
    assert provider.asked["massar"] == 19
    assert ("provider-configuration-error", ("site:massar",)) in standing(clock)
    provider.says = {}
    clock.advance(minutes=1)
    turn()
    assert states("massar") == {"submitted": 19}
    assert ("provider-configuration-error", ("site:massar",)) not in standing(clock)


def standing(clock) -> list[tuple]:
    return [(one.id, one.about) for one in watch_messages.Overview(now=clock()).alarms]


def test_one_persons_many_sign_outs_let_another_pass(turn, provider, clock):
    put("massar", clock, count=30, person=1)
    put("massar", clock, person=2)
    turn()
    order = list(Attempt.objects.order_by("id").values_list("message__person_id", flat=True))
    assert order.index(2) < 4


@pytest.mark.parametrize("channel", ["site", "soap"])
def test_what_sites_are_told_is_no_message_to_people(turn, provider, clock, channel):
    provider.away = {"massar"}
    put("massar", clock, channel=channel)
    clock.advance(hours=13)
    turn()
    worker = worker_with({"soap": Sites("soap"), "site": provider}, clock)
    worker.turn()
    assert states("massar") == {"expired": 1}
    assert delivery.metrics.count_expired(since=clock() - timedelta(hours=1)) == {}
    assert "expired" not in [alarm.id for alarm in watch_messages.Overview(now=clock()).alarms]
