"""What only SMPP can do wrong: binds, windows, receipts, silence, throttling, goodbyes. Against a scripted SMSC."""

import threading
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from massar.domain.delivery import provider as contract
from massar.domain.delivery.provider import Accepted, NotTransmitted, OutcomeUnknown, Receipt, Rejected
from massar.providers.registry import provider_from_table
from massar.providers.smpp import pdu
from massar.providers.smpp.provider import SmppProvider
from massar.providers.smpp.session import Pace
from tests.support.waits import until

from .conftest import SMS as SHORT
from .conftest import TEN_MINUTES, smpp_table
from .smpp_rig import deliver_body, read_submit, receipt_text

SMS = replace(SHORT, text="Massar: mot de passe\nkdmwt-47392\nà 14:35")
NUMBER = SMS.to
LONG = replace(SMS, message_id="Zk3_x-2", text="مسار: كلمة مرور مؤقتة\n" * 8)


def submit(provider, message=SMS, valid_for=TEN_MINUTES) -> Future:
    return provider.submit(message, valid_for=valid_for)


def result(future: Future):
    return future.result(10)


@pytest.fixture
def met(smsc, smpp):
    """An SMSC and an open provider to it; `mood`, `bind_mood` and `deaf` are the SMSC's, the rest is settings."""

    def make(*, bound=True, **both):
        server = smsc(**{name: both.pop(name) for name in ("mood", "bind_mood", "deaf") if name in both})
        return server, smpp(server, bound=bound, **both)

    return make


@pytest.mark.parametrize(("bind", "binds", "made"), [("trx", 2, ["trx", "trx"]), ("tx+rx", 1, ["rx", "tx"])])
def test_each_kind_of_bind_sends_and_receives(met, sink, bind, binds, made):
    server, provider = met(bind=bind, binds=binds)
    until(lambda: len(server.binds) == len(made))
    assert sorted(server.binds) == made
    accepted = result(submit(provider))
    assert accepted == Accepted("1001", receipt=True)
    until(lambda: any(link.mode in ("rx", "trx") for link in server.links))
    server.receipt(receipt_text("1001"))
    until(lambda: sink.stored)
    assert sink.stored[0] == Receipt("smpp-test", "1001", contract.DELIVERED, "DELIVRD", NUMBER)


@pytest.mark.parametrize("status", [0x0D, 0x0E, 0x0F])
def test_a_bind_that_is_refused_is_our_fault_and_is_tried_again(met, smpp, status):
    server, provider = met(bind_mood=status, bound=False)
    until(lambda: len(server.binds) >= 3)
    refused = Rejected(f"smpp 0x{status:02x} at bind", permanent=False, configuration_error=True)
    assert result(submit(provider)) == refused
    (sentence,) = provider.check()
    assert "refuses us" in sentence and f"0x{status:02x}" in sentence
    server.bind_mood = 0
    until(provider.room)
    assert isinstance(result(submit(provider)), Accepted)
    (sentence,) = smpp(server, bound=False, password="wrong").check()
    assert "refuses us: smpp 0x0e at bind" in sentence


def test_a_bind_that_fails_for_now_is_nobodys_fault_and_pauses_grow_to_the_most(met):
    """Counted, not timed: with pauses that doubled without end, the fifth bind would take over a minute."""
    server, provider = met(bind_mood=0x05, bound=False, reconnect_first=0.01, reconnect_most=0.02)
    for status in (0x05, 0x08, 0x58):
        server.bind_mood, tried = status, len(server.binds)
        until(lambda tried=tried: len(server.binds) >= tried + 3, 5)
        assert isinstance(result(submit(provider)), NotTransmitted)


@pytest.mark.parametrize("mood", ["silent", "garbage", "nack", "other"])
def test_a_bind_that_gets_no_sensible_answer_is_given_up_and_tried_again(smsc, smpp, mood):
    server = smsc()

    def answer(link, asked):
        if mood == "garbage":
            link.transport.write(b"220 mail.test ESMTP\r\n" * 3)
        elif mood == "nack":
            link.send(pdu.Pdu(pdu.GENERIC_NACK, 3, asked.sequence))
        elif mood == "other":
            link.send(pdu.Pdu(pdu.SUBMIT_SM | pdu.RESPONSE, 0, asked.sequence))

    server.bind_mood = answer
    provider = smpp(server, bound=False, answer_timeout=0.2)
    until(lambda: len(server.binds) >= 2)
    assert provider.room() == 0 and not isinstance(result(submit(provider)), Accepted | OutcomeUnknown)


