"""Debian's rsyslog takes the audit log by UDP, TCP and TLS: every row in its place, also over its own restarts."""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from massar.core.audit.api import export, verifier
from massar.providers.syslog import SyslogReceiver
from tests.servers.machine import open_folder, program, running
from tests.support.postgres import free_port
from tests.support.programs import RSYSLOG, RSYSLOG_TLS

CONFIGURATION = """
global(workDirectory="{folder}" defaultNetstreamDriverCAFile="{folder}/ca.pem"
       defaultNetstreamDriverCertFile="{folder}/cert.pem" defaultNetstreamDriverKeyFile="{folder}/key.pem")
module(load="imudp") module(load="imptcp") module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1"
       StreamDriver.AuthMode="anon")
module(load="mmpstrucdata")
template(name="line" type="list" option.jsonf="on") {{
  property(outname="pri" name="pri" format="jsonf")
  property(outname="at" name="timereported" dateformat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf") property(outname="app" name="app-name" format="jsonf")
  property(outname="kind" name="msgid" format="jsonf") property(outname="said" name="msg" format="jsonf")
  property(outname="data" name="$!rfc5424-sd" format="jsonf") }}
ruleset(name="keep") {{ action(type="mmpstrucdata") action(type="omfile" file="{folder}/taken.jsonl" template="line") }}
input(type="imudp" address="127.0.0.1" port="{udp}" ruleset="keep")
input(type="imptcp" address="127.0.0.1" port="{tcp}" ruleset="keep")
input(type="imtcp" address="127.0.0.1" port="{tls}" ruleset="keep")
"""
HOSTILE = 'quote " slash \\ bracket ] [x]\r\n<110>1 - forged - - - - line \u202e سجل'


class Rsyslog:
    """The server with its ports, and what it has written."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.ports = {"udp": free_port(), "tcp": free_port(), "tls": free_port()}
        authority = trustme.CA()
        made = authority.issue_cert("localhost")
        authority.cert_pem.write_to_path(folder / "ca.pem")
        made.private_key_pem.write_to_path(folder / "key.pem")
        (folder / "cert.pem").write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
        (folder / "rsyslog.conf").write_text(CONFIGURATION.format(folder=folder, **self.ports))

    def run(self):
        command = [program(RSYSLOG), "-n", "-f", f"{self.folder}/rsyslog.conf", "-i", f"{self.folder}/pid"]
        return running(command, folder=self.folder, ports=(self.ports["tcp"], self.ports["tls"]))

    def receiver(self, kind: str) -> SyslogReceiver:
        return SyslogReceiver(f"{kind}://localhost:{self.ports[kind]}", self.folder / "ca.pem")

    def taken(self) -> list[dict]:
        path = self.folder / "taken.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def when(self, judge: Callable[[list[dict]], bool]) -> list[dict]:
        until = time.monotonic() + 20
        while not judge(self.taken()):
            assert time.monotonic() < until, self.taken()[-2:]
            time.sleep(0.05)
        return self.taken()


@pytest.fixture(scope="module")
def rsyslog():
    program(RSYSLOG_TLS)
    with open_folder() as folder:
        yield Rsyslog(folder)


def message(seq: int, **changed) -> bytes:
    row = verifier.Row(
        seq,
        f"uid{seq}",
        1_700_000_000_123_456,
        "sign_in",
        "password",
        5,
        None,
        "203.0.113.0/24",
        "Chrome · Android",
        "",
        "s",
    )
    one = export.Exported("db", seq, "kept-2026-02", row._replace(**changed), b"h" * 32, b"p" * 32)
    return export.as_syslog(one, "compte.example.ma")


def data_of(taken: dict) -> dict:
    found = json.loads(taken["data"]) if isinstance(taken["data"], str) else taken["data"]
    return {name.lower(): value for name, value in found.items()}["massaraudit@32473"]


@pytest.mark.parametrize("kind", ["udp", "tcp", "tls"])
def test_it_reads_what_was_written(rsyslog, kind):
    (rsyslog.folder / "taken.jsonl").unlink(missing_ok=True)
    with rsyslog.run():
        receiver = rsyslog.receiver(kind)
        for seq in range(1, 301, 100):
            receiver.send([message(n) for n in range(seq, seq + 100)])
        receiver.send([message(301, outcome=HOSTILE, detail=json.dumps({"site": "haraka"}))])
        receiver.close()
        taken = rsyslog.when(lambda lines: len(lines) >= 301)
    assert [int(data_of(one)["seq"]) for one in taken] == list(range(1, 302))
    first, last = taken[0], taken[-1]
    assert (first["pri"], first["host"], first["app"], first["kind"]) == (
        "110",
        "compte.example.ma",
        "massar",
        "sign_in",
    )
    assert first["at"].startswith("2023-11-14T22:13:20.123456") and data_of(first)["browser"] == "Chrome · Android"
    shown = HOSTILE.replace("\r\n", "\\u000d\\u000a").replace("\u202e", "\\u202e")
    assert data_of(last)["detail_site"] == "haraka" and data_of(last)["outcome"].replace('\\"', '"') == shown


def test_it_is_restarted_and_nothing_is_left_out(rsyslog):
    """What is sent while it is away raises, and is sent again."""
    (rsyslog.folder / "taken.jsonl").unlink(missing_ok=True)
    receiver, refused = rsyslog.receiver("tls"), 0
    for begin in (1, 101, 201):
        with rsyslog.run():
            receiver.send([message(n) for n in range(begin, begin + 100)])
            rsyslog.when(lambda lines: len(lines) >= begin + 99)  # noqa: B023 - used at once
        try:
            receiver.send([message(999)])
        except OSError:
            refused += 1
    assert refused == 3
    assert [int(data_of(one)["seq"]) for one in rsyslog.taken()] == list(range(1, 301))


def test_a_checkpoint_comes_out_as_it_went_in(rsyslog):
    (rsyslog.folder / "taken.jsonl").unlink(missing_ok=True)
    segments = {f"kept-2026-{month:02}": [10**9, 10**9, "ab" * 32] for month in range(1, 7)}
    line = json.dumps(
        {"at": "2026-02-15T01:56:10+00:00", "segments": segments, "signature": b64encode(b"s" * 64).decode()}
    )
    with rsyslog.run():
        receiver = rsyslog.receiver("tcp")
        receiver.send([export.checkpoint_as_syslog(line, "2026-02-15T01:56:10+00:00", "h")])
        [one] = rsyslog.when(bool)
    assert one["said"].strip() == line and one["kind"] == "checkpoint"
