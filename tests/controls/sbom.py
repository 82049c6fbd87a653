"""Print a bill of materials, CycloneDX 1.6, of what a lock installs here: `python -m tests.controls.sbom [LOCK]`.

It has no serial number and no time, so that the same lock makes the same bill. Hashes stay in the lock, where an
installation verifies them: each package has several, one for each of its files."""

import json
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.controls.table import ROOT

RUNTIME = ROOT / "requirements" / "runtime.txt"


class Package(NamedTuple):
    name: str
    version: str


def packages(lock: Path) -> Iterator[Package]:
    """What a lock installs on this machine: markers may leave a package out."""
    for line in lock.read_text("utf-8").replace("\\\n", " ").splitlines():
        wanted = line.partition(" --hash=")[0].partition("#")[0].strip()
        if wanted:
            package = Requirement(wanted)
            if package.marker is None or package.marker.evaluate():
                (pinned,) = package.specifier
                yield Package(canonicalize_name(package.name), pinned.version)


def bill(packages: Iterable[Package]) -> dict[str, Any]:
    product = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    purls = [(package, f"pkg:pypi/{package.name}@{package.version}") for package in packages]
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"component": {"type": "application", "name": product["name"], "version": product["version"]}},
        "components": [
            {"type": "library", "bom-ref": purl, "name": package.name, "version": package.version, "purl": purl}
            for package, purl in purls
        ],
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(bill(packages(Path(sys.argv[1]) if len(sys.argv) > 1 else RUNTIME)), indent=2))
