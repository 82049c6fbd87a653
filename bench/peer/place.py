"""The peer beside the product: its environment, its own database on the same PostgreSQL, its server."""

import contextlib
import json
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

from bench import place
from tests.support.certificates import pair

NAME = "django-oauth-toolkit"
LOCK = place.ROOT / "requirements" / "peers.txt"
SERVE = (
    "-m granian --interface wsgi --factory django.core.wsgi:get_wsgi_application --host 127.0.0.1 --workers 1 "
    "--blocking-threads 24 --no-ws --backlog 1024 --log-level error"
).split()
INSTALL = "-m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r".split()


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
    """Installs, seeds and starts the peer, in `folder` alone: an environment with nothing of the product in it.

    Raises NotThere.
    """
    home = folder / "peer"
    home.mkdir()
    python = home / "venv" / "bin" / "python"
    for words in ([sys.executable, "-m", "venv", str(home / "venv")], [str(python), *INSTALL, str(LOCK)]):
        if subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            raise NotThere(f"{NAME} could not be installed from requirements/{LOCK.name}: it was not measured.")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE DATABASE peer")
    environment = {
        "PYTHONPATH": str(place.ROOT),
        "DJANGO_SETTINGS_MODULE": "bench.peer.settings",
        "PEER_DATABASE_URL": urlsplit(database)._replace(path="/peer").geturl(),
        "PEER_SECRET_KEY": secrets.token_urlsafe(48),
        "PEER_RSA_KEY": pair().pem,
    }
    peer = place.Place(NAME, home, environment, str(python))
    seeded = json.loads(peer.run("-m", "bench.peer.seeding", str(codes), str(callers)))
    version = re.search(rf"^{NAME}==(\S+)", LOCK.read_text(), re.MULTILINE)
    with peer.serving(SERVE) as server:
        yield Peer(server, version[1] if version else "", home, seeded)
