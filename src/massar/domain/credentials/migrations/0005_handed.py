from django.db import migrations, models
from django.db.models.functions import Coalesce

OPEN = models.Q(state__in=["issued", "claimed"])


class Migration(migrations.Migration):
    """Slips, which live for months: what is still open is found by its end."""

    dependencies = [("credentials", "0004_recovered_at")]

    operations = [
        migrations.CreateModel(
            "SlipBatch",
            [
                ("id", models.BigAutoField(primary_key=True, auto_created=True, serialize=False, verbose_name="ID")),
                ("unit_id", models.IntegerField(null=True)),
                ("printed_by", models.BigIntegerField(null=True)),
                ("begun_at", models.DateTimeField()),
                ("printed_at", models.DateTimeField(null=True)),
            ],
            options={"indexes": [models.Index(fields=["unit_id", "-id"], name="credentials_slips_of")]},
        ),
        migrations.AddField(
            "temporarypassword",
            "batch",
            models.ForeignKey(
                "credentials.SlipBatch", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
            ),
        ),
        migrations.AddField("temporarypassword", "place", models.PositiveIntegerField(null=True)),
        migrations.RemoveIndex("temporarypassword", "credentials_open"),
        migrations.AddIndex(
            "temporarypassword",
            models.Index(Coalesce("expires_at", "issued_at"), name="credentials_running", condition=OPEN),
        ),
        migrations.AddIndex(
            "temporarypassword",
            models.Index(
                fields=["batch", "place"], name="credentials_slips_in", condition=models.Q(batch__isnull=False)
            ),
        ),
    ]
