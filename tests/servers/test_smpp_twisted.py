"""SMPP against smpp.twisted3: the second codec."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.machine import open_folder, running
from tests.servers.smpp_steps import ARABIC, FRENCH, NUMBER, BothServers, Far, send
from tests.support.postgres import free_port

PROGRAM = Path(__file__).with_name("smpp_smsc.py")
# `FRENCH` as 3GPP TS 23.038 has it, written by hand: à is 7f, é is 05, [ ] € are escaped.
FRENCH_SEPTETS = b"Massar: mot de passe\nkdmwt-47392\n\x7f 14:35 \x1b\x3c\x05\x1b\x65\x1b\x3e"


class TestTwisted(BothServers):
    @pytest.fixture
    def far(self):
        with ExitStack() as servers, ExitStack() as providers:

            def make() -> Far:
                port = free_port()
                folder = servers.enter_context(open_folder())
                file = folder / "seen.jsonl"
                command = [sys.executable, str(PROGRAM), str(port), str(file)]
                servers.enter_context(running(command, folder=folder, ports=(port,)))
                return Far(port, file, providers)

            yield make

    def test_their_codec_reads_every_field(self, far):
        provider = (smsc := far()).bound(service_type="OTP")
        send(provider)
        (read,) = smsc.submits()
        assert 598 <= read.pop("valid_for") <= 600
        assert read == {
            "bind": "bind_transceiver", "service": "OTP", "source": ["ALPHANUMERIC", "UNKNOWN", "MASSAR"],
            "to": ["INTERNATIONAL", "ISDN", f"{NUMBER[1:]}00"], "coding": 0, "text": FRENCH_SEPTETS.hex(), "udh": "",
            "receipt": "SMSC_DELIVERY_RECEIPT_REQUESTED",
        }  # fmt: skip
        assert len(FRENCH) == len(FRENCH_SEPTETS) - 3

    def test_their_codec_reads_arabic_in_segments(self, far):
        provider = (smsc := far()).bound()
        text = ARABIC * 5
        accepted = send(provider, text=text)
        read = smsc.submits()
        assert "".join(entry["text"] for entry in read) == text and {entry["coding"] for entry in read} == {8}
        headers = [bytes.fromhex(entry["udh"]) for entry in read]
        assert [header[:3] + header[4:] for header in headers] == [bytes((5, 0, 3, 3, n)) for n in (1, 2, 3)]
        assert len(accepted.parts) == 3
