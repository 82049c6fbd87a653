from django.db import migrations, models

from massar.core.online_indexes import AddIndexOnline


class Migration(migrations.Migration):
    """What is still open is ended every minute, and found without reading what ended."""

    atomic = False
    dependencies = [("credentials", "0002_purpose")]

    operations = [
        AddIndexOnline(
            "temporarypassword",
            models.Index(
                fields=["issued_at"], name="credentials_open", condition=models.Q(state__in=["issued", "claimed"])
            ),
        ),
    ]
