"""Two nodes of the product beside one database, each a web server and a worker, and people who use them meanwhile."""

import contextlib
import http.client
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from tests.support.installation import Installation, is_served
from tests.support.postgres import free_port
from tests.support.visitor import forms
from tests.support.waits import until

STARTS_WITHIN = 60  # seconds


class Node:
    """A web server and a worker, with data keys of their own."""

    def __init__(self, installed: Installation, name: str):
        self.installed, self.port = installed, free_port()
        self.log = (installed.folder / f"{name}.log").open("ab")
        self.programs: list[subprocess.Popen] = []

    def start(self, keys: str) -> None:
        """Returns at once: `serves` waits."""
        environ = {**self.installed.environ, "MASSAR_DATA_KEYS": keys}
        for words in (("serve", "--port", str(self.port), "--processes", "1"), ("worker",)):
            command = [sys.executable, "-m", "massar", *words]
            how = {"cwd": self.installed.folder, "env": environ, "stdin": subprocess.DEVNULL}
            self.programs.append(subprocess.Popen(command, stdout=self.log, stderr=self.log, **how))

    def serves(self) -> None:
        until(lambda: self._ended() or is_served(self.port, path="/readyz"), STARTS_WITHIN, "it does not serve")
        assert not self._ended(), f"node at {self.port} does not serve: {self.words()}"

    def _ended(self) -> bool:
        return self.programs[0].poll() is not None

    def stop(self, how: int = signal.SIGTERM) -> None:
        for one in self.programs:
            one.send_signal(how)
        for one in self.programs:
            one.wait(40)
        self.programs = []

    def restart(self, keys: str, how: int = signal.SIGTERM) -> None:
        self.stop(how)
        self.start(keys)
        self.serves()

    def words(self) -> str:
        self.log.flush()
        return Path(self.log.name).read_text("utf-8")[-3000:]


@contextlib.contextmanager
def two_nodes(installed: Installation, keys: str) -> Iterator[list[Node]]:
    """Both serve, with these data keys, when the block begins; when it ends they are stopped."""
    nodes = [Node(installed, name) for name in ("a", "b")]
    try:
        for one in nodes:
            one.start(keys)
        for one in nodes:
            one.serves()
        yield nodes
    finally:
        for one in nodes:
            one.stop()


class Person(threading.Thread):
    """Does one thing again and again, until it is told to stop, at whichever node takes the connection: as through a
    proxy, which hands a request to the other node where one is not there. `did` and `failed` are counted."""

    REST = 0.05  # seconds between two times

    def __init__(self, nodes: list[Node]):
        super().__init__(daemon=True)
        self.nodes, self.done, self.did, self.failed = nodes, threading.Event(), 0, list[str]()
        self.jar: dict[str, str] = {}

    def run(self) -> None:
        while not self.done.is_set():
            self.jar = {}
            try:
                trouble = self.once()
            except Exception as met:
                trouble = repr(met)
            self.did += 1
            self.done.wait(self.REST)
            if trouble:
                self.failed.append(trouble)

    def once(self) -> str:
        """What went wrong, or ''."""
        raise NotImplementedError

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Status, Location and text of one answer. The nodes take turns; one that is not there is passed over."""
        body = urlencode(fields).encode() if fields is not None else None
        cookies = "; ".join(f"{k}={v}" for k, v in self.jar.items())
        headers = {"Host": "localhost", "Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded"}
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline:
            self.nodes = [*self.nodes[1:], self.nodes[0]]
            line = http.client.HTTPConnection("127.0.0.1", self.nodes[0].port, timeout=60)
            with contextlib.closing(line):
                try:
                    line.connect()
                    line.request(method, path, body, headers)
                    answer = line.getresponse()
                except (ConnectionError, http.client.RemoteDisconnected):
                    time.sleep(0.02)
                    continue
                text = answer.read().decode()
                for cookie in answer.headers.get_all("Set-Cookie") or ():
                    name, _, value = cookie.partition(";")[0].partition("=")
                    self.jar[name] = value
                return answer.status, answer.headers.get("Location", ""), text
        raise AssertionError("no node is there")

    def form(self, path: str) -> dict[str, str]:
        status, _, text = self.ask("GET", path)
        found = [fields for action, fields in forms(text) if action.split("?")[0] == path]
        assert status == 200 and found, f"{path}: {status}"
        return found[0]

    def end(self) -> None:
        self.done.set()
        self.join(90)


class SignsIn(Person):
    """Signs in, and looks whether it is so at the other node."""

    def __init__(self, nodes: list[Node], login: str, password: str):
        super().__init__(nodes)
        self.login, self.password = login, password

    def once(self) -> str:
        fields = self.form("/sign-in/")
        status, to, text = self.ask("POST", "/sign-in/", {**fields, "user": self.login, "password": self.password})
        if status != 303:
            return f"sign-in: {status} {text[:200] if status >= 500 else ''}"
        for _ in self.nodes:
            status, _, text = self.ask("GET", "/profile/")
            if status != 200:
                return f"a stranger after sign-in: {status} {to}"
        return ""


class Asks(Person):
    """Asks for a recovery that leads nowhere, each time for another name: what counts is that a worker reads it."""

    REST = 0.4  # the network that all of them share may ask 600 times at once, then once a second

    def once(self) -> str:
        fields = self.form("/recovery/")
        typed = {"user": f"nobody.{self.did}@taalim.ma", "channel": "email", "email": "nobody@example.org"}
        status, _, text = self.ask("POST", "/recovery/", {**fields, **typed})
        return "" if status == 303 else f"recovery: {status} {text[:200]}"


@contextlib.contextmanager
def people(*all_of_them: Person):
    """They are at it while the block runs; afterwards what went wrong is told."""
    for one in all_of_them:
        one.start()
    try:
        yield
    finally:
        for one in all_of_them:
            one.end()
    assert [one.failed for one in all_of_them if one.failed] == []
    assert all(one.did for one in all_of_them)
