"""Takes in what comes back: an LMTP server for the return paths of our mail.

The mail server hands on everything that is sent to the domain for bounces (docs/operate/mail.md). A report is answered
with 250 once it is committed, and with 451 while the database does not answer: the mail server then keeps it.
"""

import argparse
import asyncio
import errno
import logging
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.db import DatabaseError, close_old_connections

from massar.core import clock, log
from massar.interfaces.commands import lmtp
from massar.journeys.messages import take_bounce

THREADS = 2  # reports are rare, and the database is the bound
LAST_ANSWERS = 10.0  # seconds for what is being taken in when the program is told to stop

note = logging.getLogger("massar.bounces")


def run(options: argparse.Namespace) -> int:
    log.set_up()
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

        server = await _listen(lmtp.Server(take, hello="massar.localhost"), options)
        note.info("bounces are taken in at %s", options.socket or f"{options.host}:{options.port}")
        await stop.wait()
        server.close()
        if talking := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(talking, timeout=LAST_ANSWERS)


async def _listen(server: lmtp.Server, options: argparse.Namespace) -> asyncio.Server:
    if not options.socket:
        return await asyncio.start_server(server.meet, options.host, options.port, limit=lmtp.LINE)
    place = Path(options.socket)
    if place.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(place)) == 0:
                raise OSError(errno.EADDRINUSE, f"another program listens on {place}")
        place.unlink()  # left by one that was killed
    before = os.umask(0o117)  # the mail server reaches it through the group
    try:
        return await asyncio.start_unix_server(server.meet, place, limit=lmtp.LINE)
    finally:
        os.umask(before)
