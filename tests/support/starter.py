"""`python -m massar` without a cold start: one process has loaded what no setting changes, and is forked for each.

Loading Python's modules is three quarters of what a command takes. What a fork runs is the program as a shell starts
it: its own folder, environment, standard streams and exit status. What is about the start itself starts cold.
"""

import contextlib
import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds
LOADED = (
    "authlib.oauth2.rfc7636", "cryptography.x509", "django.core.handlers.wsgi", "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base", "django.db.migrations.executor", "fido2.server", "jinja2", "joserfc.jwt",
    "massar.config.environment", "massar.interfaces.commands.main", "massar.providers.registry", "nacl.bindings",
    "phonenumbers", "psycopg_pool", "pyotp", "signxml", "smtplib", "urllib3",
)  # fmt: skip


class Starter:
    """The process that is forked, from the side of the tests. It ends with them."""

    def __init__(self, environ: dict[str, str]):
        self._environ, self._one_at_a_time = environ, threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.starter"], cwd=ROOT, env=environ,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def can_start(self, environ: dict[str, str]) -> bool:
        """Whether it differs in settings of ours alone. Others are read by Python as it starts."""
        kept = self._environ
        differ = {name for name in environ.keys() | kept if environ.get(name) != kept.get(name)}
        return self._process.poll() is None and all(name.startswith("MASSAR_") for name in differ)

    def run(self, arguments: list[str], folder: Path, environ: dict[str, str], stdin: str) -> tuple[int, str, str]:
        """Exit status, standard output and error of `python ARGUMENTS`, which begin with -m or -c."""
        with tempfile.TemporaryDirectory(prefix="massar-started-") as place:
            streams = [Path(place, name) for name in ("in", "out", "err")]
            for file, text in zip(streams, (stdin, "", ""), strict=True):
                file.write_text(text, "utf-8")
            asked = {"arguments": arguments, "folder": str(folder), "environ": environ, "streams": [*map(str, streams)]}
            with self._one_at_a_time:
                code = self._ask(json.dumps(asked))
            return code, *(file.read_text("utf-8") for file in streams[1:])

    def _ask(self, line: str) -> int:
        print(line, file=self._process.stdin, flush=True)
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(line, PATIENCE)
        return int(self._process.stdout.readline())


def main() -> None:
    for name in LOADED:
        import_module(name)
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            become(**asked)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def become(arguments: list[str], folder: str, environ: dict[str, str], streams: list[str]) -> None:
    """This process is that program from now on, and ends with it."""
    for number, file in enumerate(streams):
        opened = os.open(file, os.O_WRONLY if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # the old one has read ahead
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    kind, program, *words = arguments
    sys.argv, sys.path[0] = [program if kind == "-m" else kind, *words], folder
    if kind == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
    sys.exit(0)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
