"""The way to a receiver of syslog: UDP (RFC 5426), TCP with octet counting (RFC 6587 §3.4.1), TLS (RFC 5425).

Syslog knows no answer. Over TCP what counts as sent is what the other machine's kernel has taken, from a connection
that still stands; what its program then loses nobody here can see. Over UDP nothing is known at all."""

import array
import fcntl
import select
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from massar.providers import connect

PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
PATIENCE = 10.0  # seconds for the handshake, for each write, and until all is taken
LARGEST_DATAGRAM = 2048  # bytes that every receiver should take (RFC 5424 §6.1)
_SIOCOUTQ = 0x5411  # Linux, tcp(7): bytes that the other side has not acknowledged yet


class SyslogReceiver:
    """One receiver, and the connection to it while it stands."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        parts = urlsplit(url)
        self.kind, self.host = parts.scheme, parts.hostname or ""
        self.port = parts.port or PORTS[self.kind]
        self._ca_file = ca_file
        self._line: socket.socket | None = None

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages in order. Raises OSError: some may have arrived, so all are sent again."""
        try:
            line = self._alive()
            if self.kind == "udp":
                for one in messages:
                    line.send(one[:LARGEST_DATAGRAM])
                return
            line.sendall(b"".join(b"%d %s" % (len(one), one) for one in messages))
            self._wait_until_taken(line)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _alive(self) -> socket.socket:
        """A connection that the other side has closed looks well until it is written to."""
        if self._line is not None and self.kind != "udp" and _has_ended(self._line):
            self.close()
        if self._line is None:
            self._line = self._open()
        return self._line

    def _open(self) -> socket.socket:
        if self.kind == "udp":
            family, kind, protocol, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
            datagrams = socket.socket(family, kind, protocol)
            datagrams.connect(address)
            return datagrams
        line: socket.socket = connect.connect(self.host, self.port, PATIENCE)
        if self.kind == "tls":
            try:
                line = connect.tls_context(self._ca_file).wrap_socket(line, server_hostname=self.host)
            except BaseException:
                line.close()
                raise
        return line

    def _wait_until_taken(self, line: socket.socket) -> None:
        until = time.monotonic() + PATIENCE
        while _unacknowledged(line):
            if _has_ended(line):
                raise ConnectionError("the receiver has closed the connection")
            if time.monotonic() > until:
                raise TimeoutError(connect.TOO_LONG)
            time.sleep(0.005)
        if _has_ended(line):
            raise ConnectionError("the receiver has closed the connection")


def _has_ended(line: socket.socket) -> bool:
    """A receiver says nothing: what comes is the end, or of TLS a ticket, which the next read takes in."""
    looking = select.poll()
    looking.register(line.fileno(), select.POLLIN)
    if not looking.poll(0):
        return False
    line.settimeout(0.0)
    try:
        return line.recv(1024) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        line.settimeout(PATIENCE)


def _unacknowledged(line: socket.socket) -> int:
    found = array.array("i", [0])
    try:
        fcntl.ioctl(line.fileno(), _SIOCOUTQ, found)
    except OSError:  # no Linux
        return 0
    return found[0]
