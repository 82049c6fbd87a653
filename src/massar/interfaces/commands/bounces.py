"""Takes in what comes back: an LMTP server for the return paths of our mail.

The mail server hands on everything that is sent to the domain for bounces (docs/operate/mail.md). A report is answered
with 250 once it is committed, and with 451 while the database does not answer: the mail server then keeps it."""

import argparse
import asyncio
import errno
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from django.db import DatabaseError, close_old_connections

from massar.core import clock, log
from massar.core.keyring import api as keyring
from massar.journeys.messages import take_bounce

THREADS = 2  # reports are rare, and the database is the bound
LAST_ANSWERS = 10.0  # seconds for what is being taken in when the program is told to stop
LINE = 64 * 1024  # what is read at once
LONGEST_COMMAND = 2048  # RFC 5321 §4.5.3.1.4 with room for options
LARGEST_MESSAGE = 512 * 1024  # a report with the head of our mail is some 5 kB; some servers return all of it
MOST_RECIPIENTS = 100  # RFC 5321 §4.5.3.1.8
MOST_CONVERSATIONS = 20
MOST_MISTAKES = 10
PATIENCE = 60.0  # seconds for one command or one message
LONGEST_CONVERSATION = 600.0
_MAIL = re.compile(rb"MAIL FROM:\s*<([^<>\s]*)>(?:\s.*)?", re.IGNORECASE)
_RCPT = re.compile(rb"RCPT TO:\s*<([^<>\s]+)>(?:\s.*)?", re.IGNORECASE)
_OFFERS = ("PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", f"SIZE {LARGEST_MESSAGE}")

# Given a recipient and the message; the answer for that recipient, once it is kept.
Take = Callable[[str, bytes], Awaitable[str]]
note = logging.getLogger("massar.bounces")


def run(options: argparse.Namespace) -> int:
    log.set_up()
    keyring.state.watch("bounces")
    try:
        asyncio.run(_serve(options))
    except OSError as problem:
        print(f"Bounces can't be taken in: {problem.strerror or problem}.", file=sys.stderr)
        return 1
    note.info("bounces stopped")
    return 0


def taken(recipient: str, letter: bytes) -> str:
    """The answer for one recipient, after the commit. The same for genuine, forged and unknown."""
    try:
        take_bounce.take(recipient, letter, now=clock.now())
        return "250 2.0.0 Taken"
    except DatabaseError:
        note.exception("the database did not answer; the report stays with the mail server")
    except Exception:  # one report that can't be taken must not hold up the others of its conversation
        note.exception("a report could not be taken in")
    return "451 4.3.0 Not now"


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="bounces") as pool:

        def in_a_thread(recipient: str, letter: bytes) -> str:
            try:
                return taken(recipient, letter)
            finally:
                close_old_connections()

        async def take(recipient: str, letter: bytes) -> str:
            return await loop.run_in_executor(pool, in_a_thread, recipient, letter)

        server = await _listen(Server(take, hello="massar.localhost"), options)
        note.info("bounces are taken in at %s", options.socket or f"{options.host}:{options.port}")
        await stop.wait()
        server.close()
        if talking := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(talking, timeout=LAST_ANSWERS)


async def _listen(server: "Server", options: argparse.Namespace) -> asyncio.Server:
    if not options.socket:
        return await asyncio.start_server(server.meet, options.host, options.port, limit=LINE)
    place = Path(options.socket)
    if place.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(place)) == 0:
                raise OSError(errno.EADDRINUSE, f"another program listens on {place}")
        place.unlink()  # left by one that was killed
    before = os.umask(0o117)  # the mail server reaches it through the group
    try:
        return await asyncio.start_unix_server(server.meet, place, limit=LINE)
    finally:
        os.umask(before)


class Hangup(Exception):
    """This conversation is over; the text is the last answer."""


