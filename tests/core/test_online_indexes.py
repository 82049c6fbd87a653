"""Indexes of tables in use: built beside the writers, and done again after a crash."""

import pytest
from django.db import connection, migrations, models
from django.db.migrations.state import ModelState, ProjectState

from massar.core.online_indexes import AddIndexOnline, RemoveIndexOnline
from tests.support.captured import captured

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "upkeep_online_trial"


@pytest.fixture
def state():
    """A table of the product as a migration knows it."""
    fields = [("job", models.CharField(max_length=40, primary_key=True)), ("ran_at", models.DateTimeField())]
    found = ProjectState({("upkeep", "jobrun"): ModelState("upkeep", "JobRun", fields)})
    yield found
    do(RemoveIndexOnline("jobrun", NAME), found)


def do(operation: migrations.operations.base.Operation, state: ProjectState) -> list[str]:
    after = state.clone()
    if isinstance(operation, AddIndexOnline):
        operation.state_forwards("upkeep", after)
    with captured() as statements, connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("upkeep", editor, state, after)
    return statements


def stands() -> bool:
    with connection.cursor() as cursor:
        return NAME in connection.introspection.get_constraints(cursor, "upkeep_jobrun")


def test_an_index_is_built_beside_writers_and_once(state):
    add = AddIndexOnline("jobrun", models.Index(fields=["ran_at"], name=NAME))
    [built] = [one for one in do(add, state) if one.startswith("CREATE")]
    assert ("CONCURRENTLY" in built) == (connection.vendor == "postgresql") and stands()
    assert not any("INDEX" in one for one in do(add, state)), "it is there"
    do(RemoveIndexOnline("jobrun", NAME), state)
    assert not stands()
    do(RemoveIndexOnline("jobrun", NAME), state)


def test_what_a_crash_left_is_built_anew(state):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite leaves no half of an index")
    add = AddIndexOnline("jobrun", models.Index(fields=["ran_at"], name=NAME))
    do(add, state)
    with connection.cursor() as cursor:  # as CREATE INDEX CONCURRENTLY leaves it that was broken off
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [NAME])
    assert [one.split()[0] for one in do(add, state) if "INDEX" in one] == ["DROP", "CREATE"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass", [NAME])
        assert cursor.fetchone() == (True,)
