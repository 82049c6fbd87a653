"""What an agent has printed is found when the agent's account is frozen."""

from django.db import migrations, models

from massar.core.online_indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("credentials", "0006_due_for")]

    operations = [
        AddIndexOnline(
            "slipbatch",
            models.Index(
                fields=["printed_by"], name="credentials_slips_by", condition=models.Q(printed_by__isnull=False)
            ),
        )
    ]
