"""Importing a list of people: compared with what stands, told, and written by batches that hold whole or not at all.

The same list twice changes nothing. Killed at any moment it goes on where it stopped. What a person has said of their
own account (contacts, language) counts more than a list; who operates the installation is never touched by one.

    open → find the header → read each row → compare a batch with the accounts → (write it and how far it came)
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from django.db import transaction

from massar.core import ahead, local_time, sql, text
from massar.core.audit import api as audit_log
from massar.core.sheets import api as sheets
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.domain.people.api import Kind
from massar.journeys.outcomes import Problem
from massar.journeys.people import sheet_rows
from massar.journeys.people.seen import SeenNames
from massar.journeys.people.sheet_list import Faults, ImportReport, OpenList, Said, UnusableList
from massar.journeys.people.sheet_rows import Field, PersonRow

BATCH = 5000  # rows of one transaction: half a second, and a twentieth quicker than 2000
Name = tuple[str, str]  # before the @ and domain, or a payroll number and ''
Accounts = Mapping[str, people.existing.Existing]
_Read = tuple[sheets.SheetRow, PersonRow | Faults]
_NO_NAMES: Mapping[Field, Name] = {}
_ROLES = {**{kind: kind.name.lower() for kind in Kind}, Kind.COMPLEMENT: "staff"}


@dataclass
class _Batch:
    """What the rows of one batch come to. touched: accounts that change."""

    last_row: int
    new: list[people.bulk.NewRow] = field(default_factory=list)
    names: list[tuple[int, tuple[str, str, str, str]]] = field(default_factory=list)
    units: list[tuple[int, int, int, date]] = field(default_factory=list)
    other: list[tuple[int, str, str]] = field(default_factory=list)
    contacts: list[tuple[int, str, str]] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    unchanged: int = 0
    refused: int = 0

    @property
    def tally(self) -> people.import_runs.ImportTally:
        return people.import_runs.ImportTally(len(self.new), len(self.touched), self.unchanged, self.refused)

    @property
    def changes(self) -> people.bulk.Changes:
        return people.bulk.Changes(self.names, self.units, self.other, self.contacts)


class PeopleList(OpenList):
    """An open list of people."""

    def __init__(self, path: Path, said: Said, *, bounds: sheets.Bounds = sheets.BY_COMMAND) -> None:
        super().__init__(path, said, sheet_rows.SHAPE, bounds=bounds)

    def compare(
        self, report: ImportReport, *, now: datetime, tell: Callable[[int], None] = lambda _: None
    ) -> ImportReport:
        """Say what an import would do, and write nothing. tell: how many rows more were compared."""
        for batch in self._batches(report, now=now, after=0):
            report.tally += batch.tally
            tell(batch.tally.rows)
        return report

    def write(
        self, report: ImportReport, *, now: datetime, tell: Callable[[int], None] = lambda _: None,
        most: int | None = None,
    ) -> ImportReport:  # fmt: skip
        """Import it, or go on where it stopped. most: how many changes somebody agreed to. Raises UnusableList where
        another program imports it just now, or a batch would change more than was agreed to: what was refused may fit
        by now. That batch is not written."""
        run = people.import_runs.begin(self.digest(), now=now)
        agreed = None if most is None else run.added + run.changed + most
        report.tally, report.earlier = run.tally, run.refused
        for batch in self._batches(report, now=now, after=run.position):
            if agreed is not None and run.added + run.changed + batch.tally.added + batch.tally.changed > agreed:
                people.import_runs.advance(run, run.position, people.import_runs.ImportTally(), finished_at=now)
                raise UnusableList("grown", "", self.header.cells, self.mapped)
            run = self._keep(batch, run, now)
            report.tally = run.tally
            tell(batch.tally.rows)
        with transaction.atomic():
            if people.import_runs.advance(run, run.position, people.import_runs.ImportTally(), finished_at=now) is None:
                raise UnusableList("meanwhile")
            _record(run, "people_imported", now, added=run.added, changed=run.changed, refused=run.refused)
        return report

    @transaction.atomic
    def _keep(self, batch: _Batch, run: people.import_runs.RunState, now: datetime) -> people.import_runs.RunState:
        sql.commit_unwaited()  # the run's last commit waits; what is lost before is written again from where it stands
        moved = people.import_runs.advance(run, batch.last_row, batch.tally)
        if moved is None:
            raise UnusableList("meanwhile")
        people.bulk.enter(batch.new, now=now)
        people.bulk.change(batch.changes, now=now)
        for person_id in sorted(batch.touched):
            _record(run, "person_changed_by_list", now, person_id=person_id)
        return moved

    def _batches(self, report: ImportReport, *, now: datetime, after: int) -> Iterator[_Batch]:
        """Read and compare, batch by batch, the rows behind the one with that number. The next batch is read while the
        database is asked about the one before."""
        judge = _Judge(report, local_time.local(now).date(), spares_agents=self._said.spares_agents)
        return map(judge.compare, ahead.one_ahead(self._read(after)))

    def _read(self, after: int) -> Iterator[list[_Read]]:
        seen, reader = SeenNames(), sheet_rows.Reader(self.mapped.columns, kind=self._said.kind)
        rows: list[_Read] = []
        for row in self.rows():
            read = reader.read(row)
            if isinstance(read, PersonRow) and not seen.add(read.login):
                read = {Field.LOGIN: Problem("login_twice")}
            if row.number <= after:
                continue
            rows.append((row, read))
            if len(rows) == BATCH:
                yield rows
                rows = []
        if rows:
            yield rows


class _Judge:
    """Compares rows with the accounts that stand."""

    def __init__(self, report: ImportReport, today: date, *, spares_agents: bool) -> None:
        self._report, self._today, self._spares_agents = report, today, spares_agents
        self._units: dict[str, int | None] = {}

    def compare(self, rows: Sequence[_Read]) -> _Batch:
        entries = [entry for _, entry in rows if isinstance(entry, PersonRow)]
        accounts = people.existing.by_logins([entry.login for entry in entries], on=self._today)
        known = [one.id for one in accounts.values()]
        self._activated = credentials.passwords.activated(known)
        self._agents = people.roles.holders(known, on=self._today) if self._spares_agents else set()
        self._units.update(people.units.ids({e.unit for e in entries if e.unit} - self._units.keys()))
        self._names = {e.login: names for e in entries if (names := _other_names(e))}
        self._taken = self._taken_names(entries, accounts)
        batch = _Batch(rows[-1][0].number)
        for row, read in rows:
            faults = read if isinstance(read, dict) else self._judge(read, accounts.get(read.login), batch)
            if faults:
                batch.refused += 1
                self._report.refused(row, faults)
        return batch

    def _taken_names(self, entries: Sequence[PersonRow], accounts: Accounts) -> set[Name]:
        """Of what leads to the accounts of these rows, what leads to somebody else's or is claimed by two of them."""
        new = [entry.login for entry in entries if entry.login not in accounts]
        claimed = list(map(_split, new))
        for login, names in self._names.items():
            claimed += set(names.values()) - accounts[login].other if login in accounts else names.values()
        twice = {name for name, many in Counter(claimed).items() if many > 1}
        return twice | people.directory.taken(claimed, free=new)

    def _judge(self, entry: PersonRow, account: people.existing.Existing | None, batch: _Batch) -> Faults:
        """Put the row into the batch, or say why not."""
        faults: Faults = {}
        unit = self._units.get(entry.unit) if entry.unit else None
        if entry.unit and unit is None:
            faults[Field.UNIT] = Problem("unit_unknown")
        names = self._names.get(entry.login, _NO_NAMES)
        taken = self._taken - account.other if account else self._taken
        if names.get(Field.PAYROLL) in taken:
            faults[Field.PAYROLL] = Problem("payroll_taken")
        if names.get(Field.OTHER_ADDRESS) in taken:
            faults[Field.OTHER_ADDRESS] = Problem("address_taken")
        if account is None and _split(entry.login) in self._taken:
            faults[Field.LOGIN] = Problem("address_taken")
        if account and Field.PAYROLL in names and _payroll_differs(names[Field.PAYROLL], account):
            faults[Field.PAYROLL] = Problem("payroll_differs")
        if account and account.role == people.roles.OPERATOR:
            faults[Field.LOGIN] = Problem("privileged")
        if faults:
            return faults
        if account:
            return self._weigh(entry, account, unit, batch)
        batch.new.append(self._new(entry, unit))
        return faults

    def _weigh(self, entry: PersonRow, account: people.existing.Existing, unit: int | None, batch: _Batch) -> Faults:
        """Put what changes into the batch; of who is to be spared nothing may, and a row of a list that left, in which
        they stand as they are, is no fault."""
        spared = account.id in self._agents
        found = self._change(entry, account, unit, _Batch(entry.number) if spared else batch)
        if found and spared:
            return {Field.LOGIN: Problem("privileged")}
        if found:
            batch.touched.add(account.id)
        else:
            batch.unchanged += 1
        self._report.change(entry.number, entry.login, found)
        return {}

    def _new(self, entry: PersonRow, unit: int | None) -> people.bulk.NewRow:
        since, kind = entry.since or self._today, entry.kind or Kind.STAFF
        return people.bulk.NewRow(
            entry.login, entry.first_ar, entry.last_ar, entry.first_latin, entry.last_latin, entry.language or "ar",
            _ROLES[kind], names=tuple(self._names.get(entry.login, _NO_NAMES).values()),
            belongs=((unit, kind, since),) if unit else (),
            contacts=[one for one in _contacts(entry) if one[1]],
        )  # fmt: skip

    def _change(
        self, entry: PersonRow, account: people.existing.Existing, unit: int | None, batch: _Batch
    ) -> list[tuple[str, str, str]]:
        """Put what the row changes into the batch, and return it: (what, was, becomes)."""
        found: list[tuple[str, str, str]] = []
        names = people.existing.Names(*(new or old for new, old in zip(entry[2:6], account.names, strict=True)))
        if names != account.names:
            batch.names.append((account.id, names))
            found.append(("names", " ".join(account.names), " ".join(names)))
        belongs_as = entry.kind or account.kind
        if unit and unit not in account.units.get(belongs_as, set()):
            batch.units.append((account.id, unit, belongs_as, entry.since or self._today))
            found.append(("unit", "", entry.unit))
        for what, name in self._names.get(entry.login, _NO_NAMES).items():
            if name not in account.other:
                batch.other.append((account.id, *name))
                found.append((what, "", "@".join(filter(None, name))))
        # Of an account that somebody uses, contacts are theirs: a list that adds one could take it over (ATK-132).
        for kind, value in _contacts(entry):
            if value and kind not in account.contacts and account.id not in self._activated:
                batch.contacts.append((account.id, kind, value))
                found.append((kind, "", text.masked_email(value) if kind == "email" else text.masked_phone(value)))
        return found


def _contacts(entry: PersonRow) -> tuple[tuple[str, str], ...]:
    return ("email", entry.email), ("phone", entry.phone)


def _split(address: str) -> Name:
    name, _, domain = address.partition("@")
    return name, domain


def _other_names(entry: PersonRow) -> Mapping[Field, Name]:
    """What leads to the account beside its login."""
    if not (entry.payroll or entry.other_address):
        return _NO_NAMES
    names = {Field.PAYROLL: (entry.payroll, ""), Field.OTHER_ADDRESS: _split(entry.other_address)}
    return {field: name for field, name in names.items() if name[0] and name != _split(entry.login)}


def _payroll_differs(number: Name, account: people.existing.Existing) -> bool:
    return number not in account.other and any(not domain for _, domain in account.other)


def _record(
    run: people.import_runs.RunState, event: str, now: datetime, *, person_id: int | None = None, **more: int
) -> None:
    detail: dict[str, str | int] = {"list": run.digest[:12], **more}
    audit_log.record_event(event, now=now, person_id=person_id, **detail)  # type: ignore[arg-type]
