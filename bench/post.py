"""The post office: from a request to the SMSC, a queue that drains with its receipts, the SMPP client, mail."""

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import quote

import psycopg

from bench import bounds, load, machine, mail, people, report, smpp
from bench.client import Browser
from bench.place import Place, Program, Standing
from tests.contracts.smpp_rig import PASSWORD, SYSTEM_ID
from tests.servers.machine import words_of_all

WINDOW = 50
PATIENCE = 120.0
# People with a phone, entered for this part alone. The page takes the odd ones for those who use a phone.
ASKING, DRAINED = 10_000, 20_000
WARM = 5  # requests before those that are measured
CORES = {1: [machine.SERVER_CORE], 2: [machine.SERVER_CORE, machine.OTHER_CORE]}  # by number of workers
Say = Callable[[str], None]


class Size(NamedTuple):
    """How much is measured: requests one at a time, messages of one queue, rounds of queues, seconds of the client."""

    requests: int
    messages: int
    rounds: int
    seconds: float
    letters: int


WHOLE, QUICK = Size(200, 1500, 3, 5.0, 400), Size(30, 400, 1, 1.5, 40)


@dataclass
class Notes:
    """What the SMSC wrote down: moments (CLOCK_MONOTONIC, s) by recipient, of binds, and of answers to receipts."""

    file: Path
    came: dict[str, float] = field(default_factory=dict)
    binds: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    _at: int = 0

    def forget(self) -> None:
        """Another measurement begins."""
        self.look()
        for known in (self.came, self.binds, self.stored):
            known.clear()

    def look(self) -> None:
        with self.file.open("rb") as lines:
            lines.seek(self._at)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self._at += len(line)
                one = json.loads(line)
                if one.get("status"):
                    raise SystemExit(f"the SMSC and the worker did not agree: {one}")
                if "submit" in one:
                    to = f"+{one['submit']['to'][2]}"
                    if to in self.came:
                        raise SystemExit("a message came twice")
                    self.came[to] = one["moment"]
                elif "receipt" in one or "bind" in one:
                    (self.stored if "receipt" in one else self.binds).append(one["moment"])

    def until(self, condition: Callable[[], object], what: str, every: float) -> None:
        """Looks again and again. A measurement whose messages do not come has nothing to tell."""
        end = time.monotonic() + PATIENCE
        self.look()
        while not condition():
            if time.monotonic() > end:
                raise SystemExit(f"not in time: {what}")
            time.sleep(every)
            self.look()


class Office(NamedTuple):
    """Two SMSCs: one that the workers bind to and whose notes are read, one for bare bytes and the client alone."""

    port: int
    bare_port: int
    notes: Notes

    @contextlib.contextmanager
    def workers(self, one: Place, cores: list[int]) -> Iterator[list[Program]]:
        """Workers with one bind each, all bound. Each may ask for one bind more than those before it hold."""
        self.notes.forget()
        who = f"{SYSTEM_ID}:{quote(PASSWORD, safe='')}"
        url = f"smpp://{who}@127.0.0.1:{self.port}?window={WINDOW}&rate=1000000&binds="
        with contextlib.ExitStack() as stack:
            programs = []
            for number, core in enumerate(cores, 1):
                its = replace(one, environment={**one.environment, "MASSAR_SMS_URL": f"{url}{number}"})
                programs.append(stack.enter_context(its.working(core)))
                self.notes.until(partial(self.has_bound, number), "a worker's bind", 0.05)
            yield programs

    def has_bound(self, count: int) -> bool:
        return len(self.notes.binds) == count


def tables(standings: list[Standing], quick: bool, say: Say) -> str:
    """All tables of this part."""
    size = QUICK if quick else WHOLE
    with contextlib.ExitStack() as stack:
        file = Path(stack.enter_context(TemporaryDirectory(prefix="massar-bench-smsc-"))) / "notes.jsonl"
        file.touch()
        name, port = stack.enter_context(smpp.smsc(str(file)))
        _, bare_port = stack.enter_context(smpp.smsc())
        office = Office(port, bare_port, Notes(file))
        waits = {}
        for one, server in standings:
            one.run("-m", "bench.filling", "people", str(ASKING), str(ASKING + 2 * (WARM + size.requests)))
            say(f"{size.requests} requests for an SMS, one at a time, on {one.name}")
            waits[one.name] = _waits(office, one, server.port, size.requests)
        drained = _drain_table(name, office, [one for one, _ in standings], size, say)
    say("the SMPP client alone, and mail alone")
    alone = [smpp.table(size.seconds), mail.table(size.letters, size.rounds)]
    return "\n".join([_wait_table(name, waits), drained, *alone])


# From a request to the SMSC -----------------------------------------------------------------------------------------


def _waits(office: Office, one: Place, port: int, count: int) -> tuple[list[float], list[float]]:
    """Seconds of our way and of the bare way, taken in turns."""
    chance, browser, notes = random.Random(47392), Browser(port), office.notes
    ours: list[float] = []
    bare: list[float] = []
    load.fetch_recovery_form(browser, 0)

    def wait(number: int) -> float:
        """From just before the post until the SMSC has the message, s."""
        start, to = time.monotonic(), people.phone_sent(number)
        if load.ask(browser, people.login(number), number, number).status != 303:
            raise SystemExit("a request for recovery was refused")
        notes.until(lambda: to in notes.came, "a message to the SMSC", 0.002)
        return notes.came[to] - start

    with office.workers(one, CORES[1]), BareWay(one.database, office.bare_port) as bare_way:
        for number in range(ASKING + 1, ASKING + 1 + 2 * WARM, 2):
            wait(number)
        for number in range(ASKING + 1 + 2 * WARM, ASKING + 1 + 2 * (WARM + count), 2):
            time.sleep(chance.uniform(0.05, 0.35))
            bare.append(bare_way())
            time.sleep(chance.uniform(0.05, 0.15))
            ours.append(wait(number))
        notes.until(lambda: len(notes.stored) == len(notes.came), "the receipts", 0.05)
    return ours, bare


