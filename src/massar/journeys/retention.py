"""The jobs that end what is kept: each by the table of `personal_data`, or by the end that its row carries itself."""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

from massar.core import clock, sql
from massar.core.keyring import api as keyring
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.sites import api as sites
from massar.domain.upkeep import api as upkeep
from massar.journeys import personal_data
from massar.journeys.desk import open_case

Job = Callable[..., object]
RECORDED_EVERY = timedelta(hours=1)
OVERDUE_AFTER = timedelta(days=1)
note = logging.getLogger("massar.worker")
# What ends with the minute: secrets that ran out, requests that wait, buckets that are full again.
BY_THE_MINUTE: dict[str, Job] = {
    "rate_limits": limits.sweep,
    "expired_secrets": credentials.temporary.sweep,
    "late_cases": open_case.end_late,
    "waiting_requests": sites.saved_requests.sweep,
    "replay_cache": sites.replay_cache.sweep,
    "sites": lambda now: sites.grants.sweep(now=int(now.timestamp())),
    "breakers": delivery.breaker.sweep,
    "keys": keyring.state.sweep,
    "lists": people.list_jobs.sweep,
    "exports": people.exports.sweep,
}


def by_days() -> dict[str, Job]:
    """What is kept for days after its end, or one after its beginning; each takes `now`."""
    jobs: dict[str, Job] = {
        kept.name: partial(kept.erase, keep=timedelta(days=kept.kept_days()))
        for kept in personal_data.TABLE if kept.erase
    }  # fmt: skip
    return {**jobs, "unproved_factors": factors.held.sweep}


class Retention:
    """Runs the jobs of one worker. A fault ends nothing but its own job; the database's own is raised on."""

    def __init__(self) -> None:
        self._recorded: dict[str, tuple[datetime, str]] = {}

    def run(self, jobs: Mapping[str, Job], *, now: datetime) -> None:
        """Run each, and write what became of it where it is news."""
        news = {name: fault for name, fault in self._run(jobs, now) if self._is_news(name, fault, now)}
        if news:
            upkeep.job_runs.record(news, now=now)
            self._recorded |= {name: (now, fault) for name, fault in news.items()}

    def _run(self, jobs: Mapping[str, Job], now: datetime) -> Iterator[tuple[str, str]]:
        for name, job in jobs.items():
            try:
                job(now=now)
            except Exception as trouble:
                if sql.is_away(trouble):
                    raise
                note.exception("a fault in the job of retention %s; the rest goes on", name)
                yield name, type(trouble).__name__
            else:
                yield name, ""

    def _is_news(self, name: str, fault: str, now: datetime) -> bool:
        at, before = self._recorded.get(name, (None, ""))
        return fault != before or clock.is_due(at, RECORDED_EVERY, now=now)


def overdue(*, now: datetime) -> list[str]:
    """The jobs that fail, or have not gone well for a day."""
    return [run.job for run in upkeep.job_runs.read() if run.overdue(now - OVERDUE_AFTER)]
