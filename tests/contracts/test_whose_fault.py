"""Messages of several people through real sockets: what one of them meets holds up nobody, and what blames us leaves by
the next provider, with an alarm. By mail servers, by an SMSC and by gateways over HTTP."""

import pytest

from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Message
from massar.interfaces.commands.worker import Worker
from massar.journeys.messages import watch_messages
from tests.support.post_office import AtOnce
from tests.support.waits import until

from .conftest import TEN_MINUTES, to_gateway

pytestmark = pytest.mark.django_db
LISTED = "listed@example.org"


def put(to: str, person_id: int, now) -> None:
    delivery.outbox.put(
        purpose="contact_code", channel="email" if "@" in to else "sms", language="fr", person_id=person_id, to=to,
        now=now, values={"code": "123456", "host": "x.ma"}, within=TEN_MINUTES,
        expires_at=now + TEN_MINUTES,
    )  # fmt: skip


def work(clock, *providers, seconds: int = 3) -> None:
    worker = Worker(delivery.ProviderRegistry({providers[0].channel: list(providers)}), tick=clock, pool=AtOnce())
    for _ in range(seconds):
        while worker.turn():
            pass
        clock.advance(seconds=1)


def states() -> dict[int, str]:
    return dict(Message.objects.values_list("person_id", "state"))


def alarms(clock) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.id, one.about) for one in watch_messages.Overview(now=clock()).alarms]


def shut(provider: str) -> bool:
    facts = delivery.breaker.all_states().get(provider)
    return facts is not None and facts.state != "closed"


@pytest.fixture
def mail(mail_server, relay):
    """(server, provider) under that name."""

    def make(name: str = "first", **attributes):
        server = mail_server(**attributes)
        return server, relay(server, name=name)

    return make


@pytest.mark.parametrize(("answer", "ends"), [
    ("554 5.7.1 <listed@example.org>: Recipient address rejected: Access denied", "failed"),
    ("450 4.7.1 Greylisted", "queued"), ("450 4.2.1 later", "queued"),
    ("550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission; not authorized", "failed"),
    ("550 5.1.1 no such user", "failed"), ("421 4.7.0 not now", "queued"),
    ("550 5.4.5 Daily user sending quota exceeded", "queued"),
])  # fmt: skip
def test_atk_164_what_a_server_says_of_one_recipient_holds_up_no_other(mail, clock, answer, ends):
    _, provider = mail(recipients={LISTED: answer})
    put(LISTED, 1, clock())
    work(clock, provider, seconds=60)
    for person in range(2, 8):
        put(f"person{person}@example.org", person, clock())
    work(clock, provider, seconds=1)
    assert {states()[person] for person in range(2, 8)} == {"submitted"}
    assert not shut("first")
    assert "provider-configuration-error" not in dict(alarms(clock)) and states()[1] == ends


@pytest.mark.both_databases
def test_a_domain_that_wants_none_now_holds_up_no_other(mail, clock):
    _, provider = mail(recipients={f"person{n}@grey.example": "450 4.7.1 Greylisted" for n in range(8)})
    for person in range(8):
        put(f"person{person}@grey.example", person, clock())
    work(clock, provider, seconds=30)
    put("khadija@example.org", 9, clock())
    work(clock, provider, seconds=1)
    assert states()[9] == "submitted" and alarms(clock) == []


@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
@pytest.mark.parametrize("answer", [
    "550 5.4.5 Daily user sending quota exceeded", "554 Sorry, daily quota exceeded",
    "554 Message rejected: Email address is not verified",
])  # fmt: skip
def test_a_quota_leaves_by_the_next_provider_and_is_an_alarm(mail, clock, stage, answer):
    (first, by_first), (second, by_second) = mail("first", stages={stage: answer}), mail("second")
    for person in range(8):
        put(f"person{person}@example.org", person, clock())
    work(clock, by_first, by_second)
    assert set(states().values()) == {"submitted"} and len(second.letters) == 8
    assert ("provider-configuration-error", ("first",)) in alarms(clock)
    assert shut("first"), "eight people have met it"
    first.stages = {}
    clock.advance(seconds=10)
    put("khadija@example.org", 9, clock())
    work(clock, by_first, by_second)
    assert len(first.letters) == 1 and alarms(clock) == []


def test_a_quota_of_the_only_server_is_waited_for(mail, clock):
    server, provider = mail(stages={"DATA": "550 5.4.5 Daily user sending quota exceeded"})
    put("khadija@example.org", 1, clock())
    work(clock, provider, seconds=90)
    assert states() == {1: "queued"} and ("provider-configuration-error", ("first",)) in alarms(clock)
    server.stages = {}
    work(clock, provider, seconds=90)
    assert states() == {1: "submitted"}


@pytest.mark.parametrize("status", [404, 405, 410, 301, 400, 422])
def test_a_gateway_that_moved_or_is_asked_wrongly_loses_no_message(gateway, clock, status):
    first, second = gateway(mood=status), gateway()
    by_first, by_second = to_gateway(first, name="first"), to_gateway(second, name="second")
    for person in range(8):
        put(f"+21266112000{person}", person, clock())
    work(clock, by_first, by_second)
    assert set(states().values()) == {"submitted"} and len(second.requests) == 8
    assert shut("first")
    assert status in (400, 422) or ("provider-configuration-error", ("first",)) in alarms(clock)


def test_an_smsc_that_refuses_one_number_sends_the_others(smsc, smpp, clock):
    server = smsc()
    server.mood = lambda link, pdu: link.answer(pdu, 0x45) if b"212661120000" in pdu.body else server.accept(link, pdu)
    provider = smpp(server)
    worker = Worker(delivery.ProviderRegistry({"sms": [provider]}), tick=clock, pool=AtOnce())
    put("+212661120000", 1, clock())
    for person in range(2, 30):
        put(f"+2126611201{person:02}", person, clock())
        until(lambda: worker.turn() or not worker.in_flight["smpp-test"])
        worker.turn()
        clock.advance(seconds=1)
    until(lambda: worker.turn() or list(states().values()).count("awaiting_receipt") == 28)
    assert states()[1] == "queued" and not shut("smpp-test")
