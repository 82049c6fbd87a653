"""The migrations make the tables that the models describe. They run while people work: what builds an index of a table
in use does not hold up who writes there."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import migrations, models
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from massar.core.online_indexes import AddIndexOnline, RemoveIndexOnline

# Those that may hold up others, and why that does no harm.
MAY_LOCK = {
    ("people", "0003_units"): "it takes tables apart that the version before reads: nobody works meanwhile",
    ("factors", "0004_one_wait"): "a row for each loss of a second factor: a few thousand",
}


@pytest.mark.django_db
def test_the_models_ask_for_no_further_migration():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)  # SystemExit where something differs


def ours() -> list[Migration]:
    found = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    return [one for _, one in sorted(found.items()) if type(one).__module__.startswith("massar.")]


def builds(migration: Migration) -> Iterator[migrations.operations.base.Operation]:
    """What builds an index of a table that was there before, in one statement that locks it."""
    new = {one.name_lower for one in migration.operations if isinstance(one, migrations.CreateModel)}
    for one in migration.operations:
        index = isinstance(one, migrations.AddIndex | migrations.AddConstraint) and not isinstance(one, AddIndexOnline)
        field = isinstance(one, migrations.AddField | migrations.AlterField) and _is_indexed(one.field)
        if (index or field) and one.model_name.lower() not in new:
            yield one


def _is_indexed(field: models.Field) -> bool:
    return bool(field.db_index or field.unique)


@pytest.mark.parametrize("migration", ours(), ids=str)
def test_an_index_of_a_table_in_use_is_built_online(migration: Migration):
    allowed = (migration.app_label, migration.name) in MAY_LOCK
    assert allowed == bool(list(builds(migration))), "use massar.core.online_indexes, or say in MAY_LOCK why not"


@pytest.mark.parametrize("migration", ours(), ids=str)
def test_what_is_not_atomic_may_be_done_again(migration: Migration):
    online = [isinstance(one, AddIndexOnline | RemoveIndexOnline) for one in migration.operations]
    assert any(online) == all(online) == (not migration.atomic) or not any(online)
    assert migration.atomic or all(online), "nothing else stands in it: a crash would leave the half of it"


def test_there_are_some():
    assert len(ours()) > 30 and any(not one.atomic for one in ours())
