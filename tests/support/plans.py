"""Which statements would read a whole table. SQLite tells how it would go about each, also while tables are small."""

import contextlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from django.db import connection

# Whoever reads one of them from end to end gets slower with every day: all else stays small, or is short-lived.
GROW = (
    "delivery_message|delivery_attempt|delivery_part|sites_token|sites_grant|sessions_session"
    "|people_person|people_contact|people_guardianship|sites_subject|audit_event"
    "|credentials_password|credentials_formerpassword"
    "|credentials_temporarypassword|desk_case|factors_factor|factors_passkey|factors_backupcode|factors_loss"
)
_NO_ALIAS = "WHERE|SET|ON|LEFT|INNER|JOIN|ORDER|GROUP|LIMIT"
_NAMED = re.compile(rf'\b(?:FROM|JOIN|UPDATE)\s+"?(?:{GROW})"?(?:\s+(?:AS\s+)?(?!(?:{_NO_ALIAS})\b)(\w+))?')
_READ = re.compile(r"\s*(SELECT|UPDATE|DELETE|WITH)\b")


class Reads(NamedTuple):
    """`whole`: statement -> its steps that read a table of GROW without an index."""

    asked: list[tuple[str, object]]
    whole: dict[str, list[str]]


@contextlib.contextmanager
def reads() -> Iterator[Reads]:
    """What the block asks; it is judged when the block is left. For SQLite alone."""
    found = Reads([], {})

    def listen(execute, statement, params, many, context):
        if _READ.match(statement):
            found.asked.append((statement, params))
        return execute(statement, params, many, context)

    with connection.execute_wrapper(listen):
        yield found
    found.whole.update({asked: whole for asked, params in found.asked if (whole := _whole(asked, params))})


def _whole(statement: str, params: object) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", params)
        plan = [row[3] for row in cursor.fetchall()]
    names = "|".join([GROW, *(alias for alias in _NAMED.findall(statement) if alias)])  # a step names the alias
    return [step for step in plan if re.fullmatch(rf"SCAN ({names})", step)]
