"""bandit over the product's code; pip-audit over every lock."""

import json
import re
import subprocess
from pathlib import Path

from tests.scans.found import Finding, Scan
from tests.scans.place import ROOT, version

# As this environment's own pip would ask, and no other place.
AUDIT = ("--strict", "--disable-pip", "--progress-spinner=off", "--format=json")


def bandit(tools: Path) -> Scan:
    command = [str(tools / "bandit"), "-q", "-r", "src", "-f", "json"]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout)
    found = [
        Finding("bandit", f"{one['test_id']} {one['test_name']}", f"{one['filename']}:{one['line_number']}")
        for one in told["results"]
    ]
    lines = told["metrics"]["_totals"]["loc"]
    return Scan("bandit", version("bandit"), "`src/`", f"all its tests on {lines} lines", found)


def pip_audit(tools: Path) -> Scan:
    locks, found, refused, pins = sorted((ROOT / "requirements").glob("*.txt")), [], [], 0
    for lock in locks:
        command = [str(tools / "pip-audit"), *AUDIT, "-r", str(lock)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
        if not done.stdout.startswith("{"):
            refused.append(f"{lock.name}: {_last_line(done.stderr)}")
            continue
        told = json.loads(done.stdout)["dependencies"]
        pins += len(told)
        found += [
            Finding("pip-audit", f"{one['name']} {one['version']} {hole['id']}", f"requirements/{lock.name}")
            for one in told
            for hole in one.get("vulns", ())
        ]
    said = f"{pins} pinned packages of {len(locks)} locks"
    why = f"could not ask PyPI's advisories ({refused[0]})" if refused else ""
    return Scan("pip-audit", version("pip-audit"), "`requirements/*.txt`", said, found, why)


def _last_line(text: str) -> str:
    """Without addresses: which index was asked is this machine's own business."""
    lines = [line for line in text.splitlines() if line.strip()] or ["no answer"]
    return re.sub(r"\S+://\S+", "…", lines[-1].rpartition("_cli:")[2])[:160]
