"""Looking for what must not be readable: in how many ways it could be written, and in all that was stored."""

import base64
import re
from pathlib import Path

from django.db import connection

from massar.core import phone
from tests.support.visitor import CODE


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


def everything_stored() -> bytes:
    """All bytes of the SQLite file and of its journal; or every row of every table of PostgreSQL, as text."""
    if connection.vendor == "sqlite":
        path = Path(connection.settings_dict["NAME"])
        files = [path, Path(f"{path}-wal"), Path(f"{path}-journal")]
        return b"".join(f.read_bytes() for f in files if f.exists())
    rows = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT t::text FROM {table} t")
            rows += [r[0].encode() for r in cursor.fetchall()]
    text = b"\n".join(rows)
    return text + b"".join(bytes.fromhex(h.decode()) for h in re.findall(rb"\\x([0-9a-f]+)", text))
