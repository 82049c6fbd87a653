"""What only SMTP can do wrong: TLS, sign-in, every stage of the conversation, and how the letter looks."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from massar.domain.delivery.provider import (
    Accepted,
    NotTransmitted,
    OutboundMessage,
    OutcomeUnknown,
    ProviderSettingError,
    Rejected,
)
from massar.providers.registry import provider_from_url
from massar.providers.smtp.mime import mail_address

from .conftest import HASTY
from .smtp_rig import MORE_THAN_FITS_ON_THE_WAY, PASSWORD, USER

TEN_MINUTES = timedelta(minutes=10)
# The sign-in over loopback without TLS is on purpose: it is the one place where it is allowed.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
MAIL = OutboundMessage(
    "-Zk3_x-1",
    "email",
    "khadija@example.org",
    "ar",
    "مسار: كلمة مرور مؤقتة",
    "السلام عليكم\n\nkdmwt-47392\n.\n.. نقطتان\n",
    "<p dir=rtl>سلام</p>",
)
HELLO = [b"220 mail.test ESMTP\r\n", "read"]
EHLO = [*HELLO, b"250-mail.test\r\n250 8BITMIME\r\n"]
ENVELOPE = [*EHLO, "read", b"250 OK\r\n", "read", b"250 OK\r\n", "read"]
AFTER_354 = [*ENVELOPE, b"354 go on\r\n"]


@pytest.fixture
def send(options):
    def to(port: int, message=MAIL, *, kind="smtp", valid_for=TEN_MINUTES, **changes):
        return provider_from_url(f"{kind}://localhost:{port}", options(**changes)).send(message, valid_for=valid_for)

    return to


def test_the_letter_is_complete_and_readable_by_plain_and_html_clients(mail_server, send, clock):
    server = mail_server()
    assert send(server.port, sender_name="Massar, ministère") == Accepted("2.0.0 OK: queued as 4XyZ")
    (letter,) = server.letters
    assert server.envelopes == [("massar@example.ma", ["khadija@example.org"])]
    assert letter["From"].addresses[0].display_name == "Massar, ministère"
    assert letter["From"].addresses[0].addr_spec == "massar@example.ma"
    assert letter["To"] == "khadija@example.org"
    assert letter["Subject"] == MAIL.subject
    assert letter["Message-ID"] == "<-Zk3_x-1@example.ma>"
    assert letter["Date"].datetime == clock.moment
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["X-Auto-Response-Suppress"] == "All"
    assert letter.get_content_type() == "multipart/alternative"
    plain, html = letter.iter_parts()
    assert plain.get_content().splitlines() == MAIL.text.splitlines()
    assert html.get_content().strip() == MAIL.html
    assert all(part.get_content_charset() == "utf-8" for part in (plain, html))


def test_every_line_that_travels_is_short_and_seven_bit(script, send):
    played = script(*AFTER_354, "body", b"250 OK\r\n")
    assert isinstance(send(played.port), Accepted)
    assert all(len(line) <= 78 and line.isascii() for line in played.heard), "76 signs and the line end"


def test_dots_at_the_start_of_a_line_arrive_as_they_were(mail_server, send):
    server = mail_server()
    text = "one\n.\n.two\n..three\nend\n"  # as plain ASCII it is not hidden by base64
    send(server.port, OutboundMessage("a", "email", "a@example.org", "en", "s", text))
    assert server.letters[0].get_content().splitlines() == text.splitlines()


@pytest.mark.parametrize("subject", ["a\r\nBcc: thief@example.org", "a\nX: y", "a\u2028b", "a\x00b"])
def test_nothing_in_a_subject_becomes_a_header(mail_server, send, subject):
    server = mail_server()
    assert isinstance(send(server.port, OutboundMessage("a", "email", "a@example.org", "en", subject, "t")), Accepted)
    (letter,) = server.letters
    assert letter["Bcc"] is None and letter["X"] is None and "\n" not in letter["Subject"]
    assert server.envelopes[0][1] == ["a@example.org"]


@pytest.mark.parametrize(
    "address",
    [
        "a@example.org\r\nRCPT TO:<thief@example.org>",
        "a@example.org>\r\nDATA",
        "<a@example.org",
        "a b@example.org",
        "a@",
        "@example.org",
        "nobody",
        "a,b@example.org",
        '"a b"@example.org',
        "a..b@example.org",
        "كمال@example.org",
        "a@example.org BODY=8BITMIME",
        "a@@example.org",
        "a@-",
        "x" * 65 + "@example.org",
    ],
)
def test_an_address_that_is_none_is_refused_before_any_connection(send, address):
    result = send(1, OutboundMessage("a", "email", address, "en", "s", "t"))
    assert isinstance(result, Rejected) and result.permanent


def test_an_international_domain_travels_in_ascii():
    assert mail_address("a@موقع.ma") == "a@xn--4gbrim.ma"


@pytest.mark.parametrize(
    ("stage", "answer", "permanent", "configuration_error"),
    [
        ("MAIL", "451 4.3.0 later", False, False),
        ("MAIL", "550 5.7.1 sender", False, True),
        ("RCPT", "550 5.1.1 no such user a@example.org", True, False),
        ("RCPT", "552 5.2.2 mailbox full", True, False),
        ("RCPT", "450 4.2.1 later", False, False),
        ("RCPT", "530 5.7.0 sign in first", False, True),
        ("RCPT", "554 5.7.1 Relay access denied", False, True),
        ("RCPT", "554 5.7.1 Recipient address rejected: Access denied", True, False),
        ("RCPT", "450 4.7.1 Recipient address rejected: Greylisted", False, False),
        ("RCPT", "550 5.4.5 Daily user sending quota exceeded", False, True),
        ("DATA", "550 5.4.5 Daily user sending quota exceeded", False, True),
        ("DATA", "554 5.6.0 content", False, True),
        ("DATA", "452 4.3.1 no room", False, False),
    ],
)
def test_an_answer_at_each_stage_means_what_it_says(mail_server, send, stage, answer, permanent, configuration_error):
    server = mail_server()
    server.stages = {stage: answer}
    result = send(server.port)
    assert isinstance(result, Rejected) and (result.permanent, result.configuration_error) == (
        permanent,
        configuration_error,
    )
    assert result.code.startswith(re.match(r"\d+ [\d.]+", answer)[0])
    assert "example.org" not in result.code
    assert server.letters == []


@pytest.mark.parametrize(
    ("answer", "kind", "configuration_error"),
    [
        (b"554 5.3.2 go away\r\n", Rejected, True),
        (b"421 4.3.2 too busy\r\n", Rejected, False),
        (b"HTTP/1.1 400 Bad Request\r\n", NotTransmitted, None),
        (b"\x80\x81\x82\r\n", NotTransmitted, None),
    ],
)
def test_a_greeting_that_is_none(script, send, answer, kind, configuration_error):
    result = send(script(answer).port)
    assert isinstance(result, kind) and (
        configuration_error is None or (result.configuration_error == configuration_error and not result.permanent)
    )


@pytest.mark.parametrize(
    "lines",
    [
        [["cut"]],
        [[*HELLO, "cut"]],
        [[*EHLO, "read", "cut"]],
        [[*ENVELOPE, "cut"]],
        [["drip"]],
        [[b""]],
        [[*EHLO, "read"]],
        [ENVELOPE],
    ],
    ids=["at once", "at EHLO", "at MAIL", "at DATA", "drips", "silent", "silent at MAIL", "silent at DATA"],
)
def test_cut_or_silent_before_the_message_means_not_sent(script, send, lines):
    assert isinstance(send(script(*lines[0]).port, **HASTY), NotTransmitted)


@pytest.mark.parametrize("end", [["cut"], [b""], ["drip"]], ids=["cut", "silent", "drips"])
def test_cut_or_silent_after_the_final_dot_is_unsure(script, send, end):
    played = script(*AFTER_354, "body", *end)
    assert isinstance(send(played.port, **HASTY), OutcomeUnknown)


def test_cut_by_a_real_server_after_the_final_dot_is_unsure(mail_server, send):
    server = mail_server()
    server.after_data = "cut"
    assert isinstance(send(server.port), OutcomeUnknown)
    assert len(server.letters) == 1


def test_cut_in_the_middle_of_the_message_means_not_sent(script, send):
    played = script(*AFTER_354, "read", "cut")
    assert isinstance(send(played.port, replace(MAIL, text=MORE_THAN_FITS_ON_THE_WAY, html=None)), NotTransmitted)


def test_a_slow_server_within_its_time_is_waited_for(mail_server, send):
    server = mail_server()
    server.after_data = 0.2
    assert isinstance(send(server.port), Accepted)


def test_a_server_that_can_give_late_mail_back_is_asked_to(script, send):
    ehlo = [*HELLO, b"250-mail.test\r\n250 DELIVERBY 60\r\n", "read", b"550 no\r\n"]
    asked, short = script(*ehlo), script(*ehlo)
    send(asked.port)
    send(short.port, valid_for=timedelta(seconds=30))
    assert b"BY=600;R" in asked.heard[1].upper()
    assert b"BY=" not in short.heard[1].upper()


def test_starttls_that_is_not_offered_ends_it(mail_server, send):
    server = mail_server()
    assert send(server.port, kind="smtp+starttls") == NotTransmitted("the server offers no STARTTLS")
    assert server.letters == []


def test_words_slipped_in_before_starttls_are_not_heard(script, send):
    """CVE-2021-38371 and its kin: an answer sent in the clear together with the one to STARTTLS."""
    played = script(*HELLO, b"250-mail.test\r\n250 STARTTLS\r\n", "read", b"220 go\r\n250 OK\r\n250 OK\r\n")
    assert isinstance(send(played.port, kind="smtp+starttls", **HASTY), NotTransmitted)
    assert not any(line.upper().startswith(b"MAIL") for line in played.heard)


def test_a_wrong_password_is_our_fault_and_check_says_so(mail_server, server_tls, options):
    server = mail_server(tls=server_tls, auth=True)
    provider = provider_from_url(f"smtps://massar:wrong-one@localhost:{server.port}", options())
    result = provider.send(MAIL, valid_for=TEN_MINUTES)
    assert result == Rejected("535 5.7.8 at sign-in", permanent=False, configuration_error=True)
    (sentence,) = provider.check()
    assert "refuses us" in sentence and "wrong-one" not in sentence


def test_a_sign_in_that_is_only_busy_is_not_our_fault(mail_server, server_tls, options):
    server = mail_server(tls=server_tls, auth=True)
    server.stages = {"AUTH": "454 4.7.0 later"}
    user, password = USER.replace("@", "%40"), PASSWORD.replace("@", "%40").replace("/", "%2F")
    provider = provider_from_url(f"smtps://{user}:{password}@localhost:{server.port}", options())
    result = provider.send(MAIL, valid_for=TEN_MINUTES)
    assert isinstance(result, Rejected) and not result.configuration_error and not result.permanent


def test_a_password_is_never_sent_in_the_clear_to_another_machine(options):
    with pytest.raises(ProviderSettingError, match="TLS"):
        provider_from_url("smtp://user:secret@mail.example.ma", options())
    assert provider_from_url("smtp://user:secret@127.0.0.1:2525", options()).channel == "email"
