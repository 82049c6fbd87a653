"""`massar` as an operator runs it: processes of its own in a folder of its own."""

import argparse
import contextlib
import functools
import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from massar.interfaces.commands import main
from tests.support.starter import Starter

COMMANDS = tuple(next(a for a in main.build_parser()._actions if isinstance(a, argparse._SubParsersAction)).choices)
SOURCE = Path(__file__).resolve().parents[2] / "src"
IN_ONE_SENTENCE = re.compile(r"[A-Z].{20,}\.\n")
ONE_AFTER_THE_OTHER = """
import contextlib, io, json, sys
from massar.interfaces.commands.main import main
for words, typed in json.load(sys.stdin):
    sys.stdin = io.StringIO(typed)
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


@contextlib.contextmanager
def running(*words: str, folder: Path, environ: dict[str, str], **how: object) -> Iterator[subprocess.Popen]:
    """`massar` with these words while the block runs; then it is told to end, if it has not ended by itself."""
    command = [sys.executable, "-m", "massar", *words]
    process = subprocess.Popen(command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, text=True, **how)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def is_served(port: int, host: str = "127.0.0.1", path: str = "/healthz") -> bool:
    """Whether `massar serve` answers there by now, and has nothing to complain of."""
    line = http.client.HTTPConnection(host, port, timeout=60)
    with contextlib.closing(line), contextlib.suppress(OSError, http.client.HTTPException):
        line.request("GET", path, headers={"Host": "localhost"})
        return line.getresponse().status == 200
    return False


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def _environ() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MASSAR_", "DJANGO_", "PYTEST_", "COV_"))}
    return {**kept, "PYTHONPATH": str(SOURCE)}


@functools.cache
def _starter() -> Starter:
    return Starter(_environ())


class Installation:
    """A folder with a database of its own, and `massar` run in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environ = {
            **_environ(), "MASSAR_MODE": "test", "MASSAR_VAR": str(folder / "var"),
            "MASSAR_DATABASE_URL": f"sqlite:///{folder}/massar.sqlite3", "MASSAR_ARGON2": "256,1",
        }  # fmt: skip

    def massar(self, *words: str, stdin: str = "", **changed: str | None) -> Done:
        """Run one command as a process (starter.py). A setting changed to None is taken away."""
        return self._run(["-m", "massar", *words], stdin, changed)

    def each(self, *commands: tuple[str, ...], stdin: str = "", **changed: str | None) -> list[Done]:
        """Run commands one after the other in one process: starting one costs most. Each reads the same input."""
        asked = json.dumps([(words, stdin) for words in commands])
        done = self._run(["-c", ONE_AFTER_THE_OTHER], asked, changed)
        assert done.returncode == 0, done.stderr
        return [Done(*json.loads(line)) for line in done.stdout.splitlines()]

    def _run(self, arguments: list[str], stdin: str, changed: dict[str, str | None]) -> Done:
        environ = {k: v for k, v in {**self.environ, **changed}.items() if v is not None}
        if (ready := _starter()).can_start(environ):
            return Done(*ready.run(arguments, self.folder, environ, stdin))
        how = {"cwd": self.folder, "env": environ, "input": stdin, "timeout": 120}
        ended = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, **how)
        return Done(ended.returncode, ended.stdout, ended.stderr)


def refused_in_one_sentence(done: Done, *told: str) -> None:
    """It did not go on, printed nothing but one sentence, and that holds these words."""
    assert done.returncode != 0 and done.stdout == ""
    assert IN_ONE_SENTENCE.fullmatch(done.stderr) and all(one in done.stderr for one in told), done.stderr
