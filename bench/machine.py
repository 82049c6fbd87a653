"""The machine under the measurement: its cores, what a process has used of them, and how to name it in a table."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
ALL_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CORE = ALL_CORES[0]
OTHER_CORE = ALL_CORES[-1]


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
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
            used[int(folder.name)] = (int(fields[11]) + int(fields[12])) / TICKS
    return sum(seconds for one, seconds in used.items() if _descends(one, process, parents))


def _descends(one: int, ancestor: int, parents: dict[int, int]) -> bool:
    while one and one != ancestor:
        one = parents.get(one, 0)
    return one == ancestor


def memory_mib(process: int) -> float:
    """Resident memory of a process and its descendants, shared pages counted once for each (an upper bound)."""
    page = os.sysconf("SC_PAGE_SIZE")
    pids = [process, *_children(process)]
    total = 0
    for one in pids:
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * page
    return total / 2**20


def _children(process: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *_children(child)]
    return found


def described(postgres: str) -> list[str]:
    """What a reader must know to compare figures, one fact a line. No name of a machine."""
    return [
        f"{_processor()}, {len(ALL_CORES)} cores, load average at the start {os.getloadavg()[0]:.1f}",
        f"Python {sys.version.split()[0]}, Django {version('django')}, Granian {version('granian')}, "
        f"PyNaCl {version('pynacl')}, psycopg {version('psycopg')}, {postgres}",
    ]


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
