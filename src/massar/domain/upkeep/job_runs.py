"""The last run of each job, for metrics and the alarm. Several workers write it; the later one stands."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from massar.core import sql


class Run(NamedTuple):
    """As the model tells it."""

    job: str
    ran_at: datetime | None
    tried_at: datetime
    fault: str

    def overdue(self, before: datetime) -> bool:
        """It failed, or has not gone well since then."""
        return bool(self.fault) or (self.ran_at or self.tried_at) < before


def record(faults: Mapping[str, str], *, now: datetime) -> None:
    """Write what became of jobs just now: by name the kind of the fault, '' where it went well."""
    at = sql.at(now)
    params = [value for job, fault in faults.items() for value in (job, None if fault else at, at, fault[:80])]
    sql.execute(
        f"INSERT INTO upkeep_jobrun (job, ran_at, tried_at, fault) VALUES {sql.values(len(faults), 4)} ON CONFLICT "
        "(job) DO UPDATE SET ran_at = COALESCE(excluded.ran_at, upkeep_jobrun.ran_at), tried_at = excluded.tried_at, "
        "fault = excluded.fault",
        params,
    )


def read() -> list[Run]:
    return sql.select(Run, "SELECT job, ran_at, tried_at, fault FROM upkeep_jobrun ORDER BY job")
