"""`make bench`: what this machine does with the product, beside what the same machine could do at best.

The real server (one process) stands alone on the first core; clients, database, worker and the providers' far end
share the other. Measurements that are compared are interleaved and the medians are told, because machines are never
quiet; figures per CPU-second are those of the server's own processes and bear a busy neighbour best.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from bench import load, machine, people, place, post, report, slow_line, tokens, weights
from bench.client import Browser
from bench.load import Found
from bench.place import Sink, Standing
from massar.core import argon2id

PEOPLE, WITH_CONTACT = 2000, 460
# People of the cast by use, so that no budget of one measurement is spent by another.
RECOVERY_PAGE, RECOVERY_IDLE = range(400), range(400, 460)
ROUNDS = 3
BOUNDS = ("12288,3", "19456,2")
BROWSERS = 16
START = time.monotonic()


def say(what: str) -> None:
    """One line for each step, on the error stream: standard output has the tables alone."""
    print(f"[{time.monotonic() - START:4.0f} s] {what}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md too")
    parser.add_argument("--quick", action="store_true", help="one short round, to see whether everything works")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts alone (printed, never written)")
    asked = parser.parse_args()
    if asked.only and asked.write:
        parser.error("--write needs all parts")
    problem = machine.fit_for_this()
    if problem:
        print(problem, file=sys.stderr)
        return 2
    place.forget_settings()
    with _standings() as (facts, standings, sink):
        os.sched_setaffinity(0, {machine.OTHER_CORE})
        tables = []
        for name in asked.only or PARTS:
            say(f"part: {name}")
            tables.append(PARTS[name](standings, sink, asked.quick))
    text = "\n".join(["\n".join(f"* {fact}" for fact in facts) + "\n", *tables])
    print(text)
    if asked.write:
        report.write(text)
    return 0


@contextlib.contextmanager
def _standings() -> Iterator[tuple[list[str], list[Standing], Sink]]:
    """Both databases with people in them and a server in front of each; a missing PostgreSQL is said."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="massar-bench-")))
        stack.enter_context(machine.on_core(machine.OTHER_CORE))
        sink = stack.enter_context(place.open_sink(folder))
        address, version = stack.enter_context(place.open_postgres())
        if address is None:
            say("no PostgreSQL server program was found (package postgresql): SQLite alone is measured")
        facts, standings = machine.described(version), []
        for name, database in (("PostgreSQL", address), ("SQLite", "")):
            if database is not None:
                say(f"{name}: {PEOPLE} people")
                one = place.furnish(name, folder, database, sink, tokens.sites_file(folder))
                one.run("-m", "bench.seeding", str(PEOPLE), str(WITH_CONTACT))
                serve = ["-m", "massar", "serve", "--host", "127.0.0.1", "--processes", "1"]
                standings.append(Standing(one, stack.enter_context(one.serving(serve))))
        yield facts, standings, sink


def _load(one: Standing, kind: str, seconds: float, browsers: int, numbers: range) -> Found:
    """A crowd in a process of its own; adds `cpu`, the server's CPU-seconds meanwhile."""
    before = machine.cpu_seconds(one.server.pid)
    words = ["-m", "bench.load", kind, str(one.server.port), "--seconds", str(seconds)]
    out = one.place.run(*words, "--browsers", str(browsers), "--people", f"{numbers.start}:{numbers.stop}")
    result: Found = json.loads(out)
    result["cpu"] = machine.cpu_seconds(one.server.pid) - before
    if result["bad"] or not result["times"]:
        raise SystemExit(f"{kind} on {one.place.name}: {result['bad']} answers were not as they should be")
    return result


# Sign-ins beside the bound ------------------------------------------------------------------------------------------


