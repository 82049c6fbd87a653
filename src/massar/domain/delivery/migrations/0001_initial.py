from django.db import migrations, models
from django.db.migrations import CreateModel
from django.db.models import F, Func, Index, Q, UniqueConstraint, Value
from django.db.models.functions import Lower

TABLES = ("delivery_recoveryrequest", "delivery_message")


def add_notify(apps, editor):
    """PostgreSQL wakes the workers (LISTEN/NOTIFY) in the transaction that puts a row in: no statement more for the
    page, and nobody can forget it."""
    if editor.connection.vendor == "postgresql":
        editor.execute(
            "CREATE FUNCTION delivery_notify() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_notify('massar_delivery', ''); RETURN NULL; END $$"
        )
        for table in TABLES:
            editor.execute(
                f"CREATE TRIGGER delivery_notify AFTER INSERT ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION delivery_notify()"
            )


def drop_notify(apps, editor):
    if editor.connection.vendor == "postgresql":
        for table in TABLES:
            editor.execute(f"DROP TRIGGER delivery_notify ON {table}")
        editor.execute("DROP FUNCTION delivery_notify()")


class Migration(migrations.Migration):
    initial = True

    operations = [
        CreateModel(
            name="Breaker",
            fields=[
                ("provider", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("state", models.CharField(default="closed", max_length=10)),
                ("faults", models.PositiveIntegerField(default=0)),
                ("pause", models.PositiveIntegerField(default=0)),
                ("until", models.DateTimeField(null=True)),
                ("reason", models.CharField(blank=True, max_length=80)),
                ("changed_at", models.DateTimeField()),
                ("told_at", models.DateTimeField(null=True)),
                ("witnesses", models.TextField(blank=True, db_default="")),
            ],
        ),
        CreateModel(
            name="Counter",
            fields=[
                ("pk", models.CompositePrimaryKey("metric", "labels", serialize=False)),
                ("metric", models.CharField(max_length=100)),
                ("labels", models.CharField(max_length=200)),
                ("value", models.BigIntegerField(default=0)),
            ],
        ),
        CreateModel(
            name="Message",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.CharField(max_length=22, unique=True)),
                ("purpose", models.CharField(max_length=30)),
                ("channel", models.CharField(max_length=5)),
                ("language", models.CharField(max_length=2)),
                ("person_id", models.BigIntegerField()),
                ("temporary_id", models.BigIntegerField(null=True)),
                ("about", models.CharField(blank=True, max_length=60)),
                ("ciphertext", models.BinaryField(null=True)),
                ("state", models.CharField(default="queued", max_length=16)),
                ("priority", models.PositiveSmallIntegerField(default=5)),
                ("turn", models.PositiveIntegerField(db_default=0)),
                ("not_before", models.DateTimeField()),
                ("deadline", models.DateTimeField()),
                ("lifetime", models.PositiveIntegerField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("masked", models.CharField(blank=True, max_length=80)),
                ("to_hmac", models.CharField(blank=True, max_length=64)),
                ("block_hmac", models.CharField(blank=True, max_length=64)),
                ("block_ciphertext", models.BinaryField(null=True)),
                ("provider", models.CharField(blank=True, max_length=40)),
                ("segments", models.PositiveSmallIntegerField(default=0)),
                ("cost", models.PositiveIntegerField(default=0)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("lease_by", models.CharField(blank=True, max_length=22)),
                ("lease_until", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
                ("submitted_at", models.DateTimeField(null=True)),
                ("delivered_at", models.DateTimeField(null=True)),
                ("used_at", models.DateTimeField(null=True)),
                ("final_at", models.DateTimeField(null=True)),
                ("reason", models.CharField(blank=True, max_length=80)),
            ],
            options={
                "indexes": [
                    Index(
                        fields=["channel", "priority", "turn", "not_before", "id"],
                        name="delivery_claims",
                        condition=Q(state__in=("queued", "sending")),
                    ),
                    Index(
                        fields=["to_hmac"],
                        name="delivery_under_way",
                        condition=Q(state__in=("queued", "sending", "awaiting_receipt")),
                    ),
                    Index(fields=["lease_until"], name="delivery_leases", condition=Q(state="sending")),
                    Index(fields=["expires_at"], name="delivery_receipts_due", condition=Q(state="awaiting_receipt")),
                    Index(fields=["person_id", "-id"], name="delivery_by_person"),
                    Index(fields=["block_hmac", "created_at"], name="delivery_by_block", condition=~Q(block_hmac="")),
                    Index(fields=["created_at"], name="delivery_by_time"),
                    Index(
                        fields=["final_at"], name="delivery_ended_unsent", condition=Q(state__in=("failed", "expired"))
                    ),
                    Index(
                        fields=["created_at"], name="delivery_codes", condition=Q(channel="sms", purpose="contact_code")
                    ),
                ]
            },
        ),
        CreateModel(
            name="RecoveryRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("ask_id", models.CharField(max_length=43, unique=True)),
                ("ciphertext", models.BinaryField(null=True)),
                ("state", models.CharField(default="waiting", max_length=8)),
                ("lease_by", models.CharField(blank=True, max_length=22)),
                ("lease_until", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
                ("done_at", models.DateTimeField(null=True)),
                ("tries", models.PositiveSmallIntegerField(db_default=0)),
                ("reason", models.CharField(blank=True, db_default="", max_length=80)),
            ],
            options={
                "indexes": [
                    Index(fields=["state", "id"], name="delivery_requests_open"),
                    Index(fields=["done_at"], name="delivery_requests_failed", condition=Q(state="failed")),
                ]
            },
        ),
        CreateModel(
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
            options={
                "indexes": [Index(fields=["to_hmac"], name="delivery_unmatched_to")],
                "constraints": [
                    UniqueConstraint(
                        fields=("provider", "reference", "uid", "state"), name="delivery_one_unmatched_receipt"
                    )
                ],
            },
        ),
        CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveSmallIntegerField()),
                ("provider", models.CharField(max_length=40)),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("outcome", models.CharField(blank=True, max_length=20)),
                ("code", models.CharField(blank=True, max_length=80)),
                ("reference", models.CharField(blank=True, max_length=100)),
                ("message", models.ForeignKey("delivery.message", models.CASCADE, related_name="+")),
            ],
            options={"constraints": [UniqueConstraint(fields=("message", "number"), name="delivery_one_attempt")]},
        ),
        CreateModel(
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
                ("message", models.ForeignKey("delivery.message", models.CASCADE, related_name="+")),
            ],
            options={
                "indexes": [
                    Index(fields=["provider", "reference"], name="delivery_part_reference"),
                    Index(
                        F("provider"),
                        Lower(Func(F("reference"), Value("0"), function="LTRIM")),
                        name="delivery_part_folded",
                    ),
                    Index(fields=["sent_at"], name="delivery_part_time"),
                ]
            },
        ),
        migrations.RunPython(add_notify, drop_notify),
    ]
