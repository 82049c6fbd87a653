"""SMPP against the npm package `smpp`: every behaviour that a polite server can show, and TLS. Others:
tests/contracts/test_smpp.py."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from massar.domain.delivery.provider import FAILED, Accepted, OutboundMessage, OutcomeUnknown, Rejected
from tests.servers.machine import open_folder, program, running
from tests.servers.node_modules import installed
from tests.servers.smpp_steps import ARABIC, FRENCH, NUMBER, TEN_MINUTES, BothServers, Far, send
from tests.support.postgres import free_port
from tests.support.programs import NODE
from tests.support.waits import until


@pytest.fixture(scope="module")
def scripts(tmp_path_factory) -> Path:
    return installed(tmp_path_factory.mktemp("smpp") / "node")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class TestNode(BothServers):
    @pytest.fixture
    def far(self, scripts, authority):
        node = program(NODE)
        with ExitStack() as servers, ExitStack() as providers:

            def make(*, rate: int = 0, name: str = "") -> Far:
                """`name`: speak TLS, with a certificate of that name."""
                port = free_port()
                folder = servers.enter_context(open_folder())
                command = [node, str(scripts / "smsc.mjs"), str(port), str(folder / "seen.jsonl"), str(rate)]
                if name:
                    certificate = authority.issue_cert(name)
                    certificate.private_key_pem.write_to_path(folder / "key.pem")
                    certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
                    authority.cert_pem.write_to_path(folder / "ca.pem")
                    command += [str(folder / "key.pem"), str(folder / "certificate.pem")]
                servers.enter_context(running(command, folder=folder, ports=(port,)))
                return Far(port, folder / "seen.jsonl", providers)

            yield make

    def test_their_codec_reads_every_field(self, far):
        provider = (smsc := far()).bound(service_type="OTP", system_type="TEST")
        send(provider)
        assert smsc.records("bind") == [{"bind": "bind_transceiver", "status": 0, "version": 0x34, "type": "TEST"}]
        (read,) = smsc.submits()
        assert 598 <= read.pop("valid_for") <= 600.1
        assert read == {
            "bind": "bind_transceiver", "service": "OTP", "text": FRENCH, "udh": [], "source": [5, 0, "MASSAR"],
            "to": [1, 1, f"{NUMBER[1:]}00"], "coding": 0, "esm_class": 0, "registered": 1,
        }  # fmt: skip
        send((smsc := far()).bound(validity="absolute"))
        assert 598 <= smsc.submits()[0]["valid_for"] <= 600.1

    @pytest.mark.parametrize(("text", "coding"), [(FRENCH * 8, 0), (ARABIC * 5, 8), ("€" * 200, 0), ("😀" * 70, 8)])
    def test_their_codec_joins_the_segments(self, far, text, coding):
        provider = (smsc := far()).bound()
        accepted = send(provider, text=text)
        read = smsc.submits()
        assert "".join(entry["text"] for entry in read) == text
        assert {(entry["coding"], entry["esm_class"]) for entry in read} == {(coding, 0x40)}
        assert [entry["udh"][0][-2:] for entry in read] == [f"{n:02x}" for n in range(1, len(read) + 1)]
        assert len(accepted.parts) == len(read) > 2
        until(lambda: {receipt.reference for receipt in smsc.sink.stored} == set(accepted.parts))

    def test_a_receipt_before_the_answer_and_one_that_is_kept_while_nobody_is_bound(self, far):
        smsc = far()
        accepted = send(smsc.bound(), "40")
        until(lambda: smsc.sink.stored)
        assert [receipt.reference for receipt in smsc.sink.stored] == [accepted.reference]
        smsc = far()
        provider = smsc.bound()
        assert isinstance(send(provider, "42"), Accepted | OutcomeUnknown)  # the connection went with the answer
        until(lambda: smsc.sink.stored)
        assert smsc.sink.stored[0].to == f"{NUMBER}42" and len(smsc.records("bind")) == 2

    def test_what_is_late_is_not_delivered(self, far):
        smsc = far()
        accepted = send(smsc.bound(), "50", valid_for=timedelta(seconds=1.2))
        until(lambda: smsc.sink.stored)
        (receipt,) = smsc.sink.stored
        assert (receipt.reference, receipt.state, receipt.code) == (accepted.reference, FAILED, "EXPIRED")

    def test_a_quiet_line_is_asked_and_closing_says_goodbye(self, far):
        provider = (smsc := far()).bound(enquire_after=0.3, answer_timeout=0.4)
        until(lambda: len(smsc.records("enquired")) > 2)
        provider.close()
        assert len(smsc.records("bind")) == len(smsc.records("goodbye")) == 1

    def test_throttling_slows_us_down(self, far):
        """The contract was written down wrongly: we may do 270 in a second, they take 40."""
        provider = (smsc := far(rate=40)).bound(rate=300.0, window=10)
        waiting = [OutboundMessage(f"m{n}", "sms", f"{NUMBER}00", "fr", "", f"{n}") for n in range(120)]
        refused = 0
        while waiting:
            message = waiting.pop()
            until(provider.room)
            if isinstance(provider.send(message, valid_for=TEN_MINUTES), Rejected):
                refused += 1
                waiting.append(message)
        assert {entry["text"] for entry in smsc.submits()} == {str(n) for n in range(120)}
        # At full speed two seconds would bring some 500 refusals.
        assert 1 <= refused <= 150

    def test_tls_with_a_verified_name_and_with_another(self, far):
        smsc = far(name="localhost")
        secure = {"tls": "on", "host": "localhost", "ca_file": str(smsc.file.with_name("ca.pem"))}
        assert isinstance(send(smsc.bound(**secure)), Accepted)
        other = far(name="elsewhere.test")
        for wrong in (smsc.open(**{**secure, "ca_file": ""}), other.open(**secure)):
            (sentence,) = wrong.check()
            assert "certificate" in sentence
        assert not other.records("bind")
