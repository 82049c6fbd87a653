"""Makes a synthetic country, into the database or into a file."""

import argparse
import csv
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from massar.core import clock, local_time
from massar.domain.people import api as people
from massar.interfaces.commands.progress import CommandProgress
from massar.journeys.people import demo_country


def run(options: argparse.Namespace) -> int:
    made = demo_country.parts(options.people, seed=options.seed)
    return _into_file(made, options) if options.csv else _into_database(made, options)


def _into_file(made: Iterator[demo_country.Branch], options: argparse.Namespace) -> int:
    """The people, and beside them the units. Nothing is overwritten."""
    path: Path = options.csv
    progress = CommandProgress(options.people, "people")
    with ExitStack() as files:
        into = [
            files.enter_context(one.open("x", encoding="utf-8", newline=""))
            for one in (path, path.with_suffix(f".units{path.suffix}"))
        ]
        persons, units = (csv.writer(one) for one in into)
        persons.writerow(demo_country.Resident._fields)
        units.writerow(demo_country.NewUnit._fields)
        for part in made:
            units.writerows((one.code, people.units.Kind(one.kind).name.lower(), *one[2:]) for one in part.units)
            persons.writerows(part.people)
            progress.add(len(part.people))
    rate = progress.end()
    print(
        f"{path}: {progress.done:,} people, {rate:,.0f} a second; units in {path.with_suffix(f'.units{path.suffix}')}."
    )
    return 0


def _into_database(made: Iterator[demo_country.Branch], options: argparse.Namespace) -> int:
    if people.directory.anybody():
        print("There are people in this database: a demo country needs an empty one.", file=sys.stderr)
        return 1
    now, progress = clock.now(), CommandProgress(options.people, "people")
    for added in demo_country.enter(made, now=now, since=local_time.local(now).date()):
        progress.add(added)
    rate = progress.end()
    print(f"{progress.done:,} people were added, {rate:,.0f} a second. Nobody has a password: they begin by recovery.")
    return 0
