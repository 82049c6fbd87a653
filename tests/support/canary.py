"""Looking for what must not be readable: in how many ways it could be written, and in all that was stored."""

import base64
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from massar.core import phone
from tests.support.visitor import CODE

PLANTED = "planted-8c1f5e02b7d94a36"  # stands wherever the search looks


def readable_forms(canary: str) -> set[bytes]:
    """As typed, without its hyphen, with the digits as people write them, in base64 (at every offset) and in hex."""
    plain = {canary, canary.replace("-", ""), canary.upper(), canary.lstrip("+")}
    if canary.startswith("+"):
        plain |= {"0" + canary[4:], phone.shown(canary)}
    if CODE.fullmatch(canary):
        return {f'"{canary}"'.encode(), canary.encode("utf-16-le"), f">{canary}<".encode(), f" {canary}".encode()}
    forms: set[bytes] = set()
    for one in (p.encode() for p in plain):
        forms |= {one, one.hex().encode(), one.decode().encode("utf-16-le")}
        forms |= {base64.b64encode(b"x" * n + one)[4:-4] for n in range(3)}
    return {f for f in forms if len(f) > 6}


def every_form(secret: str | bytes) -> set[bytes]:
    """All that a secret could look like in a file: as it is, in either case, backwards, in hex, base64 of both
    alphabets at every offset, percent-encoded, in UTF-16; a number also as people write it and by swapped digits."""
    raw = {secret} if isinstance(secret, bytes) else _spellings(secret)
    forms = set(raw)
    for one in raw:
        forms |= {one[::-1], one.hex().encode(), one.hex().upper().encode(), quote(one, safe="").encode()}
        for offset in range(3):
            whole = base64.b64encode(b"x" * offset + one)[(0, 2, 3)[offset] :].rstrip(b"=")
            cut = whole[: len(whole) - (1 if (len(one) + offset) % 3 else 0)]
            forms |= {cut, cut.translate(bytes.maketrans(b"+/", b"-_"))}
        if isinstance(secret, str):
            forms |= {one.decode().encode("utf-16-le"), one.decode().encode("utf-16-be")}
    return forms


def _spellings(secret: str) -> set[bytes]:
    plain = {secret, secret.replace("-", ""), secret.lower(), secret.upper()}
    if secret.startswith("+212"):
        national = secret[4:]
        swapped = "".join(b + a for a, b in zip(*[iter(f"212{national}")] * 2, strict=True))
        plain |= {national, f"0{national}", f"00212{national}", phone.shown(secret), swapped}
    return {one.encode() for one in plain}


def found(secrets: Mapping[str, str | bytes], place: bytes) -> dict[str, bytes]:
    """Which of them can be read there, by name, and in which form. A code of six digits only where nothing is beside it
    that makes it a part of a number, of a time, of hex or of base64."""
    place = re.sub(rb"\0{16,}", b"\0" * 8, place)  # databases' files are mostly empty
    codes = {
        value.encode(): name for name, value in secrets.items() if isinstance(value, str) and CODE.fullmatch(value)
    }
    alone = rb"(?<![\w.+/:-])(?:" + b"|".join(codes) + rb")(?![\w+/=-])"
    met = {codes[one]: one for one in re.findall(alone, place)} if codes else {}
    forms = {form: name for name, value in secrets.items() for form in every_form(value) if len(form) >= 8}
    begins = {int.from_bytes(form[:8], sys.byteorder) for form in forms}
    windows = (memoryview(place)[n : n + (len(place) - n) // 8 * 8].cast("Q") for n in range(8))
    seen = {one.to_bytes(8, sys.byteorder) for window in windows for one in begins.intersection(window)}
    return met | {name: form for form, name in forms.items() if form[:8] in seen and form in place}


def everything_stored() -> bytes:
    """All bytes of the SQLite file as this connection sees it, free pages included, with what stands in its journals;
    or every row of every table of PostgreSQL, as text. It has to see a row that no commit has written yet."""
    with transaction.atomic():
        before = transaction.savepoint()
        MigrationRecorder.Migration.objects.create(app="canary", name=PLANTED)
        stored = _sqlite() if connection.vendor == "sqlite" else _postgres()
        transaction.savepoint_rollback(before)
    assert PLANTED.encode() in stored, "what is stored was not read"
    return stored


def _sqlite() -> bytes:
    path = connection.settings_dict["NAME"]
    files = [Path(f"{path}{ending}") for ending in ("-wal", "-journal")]
    return connection.connection.serialize() + b"".join(f.read_bytes() for f in files if f.exists())


def _postgres() -> bytes:
    rows = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT t::text FROM {table} t")
            rows += [r[0].encode() for r in cursor.fetchall()]
    text = b"\n".join(rows)
    return text + b"".join(bytes.fromhex(h.decode()) for h in re.findall(rb"\\x([0-9a-f]+)", text))