def test_a_check_takes_no_receipt_from_those_who_store_it(smsc, smpp, sink):
    server = smsc()
    server.after_bind = pdu.Pdu(pdu.DELIVER_SM, 0, 99, deliver_body(receipt_text("1001"))).encoded()
    server.bind_mood = 0x0D
    provider = smpp(server, bound=False, reconnect_first=60.0, reconnect_most=60.0)
    until(lambda: server.binds)
    server.bind_mood = 0
    assert provider.check() == []
    assert server.answered(99).status == pdu.TRY_AGAIN and sink.stored == []
    until(lambda: server.asked(pdu.UNBIND))


class Slots:
    """One bind for everybody."""

    def __init__(self):
        self.holder: dict[int, str] = {}

    def of(self, who: str) -> SimpleNamespace:
        def release(n: int) -> None:
            assert self.holder.pop(n) == who

        return SimpleNamespace(try_take=lambda n: self.holder.setdefault(n, who) == who, release=release)


@pytest.mark.parametrize("bind", ["trx", "tx+rx"])
def test_binds_are_shared_between_processes(smsc, smpp, bind):
    server, slots = smsc(), Slots()
    first = smpp(server, bind=bind, slots=slots.of("first"))
    second = smpp(server, bind=bind, slots=slots.of("second"), bound=False)
    until(lambda: "taken" in getattr(result(submit(second)), "why", ""))
    assert second.room() == 0
    first.close()
    until(second.room)
    assert isinstance(result(submit(second)), Accepted) and slots.holder == {0: "second"}


def test_slots_that_can_not_be_asked_keep_it_unbound(smsc, smpp):
    slots = Mock(try_take=Mock(side_effect=OSError("the database is gone")))
    provider = smpp(smsc(), slots=slots, bound=False)
    until(lambda: slots.try_take.call_count >= 2)
    assert provider.room() == 0
    assert not provider.standby(), "nobody is known to hold a bind: the next is asked, and operators hear of this one"
    assert "can't be asked" in result(submit(provider)).why
    assert "can't be asked" in provider.check()[0]


@pytest.mark.parametrize("bind", ["trx", "tx+rx"])
def test_the_check_takes_no_bind_beside_workers(smsc, smpp, bind):
    """An operator that sold one counts the second as a fault, and some cut the first."""
    server, slots = smsc(), Slots()
    worker = smpp(server, bind=bind, slots=slots.of("worker"))
    before = len(bind.split("+"))
    until(lambda: len(server.binds) == before, why="the worker has not bound")
    beside = provider_from_table(smpp_table(server, bind=bind), name="smpp-test", slots=slots.of("check"))
    assert beside.check() == [] and "workers" in beside.left_alone
    assert len(server.binds) == before and worker.room()
    worker.close()
    assert beside.check() == [] and not beside.left_alone
    assert len(server.binds) == 2 * before and slots.holder == {}


def test_the_fields_of_a_submit(met):
    server, provider = met(service_type="OTP")
    assert provider.check() == [] and server.binds == ["trx"], "one that is bound makes no bind of its own"
    result(submit(provider))
    (sent,) = server.submits
    assert (sent.service, sent.source, sent.to) == ("OTP", (5, 0, "MASSAR"), (1, 1, "212661000222"))
    assert (sent.esm_class, sent.registered, sent.coding) == (0, 1, 0)
    assert sent.text == SMS.text


def test_validity_is_never_longer_than_what_was_given(met, clock):
    server, provider = met()
    for seconds, longest in ((600, "000000001000000R"), (1.9, "000000000001000R")):
        result(submit(provider, valid_for=timedelta(seconds=seconds)))
        assert server.submits[-1].validity <= longest and server.submits[-1].validity.endswith("000R")
    server, provider = met(validity="absolute")
    result(submit(provider, valid_for=timedelta(seconds=600.9)))
    assert server.submits[0].validity in ("260215020500000+", "260215020459000+")


