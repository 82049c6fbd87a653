"""What is seen of cases: by a branch its own, and by operators where a branch has far more than it used to."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from massar.core import clock, sql
from massar.domain.desk.cases import COLUMNS, CaseFacts

BACK = timedelta(days=30)
FEW = 10  # a day: so many are nothing unusual anywhere
_DAY = 86_400


def recent(branches: Sequence[int], *, agent_id: int, since: datetime, most: int = 50) -> list[CaseFacts]:
    """Cases on which somebody acted, of these branches or by this agent, newest first."""
    statement = (
        f"SELECT {COLUMNS} FROM desk_case WHERE {_whose(branches)} AND kind <> '' AND opened_at > %s "
        "ORDER BY id DESC LIMIT %s"
    )
    return sql.select(CaseFacts, statement, (*branches, agent_id, sql.at(since), most))


def usual_minutes(branches: Sequence[int], *, agent_id: int, since: datetime) -> float | None:
    """The median, in minutes, from the number to the end of cases that were served; None where there is none."""
    statement = (
        f"SELECT {sql.seconds_between('opened_at', 'ended_at')} FROM desk_case WHERE {_whose(branches)} "
        "AND state = 'done' AND opened_at > %s"
    )
    found = [float(took) for (took,) in sql.rows(statement, (*branches, agent_id, sql.at(since)))]
    return median(found) / 60 if found else None


def busy(percent: int, *, now: datetime) -> list[int]:
    """Branches with so many percent of their usual number of approved cases today (of UTC), and more than a few. Usual
    is the median of the 30 days before. It is read anew each time: there is nothing that a branch could silence."""
    today = int(clock.micros(now) // 1_000_000 // _DAY)
    statement = (
        f"SELECT branch_id, {sql.span_number('approved_at', _DAY)}, COUNT(*) FROM desk_case "
        "WHERE approved_at > %s AND branch_id IS NOT NULL GROUP BY 1, 2"
    )
    by_branch: dict[int, dict[int, int]] = defaultdict(dict)
    for branch, day, number in sql.rows(statement, (sql.at(now - BACK - timedelta(days=1)),)):
        by_branch[branch][int(day)] = number
    return sorted(
        branch for branch, days in by_branch.items()
        if days.get(today, 0) > FEW
        and days[today] * 100 >= percent * median(days.get(today - back, 0) for back in range(1, BACK.days + 1))
    )  # fmt: skip


def _whose(branches: Sequence[int]) -> str:
    """Takes the branches and the agent; branches may be none: then the agent's own."""
    return f"(branch_id IN ({sql.placeholders(len(branches))}) OR agent_id = %s)" if branches else "agent_id = %s"
