"""The way to a receiver of syslog, over real sockets; and the messages, read by RFC 5424's own grammar."""

import contextlib
import re
import socket
import ssl
import threading
from datetime import UTC, datetime

import pytest

from massar.core.audit.api import export, verifier
from massar.providers.syslog import LARGEST_DATAGRAM, SyslogReceiver, _has_ended
from tests.support.waits import until

# RFC 5424 §6: PRI VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG
SD_NAME = r"[!#-<>-\\^-~]{1,32}"
GRAMMAR = re.compile(
    r"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) ([!-~]{1,255}) ([!-~]{1,48}) "
    rf'([!-~]{{1,128}}) ([!-~]{{1,32}}) (-|(?:\[{SD_NAME}(?: {SD_NAME}="(?:\\["\\\]]|[^"\\\]])*")*\])+) (.*)',
    re.DOTALL,
)
PARAM = re.compile(rf'({SD_NAME})="((?:\\["\\\]]|[^"\\\]])*)"')


class Listener:
    """Takes connections one after the other, and keeps what came in each; `serves`: bytes after which it hangs up."""

    def __init__(self, context: ssl.SSLContext | None = None, serves: int = 0, port: int = 0):
        self.taken: list[bytes] = []
        self._context, self._serves = context, serves
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(line, server_side=True) if self._context else line as line:
                    self.taken.append(b"")
                    while piece := line.recv(65536):
                        self.taken[-1] += piece
                        if self._serves and len(self.taken[-1]) >= self._serves:
                            break
            except OSError:
                continue

    def frames(self) -> list[bytes]:
        """Messages by octet counting (RFC 6587 §3.4.1), of all connections."""
        found, rest = [], b"".join(self.taken)
        while rest:
            length, _, rest = rest.partition(b" ")
            found.append(rest[: int(length)])
            rest = rest[int(length) :]
        return found

    def stop(self) -> None:
        with contextlib.suppress(OSError):  # it is stopped already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def listen():
    made = []

    def start(**options) -> Listener:
        made.append(Listener(**options))
        return made[-1]

    yield start
    for one in made:
        one.stop()


def test_tcp_counts_octets_and_keeps_its_connection(listen):
    listener = listen()
    receiver = SyslogReceiver(f"tcp://127.0.0.1:{listener.port}")
    sent = ["été · سجل".encode() + b"\nsecond line", b"x" * 100_000, b"third"]
    receiver.send(sent[:2])
    receiver.send(sent[2:])
    until(lambda: listener.frames() == sent)
    assert len(listener.taken) == 1
    receiver.close()


def test_tls_is_verified_by_name_and_authority(listen, authority, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    listener = listen(context=context)
    receiver = SyslogReceiver(f"tls://localhost:{listener.port}", tmp_path / "ca.pem")
    receiver.send([b"one"])
    receiver.send([b"two"])
    until(lambda: listener.frames() == [b"one", b"two"])
    receiver.close()
    for url, ca_file in (
        (f"tls://localhost:{listener.port}", None),
        (f"tls://127.0.0.1:{listener.port}", tmp_path / "ca.pem"),
    ):
        with pytest.raises(ssl.SSLCertVerificationError):
            SyslogReceiver(url, ca_file).send([b"never"])


def test_a_receiver_that_hangs_up_is_seen_and_connected_to_again(listen):
    listener = listen(serves=1)
    receiver = SyslogReceiver(f"tcp://127.0.0.1:{listener.port}")
    for number in (1, 2, 3):
        with contextlib.suppress(ConnectionError):  # it is seen at once, or before the next message
            receiver.send([b"m%d" % number])
        until(lambda: receiver._line is None or _has_ended(receiver._line))
    until(lambda: listener.frames() == [b"m1", b"m2", b"m3"])
    listener.stop()
    receiver.close()
    with pytest.raises(ConnectionRefusedError):
        receiver.send([b"nobody"])


def test_udp_sends_one_datagram_each_and_none_too_large():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(10)
        receiver = SyslogReceiver(f"udp://127.0.0.1:{far.getsockname()[1]}")
        receiver.send([b"one", b"x" * 9000])
        assert far.recv(65536) == b"one" and len(far.recv(65536)) == LARGEST_DATAGRAM
        receiver.close()


HOSTILE = 'quote " slash \\ bracket ] [x] line\r\nend\u2028 bidi \u202e\u2066 nul\x00 bell\x07 سجل'


def placed(**changed) -> export.Exported:
    row = verifier.Row(
        7, "uid", 1_700_000_000_123_456, "sign_in", "password", 5, None, "203.0.113.0/24", "Chrome · Android", "", "s"
    )
    return export.Exported("db", 12, "kept-2026-02", row._replace(**changed), b"h" * 32, b"p" * 32)


def test_a_message_is_as_the_rfc_says():
    found = GRAMMAR.fullmatch(export.as_syslog(placed(), "compte.example.ma").decode())
    priority, at, host, app, process, kind, data, said = found.groups()
    assert (priority, at, host, app, process) == (
        "110",
        "2023-11-14T22:13:20.123456Z",
        "compte.example.ma",
        "massar",
        "-",
    )
    assert (kind, said) == ("sign_in", "sign_in password") and data.startswith("[massarAudit@32473 ")
    assert dict(PARAM.findall(data)) == {
        "seq": "12", "segment": "kept-2026-02", "uid": "uid", "event": "sign_in", "outcome": "password", "person": "5",
        "network": "203.0.113.0/24", "browser": "Chrome · Android", "signature": "s", "hash": (b"h" * 32).hex(),
    }  # fmt: skip
    assert export.as_syslog(placed()._replace(segment="refused-2026-02"), "").startswith(b"<109>1 2023")


@pytest.mark.parametrize("column", ["outcome", "browser", "network", "detail", "event"])
def test_atk_145_nothing_in_a_row_breaks_out_of_its_line(column):
    """ATK-145 (LOG-04): quotes, brackets, line ends, control and bidi marks, in every column; in both formats."""
    one = placed(**{column: HOSTILE})
    text = export.as_syslog(one, "host with spaces\n").decode()
    found = GRAMMAR.fullmatch(text)
    assert found and not re.search("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)
    assert "\\u202e" in text and "\\u000a" in text and "سجل" in text
    line = export.as_json(one)
    assert line.isascii() and line.isprintable() and HOSTILE[:5] in line


def test_details_are_named_facts():
    told = export.as_syslog(placed(detail='{"a b=\\"]": "x", "site": "haraka"}'), "h").decode()
    assert ' detail_a_b___="x" detail_site="haraka"' in told and GRAMMAR.fullmatch(told)


def test_a_long_message_stays_below_what_receivers_take():
    longest = dict.fromkeys(("event", "outcome", "network", "browser"), "é" * 60)
    assert len(export.as_syslog(placed(**longest, detail='{"a": "%s"}' % ("x" * 5000)), "h" * 300)) < 3000


def test_a_checkpoint_is_the_text_of_a_message():
    line = '{"at":"2026-02-15T01:56:10+00:00","signature":"x"}'
    found = GRAMMAR.fullmatch(
        export.checkpoint_as_syslog(line, datetime(2026, 2, 15, tzinfo=UTC).isoformat(), "h").decode()
    )
    assert found[6] == "checkpoint" and found[8] == line and found[7] == "-"
