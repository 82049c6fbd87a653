"""A place to measure: one database, keys of its own, and the product's real programs started on it.

Everything stands in a folder that goes when the measurement ends, and listens on loopback alone. The settings are
those of production behind one proxy: https outside, so the cookies and the CSRF checks are the real ones.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench import machine
from tests.servers.machine import running
from tests.support import postgres, programs

ROOT = Path(__file__).resolve().parents[1]
HOST = "compte.example.test"
OURS = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
# Unlike the tests' server this one keeps what it is told: each commit waits for the disk.
DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on", "max_connections=100", "shared_buffers=256MB")


class Program(NamedTuple):
    """A started program."""

    pid: int
    port: int = 0


@dataclass(frozen=True)
class Place:
    """A database by the name the tables give it, a folder, and what every program here finds in its environment."""

    name: str
    folder: Path
    environment: dict[str, str]
    python: str = sys.executable

    @property
    def database(self) -> str:
        return self.environment["MASSAR_DATABASE_URL"]

    def run(self, *words: str) -> str:
        """`python …` to its end; its standard output."""
        command, environment = [self.python, *words], {**os.environ, **self.environment}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(words[:4])}: {(done.stderr or done.stdout).strip()[-1500:]}")
        return done.stdout

    @contextlib.contextmanager
    def started(self, name: str, words: list[str], port: int = 0) -> Iterator[subprocess.Popen[bytes]]:
        """`python …` until the block is left, once it listens there. Its output is kept under that name."""
        folder, ports = self.folder / name, (port,) if port else ()
        folder.mkdir(exist_ok=True)
        command = [self.python, *words]
        with running(command, folder=folder, ports=ports, environment=self.environment) as process:
            yield process

    @contextlib.contextmanager
    def serving(self, words: list[str]) -> Iterator[Program]:
        """A server on a free port of loopback, on the first core."""
        port = postgres.free_port()
        with contextlib.ExitStack() as stack:
            with machine.on_core(machine.SERVER_CORE):
                process = stack.enter_context(self.started("server", [*words, "--port", str(port)], port))
            yield Program(process.pid, port)

    @contextlib.contextmanager
    def working(self, core: int) -> Iterator[Program]:
        """`massar worker`, on that core."""
        with contextlib.ExitStack() as stack:
            with machine.on_core(core):
                process = stack.enter_context(self.started("worker", ["-m", "massar", "worker"]))
            yield Program(process.pid)


class Standing(NamedTuple):
    """A place with its server running."""

    place: Place
    server: Program


def forget_settings() -> None:
    """What is started from here on finds no setting of the product or of PostgreSQL but those of its place."""
    for name in [
        name for name in os.environ if name.startswith(("MASSAR_", "DJANGO_", "PG")) and name != "MASSAR_TEST_CHROMIUM"
    ]:
        del os.environ[name]


@contextlib.contextmanager
def open_postgres(*options: str) -> Iterator[tuple[str | None, str]]:
    """Address of a durable PostgreSQL on loopback and what it is called; None where there is no server program.
    options: further settings of it, as `name=value`."""
    folder = programs.find_postgres()
    if folder is None:
        yield None, "no PostgreSQL"
        return
    version = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True).stdout.split()
    with postgres.throwaway_postgres(folder, (*DURABLE, *options)) as address:
        yield address, f"PostgreSQL {version[2]}"


def furnish(name: str, folder: Path, database: str, sink: Sink, sites: Path, tree: Path = ROOT) -> Place:
    """The tables made, the static files collected when the server starts; `sites` is the registry's file. tree: the
    checkout whose product it is; this one measures."""
    home = folder / name.lower()
    home.mkdir()
    settings = {
        "MODE": "production",
        "PUBLIC_URL": f"https://{HOST}",
        "TRUSTED_PROXIES": "1",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATA_KEYS": "b1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "AUDIT_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "DATABASE_URL": database or f"sqlite:///{home / 'massar.sqlite3'}",
        "VAR": str(home / "var"),
        "EMAIL_URL": f"smtp://127.0.0.1:{sink.smtp_port}",
        "SMS_URL": f"http://127.0.0.1:{sink.sms_port}/",
        "HELP_CONTACT": "0800 00 11 22",
        "CONFIG": str(sites),
    }
    ours = {"PYTHONPATH": f"{tree / 'src'}{os.pathsep}{ROOT}"}
    place = Place(name, home, {**ours, **{f"MASSAR_{key}": value for key, value in settings.items()}})
    place.run("-m", "massar", "migrate")
    place.run("-m", "massar", "siege", "off")  # a thousand wrong passwords in ten minutes are an attack elsewhere
    return place


class Sink(NamedTuple):
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
    command = [sys.executable, "-m", "bench.sink", *map(str, sink)]
    with running(command, folder=folder, ports=sink[:2], environment=OURS):
        yield sink
