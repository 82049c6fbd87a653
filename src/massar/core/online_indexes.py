"""Operations of migrations that build and drop indexes of tables in use, without holding up those who write there.

PostgreSQL builds such an index beside the writers (CREATE INDEX CONCURRENTLY), which no transaction may hold, so the
migration says `atomic = False` and holds operations of this module alone. Each may be done again: a build that was
broken off leaves an index that nobody may use, which is built anew. SQLite has one writer: it builds in its turn."""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class AddIndexOnline(migrations.AddIndex):
    """AddIndex for a table that existed before this migration."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        name = self.index.name
        if _is_usable(schema_editor, name):
            return
        _drop(schema_editor, name)
        model = to_state.apps.get_model(app_label, self.model_name)
        how: dict[str, Any] = {"concurrently": True} if _is_postgres(schema_editor) else {}
        schema_editor.add_index(model, self.index, **how)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        _drop(schema_editor, self.index.name)


class RemoveIndexOnline(migrations.RemoveIndex):
    """RemoveIndex for a table in use."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        _drop(schema_editor, str(self.name))


def _is_postgres(schema_editor: BaseDatabaseSchemaEditor) -> bool:
    return schema_editor.connection.vendor == "postgresql"


def _is_usable(schema_editor: BaseDatabaseSchemaEditor, name: str) -> bool:
    usable = (
        "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid" if _is_postgres(schema_editor)
        else "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = %s"
    )  # fmt: skip
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(usable, (name,))
        return cursor.fetchone() is not None


def _drop(schema_editor: BaseDatabaseSchemaEditor, name: str) -> None:
    concurrently = "CONCURRENTLY " if _is_postgres(schema_editor) else ""
    schema_editor.execute(f"DROP INDEX {concurrently}IF EXISTS {schema_editor.quote_name(name)}")
