"""Importing a list of guardians: who answers for which pupil, by batches that hold whole or not at all.

The same list twice changes nothing, so one that was stopped is begun again. A list of the next year moves the ends;
what it does not name ends by itself. Nobody becomes a guardian who is a pupil, or who operates the installation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.db import transaction

from massar.core import local_time, sql
from massar.core.audit import api as audit_log
from massar.core.sheets import api as sheets
from massar.domain.people import api as people
from massar.journeys.account import guardians
from massar.journeys.outcomes import Problem
from massar.journeys.people import link_rows
from massar.journeys.people.link_rows import LinkField, LinkRow
from massar.journeys.people.seen import SeenNames
from massar.journeys.people.sheet_list import Faults, ImportReport, OpenList, Said

BATCH = 2000  # rows of one transaction
_Read = tuple[sheets.SheetRow, LinkRow | Faults]
Tell = Callable[[int], None]


@dataclass
class _Batch:
    """What the rows of one batch come to."""

    new: list[people.guardians.NewLink] = field(default_factory=list)
    changed: list[people.guardians.NewLink] = field(default_factory=list)
    unchanged: int = 0
    refused: int = 0

    @property
    def tally(self) -> people.import_runs.ImportTally:
        return people.import_runs.ImportTally(len(self.new), len(self.changed), self.unchanged, self.refused)


class GuardianList(OpenList):
    """An open list of guardians."""

    def __init__(self, path: Path, said: Said, *, bounds: sheets.Bounds = sheets.BY_COMMAND) -> None:
        super().__init__(path, said, link_rows.SHAPE, bounds=bounds)

    def compare(self, report: ImportReport, *, now: datetime, tell: Tell = lambda _: None) -> ImportReport:
        """Say what an import would do, and write nothing. tell: how many rows more were compared."""
        judge = _Judge(report, now)
        for rows in self._read():
            batch = judge.compare(rows)
            report.tally += batch.tally
            tell(batch.tally.rows)
        return report

    def write(self, report: ImportReport, *, now: datetime, tell: Tell = lambda _: None) -> ImportReport:
        """Import it. tell: how many rows more were written."""
        judge = _Judge(report, now)
        for rows in self._read():
            batch = self._keep(judge, rows, now)
            report.tally += batch.tally
            tell(batch.tally.rows)
        tally = report.tally
        audit_log.record_event(
            "guardians_imported", now=now, list=self.digest()[:12], added=tally.added, changed=tally.changed,
            refused=tally.refused,
        )  # fmt: skip
        return report

    @transaction.atomic
    def _keep(self, judge: "_Judge", rows: Sequence[_Read], now: datetime) -> _Batch:
        """Compared and written under the pupils' locks: nobody ends a link beside it."""
        named = {read.pupil for _, read in rows if isinstance(read, LinkRow)}
        if pupils := sorted(one.id for one in people.guardians.accounts(named).values()):
            people.contacts.lock(*pupils)
        batch = judge.compare(rows)
        before = people.guardians.of_pupils(sorted({link.pupil_id for link in batch.new}), now=now)
        people.guardians.put([*batch.new, *batch.changed])
        for some in sql.parts([event for link in batch.new for event in _told_of(link, now)]):
            audit_log.record_events(some)
        guardians.tell_linked(batch.new, before, now=now)
        for link in batch.changed:
            if link.until < judge.today:
                guardians.say_unlinked(link.pupil_id, link.guardian_id, now=now)
        return batch

    def _read(self) -> Iterator[list[_Read]]:
        rows: list[_Read] = []
        for row in self.rows():
            rows.append((row, link_rows.read(row, self.mapped.columns)))
            if len(rows) == BATCH:
                yield rows
                rows = []
        if rows:
            yield rows