def test_neither_what_is_late_nor_what_has_no_number_leaves(met):
    server, provider = met()
    for seconds in (0.9, 0, -5):
        assert result(submit(provider, valid_for=timedelta(seconds=seconds))) == NotTransmitted("too late")
    for to in ("", "0661000222", "+", "+0661000222", "212661000222", "+21266100022a", "+" + "1" * 16):
        refused = result(submit(provider, replace(SMS, to=to)))
        assert refused.permanent and not refused.configuration_error
    assert server.submits == []


def test_a_long_text_leaves_in_segments_that_the_phone_joins(smsc, smpp):
    server = smsc()
    accepted = result(submit(smpp(server), LONG))
    assert accepted == Accepted("1001", ("1001", "1002", "1003"), receipt=True)
    assert "".join(sent.text for sent in server.submits) == LONG.text
    headers = [sent.header for sent in server.submits]
    assert [header[:3] + header[4:] for header in headers] == [bytes((5, 0, 3, 3, n)) for n in (1, 2, 3)]
    assert len({header[3] for header in headers}) == 1


def test_segments_leave_by_one_bind_and_nothing_spins_meanwhile(smsc, smpp, monkeypatch):
    server, asked, wait = smsc(mood="late"), [], Pace.wait
    provider = smpp(server, window=1, binds=2)
    until(lambda: provider.room() == 2)
    monkeypatch.setattr(Pace, "wait", lambda pace, now: asked.append(now) or wait(pace, now))
    future = submit(provider, LONG)
    for there in (1, 2, 3):
        until(lambda there=there: len(server.submits) == there)
        server.release()
    assert len(result(future).parts) == 3 and len({link for link, _ in server.kept_ever}) == 1
    assert len(asked) < 60, "the other bind is free, but this message does not wait for it"


@pytest.mark.parametrize(
    ("second", "outcome"), [(0x58, Rejected("smpp 0x58", False, busy=True)), (0x0B, Rejected("smpp 0x0b", True))]
)
def test_a_message_that_lacks_a_segment_is_refused_as_a_whole(smsc, smpp, second, outcome):
    server = smsc()
    server.mood = lambda link, pdu: link.answer(pdu, 0 if read_submit(pdu.body).header[5] == 1 else second, b"1\0")
    assert result(submit(smpp(server, window=1), LONG)) == outcome
    assert len(server.submits) == 2  # the third would be of no use


@pytest.mark.parametrize(("answer", "outcome"), [
    (lambda link, asked: link.send(pdu.Pdu(pdu.GENERIC_NACK, 3, asked.sequence)),
     Rejected("smpp 0x03", permanent=False, configuration_error=True)),
    (lambda link, asked: link.answer(asked), Accepted("")),
], ids=["generic nack", "no id: without a receipt"])  # fmt: skip
def test_an_answer_of_another_kind(smsc, smpp, answer, outcome):
    assert result(submit(smpp(smsc(mood=answer)))) == outcome


def test_answers_may_come_in_any_order(met):
    server, provider = met(mood="late", window=5)
    futures = [submit(provider) for _ in range(5)]
    assert not futures[0].cancel(), "it can't be taken back"
    until(lambda: len(server.submits) == 5)
    server.release()
    assert [result(future).reference for future in futures] == ["1005", "1004", "1003", "1002", "1001"]


def test_never_more_than_the_window_is_under_way(met):
    server, provider = met(mood="late", window=4)
    assert provider.room() == 4
    futures = [submit(provider) for _ in range(9)]
    until(lambda: len(server.submits) == 4)
    assert provider.room() == 0
    for there in (8, 9):
        server.release()
        until(lambda there=there: len(server.submits) == there)
    server.release()
    assert all(isinstance(result(future), Accepted) for future in futures)


def test_silence_is_unsure_and_the_line_is_asked_whether_it_lives(met):
    server, provider = met(mood="late", answer_timeout=0.2, window=1)
    assert result(submit(provider)) == OutcomeUnknown("no answer in time")
    until(lambda: server.asked(pdu.ENQUIRE_LINK) == 1)
    server.release()  # an answer that comes too late changes nothing
    server.mood = ""
    until(provider.room)
    assert result(submit(provider)) == Accepted("1002", receipt=True) and server.binds == ["trx"]


