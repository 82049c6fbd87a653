"""testssl.sh, and wapiti's look at cookies and headers, against the account behind nginx."""

import json
import subprocess
from pathlib import Path

from tests.scans import wapiti
from tests.scans.found import Finding, Scan
from tests.scans.place import Front, debian_version

AGAINST = "`massar serve` behind nginx, `deploy/nginx/account.conf`"
FINE = ("OK", "INFO", "DEBUG")


def testssl(front: Front, folder: Path) -> Scan:
    report = folder / "testssl.json"
    command = [
        "testssl", "--add-ca", str(front.authority), "--warnings", "batch", "--color", "0", "--quiet",
        "--nodns", "none", "--ip", "127.0.0.1", "--jsonfile", str(report), f"{front.url}/sign-in/",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800)
    (folder / "testssl.txt").write_text(done.stdout + done.stderr)
    told = json.loads(report.read_text())
    found = [Finding("testssl", f"{one['severity']} {one['id']}", one["finding"])
             for one in told if one["severity"] not in FINE]  # fmt: skip
    return Scan("testssl", debian_version("testssl.sh"), AGAINST, f"all its tests: {len(told)} results", found)


def headers(front: Front, folder: Path) -> Scan:
    modules = ("cookieflags", "csp", "http_headers")
    return wapiti.run(front.url, folder, against=AGAINST, who="a stranger", modules=modules, depth=2)