def _sign_ins(standings: list[Standing], _sink: Sink, quick: bool) -> str:
    rounds, seconds = (1, 2.0) if quick else (ROUNDS, 5.0)
    bounds: list[dict[str, float]] = []
    runs: dict[tuple[str, str], list[Found]] = {}
    library = argon2id.fastest(argon2id.measured(*map(int, BOUNDS[0].split(","))))  # as `massar serve` does

    def bound() -> None:
        """On the server's core, while the server has nothing to do."""
        with machine.on_core(machine.SERVER_CORE):
            words = [sys.executable, "-m", "bench.bounds", "argon2", str(seconds / 5), library, *BOUNDS]
            done = subprocess.run(words, cwd=place.ROOT, capture_output=True, text=True, check=True)
        bounds.append(json.loads(done.stdout))

    for number in range(rounds):
        for one in standings:
            say(f"round {number + 1} of {rounds}: the bound, sign-ins, whole visits on {one.place.name}")
            for kind, share in (("sign_in", 1), ("visit", 2)):
                bound()
                found = _load(one, kind, seconds / share, BROWSERS, range(PEOPLE))
                runs.setdefault((one.place.name, kind), []).append(found)
    medians = {text: median(b[text] for b in bounds) for text in BOUNDS}
    first = report.table(
        "The bound: Argon2id alone", ["parameters (p = 1)", "per CPU-second", "ms each"],
        [["m = {} KiB, t = {}".format(*text.split(",")), report.per_second(rate), report.ms(1 / rate)]
         for text, rate in medians.items()],
        f"{library}, one thread, nothing else; measured between the sign-ins below. The product uses the first line. "
        "With libsodium the host's pages count: docs/operate/run.md.",
    )  # fmt: skip
    rows = []
    for one in standings:
        memory = f"{machine.memory_mib(one.server.pid):.0f}"
        for kind, title in (("sign_in", "sign-in"), ("visit", "page + sign-in + home")):
            those = runs[one.place.name, kind]
            each, per_cpu, *quantiles = report.rates(those)
            of_bound = report.percent(report.per_cpu(those) / medians[BOUNDS[0]])
            core = report.percent(median(run["cpu"] / run["seconds"] for run in those))
            rows.append([f"{title}, {one.place.name}", each, per_cpu, of_bound, *quantiles, core, memory])
    return f"{first}\n" + report.table(
        "Sign-ins, right password, one server process on one core",
        ["", "per second", "per CPU-second", "of the bound", "p50 ms", "p99 ms", "core used", "MiB"], rows,
        f"{BROWSERS} browsers at once, {PEOPLE} people, unknown devices (the shared rate limits). Of the bound: per "
        "CPU-second beside Argon2id alone per CPU-second, same minutes. The aim for the first line is 80 %.",
    )  # fmt: skip


# Pages during a storm -----------------------------------------------------------------------------------------------


def _fairness(standings: list[Standing], _sink: Sink, quick: bool) -> str:
    rows, seconds = [], 2.0 if quick else 6.0
    for one in standings:
        say(f"the home page alone and during a sign-in storm on {one.place.name}")
        alone = _load(one, "home", seconds / 2, 2, range(2))
        words = ["-m", "bench.load", "sign_in", str(one.server.port), "--seconds", str(seconds + 2)]
        with one.place.started("storm", [*words, "--people", f"0:{PEOPLE}"]) as storm:
            time.sleep(1.0)
            during = _load(one, "home", seconds, 2, range(2))
            storm.wait(60)
        for name, run in (("alone", alone), (f"while {BROWSERS} browsers sign in", during)):
            each, _, *quantiles = report.rates([run])
            rows.append([f"{name}, {one.place.name}", each, *quantiles])
    return report.table("The home page of a signed-in person, 2 readers", ["", "per second", "p50 ms", "p99 ms"], rows)


# Recovery -----------------------------------------------------------------------------------------------------------


