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

from datetime import datetime, timedelta  # noqa: E402

from django.db import connection, transaction  # noqa: E402

from bench import people as cast  # noqa: E402
from massar.core import clock  # noqa: E402
from massar.domain.credentials import api as credentials  # noqa: E402
from massar.domain.credentials.models import Password  # noqa: E402
from massar.domain.people import api as people  # noqa: E402
from massar.domain.people.models import Establishment, Person  # noqa: E402

AT_ONCE = timedelta(0)


def enter(numbers: range, kind_of: Callable[[int], str]) -> None:
    """`kind_of`: which contact a number has proved, 'email', 'phone' or '' (none)."""
    now = clock.now()
    hashes = {p: credentials.passwords.hash_password(p) for p in cast.PASSWORDS}
    with transaction.atomic():
        rows = _people(numbers, now)
        phcs = [hashes[cast.password(number)] for number in numbers]
        Password.objects.bulk_create(
            [
                # The room's own way to encrypt: its `save` keeps a history and costs four statements for each.
                Password(person_id=row.pk, ciphertext=credentials.passwords._encrypt(row.pk, phc), changed_at=now)  # noqa: SLF001
                for row, phc in zip(rows, phcs, strict=True)
            ]
        )
        for number, row in zip(numbers, rows, strict=True):
            if kind := kind_of(number):
                value = cast.phone_sent(number) if kind == "phone" else cast.email(number)
                contact = people.contacts.propose(row.pk, kind, value, now=now)
                people.contacts.prove(contact.id, row.pk, now=now, wait=AT_ONCE)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _people(numbers: range, now: datetime) -> list[Person]:
    school, _ = Establishment.objects.get_or_create(
        code="99001X", defaults={"name_ar": "ثانوية القياس", "name_latin": "Lycée des Mesures"}
    )
    names = {"first_name_ar": "سلمى", "last_name_ar": "القايسي"}
    names |= {"first_name_latin": "Salma", "last_name_latin": "Elkaissi"}
    logins = [cast.login(number) for number in numbers]
    return Person.objects.bulk_create(
        [
            Person(login=one, local=one.partition("@")[0], establishment=school, created_at=now, **names)
            for one in logins
        ]
    )


if __name__ == "__main__":
    count, with_contact = map(int, sys.argv[1:])
    enter(range(count), lambda n: ("phone" if n % 2 else "email") if n < with_contact else "")
