"""The process that holds the web server's port and starts its workers: Granian, with an end that can be relied on.

Granian alone swallows a SIGTERM that comes while its workers load, and leaves them at the port when it is killed. Here
a worker that is loading ends at once, one that serves is asked until it goes, and whoever loses this process goes too.
The port is taken once, by this process: a second server on it is refused by the system."""

import argparse
import multiprocessing
import os
import signal
import socket
import time
from functools import partial
from importlib import import_module

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.net import SocketHolder

from massar.core import argon2id, processes

BACKLOG = 1024
# Bytes of a request's head, as much as nginx takes: more is refused (431) before any of it is looked at. Granian alone
# takes 400 KiB, and 16 MiB by HTTP/2, where a byte may stand for a cookie: joining them stops the loop for minutes.
LARGEST_HEAD = 32 * 1024
LAST_ANSWERS = 30.0  # seconds for what is being answered when the server is told to stop
ASK_AGAIN = 0.2  # seconds


class WebServer(Granian):  # type: ignore[misc]  # Granian has no types
    """Granian's own server, on a socket that was bound before."""

    def __init__(self, listening: socket.socket, processes: int) -> None:
        super().__init__(  # its threads are those of `interfaces/base/rsgi.py`
            "massar.config.wsgi:server", interface=Interfaces.RSGI, workers=processes, backlog=BACKLOG,
            websockets=False, log_level=LogLevels.error, respawn_failed_workers=True,
            http1_settings=HTTP1Settings(max_buffer_size=LARGEST_HEAD),
            http2_settings=HTTP2Settings(max_headers_size=LARGEST_HEAD),
        )  # fmt: skip
        self._listening = listening
        self._detached = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # by nohup

    def signal_handler_reload(self, *args: object) -> None:
        """The terminal was closed: who served on would hold the port and be forgotten."""
        if not self._detached:
            self.signal_handler_interrupt(*args)

    def _init_shared_socket(self) -> None:
        self._shd, self._sso = SocketHolder(self._listening.fileno(), False, BACKLOG), self._listening

    def _drop_shared_socket(self) -> None:
        self._listening.close()

    def _stop_workers(self) -> None:
        """Asks until they are gone: one whose signal handlers were just being set has not heard."""
        until = time.monotonic() + LAST_ANSWERS
        while alive := [one for one in self.wrks if one.is_alive()]:
            for one in alive:
                one.terminate() if time.monotonic() < until else one.kill()
            alive[0].join(ASK_AGAIN)
        self.wrks.clear()

    def shutdown(self, exit_code: int = 0) -> None:
        try:
            super().shutdown(exit_code)
        except SystemExit:
            if not self.interrupt_signal:  # a terminal, or systemd, tells all of them at once: that is no fault
                raise


def _load(parent: int) -> object:
    """In a worker, first of all: until it serves, a signal ends it, and the parent's end is its own."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_DFL)
    processes.end_with_parent(parent)
    return import_module("massar.config.wsgi").server


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until Granian has a handler of its own
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int)
    parser.add_argument("--processes", type=int)
    parser.add_argument("--argon2")
    options = parser.parse_args()
    argon2id.use(options.argon2)
    multiprocessing.set_start_method("fork")  # the socket is inherited
    server = WebServer(socket.socket(fileno=options.socket), options.processes)
    server.serve(target_loader=partial(_load, os.getpid()), wrap_loader=False)


if __name__ == "__main__":
    main()
