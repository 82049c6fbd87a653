"""The LMTP server over real sockets: what RFC 2033 asks, and what a stranger may try."""

import asyncio
import contextlib
import os
import smtplib
import socket
import stat
import time
from subprocess import PIPE

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massar.interfaces.commands import bounces
from tests.support.installation import running
from tests.support.postgres import free_port
from tests.support.serving import Receiver
from tests.support.waits import until

PATIENCE = 10


@pytest.fixture(scope="module")
def listening():
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def receiver(listening):
    listening.taken.clear()
    listening.answer = "250 2.0.0 Taken"
    return listening


class Talk:
    """A conversation, line by line."""

    def __init__(self, port: int):
        self.line = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.words = self.line.makefile("rb")

    def __enter__(self) -> "Talk":
        assert self.hear().startswith(b"220 account.test LMTP")
        return self

    def __exit__(self, *_) -> None:
        self.words.close()
        self.line.close()

    def say(self, said: bytes) -> bytes:
        self.line.sendall(said + b"\r\n")
        return self.hear()

    def hear(self) -> bytes:
        """One answer, all its lines; empty after a hang-up."""
        lines = b""
        while line := self.words.readline():
            lines += line
            if line[3:4] != b"-":
                break
        return lines

    def begin(self, *recipients: bytes) -> None:
        assert self.say(b"LHLO mx.test").startswith(b"250-account.test")
        assert self.say(b"MAIL FROM:<>").startswith(b"250")
        for recipient in recipients or (b"b+x@bounce.test",):
            assert self.say(b"RCPT TO:<%s>" % recipient).startswith(b"250")
        assert self.say(b"DATA").startswith(b"354")


def codes(answers: bytes) -> list[bytes]:
    return [line[:3] for line in answers.splitlines()]


def test_a_client_of_the_standard_library_is_served(receiver):
    with smtplib.LMTP("127.0.0.1", receiver.port) as client:
        # One recipient: with more it takes the second answer for that to its next command.
        client.sendmail("", ["b+one@bounce.test"], b"Subject: x\r\n\r\n.dot\r\n\r\nend\r\n")
        client.sendmail("", ["b+three@bounce.test"], b"x\r\n")
    assert receiver.taken == [
        ("b+one@bounce.test", b"Subject: x\r\n\r\n.dot\r\n\r\nend\r\n"),
        ("b+three@bounce.test", b"x\r\n"),
    ]


def test_each_recipient_has_an_answer_an_empty_letter_is_one_and_what_never_ends_is_none(receiver):
    with Talk(receiver.port) as talk:
        talk.begin()
        assert talk.say(b".").startswith(b"250")
        talk.begin(b"a@b.test", b"c@d.test", b"e@f.test")
        receiver.answer = "451 4.3.0 Not now"
        answers = talk.say(b"x\r\n.") + talk.hear() + talk.hear()
        assert codes(answers) == [b"451"] * 3
        assert talk.say(b"NOOP").startswith(b"250"), "no answer too many"
        talk.begin()
        talk.line.sendall(b"x\r\n" * 10)
    with Talk(receiver.port) as talk:
        assert talk.say(b"NOOP").startswith(b"250")
    assert [letter for _, letter in receiver.taken] == [b"", *[b"x\r\n"] * 3]


def test_commands_sent_at_once_are_answered_in_order(receiver):
    letter = b"LHLO mx\r\nMAIL FROM:<> SIZE=9\r\nRCPT TO:<a@b.test> ORCPT=x\r\nDATA\r\nx\r\n.\r\n"
    with Talk(receiver.port) as talk:
        talk.line.sendall(letter + letter[9:] + b"QUIT\r\n")
        heard = b"".join(iter(talk.hear, b""))
    assert codes(heard) == [b"250"] * 5 + [b"250", b"250", b"354", b"250"] + [b"250", b"250", b"354", b"250", b"221"]
    assert receiver.taken == [("a@b.test", b"x\r\n")] * 2


OUT_OF_PLACE = {
    b"500": (b"EHLO mx", b"HELO mx", b"STARTTLS", b"\xff\xfe\x00", b""), b"252": (b"VRFY a",), b"250": (b"RSET",),
    b"503": (b"MAIL FROM:<>", b"RCPT TO:<a@b>", b"DATA"),
}  # fmt: skip


