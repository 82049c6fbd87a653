"""What the database was asked while a block ran, for tests that count or compare it.

Django's `CaptureQueriesContext` reads a log of the connection whenever it is looked at, and the next request of the
test client empties that log: what is looked at only then is empty, two such lists are equal, and no test notices
(`tests/house/test_imports.py` forbids it). This list is the test's own."""

import contextlib
import re
from collections.abc import Iterator

from django.db import connection

_NUMBERED = re.compile(r'"s\d+_x\d+"')  # Django's savepoints


@contextlib.contextmanager
def captured(*, perhaps_nothing: bool = False) -> Iterator[list[str]]:
    """The statements of the block, in order, without their values; transactions among them only where they are
    statements. An empty list fails the test: a block that asks nothing must say so.

    perhaps_nothing: it may. That it was listened to is shown by a statement after it."""
    statements: list[str] = []

    def listen(execute, statement, params, many, context):
        statements.append(_NUMBERED.sub('""', statement))
        return execute(statement, params, many, context)

    with connection.execute_wrapper(listen):
        yield statements
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'heard'")
    assert statements and statements.pop() == "SELECT 'heard'", "somebody else took the connection"
    assert statements or perhaps_nothing, "the block asked the database nothing: what is compared is empty"
