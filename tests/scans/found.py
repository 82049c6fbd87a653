"""What a scan found, how each finding is judged (judged.toml), and both as tables."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

JUDGED = Path(__file__).with_name("judged.toml")
NOT_JUDGED = "**not judged yet**"


class Finding(NamedTuple):
    """In the tool's own words: what, and at which line, address or setting."""

    tool: str
    what: str
    where: str = ""


@dataclass
class Scan:
    """One run of a tool. `refused`: why it could not look, in one sentence."""

    tool: str
    version: str
    against: str
    did: str
    findings: list[Finding] = field(default_factory=list)
    refused: str = ""


class Verdict(NamedTuple):
    """A sentence for all findings of a tool whose `what @ where` fits the pattern."""

    tool: str
    finding: str
    why: str

    def fits(self, one: Finding) -> bool:
        return self.tool == one.tool and re.fullmatch(self.finding, f"{one.what} @ {one.where}", re.DOTALL) is not None


def verdicts() -> list[Verdict]:
    return [Verdict(**row) for row in tomllib.loads(JUDGED.read_text("utf-8"))["judged"]]


def why(one: Finding, judged: list[Verdict]) -> str:
    return next((verdict.why for verdict in judged if verdict.fits(one)), NOT_JUDGED)


def open_findings(scans: Iterable[Scan]) -> list[Finding]:
    judged = verdicts()
    return [one for scan in scans for one in scan.findings if why(one, judged) == NOT_JUDGED]


def tables(scans: list[Scan], when: str) -> str:
    """Two tables: what was run, and every kind of finding with its verdict."""
    judged = verdicts()
    rows = [f"| {s.tool} | {s.version} | {s.against} | {s.refused or s.did} | {len(s.findings)} |" for s in scans]
    kinds = Counter((one.tool, one.what, why(one, judged)) for scan in scans for one in scan.findings)
    places = {(one.tool, one.what, why(one, judged)): one.where for scan in scans for one in reversed(scan.findings)}
    found = [
        f"| {kind[0]} | {_cell(kind[1])} | {count} | {_cell(places[kind])} | {kind[2]} |"
        for kind, count in kinds.items()
    ]
    return "\n".join([
        f"Run on {when}.", "",
        "| Tool | Version | Against | What it did | Findings |", "|---|---|---|---|---|", *rows, "",
        "| Tool | Finding | Times | First at | Judged |", "|---|---|---|---|---|", *found,
    ])  # fmt: skip


def _cell(text: str) -> str:
    short = text if len(text) <= 90 else f"{text[:87]}..."
    return f"`{short}`".replace("|", "/").replace("\n", " ") if short else ""
