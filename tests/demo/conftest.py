"""The demo's own receiver, running as the demo runs it: in a process of its own, on real sockets."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from massar.domain.delivery.provider import OutboundMessage, Provider, ProviderOptions, Result
from massar.interfaces.demo.store import Received, Store
from massar.providers.registry import provider_from_url
from tests.support.installation import SOURCE
from tests.support.postgres import free_port

TEN_MINUTES = timedelta(minutes=10)


@dataclass
class Running:
    """A receiver, the providers that reach it and what it keeps."""

    process: subprocess.Popen
    email: Provider
    sms: Provider
    sms_url: str
    store: Store

    def send(self, channel: str, to: str, text: str = "kdmwt-47392", key: str = "k1", **parts) -> Result:
        provider = self.email if channel == "email" else self.sms
        letter = OutboundMessage(key, channel, to, "ar", parts.get("subject", ""), text, parts.get("html"))
        return provider.send(letter, valid_for=TEN_MINUTES)

    def received(self) -> list[Received]:
        return self.store.after(0)


def start(smtp_port: int, sms_port: int, store: Path) -> subprocess.Popen:
    """The receiver's process. Its output is kept for the test."""
    ports = ["--smtp-port", str(smtp_port), "--sms-port", str(sms_port)]
    return subprocess.Popen(
        [sys.executable, "-m", "massar.interfaces.demo.receiver", *ports, "--store", str(store)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def receiver(tmp_path) -> Iterator[Running]:
    smtp_port, sms_port, path = free_port(), free_port(), tmp_path / "deep" / "inbox.sqlite3"
    process = start(smtp_port, sms_port, path)
    options = ProviderOptions(sender="massar@example.ma", connect_timeout=1, answer_timeout=5)
    url = f"http://127.0.0.1:{sms_port}/sms"
    email, sms = provider_from_url(f"smtp://127.0.0.1:{smtp_port}", options), provider_from_url(url, options)
    deadline = time.monotonic() + 10
    while email.check() + sms.check():
        assert process.poll() is None and time.monotonic() < deadline, "the receiver did not start"
        time.sleep(0.05)
    yield Running(process, email, sms, url, Store(path))
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=5)
