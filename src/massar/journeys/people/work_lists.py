"""What a worker does with lists that agents sent by the page: compares them, and writes those that were approved.

claimed → opened as it was said to be → compared or written, batch by batch → what came of it, kept for the page. Where
a worker dies, the next one begins the comparison anew, and goes on with the writing where it stopped."""

import json
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from massar.core.sheets import api as sheets
from massar.domain.people import api as people
from massar.domain.people.api import list_jobs
from massar.journeys.people.import_sheet import PeopleList
from massar.journeys.people.import_units import UnitList
from massar.journeys.people.sheet_list import ImportReport, ListField, Mapped, RefusedRow, Said, UnusableList
from massar.journeys.people.sheet_rows import Field
from massar.journeys.people.unit_rows import UnitField

Job = list_jobs.ListFacts
Piece = list_jobs.Piece
State = list_jobs.State
MOST_TURNS = 20  # of one list: one that ends its worker each time is no list
MOST_KEPT = 5000  # refused rows in the file to send back
FIELDS: dict[str, type[ListField]] = {"people": Field, "units": UnitField}
# Makes the file to send back: of titles and rows, in a language.
WriteReport = Callable[[Sequence[str], Sequence[RefusedRow], str], bytes]


class _Stopped(Exception):
    """Somebody stopped the list, or another worker has it."""


def said_of(job: Job) -> Said:
    """What was said about the list by the page. Whoever has a role is spared: agents are changed from above."""
    told: dict[str, Any] = json.loads(job.said)
    fields = FIELDS[job.holds]
    choices = sheets.Choices(*(told.get(name) or None for name in ("encoding", "delimiter", "sheet")))
    columns = {title: fields(name) if name else None for title, name in told.get("columns", {}).items()}
    kind = people.Kind.__members__[told["kind"].upper()] if told.get("kind") else None
    return Said(choices, columns, kind, told.get("hidden"), spares_agents=True)


def turn(*, tick: Callable[[], datetime], write_report: WriteReport, pause: Callable[[], None]) -> bool:
    """Take up one list, if one waits; whether one did. pause: between two batches, so that others come by."""
    job = list_jobs.claim(now=tick())
    if job is None:
        return False
    kept: list[RefusedRow] = []
    report = ImportReport(refuse=lambda one: kept.append(one) if len(kept) < MOST_KEPT else None)
    if job.turn > MOST_TURNS:
        _give_up(job, "import.refused.fault", {}, {}, report, tick())
        return True
    with tempfile.TemporaryFile() as file:  # it has no name: kill -9 leaves nothing of it
        file.write(list_jobs.get(job.id, Piece.LIST))
        file.flush()
        path = Path(f"/proc/self/fd/{file.fileno()}")
        try:
            listed = (PeopleList if job.holds == "people" else UnitList)(path, said_of(job), bounds=sheets.BY_PAGE)
            _work(job, listed, report, tick(), _Progress(job, listed.size, tick, pause).add)
        except _Stopped:
            return True
        except sheets.SheetRefused as refused:
            _give_up(job, f"sheet.{refused.kind}", {"detail": refused.detail, "line": refused.line}, {}, report, tick())
            return True
        except UnusableList as unusable:
            told = _header(unusable.titles, unusable.mapped) if unusable.mapped else {}
            _give_up(job, f"import.refused.{unusable.kind}", {"detail": unusable.detail}, told, report, tick())
            return True
    _keep(job, listed, report, write_report(listed.header.cells, kept, job.language) if kept else b"", tick())
    return True


def _work(
    job: Job, listed: PeopleList | UnitList, report: ImportReport, now: datetime, tell: Callable[[int], None]
) -> None:
    if job.state is not State.WRITING:
        listed.compare(report, now=now, tell=tell)
    elif isinstance(listed, PeopleList):
        listed.write(report, now=now, tell=tell, most=job.added + job.changed)
    else:  # one transaction: nobody rests in it, and others would see nothing of how far it is
        listed.write(report, now=now)


class _Progress:
    def __init__(self, job: Job, total: int, tick: Callable[[], datetime], pause: Callable[[], None]) -> None:
        self._job, self._total, self._tick, self._pause = job, total, tick, pause
        self._done = self._told = 0

    def add(self, rows: int) -> None:
        self._done += rows
        if self._done - self._told < self._total // 100:  # units come one by one
            return
        self._told = self._done
        if not list_jobs.go_on(self._job, done=self._done, total=self._total, now=self._tick()):
            raise _Stopped
        self._pause()


@transaction.atomic
def _give_up(
    job: Job, why: str, args: dict[str, Any], told: dict[str, Any], report: ImportReport, now: datetime
) -> None:
    tally = report.tally if job.state is State.WRITING else people.import_runs.ImportTally()  # what was written counts
    if list_jobs.finish(job, State.UNUSABLE, tally, why=why, now=now):
        list_jobs.put(job.id, Piece.TOLD, json.dumps({**told, "args": args}).encode())  # it may be a row of the list


@transaction.atomic
def _keep(job: Job, listed: PeopleList | UnitList, report: ImportReport, file: bytes, now: datetime) -> None:
    """What came of it. A list of units that does not fit the tree any more was not written. Of one that was written
    nothing stays that nobody needs any more (law 09-08, article 3): the refused rows, to be corrected, and counts."""
    to, why = (State.WRITTEN if job.state is State.WRITING else State.COMPARED), ""
    if to is State.WRITTEN and job.holds == "units" and report.tally.refused:
        to, why = State.UNUSABLE, "import.refused.tree"
    if list_jobs.finish(job, to, report.tally, why=why, now=now):
        told = {
            **_header(listed.header.cells, listed.mapped),
            "notes": listed.notes,
            "changes": [] if to is State.WRITTEN else report.changes,
            "reasons": [[_label(job, field), why, many] for (field, why), many in sorted(report.reasons.items())],
        }
        list_jobs.put(job.id, Piece.TOLD, json.dumps(told).encode())
        list_jobs.put(job.id, Piece.REPORT, file)
        if to is State.WRITTEN:
            list_jobs.put(job.id, Piece.LIST, b"")


def _header(titles: Sequence[str], mapped: Mapped) -> dict[str, Any]:
    return {"header": titles, "columns": {place: field for field, place in mapped.columns.items()}}


def _label(job: Job, field: str) -> str:
    return FIELDS[job.holds](field).label
