"""`make bench`: what this machine does with the product, beside what the same machine could do at best.

The real server (one process) stands alone on the first core; clients, database, worker and the providers' far end
share the other. Measurements that are compared are interleaved and the medians are told, because machines are never
quiet; figures per CPU-second are those of the server's own processes and bear a busy neighbour best.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import load, machine, people, place, post, report, signals, slow_line, tokens, weights
from bench.client import Browser
from bench.load import Found
from bench.peer import place as peer_place
from bench.peer.place import NAME, NotThere, Peer
from bench.place import Place, Program, Sink

PEOPLE, WITH_CONTACT = 2000, 1240
# People of the cast by use, so that no budget of one measurement is spent by another.
RECOVERY_PAGE, RECOVERY_IDLE, RECOVERY_SIGNAL = (0, 400), (400, 460), 600
SIGN_IN_SIGNAL = 1200
SAMPLES = 600
ROUNDS = 3
PARTS = ("sign-in", "pages", "recovery", "messages", "tokens", "saml", "signals", "weights", "slow-line")
BOUNDS = ("12288,3", "19456,2")
BROWSERS = 16
# What sites ask, by kind of bench.tokens: its name in the table, and the aim per CPU-second on PostgreSQL.
TOKEN_AIMS = {
    "client_credentials": ("client credentials", 2000),
    "refresh_es256": ("refresh, ES256", 1000),
    "refresh_rs256": ("refresh, RS256", 0),
    "userinfo": ("userinfo", 2500),
    "introspection": ("introspection", 2500),
    "jwks": ("key set", 0),
    "round_es256": ("whole round, ES256", 250),
    "round_rs256": ("whole round, RS256", 0),
}
PEER_KINDS = {
    "client_credentials": "client credentials",
    "own_slow_hash": "client credentials, secret hashed as by default",
    "refresh_rs256": "refresh, RS256",
    "userinfo": "userinfo",
    "introspection": "introspection",
    "jwks": "key set",
    "round_rs256": "whole round, RS256",
}


@dataclass
class Standing:
    """One place with its server running, and what was measured there."""

    place: Place
    server: Program
    sign_ins: list[Found] = field(default_factory=list)
    visits: list[Found] = field(default_factory=list)


class Progress:
    """One line for each step, on the error stream: standard output has the tables alone."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, what: str) -> None:
        print(f"[{time.monotonic() - self._start:4.0f} s] {what}", file=sys.stderr, flush=True)


say = Progress()


def main() -> int:
    asked = _asked()
    problem = machine.fit_for_this()
    if problem:
        print(problem, file=sys.stderr)
        return 2
    facts: list[str] = []
    with _standings(facts, asked.quick) as (standings, sink):
        os.sched_setaffinity(0, {machine.OTHER_CORE})
        tables = list(_measured(standings, sink, asked))
    text = "\n".join(["\n".join(f"* {fact}" for fact in facts) + "\n", *tables])
    print(text)
    if asked.write:
        report.write(text)
    return 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md too")
    parser.add_argument("--quick", action="store_true", help="one short round, to see whether everything works")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts alone (printed, never written)")
    asked = parser.parse_args()
    if asked.only and asked.write:
        parser.error("--write needs all parts")
    return asked


@contextlib.contextmanager
def _standings(facts: list[str], quick: bool) -> Iterator[tuple[list[Standing], Sink]]:
    """Both databases with people in them and a server in front of each; a missing PostgreSQL is said."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="massar-bench-")))
        stack.enter_context(machine.on_core(machine.OTHER_CORE))
        sink = stack.enter_context(place.open_sink(folder))
        address = stack.enter_context(place.open_postgres())
        if address is None:
            say("no PostgreSQL server program was found (package postgresql): SQLite alone is measured")
        facts += machine.described(place.postgres_version())
        standings = []
        for name, database in (("PostgreSQL", address), ("SQLite", "")):
            if database is not None:
                say(f"{name}: {PEOPLE} people")
                one = place.furnish(name, folder, database, sink, tokens.sites_file(folder))
                one.run("-m", "bench.seeding", str(PEOPLE), str(WITH_CONTACT))
                standings.append(Standing(one, stack.enter_context(place.server(one))))
        yield standings, sink


def _measured(standings: list[Standing], sink: Sink, asked: argparse.Namespace) -> Iterator[str]:
    quick = asked.quick
    parts = {
        "sign-in": lambda: _sign_ins(standings, 1 if quick else ROUNDS, 2.0 if quick else 5.0),
        "pages": lambda: _fairness(standings, 2.0 if quick else 6.0),
        "recovery": lambda: _recovery(standings, sink, quick),
        "messages": lambda: post.tables([(one.place, one.server.port) for one in standings], quick, say),
        "tokens": lambda: _tokens(standings, 1 if quick else ROUNDS, 1.0 if quick else 4.0),
        "saml": lambda: _saml(standings[0], 100 if quick else 400),
        "signals": lambda: _signals(standings, 100 if quick else SAMPLES),
        "weights": lambda: _weights(standings[0]),
        "slow-line": _slow_line,
    }
    for name in asked.only or PARTS:
        yield parts[name]()


def _load(one: Standing, kind: str, seconds: float, browsers: int, first: int, last: int) -> Found:
    """A crowd in a process of its own; adds `cpu`, the server's CPU-seconds meanwhile."""
    before = machine.cpu_seconds(one.server.pid)
    words = ["-m", "bench.load", kind, str(one.server.port), "--seconds", str(seconds)]
    out = one.place.run(*words, "--browsers", str(browsers), "--people", f"{first}:{last}")
    result: Found = json.loads(out)
    result["cpu"] = machine.cpu_seconds(one.server.pid) - before
    if result["bad"] or not result["times"]:
        raise SystemExit(f"{kind} on {one.place.name}: {result['bad']} answers were not as they should be")
    return result


