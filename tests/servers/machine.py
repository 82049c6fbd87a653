"""Real servers for one test run: found or named as missing, started on loopback, ended with the block."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.programs import Need, find_server

LIVE: list[tuple[Path, tuple[str, ...]]] = []  # the folder and logs of every server that runs now
START_SECONDS = 60
STOP_SECONDS = 15
LAST_WORDS = 4000


class DidNotStart(Exception):
    """A server ended or does not listen; the message carries the end of its log."""


def program(need: Need) -> str:
    """Path of a server program or module. Missing: a failure on a build machine, elsewhere a skip that names it."""
    found = find_server(need)
    if found is None and os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(need.sentence)
    return found or pytest.skip(need.sentence)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that servers which step down from root can read too; gone with the block."""
    with tempfile.TemporaryDirectory(prefix="massar-servers-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextlib.contextmanager
def running(
    command: list[str], *, folder: Path, ports: tuple[int, ...], environment: Mapping[str, str] | None = None,
    logs: tuple[str, ...] = (),
) -> Iterator[subprocess.Popen]:  # fmt: skip
    """Starts a server in the foreground and waits until it listens; ends it with the block, however that is left.

    `logs`: files in the folder, beside its own output, whose ends are shown when a test fails.
    """
    output = folder / f"{Path(command[0]).name}-output.txt"
    with output.open("wb") as words:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=words, stderr=words,
            start_new_session=True, env={**os.environ, **(environment or {})},
        )  # fmt: skip
    own = (folder, (output.name, *logs))
    LIVE.append(own)
    try:
        deadline = time.monotonic() + START_SECONDS
        for port in ports:
            while not listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise DidNotStart(f"{command[0]} (exit {process.poll()}), port {port}:\n{words_of_all()}")
                time.sleep(0.1)
        yield process
    finally:
        LIVE.remove(own)
        for sent in (signal.SIGTERM, signal.SIGKILL):  # the server and what it started: a process group of its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
                break


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def words_of_all() -> str:
    """The ends of the logs of every server that runs now."""
    files = [folder / name for folder, names in LIVE for name in names]
    read = {file: file.read_text("utf-8", "replace") for file in files if file.is_file()}
    return "\n".join(f"--- {file}\n{text[-LAST_WORDS:]}" for file, text in read.items())