class _Judge:
    """Compares rows with the accounts and links that stand."""

    def __init__(self, report: ImportReport, now: datetime) -> None:
        self._report, self._now, self.today = report, now, local_time.local(now).date()
        self._seen = SeenNames()

    def compare(self, rows: Sequence[_Read]) -> _Batch:
        entries = [read for _, read in rows if isinstance(read, LinkRow)]
        self._accounts = people.guardians.accounts({one for e in entries for one in (e.pupil, e.guardian) if one})
        phones = {e.phone for e in entries if e.phone and not e.guardian}
        self._holders = people.guardians.holders(phones, now=self._now)
        batch, judged = _Batch(), list[tuple[sheets.SheetRow, LinkRow, tuple[int, int]]]()
        for row, read in rows:
            pair = read if isinstance(read, dict) else self._pair(read)
            if isinstance(pair, dict):
                self._refuse(row, pair, batch)
            elif isinstance(read, LinkRow):
                judged.append((row, read, pair))
        standing = people.guardians.standing({pair for _, _, pair in judged}, on=self.today)
        for row, entry, pair in judged:
            fresh = self._seen.add("{} {}".format(*pair))
            twice: Faults = {} if fresh else {LinkField.CODE: Problem("link_twice")}
            if faults := twice or self._link(entry, pair, standing.get(pair), batch):
                self._refuse(row, faults, batch)
        return batch

    def _pair(self, entry: LinkRow) -> tuple[int, int] | Faults:
        """The pupil and the guardian of a row, or why it names none."""
        faults: Faults = {}
        pupil = self._accounts.get(entry.pupil)
        if pupil is None or pupil.role != "pupil":
            faults[LinkField.CODE] = Problem("pupil_unknown")
        guardian, named_in = self._accounts.get(entry.guardian), LinkField.GUARDIAN
        if not entry.guardian:
            named_in, held = LinkField.PHONE, self._holders.get(entry.phone, [])
            guardian = held[0] if len(held) == 1 else None
            if len(held) > 1:
                faults[named_in] = Problem("guardian_several")
        if guardian is None:
            faults.setdefault(named_in, Problem("guardian_unknown"))
        elif guardian.role in ("pupil", people.roles.OPERATOR):
            faults[named_in] = Problem("guardian_kind")
        return faults if faults or pupil is None or guardian is None else (pupil.id, guardian.id)

    def _link(self, entry: LinkRow, pair: tuple[int, int], held: people.guardians.Link | None, batch: _Batch) -> Faults:
        """Put the row into the batch, or say why not."""
        since = held.since if held else entry.since or self.today
        until = entry.until or people.guardians.school_year_ends(max(since, self.today))
        until = min(until, entry.last) if entry.last else until
        if entry.last and entry.last < self.today and held is None:
            return {LinkField.BORN: Problem("pupil_of_age")}
        if until > max(since, self.today) + people.guardians.LONGEST or (held is None and until < since):
            return {LinkField.UNTIL: Problem("link_days")}
        relation = entry.relation or (held.relation if held else link_rows.Relation.TUTOR)
        link = people.guardians.NewLink(*pair, int(relation), since, until)
        if held is None:
            batch.new.append(link)
        elif (held.until, held.relation) != (until, int(relation)):
            batch.changed.append(link)
        else:
            batch.unchanged += 1
            return {}
        was = held.until.isoformat() if held else ""
        self._report.change(entry.number, entry.pupil, [("guardian", was, f"{entry.guardian or '…'} {until}")])
        return {}

    def _refuse(self, row: sheets.SheetRow, faults: Faults, batch: _Batch) -> None:
        batch.refused += 1
        self._report.refused(row, faults)


def _told_of(link: people.guardians.NewLink, now: datetime) -> list[audit_log.AuditEvent]:
    """What stands in the history of both."""
    return [
        audit_log.AuditEvent(
            "guardian_linked", now, person_id=link.pupil_id, detail={"guardian": link.guardian_id}
        ),
        audit_log.AuditEvent("child_linked", now, person_id=link.guardian_id, detail={"pupil": link.pupil_id}),
    ]  # fmt: skip
