"""Receipts, segments, breakers, counters; and on PostgreSQL what wakes the workers (NOTIFY, `notifier.py`)."""

import django.db.models.deletion
from django.db import migrations, models

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
    dependencies = [
        ("delivery", "0002_message_about"),
    ]

    operations = [
        migrations.CreateModel(
            name="Breaker",
            fields=[
                ("provider", models.CharField(max_length=40, primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("closed", "Closed"), ("open", "Open"), ("half-open", "Half Open")],
                        default="closed",
                        max_length=10,
                    ),
                ),
                ("faults", models.PositiveIntegerField(default=0)),
                ("pause", models.PositiveIntegerField(default=0)),
                ("until", models.DateTimeField(null=True)),
                ("reason", models.CharField(blank=True, max_length=80)),
                ("changed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Counter",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "metric", "labels", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("metric", models.CharField(max_length=100)),
                ("labels", models.CharField(max_length=200)),
                ("value", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Part",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=40)),
                ("reference", models.CharField(max_length=100)),
                ("number", models.PositiveSmallIntegerField()),
                ("sent_at", models.DateTimeField()),
                ("state", models.CharField(blank=True, max_length=10)),
                ("code", models.CharField(blank=True, max_length=80)),
                ("told_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="UnmatchedReceipt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=40)),
                ("reference", models.CharField(blank=True, max_length=100)),
                ("uid", models.CharField(blank=True, max_length=22)),
                ("state", models.CharField(max_length=10)),
                ("code", models.CharField(blank=True, max_length=80)),
                ("to_hmac", models.CharField(blank=True, max_length=64)),
                ("at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="message",
            name="block_ciphertext",
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name="message",
            name="block_hmac",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="message",
            name="provider",
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name="message",
            name="cost",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="message",
            name="delivered_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="message",
            name="masked",
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddField(
            model_name="message",
            name="segments",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="message",
            name="to_hmac",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="message",
            name="used_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="message",
            name="state",
            field=models.CharField(
                choices=[
                    ("queued", "Queued"),
                    ("sending", "Sending"),
                    ("awaiting_receipt", "Awaiting Receipt"),
                    ("submitted", "Submitted"),
                    ("delivered", "Delivered"),
                    ("failed", "Failed"),
                    ("expired", "Expired"),
                    ("cancelled", "Cancelled"),
                ],
                default="queued",
                max_length=16,
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("state", "awaiting_receipt")), fields=["expires_at"], name="delivery_receipts_due"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("block_hmac", ""), _negated=True),
                fields=["block_hmac", "created_at"],
                name="delivery_by_block",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["created_at"], name="delivery_by_time"),
        ),
        migrations.AddField(
            model_name="part",
            name="message",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="delivery.message"
            ),
        ),
        migrations.AddIndex(
            model_name="unmatchedreceipt",
            index=models.Index(fields=["to_hmac"], name="delivery_unmatched_to"),
        ),
        migrations.AddConstraint(
            model_name="unmatchedreceipt",
            constraint=models.UniqueConstraint(
                fields=("provider", "reference", "uid", "state"), name="delivery_one_unmatched_receipt"
            ),
        ),
        migrations.AddIndex(
            model_name="part",
            index=models.Index(fields=["provider", "reference"], name="delivery_part_reference"),
        ),
        migrations.AddIndex(
            model_name="part",
            index=models.Index(fields=["sent_at"], name="delivery_part_time"),
        ),
        migrations.RunPython(add_notify, drop_notify),
    ]
