"""Checkpoints: what the chain was at a moment, signed (Ed25519, RFC 8032) and written outside the database.

One file a month in a folder of its own, JSON lines, each with the hash of the line before. Who owns the database can
write the whole chain anew; these lines, which he can't sign, then do not fit any more. Keep copies on another machine:
who also owns this one can cut lines off at the end."""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from massar.core import private_files, sql
from massar.core.audit import sealing, verifier
from massar.core.audit.sealing import Head

LONGEST = 1 << 18  # bytes of two lines, with more segments than there are months


def public_key() -> bytes:
    """The 32 bytes by which everybody verifies."""
    return _key().public_key().public_bytes_raw()


def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(settings.MASSAR.audit_key)


def folder() -> Path:
    place: Path = settings.MASSAR.audit_checkpoints or settings.MASSAR.var / "audit"
    return place


def write(*, now: datetime) -> str:
    """Sign what was sealed since the last checkpoint. Returns the line; '' when there is nothing new. Raises OSError:
    the line could not be written."""
    here = sealing.cursor()
    changed = "SELECT DISTINCT segment FROM audit_seal WHERE first_seq > %s AND first_seq <= %s ORDER BY segment"
    found = [segment for (segment,) in sql.rows(changed, (here.signed_seq, here.last_seq))]
    heads = {segment: head for segment in found if (head := sealing.head_of(segment, up_to=here.last_seq))}
    if not heads:
        return ""
    line = append(heads, {}, now=now)
    signed = (here.last_seq, here.last_seq)
    sql.execute("UPDATE audit_cursor SET signed_seq = %s WHERE id = 1 AND signed_seq < %s", signed)
    return line


def append(segments: Mapping[str, Head], retired: Mapping[str, Head], *, now: datetime) -> str:
    """Sign a line and write it to the file of its month; it is on the disk when this returns. Raises OSError."""
    told: dict[str, object] = {
        "version": verifier.VERSION, "at": now.isoformat(), "database": sealing.cursor().database,
        "key": verifier.key_id(public_key()), "segments": _marks(segments),
    }  # fmt: skip
    if retired:
        told["retired"] = _marks(retired)
    private_files.make_folder(folder())
    path = folder() / f"checkpoints-{now:%Y-%m}.jsonl"
    with _locked(path) as file:
        told["previous"] = _last_hash(file, path)
        told["signature"] = base64.b64encode(_key().sign(verifier.canonical(told))).decode()
        line = json.dumps(told, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        _add(file, line.encode() + b"\n")
    return line


def newest() -> int:
    """The greatest place that was signed for this database, as far as the files here tell; 0 where they tell none. It
    is read, not verified: for a hint, not for a proof."""
    files = sorted(folder().glob("checkpoints-*.jsonl"))[-1:]
    found, database = 0, sealing.cursor().database
    for path in files:
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                told = json.loads(line)
                if told["database"] == database:
                    found = max([found, *(seq for _, seq, _ in told["segments"].values())])
    return found


def _marks(heads: Mapping[str, Head]) -> dict[str, tuple[int, int, str]]:
    return {segment: (head.count, head.seq, head.hash.hex()) for segment, head in heads.items()}


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """The file, for this process alone: several workers of one machine write to it."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _last_hash(file: IO[bytes], path: Path) -> str:
    """The hash of the last whole line, of an older month where this file is new."""
    lines = _last_lines(file)
    older = [one for one in sorted(path.parent.glob("checkpoints-*.jsonl")) if one.name < path.name]
    if not lines and older:
        with older[-1].open("rb") as before:
            lines = _last_lines(before)
    whole = [line for line in lines if line.endswith(b"}")]
    return hashlib.sha256(whole[-1]).hexdigest() if whole else ""


def _last_lines(file: IO[bytes]) -> list[bytes]:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LONGEST))
    return file.read().splitlines()


def _add(file: IO[bytes], line: bytes) -> None:
    """Whole or not at all: what a full disk took of it is taken back. A line that a power cut tore stays alone."""
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(size - 1)
        line = line if file.read(1) == b"\n" else b"\n" + line
    try:
        written = os.pwrite(file.fileno(), line, size)
        if written != len(line):
            raise OSError(28, os.strerror(28), file.name)
        os.fsync(file.fileno())
    except OSError:
        os.ftruncate(file.fileno(), size)
        raise
