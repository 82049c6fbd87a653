"""SMPP as bytes: framing, texts, receipts, settings. Expected bytes are written by hand from the specification."""

import struct
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massar.domain.delivery.provider import DELIVERED, FAILED, UNDERWAY, Receipt
from massar.domain.delivery.sms_text import GSM7_CODES, measure, segments
from massar.providers.smpp import pdu as smpp
from massar.providers.smpp import receipt
from massar.providers.smpp.pdu import BUSY, CONFIGURATION_ERROR, PERMANENT, contents, refusal
from massar.providers.smpp.receipt import DEC_TO_HEX, HEX_TO_DEC, Forms, is_receipt

pdus = st.builds(
    smpp.Pdu, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=300)
)


# -- framing


@given(st.lists(pdus, max_size=8), st.data())
def test_a_stream_gives_the_same_pdus_however_it_is_cut(sent, data):
    stream = b"".join(pdu.encoded() for pdu in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    splitter, got = smpp.Splitter(), []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += splitter.feed(stream[begin:end])
    assert got == sent


@pytest.mark.parametrize("length", [0, 1, 15, 65_537, 2**31, 2**32 - 1])
def test_an_impossible_length_ends_the_stream_after_what_came_before(length):
    good = smpp.Pdu(smpp.ENQUIRE_LINK, 0, 7).encoded()
    found = smpp.Splitter().feed(good + struct.pack(">IIII", length, 4, 0, 1))
    assert next(found).sequence == 7
    with pytest.raises(smpp.BadPdu):
        next(found)


def test_the_bounds_themselves_are_allowed_and_one_that_lacks_its_last_byte_is_waited_for():
    for length in (16, 65_536):
        pdu, splitter = smpp.Pdu(smpp.DELIVER_SM, 0, 1, bytes(length - 16)), smpp.Splitter()
        assert list(splitter.feed(pdu.encoded()[:-1])) == []
        assert list(splitter.feed(pdu.encoded()[-1:])) == [pdu]


# -- requests


def test_a_bind_has_its_fields_in_their_order():
    assert smpp.bind("massar", "secret", "OTP") == b"massar\0secret\0OTP\0\x34\0\0\0"


def test_a_submit_has_its_fields_in_their_order():
    content = smpp.Content(8, b"\5\0\3\7\2\1\6\x45", True)
    source, to = smpp.Address(5, 0, "MASSAR"), smpp.Address(1, 1, "212661000222")
    body = smpp.submit("OTP", source, to, "000000001000000R", content)
    assert body == (
        b"OTP\0" b"\5\0MASSAR\0" b"\1\x01212661000222\0" b"\x40\0\0" b"\0" b"000000001000000R\0"
        b"\1\0\x08\0" b"\x08\5\0\3\7\2\1\6\x45"
    )  # fmt: skip


@pytest.mark.parametrize(("seconds", "written"), [
    (1, "000000000001000R"),
    (600, "000000001000000R"),
    (3_599, "000000005959000R"),
    (86_400 * 3 + 3_661, "000003010101000R"),
    (86_400 * 400, "000030000000000R"),  # never longer than asked for,
])  # fmt: skip
def test_relative_times(seconds, written):
    assert smpp.relative_time(seconds) == written and len(written) == 16


def test_absolute_times_are_in_utc():
    moment = datetime(2026, 2, 15, 2, 5, 9, tzinfo=timezone(timedelta(hours=1)))
    assert smpp.absolute_time(moment) == "260215010509000+"
    assert smpp.absolute_time(moment.astimezone(UTC)) == "260215010509000+"


# -- texts


def test_every_sign_of_the_alphabet_has_a_code_of_its_own():
    assert len(GSM7_CODES) == 137 and len(set(GSM7_CODES.values())) == 137
    assert GSM7_CODES["@"] == b"\x00" and GSM7_CODES["à"] == b"\x7f" and GSM7_CODES["é"] == b"\x05"
    assert GSM7_CODES["€"] == b"\x1b\x65" and GSM7_CODES["["] == b"\x1b\x3c" and "`" not in GSM7_CODES
    assert GSM7_CODES["Æ"] == b"\x1c" and GSM7_CODES[" "] == b" "  # the escape keeps its place before them


def test_a_short_text_is_one_content_without_a_header_and_what_has_no_code_makes_it_ucs2():
    (content,) = contents("é€[]\nkdmwt-47392", "m1")
    assert content == (0, b"\x05\x1b\x65\x1b\x3c\x1b\x3e\nkdmwt-47392", False)
    for sign in ("\x00", "\x1b", "`", "ê"):
        assert contents(f"a{sign}", "m1") == [(8, f"a{sign}".encode("utf-16-be"), False)]


def test_segments_carry_a_header_that_is_the_same_when_sent_again():
    first, again, other = contents("a" * 400, "m1"), contents("a" * 400, "m1"), contents("a" * 400, "m2")
    assert first == again and first[0].content[3] != other[0].content[3]
    assert [part.content[:3] + part.content[4:6] for part in first] == [bytes((5, 0, 3, 3, n)) for n in (1, 2, 3)]
    assert [len(part.content) - 6 for part in first] == [153, 153, 94] and all(part.joined for part in first)


def test_neither_an_escape_nor_a_surrogate_pair_is_parted_and_half_a_pair_becomes_a_question_mark():
    first, second = contents("a" * 152 + "€" + "b" * 20, "m1")
    assert first.content[6:] == b"a" * 152 and second.content[6:] == b"\x1b\x65" + b"b" * 20
    first, second = contents("م" * 66 + "😀" + "م" * 10, "m1")
    assert len(first.content) == 6 + 132 and second.content[6:].decode("utf-16-be") == "😀" + "م" * 10
    (content,) = contents("م\ud83d", "m1")
    assert content.content.decode("utf-16-be") == "م?"


def test_too_long_for_a_header_is_an_error():
    assert len(contents("a" * 153 * 255, "m1")) == 255
    with pytest.raises(ValueError, match="too long"):
        contents("a" * (153 * 255 + 1), "m1")


@given(st.text(alphabet=st.sampled_from("aé€[مâ😀\n"), max_size=700))
def test_contents_hold_the_whole_text_within_140_octets(text):
    parts = contents(text, "m1")
    encoding, pieces = segments(text)
    assert "".join(pieces) == text and len(parts) == len(pieces) == measure(text).segments
    for part in parts:
        octets = len(part.content) - 6 if part.joined else len(part.content)
        room = (153 if part.joined else 160) if encoding == "gsm7" else (134 if part.joined else 140)
        assert octets <= room


# -- receipts

TEXT = b"id:%s sub:001 dlvrd:001 submit date:2602150155 done date:2602150156 stat:%s err:%s text:stat:UNDELIV id:9"


def read(delivery: smpp.Delivery, forms: Forms = Forms()) -> Receipt:
    return receipt.read(delivery, forms, provider="iam")


def told(found: Receipt) -> tuple[str, str, str]:
    return found.reference, found.state, found.code


def delivered(content=b"", *, esm_class=4, coding=0, source=(1, 1, "212661000222"), tlvs=None):
    return smpp.Delivery(smpp.Address(*source), esm_class, coding, content, tlvs or {})


WORDS = {
    DELIVERED: "DELIVRD delivrd DELIVERED Delivered DELIVERD DELIVER DELIVRED",
    FAILED: "UNDELIV EXPIRED DELETED REJECTD UNDELIVERABLE UNDELIVERED NOT_DELIVERED REJECTED REJECTE FAILED failed "
    "FAIL FAILURE BLOCKED BLACKLISTED EXPIRD CANCELLED SKIPPED UNDELIVRABLE DELIVERY_FAILED EXPRD",
    UNDERWAY: "ACCEPTD ENROUTE UNKNOWN WHATEVR ACCEPTED QUEUED BUFFRED SENT SCHEDULED PENDING",
}


def test_states_of_the_text():
    for state, words in WORDS.items():
        for word in words.split():
            found = read(delivered(TEXT % (b"1001", word.encode(), b"000")))
            assert told(found) == ("1001", state, word.upper())


@pytest.mark.parametrize(("said", "state"), [
    (b"id:1001 stat: DELIVRD   err:000", DELIVERED), (b"id:1001 stat:DELIVRD;err:000", DELIVERED),
    (b'id:1001 stat:"DELIVRD", x', DELIVERED), (b"ID:1001 STAT:DELIVERED", DELIVERED),
    (b"id: 1001 status:Failed error:011", FAILED), (b"stat:UNDELIV\tid:1001", FAILED),
    (b"id:1001 stat:DELIVRD\0", DELIVERED), (b"id:1001 stat:", UNDERWAY),
    (b"id:1001 stat:2 err:000", UNDERWAY), (b"id:1001", UNDERWAY),
])  # fmt: skip
def test_a_state_is_read_however_the_fields_are_set_apart(said, state):
    assert told(read(delivered(said)))[:2] == ("1001", state)


def test_the_reason_is_state_and_error_and_what_the_message_itself_says_is_not_read():
    assert read(delivered(TEXT % (b"1001", b"UNDELIV", b"011"))).code == "UNDELIV 011"
    assert read(delivered(TEXT % (b"1001", b"UNDELIV", b"0AB"))).code == "UNDELIV 0AB"
    assert told(read(delivered(b"id:7 text:stat:DELIVRD err:5"))) == ("7", UNDERWAY, "")
    assert told(read(delivered(b"\0"))) == ("", UNDERWAY, "")


def test_a_receipt_is_known_by_its_type_and_a_text_of_a_person_is_none_whatever_it_says():
    assert all([is_receipt(delivered(b"", esm_class=kind)) for kind in (0x04, 0x44, 0x84)])
    assert not is_receipt(delivered(TEXT % (b"1001", b"DELIVRD", b"000"), esm_class=0))
    assert is_receipt(delivered(esm_class=0, tlvs={smpp.RECEIPTED_ID: b"1001\0"}))
    assert is_receipt(delivered(esm_class=0, tlvs={smpp.MESSAGE_STATE: b"\2"}))


def test_optional_parameters_win_over_the_text():
    tlvs = {smpp.RECEIPTED_ID: b"2002\0", smpp.MESSAGE_STATE: b"\5", smpp.NETWORK_ERROR: b"\3\0\x15"}
    found = read(delivered(TEXT % (b"1001", b"DELIVRD", b"000"), tlvs=tlvs))
    assert told(found) == ("2002", FAILED, "UNDELIV 021")


@pytest.mark.parametrize(("parameter", "word", "state", "code"), [
    (b"\1", b"DELIVRD", DELIVERED, "DELIVRD"), (b"\7", b"UNDELIV", FAILED, "UNDELIV"),
    (b"\2", b"UNKNOWN", DELIVERED, "DELIVRD"), (b"\5", b"DELIVRD", FAILED, "UNDELIV"),
    (b"\1", b"ACCEPTD", UNDERWAY, "ENROUTE"),
    *((none, b"DELIVRD", DELIVERED, "DELIVRD") for none in (b"", b"\xff", b"\2\2")),
])  # fmt: skip
def test_of_parameter_and_text_the_one_counts_that_settles(parameter, word, state, code):
    found = read(delivered(TEXT % (b"1001", word, b"000"), tlvs={smpp.MESSAGE_STATE: parameter}))
    assert (found.state, found.code) == (state, code)


def test_an_intermediate_notification_settles_nothing():
    assert read(delivered(TEXT % (b"1001", b"UNDELIV", b"011"), esm_class=0x20)).state == UNDERWAY


def test_a_receipt_in_ucs2_is_read():
    content = (TEXT % (b"1001", b"DELIVRD", b"000")).decode()
    for wide in (content.encode("utf-16-be"), content.encode("utf-16-le")):
        assert [read(delivered(wide, coding=coding)).reference for coding in (8, 0)] == ["1001", "1001"]
    assert read(delivered(content.encode(), coding=8)).state == DELIVERED


@pytest.mark.parametrize(("form", "answer", "reported", "reference"), [
    ("same", "0A3f", b"0A3f", "0A3f"), ("same", "007", b"007", "007"), (HEX_TO_DEC, "4097", b"1001", "4097"),
    (HEX_TO_DEC, "0004097", b"00001001", "4097"), (HEX_TO_DEC, "2623", b"A3F", "2623"),
    (DEC_TO_HEX, "1001", b"4097", "1001"), (DEC_TO_HEX, "0A3F", b"2623", "a3f"), (DEC_TO_HEX, "a3f", b"0002623", "a3f"),
])  # fmt: skip
def test_an_id_of_a_receipt_is_the_one_of_the_answer(form, answer, reported, reference):
    forms = Forms(text=form)
    assert forms.of_answer(answer) == reference
    assert read(delivered(TEXT % (reported, b"DELIVRD", b"000")), forms).reference == reference


def test_text_and_parameter_may_have_forms_of_their_own():
    forms = Forms(text=HEX_TO_DEC)
    found = read(delivered(TEXT % (b"1001", b"DELIVRD", b"000"), tlvs={smpp.RECEIPTED_ID: b"004097\0"}), forms)
    assert found.reference == forms.of_answer("4097") == "4097"


@pytest.mark.parametrize("form", [HEX_TO_DEC, DEC_TO_HEX])
def test_an_id_that_is_no_number_stays_as_it_is(form):
    for id in ("x-1", "", "1_000", "١٢", "+5", "0x10"):
        assert Forms(text=form).of_receipt(id, form) == id


@pytest.mark.parametrize(("source", "to"), [
    ((1, 1, "212661000222"), "+212661000222"), ((1, 1, "+212661000222"), "+212661000222"),
    ((0, 0, "212661000222"), "+212661000222"), ((0, 1, "00212661000222"), "+212661000222"), ((2, 1, "0661000222"), ""),
    ((0, 0, "0661000222"), ""), ((0, 0, "661000222"), ""), ((5, 0, "MASSAR"), ""), ((1, 1, ""), ""),
])  # fmt: skip
def test_the_number_is_in_e164_or_left_out(source, to):
    assert read(delivered(source=source)).to == to


@given(st.binary(max_size=400), st.sampled_from([smpp.DELIVER_SM, smpp.DATA_SM]))
def test_any_body_is_read_or_refused(body, command):
    try:
        found = smpp.delivery(smpp.Pdu(command, 0, 1, body))
    except smpp.BadPdu:
        return
    said = read(found, Forms(HEX_TO_DEC, HEX_TO_DEC))
    assert is_receipt(found) in (True, False)
    assert len(said.reference) <= 80 and len(said.code) <= 45 and f"{said.reference}{said.code}".isprintable()
    assert said.to == "" or said.to[0] == "+"


@given(st.binary(max_size=200))
def test_an_id_of_an_answer_is_bounded_and_printable(body):
    found = smpp.message_id(body)
    assert len(found) <= 65 and found.isprintable()


# -- statuses


def test_no_status_means_two_things():
    assert not (PERMANENT & BUSY or PERMANENT & CONFIGURATION_ERROR or BUSY & CONFIGURATION_ERROR)


def test_each_status_means_what_it_says():
    meant = {"permanent": (0x0B,), "configuration_error": (0x0A, 0x0D, 0x0E, 0x0F, 0x04), "busy": (0x58, 0x14),
             "": (0x45, 0x08, 0x64, 0x05, 0x0400, 0xFFFFFFFF)}  # fmt: skip
    for kind, statuses in meant.items():
        for status in statuses:
            found = refusal(status)
            said = {name for name in ("permanent", "configuration_error", "busy") if getattr(found, name)}
            assert said == {kind} - {""} and found.code == f"smpp 0x{status:02x}"