class Server:
    """LMTP (RFC 2033) with several mail servers at once. `hello` is the name it greets with. Everything a stranger can
    make large is bounded: lines, messages, recipients, conversations, and their time. A message ends at CRLF . CRLF and
    nowhere else."""

    def __init__(self, take: Take, *, hello: str):
        self._take, self._hello = take, hello
        self.conversations = 0

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation, from greeting to goodbye. Never raises. `reader` must have the limit LINE."""
        self.conversations += 1
        try:
            async with asyncio.timeout(LONGEST_CONVERSATION):
                if self.conversations > MOST_CONVERSATIONS:
                    raise Hangup("421 4.3.2 Too many conversations")
                await _Conversation(self._take, self._hello, reader, writer).hold()
        except Hangup as goodbye:
            with suppress(OSError):
                writer.write(f"{goodbye}\r\n".encode())
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the other side hung up or fell silent: it will come again
        except Exception:
            note.exception("a conversation ended in a fault")
        finally:
            self.conversations -= 1
            writer.close()


async def read_line(reader: asyncio.StreamReader) -> bytes:
    """A line with its end; of one that is longer than the reader's limit, a piece."""
    try:
        return await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError as endless:
        return await reader.readexactly(endless.consumed)


async def read_message(reader: asyncio.StreamReader) -> bytes | None:
    """The message as it was written, or None when it is larger than is taken; then its end is waited for."""
    lines, size, before = [], 0, b"\r\n"  # a line may be read in pieces, cut between CR and LF
    async with asyncio.timeout(PATIENCE):
        while (line := await read_line(reader)) != b".\r\n" or before != b"\r\n":
            plain = line.removeprefix(b".") if before == b"\r\n" else line
            before = (before + line)[-2:]
            size += len(plain)
            if size <= LARGEST_MESSAGE:
                lines.append(plain)
    return b"".join(lines) if size <= LARGEST_MESSAGE else None


class _Conversation:
    def __init__(self, take: Take, hello: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._take, self._hello, self._reader, self._writer = take, hello, reader, writer
        self._greeted, self._mistakes = False, 0
        self._reset()

    def _reset(self) -> None:
        self._sender: bytes | None = None
        self._recipients: list[str] = []

    async def hold(self) -> None:
        await self._send(f"220 {self._hello} LMTP")
        while True:
            async with asyncio.timeout(PATIENCE):
                line = await read_line(self._reader)
            if len(line) > LONGEST_COMMAND:
                raise Hangup("500 5.5.2 Line too long")
            await self._send(await self._answer(line.strip()))

    async def _answer(self, line: bytes) -> str:
        match line.partition(b" ")[0].upper():
            case b"LHLO":
                self._reset()
                self._greeted = True
                return "\r\n".join([*(f"250-{said}" for said in (self._hello, *_OFFERS[:-1])), f"250 {_OFFERS[-1]}"])
            case b"MAIL":
                return self._mail(line)
            case b"RCPT":
                return self._rcpt(line)
            case b"DATA":
                return await self._data()
            case b"RSET":
                self._reset()
                return "250 2.0.0 OK"
            case b"NOOP":
                return "250 2.0.0 OK"
            case b"VRFY":
                return "252 2.1.5 Perhaps"
            case b"QUIT":
                raise Hangup("221 2.0.0 Goodbye")
        return self._mistake("500 5.5.1 Not a command of LMTP")

    def _mail(self, line: bytes) -> str:
        found = _MAIL.fullmatch(line)
        if not self._greeted or self._sender is not None:
            return self._mistake("503 5.5.1 Not now")
        if not found:
            return self._mistake("501 5.5.4 MAIL FROM:<address>")
        self._sender = found[1]
        return "250 2.1.0 OK"

    def _rcpt(self, line: bytes) -> str:
        """Any address: which ones are real is nobody's business."""
        found = _RCPT.fullmatch(line)
        if self._sender is None:
            return self._mistake("503 5.5.1 MAIL first")
        if not found:
            return self._mistake("501 5.5.4 RCPT TO:<address>")
        if len(self._recipients) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        self._recipients.append(found[1].decode("ascii", "replace"))
        return "250 2.1.5 OK"

    async def _data(self) -> str:
        """One answer for each recipient (RFC 2033 §4.2)."""
        if not self._recipients:
            return self._mistake("503 5.5.1 RCPT first")
        await self._send("354 End with a dot on a line of its own")
        message = await read_message(self._reader)
        recipients = self._recipients
        self._reset()
        if message is None:
            return "\r\n".join(["552 5.3.4 Too large"] * len(recipients))
        return "\r\n".join([await self._take(recipient, message) for recipient in recipients])

    def _mistake(self, answer: str) -> str:
        self._mistakes += 1
        if self._mistakes > MOST_MISTAKES:
            raise Hangup("421 4.7.0 Too many mistakes")
        return answer

    async def _send(self, answer: str) -> None:
        self._writer.write(f"{answer}\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            await self._writer.drain()
