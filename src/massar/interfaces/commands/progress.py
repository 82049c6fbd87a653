"""How far a long command is: a bar on a terminal, a line now and then elsewhere, with the rate and when it ends."""

import sys
import time
from typing import TextIO

WIDTH = 30
ON_TERMINAL, ELSEWHERE = 0.2, 10.0  # seconds between two


class CommandProgress:
    """Counts up to `total`. It writes to standard error: standard output may be a file."""

    def __init__(self, total: int, unit: str, stream: TextIO | None = None):
        self.total, self.unit, self.done = total, unit, 0
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.began = time.monotonic()
        self.shown = self.began

    def add(self, number: int) -> None:
        self.done += number
        now = time.monotonic()
        if now - self.shown >= (ON_TERMINAL if self.live else ELSEWHERE):
            self.shown = now
            self._write(now)

    def end(self) -> float:
        """Write the last state and return how many there were in a second."""
        now = time.monotonic()
        self._write(now)
        if self.live:
            self.stream.write("\n")
        return self.done / max(now - self.began, 1e-9)

    def line(self, seconds: float) -> str:
        share = self.done / self.total if self.total else 1.0
        rate = self.done / max(seconds, 1e-9)
        left = (self.total - self.done) / rate if rate else 0
        bar = "█" * int(WIDTH * share) + "░" * (WIDTH - int(WIDTH * share))
        return f"{bar} {share:4.0%}  {self.done:,} of {self.total:,} {self.unit}  {rate:,.0f}/s  {_clock(left)} left"

    def _write(self, now: float) -> None:
        line = self.line(now - self.began)
        self.stream.write(f"\r{line}\033[K" if self.live else f"{line}\n")
        self.stream.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
