"""What both SMSCs of other people are asked: does their codec read what ours wrote, and ours what theirs writes?"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from massar.domain.delivery.provider import DELIVERED, FAILED, Accepted, OutboundMessage, Receipt, Rejected, Result
from massar.providers.registry import provider_from_table
from massar.providers.smpp.provider import SmppProvider
from tests.contracts.conftest import TEN_MINUTES, Sink
from tests.contracts.smpp_rig import PASSWORD, SYSTEM_ID
from tests.support.waits import until
from tests.support.written import entries

FRENCH = "Massar: mot de passe\nkdmwt-47392\nà 14:35 [é€]"
ARABIC = "مسار: كلمة مرور مؤقتة\nkdmwt-47392 😀"
NUMBER = "+2126610002"


@dataclass
class Far:
    """A running SMSC: where it listens, and the file in which it writes what it reads."""

    port: int
    file: Path
    stack: ExitStack
    sink: Sink = field(default_factory=Sink)

    def open(self, **changes) -> SmppProvider:
        table = {
            "kind": "smpp", "host": "127.0.0.1", "port": self.port, "system_id": SYSTEM_ID, "password": PASSWORD,
            "tls": "off", "rate": 1_000.0, "reconnect_first": 0.05, "reconnect_most": 0.2, **changes,
        }  # fmt: skip
        provider = provider_from_table(table, name="smsc")
        self.stack.callback(provider.close)
        provider.open(self.sink)
        return provider

    def bound(self, **changes) -> SmppProvider:
        provider = self.open(**changes)
        until(provider.room)
        return provider

    def records(self, kind: str) -> list[dict]:
        """Without their moments, which only measurements read."""
        found = (entry for entry in entries(self.file) if kind in entry)
        return [{name: value for name, value in entry.items() if name != "moment"} for entry in found]

    def submits(self) -> list[dict]:
        return [entry["submit"] for entry in self.records("submit")]

    def statuses(self) -> list[int]:
        """Our answers to receipts."""
        return [entry["status"] for entry in self.records("receipt")]


def send(provider: SmppProvider, ending: str = "00", text: str = FRENCH, valid_for: timedelta = TEN_MINUTES) -> Result:
    message = OutboundMessage("Zk3_x-1", "sms", f"{NUMBER}{ending}", "fr", "", text)
    return provider.submit(message, valid_for=valid_for).result(30)


class BothServers:
    """Asked of each server; `far` makes one that is fresh."""

    @pytest.fixture
    def far(self) -> Callable[..., Far]:
        raise NotImplementedError

    def test_a_message_and_its_receipt(self, far):
        provider = (smsc := far()).bound()
        accepted = send(provider)
        assert isinstance(accepted, Accepted) and accepted.receipt
        until(lambda: smsc.sink.stored)
        assert smsc.sink.stored == [Receipt("smsc", accepted.reference, DELIVERED, "DELIVRD", f"{NUMBER}00")]
        until(lambda: smsc.statuses() == [0])
        accepted = send(provider, "11")
        until(lambda: len(smsc.sink.stored) == 2)
        assert smsc.sink.stored[1] == Receipt("smsc", accepted.reference, FAILED, "UNDELIV 011", f"{NUMBER}11")

    def test_two_binds_of_two_kinds(self, far):
        assert isinstance(send((smsc := far()).bound(bind="tx+rx")), Accepted)
        assert smsc.submits()[0]["bind"] == "bind_transmitter"

    @pytest.mark.parametrize(("ending", "result"), [
        ("08", Rejected("smpp 0x08", False)), ("10", Rejected("smpp 0x0a", False, configuration_error=True)),
        ("13", Rejected("smpp 0x0b", True)), ("14", Rejected("smpp 0x14", False, busy=True)),
        ("58", Rejected("smpp 0x58", False, busy=True)),
    ])  # fmt: skip
    def test_a_refusal(self, far, ending, result):
        assert send(far().bound(), ending) == result

    def test_check_finds_it_healthy_a_wrong_password_or_a_wrong_name(self, far):
        smsc = far()
        assert smsc.open().check() == [] and smsc.submits() == []
        (sentence,) = smsc.open(password="wrong").check()
        assert "refuses us: smpp 0x0e at bind" in sentence
        provider = smsc.open(system_id="nobody")
        until(lambda: isinstance(send(provider), Rejected))
        assert send(provider) == Rejected("smpp 0x0f at bind", False, configuration_error=True)

    def test_a_receipt_that_comes_twice_and_one_that_can_not_be_stored_comes_again(self, far):
        smsc = far()
        send(smsc.bound(), "41")
        until(lambda: len(smsc.sink.stored) == 2)
        assert smsc.sink.stored[0] == smsc.sink.stored[1]
        smsc = far()
        smsc.sink.mood = "fails"
        accepted = send(smsc.bound())
        until(lambda: len(smsc.statuses()) >= 2)
        smsc.sink.mood = ""
        until(lambda: smsc.sink.stored)
        assert smsc.sink.stored[0].reference == accepted.reference
        until(lambda: smsc.statuses()[-1] == 0)
        assert set(smsc.statuses()[:-1]) == {0x64}

    def test_a_goodbye_of_theirs(self, far):
        provider = (smsc := far()).bound()
        assert isinstance(send(provider, "61"), Accepted)
        until(lambda: smsc.records("unbound"))
        until(lambda: isinstance(send(provider), Accepted))

    def test_many_at_once_with_their_receipts(self, far):
        provider = (smsc := far()).bound(window=50, rate=100_000.0)
        message = OutboundMessage("m", "sms", f"{NUMBER}00", "fr", "", FRENCH)
        futures = [provider.submit(message, valid_for=TEN_MINUTES) for _ in range(500)]
        references = {future.result(30).reference for future in futures}
        until(lambda: len(smsc.sink.stored) == 500, 30)
        assert len(references) == 500 and {receipt.reference for receipt in smsc.sink.stored} == references
