"""Brings the tables of the database up to date. Safe to run again."""

from django.conf import settings
from django.core.management import call_command


def run(options) -> int:
    settings.MASSAR.var.mkdir(parents=True, exist_ok=True)  # where the SQLite file stands by default
    call_command("migrate", interactive=False, verbosity=1)
    return 0
