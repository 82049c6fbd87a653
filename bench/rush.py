"""A rush at the sign-in: how many get in, how long anybody waits, and what passes beside. Two builds in turns.

    python -m bench.rush --before TREE [--seconds S] [--rounds N] [--write]      (PYTHONPATH=src:.)

TREE is another checkout, served by the same Python with the same packages. Each client is a person at a browser with
the form open: signs in, and then another one comes. Who is told to come back does so when told (Retry-After), with the
same cookies. Meanwhile one reader asks for a sign of life, a file and the home page in turns.

It starts itself anew as the crowd: `python -m bench.rush crowd PORT PID CLIENTS SECONDS` prints one JSON object."""

import argparse
import itertools
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import TypedDict

from bench import load, machine, people, place, report, tokens
from bench.client import Answer, Browser
from bench.place import Place, Program

PEOPLE = 2000
CLIENTS = (16, 150, 300)
SETTLES = 4.0  # seconds before anything is counted
PAUSE = 0.02  # seconds between two looks of the reader
BESIDE = {"sign of life": "/healthz", "a file": "/static/massar/img/mark.svg", "home": "/"}
MARKS = ("<!-- rush: begin (python -m bench.rush --write) -->", "<!-- rush: end -->")


class Found(TypedDict):
    """Seconds of each answer to a sign-in; of each person from the first post to being in; of each look beside. cpu: of
    the server meanwhile."""

    seconds: float
    cpu: float
    answers: list[float]
    entered: list[float]
    away: int
    bad: int
    beside: dict[str, list[float]]


class Crowd:
    def __init__(self, server: Program, clients: int, seconds: float):
        self.server, self.clients, self.seconds = server, clients, seconds
        self.found: Found = {
            "seconds": seconds, "cpu": 0.0, "answers": [], "entered": [], "away": 0, "bad": 0, "beside": {},
        }  # fmt: skip
        self._numbers, self._lock = iter(range(10**9)), threading.Lock()

    def run(self) -> Found:
        port = self.server.port
        browsers = [Browser(port, f"10.{number // 250}.{number % 250}.7") for number in range(self.clients)]
        for number, browser in enumerate(browsers):
            load.fetch_form(browser, number)
        reader = Browser(port, "192.0.2.9")
        load.enter_first(reader, PEOPLE - 1)
        self.begin = time.perf_counter() + SETTLES
        self.end = self.begin + self.seconds
        work = [(self._come, browser) for browser in browsers] + [(self._look, reader)]
        threads = [threading.Thread(target=act, args=(browser,), daemon=True) for act, browser in work]
        for thread in threads:
            thread.start()
        time.sleep(SETTLES)
        before = machine.cpu_seconds(self.server.pid)
        time.sleep(max(0.0, self.end - time.perf_counter()))
        self.found["cpu"] = machine.cpu_seconds(self.server.pid) - before
        for thread in threads:
            thread.join(self.seconds + SETTLES + 120)
        return self.found

    def _come(self, browser: Browser) -> None:
        while time.perf_counter() < self.end:
            with self._lock:
                number = next(self._numbers) % (PEOPLE - 1)
            browser.as_with_form()
            came = time.perf_counter()
            while (answer := self._post(browser, number)).status == 503:
                wakes = time.perf_counter() + float(answer.header("retry-after"))
                if wakes > self.end:
                    return
                time.sleep(wakes - time.perf_counter())
            now = time.perf_counter()
            with self._lock:
                self.found["bad"] += answer.status != 303
                if self.begin <= now < self.end:
                    self.found["entered"].append(now - came)

    def _post(self, browser: Browser, number: int) -> Answer:
        answer = load.post_sign_in(browser, people.login(number), people.password(number))
        if self.begin <= time.perf_counter() < self.end:
            with self._lock:
                self.found["answers"].append(answer.seconds)
                self.found["away"] += answer.status == 503
        return answer

    def _look(self, reader: Browser) -> None:
        while time.perf_counter() < self.end:
            for name, path in BESIDE.items():
                answer = reader.get(path)
                self.found["bad"] += answer.status != 200
                if self.begin <= time.perf_counter() < self.end:
                    self.found["beside"].setdefault(name, []).append(answer.seconds)
                time.sleep(PAUSE)