def test_what_waits_for_a_window_that_never_opens_is_not_sent_and_waiting_counts_against_the_validity(met):
    server, provider = met(mood="silent", answer_timeout=0.3, window=1)
    server.deaf = True  # so that the line is not used again either
    first, second = submit(provider), submit(provider)
    assert isinstance(result(first), OutcomeUnknown) and isinstance(result(second), NotTransmitted)
    assert len(server.submits) == 1
    server, provider = met(mood="late", window=1, answer_timeout=5.0)
    first, second = submit(provider), submit(provider, valid_for=timedelta(seconds=1.05))
    assert result(second) == NotTransmitted("too late")
    server.release()
    assert isinstance(result(first), Accepted)


@pytest.mark.parametrize("mood", ["cut_before", "cut_after"])
def test_a_connection_that_breaks_after_the_submit_is_unsure_and_the_next_is_not_sent(met, mood):
    server, provider = met(reconnect_first=0.5, reconnect_most=0.5)
    server.mood = mood
    assert isinstance(result(submit(provider)), OutcomeUnknown)
    server.mood = ""
    until(lambda: isinstance(result(submit(provider)), NotTransmitted), 1)
    until(provider.room)
    assert isinstance(result(submit(provider)), Accepted) and server.binds == ["trx", "trx"]


def test_what_still_waited_when_the_connection_broke_is_not_sent(met):
    server, provider = met(mood="late", window=2, reconnect_first=5.0, reconnect_most=5.0)
    futures = [submit(provider) for _ in range(5)]
    until(lambda: len(server.submits) == 2)
    server.cut()
    assert [type(result(future)) for future in futures] == [OutcomeUnknown] * 2 + [NotTransmitted] * 3


def test_the_other_bind_takes_over(met):
    server, provider = met(binds=2, reconnect_first=5.0, reconnect_most=5.0)
    until(lambda: len(server.links) == 2)
    server.do(server.links[0].transport.abort)
    until(lambda: len(server.links) == 1)
    until(lambda: isinstance(result(submit(provider)), Accepted))


def test_a_quiet_line_is_asked_and_ended_where_nobody_answers(met):
    server, provider = met(enquire_after=0.05, answer_timeout=0.3)
    until(lambda: server.asked(pdu.ENQUIRE_LINK) >= 3)
    assert server.binds == ["trx"], "an answer keeps it"
    server.deaf = True
    until(lambda: len(server.binds) >= 2)
    server.deaf = False
    until(lambda: isinstance(result(submit(provider)), Accepted))


def test_an_enquire_link_and_an_unbind_of_theirs_are_answered_and_a_new_bind_comes(met):
    server, provider = met()
    answer = server.answered(server.send(pdu.ENQUIRE_LINK), pdu.ENQUIRE_LINK)
    assert (answer.command, answer.status) == (pdu.ENQUIRE_LINK | pdu.RESPONSE, pdu.OK)
    assert server.answered(server.send(pdu.UNBIND), pdu.UNBIND).status == pdu.OK
    until(lambda: len(server.binds) == 2)
    until(provider.room)
    assert isinstance(result(submit(provider)), Accepted)


def test_a_receipt_may_come_before_the_answer(smsc, smpp, sink):
    server = smsc()

    def early(link, asked):
        link.send(pdu.Pdu(pdu.DELIVER_SM, 0, 77, deliver_body(receipt_text("1001"))))
        server.accept(link, asked)

    server.mood = early
    assert result(submit(smpp(server))).reference == "1001"
    until(lambda: [receipt.reference for receipt in sink.stored] == ["1001"])
    assert server.answered(77).status == pdu.OK


