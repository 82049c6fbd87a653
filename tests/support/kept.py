"""What many tests need and is dear to make, made once for each run: rows of the cast, RSA keys."""

import itertools
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives.asymmetric import rsa
from django.apps import apps
from django.core.management.color import no_style
from django.db import connection


class Rows:
    """The rows that `make` writes into tables that were empty, to be written again without its work."""

    def __init__(self, make: Callable[[], None]):
        tables = [model._meta.db_table for model in apps.get_models()]
        empty = [table for table in tables if not _all(f"SELECT 1 FROM {table} LIMIT 1")[1]]
        make()
        found = {table: _all(f"SELECT * FROM {table}") for table in empty}
        self._found = {table: (columns, rows) for table, (columns, rows) in found.items() if rows}
        self._models = [model for model in apps.get_models() if model._meta.db_table in self._found]

    def write(self) -> None:
        """In the order of the models; what is numbered by the database goes on after these rows."""
        with connection.cursor() as cursor:
            for table, (columns, rows) in self._found.items():
                marks = ", ".join(["%s"] * len(columns))
                one = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
                cursor.executemany(one, rows)
            for statement in connection.ops.sequence_reset_sql(no_style(), self._models):
                cursor.execute(statement)


def _all(statement: str) -> tuple[list[str], list[tuple]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [f'"{column[0]}"' for column in cursor.description], cursor.fetchall()


def few_rsa_keys(make: Callable[..., rsa.RSAPrivateKey] = rsa.generate_private_key, kept: int = 4):
    """Stands in for `rsa.generate_private_key`: real keys, of each size the same four in turn."""
    rounds: dict[tuple, Iterator[rsa.RSAPrivateKey]] = {}

    def generate(public_exponent: int, key_size: int, backend: object = None) -> rsa.RSAPrivateKey:
        asked = (public_exponent, key_size)
        if asked not in rounds:
            rounds[asked] = itertools.cycle(make(public_exponent, key_size) for _ in range(kept))
        return next(rounds[asked])

    return generate
