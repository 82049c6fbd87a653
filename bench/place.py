"""A place to measure: one database, keys of its own, and the product's real programs started on it.

Everything stands in a folder that goes when the measurement ends, and listens on loopback alone. The settings are
those of production behind one proxy: https outside, so the cookies and the CSRF checks are the real ones.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import machine
from tests.support import postgres, programs

ROOT = Path(__file__).resolve().parents[1]
HOST = "compte.example.test"
START_SECONDS = 60
STOP_SECONDS = 15
# Unlike the tests' server this one keeps what it is told: each commit waits for the disk.
DURABLE = (
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "max_connections=100",
    "shared_buffers=256MB",
)


class DidNotStart(Exception):
    """A program of the product did not start; the message carries the end of its log."""


@dataclass(frozen=True)
class Place:
    """A database by the name the tables give it, a folder, and the environment of every program here."""

    name: str
    folder: Path
    environment: dict[str, str]
    python: str = sys.executable

    @property
    def database(self) -> str:
        return self.environment["MASSAR_DATABASE_URL"]

    def run(self, *words: str) -> str:
        """`python …` to its end; its standard output. Raises CalledProcessError with what it said."""
        done = subprocess.run(
            [self.python, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        if done.returncode:
            raise DidNotStart(f"{' '.join(words[:4])}: {(done.stderr or done.stdout).strip()[-1500:]}")
        return done.stdout


@dataclass(frozen=True)
class Program:
    """A started program."""

    pid: int
    port: int = 0


@contextlib.contextmanager
def open_postgres() -> Iterator[str | None]:
    """Address of a durable PostgreSQL on loopback, or None when this machine has no server program."""
    folder = programs.find_postgres()
    if folder is None:
        yield None
        return
    with postgres.throwaway_postgres(folder, DURABLE) as address:
        yield address


def postgres_version() -> str:
    """`PostgreSQL 15.18`, or that there is none."""
    folder = programs.find_postgres()
    if folder is None:
        return "no PostgreSQL"
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True).stdout.split()
    return f"PostgreSQL {said[2]}" if len(said) > 2 else "PostgreSQL"


def furnish(name: str, folder: Path, database: str, sink: Sink, sites: Path) -> Place:
    """The tables made, the static files collected when the server starts; `sites` is the registry's file."""
    home = folder / name.lower()
    home.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MASSAR_", "DJANGO_", "PG"))}
    place = Place(
        name,
        home,
        {
            **kept,
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "MASSAR_MODE": "production",
            "MASSAR_PUBLIC_URL": f"https://{HOST}",
            "MASSAR_TRUSTED_PROXIES": "1",
            "MASSAR_SECRET_KEY": secrets.token_urlsafe(48),
            "MASSAR_DATA_KEYS": "b1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "MASSAR_DATABASE_URL": database or f"sqlite:///{home / 'massar.sqlite3'}",
            "MASSAR_VAR": str(home / "var"),
            "MASSAR_EMAIL_URL": f"smtp://127.0.0.1:{sink.smtp_port}",
            "MASSAR_SMS_URL": f"http://127.0.0.1:{sink.sms_port}/",
            "MASSAR_HELP_CONTACT": "0800 00 11 22",
            "MASSAR_CONFIG": str(sites),
        },
    )
    place.run("-m", "massar", "migrate")
    return place


def server(place: Place) -> contextlib.AbstractContextManager[Program]:
    """`massar serve` with one process, on the first core."""
    return serving(place, ["-m", "massar", "serve", "--host", "127.0.0.1", "--processes", "1"])


@contextlib.contextmanager
def serving(place: Place, words: list[str]) -> Iterator[Program]:
    """A server on a free port of loopback, on the first core."""
    port = postgres.free_port()
    words = [*words, "--port", str(port)]
    with contextlib.ExitStack() as stack:
        with machine.on_core(machine.SERVER_CORE):
            process = stack.enter_context(started(place, "server", words))
        _wait_for(port, process, place.folder / "server.log")
        yield Program(process.pid, port)


@contextlib.contextmanager
def worker(place: Place, core: int) -> Iterator[Program]:
    """`massar worker`, on that core."""
    with contextlib.ExitStack() as stack:
        with machine.on_core(core):
            process = stack.enter_context(started(place, "worker", ["-m", "massar", "worker"]))
        yield Program(process.pid)


@dataclass(frozen=True)
class Sink:
    """The providers' far end. `arrivals` maps a recipient to the moments (CLOCK_MONOTONIC, s) of its messages."""

    smtp_port: int
    sms_port: int
    file: Path

    def arrivals(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for line in self.file.read_text().splitlines():
            moment, _, recipient = line.partition(" ")
            found.setdefault(recipient, []).append(float(moment))
        return found


@contextlib.contextmanager
def open_sink(folder: Path) -> Iterator[Sink]:
    """A real mail server and a real HTTP gateway that note when each message came, and nothing more."""
    sink = Sink(postgres.free_port(), postgres.free_port(), folder / "arrivals.txt")
    sink.file.touch()
    words = ["-m", "bench.sink", str(sink.smtp_port), str(sink.sms_port), str(sink.file)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    with started(Place("sink", folder, environment), "sink", words) as process:
        for port in (sink.smtp_port, sink.sms_port):
            _wait_for(port, process, folder / "sink.log")
        yield sink


@contextlib.contextmanager
def started(place: Place, name: str, words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program of this place until the block is left, however it is left."""
    with (place.folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [place.python, *words],
            cwd=place.folder,
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
            return
        time.sleep(0.1)
    raise DidNotStart(log.read_text(errors="replace")[-1500:])
