"""The peer beside the product: its environment, its own database on the same PostgreSQL, its server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench import place

NAME = "django-oauth-toolkit"
LOCK = place.ROOT / "requirements" / "peers.txt"
SERVE = (
    "-m granian --interface wsgi bench.peer.wsgi:application --host 127.0.0.1 --workers 1 --blocking-threads 24 "
    "--no-ws --backlog 1024 --log-level error"
).split()


class NotThere(Exception):
    """The peer can't be measured here; the message is a sentence for the table."""


@dataclass(frozen=True)
class Peer:
    """The running peer. `seeded` is what bench.peer.seeding said."""

    server: place.Program
    version: str
    folder: Path
    seeded: dict[str, Any]

    def for_callers(self, count: int) -> Path:
        """The file for bench.tokens, with codes that nobody has used."""
        taken, self.seeded["codes"][:count] = self.seeded["codes"][:count], []
        path = self.folder / "seeded.json"
        path.write_text(json.dumps({**self.seeded, "codes": taken}))
        return path


@contextlib.contextmanager
def opened(folder: Path, database: str, codes: int, callers: int) -> Iterator[Peer]:
    """Installs, seeds and starts the peer, in `folder` alone. Raises NotThere."""
    home = folder / "peer"
    home.mkdir()
    peer = place.Place(NAME, home, _environment(database), _python(home))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE DATABASE peer")
    seeded = json.loads(peer.run("-m", "bench.peer.seeding", str(codes), str(callers)))
    with place.serving(peer, SERVE) as server:
        yield Peer(server, _version(), home, seeded)


def _version() -> str:
    found = re.search(rf"^{NAME}==(\S+)", LOCK.read_text(), re.MULTILINE)
    return found[1] if found else ""


def _python(home: Path) -> str:
    """The Python of an environment that holds the locked peer and nothing of the product."""
    python = home / "venv" / "bin" / "python"
    install = (
        "-m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r".split()
    )
    for words in ([sys.executable, "-m", "venv", str(home / "venv")], [str(python), *install, str(LOCK)]):
        if subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            raise NotThere(f"{NAME} could not be installed from requirements/{LOCK.name}: it was not measured.")
    return str(python)


def _environment(database: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MASSAR_", "DJANGO_", "PG", "PYTHON"))}
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        **kept,
        "PYTHONPATH": str(place.ROOT),
        "PEER_DATABASE_URL": urlsplit(database)._replace(path="/peer").geturl(),
        "PEER_SECRET_KEY": secrets.token_urlsafe(48),
        "PEER_RSA_KEY": pem,
    }
