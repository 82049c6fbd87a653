"""Letters a second over kept connections and over a new one for each, against aiosmtpd in a process of its own.

    PYTHONPATH=src:. python -m bench.mail [--letters N] [--rounds R]

Rounds of all ways are interleaved; the medians are told.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median
from unittest.mock import patch

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from bench import report
from massar.domain.delivery.provider import Accepted, OutboundMessage, ProviderOptions
from massar.providers.registry import provider_from_url
from massar.providers.smtp import connection
from tests.support.postgres import free_port

USER, PASSWORD = "massar", "a-password-of-the-bench"
SENDERS = (1, 4)
WAYS = {"in the clear": "smtp", "STARTTLS and sign-in": "smtp+starttls"}
VALID = timedelta(minutes=10)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--letters", type=int, default=400, help="letters of each round (default 400)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", nargs=2, metavar=("PORT", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve(int(asked.serve[0]), Path(asked.serve[1])))
        return 0
    print(measured(asked.letters, asked.rounds))
    return 0


def measured(letters: int, rounds: int) -> str:
    """The table, as Markdown."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        cells: dict[tuple[str, int, bool], list[float]] = {}
        with receiving("clear", folder) as clear, receiving("tls", folder) as secure:
            ports = {"smtp": clear, "smtp+starttls": secure}
            for _ in range(rounds):
                for way, kind in WAYS.items():
                    for senders in SENDERS:
                        for kept in (False, True):
                            rate = letters_a_second(kind, ports[kind], folder, senders, kept, letters)
                            cells.setdefault((way, senders, kept), []).append(rate)
    rows = [
        [f"{way}, {senders} sender{'s' if senders > 1 else ''}", *(told(cells[way, senders, k]) for k in (False, True))]
        for way in WAYS
        for senders in SENDERS
    ]
    return report.table("Letters a second, by SMTP", ["", "a new connection each", "kept"], rows)


def told(rates: list[float]) -> str:
    return report.per_second(median(rates))


def letters_a_second(kind: str, port: int, folder: Path, senders: int, kept: bool, letters: int) -> float:
    """With `kept` off, a connection is renewed after every letter, as it was before."""
    login = f"{USER}:{PASSWORD}@" if kind != "smtp" else ""
    options = ProviderOptions(sender="massar@example.ma", ca_file=folder / "ca.pem", connections=senders)
    provider = provider_from_url(f"{kind}://{login}localhost:{port}", options)
    share = letters // senders

    def work(first: int) -> None:
        for number in range(first, first + share):
            result = provider.send(letter(number), valid_for=VALID)
            assert isinstance(result, Accepted), result

    with patch.object(connection, "MOST_LETTERS", 100 if kept else 1):
        threads = [threading.Thread(target=work, args=(n * share,)) for n in range(senders)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - begun
    provider.close()
    return share * senders / taken


def letter(number: int) -> OutboundMessage:
    text = "السلام عليكم\n\nkdmwt-47392\n\nصالحة إلى غاية 14:35.\n"
    return OutboundMessage(
        f"bench-{number}", "email", f"p{number}@example.org", "ar", "مسار", text, f"<p dir=rtl>{text}</p>"
    )


# -- the far end


@contextlib.contextmanager
def receiving(way: str, folder: Path) -> Iterator[int]:
    """A mail server in a process of its own until the block is left; its port."""
    port = free_port()
    certificate = str(folder / ("server.pem" if way == "tls" else "-"))
    process = subprocess.Popen([sys.executable, "-m", "bench.mail", "--serve", str(port), certificate])
    try:
        deadline = time.monotonic() + 20
        options = ProviderOptions(sender="massar@example.ma", connect_timeout=1)
        probe = provider_from_url(f"smtp://localhost:{port}", options)
        while probe.check() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(10)


class Keeper:
    """Takes everything and keeps nothing."""

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:
        return "250 2.0.0 OK"


def judge(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()))


async def serve(port: int, certificate: Path) -> None:
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # it warns of its own future at every sign-in
    tls = None
    if certificate.is_file():
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    def conversation() -> SMTP:
        secure = tls is not None
        return SMTP(
            Keeper(), hostname="bench.test", loop=loop,
            tls_context=tls, require_starttls=secure, auth_required=secure, authenticator=judge if secure else None,
        )  # fmt: skip

    server = await loop.create_server(conversation, "127.0.0.1", port)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    sys.exit(main())
