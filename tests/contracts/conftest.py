"""Certificates of a CA made for this run, the servers under test, and providers to them."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from massar.domain.delivery.provider import OutboundMessage, Provider, ProviderOptions, Receipt, Result
from massar.providers import http_client, oauth_token
from massar.providers.registry import provider_from_table
from massar.providers.smpp.provider import SmppProvider
from massar.providers.smtp import provider as smtp_provider
from tests.support.waits import until

from .http_rig import Gateway
from .smpp_rig import PASSWORD, SYSTEM_ID, Smsc
from .smtp_rig import MailServer, Script, TokenServer

TEN_MINUTES = timedelta(minutes=10)
BASE = "https://compte.example.ma"
SMS = OutboundMessage("Zk3_x-1", "sms", "+212661000222", "fr", "", "Massar: kdmwt-47392")
LETTER = OutboundMessage("first", "email", "khadija@example.org", "fr", "Bonjour", "Bonjour\n")


def send(provider: Provider, message: OutboundMessage | None = None, valid_for: timedelta = TEN_MINUTES) -> Result:
    """A message of the provider's channel, or that one."""
    return provider.send(message or (SMS if provider.channel == "sms" else LETTER), valid_for=valid_for)


def at_once(work: Callable[[int], object], count: int) -> list:
    """What so many threads get from it, in the order in which they end."""
    results: list = []
    threads = [threading.Thread(target=lambda n=n: results.append(work(n))) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return results


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="session")
def server_tls(authority) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def other_name_tls(authority) -> ssl.SSLContext:
    """Signed by the right authority, for another host."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("elsewhere.test").configure_cert(context)
    return context


# For tests in which the far end is silent. Long enough that a busy machine gets through what comes before.
HASTY = {"answer_timeout": 0.5, "total_timeout": 1.2}


@pytest.fixture
def options(ca_file) -> Callable[..., ProviderOptions]:
    patient = {"connect_timeout": 5.0, "answer_timeout": 5.0, "total_timeout": 10.0}
    return lambda **changes: ProviderOptions(
        **{"sender": "massar@example.ma", "ca_file": ca_file, **patient, **changes}
    )


class Moment:
    """The monotonic clock, put on by `later` seconds."""

    later = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.later


@pytest.fixture
def moment(monkeypatch) -> Moment:
    """What providers over HTTP and mail read from the monotonic clock."""
    clock = Moment()
    for module in (http_client, oauth_token, smtp_provider):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def started(servers) -> Callable:
    """A server of the rig until the test ends, with these attributes set."""

    def start(server, **attributes):
        servers.callback(server.stop)
        for name, value in attributes.items():
            setattr(server, name, value)
        return server

    return start


@pytest.fixture
def mail_server(started) -> Callable[..., MailServer]:
    def make(*, tls=None, starttls=None, auth=False, **attributes) -> MailServer:
        return started(MailServer(tls=tls, starttls=starttls, auth=auth).start(), **attributes)

    return make


@pytest.fixture
def token_server(started) -> Callable[..., TokenServer]:
    return lambda *ways, starttls=None, **attributes: started(
        TokenServer(*ways, starttls=starttls).start(), **attributes
    )


@pytest.fixture
def tokens(gateway) -> Gateway:
    """A token endpoint; its answer is token~1 until it is told another."""
    return gateway(keeps=True, answer={"access_token": "token~1", "token_type": "Bearer", "expires_in": "3600"})


@pytest.fixture
def script(started) -> Callable[..., Script]:
    return lambda *lines: started(Script(*lines))


@pytest.fixture
def gateway(started) -> Callable[..., Gateway]:
    return lambda tls=None, *, keeps=False, **attributes: started(Gateway(tls, keeps=keeps), **attributes)


@pytest.fixture
def smsc(started) -> Callable[..., Smsc]:
    return lambda tls=None, **attributes: started(Smsc(tls), **attributes)


@pytest.fixture
def relay(servers, ca_file) -> Callable[..., Provider]:
    """A mail provider to a server of the rig, or to that port; `scheme`: smtp, smtp+starttls or smtps."""

    def make(server, scheme: str = "smtp", *, name: str = "relay", **changes) -> Provider:
        table = {
            "kind": "smtp", "host": "localhost", "port": getattr(server, "port", server), "ca_file": str(ca_file),
            "security": {"smtp": "plain", "smtps": "tls"}.get(scheme, "starttls"), "sender": "massar@example.ma",
            "answer_timeout": 5.0, "total_timeout": 10.0, **changes,
        }  # fmt: skip
        made = provider_from_table(table, name=name)
        servers.callback(made.close)
        return made

    return make


def to_gateway(server, *, name: str = "gateway", **changes) -> Provider:
    """An SMS provider to a gateway of the rig; None takes a setting out."""
    table = {
        "kind": "http", "url": f"http://localhost:{server.port}/send", "json": {"to": "{to}", "text": "{text}"},
        "answer_timeout": 5, "total_timeout": 10, **changes,
    }  # fmt: skip
    given = {name: value for name, value in table.items() if value is not None}
    return provider_from_table(given, name=name, receipts_base=BASE)


class Sink:
    """Where receipts go. `stored`: what came. `mood`: empty, `fails`, `raises`, `never`."""

    def __init__(self):
        self.stored: list[Receipt] = []
        self.mood = ""

    def __call__(self, receipt: Receipt) -> "Future[None]":
        if self.mood == "raises":
            raise OSError("the database is gone")
        future: Future[None] = Future()
        if self.mood == "fails":
            future.set_exception(OSError("the database is gone"))
        elif self.mood != "never":
            self.stored.append(receipt)
            future.set_result(None)
        return future


@pytest.fixture
def sink() -> Sink:
    return Sink()


def smpp_table(server: Smsc | int, **changes) -> dict:
    port = server if isinstance(server, int) else server.port
    return {
        "kind": "smpp", "host": "127.0.0.1", "port": port, "system_id": SYSTEM_ID, "password": PASSWORD, "tls": "off",
        "rate": 100_000.0, "answer_timeout": 5.0, "reconnect_first": 0.02, "reconnect_most": 0.1, **changes,
    }  # fmt: skip


@pytest.fixture
def smpp(servers, sink, ca_file) -> Callable[..., SmppProvider]:
    """An open provider to an SMSC of the rig; `bound`: wait until it is."""

    def make(server: Smsc | int, *, bound: bool = True, slots=None, **changes) -> SmppProvider:
        table = smpp_table(server, **({"ca_file": str(ca_file)} if changes.get("tls") == "on" else {}), **changes)
        provider = provider_from_table(table, name="smpp-test", slots=slots)
        servers.callback(provider.close)
        provider.open(sink)
        if bound:
            until(provider.room)
        return provider

    return make
