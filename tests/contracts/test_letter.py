"""The form of every letter: the limits of MIME for any text, name and subject; made again, it has the same bytes."""

import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from massar.providers.smtp.mime import one_line
from tests.support.letters import CASES, LONG_HELP, MINISTRY, UID, made, outgoing, rendered

CONTENT_LINE = HEADER_LINE = 76  # RFC 2045 §6.7 and §6.8; RFC 2047 §2
ENCODED_WORD = 75  # RFC 2047 §2
WORD = re.compile(rb"=\?[^\s?]+\?[bqBQ]\?[^\s?]*\?=")
# Text of every kind, and what has a meaning of its own in a header or a body.
TEXT = st.text(
    st.sampled_from('abcé ,.@()<>"\\=?_-;:\t\r\n\x0b\x1c\x85\u2028مسار،🙂\u0301')
    | st.characters(exclude_categories=["Cs"]),
    max_size=300,
) | st.lists(st.sampled_from(["=?utf-8?q?x?=", "a" * 120, "é" * 90, "مدرسة", "word", '"', ".", " "]), max_size=12).map(
    " ".join
)
PLAIN_TEXT = "Bonjour,\n\n.\nlong " + "x" * 500 + "\nFrom here\n"


def keeps_to_the_limits(letter: bytes) -> None:
    assert letter.isascii() and letter.endswith(b"\r\n")
    assert b"\r" not in letter.replace(b"\r\n", b"") and b"\n" not in letter.replace(b"\r\n", b"")
    assert max(map(len, letter.split(b"\r\n"))) <= CONTENT_LINE == HEADER_LINE
    assert max(map(len, WORD.findall(letter)), default=0) <= ENCODED_WORD
    head = letter.partition(b"\r\n\r\n")[0]
    assert all(line.strip() for line in head.split(b"\r\n")), "no header line is empty but for white space"


def words(letter: Message, field: str) -> str:
    """A header as a mail program shows it."""
    return str(make_header(decode_header(letter[field]))).replace("\r\n", "").replace("\n", "")


@pytest.mark.parametrize("language", MINISTRY)
@pytest.mark.parametrize(("template", "event"), CASES, ids=lambda case: case or None)
def test_every_letter_of_ours_keeps_to_the_limits_of_mime(template, event, language):
    changes = {} if template == "trial" else {"help": LONG_HELP}
    text = rendered(template, event, language, "email", **changes)
    letter = made(outgoing(text.subject, text.text, text.html, language), sender_name=MINISTRY[language])
    keeps_to_the_limits(letter)
    read = message_from_bytes(letter)
    plain, html = read.get_payload()
    assert [part.get_content_type() for part in (plain, html)] == ["text/plain", "text/html"]
    for part, source in ((plain, text.text), (html, text.html)):
        assert part.get_payload(decode=True).decode().split() == source.split()


@settings(max_examples=150, deadline=None)
@given(TEXT, TEXT, TEXT)
@example("مسار " * 60, "é" * 400, "سلام" * 300)
def test_any_name_subject_and_text_keep_to_them_and_arrive_as_they_were(name, subject, text):
    letter = made(outgoing(subject, text, f"<p>{text}</p>"), sender_name=name)
    keeps_to_the_limits(letter)
    read = message_from_bytes(letter)
    assert words(read, "Subject") == one_line(subject)
    shown, address = sender_of(read)
    assert (shown, address) == (one_line(name), "no-reply@example.ma")
    for part, source in zip(read.get_payload(), (text, f"<p>{text}</p>"), strict=True):
        lines = re.split(r"\r\n|\r|\n", source.removesuffix("\n"))
        assert part.get_payload(decode=True).decode().replace("\r\n", "\n") == "\n".join([*lines, ""])


def sender_of(read: Message) -> tuple[str, str]:
    """Name and address of From, as a reader of RFC 5322 and 2047 finds them: nothing of the name is in an address."""
    told = read["From"].replace("\r\n", "").replace("\n", "")
    if not told.endswith(">"):
        return "", told
    phrase, _, address = told[:-1].rpartition("<")
    phrase = phrase.strip()
    if phrase.startswith('"'):
        return phrase[1:-1], address
    assert not set(phrase) & set('()<>[]:;@\\,."'), (
        "specials stand inside quotes (RFC 5322 §3.2.3) or encoded (RFC 2047 §5)"
    )
    return str(make_header(decode_header(phrase))), address


@settings(max_examples=100, deadline=None)
@given(TEXT)
def test_a_letter_without_html_ends_with_a_line_end_and_keeps_to_them(text):
    keeps_to_the_limits(made(outgoing("s", text)))


@pytest.mark.parametrize("language", MINISTRY)
def test_a_letter_made_again_is_the_same_to_the_last_byte(clock, language):
    text = rendered("temporary_password", "", language, "email")
    message = outgoing(text.subject, text.text, text.html, language)
    first = made(message, sender_name=MINISTRY[language])
    clock.advance(minutes=5)
    assert made(message, sender_name=MINISTRY[language]) == first
    assert b"\r\nDate: Sun, 29 Nov 2026 14:51:00 +0000\r\n" in first


def test_only_an_address_that_is_longer_itself_makes_a_longer_line_and_headers_tell_programs_what_this_is():
    long = f"{'k' * 64}@{'d' * 60}.{'e' * 60}.example"
    sent = made(outgoing("Bonjour", PLAIN_TEXT, "<p>Bonjour</p>", "fr"), to=long)
    assert [line for line in sent.split(b"\r\n") if len(line) > HEADER_LINE] == [f" {long}".encode()]
    letter = message_from_bytes(sent)
    assert letter["To"].strip() == long
    assert letter["Auto-Submitted"] == "auto-generated" and letter["X-Auto-Response-Suppress"] == "All"
    assert letter["Content-Language"] == "fr" and letter["Message-ID"] == f"<{UID}@example.ma>"
    assert letter["List-Unsubscribe"] is None and letter["Precedence"] is None
    assert all(len(letter.get_all(field)) == 1 for field in set(letter.keys()))
