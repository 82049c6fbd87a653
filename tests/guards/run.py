"""`make guards`: take each guard out of a copy of the tree, in turn, and see whether its test misses it.

Every named test is run with all guards first: a test that fails anyway proves nothing. The table is
docs/security/guards.md. The exit status is 0 only if each guard was missed, or the list says what else does its work.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.machine import begun
from tests.guards.listed import ROOT, Guard, guards

PAGE = ROOT / "docs" / "security" / "guards.md"
MISSED, NOT_MISSED, ANYWAY, UNCLEAR = "missed", "NOT MISSED", "fails anyway", "UNCLEAR"
LONGEST_SECONDS = 300
COPIED = ("src", "tests", "examples", "bench", "docs", "pyproject.toml", "SECURITY.md")


def main() -> int:
    chosen, workers = read_arguments()
    of = begun()
    results = judge_all(chosen, workers)
    for guard, result in zip(chosen, results, strict=True):
        if result != MISSED:
            print(f"{result}: {guard.name} ({guard.file}; {guard.test}) {guard.why_alive}")
    if len(chosen) == len(guards()):
        PAGE.write_text(page(chosen, results, of), "utf-8")
    left = sum(1 for g, r in zip(chosen, results, strict=True) if r != MISSED and not (r == NOT_MISSED and g.why_alive))
    print(f"{len(chosen)} guards, {results.count(MISSED)} missed when removed, {left} unexplained")
    return 1 if left else 0


def read_arguments() -> tuple[list[Guard], int]:
    parser = argparse.ArgumentParser(prog="tests/guards/run.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-k", dest="words", default="", help="only guards with this in name, case, file or test")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="copies of the tree")
    options = parser.parse_args()
    fits = [g for g in guards() if options.words in f"{g.name} {g.case} {g.file} {g.test}"]
    return fits, min(options.workers, len(fits)) or 1


def judge_all(chosen: list[Guard], workers: int) -> list[str]:
    """The result of each, in order. Each worker has a copy of the tree to itself."""
    with contextlib.ExitStack() as stack:
        free: SimpleQueue[Path] = SimpleQueue()
        for _ in range(workers):
            free.put(stack.enter_context(copy_of_the_tree()))
        pool = stack.enter_context(ThreadPoolExecutor(workers))

        def in_a_copy(work: Callable[[Path], str]) -> str:
            tree = free.get()
            try:
                return work(tree)
            finally:
                free.put(tree)

        tests = sorted({g.arguments for g in chosen})
        sound = pool.map(lambda arguments: in_a_copy(lambda tree: run(tree, arguments)), tests)
        passes = dict(zip(tests, progress("with all guards", sound, len(tests)), strict=True))

        def judge(guard: Guard) -> str:
            if passes[guard.arguments] != "0":
                return ANYWAY
            return in_a_copy(lambda tree: without(guard, tree))

        return list(progress("each removed", pool.map(judge, chosen), len(chosen)))


@contextlib.contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="guards-") as folder:
        for name in COPIED:
            source, target = ROOT / name, Path(folder, name)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, target)
        yield Path(folder)


def without(guard: Guard, tree: Path) -> str:
    path = tree / "src" / "massar" / guard.file
    whole = path.read_text("utf-8")
    try:
        write(path, guard.without(whole))
        status = run(tree, guard.arguments)
    finally:
        write(path, whole)
    return {"1": MISSED, "0": NOT_MISSED}.get(status, f"{UNCLEAR} ({status})")


def write(path: Path, text: str) -> None:
    """Bytecode is found by second and length of its source, which can be the same for both texts: it goes."""
    path.write_text(text, "utf-8")
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def run(tree: Path, arguments: tuple[str, ...]) -> str:
    """pytest's exit status in that tree: '0' passed, '1' failed."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**inherited, "PYTHONPATH": str(tree / "src")}
    command = [sys.executable, "-m", "pytest", "-q", "-x", *arguments]
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        return "too slow"
    return str(done.returncode)


def progress(what: str, results: Iterator[str], total: int) -> Iterator[str]:
    begun = time.monotonic()
    for number, result in enumerate(results, 1):
        yield result
        rest = (time.monotonic() - begun) / number * (total - number)
        end = "\n" if number == total else ""
        print(f"\r  {what}: {number} of {total}, {rest:.0f} s left  ", end=end, file=sys.stderr, flush=True)


def page(chosen: list[Guard], results: list[str], of: str) -> str:
    """The table. Of those that no test missed, what else does their work. of: day and commit of the run."""
    rows = [f"| {g.case} | {g.name} | `{g.file}` | {g.test} | {r} |" for g, r in zip(chosen, results, strict=True)]
    alive = [
        f"* {g.name}: {g.why_alive or 'not explained yet'}"
        for g, r in zip(chosen, results, strict=True)
        if r == NOT_MISSED
    ]
    return "\n".join([
        "# Guards, each removed once",
        "",
        f"Run of {of}. Guards that came later, and other tests for these, are in `tests/guards/` alone.",
        "",
        f"Written by `make guards`. Of {len(chosen)} guards, each was taken out alone and the test named beside it was",
        f"run: {results.count(MISSED)} were missed by it. A case is a number of [attack-cases.md](attack-cases.md).",
        "",
        "| Case | Guard | In | Test | Without it |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "## Not missed",
        "",
        *(alive or ["None."]),
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
