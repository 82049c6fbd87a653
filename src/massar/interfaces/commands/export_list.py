"""`massar export UNIT FILE`: writes the people of a branch, or its units, as an import reads them, with progress."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from massar.core import clock, private_files
from massar.domain.people import api as people
from massar.interfaces.commands import exported_words
from massar.interfaces.commands.progress import CommandProgress
from massar.journeys.desk import exports
from massar.journeys.outcomes import Problem
from massar.journeys.people import branch_list
from massar.journeys.people.branch_list import ENDINGS, ListScope, ListWords


class NotWritten(Exception):
    """Nothing was written, and why."""


def run(options: argparse.Namespace) -> int:
    try:
        return _export(options)
    except NotWritten as sentence:
        print(sentence, file=sys.stderr)
        return 1


def _export(options: argparse.Namespace) -> int:
    unit, ending = people.units.by_code(options.unit), options.file.suffix.lower().removeprefix(".")
    part = options.file.with_name(f"{options.file.name}.part")
    if unit is None:
        raise NotWritten(f"{options.unit}: there is no such unit; `massar units show` lists them.")
    if ending not in ENDINGS:
        raise NotWritten(f"{options.file}: its name says what it is: end it with .xlsx or .csv.")
    if options.file.exists() or part.exists():
        raise NotWritten(f"{options.file if options.file.exists() else part} is there already: name another file.")
    if options.units:
        words = exported_words.speak_of_units(options.language)
        written = _write(part, ending, branch_list.unit_rows(unit, words, now=clock.now()), words)
        about = f"{written} units"
    else:
        about = _people(options, unit, ending, part)
    part.rename(options.file)
    print(f"{options.file}: {about}.")
    return 0


def _people(options: argparse.Namespace, unit: people.units.UnitFacts, ending: str, part: Path) -> str:
    if not options.reason.strip():
        raise NotWritten("Say why with --reason: it is kept in the audit log.")
    now = clock.now()
    one = exports.begin(
        unit, who=options.who, ending=ending, reason=options.reason, language=options.language,
        whole=options.contacts, now=now,
    )  # fmt: skip
    if isinstance(one, Problem):
        raise NotWritten(
            f"{one.args['people']:,} people are more than a sheet holds: write a .csv, or take it branch by branch."
        )
    scope = ListScope(unit, exports.WHO[options.who], whole=options.contacts)
    words = exported_words.speak(one, unit, now=now, whole=options.contacts)
    bar = CommandProgress(one.total, "people")
    written = _write(part, ending, branch_list.rows(scope, words, now=now, tell=bar.add), words)
    bar.end()
    return f"list {one.number}, {written} people, contacts {'whole' if options.contacts else 'masked'}"


def _write(part: Path, ending: str, rows: Iterator[Sequence[str]], words: ListWords) -> int:
    """Whole or not at all: what was begun holds people, and does not stay behind."""
    try:
        with private_files.new(part) as file:
            return branch_list.write(file, ending, rows, words)
    except FileExistsError as taken:  # by another command, since we looked: it is not ours to remove
        raise NotWritten(f"{part} is there already: name another file.") from taken
    except BaseException:
        part.unlink(missing_ok=True)
        raise
