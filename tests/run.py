"""`make test`: every test on SQLite, what could differ again on PostgreSQL, a browser. `--help`: how to run less.

Finds the outside programs (or installs them, as root on Debian), starts a throw-away PostgreSQL, runs pytest
in stages and ends with one line for each stage. The stages run side by side: that on SQLite speaks at once, the
others, which wait a good deal (for a database, a browser, a silent far end), are printed when it is done. The exit
status is 0 only if nothing failed; on a build machine (`CI=true`) a missing program is a failure too, elsewhere that
part is named as skipped.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from support import postgres, programs

ROOT = Path(__file__).resolve().parent.parent
QUICK = "not browser and not servers"
# What of these touches the database (tests/conftest.py sees which) runs a second time, on PostgreSQL.
ON_BOTH_DATABASES = [f"tests/{name}" for name in ("core", "domain", "crash", "journeys", "sso", "contracts", "house")]
# These mostly wait: for far ends that are silent on purpose, for programs that start.
WAITING = ("tests/contracts", "tests/commands", "tests/demo")
# The stage on SQLite computes most; alone at the end it would have one core of two.
JOURNEYS = ("tests/journeys", "tests/crash")
STATEMENTS = ROOT / "build" / "statements"
COVERAGE = ("--cov=massar", "--cov-report=")
PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"
NO_TESTS_COLLECTED = 5  # pytest's exit status
CLEARING_UP_SECONDS = 60
# `make test-fast`: laws and units beside a journey of each kind. What measures, or reads whole lists, is left out.
UNITS = ("tests/core", "tests/domain", "tests/house")
MEASURES = ("test_blocklist", "test_names_false_refusals", "test_patterns", "test_bounces")
STORIES = (
    "journeys/test_sign_in", "journeys/test_recovery", "journeys/test_change", "journeys/test_the_guide",
    "journeys/test_metrics", "sso/test_oidc_core", "sso/test_saml", "sso/test_gate",
)  # fmt: skip


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


class Running:
    """One pytest as a process. Ctrl-C does not reach it from the terminal: it comes from here, once."""

    def __init__(self, command: list[str], environment: dict[str, str], output: IO[bytes] | None):
        self.seconds = 0.0
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        self.waiter = threading.Thread(target=self._measure, daemon=True)
        self.waiter.start()

    def _measure(self) -> None:
        self.process.wait()
        self.seconds = time.monotonic() - self.started

    def wait(self) -> None:
        self.waiter.join()

    def interrupt(self) -> None:
        """Ends it, if it still runs, in the way that lets it clear up what it started."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.waiter.join(CLEARING_UP_SECONDS)
            self.process.kill()


