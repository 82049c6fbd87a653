"""`massar import FILE`: says what a list of people or units would change, and with --write does it, with progress."""

import argparse
import gc
import sys
from collections.abc import Callable, Mapping

from django.utils import translation
from django.utils.translation import gettext

from massar.core import clock
from massar.core.sheets import api as sheets
from massar.domain.people.api import Kind
from massar.interfaces.commands import refused_rows
from massar.interfaces.commands.progress import CommandProgress
from massar.journeys.outcomes import Problem
from massar.journeys.people.import_guardians import GuardianList
from massar.journeys.people.import_sheet import PeopleList
from massar.journeys.people.import_units import UnitList
from massar.journeys.people.link_rows import LinkField
from massar.journeys.people.sheet_list import SHOWN, ImportReport, ListField, RefusedRow, Said, UnusableList
from massar.journeys.people.sheet_rows import Field
from massar.journeys.people.unit_rows import UnitField

ROWS_BETWEEN_LOOKS = 100_000
KINDS: Mapping[str, Kind] = {"staff": Kind.STAFF, "pupil": Kind.PUPIL, "guardian": Kind.GUARDIAN}


Lists = PeopleList | UnitList | GuardianList
_KINDS_OF_LISTS: Mapping[str, tuple[type[Lists], type[ListField]]] = {
    "people": (PeopleList, Field), "units": (UnitList, UnitField), "guardians": (GuardianList, LinkField),
}  # fmt: skip


class WrongOption(Exception):
    """An option that doesn't fit this list, with a sentence to the person who wrote it."""


def run(options: argparse.Namespace) -> int:
    """Compare, or write; 1 where the list can't be taken or rows were refused."""
    with translation.override("en"):
        try:
            return _import(options)
        except sheets.SheetRefused as refused:
            said = gettext(f"sheet.{refused.kind}") % {"detail": refused.detail, "line": refused.line}
        except UnusableList as unusable:
            said = gettext(f"import.refused.{unusable.kind}") % {"detail": unusable.detail}
        except WrongOption as wrong:
            said = str(wrong)
    print(said, file=sys.stderr)
    return 1


def _import(options: argparse.Namespace) -> int:
    said = _said(options)
    if options.report and (options.report.resolve() == options.file.resolve() or not options.report.parent.is_dir()):
        raise WrongOption(f"--report {options.report}: name another file, in a folder that is there.")
    listed = _KINDS_OF_LISTS[_what(options)][0](options.file, said)
    if unknown := said.columns.keys() - set(listed.header.cells):
        raise WrongOption(f"There is no column {', '.join(map(repr, sorted(unknown)))}.")
    for note in listed.notes:
        print("Note: " + gettext(f"sheet.note.{note.kind}") % {"many": note.many, "detail": note.detail})
    taken = {place: field for field, place in listed.mapped.columns.items()}
    for place, title in enumerate(listed.header.cells):
        print(f"Column {title!r}: {taken.get(place, 'left alone')}")
    # Millions of rows that live for a moment and point to nothing in circles: looking for circles took a sixth.
    gc.freeze()
    gc.set_threshold(ROWS_BETWEEN_LOOKS)
    bar = CommandProgress(listed.size, "rows")
    kept: list[RefusedRow] = []
    report = ImportReport(refuse=kept.append if options.report else lambda _: None)
    work: Callable[..., ImportReport] = listed.write if options.write else listed.compare
    work(report, now=clock.now(), tell=bar.add)
    whole = not (options.units and report.tally.refused)
    _print(report, written=options.write and whole, rate=bar.end())
    if not whole:
        print("A list of units is taken whole or not at all: correct the refused rows first.")
    if options.report and kept:
        _save(options, listed, kept)
    return 1 if report.tally.refused else 0


def _what(options: argparse.Namespace) -> str:
    if options.units and options.guardians:
        raise WrongOption("A list is of units or of guardians, not of both: leave one of --units and --guardians out.")
    return "units" if options.units else "guardians" if options.guardians else "people"


def _said(options: argparse.Namespace) -> Said:
    what = _what(options)
    fields = _KINDS_OF_LISTS[what][1]
    if what != "people" and options.kind:
        raise WrongOption(f"--kind is of people: a list of {what} says what it needs in its columns.")
    columns: dict[str, ListField | None] = {}
    for one in options.column:
        title, said, name = one.rpartition("=")
        if not said or name not in ("", *fields):
            raise WrongOption(f"--column {one}: write TITLE=FIELD; a field is one of {', '.join(fields)}.")
        columns[title] = fields(name) if name else None
    hidden = {"take": True, "leave": False}.get(options.hidden or "")
    choices = sheets.Choices(options.encoding, options.delimiter, options.sheet)
    return Said(choices, columns, KINDS.get(options.kind), hidden)


def _print(report: ImportReport, *, written: bool, rate: float) -> None:
    tally = report.tally
    for change in report.changes:
        was = f"{change.was} -> " if change.was else ""
        print(f"Row {change.row}, {change.of}: {change.what}: {was}{change.becomes}")
    if len(report.changes) == SHOWN:
        print("and more")
    for (field, problem), many in sorted(report.reasons.items()):
        print(f"{many} row(s) refused, {field}: {refused_rows.words(Problem(problem))}")
    if report.earlier:
        print(f"{report.earlier} row(s) were refused before it was stopped: the same without --write tells of all.")
    print(
        f"{'Imported' if written else 'It would be'}: {tally.added} new, {tally.changed} changed, "
        f"{tally.unchanged} unchanged, {tally.refused} refused ({rate:.0f} rows a second)."
    )
    if not written:
        print("Nothing was written. The same with --write does it.")


def _save(options: argparse.Namespace, listed: Lists, kept: list[RefusedRow]) -> None:
    options.report.write_bytes(refused_rows.workbook(listed.header.cells, kept, options.language))
    print(f"The refused rows, with what to correct, are in {options.report}.")
