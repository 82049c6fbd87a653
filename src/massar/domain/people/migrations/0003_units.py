"""Establishments become units of one tree, and everybody's establishment where they belong since their account began.

Indexes that nothing reads go: PostgreSQL's second one for LIKE behind each unique or indexed text, and that of a
contact's person, whom `people_contacts_of` finds as well."""

import django.db.models.deletion
from django.db import migrations, models

UNITS = """INSERT INTO people_unit (id, code, kind, parent_id, name_ar, name_latin, since, until)
SELECT id, code, 4, NULL, name_ar, name_latin, NULL, NULL FROM people_establishment ORDER BY id"""
BELONGINGS = """INSERT INTO people_belonging (person_id, unit_id, since, until, kind)
SELECT id, establishment_id, {day}, NULL, CASE role WHEN 'pupil' THEN 2 WHEN 'guardian' THEN 3 ELSE 1 END
FROM people_person WHERE establishment_id IS NOT NULL"""
# PostgreSQL's counter does not see ids that are written.
COUNT_ON = "SELECT setval(pg_get_serial_sequence('people_unit', 'id'), (SELECT COALESCE(MAX(id), 0) + 1 FROM people_unit), false)"


def move(apps, editor):
    postgres = editor.connection.vendor == "postgresql"
    editor.execute(UNITS)
    editor.execute(BELONGINGS.format(day="CAST(created_at AS date)" if postgres else "substr(created_at, 1, 10)"))
    if postgres:
        editor.execute(COUNT_ON)
        editor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # rows that wait for a check keep a table from being altered


def person(**more):
    return models.ForeignKey("people.person", django.db.models.deletion.CASCADE, related_name="+", **more)


def unit(**more):
    return models.ForeignKey("people.unit", django.db.models.deletion.PROTECT, related_name="+", **more)


class Migration(migrations.Migration):
    dependencies = [("people", "0002_frozen")]

    operations = [
        migrations.CreateModel(
            name="Unit",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("code", models.CharField(max_length=32)),
                ("kind", models.PositiveSmallIntegerField()),
                ("parent", unit(null=True)),
                ("name_ar", models.CharField(max_length=200)),
                ("name_latin", models.CharField(max_length=200)),
                ("since", models.DateField(null=True)),
                ("until", models.DateField(null=True)),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("code",), name="people_unit_code")]},
        ),
        migrations.CreateModel(
            name="Belonging",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "person_id", "unit_id", "since", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("person", person(db_index=False)),
                ("unit", unit()),
                ("since", models.DateField()),
                ("until", models.DateField(null=True)),
                ("kind", models.PositiveSmallIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="RoleGrant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person", person()),
                ("unit", unit()),
                ("role", models.CharField(max_length=20)),
                ("kind", models.CharField(default="own", max_length=6)),
                ("since", models.DateField()),
                ("until", models.DateField()),
                ("reason", models.CharField(max_length=200)),
                ("granted_by", models.BigIntegerField(null=True)),
                ("granted_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Alias",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person", person()),
                ("name", models.CharField(max_length=64)),
                ("domain", models.CharField(blank=True, max_length=190)),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("name", "domain"), name="people_alias_name")]},
        ),
        migrations.RunPython(move, migrations.RunPython.noop, elidable=False),
        migrations.RemoveField("person", "establishment"),
        migrations.DeleteModel("Establishment"),
        migrations.AlterField("contact", "person", person(db_index=False)),
        migrations.AlterField("contact", "value_hmac", models.CharField(max_length=64)),
        migrations.AddIndex("contact", models.Index(fields=["value_hmac"], name="people_contact_value")),
        migrations.AlterField("person", "login", models.CharField(max_length=254)),
        migrations.AddConstraint("person", models.UniqueConstraint(fields=("login",), name="people_person_login")),
        migrations.AlterField("person", "local", models.CharField(max_length=64)),
        migrations.AddIndex("person", models.Index(fields=["local"], name="people_person_local")),
    ]
