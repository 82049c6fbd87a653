"""The database itself refuses to change or delete a row of the audit log."""

from django.db import migrations

POSTGRES = [
    """CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$""",
    """CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_event
       FOR EACH ROW EXECUTE FUNCTION audit_append_only()""",
]
POSTGRES_BACK = ["DROP TRIGGER audit_no_change ON audit_event", "DROP FUNCTION audit_append_only()"]
SQLITE = [
    f"""CREATE TRIGGER audit_no_{action.lower()} BEFORE {action} ON audit_event
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"""
    for action in ("UPDATE", "DELETE")
]
SQLITE_BACK = ["DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete"]


def _run(postgres, sqlite):
    def run(apps, editor):
        for statement in postgres if editor.connection.vendor == "postgresql" else sqlite:
            editor.execute(statement)

    return run


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunPython(_run(POSTGRES, SQLITE), _run(POSTGRES_BACK, SQLITE_BACK))]
