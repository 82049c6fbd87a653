"""Certificates of a CA made for this run, and the servers under test."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from massar.domain.delivery.provider import ProviderOptions, Receipt
from massar.providers import http_client, oauth_token
from massar.providers.registry import SmppProvider
from massar.providers.smpp.provider import from_table as smpp_provider
from massar.providers.smtp import provider as smtp_provider

from .http_rig import Gateway
from .smpp_rig import PASSWORD, SYSTEM_ID, Smsc, until
from .smtp_rig import MailServer, Script, TokenServer


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
    def make(**changes) -> ProviderOptions:
        settled = {
            "sender": "massar@example.ma",
            "ca_file": ca_file,
            "connect_timeout": 5.0,
            "answer_timeout": 5.0,
            "total_timeout": 10.0,
        }
        return ProviderOptions(**{**settled, **changes})

    return make


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
def mail_server(servers) -> Callable[..., MailServer]:
    def make(**settings) -> MailServer:
        server = MailServer(**settings).start()
        servers.callback(server.stop)
        return server

    return make


@pytest.fixture
def token_server(servers) -> Callable[..., TokenServer]:
    def make(*ways, **settings) -> TokenServer:
        server = TokenServer(*ways, **settings).start()
        servers.callback(server.stop)
        return server

    return make


@pytest.fixture
def tokens(gateway) -> Gateway:
    """A token endpoint; its answer is t-1 until it is told another."""
    server = gateway(keeps=True)
    server.answer = {"access_token": "t-1", "token_type": "Bearer", "expires_in": "3600"}
    return server


@pytest.fixture
def script(servers) -> Callable[..., Script]:
    def make(*lines) -> Script:
        played = Script(*lines)
        servers.callback(played.stop)
        return played

    return make


@pytest.fixture
def gateway(servers) -> Callable[..., Gateway]:
    def make(tls=None, *, keeps=False) -> Gateway:
        server = Gateway(tls, keeps=keeps)
        servers.callback(server.stop)
        return server

    return make


@pytest.fixture
def smsc(servers) -> Callable[..., Smsc]:
    def make(tls=None) -> Smsc:
        server = Smsc(tls)
        servers.callback(server.stop)
        return server

    return make


class Sink:
    """Where receipts go. `stored`: what came. `mood`: empty, `fails`, `raises`, `never`; failures count down."""

    def __init__(self):
        self.stored: list[Receipt] = []
        self.mood = ""
        self.threads: set[str] = set()

    def __call__(self, receipt: Receipt) -> "Future[None]":
        self.threads.add(threading.current_thread().name)
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


@pytest.fixture
def smpp(servers, sink, ca_file) -> Callable[..., SmppProvider]:
    """An open provider to an SMSC of the rig; `bound`: wait until it is."""

    def make(server: Smsc | int, *, bound: bool = True, slots=None, **changes) -> SmppProvider:
        settled = {
            "host": "127.0.0.1",
            "port": server if isinstance(server, int) else server.port,
            "system_id": SYSTEM_ID,
            "password": PASSWORD,
            "tls": "off",
            "rate": 100_000.0,
            "answer_timeout": 5.0,
            "reconnect_first": 0.02,
            "reconnect_most": 0.1,
        }
        table = {**settled, **changes}
        if table["tls"] == "on":
            table.setdefault("ca_file", str(ca_file))
        provider = smpp_provider(table, name="smpp-test", slots=slots)
        servers.callback(provider.close)
        provider.open(sink)
        if bound:
            until(provider.room)
        return provider

    return make
