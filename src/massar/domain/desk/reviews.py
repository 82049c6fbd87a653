"""Approved cases that somebody above looks at once more: one of ONE_OF, by lot.

drawn --right--> right
  `--asked--> asked --right--> right

The lot is a keyed hash of the case's row, so that nobody at a desk can tell which case it will be, or try until it is
none, and whoever holds the key can count them again. It is drawn by the statement that approves."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from massar.core import encryption, sql
from massar.domain.desk.models import Case

Review = Case.Review
ONE_OF = 20  # 5 %
ALARM = timedelta(days=30)  # how long one that was asked about, and that nobody has found right since, stands out
WAITS = (Review.DRAWN, Review.ASKED)
_WAITS = "review IN ('drawn', 'asked')"  # as in the index, which SQLite takes for the same words only


def drawn(case_id: int) -> str:
    """The state of a case at its approval: drawn, or '' for one that nobody looks at once more."""
    lot = int(encryption.data_keys().blind_index("desk-review", case_id)[:12], 16)
    return str(Review.DRAWN) if lot % ONE_OF == 0 else ""


def waiting(branches: Sequence[int], roles: Sequence[str], *, besides: int, most: int) -> list[str]:
    """Numbers of the cases of these branches that wait for it, oldest first, which agents of these roles alone have
    decided, and not that agent. Of all roles, others' oldest would stand before everything."""
    if not branches or not roles:
        return []
    decided = sql.placeholders(len(roles))
    statement = (
        f"SELECT number FROM desk_case WHERE {_WAITS} AND branch_id IN ({sql.placeholders(len(branches))}) "
        f"AND agent_role IN ({decided}) AND (second_role = '' OR second_role IN ({decided})) "
        "AND agent_id <> %s AND COALESCE(second_id, 0) <> %s ORDER BY id LIMIT %s"
    )
    return [number for (number,) in sql.rows(statement, (*branches, *roles, *roles, besides, besides, most))]


def settle(case_id: int, to: Review, *, by: int, now: datetime) -> bool:
    """Note what an agent above found. Whether it waited for that: what was asked about can only be found right."""
    before = [Review.DRAWN] if to == Review.ASKED else WAITS
    statement = (
        "UPDATE desk_case SET review = %s, review_by = %s, review_at = %s "
        f"WHERE id = %s AND review IN ({sql.placeholders(len(before))})"
    )
    return sql.execute(statement, (to.value, by, sql.at(now), case_id, *(one.value for one in before))) == 1


def asked(*, now: datetime) -> list[tuple[str, str]]:
    """(code of the agent's branch, number) of those that were asked about lately, and not found right since."""
    statement = f"SELECT unit, number FROM desk_case WHERE {_WAITS} AND review = 'asked' AND review_at > %s ORDER BY id"
    return [(unit, number) for unit, number in sql.rows(statement, (sql.at(now - ALARM),))]
