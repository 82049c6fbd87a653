"""What is kept of people, why and how long: the table, the models, the words and the operators' page are one."""

import re

from django.apps import apps

from massar.journeys import personal_data
from tests.house.catalogues import catalogue
from tests.house.laws import ROOT


def test_every_column_of_every_table_has_its_place():
    """A column that nobody thought of fails here: say in `journeys/personal_data.py` what it is, why, how long."""
    told = {kept.table: sorted((*kept.given, *kept.hidden)) for kept in personal_data.TABLE}
    told |= {table: sorted(columns) for table, columns in personal_data.NOT_PERSONAL.items()}
    assert len(told) == len(personal_data.TABLE) + len(personal_data.NOT_PERSONAL), "a table stands once"
    stored = {m._meta.db_table: sorted(f.column for f in m._meta.concrete_fields) for m in apps.get_models()}
    assert told == stored


def test_no_secret_is_given():
    words = ("ciphertext", "hmac", "hash", "signature", "claim", "binding", "repeat", "secret", "uid")
    given = [(kept.table, column) for kept in personal_data.TABLE for column in kept.given]
    assert [one for one in given if any(word in one[1] for word in words)] == []
    assert all(not kept.given or kept.owner for kept in personal_data.TABLE), "a row is found by its person"


def test_the_operators_page_tells_the_same():
    """Each kind with its table, and the days of the code; no others."""
    page = (ROOT / "docs/operate/personal-data.md").read_text("utf-8")
    told = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (\d*)", page, re.MULTILINE)
    assert told == [(kept.name, kept.table, str(kept.days or "")) for kept in personal_data.TABLE]


def test_every_column_that_is_given_has_its_words():
    given = {column for kept in personal_data.TABLE for column in kept.given if kept.name != "site_names"}
    words = [catalogue(language) for language in ("ar", "fr", "en")]
    assert [one for one in sorted(given) if any(f"data.column.{one}" not in said for said in words)] == []
