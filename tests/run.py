"""`make test`: every test, on SQLite and on PostgreSQL, with a browser. `--help` lists the ways to run less.

Finds the outside programs (or installs them, as root on Debian), starts a throw-away PostgreSQL, runs pytest
in stages and ends with one line for each stage. The exit status is 0 only if nothing failed; on a build
machine (`CI=true`) a missing program is a failure too, elsewhere that half is named as skipped.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from support import postgres, programs

ROOT = Path(__file__).resolve().parent.parent
QUICK = "not browser and not servers"
# What touches tables, SQL or locks: these run a second time, on PostgreSQL.
ON_BOTH_DATABASES = ("tests/domain", "tests/journeys", "tests/contracts", "tests/core")
PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"
NO_TESTS_COLLECTED = 5  # pytest's exit status


@dataclass(frozen=True)
class Stage:
    """How one stage ended."""

    name: str
    state: str
    seconds: float = 0.0
    note: str = ""

    def line(self) -> str:
        took = f"{self.seconds:6.0f} s" if self.seconds else "        "
        return f"  {self.state:8}{took}  {self.name}{'  ' + self.note if self.note else ''}"


class Run:
    """One run of the suite: its stages so far, and what every call of pytest gets."""

    def __init__(self, passed_through: list[str]):
        self.stages: list[Stage] = []
        self.passed_through = passed_through
        self.strict = os.environ.get("CI", "").lower() in ("1", "true", "yes")

    def pytest(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
        """Run pytest as stage `name`. Its own closing line ("N passed") stays on the screen."""
        self.heading(name)
        command = [sys.executable, "-m", "pytest", *arguments, *self.passed_through]
        started = time.monotonic()
        status = subprocess.run(command, cwd=ROOT, env={**os.environ, **(environment or {})}).returncode
        seconds = time.monotonic() - started
        if status == NO_TESTS_COLLECTED:
            self.nothing_collected(name, seconds)
        else:
            self.stages.append(Stage(name, PASSED if status == 0 else FAILED, seconds))

    def nothing_collected(self, name: str, seconds: float) -> None:
        """Empty is right only where the person chose the tests; a stage of the whole suite is never empty."""
        chosen = bool(self.passed_through)
        self.stages.append(Stage(name, SKIPPED if chosen else FAILED, seconds, "no test was collected"))

    def missing(self, name: str, need: programs.Need) -> None:
        print(f"\n{need.sentence}", flush=True)
        self.stages.append(Stage(name, FAILED if self.strict else SKIPPED, note=f"{need.name} was not found"))

    def heading(self, name: str) -> None:
        print(f"\n=== {name} " + "=" * max(4, 100 - len(name)), flush=True)

    def close(self) -> int:
        """Print the summary; returns the exit status."""
        print("\n" + "=" * 105)
        for stage in self.stages:
            print(stage.line())
        total = sum(stage.seconds for stage in self.stages)
        failed = any(stage.state == FAILED for stage in self.stages)
        skipped = [stage.name for stage in self.stages if stage.state == SKIPPED]
        verdict = "something failed" if failed else "all that ran has passed"
        print(f"  {verdict} in {total:.0f} s" + (f"; skipped: {', '.join(skipped)}" if skipped else ""))
        return 1 if failed else 0


def main() -> int:
    options, passed_through = read_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds: PostgreSQL is ended and removed
    if options.keyword:
        passed_through += ["-k", options.keyword]
    run = Run(passed_through)
    try:
        if options.servers:
            return run_servers(run)
        return run_all(run, options)
    except KeyboardInterrupt:
        print("\nStopped by the keyboard.", file=sys.stderr)
        return 130


def read_arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="tests/run.py",
        description="Run the tests. Anything not listed here is handed to pytest, for example -x or -vv.",
    )
    parser.add_argument("--servers", action="store_true", help="only the tests against real servers")
    parser.add_argument("--sqlite-only", action="store_true", help="leave out PostgreSQL and the browser")
    parser.add_argument("-k", dest="keyword", metavar="EXPRESSION", help="only tests that fit (as pytest -k)")
    return parser.parse_known_args()


def run_servers(run: Run) -> int:
    if not any((ROOT / "tests" / "servers").glob("test_*.py")):
        print("There are no tests against real servers yet: tests/servers holds none.")
        return 0
    run.pytest("real servers", "tests/servers", "-m", "servers")
    return run.close()


def run_all(run: Run, options: argparse.Namespace) -> int:
    everything = not options.sqlite_only
    if everything:
        install_what_is_missing()
    run.pytest("laws, units and journeys on SQLite", "tests", "-m", QUICK, "--cov=massar", "--cov-report=")
    if everything:
        on_postgres(run)
        in_the_browser(run)
    coverage(run)
    return run.close()


def install_what_is_missing() -> None:
    found = {programs.CHROMIUM: programs.find_chromium(), programs.POSTGRES: programs.find_postgres()}
    missing = [need for need, place in found.items() if place is None]
    if missing and programs.can_install():
        programs.install(missing)


def on_postgres(run: Run) -> None:
    name = "units and journeys on PostgreSQL"
    folder = programs.find_postgres()
    if folder is None:
        run.missing(name, programs.POSTGRES)
        return
    places = [place for place in ON_BOTH_DATABASES if (ROOT / place).is_dir()]
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(postgres.throwaway_postgres(folder))
        except postgres.PostgresDidNotStart as problem:
            run.stages.append(Stage(name, FAILED, note=f"PostgreSQL did not start: {problem}"))
            return
        run.pytest(
            name, *places, "-m", QUICK, "--cov=massar", "--cov-report=", "--cov-append",
            environment={"MASSAR_TEST_DATABASE_URL": address},
        )  # fmt: skip


def in_the_browser(run: Run) -> None:
    name = "the guide in a browser"
    chromium = programs.find_chromium()
    if chromium is None:
        run.missing(name, programs.CHROMIUM)
        return
    run.pytest(name, "tests/browser", "-m", "browser", environment={"MASSAR_TEST_CHROMIUM": chromium})


def coverage(run: Run) -> None:
    """Lines covered by the first two stages together; the browser drives a product of its own."""
    run.heading("coverage (both databases together, without the browser)")
    command = [sys.executable, "-m", "coverage", "report", "--skip-covered", "--skip-empty"]
    subprocess.run(command, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
