"""What only SMTP can do wrong: TLS, sign-in, every stage of the conversation, and how the letter looks."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from massar.domain.delivery import provider as contract
from massar.domain.delivery.provider import Accepted, NotTransmitted, OutcomeUnknown, Rejected
from massar.providers.registry import provider_from_url
from massar.providers.smtp.mime import mail_address

from .conftest import HASTY, TEN_MINUTES
from .conftest import send as sent
from .smtp_rig import CONTENT, HELLO, MORE_THAN_FITS_ON_THE_WAY, PASSWORD, TO_DATA, USER

# The sign-in over loopback without TLS is on purpose: it is the one place where it is allowed.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
MAIL = contract.OutboundMessage(
    "-Zk3_x-1", "email", "khadija@example.org", "ar", "مسار: كلمة مرور مؤقتة",
    "السلام عليكم\n\nkdmwt-47392\n.\n.. نقطتان\n", "<p dir=rtl>سلام</p>",
)  # fmt: skip
AFTER_354 = [*HELLO, *CONTENT]


@pytest.fixture
def send(relay):
    def to(server, message=MAIL, *, kind="smtp", valid_for=TEN_MINUTES, **changes):
        return sent(relay(server, kind, **changes), message, valid_for)

    return to


def test_the_letter_is_complete_and_readable_by_plain_and_html_clients(mail_server, send, clock):
    server = mail_server()
    assert send(server, sender_name="Massar, ministère") == Accepted("2.0.0 OK: queued as 4XyZ")
    (letter,) = server.letters
    assert server.envelopes == [("massar@example.ma", ["khadija@example.org"])]
    (sender,) = letter["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Massar, ministère", "massar@example.ma")
    assert (letter["To"], letter["Subject"]) == ("khadija@example.org", MAIL.subject)
    assert letter["Message-ID"] == "<-Zk3_x-1@example.ma>" and letter["Date"].datetime == clock.moment
    assert letter["Auto-Submitted"] == "auto-generated" and letter["X-Auto-Response-Suppress"] == "All"
    assert letter.get_content_type() == "multipart/alternative"
    plain, html = letter.iter_parts()
    assert plain.get_content().splitlines() == MAIL.text.splitlines()
    assert html.get_content().strip() == MAIL.html
    assert all(part.get_content_charset() == "utf-8" for part in (plain, html))


def test_every_line_that_travels_is_short_and_seven_bit_and_dots_arrive_as_they_were(mail_server, script, send):
    played, server = script(*AFTER_354, "body", b"250 OK\r\n"), mail_server()
    assert isinstance(send(played), Accepted)
    assert all(len(line) <= 78 and line.isascii() for line in played.heard), "76 signs and the line end"
    text = "one\n.\n.two\n..three\nend\n"  # as plain ASCII it is not hidden by base64
    send(server, replace(MAIL, text=text, html=None))
    assert server.letters[0].get_content().splitlines() == text.splitlines()


@pytest.mark.parametrize("subject", ["a\r\nBcc: thief@example.org", "a\nX: y", "a\u2028b", "a\x00b"])
def test_nothing_in_a_subject_becomes_a_header(mail_server, send, subject):
    server = mail_server()
    assert isinstance(send(server, replace(MAIL, subject=subject)), Accepted)
    (letter,) = server.letters
    assert letter["Bcc"] is None and letter["X"] is None and "\n" not in letter["Subject"]
    assert server.envelopes[0][1] == [MAIL.to]


@pytest.mark.parametrize("address", [
    "a@example.org\r\nRCPT TO:<thief@example.org>", "a@example.org>\r\nDATA", "<a@example.org", "a b@example.org", "a@",
    "@example.org", "nobody", "a,b@example.org", '"a b"@example.org', "a..b@example.org", "كمال@example.org",
    "a@example.org BODY=8BITMIME", "a@@example.org", "a@-", "x" * 65 + "@example.org",
])  # fmt: skip
def test_an_address_that_is_none_is_refused_before_any_connection(send, address):
    result = send(1, replace(MAIL, to=address))
    assert isinstance(result, Rejected) and result.permanent
    assert mail_address("a@موقع.ma") == "a@xn--4gbrim.ma", "an international domain travels in ASCII"


# What each answer means: test_mail_answers.py. Here: that the stage and the words reach the judge.
@pytest.mark.parametrize(("stage", "answer", "permanent", "configuration_error"), [
    ("MAIL", "451 4.3.0 later", False, False), ("MAIL", "550 5.7.1 sender", False, True),
    ("RCPT", "550 5.1.1 no such user a@example.org", True, False), ("RCPT", "450 4.2.1 later", False, False),
    ("RCPT", "554 5.7.1 Relay access denied", False, True), ("DATA", "554 5.6.0 content", False, True),
    ("DATA", "452 4.3.1 no room", False, False),
])  # fmt: skip
def test_an_answer_at_each_stage_means_what_it_says(mail_server, send, stage, answer, permanent, configuration_error):
    server = mail_server(stages={stage: answer})
    result = send(server)
    assert isinstance(result, Rejected)
    assert (result.permanent, result.configuration_error) == (permanent, configuration_error)
    assert result.code.startswith(re.match(r"\d+ [\d.]+", answer)[0])
    assert "example.org" not in result.code and server.letters == []


@pytest.mark.parametrize(("answer", "kind", "configuration_error"), [
    (b"554 5.3.2 go away\r\n", Rejected, True), (b"421 4.3.2 too busy\r\n", Rejected, False),
    (b"HTTP/1.1 400 Bad Request\r\n", NotTransmitted, None), (b"\x80\x81\x82\r\n", NotTransmitted, None),
])  # fmt: skip
def test_a_greeting_that_is_none(script, send, answer, kind, configuration_error):
    result = send(script(answer))
    assert isinstance(result, kind) and getattr(result, "configuration_error", None) == configuration_error
    assert not getattr(result, "permanent", False)


ENDS = {
    "at once": ["cut"], "at EHLO": [*HELLO[:2], "cut"], "at MAIL": [*HELLO, "read", "cut"],
    "at DATA": [*HELLO, *TO_DATA, "cut"], "drips": ["drip"], "silent": [b""], "silent at MAIL": [*HELLO, "read"],
    "silent at DATA": [*HELLO, *TO_DATA],
}  # fmt: skip


@pytest.mark.parametrize("lines", ENDS.values(), ids=ENDS)
def test_cut_or_silent_before_the_message_means_not_sent(script, send, lines):
    assert isinstance(send(script(*lines), **HASTY), NotTransmitted)


@pytest.mark.parametrize("end", [["cut"], [b""], ["drip"]], ids=["cut", "silent", "drips"])
def test_cut_or_silent_after_the_final_dot_is_unsure(script, send, end):
    played = script(*AFTER_354, "body", *end)
    assert isinstance(send(played, **HASTY), OutcomeUnknown)


def test_a_real_server_that_cuts_after_the_final_dot_is_unsure_and_a_slow_one_is_waited_for(mail_server, send):
    server = mail_server(after_data="cut")
    assert isinstance(send(server), OutcomeUnknown) and len(server.letters) == 1
    server.after_data = 0.2
    assert isinstance(send(server), Accepted)


def test_cut_in_the_middle_of_the_message_means_not_sent(script, send):
    played = script(*AFTER_354, "read", "cut")
    assert isinstance(send(played, replace(MAIL, text=MORE_THAN_FITS_ON_THE_WAY, html=None)), NotTransmitted)


def test_a_server_that_can_give_late_mail_back_is_asked_to(script, send):
    ehlo = [*HELLO[:2], b"250-mail.test\r\n250 DELIVERBY 60\r\n", "read", b"550 no\r\n"]
    asked, short = script(*ehlo), script(*ehlo)
    send(asked)
    send(short, valid_for=timedelta(seconds=30))
    assert b"BY=600;R" in asked.heard[1].upper()
    assert b"BY=" not in short.heard[1].upper()


def test_starttls_that_is_not_offered_ends_it(mail_server, send):
    server = mail_server()
    assert send(server, kind="smtp+starttls") == NotTransmitted("the server offers no STARTTLS")
    assert server.letters == []


def test_words_slipped_in_before_starttls_are_not_heard(script, send):
    """CVE-2021-38371 and its kin: an answer sent in the clear together with the one to STARTTLS."""
    played = script(*HELLO[:2], b"250-mail.test\r\n250 STARTTLS\r\n", "read", b"220 go\r\n250 OK\r\n250 OK\r\n")
    assert isinstance(send(played, kind="smtp+starttls", **HASTY), NotTransmitted)
    assert not any(line.upper().startswith(b"MAIL") for line in played.heard)


def test_a_wrong_password_is_our_fault_and_check_says_so(mail_server, server_tls, options):
    server = mail_server(tls=server_tls, auth=True)
    provider = provider_from_url(f"smtps://massar:wrong-one@localhost:{server.port}", options())
    assert sent(provider) == Rejected("535 5.7.8 at sign-in", permanent=False, configuration_error=True)
    (sentence,) = provider.check()
    assert "refuses us" in sentence and "wrong-one" not in sentence
    server.stages = {"AUTH": "454 4.7.0 later"}  # one that is only busy is nobody's fault
    user, password = USER.replace("@", "%40"), PASSWORD.replace("@", "%40").replace("/", "%2F")
    result = sent(provider_from_url(f"smtps://{user}:{password}@localhost:{server.port}", options()))
    assert isinstance(result, Rejected) and not result.configuration_error and not result.permanent


def test_a_password_is_never_sent_in_the_clear_to_another_machine(options):
    with pytest.raises(contract.ProviderSettingError, match="TLS"):
        provider_from_url("smtp://user:secret@mail.example.ma", options())
    assert provider_from_url("smtp://user:secret@127.0.0.1:2525", options()).channel == "email"
