"""ATK-144: a whole walk over `massar serve` and `massar worker`, after which no secret of it can be read anywhere."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.support import canary
from tests.support.canary_walk import PLANTED, Running, Walk, product, read_nowhere, tables_away, written


@pytest.mark.parametrize("plain", ["Zq8c7-3!x", "+212661998877", b"\x00\x01canary\xfe\xff~", "123456"])
def test_the_search_knows_every_dress(plain):
    """Each form is seen between other bytes, wherever it stands; a code within a longer number is none."""
    for form in canary.every_form(plain) if plain != "123456" else {plain.encode()}:
        for at in range(9):
            assert canary.found({"it": plain}, b" " * at + form + b" ") or len(form) < 8, form
    assert not canary.found({"it": plain}, b"0 1123456 .123456 123456a" * 9)


def opened(database: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=30))


def stored(it: Running) -> dict[str, bytes]:
    """SQLite's files as they lie there while the programs run, and what stands in each cell."""
    database = it.installed.folder / "massar.sqlite3"
    with opened(database) as line:
        line.execute("CREATE TABLE planted AS SELECT ? AS word", (PLANTED,))
        cells = "\n".join(line.iterdump()).encode()
    files = [Path(f"{database}{end}") for end in ("", "-wal", "-shm", "-journal")]
    return {"SQLite's files": b"".join(file.read_bytes() for file in files if file.exists()), "SQLite's cells": cells}


def test_no_secret_can_be_read_anywhere(tmp_path):
    """ATK-144 over SQLite, with pages of faults while the secrets are in the request."""
    with product(tmp_path) as it:
        walk = Walk(it)
        links = walk.all_of_it()
        requests = walk.troubles(links)
        with opened(tmp_path / "massar.sqlite3") as line, tables_away(line.execute):
            pages = [one() for one in requests]
        assert {page.status for page in pages} == {500}
        log = it.log.read_text()
        assert '"what": "Internal Server Error: /not-me/<str:token>/"' in log and '"trace"' in log
        own = walk.without_own_address(pages, links)
        read_nowhere(it.secrets, {**stored(it), **written(it), "pages of faults": own + PLANTED.encode()})
