"""Gives N people an account with a password; the first of them a proved personal e-mail or phone too.

    python -m bench.seeding COUNT WITH_CONTACT        (with the settings of the place in the environment)

The hash of each password is computed once and sealed for each account: checking it costs as much as any other.
"""

from __future__ import annotations

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
django.setup()

from datetime import timedelta  # noqa: E402

from django.db import connection, transaction  # noqa: E402

from bench import people as cast  # noqa: E402
from massar.core import clock  # noqa: E402
from massar.domain.credentials import api as credentials  # noqa: E402
from massar.domain.credentials.models import Password  # noqa: E402
from massar.domain.people import api as people  # noqa: E402
from massar.domain.people.models import Establishment, Person  # noqa: E402

AT_ONCE = timedelta(0)


def enter(count: int, with_contact: int) -> None:
    """People 0 … count-1; the first `with_contact` of them have a proved contact (even: e-mail, odd: phone)."""
    now = clock.now()
    hashes = {p: credentials.hashing.hashed(p) for p in cast.PASSWORDS}
    with transaction.atomic():
        rows = _people(count, now)
        phcs = [hashes[cast.password(number)] for number in range(count)]
        Password.objects.bulk_create(
            [
                # The room's own way to seal: its `save` keeps a history and costs four statements for each.
                Password(person_id=row.pk, sealed=credentials.passwords._seal(row.pk, phc), changed_at=now)
                for row, phc in zip(rows, phcs, strict=True)
            ]
        )
        for number, row in enumerate(rows[:with_contact]):
            kind, value = ("phone", cast.phone_sent(number)) if number % 2 else ("email", cast.email(number))
            contact = people.contacts.propose(row.pk, kind, value, now=now)
            people.contacts.prove(contact.id, row.pk, now=now, wait=AT_ONCE)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _people(count: int, now) -> list[Person]:
    school = Establishment.objects.create(
        code="99001X", name_ar="ثانوية القياس", name_latin="Lycée des Mesures"
    )
    names = {"first_name_ar": "سلمى", "last_name_ar": "القايسي"}
    names |= {"first_name_latin": "Salma", "last_name_latin": "Elkaissi"}
    logins = [cast.login(number) for number in range(count)]
    return Person.objects.bulk_create(
        [
            Person(login=one, local=one.partition("@")[0], establishment=school, created_at=now, **names)
            for one in logins
        ]
    )


if __name__ == "__main__":
    enter(int(sys.argv[1]), int(sys.argv[2]))
