"""Sockets of the providers: opening them, verifying who is there, and making sure that a conversation ends."""

import socket
import ssl
import time
from pathlib import Path
from typing import Any

from massar.domain.delivery.provider import ProviderSettingError

TOO_LONG = "the conversation took too long"


class TimedSocket(socket.socket):
    """A socket whose reads and writes all end at one moment. A socket's own timeout starts anew with every byte, so a
    server that drips would hold a worker for hours."""

    _ends: float | None = None
    _patience = 0.0

    def limit(self, ends: float | None, patience: float = 0.0) -> None:
        """Let reads and writes take `patience` seconds each, and none last beyond the monotonic moment `ends`. Without
        it the socket's own timeout counts again."""
        self._ends, self._patience = ends, patience

    def _apply(self) -> None:
        if self._ends is not None:
            left = self._ends - time.monotonic()
            if left <= 0:
                raise TimeoutError(TOO_LONG)
            self.settimeout(min(left, self._patience))

    def recv_into(self, *args: Any, **options: Any) -> int:
        self._apply()
        return super().recv_into(*args, **options)

    def send(self, *args: Any) -> int:
        self._apply()
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        self._apply()
        return super().sendall(*args)


class _TimedTlsSocket(TimedSocket, ssl.SSLSocket):
    """What a TLS context makes of a TimedSocket. Its limit is set anew after the handshake."""


def connect(host: str, port: int, timeout: float) -> TimedSocket:
    """Open a TCP connection within `timeout` seconds, for each of two addresses. Raises OSError: none answered."""
    firsts: dict[int, tuple[Any, ...]] = {}  # of each family, so that a dead IPv6 route hides no living IPv4 one
    for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        firsts.setdefault(entry[0], entry)
    problem: OSError = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in firsts.values():
        opened = TimedSocket(family, kind, protocol)
        opened.settimeout(timeout)
        try:
            opened.connect(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return opened
        except OSError as refused:
            problem = refused
            opened.close()
    raise problem


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that verifies certificate and host name, TLS 1.2 or later; `ca_file` replaces the system's authorities.
    Raises ProviderSettingError with the rest of a sentence."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as problem:
        raise ProviderSettingError(f"names {ca_file}, which can't be read as PEM certificates") from problem
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TimedTlsSocket
    return context


def describe(problem: BaseException) -> str:
    """A short reason for audit and log: kind and cause, never what was being sent nor to whom."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"the certificate was not accepted ({problem.verify_message})"
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return type(problem).__name__
