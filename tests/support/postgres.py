"""A PostgreSQL server that lives as long as one test run, in a folder of its own, on a free loopback port."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import trustme

USER = "massar"
START_SECONDS = 60
STOP_SECONDS = 20

# Nothing of this server outlives the run, so nothing has to reach the disk.
FAST_AND_FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300")


class PostgresDidNotStart(Exception):
    """The server could not be made or did not answer; the message carries the end of its log."""


@contextlib.contextmanager
def throwaway_postgres(programs: Path, options: tuple[str, ...] = FAST_AND_FORGETFUL) -> Iterator[str]:
    """Start a server from the folder `programs`; yields its address, `postgres://user:password@127.0.0.1:port/db`.

    The server is ended and its folder removed when the block is left, however it is left.
    """
    with server_to_restart(programs, options) as server:
        yield server.address


class Server:
    """A server that a test may stop and start again; its data stay."""

    def __init__(self, programs: Path, folder: Path, options: tuple[str, ...]):
        self.programs, self.folder, self._port = programs, folder, free_port()
        self._options = [part for setting in options for part in ("-c", setting)]
        # Without a person's own PG… settings, and with messages that the log reader below understands.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self._how = {"cwd": folder, "env": {**kept, "LC_ALL": "C"}, **_owner(folder)}
        self._process: subprocess.Popen | None = None
        password = secrets.token_hex(16)
        self._make_cluster(password)
        self.address = f"postgres://{USER}:{password}@127.0.0.1:{self._port}/postgres"

    def _make_cluster(self, password: str) -> None:
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        if "user" in self._how:
            os.chown(secret, self._how["user"], self._how["group"])
        command = [
            self.programs / "initdb", "--pgdata", self.folder / "data", "--username", USER, "--pwfile", secret,
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, **self._how)
        secret.unlink()
        if done.returncode:
            raise PostgresDidNotStart(f"initdb failed: {done.stderr.strip()[-600:]}")

    def start(self) -> None:
        """The log says when the server takes connections; an open port alone says too little."""
        if self._process is not None and self._process.poll() is None:
            return
        command = [
            self.programs / "postgres", "-D", self.folder / "data", "-p", str(self._port),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}", *self._options,
        ]  # fmt: skip
        told = self.folder / "log"
        with told.open("wb") as log:
            # A session of its own: Ctrl-C reaches the tests first, and the server is ended after them.
            own = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "start_new_session": True}
            self._process = subprocess.Popen(command, **own, **self._how)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if b"ready to accept connections" in told.read_bytes():
                socket.create_connection(("127.0.0.1", self._port), timeout=5).close()
                return
            time.sleep(0.1)
        raise PostgresDidNotStart(told.read_text(errors="replace")[-600:])

    def stop(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)  # "fast": open connections are cut
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)  # "immediate"
            self._process.wait(STOP_SECONDS)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and statements and says nothing, as on a disk that hangs. Linux."""
        pid = self._process.pid
        all_of_it = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        for one in all_of_it:
            os.kill(one, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in all_of_it:
                os.kill(one, signal.SIGCONT)

    def serve_tls(self, certificate: trustme.LeafCert) -> None:
        """Start it again with this certificate. Whoever asks for no TLS is answered without."""
        pem = self.folder / "server.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(pem)
        pem.chmod(0o600)
        if "user" in self._how:
            os.chown(pem, self._how["user"], self._how["group"])
        for setting in ("ssl=on", f"ssl_cert_file={pem}", f"ssl_key_file={pem}"):
            if setting not in self._options:
                self._options += ["-c", setting]
        self.restart()

    def restart(self) -> None:
        self.stop()
        self.start()


@contextlib.contextmanager
def server_to_restart(programs: Path, options: tuple[str, ...] = FAST_AND_FORGETFUL) -> Iterator[Server]:
    """A server of the test's own, ended and removed when the block is left."""
    folder = Path(tempfile.mkdtemp(prefix="massar-postgres-"))
    server = None
    try:
        server = Server(programs, folder, options)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A loopback TCP port that nobody uses, by chance out of many: stages run side by side.

    None of those that the system lends to outgoing connections: one of them would soon be somebody else's.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _owner(folder: Path) -> dict:
    """How to start a program as the owner of `folder`. PostgreSQL refuses root, so root steps down."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = names.get("postgres") or names["nobody"]
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
