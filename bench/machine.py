"""The machine under the measurement: its cores, what a process has used of them, and how to name it in a table."""

import contextlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ALL_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CORE, OTHER_CORE = ALL_CORES[0], ALL_CORES[-1]
_SCHEDULED = 2  # CPUCLOCK_SCHED


def fit_for_this() -> str:
    """'' if measuring works here, otherwise one sentence. CPU-seconds of other processes are read from /proc."""
    if not Path("/proc/self/stat").exists() or not hasattr(os, "sched_setaffinity"):
        return "The measurement needs Linux: it pins processes to cores and reads their CPU time from /proc."
    return ""


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started inside runs on that core alone, with all its children and threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(process: int) -> float:
    """User and system time of a process and its living descendants so far, in seconds (steps of 10 ms)."""
    ticks = sum(int(fields[11]) + int(fields[12]) for fields in _stat_of_family(process))
    return ticks / os.sysconf("SC_CLK_TCK")


def family(process: int) -> list[int]:
    """A process and its living descendants."""
    return [int(fields[-1]) for fields in _stat_of_family(process)]


def cpu_nanoseconds(processes: list[int]) -> int:
    """User and system time of these processes so far, by their own clocks (clock_getcpuclockid(3)): exact, and at the
    cost of one call for each."""
    return sum(time.clock_gettime_ns((~one << 3) | _SCHEDULED) for one in processes)


def memory_mib(process: int) -> float:
    """Resident memory of a process and its descendants, shared pages counted once for each (an upper bound)."""
    return sum(int(fields[21]) for fields in _stat_of_family(process)) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _stat_of_family(process: int) -> list[list[str]]:
    """What stands behind the name in /proc/PID/stat, and the id, of the process and its living descendants."""
    found: dict[int, list[str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found[int(folder.name)] = [*(folder / "stat").read_text().rpartition(")")[2].split(), folder.name]

    def descends(one: int) -> bool:
        while one in found and one != process:
            one = int(found[one][1])
        return one == process

    return [fields for one, fields in found.items() if descends(one)]


def begun() -> str:
    """Day and commit, for what is measured from now on."""
    command = ["git", "rev-parse", "--short=8", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {done.stdout.strip()}"


def described(postgres: str) -> list[str]:
    """What a reader must know to compare figures, one fact a line. No name of a machine."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    processor = names[0].partition(":")[2].strip() if names else platform.machine()
    return [
        f"{processor}, {len(ALL_CORES)} cores, load average at the start {os.getloadavg()[0]:.1f}",
        f"Python {sys.version.split()[0]}, Django {version('django')}, Granian {version('granian')}, "
        f"PyNaCl {version('pynacl')}, psycopg {version('psycopg')}, {postgres}",
    ]
