"""What an agent has printed is found when the agent's account is frozen."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credentials", "0006_due_for")]

    operations = [
        migrations.AddIndex(
            "slipbatch",
            models.Index(
                fields=["printed_by"], name="credentials_slips_by", condition=models.Q(printed_by__isnull=False)
            ),
        )
    ]
