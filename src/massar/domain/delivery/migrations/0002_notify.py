"""PostgreSQL wakes the workers as soon as a row is put in (LISTEN/NOTIFY)."""

from django.db import migrations

TABLES = ("delivery_recoveryrequest", "delivery_message")


def add_notify(apps, editor):
    """A trigger notifies in the transaction that inserts: no statement more for the page, and nobody can forget it."""
    if editor.connection.vendor != "postgresql":
        return
    editor.execute(
        "CREATE FUNCTION delivery_notify() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_notify('massar_delivery', ''); RETURN NULL; END $$"
    )
    for table in TABLES:
        editor.execute(
            f"CREATE TRIGGER delivery_notify AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION delivery_notify()"
        )


def drop_notify(apps, editor):
    if editor.connection.vendor != "postgresql":
        return
    for table in TABLES:
        editor.execute(f"DROP TRIGGER delivery_notify ON {table}")
    editor.execute("DROP FUNCTION delivery_notify()")


class Migration(migrations.Migration):
    dependencies = [("delivery", "0001_initial")]
    operations = [migrations.RunPython(add_notify, drop_notify)]