def test_receipts_in_the_packet_of_the_bind_in_a_data_sm_and_twice_are_taken(smsc, smpp, sink):
    server = smsc()
    server.after_bind = pdu.Pdu(pdu.DELIVER_SM, 0, 99, deliver_body(receipt_text("7"))).encoded()
    smpp(server)
    assert server.answered(99).status == pdu.OK and sink.stored.pop().reference == "7"
    body = b"\0\1\x01212661000222\0\5\0MASSAR\0\4\0\0" + b"\0\x1e\0\x051001\0" + b"\x04\x27\0\1\2"
    assert server.answered(server.send(pdu.DATA_SM, body), pdu.DATA_SM).status == pdu.OK
    assert sink.stored.pop() == Receipt("smpp-test", "1001", contract.DELIVERED, "DELIVRD", NUMBER)
    for _ in range(2):
        assert server.answered(server.receipt(receipt_text("1001", "UNDELIV", "011"))).status == pdu.OK
    assert sink.stored == [Receipt("smpp-test", "1001", contract.FAILED, "UNDELIV 011", NUMBER)] * 2


@pytest.mark.parametrize("mood", ["fails", "raises", "never"])
def test_a_receipt_that_is_not_stored_is_asked_for_again(met, sink, mood):
    server, _ = met(answer_timeout=0.3)
    sink.mood = mood
    answer = server.answered(server.receipt(receipt_text("1001")))
    assert (answer.status, answer.body) == (pdu.TRY_AGAIN, b"\0")
    sink.mood = ""
    assert server.answered(server.receipt(receipt_text("1001"))).status == pdu.OK
    assert len(sink.stored) == 1


def test_a_receipt_is_answered_only_once_it_is_stored_and_holds_up_no_message(smsc, smpp, sink, monkeypatch):
    server, asked, let_go, future = smsc(), threading.Event(), threading.Event(), Future()

    def slow(self, receipt):
        asked.set()
        let_go.wait(10)  # a sink that blocks, and is not done when it returns
        return future

    monkeypatch.setattr(type(sink), "__call__", slow)
    provider = smpp(server)
    sequence = server.receipt(receipt_text("1001"))
    assert asked.wait(10)
    assert isinstance(result(submit(provider)), Accepted)
    let_go.set()
    assert isinstance(result(submit(provider)), Accepted)  # a whole round later there is still no answer
    assert not [found for found in server.heard if found.command == pdu.DELIVER_SM | pdu.RESPONSE]
    future.set_result(None)
    assert server.answered(sequence).status == pdu.OK


def test_ids_are_turned_as_it_was_set(met, sink):
    server, provider = met(receipt_id="hex_to_dec")
    accepted = result(submit(provider))
    server.receipt(receipt_text(f"{int(accepted.reference):08X}"))
    until(lambda: sink.stored)
    assert sink.stored[0].reference == accepted.reference


def test_receipts_come_on_while_messages_go_out(smsc, smpp, sink):
    server = smsc()

    def with_receipt(link, asked):
        server.accept(link, asked)
        body = deliver_body(receipt_text(server.references[-1]))
        link.send(pdu.Pdu(pdu.DELIVER_SM, 0, len(server.references), body))

    server.mood = with_receipt
    provider = smpp(server, window=20)
    futures = [submit(provider) for _ in range(200)]
    references = {result(future).reference for future in futures}
    until(lambda: len(sink.stored) == 200)
    assert len(references) == 200 and {receipt.reference for receipt in sink.stored} == references


def test_the_bucket_lets_go_what_was_agreed_in_small_bursts():
    pace, now, sent = Pace(9.0, 0.0), 0.0, 0
    while now < 10:
        wait = pace.wait(now)
        if wait:
            now += wait
        else:
            pace.take()
            sent += 1
    assert 90 <= sent <= 91
    pace, burst = Pace(100.0, 0.0), 0
    while pace.wait(5.0) == 0:
        pace.take()
        burst += 1
    assert burst == 10


def test_the_pace_halves_once_for_what_was_under_way_comes_back_and_never_stands_still():
    pace = Pace(40.0, 0.0)
    for written in (1.0, 1.01, 1.02):  # three of one window were refused
        pace.slow(1.1, written)
    assert pace.rate == 20.0
    pace.wait(2.1)
    assert pace.rate == pytest.approx(24.0)
    pace.slow(2.1, 2.05)
    assert pace.rate == pytest.approx(12.0)
    pace.wait(20.0)
    assert pace.rate == 40.0
    pace = Pace(32.0, 0.0)
    for hundredth in range(1, 20):
        pace.slow(hundredth / 100, hundredth / 100 - 0.005)
    assert pace.rate == 1.0