@contextmanager
def _builds(before: Path | None) -> Iterator[tuple[list[str], dict[str, tuple[Place, Program]]]]:
    """Both builds, each with a database, people and a server of its own; they run in turns and share the first core."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="massar-rush-")))
        stack.enter_context(machine.on_core(machine.OTHER_CORE))
        sink = stack.enter_context(place.open_sink(folder))
        serving, version = {}, ""
        for name, tree in {"before": before, "now": place.ROOT}.items():
            if tree is None:
                continue
            address, version = stack.enter_context(place.open_postgres())
            one = place.furnish(name, folder, address or "", sink, tokens.sites_file(folder), tree)
            one.run("-m", "bench.seeding", str(PEOPLE), "0")
            words = ["-m", "massar", "serve", "--host", "127.0.0.1", "--processes", "1"]
            serving[name] = (one, stack.enter_context(one.serving(words)))
        yield machine.described(version), serving


def _measure(one: Place, server: Program, clients: int, seconds: float) -> Found:
    out = one.run("-m", "bench.rush", "crowd", str(server.port), str(server.pid), str(clients), str(seconds))
    found: Found = json.loads(out)
    if found["bad"]:
        raise SystemExit(f"{clients} clients on {one.name}: {found['bad']} answers were not as they should be")
    return found


def _rate(runs: list[Found]) -> float:
    return median(len(run["entered"]) / run["seconds"] for run in runs)


def _row(title: str, runs: list[Found], alone: float) -> list[str]:
    answers = [seconds for run in runs for seconds in run["answers"]]
    away = sum(run["away"] for run in runs) / len(answers)
    looks = ([seconds for run in runs for seconds in run["beside"].get(name, [])] for name in BESIDE)
    beside = (report.quantiles(those)[1] if those else "none came" for those in looks)
    entered = report.quantiles(seconds for run in runs for seconds in run["entered"])
    each = median(len(run["entered"]) / run["cpu"] for run in runs)
    rates = [report.per_second(_rate(runs)), report.percent(_rate(runs) / alone), report.per_second(each)]
    waits = [*report.quantiles(answers), report.ms(max(answers)), report.percent(away)]
    return [title, *rates, *waits, *entered, *beside]


def main() -> int:
    if sys.argv[1:2] == ["crowd"]:
        port, pid, clients, seconds = sys.argv[2:]
        print(json.dumps(Crowd(Program(int(pid), int(port)), int(clients), float(seconds)).run()))
        return 0
    parser = argparse.ArgumentParser(prog="bench.rush", description=__doc__.partition("\n")[0])
    parser.add_argument("--before", type=Path, metavar="TREE", help="another checkout to measure beside this one")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md too")
    asked = parser.parse_args()
    problem = machine.fit_for_this()
    if problem:
        print(problem, file=sys.stderr)
        return 2
    place.forget_settings()
    runs: dict[tuple[int, str], list[Found]] = {}
    with _builds(asked.before and asked.before.resolve()) as (facts, serving):
        for number, many, name in itertools.product(range(asked.rounds), CLIENTS, serving):
            print(f"round {number + 1}: {many} clients, {name}", file=sys.stderr, flush=True)
            runs.setdefault((many, name), []).append(_measure(*serving[name], many, asked.seconds))
    rows = [_row(f"{number}, {name}", those, _rate(runs[CLIENTS[0], name])) for (number, name), those in runs.items()]
    heads = ["clients", "signed in per second", "of 16 clients", "per CPU-second", "answer p50 ms", "p99 ms", "longest",
             "503", "until signed in p50 ms", "p99 ms", *(f"{name}, p99 ms" for name in BESIDE)]  # fmt: skip
    text = "\n".join([*(f"* {fact}" for fact in facts), "", report.table(
        "Sign-ins in a rush, one server process on one core, PostgreSQL", heads, rows,
        f"Medians and quantiles of {asked.rounds} rounds of {asked.seconds:g} s, builds in turns; {machine.begun()}.",
    )])  # fmt: skip
    print(text)
    if asked.write:
        report.write(text, marks=MARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
