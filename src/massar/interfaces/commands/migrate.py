"""Brings the tables of the database up to date. Safe to run again."""

from django.core.management import call_command


def run(options) -> int:
    call_command("migrate", interactive=False, verbosity=1)
    return 0