@pytest.mark.parametrize("status", [0x58, 0x14])
def test_a_throttled_message_comes_back_as_busy_and_room_shrinks(met, status):
    server, provider = met(rate=100.0, window=200)
    before = until(provider.room)
    server.mood = status
    assert result(submit(provider)) == Rejected(f"smpp 0x{status:02x}", permanent=False, busy=True)
    assert provider.room() <= before / 2 + 2
    server.mood = ""
    assert isinstance(result(submit(provider)), Accepted)
    _, provider = met(rate=20.0, binds=2, window=100)
    until(lambda: provider.room() == 18, why="the rate is shared out among the binds")


def test_a_request_that_is_not_for_us_is_refused_and_what_needs_no_answer_gets_none(met):
    server, provider = met()
    for command in (0x21, 0x07, 0x03, 0x01, 0x999):
        nack = server.answered(server.send(command, b"\0" * 20), command)
        assert (nack.command, nack.status) == (pdu.GENERIC_NACK, pdu.BAD_COMMAND)
    server.heard.clear()
    for command in (pdu.ALERT_NOTIFICATION, pdu.OUTBIND):
        server.send(command, b"\0" * 20)
    assert isinstance(result(submit(provider)), Accepted) and len(server.binds) == 1
    assert not [found for found in server.heard if found.command & pdu.RESPONSE]


def test_a_deliver_sm_that_can_not_be_read_is_refused_for_good_and_what_is_no_receipt_is_dropped(met, sink):
    server, provider = met()
    for body in (b"", b"\0", b"\0\1\1" + b"1" * 70, deliver_body(b"x")[:-1], deliver_body(b"") + b"\0\x1e\0"):
        assert server.answered(server.send(pdu.DELIVER_SM, body)).status == pdu.NEVER
    for sequence in (server.receipt(receipt_text("1001"), esm_class=0), server.receipt(b"stat:DELIVRD")):
        assert server.answered(sequence).status == pdu.OK
    assert sink.stored == [] and isinstance(result(submit(provider)), Accepted)
    assert server.answered(server.receipt(b"\0")).status == pdu.OK and server.binds == ["trx"]


def test_closing_waits_for_what_is_under_way_and_says_goodbye(met, sink):
    server, provider = met(mood="late", window=2)
    futures = [submit(provider) for _ in range(3)]
    until(lambda: len(server.submits) == 2)
    closing = threading.Thread(target=provider.close)
    closing.start()
    assert result(futures[2]) == NotTransmitted("the provider is closed")
    assert provider.room() == 0 and isinstance(result(submit(provider)), NotTransmitted)
    assert not server.asked(pdu.UNBIND)
    server.release()
    assert [type(result(future)) for future in futures[:2]] == [Accepted, Accepted]
    closing.join(10)
    until(lambda: not server.links)
    assert server.asked(pdu.UNBIND) == 1 and not closing.is_alive()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("smpp-test")]


def test_closing_does_not_wait_for_ever_nor_for_nobody(met, smpp):
    server, provider = met(mood="silent", answer_timeout=0.3)
    future = submit(provider)
    until(lambda: server.submits)
    server.deaf = True
    provider.close()
    assert isinstance(result(future), OutcomeUnknown)
    provider = smpp(1, bound=False, reconnect_first=60.0, reconnect_most=60.0)
    for _ in range(2):
        provider.close()
    assert isinstance(result(submit(provider)), NotTransmitted)


def test_before_it_is_open_nothing_is_sent(smsc, smpp, sink):
    provider = smpp(smsc())
    with pytest.raises(RuntimeError):
        provider.open(sink)
    fresh = SmppProvider(provider.settings)
    assert fresh.room() == 0 and result(submit(fresh)) == NotTransmitted("the provider is not open")
    fresh.close()


def test_a_server_that_does_not_read_is_given_up(met):
    server, provider = met(enquire_after=0.1, answer_timeout=0.4)
    server.do(server.links[0].transport.pause_reading)
    burst = b"".join(pdu.Pdu(pdu.ENQUIRE_LINK, 0, n).encoded() for n in range(1, 4_000))
    server.do(lambda: [server.links[0].transport.write(burst) for _ in range(200)])
    until(lambda: len(server.binds) >= 2)
    until(lambda: isinstance(result(submit(provider)), Accepted))
