"""Letters a second over kept connections and over a new one for each, against aiosmtpd in a process of its own.

    python -m bench.mail PORT [CERTIFICATE]         (that process)

Rounds of all ways are interleaved; the medians are told.
"""

import asyncio
import itertools
import logging
import signal
import ssl
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from statistics import median
from unittest.mock import patch

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from bench import report
from bench.place import OURS
from massar.domain.delivery.provider import Accepted, OutboundMessage, ProviderOptions
from massar.providers.registry import provider_from_url
from massar.providers.smtp import connection
from tests.servers.machine import running
from tests.support.postgres import free_port

USER, PASSWORD = "massar", "a-password-of-the-bench"
SENDERS = (1, 4)
WAYS = {"in the clear": "smtp", "STARTTLS and sign-in": "smtp+starttls"}
VALID = timedelta(minutes=10)


def table(letters: int, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder, authority = Path(name), trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        ports = {"smtp": free_port(), "smtp+starttls": free_port()}
        clear, secure = ([sys.executable, "-m", "bench.mail", str(port)] for port in ports.values())
        secure.append(str(folder / "server.pem"))
        cells: dict[tuple[str, int, bool], list[float]] = {}
        with (
            running(clear, folder=folder, ports=(ports["smtp"],), environment=OURS),
            running(secure, folder=folder, ports=(ports["smtp+starttls"],), environment=OURS),
        ):
            for _, way, senders, kept in itertools.product(range(rounds), WAYS, SENDERS, (False, True)):
                rate = letters_a_second(WAYS[way], ports[WAYS[way]], folder, senders, kept, letters)
                cells.setdefault((way, senders, kept), []).append(rate)
    rows = [
        [
            f"{way}, {senders} sender{'s' if senders > 1 else ''}",
            *(report.per_second(median(cells[way, senders, kept])) for kept in (False, True)),
        ]
        for way, senders in itertools.product(WAYS, SENDERS)
    ]
    return report.table("Letters a second, by SMTP", ["", "a new connection each", "kept"], rows)


def letters_a_second(kind: str, port: int, folder: Path, senders: int, kept: bool, letters: int) -> float:
    """With `kept` off, a connection is renewed after every letter."""
    login = f"{USER}:{PASSWORD}@" if kind != "smtp" else ""
    options = ProviderOptions(sender="massar@example.ma", ca_file=folder / "ca.pem")
    provider = provider_from_url(f"{kind}://{login}localhost:{port}?connections={senders}", options)
    share = letters // senders

    def work(first: int) -> None:
        for number in range(first, first + share):
            result = provider.send(letter(number), valid_for=VALID)
            assert isinstance(result, Accepted), result

    with patch.object(connection, "MOST_MESSAGES", 100 if kept else 1):
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
    id, to, text = f"bench-{number}", f"p{number}@example.org", "السلام عليكم\n\nkdmwt-47392\n\nصالحة إلى غاية 14:35.\n"
    return OutboundMessage(id, "email", to, "ar", "مسار", text, f"<p dir=rtl>{text}</p>")


# -- the far end


class Keeper:
    """Takes everything and keeps nothing."""

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:
        return "250 2.0.0 OK"


def judge(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()))


async def serve(port: int, certificate: str = "") -> None:
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # it warns of its own future at every sign-in
    secure = bool(certificate)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if secure else None
    if tls:
        tls.load_cert_chain(certificate)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    def conversation() -> SMTP:
        return SMTP(
            Keeper(), hostname="bench.test", loop=loop,
            tls_context=tls, require_starttls=secure, auth_required=secure, authenticator=judge if secure else None,
        )  # fmt: skip

    server = await loop.create_server(conversation, "127.0.0.1", port)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), *sys.argv[2:]))
