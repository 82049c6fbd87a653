from django.db import migrations, models
from django.db.models.functions import Coalesce

from massar.core.online_indexes import AddIndexOnline, RemoveIndexOnline


class Migration(migrations.Migration):
    """What is still open is found by its end, slips by their batch, and who is asked for another password."""

    atomic = False
    dependencies = [("credentials", "0007_printed_by")]

    operations = [
        AddIndexOnline(
            "temporarypassword",
            models.Index(
                Coalesce("expires_at", "issued_at"), name="credentials_running",
                condition=models.Q(state__in=["issued", "claimed"]),
            ),
        ),
        RemoveIndexOnline("temporarypassword", "credentials_open"),
        AddIndexOnline(
            "temporarypassword",
            models.Index(
                fields=["batch", "place"], name="credentials_slips_in", condition=models.Q(batch__isnull=False)
            ),
        ),
        AddIndexOnline(
            "password",
            models.Index(fields=["due_for"], name="credentials_due", condition=models.Q(due_for__isnull=False)),
        ),
    ]  # fmt: skip
