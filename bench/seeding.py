"""Gives N people an account with a password; the first of them a proved personal e-mail (even) or phone (odd) too.

    python -m bench.seeding COUNT WITH_CONTACT        (with the settings of the place in the environment)

The hash of each password is computed once and encrypted for each account: checking it costs as much as any other.
"""

import os
import sys
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
django.setup()

from django.db import connection, transaction  # noqa: E402

from bench import people as cast  # noqa: E402
from massar.core import clock  # noqa: E402
from massar.domain.credentials import api as credentials  # noqa: E402
from massar.domain.credentials.models import Password  # noqa: E402
from massar.domain.people import api as people  # noqa: E402


def enter(numbers: range, kind_of: Callable[[int], str]) -> None:
    """`kind_of`: which contact a number has proved, 'email', 'phone' or '' (none)."""
    now = clock.now()
    hashes = {p: credentials.passwords.hash_password(p) for p in cast.PASSWORDS}
    with transaction.atomic():
        ids = people.bulk.enter(_people(numbers, kind_of), now=now)
        Password.objects.bulk_create(
            [
                # The room's own way to encrypt: its `save` keeps a history and costs four statements for each.
                Password(person_id=id, ciphertext=credentials.passwords._encrypt(id, phc), changed_at=now)  # noqa: SLF001
                for number in numbers
                for id, phc in [(ids[cast.login(number)], hashes[cast.password(number)])]
            ]
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _people(numbers: range, kind_of: Callable[[int], str]) -> list[people.bulk.NewRow]:
    school = people.units.named("99001X", "ثانوية القياس", "Lycée des Mesures")
    names, belongs = (
        ("سلمى", "القايسي", "Salma", "Elkaissi"),
        [(school, people.belonging.Kind.STAFF, clock.now().date())],
    )
    contact = {"": (), "phone": ("phone",), "email": ("email",)}
    values = {"phone": cast.phone_sent, "email": cast.email}
    return [
        people.bulk.NewRow(
            cast.login(number), *names, "ar", "staff", belongs=belongs,
            contacts=[(kind, values[kind](number)) for kind in contact[kind_of(number)]],
        )
        for number in numbers
    ]  # fmt: skip


if __name__ == "__main__":
    count, with_contact = map(int, sys.argv[1:])
    enter(range(count), lambda n: ("phone" if n % 2 else "email") if n < with_contact else "")
