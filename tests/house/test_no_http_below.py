"""Law 4: journeys, domain and core know nothing of HTTP."""

from __future__ import annotations

from tests.house.laws import SOURCE, names_used, python_files

HTTP = (
    "django.http",
    "django.forms",
    "django.shortcuts",
    "django.views",
    "django.urls",
    "django.template",
    "django.middleware",
)
FLOORS = ("journeys", "domain", "core")


def test_lower_floors_know_nothing_of_http():
    found = []
    read = 0
    for floor in FLOORS:
        for path in python_files(SOURCE / "massar" / floor):
            read += 1
            for name, line in names_used(path.read_text("utf-8")):
                if name.startswith(HTTP):
                    found.append(f"{path.relative_to(SOURCE)}:{line} uses {name}")
    assert read > 30, "the floors were not found"
    assert not found, found
