"""Brings the tables of the database up to date. Safe to run again."""

import argparse
import sys

from django.core.management import call_command

from massar.core import private_files
from massar.interfaces.commands import tables


def run(_: argparse.Namespace) -> int:
    sentence = tables.trouble()
    if sentence and tables.MIGRATE not in sentence:  # away, or newer than this version
        print(sentence, file=sys.stderr)
        return 2
    place = tables.file()
    if place:
        private_files.make_folder(place.parent)
    call_command("migrate", interactive=False, verbosity=1)
    if place and (open_to_others := private_files.readable_by_others(place)):
        private_files.restrict_to_owner(open_to_others)
        print(f"Nobody else on this machine reads the database any more: {', '.join(map(str, open_to_others))}.")
    return 0