# Sign-ins beside the bound ------------------------------------------------------------------------------------------


def _sign_ins(standings: list[Standing], rounds: int, seconds: float) -> str:
    bounds: list[dict[str, float]] = []
    for number in range(rounds):
        for one in standings:
            say(f"round {number + 1} of {rounds}: the bound, sign-ins, whole visits on {one.place.name}")
            bounds.append(_bound(seconds / 5))
            one.sign_ins.append(_load(one, "sign_in", seconds, BROWSERS, 0, PEOPLE))
            bounds.append(_bound(seconds / 5))
            one.visits.append(_load(one, "visit", seconds / 2, BROWSERS, 0, PEOPLE))
    medians = {text: report.middle(b[text] for b in bounds) for text in BOUNDS}
    return f"{_bound_table(medians)}\n{_sign_in_table(standings, medians[BOUNDS[0]])}"


def _bound(seconds: float) -> dict[str, float]:
    """On the server's core, while the server has nothing to do."""
    with machine.on_core(machine.SERVER_CORE):
        words = [sys.executable, "-m", "bench.bound", str(seconds), *BOUNDS]
        done = subprocess.run(words, cwd=place.ROOT, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _bound_table(medians: dict[str, float]) -> str:
    rows = [
        [
            f"m = {text.partition(',')[0]} KiB, t = {text.partition(',')[2]}",
            report.per_second(rate),
            report.ms(1 / rate),
        ]
        for text, rate in medians.items()
    ]
    return report.table(
        "The bound: Argon2id alone", ["parameters (p = 1)", "per CPU-second", "ms each"], rows,
        "libsodium, one thread, nothing else; measured between the sign-ins below. The product uses the first line.",
    )  # fmt: skip


def _sign_in_table(standings: list[Standing], bound: float) -> str:
    rows = []
    for one in standings:
        rows.append(_rate_row(f"sign-in, {one.place.name}", one.sign_ins, bound))
        rows.append(_rate_row(f"page + sign-in + home, {one.place.name}", one.visits, bound))
    heads = ["", "per second", "per CPU-second", "of the bound", "p50 ms", "p99 ms", "core used", "MiB"]
    for one, pair in zip(standings, (rows[i : i + 2] for i in range(0, len(rows), 2)), strict=True):
        for row in pair:
            row.append(f"{machine.memory_mib(one.server.pid):.0f}")
    return report.table(
        "Sign-ins, right password, one server process on one core", heads, rows,
        f"{BROWSERS} browsers at once, {PEOPLE} people, unknown devices (the shared rate limits). Of the bound: per "
        "CPU-second beside Argon2id alone per CPU-second, same minutes. The aim for the first line is 80 %.",
    )  # fmt: skip


def _rate_row(name: str, runs: list[Found], bound: float) -> list[str]:
    per_cpu = report.middle(len(r["times"]) / r["cpu"] for r in runs)
    times = [t for r in runs for t in r["times"]]
    return [
        name,
        report.per_second(report.middle(len(r["times"]) / r["seconds"] for r in runs)),
        report.per_second(per_cpu),
        report.percent(per_cpu / bound),
        report.ms(report.quantile(times, 0.5)),
        report.ms(report.quantile(times, 0.99)),
        report.percent(report.middle(r["cpu"] / r["seconds"] for r in runs)),
    ]


# Pages during a storm -----------------------------------------------------------------------------------------------


def _fairness(standings: list[Standing], seconds: float) -> str:
    rows = []
    for one in standings:
        say(f"the home page alone and during a sign-in storm on {one.place.name}")
        alone = _load(one, "home", seconds / 2, 2, 0, 2)
        words = ["-m", "bench.load", "sign_in", str(one.server.port), "--seconds", str(seconds + 2)]
        with place.started(one.place, "storm", [*words, "--people", f"0:{PEOPLE}"]) as storm:
            time.sleep(1.0)
            during = _load(one, "home", seconds, 2, 0, 2)
            storm.wait(60)
        for name, run in (("alone", alone), (f"while {BROWSERS} browsers sign in", during)):
            p50, p99 = (report.ms(report.quantile(run["times"], q)) for q in (0.5, 0.99))
            rows.append([f"{name}, {one.place.name}", report.per_second(len(run["times"]) / run["seconds"]), p50, p99])
    return report.table("The home page of a signed-in person, 2 readers", ["", "per second", "p50 ms", "p99 ms"], rows)


# Recovery -----------------------------------------------------------------------------------------------------------


def _recovery(standings: list[Standing], sink: Sink, quick: bool) -> str:
    rows = []
    for one in standings:
        say(f"recovery on {one.place.name}: the page, the worker's backlog, the wait when idle")
        inserts = json.loads(one.place.run("-m", "bench.inserts", "2", str(BROWSERS)))
        asked = _load(one, "recovery", 60, BROWSERS, *RECOVERY_PAGE)
        started = time.monotonic()
        with place.worker(one.place, machine.SERVER_CORE) as worker:
            done = _wait_for_arrivals(sink, range(*RECOVERY_PAGE), started)
            used = machine.cpu_seconds(worker.pid)
            waits = _idle_waits(one, sink, range(*RECOVERY_IDLE)[: 10 if quick else None])
        rows.append([
            one.place.name,
            report.per_second(len(asked["times"]) / asked["seconds"]),
            report.per_second(len(asked["times"]) / asked["cpu"]),
            report.ms(report.quantile(asked["times"], 0.5)),
            report.per_second(inserts),
            report.per_second(done),
            report.per_second(len(_recipients(range(*RECOVERY_PAGE))) / used),
            report.ms(report.quantile(waits, 0.5)),
            report.ms(report.quantile(waits, 0.99)),
        ])  # fmt: skip
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


def _recipients(numbers: range) -> set[str]:
    return {people.phone_sent(n) if n % 2 else people.email(n) for n in numbers}


def _wait_for_arrivals(sink: Sink, numbers: range, started: float) -> float:
    """Messages per second from the first arrival to the last."""
    wanted = _recipients(numbers)
    while time.monotonic() < started + 120:
        arrivals = sink.arrivals()
        if wanted <= arrivals.keys():
            moments = sorted(arrivals[one][0] for one in wanted)
            return (len(moments) - 1) / (moments[-1] - moments[0])
        time.sleep(0.2)
    raise SystemExit(f"only {len(wanted & sink.arrivals().keys())} of {len(wanted)} messages were handed over")


def _idle_waits(one: Standing, sink: Sink, numbers: range) -> list[float]:
    """Seconds from the post to the provider, for one request at a time at uneven moments."""
    browser = Browser(one.server.port)
    load.fetch_recovery_form(browser, 0)
    waits = []
    for number in numbers:
        time.sleep(0.1 + 0.037 * (number % 7))
        recipient = people.phone_sent(number) if number % 2 else people.email(number)
        start = time.monotonic()
        if load.ask(browser, people.login(number), number, number).status != 303:
            raise SystemExit("a request for recovery was refused")
        while recipient not in sink.arrivals():
            if time.monotonic() > start + 30:
                raise SystemExit("a message was not handed over within 30 s")
            time.sleep(0.01)
        waits.append(sink.arrivals()[recipient][0] - start)
    return waits


# Single sign-on -----------------------------------------------------------------------------------------------------


def _tokens(standings: list[Standing], rounds: int, seconds: float) -> str:
    runs: dict[tuple[str, str], list[Found]] = {}
    bounds: dict[str, list[dict[str, float]]] = {one.place.name: [] for one in standings}
    with _peer(standings, codes=BROWSERS * len(PEER_KINDS) * rounds) as peer:
        for number in range(rounds):
            for one in standings:
                say(f"round {number + 1} of {rounds}: what sites ask, on {one.place.name}")
                with machine.on_core(machine.SERVER_CORE):
                    out = one.place.run("-m", "bench.tokens", "bound", str(seconds / 5))
                bounds[one.place.name].append(json.loads(out))
                for kind in TOKEN_AIMS:
                    runs.setdefault((kind, one.place.name), []).append(_calls(one, one.server, kind, seconds))
                    if one.place.name == "PostgreSQL" and isinstance(peer, Peer) and kind in PEER_KINDS:
                        runs.setdefault((kind, NAME), []).append(_calls(one, peer.server, kind, seconds, peer))
            if isinstance(peer, Peer):
                slow = _calls(standings[0], peer.server, "own_slow_hash", seconds, peer)
                runs.setdefault(("own_slow_hash", NAME), []).append(slow)
    note = _peer_note(peer) if isinstance(peer, Peer) else peer
    return "\n".join([_signature_table(bounds), _token_table(standings, runs), _peer_table(runs, note)])


@contextlib.contextmanager
def _peer(standings: list[Standing], codes: int) -> Iterator[Peer | str]:
    """The peer on the same PostgreSQL, or the sentence that says why there is none."""
    with contextlib.ExitStack() as stack:
        first = standings[0].place
        try:
            if first.name != "PostgreSQL":
                raise NotThere(f"{NAME} is measured on PostgreSQL alone, which is not here.")
            say(f"{NAME}: an environment of its own")
            peer = stack.enter_context(peer_place.opened(first.folder, first.database, codes, BROWSERS))
            found: Peer | str = peer
        except NotThere as why:
            found = str(why)
            say(found)
        yield found


def _calls(one: Standing, server: Program, kind: str, seconds: float, peer: Peer | None = None) -> Found:
    """Many callers in a process of their own. CPU is counted over the run, preparations left out."""
    words = ["-m", "bench.tokens", kind, str(server.port), "--seconds", str(seconds), "--callers", str(BROWSERS)]
    words += ["--peer", str(peer.for_callers(BROWSERS))] if peer else []
    result: Found = json.loads(one.place.run(*words, "--server", str(server.pid)))
    if result["bad"] or not result["times"]:
        raise SystemExit(f"{kind} on {one.place.name}: {result['bad']} answers were not as they should be")
    return result


def _signature_table(bounds: dict[str, list[dict[str, float]]]) -> str:
    every = [b for runs in bounds.values() for b in runs]
    rows = [
        [f"signature {name}", report.per_second(report.middle(b[key] for b in every)), "per CPU-second, one thread"]
        for name, key in (("ES256 (P-256)", "es256"), ("RS256 (2048 bits)", "rs256"))
    ]
    rows += [
        [f"{what}, {name}", report.per_second(report.middle(b[key] for b in runs)), "per second"]
        for what, key in (("bare look-up of a token", "read"), ("bare insert of a grant and its token", "write"))
        for name, runs in bounds.items()
    ]
    return report.table(
        "The bound: signatures and statements alone", ["", "rate", ""], rows,
        f"Statements over {BROWSERS} connections on PostgreSQL and one on SQLite; each insert is a commit of its own, "
        "which waits for the disk on PostgreSQL.",
    )  # fmt: skip


def _token_table(standings: list[Standing], runs: dict[tuple[str, str], list[Found]]) -> str:
    rows = [
        [*_call_row(f"{title}, {one.place.name}", runs[kind, one.place.name]), str(aim) if aim else ""]
        for kind, (title, aim) in TOKEN_AIMS.items()
        for one in standings
    ]
    return report.table(
        "What sites ask, one server process on one core", [*_CALL_HEADS, "aim"], rows,
        f"{BROWSERS} callers at once, client secrets in the Basic header. The round: /authorize of a signed-in person "
        "with PKCE, then /token with a refresh token. The aims are per CPU-second and those of PostgreSQL.",
    )  # fmt: skip


_CALL_HEADS = ["", "per second", "per CPU-second", "p50 ms", "p99 ms"]


def _call_row(title: str, found: list[Found]) -> list[str]:
    times = [t for r in found for t in r["times"]]
    return [
        title,
        report.per_second(report.middle(len(r["times"]) / r["seconds"] for r in found)),
        report.per_second(report.middle(len(r["times"]) / r["cpu"] for r in found)),
        report.ms(report.quantile(times, 0.5)),
        report.ms(report.quantile(times, 0.99)),
    ]


def _peer_table(runs: dict[tuple[str, str], list[Found]], note: str) -> str:
    title = f"The same at {NAME}, PostgreSQL"
    rows = []
    for kind, name in PEER_KINDS.items():
        if (kind, NAME) in runs:
            ours = runs.get((kind, "PostgreSQL")) or runs["client_credentials", "PostgreSQL"]
            theirs, per_cpu = runs[kind, NAME], [_per_cpu(found) for found in (ours, runs[kind, NAME])]
            rows.append([*_call_row(name, theirs), f"{per_cpu[0] / per_cpu[1]:.1f}"])
    return report.table(title, [*_CALL_HEADS, "ours, times"], rows, note)


def _per_cpu(found: list[Found]) -> float:
    return report.middle(len(r["times"]) / r["cpu"] for r in found)


def _peer_note(peer: Peer) -> str:
    return (
        f"{NAME} {peer.version} in the same minutes, on the same Granian, PostgreSQL and core, with the same callers; "
        "tokens stored hashed, reuse of a refresh token ends its family, client secrets hashed by one SHA-256. The "
        "second line is what it does when nothing is said about that hash (Django's PBKDF2). Ours, times: the "
        "product's figure per CPU-second on PostgreSQL divided by this one. Its round: /o/authorize/ of a person with "
        "a session, consent left out (skip_authorization), scope openid, PKCE, then /o/token/."
    )


# SAML ---------------------------------------------------------------------------------------------------------------


def _saml(one: Standing, samples: int) -> str:
    say("one signed SAML answer")
    with machine.on_core(machine.SERVER_CORE):
        cost = json.loads(one.place.run("-m", "bench.saml", str(samples)))
    rows = [
        ["one bare RSA-3072 signature", f"{cost['rsa']:.2f}"],
        ["one answer: Response and Assertion, both signed", f"{cost['answer']:.2f}"],
        ["the answer over its two signatures", f"{cost['answer'] - 2 * cost['rsa']:.2f}"],
    ]
    return report.table(
        "One SAML answer", ["", "CPU ms"], rows, "Medians of one thread, interleaved; no database is asked."
    )


# Known and unknown --------------------------------------------------------------------------------------------------


def _signals(standings: list[Standing], samples: int) -> str:
    rows = []
    for one in standings:
        say(f"known and unknown on {one.place.name}: {samples} samples of each")
        found = signals.sign_in(one.server.port, SIGN_IN_SIGNAL, samples)
        rows.append(_signal_row(f"sign-in, wrong password, {one.place.name}", found))
        with place.worker(one.place, machine.OTHER_CORE):
            found = signals.recovery(one.server.port, RECOVERY_SIGNAL, samples)
        rows.append(_signal_row(f"recovery, right contact, {one.place.name}", found))
    heads = ["", "AUC", "95 % interval", "samples of each", "known p50 ms", "unknown p50 ms"]
    return report.table(
        "Known and unknown accounts told apart by time", heads, rows,
        "One warm connection, no other load, kinds shuffled together, the worker running. 0.5 is no signal; the aim is "
        "0.45 to 0.55.",
    )  # fmt: skip


def _signal_row(name: str, found: signals.Signal) -> list[str]:
    interval = f"{found.low:.3f} – {found.high:.3f}"
    medians = (f"{1000 * found.median_first:.2f}", f"{1000 * found.median_second:.2f}")
    return [name, f"{found.auc:.3f}", interval, str(found.samples), *medians]


# Weights ------------------------------------------------------------------------------------------------------------


def _weights(one: Standing) -> str:
    say("page weights")
    rows = [
        [w.page, *map(report.kb, (w.html, w.styles, w.scripts, w.icon, w.total, w.fonts))]
        for w in weights.of_pages(one.server.port, PEOPLE - 1)
    ]
    heads = ["page (Arabic)", "HTML", "styles", "scripts", "icon", "sum", "fonts, after the first paint"]
    note = (
        "kB on the wire, heads included, empty cache, as the server itself sends it. "
        "The aim for sign-in is a sum of at most 30."
    )
    return report.table("Page weights", heads, rows, note)


def _slow_line() -> str:
    say("pages on a slow line")
    rows = [[w.page, f"{w.painted:.2f}", f"{w.usable:.2f}"] for w in slow_line.measure()]
    note = (
        f"Chromium with its own throttling, {slow_line.BITS_PER_SECOND // 1000} kbit/s and {slow_line.LATENCY_MS} ms "
        "to the first byte, the demo, in Arabic, 360 pixels wide. The aims: 1 s to the first paint of every page after "
        "the first, 3 s until the sign-in page can be used with an empty cache."
    )
    return report.table("Pages on a slow line, seconds", ["page", "first paint", "can be used"], rows, note)


if __name__ == "__main__":
    sys.exit(main())
