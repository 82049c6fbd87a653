"""The whole product as a process: `massar demo` on a free port, with a data folder of its own.

What a person would do at a terminal: start it, read the address and the demo people from its output, look at
the on-screen phone and mailbox, stop it with Ctrl-C.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.postgres import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90
STOP_SECONDS = 20
MESSAGE_SECONDS = 20
PERSON_LINE = re.compile(r"^\s*(?P<login>[\w.-]+@[\w.-]+\w)\s+(?P<password>\S+)", re.MULTILINE)
TEMPORARY_PASSWORD = re.compile(r"\b[bcdfghjkmnpqrstvwxz]{5}-[2-9]{5}\b")
CONTACT_CODE = re.compile(r"(?<![\w+.-])\d{6}(?!\w)")  # not in the token of a link


class ProductFault(Exception):
    """The product did not start, stop or deliver; the message carries the end of its output."""


@dataclass
class Product:
    """A running demo: its address (no slash at the end), its output, and the people that it printed."""

    url: str
    process: subprocess.Popen
    log: Path
    seen: set[int] = field(default_factory=set)
    people: dict[str, str] = field(default_factory=dict)

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    @property
    def sites(self) -> dict[str, str]:
        """The sample sites that run beside it: slug -> origin."""
        told = json.loads((self.log.parent / "var" / "samples.json").read_text("utf-8"))
        return {slug: f"http://127.0.0.1:{site['port']}" for slug, site in told["sites"].items()}

    @property
    def environment(self) -> dict[str, str]:
        """For another command beside the demo, with its settings."""
        var = self.log.parent / "var"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MASSAR_", "DJANGO_"))}
        own = {"MODE": "demo", "PUBLIC_URL": self.url, "VAR": str(var), "CONFIG": str(var / "sites.toml")}
        return {**kept, "PYTHONPATH": str(ROOT / "src"), **{f"MASSAR_{name}": value for name, value in own.items()}}

    @contextlib.contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """What it keeps, beside the running programs; committed at the end of the block."""
        file = self.log.parent / "var" / "massar.sqlite3"
        with contextlib.closing(sqlite3.connect(file, timeout=20)) as found, found:
            yield found

    def get(self, path: str) -> tuple[int, bytes]:
        with contextlib.closing(http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)) as line:
            line.request("GET", path)
            answer = line.getresponse()
            return answer.status, answer.read()

    def messages(self) -> list[dict]:
        """Every SMS and e-mail that arrived so far, oldest first, as the on-screen phone reads them."""
        status, body = self.get("/demo/messages?after=0")
        if status != 200:
            raise ProductFault(f"/demo/messages answered {status}")
        return sorted(json.loads(body)["messages"], key=lambda message: message["id"])

    def read(self, to: str, secret: re.Pattern[str]) -> str:
        """Wait for a message to `to` that was not read here before and tells a secret of this shape; the secret.

        Notices of what was done arrive at the same address; they are passed over.
        """

        def name(address: str) -> str:
            """Numbers by their last nine digits: a screen may show them with or without the country."""
            return address if "@" in address else re.sub(r"\D", "", address)[-9:]

        deadline = time.monotonic() + MESSAGE_SECONDS
        while time.monotonic() < deadline:
            for message in self.messages():
                found = set(secret.findall(message["text"]))
                if found and message["id"] not in self.seen and name(to) == name(message["to"]):
                    self.seen.add(message["id"])
                    assert len(found) == 1, f"a message tells one secret, not {len(found)}"
                    return found.pop()
            time.sleep(0.2)
        raise ProductFault(f"no new message to {to} in {MESSAGE_SECONDS} s; {self.output()[-1500:]}")

    def stop(self) -> int:
        """Ctrl-C. Returns the exit status; raises ProductFault if the demo does not end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise ProductFault(f"Ctrl-C did not stop the demo; {self.output()[-1500:]}") from None

    def processes(self) -> list[int]:
        """Ids of the demo's own processes that are alive, known by the data folder in their environment (Linux).

        Elsewhere the first process alone is looked at.
        """
        if not Path("/proc/self/environ").exists():
            return [] if self.process.poll() is not None else [self.process.pid]
        mark, found = f"MASSAR_VAR={self.log.parent}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile, or belongs to somebody else
                if mark in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def have_all_ended(self) -> bool:
        """Whether the parts are gone, after the moment they may need to clear up."""
        deadline = time.monotonic() + STOP_SECONDS
        while self.processes():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True

    def end_what_is_left(self) -> None:
        """After a failure: nothing of this demo may outlive the test."""
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def running_product(folder: Path | None = None) -> Iterator[Product]:
    """Start `massar demo` with its data in `folder` (made and removed here if none is given)."""
    with contextlib.ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="massar-demo-")))
        product = _start(home)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(product):
                if time.monotonic() > deadline or product.process.poll() is not None:
                    raise ProductFault(f"the demo did not start: {product.output()[-1500:]}")
                time.sleep(0.2)
            product.people = dict(PERSON_LINE.findall(product.output()))
            yield product
            if product.process.poll() is None:
                product.stop()
        finally:
            product.end_what_is_left()


def _start(home: Path) -> Product:
    # Both must reach the demo even where the tests run in the background, with the signals ignored.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    port, log = free_port(), home / "output.txt"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MASSAR_")}
    own = {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", "MASSAR_VAR": str(home / "var")}
    command = [sys.executable, "-m", "massar", "demo", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=home,  # so that no .env of this checkout is read
            env={**inherited, **own}, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    return Product(url=f"http://localhost:{port}", process=process, log=log)


def _answers(product: Product) -> bool:
    with contextlib.suppress(OSError):  # not listening yet
        return product.get("/")[0] < 500 and PERSON_LINE.search(product.output()) is not None
    return False