class BareWay(contextlib.ExitStack):
    """What cannot be less: one insert with its commit, its notification heard (PostgreSQL), one message to the SMSC."""

    BELL = "massar_bench"

    def __init__(self, database: str, port: int):
        super().__init__()
        self._database = bounds.connect(database)
        self._line = self.enter_context(smpp.BareLine(port))
        self._ear = None
        if not database.startswith(bounds.SQLITE):
            self._ear = self.enter_context(psycopg.connect(database, autocommit=True))
            self._ear.execute(f"LISTEN {self.BELL}")

    def __call__(self) -> float:
        """Seconds until the SMSC has answered."""
        start = time.monotonic()
        bounds.insert(*self._database, self.BELL)
        if self._ear:
            next(self._ear.notifies(timeout=10))
        self._line.send(1)
        while not self._line.answers():
            pass
        return time.monotonic() - start


def _wait_table(smsc: str, waits: dict[str, tuple[list[float], list[float]]]) -> str:
    rows = [
        [name, str(len(ours)), *report.quantiles(ours), *report.quantiles(bare)] for name, (ours, bare) in waits.items()
    ]
    return report.table(
        "From a request to the SMSC, one at a time",
        ["", "requests", "p50 ms", "p99 ms", "bare p50 ms", "bare p99 ms"], rows,
        f"From just before the post of the page until the SMSC ({smsc}) has the message, at uneven moments, otherwise "
        "idle. Server and worker on the first core; PostgreSQL, SMSC and client on the other. Bare: one insert with "
        "its commit (on PostgreSQL with the notification of it), then ready-made bytes to the SMSC and back, in turns "
        "with the others. The aim is a p99 below 50 ms.",
    )  # fmt: skip


# A queue that drains ------------------------------------------------------------------------------------------------


class Drain(NamedTuple):
    """Messages per second from the first to the last submit, and to the last stored receipt; CPU of the workers."""

    submits: float
    stored: float
    cpu_each: float
    cpu_share: float


def _drain(office: Office, one: Place, numbers: range, count: int) -> Drain:
    notes, wanted = office.notes, len(numbers)
    words = ["-m", "bench.filling", "queue", str(numbers.start), str(numbers.stop)]
    with office.workers(one, CORES[count]) as workers, one.started("filling", words) as filling:
        notes.until(lambda: notes.came or filling.poll(), "the first message", 0.005)
        before = sum(machine.cpu_seconds(worker.pid) for worker in workers)
        notes.until(lambda: len(notes.stored) == wanted or filling.poll(), "the last receipt", 0.02)
        used = sum(machine.cpu_seconds(worker.pid) for worker in workers) - before
        if filling.wait(PATIENCE):
            raise SystemExit(words_of_all())
    first, last = min(notes.came.values()), max(notes.came.values())
    span = max(notes.stored) - first
    return Drain((wanted - 1) / (last - first), wanted / span, used / wanted, used / span)


def _drain_table(smsc: str, office: Office, places: list[Place], size: Size, say: Say) -> str:
    drains: dict[tuple[str, int], list[Drain]] = {}
    alone: list[float] = []
    for one in places:
        last = DRAINED + size.messages * size.rounds * len(CORES)
        one.run("-m", "bench.filling", "people", str(DRAINED), str(last))
    first = DRAINED
    for number in range(size.rounds):
        with machine.on_core(machine.SERVER_CORE):
            alone.append(smpp.measured(office.bare_port, WINDOW, size.seconds / 2)[0])
        for workers in CORES:
            for one in places:
                say(f"round {number + 1} of {size.rounds}: {size.messages} SMS, workers: {workers}, on {one.name}")
                found = _drain(office, one, range(first, first + size.messages), workers)
                drains.setdefault((one.name, workers), []).append(found)
            first += size.messages
    rows = []
    for (name, workers), runs in sorted(drains.items()):
        middle = Drain(*map(median, zip(*runs, strict=True)))
        rows.append([
            f"{name}, {'one worker' if workers == 1 else f'{workers} workers'}",
            report.per_second(middle.submits), report.per_second(middle.stored), f"{1000 * middle.cpu_each:.2f}",
            report.percent(middle.cpu_share), report.per_second(median(alone)),
        ])  # fmt: skip
    return report.table(
        "A queue of SMS that drains",
        ["", "messages/s to the SMSC", "with receipts stored", "worker CPU ms each", "cores used", "client alone/s"],
        rows,
        f"{size.messages} temporary passwords of as many people, put into the queue by one commit while the workers "
        f"wait; one bind with a window of {WINDOW} for each worker. The SMSC ({smsc}) answers at once and sends a "
        "receipt for each. With receipts stored: from the first message to the last receipt that the SMSC heard was "
        "stored. Client alone: the same SMPP client without a database, in the same minutes. "
        "One worker has the first core; PostgreSQL and the SMSC have the other, and so has a second worker. "
        "The aim is 500 with receipts stored on PostgreSQL.",
    )
