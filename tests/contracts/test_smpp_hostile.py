"""Whatever an SMSC sends: the loop lives, nothing hangs, a broken stream is closed and bound anew, and what was under
way is unsure. Real sockets; hypothesis chooses the bytes."""

import struct
from contextlib import ExitStack
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massar.domain.delivery.provider import Accepted, NotTransmitted, OutcomeUnknown, Rejected
from massar.providers.registry import provider_from_table
from massar.providers.smpp import pdu
from tests.support.waits import until

from .conftest import SMS, TEN_MINUTES, Sink, smpp_table
from .smpp_rig import Smsc, deliver_body, receipt_text

COMMANDS = (
    pdu.GENERIC_NACK, pdu.BIND_TRANSCEIVER, pdu.BIND_TRANSCEIVER | pdu.RESPONSE, pdu.SUBMIT_SM,
    pdu.SUBMIT_SM | pdu.RESPONSE, pdu.DELIVER_SM, pdu.DELIVER_SM | pdu.RESPONSE, pdu.DATA_SM, pdu.OUTBIND,
    pdu.ENQUIRE_LINK, pdu.ENQUIRE_LINK | pdu.RESPONSE, pdu.ALERT_NOTIFICATION, pdu.UNBIND | pdu.RESPONSE, 0x999,
)  # fmt: skip
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

bodies = st.one_of(
    st.binary(max_size=200),
    st.just(deliver_body(receipt_text("1001"))),
    st.integers(0, 90).map(lambda end: deliver_body(receipt_text("1001"))[:end]),  # truncated
    st.lists(st.tuples(st.sampled_from([0x1E, 0x427, 0x423, 0x424, 0x999]), st.binary(max_size=70)), max_size=4).map(
        lambda tlvs: deliver_body(b"", tlvs=tlvs)
    ),
)
# Well framed, whatever they say. No unbind: that is a polite end, and tested elsewhere.
framed = st.builds(
    pdu.Pdu,
    st.sampled_from(COMMANDS) | st.integers(0, 2**32 - 1).filter(lambda command: command != pdu.UNBIND),
    st.sampled_from([0, 0x0B, 0x58, 2**32 - 1]),
    st.integers(1_000_000, 2**32 - 1),  # never that of a request of ours
    bodies,
)
impossible = st.one_of(st.integers(0, 15), st.integers(65_537, 2**32 - 1))


class Bench:
    """One SMSC and one provider for all examples: what one of them breaks, the next would see."""

    def __init__(self, stack: ExitStack):
        self.smsc, self.sink = Smsc(), Sink()
        stack.callback(self.smsc.stop)
        table = smpp_table(self.smsc, reconnect_first=0.01, reconnect_most=0.02)
        self.provider = provider_from_table(table, name="smpp-test")
        stack.callback(self.provider.close)
        self.provider.open(self.sink)

    def submit(self):
        return self.provider.submit(SMS, valid_for=TEN_MINUTES)

    def healthy(self) -> None:
        """It works, be it on the old connection or on a new one."""
        self.smsc.mood = ""
        until(lambda: isinstance(self.submit().result(10), Accepted))

    def under_way(self):
        until(self.provider.room)
        self.smsc.mood = "late"
        before = len(self.smsc.submits)
        future = self.submit()
        until(lambda: len(self.smsc.submits) > before)
        return future


