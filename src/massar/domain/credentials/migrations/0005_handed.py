from django.db import migrations, models


class Migration(migrations.Migration):
    """Slips, which live for months."""

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
    ]