def _recovery(standings: list[Standing], sink: Sink, quick: bool) -> str:
    rows = []
    wanted = {people.recipient(number) for number in RECOVERY_PAGE}
    for one in standings:
        say(f"recovery on {one.place.name}: the page, the worker's backlog, the wait when idle")
        inserts = json.loads(one.place.run("-m", "bench.bounds", "inserts", "2"))
        asked = _load(one, "recovery", 60, BROWSERS, RECOVERY_PAGE)
        end = time.monotonic() + 120
        with one.place.working(machine.SERVER_CORE) as worker:
            while not wanted <= sink.arrivals().keys():
                if time.monotonic() > end:
                    raise SystemExit(f"not all of {len(wanted)} messages were handed over")
                time.sleep(0.2)
            moments = sorted(sink.arrivals()[one][0] for one in wanted)
            used = machine.cpu_seconds(worker.pid)
            waits = _idle_waits(one.server.port, sink, RECOVERY_IDLE[: 10 if quick else None])
        each, per_cpu, p50, _ = report.rates([asked])
        handed_over = ((len(moments) - 1) / (moments[-1] - moments[0]), len(wanted) / used)
        figures = (*map(report.per_second, (inserts, *handed_over)), *report.quantiles(waits))
        rows.append([one.place.name, each, per_cpu, p50, *figures])
        sink.file.write_text("")
    heads = ["", "asked per second", "per CPU-second", "p50 ms", "bare inserts per second",
             "handed over per second", "per worker CPU-second",
             "to hand-over p50 ms", "p99 ms"]  # fmt: skip
    return report.table(
        "Recovery", heads, rows,
        "Asked: the page with the browsers of above. Bare inserts: the same database, rows of that size, a commit "
        "each. Handed over: one worker on a full queue, half SMTP, half HTTP, from the first message to the last, on "
        "the core of the idle server; its start counts in the CPU-seconds. "
        "To hand-over: from the post of the page until the provider has the message, one at a time.",
    )  # fmt: skip


def _idle_waits(port: int, sink: Sink, numbers: range) -> list[float]:
    """Seconds from the post to the provider, for one request at a time at uneven moments."""
    browser, waits = Browser(port), []
    load.fetch_recovery_form(browser, 0)
    for number in numbers:
        time.sleep(0.1 + 0.037 * (number % 7))
        recipient, start = people.recipient(number), time.monotonic()
        if load.ask(browser, people.login(number), number, number).status != 303:
            raise SystemExit("a request for recovery was refused")
        while recipient not in sink.arrivals():
            if time.monotonic() > start + 30:
                raise SystemExit("a message was not handed over within 30 s")
            time.sleep(0.01)
        waits.append(sink.arrivals()[recipient][0] - start)
    return waits


# SAML ---------------------------------------------------------------------------------------------------------------


def _saml(standings: list[Standing], _sink: Sink, quick: bool) -> str:
    with machine.on_core(machine.SERVER_CORE):
        cost = json.loads(standings[0].place.run("-m", "bench.bounds", "saml", "100" if quick else "400"))
    rows = [
        ["one bare RSA-3072 signature", f"{cost['rsa']:.2f}"],
        ["one answer: Response and Assertion, both signed", f"{cost['answer']:.2f}"],
        ["the answer over its two signatures", f"{cost['answer'] - 2 * cost['rsa']:.2f}"],
    ]
    note = "Medians of one thread, interleaved; no database is asked."
    return report.table("One SAML answer", ["", "CPU ms"], rows, note)


PARTS: dict[str, Callable[[list[Standing], Sink, bool], str]] = {
    "sign-in": _sign_ins,
    "pages": _fairness,
    "recovery": _recovery,
    "messages": lambda standings, _, quick: post.tables(standings, quick, say),
    "tokens": lambda standings, _, quick: tokens.tables(standings, 1 if quick else ROUNDS, 1.0 if quick else 4.0, say),
    "saml": _saml,
    "weights": lambda standings, *_: weights.table(standings[0].server.port, PEOPLE - 1),
    "slow-line": lambda *_: slow_line.table(),
}


if __name__ == "__main__":
    sys.exit(main())