class Run:
    """One run of the suite: its stages so far, and what every call of pytest gets."""

    def __init__(self, passed_through: list[str], *, coverage: bool = False):
        self.coverage = COVERAGE if coverage else ()
        self.stages: list[Stage] = []
        self.passed_through = passed_through
        self.started = time.monotonic()
        self.strict = os.environ.get("CI", "").lower() in ("1", "true", "yes")

    def pytest(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
        """Run pytest as stage `name`. Its own closing line ("N passed") stays on the screen."""
        self.heading(name)
        with self.start(arguments, environment) as running:
            running.wait()
        self.ended(name, running)

    @contextlib.contextmanager
    def beside(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[None]:
        """Run pytest as stage `name` while the block runs; its words are printed after the block."""
        with tempfile.TemporaryFile() as words:
            with self.start(arguments, environment, output=words) as running:
                yield
                self.heading(name)
                running.wait()
            words.seek(0)
            print(io.TextIOWrapper(words, "utf-8", errors="replace").read(), end="", flush=True)
        self.ended(name, running)

    @contextlib.contextmanager
    def start(
        self,
        arguments: tuple[str, ...],
        environment: dict[str, str] | None,
        output: IO[bytes] | None = None,
    ) -> Iterator[Running]:
        """A pytest that does not outlive the block: left early, it is interrupted, so that it can clear up."""
        polite = ("nice", "-n", "5") if "MASSAR_TEST_DATABASE_URL" in (environment or {}) else ()
        command = [*polite, sys.executable, "-m", "pytest", *arguments, *self.passed_through]
        # Some hundred programs are started: without bytecode each would compile all that it loads.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        running = Running(command, {**inherited, **(environment or {})}, output)
        try:
            yield running
        finally:
            running.interrupt()

    def ended(self, name: str, running: Running) -> None:
        status = running.process.returncode
        if status == NO_TESTS_COLLECTED:
            self.nothing_collected(name, running.seconds)
        else:
            self.stages.append(Stage(name, PASSED if status == 0 else FAILED, running.seconds))

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
        total = time.monotonic() - self.started
        failed = any(stage.state == FAILED for stage in self.stages)
        skipped = [stage.name for stage in self.stages if stage.state == SKIPPED]
        verdict = "something failed" if failed else "all that ran has passed"
        print(f"  {verdict} in {total:.0f} s" + (f"; skipped: {', '.join(skipped)}" if skipped else ""))
        return 1 if failed else 0


def main() -> int:
    options, passed_through = read_arguments()
    # A shell that starts this in the background hands down an ignored Ctrl-C, nohup an ignored hang-up: the parts are
    # ended with the one, and programs under test are sent the other.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds: PostgreSQL is ended and removed
    if options.keyword:
        passed_through += ["-k", options.keyword]
    run = Run(passed_through, coverage=options.coverage)
    try:
        if options.servers:
            return run_servers(run)
        if options.fast:
            return run_fast(run)
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
    parser.add_argument("--fast", action="store_true", help="laws, units and a journey of each kind, on SQLite")
    parser.add_argument("--sqlite-only", action="store_true", help="leave out PostgreSQL and the browser")
    parser.add_argument("--coverage", action="store_true", help="count covered lines; takes a quarter longer")
    parser.add_argument("-k", dest="keyword", metavar="EXPRESSION", help="only tests that fit (as pytest -k)")
    return parser.parse_known_args()


def run_servers(run: Run) -> int:
    if not any((ROOT / "tests" / "servers").glob("test_*.py")):
        print("There are no tests against real servers yet: tests/servers holds none.")
        return 0
    # The gate's test looks with a browser, that of killed workers needs PostgreSQL.
    install_what_is_missing([need for need in programs.SERVERS if programs.find_server(need) is None])
    run.pytest("real servers", "tests/servers", "-m", "servers", "-rs")
    return run.close()


def run_fast(run: Run) -> int:
    """The inner loop: a minute on two cores."""
    stories = [f"tests/{story}.py" for story in STORIES]
    without = [f"--ignore=tests/domain/{name}.py" for name in MEASURES]
    with run.beside("a journey of each kind", *stories, "-m", QUICK):
        run.pytest("laws and units", *UNITS, *without, "-m", QUICK)
    return run.close()


def run_all(run: Run, options: argparse.Namespace) -> int:
    if options.sqlite_only:
        on_sqlite(run)
    else:
        install_what_is_missing()
        print("\nAll stages run side by side; the words of the others come after those of the first.", flush=True)
        with in_the_browser(run), waiting_beside(run):
            # PostgreSQL's steps back: those on SQLite compute longest, the others wait a good deal.
            with on_postgres(run), journeys_beside(run):
                on_sqlite(run, *(f"--ignore={place}" for place in WAITING + JOURNEYS), environment=noticing("sqlite"))
        same_statements(run)
    if run.coverage:
        show_coverage(run)
    return run.close()


def on_sqlite(run: Run, *options: str, environment: dict[str, str] | None = None) -> None:
    name = "laws, units and sites on SQLite" if environment else "all on SQLite"
    run.pytest(name, "tests", "-m", QUICK, *options, *run.coverage, environment=environment)


@contextlib.contextmanager
def waiting_beside(run: Run) -> Iterator[None]:
    environment = counting("waiting")
    with run.beside("providers, commands, demo", *WAITING, "-m", QUICK, *run.coverage, environment=environment):
        yield


@contextlib.contextmanager
def journeys_beside(run: Run) -> Iterator[None]:
    environment = {**noticing("sqlite-journeys"), **counting("journeys")}
    with run.beside("journeys on SQLite", *JOURNEYS, "-m", QUICK, *run.coverage, environment=environment):
        yield


def counting(stage: str) -> dict[str, str]:
    """The environment in which a stage counts covered lines in a file of its own."""
    return {"COVERAGE_FILE": str(ROOT / f".coverage.{stage}")}


def noticing(database: str) -> dict[str, str]:
    """The environment in which a stage writes down which places of the product ask the database."""
    file = STATEMENTS / f"{database}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    return {"MASSAR_TEST_STATEMENTS": str(file)}


def same_statements(run: Run) -> None:
    """The run on PostgreSQL leaves out tests. It fails when it left out a place that asks the database."""
    name = "every place that asks the database did so on PostgreSQL"
    files = [STATEMENTS / f"{stage}.json" for stage in ("sqlite", "sqlite-journeys", "postgresql")]
    if run.passed_through or not all(file.exists() for file in files):
        return
    units, journeys, other = (set(json.loads(file.read_text("utf-8"))) for file in files)
    one = units | journeys
    missed = sorted(one - other)
    for place in missed:
        print(f"  not on PostgreSQL: {place} (mark one of its tests `both_databases`)")
    run.stages.append(Stage(name, FAILED if missed else PASSED, note=f"{len(one)} places"))


def install_what_is_missing(also: Sequence[programs.Need] = ()) -> None:
    missing = [*also, *(need for need, find in programs.FINDERS.items() if find() is None)]
    if missing and programs.can_install():
        programs.install(missing)


@contextlib.contextmanager
def on_postgres(run: Run) -> Iterator[None]:
    name = "units and journeys on PostgreSQL"
    folder = programs.find_postgres()
    if folder is None:
        run.missing(name, programs.POSTGRES)
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(postgres.throwaway_postgres(folder))
        except postgres.PostgresDidNotStart as problem:
            run.stages.append(Stage(name, FAILED, note=f"PostgreSQL did not start: {problem}"))
        else:
            environment = {"MASSAR_TEST_DATABASE_URL": address, **noticing("postgresql")}
            stack.enter_context(run.beside(name, *ON_BOTH_DATABASES, "-m", QUICK, environment=environment))
        yield


@contextlib.contextmanager
def in_the_browser(run: Run) -> Iterator[None]:
    name = "the guide in a browser"
    lacking = programs.lacking_for_the_browser()
    if lacking:
        run.missing(name, lacking)
        yield
        return
    clear_pictures(run)
    with run.beside(name, "tests/browser", "-m", "browser"):
        yield


def clear_pictures(run: Run) -> None:
    """A whole run makes every picture again; one that nothing makes any more must not stay on the sheet."""
    if not run.passed_through:
        shutil.rmtree(ROOT / "build" / "screenshots", ignore_errors=True)


def show_coverage(run: Run) -> None:
    """Lines covered on SQLite."""
    run.heading("coverage (on SQLite, without the browser)")
    words = [sys.executable, "-m", "coverage"]
    beside = sorted(map(str, ROOT.glob(".coverage.*")))
    if beside:
        subprocess.run([*words, "combine", "--append", "--quiet", *beside], cwd=ROOT)
    subprocess.run([*words, "report", "--skip-covered", "--skip-empty"], cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