@pytest.fixture(scope="module")
def bench():
    with ExitStack() as stack:
        yield Bench(stack)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(stream) + 1) for cut in cuts} | {len(stream)})
    return [stream[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@FUZZ
@given(st.lists(framed, min_size=1, max_size=6), st.lists(st.integers(0, 2_000), max_size=6))
def test_well_framed_nonsense_ends_nothing_however_it_is_split_or_joined(bench, sent, cuts):
    bench.healthy()
    binds = len(bench.smsc.binds)
    future = bench.under_way()
    for piece in pieces(b"".join(one.encoded() for one in sent), cuts):
        bench.smsc.write(piece)
    bench.smsc.release()
    assert isinstance(future.result(10), Accepted)
    assert len(bench.smsc.binds) == binds, "a good connection was given up"


@FUZZ
@given(st.lists(framed, max_size=3), impossible, st.binary(min_size=12, max_size=40))
def test_a_broken_frame_ends_the_connection_and_what_was_under_way_is_unsure(bench, before, length, rest):
    bench.healthy()
    binds = len(bench.smsc.binds)
    future = bench.under_way()
    bench.smsc.write(b"".join(one.encoded() for one in before) + struct.pack(">I", length) + rest)
    found = future.result(10)
    assert isinstance(found, OutcomeUnknown) and "bytes" in found.why
    until(lambda: len(bench.smsc.binds) > binds)
    bench.healthy()


@FUZZ
@given(framed, st.data())
def test_a_pdu_that_stops_in_the_middle_leaves_it_unsure(bench, one, data):
    bench.healthy()
    future = bench.under_way()
    stream = one.encoded()
    bench.smsc.write(stream[: data.draw(st.integers(1, len(stream) - 1))])
    bench.smsc.cut()
    assert isinstance(future.result(10), OutcomeUnknown)
    bench.healthy()


@FUZZ
@given(st.binary(min_size=1, max_size=400))
def test_bytes_at_random_never_hang_it(bench, noise):
    bench.healthy()
    future = bench.under_way()
    bench.smsc.write(noise)
    bench.smsc.cut()
    # The noise may happen to be an answer to it.
    assert isinstance(future.result(10), OutcomeUnknown | Rejected | Accepted)
    bench.healthy()


@FUZZ
@given(st.binary(max_size=300), st.sampled_from([0, 0x0B, 0x58, 2**32 - 1]), st.booleans())
def test_any_answer_to_a_submit_is_a_result(bench, body, status, nack):
    bench.healthy()

    def answer(link, asked):
        command = pdu.GENERIC_NACK if nack else asked.command | pdu.RESPONSE
        link.send(pdu.Pdu(command, status, asked.sequence, body))

    bench.smsc.mood = answer
    until(bench.provider.room)
    found = bench.submit().result(10)
    assert isinstance(found, Accepted if status == 0 and not nack else Rejected)
    assert f"{found.reference if isinstance(found, Accepted) else found.code}".isprintable()


@FUZZ
@given(bodies, st.sampled_from([pdu.DELIVER_SM, pdu.DATA_SM]))
def test_whatever_a_deliver_sm_says_it_is_answered(bench, body, command):
    bench.healthy()
    bench.smsc.heard.clear()
    answer = bench.smsc.answered(bench.smsc.send(command, body), command)
    assert answer.status in (pdu.OK, pdu.NEVER)


@FUZZ
@given(st.binary(max_size=300))
def test_noise_instead_of_an_answer_to_the_bind_is_survived(bench, noise):
    bench.healthy()

    def answer(link, asked):
        link.transport.write(noise)
        link.transport.close()

    bench.smsc.bind_mood = answer
    bench.smsc.cut()
    tried = len(bench.smsc.binds)
    until(lambda: len(bench.smsc.binds) > tried)
    assert isinstance(bench.submit().result(10), NotTransmitted | Rejected | OutcomeUnknown)
    bench.smsc.bind_mood = 0
    bench.healthy()


@FUZZ
@given(st.text(max_size=600), st.text(max_size=20))
def test_any_text_to_any_number_gets_a_result(bench, text, to):
    bench.healthy()
    message = replace(SMS, text=text)
    assert isinstance(bench.provider.send(message, valid_for=TEN_MINUTES), Accepted)
    assert isinstance(bench.provider.send(replace(message, to=to), valid_for=TEN_MINUTES), Rejected)


def test_a_flood_of_receipts_is_bounded(smsc, smpp, sink):
    """Nobody stores them: past a thousand the SMSC is told at once to come again."""
    server = smsc()
    sink.mood = "never"
    provider = smpp(server, answer_timeout=30.0)
    body = deliver_body(receipt_text("1001"))
    server.write(b"".join(pdu.Pdu(pdu.DELIVER_SM, 0, n, body).encoded() for n in range(1, 1_102)))
    until(lambda: server.asked(pdu.DELIVER_SM | pdu.RESPONSE) == 101)
    assert {one.status for one in server.heard if one.command == pdu.DELIVER_SM | pdu.RESPONSE} == {pdu.TRY_AGAIN}
    assert isinstance(provider.submit(SMS, valid_for=TEN_MINUTES).result(10), Accepted)
    server.cut()  # so that closing need not wait for those that nobody stores


def test_a_flood_of_questions_leaves_room_for_messages(smsc, smpp):
    server = smsc()
    provider = smpp(server)
    server.write(b"".join(pdu.Pdu(pdu.ENQUIRE_LINK, 0, n).encoded() for n in range(1, 20_000)))
    assert isinstance(provider.submit(SMS, valid_for=TEN_MINUTES).result(10), Accepted)
    until(lambda: server.asked(pdu.ENQUIRE_LINK | pdu.RESPONSE) == 19_999)
