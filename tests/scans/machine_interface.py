"""schemathesis against `massar serve`: what sites' servers, gateways and monitors ask, as openapi.json describes it."""

import json
import subprocess
from pathlib import Path

from tests.scans.found import Finding, Scan
from tests.scans.place import METRICS, SECRET, SITE, serving, version

DESCRIPTION = Path(__file__).with_name("openapi.json")
SETTINGS = """
[auth.openapi.client]
username = "{site}"
password = "{secret}"
[auth.openapi.metrics_token]
bearer = "{metrics}"
[parameters]
"path.provider" = "gateway"
"path.token" = "{receipt}"
"""
EXAMPLES, SEED = 100, 12


def schemathesis(tools: Path, folder: Path) -> Scan:
    with serving(folder) as account:
        assert account.receipt, "no address for receipts"
        settings, report = folder / "schemathesis.toml", folder / "report.json"
        settings.write_text(SETTINGS.format(site=SITE, secret=SECRET, metrics=METRICS, receipt=account.receipt))
        how = ["--checks", "all", "--mode", "all", "-n", str(EXAMPLES), "--seed", str(SEED), "--continue-on-failure"]
        command = [
            str(tools / "schemathesis"), "--config-file", str(settings), "--no-color", "run", str(DESCRIPTION),
            "--url", account.url, *how, "--report", "json", "--report-json-path", str(report),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    (folder / "schemathesis.txt").write_text(done.stdout + done.stderr)
    told = json.loads(report.read_text())
    found = [
        Finding("schemathesis", f"{one['code']} {one['title']}", operation)
        for one in told["failures"]
        for operation in one["operations"]
    ]
    found += [Finding("schemathesis", "error", str(one)) for one in told["errors"]]
    did = f"{told['operations']['tested']} operations, {told['test_cases']['generated']} requests, all checks"
    return Scan("schemathesis", version("schemathesis"), "`massar serve`, `tests/scans/openapi.json`", did, found)
