"""`make scan`: scanners of other people against the product, each finding judged; writes docs/security/scans.md.

Needs Debian's packages wapiti, ffuf, testssl.sh and nginx (installed as root, elsewhere named), and the locked
requirements of scan.txt, which get an environment of their own. What the scanners said stays in build/scan/. The exit
status is 0 only if every finding has a verdict in judged.toml.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.report import write
from tests.scans import code, machine_interface, pages, tls
from tests.scans.found import Scan, open_findings, tables
from tests.scans.place import ROOT, behind_nginx
from tests.support import programs
from tests.support.product import running_product

PAGE = ROOT / "docs" / "security" / "scans.md"
MARKS = ("<!-- scans: begin (make scan) -->", "<!-- scans: end -->")
FOLDER = ROOT / "build" / "scan"
LOCK = ROOT / "requirements" / "scan.txt"
INSTALL = "-m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r".split()
NEEDS = (
    programs.NGINX,
    programs.Need("wapiti", "the scan of pages", ("wapiti",), ("wapiti",)),
    programs.Need("ffuf", "the scan of pages", ("ffuf",), ("ffuf",)),
    programs.Need("testssl.sh", "the scan of TLS", ("testssl.sh", "bsdextrautils", "dnsutils"), ("testssl",)),
)
Parts = dict[str, Callable[[], list[Scan]]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make scan", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(parts(Path()))}; all by default")
    chosen = parser.parse_args().parts
    lacking = [need for need in NEEDS if not programs.find_server(need)]
    if lacking and programs.can_install():
        programs.install(lacking)
    for need in (need for need in NEEDS if not programs.find_server(need)):
        raise SystemExit(need.sentence)
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir(parents=True)
    every = parts(tools())
    scans = [scan for name in chosen or every for scan in told(name, every[name])]
    if not chosen:
        write(tables(scans, f"{datetime.now(UTC):%d %B %Y}"), PAGE, MARKS)
    for one in (left := open_findings(scans)):
        print(f"not judged: {one.tool}: {one.what} @ {one.where}")
    print(f"{sum(len(scan.findings) for scan in scans)} findings, {len(left)} not judged (tests/scans/judged.toml)")
    return 1 if left else 0


def parts(bin_: Path) -> Parts:
    """By name; each starts what it looks at, and ends it."""
    return {
        "code": lambda: [code.bandit(bin_), code.pip_audit(bin_)],
        "machine-interface": lambda: [machine_interface.schemathesis(bin_, folder("machine-interface"))],
        "tls": _tls,
        "pages": _pages,
    }


def _tls() -> list[Scan]:
    with behind_nginx(folder("tls")) as front:
        return [tls.headers(front, FOLDER / "tls"), tls.testssl(front, FOLDER / "tls")]


def _pages() -> list[Scan]:
    scans = []
    for name, look in (("ffuf", lambda *at: [pages.by_ffuf(*at)]), ("wapiti", pages.by_wapiti)):
        with running_product(folder(name)) as demo:
            scans += look(demo, FOLDER / name)
    return scans


def folder(name: str) -> Path:
    (FOLDER / name).mkdir()
    return FOLDER / name


def tools() -> Path:
    """The folder of the programs of scan.txt, in an environment of their own that is kept until the lock changes."""
    home = ROOT / "build" / "scan-tools"
    stamp = home / "installed.txt"
    if not stamp.exists() or stamp.read_text() != LOCK.read_text():
        print("Installing the locked scanners (once) ...", flush=True)
        shutil.rmtree(home, ignore_errors=True)
        for words in ([sys.executable, "-m", "venv", str(home)], [str(home / "bin" / "python"), *INSTALL, str(LOCK)]):
            subprocess.run(words, check=True)
        stamp.write_text(LOCK.read_text())
    return home / "bin"


def told(name: str, scan: Callable[[], list[Scan]]) -> list[Scan]:
    print(f"{name} ...", flush=True)
    begun = time.monotonic()
    scans = scan()
    for one in scans:
        print(f"  {one.tool} {one.version}: {one.refused or one.did}; {len(one.findings)} findings", flush=True)
    print(f"  {time.monotonic() - begun:.0f} s", flush=True)
    return scans


if __name__ == "__main__":
    sys.exit(main())
