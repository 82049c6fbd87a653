"""Opening a connection, and making sure that a conversation ends."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_ADDRESSES_TRIED = 2


def dial(host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection to the first or second address of the name, `timeout` seconds each. Raises OSError."""
    problem: OSError = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in _addresses(host, port)[:_ADDRESSES_TRIED]:
        line = socket.socket(family, kind, protocol)
        line.settimeout(timeout)
        try:
            line.connect(address)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return line
        except OSError as refused:
            problem = refused
            line.close()
    raise problem


def _addresses(host: str, port: int) -> list:
    """One address of each family first, so that a dead IPv6 route does not hide a living IPv4 one."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    firsts = {entry[0]: entry for entry in reversed(found)}
    return [entry for entry in found if entry is firsts[entry[0]]] or found


class Curfew:
    """Says afterwards whether the time had run out."""

    def __init__(self):
        self.over = False


@contextmanager
def curfew(line: socket.socket, seconds: float) -> Iterator[Curfew]:
    """Cut `line` after `seconds`, whatever is being done with it.

    A socket's timeout starts anew with every byte, so a server that drips would hold a worker for hours.
    """
    state = Curfew()
    # A second handle on the same connection: wrapping the first in TLS takes its descriptor away.
    handle = socket.socket(fileno=os.dup(line.fileno()))  # `dup` of a socket is not allowed once it speaks TLS
    holding = threading.Lock()  # closing while the timer cuts could hit a descriptor that was given out anew

    def cut() -> None:
        with holding, suppress(OSError):
            state.over = True
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield state
    finally:
        timer.cancel()
        with holding:
            handle.close()