def test_commands_out_of_place_and_senders_of_no_shape(receiver):
    """RFC 2033 §4.1: a client that speaks SMTP must be refused."""
    for code, commands in OUT_OF_PLACE.items():
        with Talk(receiver.port) as talk:
            assert [talk.say(said)[:3] for said in commands] == [code] * len(commands)
    with Talk(receiver.port) as talk:
        talk.say(b"LHLO mx")
        for said in (b"MAIL FROM:x", b"MAIL FROM:<a b>", b"MAIL TO:<a@b>", b"MAIL FROM:<a>b>"):
            assert talk.say(said).startswith(b"501")


@pytest.mark.parametrize("end", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"x.\r\n"])
def test_only_a_dot_on_a_line_of_its_own_ends_a_letter(receiver, end):
    """SMTP smuggling: whoever ends letters differently lets a letter hold another one."""
    with Talk(receiver.port) as talk:
        talk.begin()
        talk.line.sendall(b"first" + end + b"MAIL FROM:<thief@x>\r\n")
        assert talk.say(b".").startswith(b"250")
        assert talk.say(b"NOOP").startswith(b"250")
    ((_, letter),) = receiver.taken
    assert letter.endswith(b"MAIL FROM:<thief@x>\r\n")


@pytest.mark.parametrize("letter", [
    b"x" * (bounces.LARGEST_MESSAGE + 10) + b"\r\n", b"line\r\n" * (bounces.LARGEST_MESSAGE // 6 + 2), b"\n" * 600_000,
], ids=["one line", "many lines", "empty lines"])  # fmt: skip
def test_a_letter_that_is_too_large_is_refused_and_the_conversation_goes_on(receiver, letter):
    with Talk(receiver.port) as talk:
        talk.begin(b"a@b.test", b"c@d.test")
        talk.line.sendall(letter)
        assert codes(talk.say(b"x\r\n.") + talk.hear()) == [b"552", b"552"]
        talk.begin()
        assert talk.say(b"x\r\n.").startswith(b"250")
    assert len(receiver.taken) == 1


def test_the_largest_letter_is_taken_with_lines_longer_than_are_read_at_once(receiver):
    letter = b"." + b"x" * (bounces.LARGEST_MESSAGE - 3) + b"\r\n"
    with Talk(receiver.port) as talk:
        talk.begin()
        assert talk.say(b"." + letter + b".").startswith(b"250")
    assert receiver.taken[0][1] == letter


def test_a_line_that_is_read_in_pieces_may_be_cut_anywhere(receiver):
    async def read(pieces: list[bytes]) -> bytes | None:
        reader = asyncio.StreamReader(limit=4)
        reading = asyncio.ensure_future(bounces.read_message(reader))
        for piece in pieces:
            await asyncio.sleep(0)
            reader.feed_data(piece)
        return await asyncio.wait_for(reading, PATIENCE)

    letter = b"abcdefgh\r\n..x\r\n.\r\n"
    for cut in range(1, len(letter)):
        pieces = [letter[:cut], letter[cut:]]
        assert asyncio.run(read(pieces)) == b"abcdefgh\r\n.x\r\n", cut
    assert asyncio.run(read([bytes([one]) for one in letter])) == b"abcdefgh\r\n.x\r\n"


@pytest.mark.parametrize("length", [bounces.LONGEST_COMMAND + 1, 300_000])
def test_a_command_without_end_ends_the_conversation(receiver, length):
    with Talk(receiver.port) as talk:
        talk.line.sendall(b"N" * length + b"\r\n")
        heard = b""
        with contextlib.suppress(ConnectionResetError):  # what it no longer reads is answered by the system
            heard = talk.hear()
            assert talk.hear() == b""
        assert heard.startswith(b"500") or heard == b""


def test_a_thousand_recipients_are_a_hundred(receiver):
    with Talk(receiver.port) as talk:
        talk.say(b"LHLO mx")
        talk.say(b"MAIL FROM:<>")
        answers = [talk.say(b"RCPT TO:<r%d@b.test>" % number)[:3] for number in range(1000)]
        assert answers == [b"250"] * 100 + [b"452"] * 900
        talk.say(b"DATA")
        assert [talk.say(b"x\r\n.")[:3], *(talk.hear()[:3] for _ in range(99))] == [b"250"] * 100
    assert len(receiver.taken) == 100


def test_a_conversation_of_mistakes_is_ended(receiver):
    with Talk(receiver.port) as talk:
        answers = [talk.say(b"WHAT")[:3] for _ in range(bounces.MOST_MISTAKES + 1)]
        assert answers == [b"500"] * bounces.MOST_MISTAKES + [b"421"]
        assert talk.hear() == b""


def test_more_conversations_than_are_held_are_sent_away(receiver):
    with contextlib.ExitStack() as stack:
        for _ in range(bounces.MOST_CONVERSATIONS):
            stack.enter_context(Talk(receiver.port))
        late = Talk(receiver.port)
        assert late.hear().startswith(b"421")
        late.line.close()
    until(lambda: not receiver.server.conversations)
    with Talk(receiver.port) as talk:
        assert talk.say(b"NOOP").startswith(b"250")


@pytest.mark.parametrize("silent_at", ["command", "letter"])
def test_who_falls_silent_is_hung_up_on(receiver, monkeypatch, silent_at):
    monkeypatch.setattr(bounces, "PATIENCE", 0.2)
    with Talk(receiver.port) as talk:
        if silent_at == "letter":
            talk.begin()
        assert talk.hear() == b""


def test_a_conversation_that_goes_on_for_ever_is_ended(receiver, monkeypatch):
    monkeypatch.setattr(bounces, "LONGEST_CONVERSATION", 0.3)
    with Talk(receiver.port) as talk:
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            while talk.say(b"NOOP"):
                pass
        assert time.monotonic() - begun < PATIENCE


PIECES = st.sampled_from(
    [b"LHLO x\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<a@b>\r\n", b"DATA\r\n", b".\r\n", b"\r\n", b"\n", b"\r", b".",
     b"RSET\r\n", b"x\r\n"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES | st.binary(max_size=20), max_size=30))
def test_whatever_is_said_the_next_one_is_served(receiver, pieces):
    with Talk(receiver.port) as talk, contextlib.suppress(OSError):
        talk.line.sendall(b"".join(pieces))
    with Talk(receiver.port) as talk:
        assert talk.say(b"NOOP").startswith(b"250")


# -- the command


@contextlib.contextmanager
def command(installed, *arguments: str):
    """`massar bounces` until it says that it listens, ended with SIGTERM; its words are read at the end."""
    with running("bounces", *arguments, folder=installed.folder, environ=installed.environ, stderr=PIPE) as process:
        assert "taken in at" in process.stderr.readline()
        yield process


def told_over(line: socket.socket, recipient: bytes) -> bytes:
    """The answer to a letter to that recipient."""
    with line, line.makefile("rb") as words:
        line.settimeout(PATIENCE)
        line.sendall(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n" % recipient)
        return words.read().splitlines()[-2]


@pytest.mark.parametrize("recipient", [b"b+forged@bounce.test", b"anybody@example.org"])
def test_the_command_answers_alike_whoever_is_written_to_and_stops_in_order(installed, recipient):
    port = free_port()
    with command(installed, "--port", str(port)) as process:
        assert told_over(socket.create_connection(("127.0.0.1", port)), recipient) == b"250 2.0.0 Taken"
    assert process.returncode == 0
    said = process.stderr.read()
    assert "a report was dropped" in said and "forged" not in said and "anybody" not in said


def test_the_command_listens_on_a_unix_socket_for_its_group_alone(installed, tmp_path):
    path = tmp_path / "bounces.sock"
    for _ in range(2):  # the second finds the socket of the first
        with command(installed, "--socket", str(path)):
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
            line = socket.socket(socket.AF_UNIX)
            line.connect(str(path))
            assert told_over(line, b"b+x@bounce.test") == b"250 2.0.0 Taken"


def test_a_port_that_is_taken_is_one_sentence(installed):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = installed.massar("bounces", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1 and "Bounces can't be taken in: " in done.stderr and "Traceback" not in done.stderr
