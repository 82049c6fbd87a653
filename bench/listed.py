"""What `bench.import_people` has a process of its own do, with the settings of the place in its environment.

python -m bench.listed list FILE N         a list of N people of the demo country who have a contact; adds its units
python -m bench.listed one-by-one N        adds so many people, one after the other; prints the CPU-seconds
"""

import csv
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
django.setup()

from massar.core import clock  # noqa: E402
from massar.domain.people import api as people  # noqa: E402
from massar.journeys.outcomes import Done  # noqa: E402
from massar.journeys.people import demo_country, import_people  # noqa: E402

PASSWORD = "Measured-harvest-47392"
HAVE_CONTACT = 0.4  # of the people of the demo country, or a little more


def write_list(path: Path, size: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(demo_country.Resident._fields)
        writer.writerows(islice(_with_contact(size), size))


def _with_contact(size: int) -> Iterator[demo_country.Resident]:
    known: dict[str, int] = {}
    for part in demo_country.parts(int(size / HAVE_CONTACT)):
        known.update(people.units.add_many(part.units, known=known))
        yield from (one for one in part.people if one.email or one.phone)


def add_one_by_one(number: int) -> None:
    names = ("سلمى", "القايسي", "Salma", "Elkaissi")
    began = time.process_time()
    for n in range(number):
        new = import_people.NewPerson(f"one.{n}@taalim.ma", *names, email=f"one.{n}@example.org", password=PASSWORD)
        if not isinstance(import_people.add(new, now=clock.now()), Done):
            raise SystemExit("somebody was not added")
    print(time.process_time() - began)


if __name__ == "__main__":
    if sys.argv[1] == "list":
        write_list(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        add_one_by_one(int(sys.argv[2]))
