"""Certificates of a CA made for this run, and the servers under test."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from massar.domain.delivery.carriers.base import CarrierOptions

from .http_rig import Gateway
from .smtp_rig import MailServer, Script


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
HASTY = {"answer_timeout": 0.8, "total_timeout": 1.2}


@pytest.fixture
def options(ca_file) -> Callable[..., CarrierOptions]:
    def make(**changes) -> CarrierOptions:
        settled = {
            "sender": "massar@example.ma",
            "ca_file": ca_file,
            "connect_timeout": 5.0,
            "answer_timeout": 5.0,
            "total_timeout": 10.0,
        }
        return CarrierOptions(**{**settled, **changes})

    return make


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
