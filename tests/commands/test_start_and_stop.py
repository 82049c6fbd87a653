"""A server that is told to stop while it starts, is killed, finds its port taken: nobody is left at the port."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installation import Installation, is_served, refused_in_one_sentence
from tests.support.postgres import free_port
from tests.support.waits import until

PATIENCE = 60
SOON = 15  # seconds, on a busy machine; the server itself gives what is being answered 30
pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")


class Started:
    """One command and all that came of it, known by a mark in their environment."""

    def __init__(self, installed: Installation, *words: str):
        self.mark = f"MARK_OF_THIS_TEST={os.urandom(8).hex()}"
        name, _, value = self.mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "massar", *words], cwd=installed.folder, env={**installed.environ, name: value},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip

    def all(self) -> set[int]:
        return {int(place.name) for place in Path("/proc").glob("[0-9]*") if self._is_ours(place)}

    def others(self) -> set[int]:
        return self.all() - {self.process.pid}

    def workers(self) -> set[int]:
        """Nobody while the command measures and makes ready; the server that takes its place starts them."""
        command = Path(f"/proc/{self.process.pid}/cmdline").read_bytes()
        return self.others() if b"web_process" in command else set()

    def _is_ours(self, place: Path) -> bool:
        try:
            running = (place / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
            return running and self.mark.encode() in (place / "environ").read_bytes()
        except OSError:
            return False

    def ends(self) -> None:
        until(lambda: not self.all(), SOON, "somebody is left")

    def end_what_is_left(self) -> None:
        for pid in self.all():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def started(installed: Installation, *words: str) -> Iterator[Started]:
    one = Started(installed, *words)
    try:
        yield one
    finally:
        one.end_what_is_left()


def is_free(port: int) -> bool:
    """A process that ends loses its memory, by which it is known here, a moment before its sockets."""
    with contextlib.suppress(OSError):
        socket.create_server(("127.0.0.1", port)).close()
        return True
    return False


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("later", [0, 0.4], ids=["at once", "while they load"])
def test_a_signal_that_comes_while_its_workers_start_ends_all_of_them(installed, sent, later):
    with started(installed, "serve", "--port", str(free_port()), "--processes", "2") as server:
        until(server.workers, PATIENCE, "no worker was started")
        time.sleep(later)
        os.kill(server.process.pid, sent)
        assert server.process.wait(SOON) == (-sent if sent == signal.SIGKILL else 0)
        server.ends()


def test_who_is_told_to_stop_finishes_and_who_is_killed_leaves_nobody(installed):
    """Both with a browser that keeps its connection open."""
    for sent in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        port = free_port()
        with started(installed, "serve", "--port", str(port), "--processes", "2") as server:
            until(lambda port=port: is_served(port), PATIENCE, "it did not start")
            with socket.create_connection(("127.0.0.1", port)) as kept:
                kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert kept.recv(100).startswith(b"HTTP/1.1 200")
                os.kill(server.process.pid, sent)
                server.process.wait(SOON)
                server.ends()
            until(lambda port=port: is_free(port), SOON, "the port is still held")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_second_server_says_that_the_port_is_taken(installed, host):
    """By one of ours or by any program."""
    port, words = free_port(), ("serve", "--host", host, "--port")
    with started(installed, *words, str(port), "--processes", "1") as first:
        until(lambda: is_served(port, host), PATIENCE, "it did not start")
        refused_in_one_sentence(installed.massar(*words, str(port)), f"Port {port} is taken", "--port")
        assert is_served(port, host)
        first.process.terminate()
        assert first.process.wait(SOON) == 0
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        refused_in_one_sentence(installed.massar(*words, str(taken.getsockname()[1])), "taken")


def test_of_two_that_start_together_one_serves(installed):
    words = ("serve", "--port", str(free_port()), "--processes", "1")
    with started(installed, *words) as one, started(installed, *words) as other:
        codes = lambda: (one.process.poll(), other.process.poll())  # noqa: E731
        until(lambda: None not in codes() or is_served(int(words[2])), PATIENCE, "none started")
        until(lambda: set(codes()) == {None, 1}, SOON, "both serve")


def test_a_host_that_is_not_this_machine_is_told(installed):
    hosts = ("192.0.2.7", "no.such.host.invalid")
    for done in installed.each(*(("serve", "--host", host, "--port", "8000") for host in hosts)):
        refused_in_one_sentence(done, "--host")


@pytest.mark.parametrize("command", ["worker", "bounces"])
@pytest.mark.parametrize(("sent", "later"), [(signal.SIGTERM, 0.4), (signal.SIGINT, 0.8)])
def test_the_other_programs_end_whenever_they_are_told(installed, command, sent, later):
    words = ("--port", str(free_port())) if command == "bounces" else ()
    with started(installed, command, *words) as one:
        time.sleep(later)
        os.kill(one.process.pid, sent)
        assert one.process.wait(SOON) in (0, 130, -sent)
        one.ends()


def test_a_second_server_for_bounces_takes_nobodys_place(installed, tmp_path):
    for words in (("--port", str(free_port())), ("--socket", str(tmp_path / "bounces"))):
        with started(installed, "bounces", *words) as first:
            assert "taken in at" in first.process.stdout.readline()
            done = installed.massar("bounces", *words)
            assert done.returncode == 1 and "Bounces can't be taken in" in done.stderr, done.stderr
            assert "Traceback" not in done.stderr
            assert first.process.poll() is None
    assert (tmp_path / "bounces").is_socket(), "left by one that was killed: the next takes its place"
    with started(installed, "bounces", "--socket", str(tmp_path / "bounces")) as next_one:
        assert "taken in at" in next_one.process.stdout.readline()


def test_a_demo_that_is_ended_while_it_starts_leaves_nobody(tmp_path):
    installation = Installation(tmp_path)
    for name in ("MODE", "DATABASE_URL", "ARGON2"):
        del installation.environ[f"MASSAR_{name}"]
    for sent, parts in ((signal.SIGTERM, 1), (signal.SIGKILL, 4)):
        port = free_port()
        with started(installation, "demo", "--port", str(port)) as demo:
            until(lambda demo=demo, parts=parts: len(demo.others()) >= parts, PATIENCE, "no part was started")
            done = installation.massar("demo", "--port", str(port))
            assert done.returncode == 2 and f"Port {port} is taken" in done.stderr
            refused_in_one_sentence(installation.massar("demo", "--reset"), "stop it first")
            os.kill(demo.process.pid, sent)
            demo.process.wait(SOON)
            demo.ends()
    assert installation.massar("demo", "--reset").returncode == 0 and not (tmp_path / "var" / "demo").exists()
