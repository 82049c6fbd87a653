"""`massar import FILE`: says what a list of people would change, and with --write does it, with how far it is."""

import argparse
import sys
from collections.abc import Callable, Mapping

from django.utils import translation
from django.utils.translation import gettext

from massar.core import clock
from massar.core.sheets import api as sheets
from massar.domain.people.api import Kind
from massar.interfaces.commands.progress import CommandProgress
from massar.journeys.outcomes import Problem
from massar.journeys.people import import_sheet
from massar.journeys.people.sheet_rows import Field

KINDS: Mapping[str, Kind] = {"staff": Kind.STAFF, "pupil": Kind.PUPIL, "guardian": Kind.GUARDIAN}


class WrongOption(Exception):
    """An option that doesn't fit this list, with a sentence to the person who wrote it."""


def run(options: argparse.Namespace) -> int:
    """Compare, or write; 1 where the list can't be taken or rows were refused."""
    with translation.override("en"):
        try:
            return _import(options)
        except sheets.SheetRefused as refused:
            said = gettext(f"sheet.{refused.kind}") % {"detail": refused.detail, "line": refused.line}
        except import_sheet.UnusableList as unusable:
            said = gettext(f"import.refused.{unusable.kind}") % {"detail": unusable.detail}
        except WrongOption as wrong:
            said = str(wrong)
    print(said, file=sys.stderr)
    return 1


def _import(options: argparse.Namespace) -> int:
    said = _said(options)
    if options.report and (options.report.resolve() == options.file.resolve() or not options.report.parent.is_dir()):
        raise WrongOption(f"--report {options.report}: name another file, in a folder that is there.")
    people = import_sheet.PeopleList(options.file, said)
    if unknown := said.columns.keys() - set(people.header.cells):
        raise WrongOption(f"There is no column {', '.join(map(repr, sorted(unknown)))}.")
    for note in people.notes:
        print("Note: " + gettext(f"sheet.note.{note.kind}") % {"many": note.many, "detail": note.detail})
    taken: dict[int, str] = {place: field for field, place in people.mapped.columns.items()}
    for place, title in enumerate(people.header.cells):
        print(f"Column {title!r}: {taken.get(place, 'left alone')}")
    bar = CommandProgress(people.size, "rows")
    kept: list[import_sheet.RefusedRow] = []
    report = import_sheet.ImportReport(refuse=kept.append if options.report else lambda _: None)
    work: Callable[..., import_sheet.ImportReport] = people.write if options.write else people.compare
    work(report, now=clock.now(), tell=bar.add)
    _print(report, written=options.write, rate=bar.end())
    if options.report and kept:
        _save(options, people, kept)
    return 1 if report.tally.refused else 0


def _said(options: argparse.Namespace) -> import_sheet.Said:
    columns: dict[str, Field | None] = {}
    for one in options.column:
        title, said, name = one.rpartition("=")
        if not said or name not in ("", *Field):
            raise WrongOption(f"--column {one}: write TITLE=FIELD; a field is one of {', '.join(Field)}.")
        columns[title] = Field(name) if name else None
    hidden = {"take": True, "leave": False}.get(options.hidden or "")
    choices = sheets.Choices(options.encoding, options.delimiter, options.sheet)
    return import_sheet.Said(choices, columns, KINDS.get(options.kind), hidden)


def _print(report: import_sheet.ImportReport, *, written: bool, rate: float) -> None:
    tally = report.tally
    for change in report.changes:
        was = f"{change.was} -> " if change.was else ""
        print(f"Row {change.row}, {change.login}: {change.what}: {was}{change.becomes}")
    if len(report.changes) == import_sheet.SHOWN:
        print("and more")
    for (field, problem), many in sorted(report.reasons.items()):
        print(f"{many} row(s) refused, {field}: {_words(Problem(problem))}")
    if report.earlier:
        print(f"{report.earlier} row(s) were refused before it was stopped: the same without --write tells of all.")
    print(
        f"{'Imported' if written else 'It would be'}: {tally.added} new, {tally.changed} changed, "
        f"{tally.unchanged} unchanged, {tally.refused} refused ({rate:.0f} rows a second)."
    )
    if not written:
        print("Nothing was written. The same with --write does it.")


def _save(options: argparse.Namespace, people: import_sheet.PeopleList, kept: list[import_sheet.RefusedRow]) -> None:
    """The refused rows as they were, with what to correct, to send back to who made the list."""
    with translation.override(options.language), options.report.open("wb") as file:
        header = [gettext("import.field.row"), gettext("import.field.wrong"), *people.header.cells]
        rows = ((str(one.row), _wrong(one), *one.cells) for one in kept)
        sheets.write_xlsx(file, header, rows, name="massar", right_to_left=options.language == "ar")
    print(f"The refused rows, with what to correct, are in {options.report}.")


def _wrong(refused: import_sheet.RefusedRow) -> str:
    return "\n".join(
        f"{gettext(f'import.field.{name}')}: {_words(problem)}" for name, problem in refused.faults.items()
    )


def _words(problem: Problem) -> str:
    return gettext(f"error.{problem.id}") % problem.args if problem.args else gettext(f"error.{problem.id}")
