"""What stands in the tree: the files of a clone, and the commands of its program."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path

from massar.interfaces.commands import main
from tests.house.laws import ROOT

NOT_OURS = {".git", ".venv", "var", "build", "node_modules", "__pycache__", "htmlcov", "dist"}


def files_of_the_tree() -> list[Path]:
    """What a clone would hold: git's own list where there is git, otherwise everything but made folders."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode == 0:
            return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    everything = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in everything if not NOT_OURS & set(path.relative_to(ROOT).parts)]


def commands_of_the_code() -> set[str]:
    parser = main.build_parser()
    subparsers = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return set(subparsers.choices)
