"""Files and folders that nobody else on the machine may read: databases, backups, keys."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

OTHERS = stat.S_IRWXG | stat.S_IRWXO
_BESIDE_A_DATABASE = ("", "-wal", "-shm", "-journal")  # SQLite gives these the mode of the file


def make_folder(folder: Path) -> None:
    """Make a folder, 0700. One that stands is left as its owner has it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file, 0600, where there is none. What SQLite would make by itself follows the umask."""
    with suppress(OSError):  # it stands already; or can't be made, which whoever opens it says better
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def write(path: Path, text: str) -> None:
    """Write a text file that is never readable for others, not for a moment."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)  # one that stood already
        file.write(text)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, 0600, down to the disk. Raises FileExistsError."""
    with new(path) as file:
        file.write(content)


@contextmanager
def new(path: Path) -> Iterator[BinaryIO]:
    """A file that is not there yet, 0600, to be written, and on the disk at the end. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def readable_by_others(database: Path) -> list[Path]:
    """Those of a SQLite database's files that its group or anybody may read or write."""
    files = (Path(f"{database}{end}") for end in _BESIDE_A_DATABASE)
    return [one for one in files if one.is_file() and one.stat().st_mode & OTHERS]


def restrict_to_owner(paths: list[Path]) -> None:
    for one in paths:
        one.chmod(stat.S_IMODE(one.stat().st_mode) & ~OTHERS)
