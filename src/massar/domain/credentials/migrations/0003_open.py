from django.db import migrations, models


class Migration(migrations.Migration):
    """What is still open is ended every minute, and found without reading what ended."""

    dependencies = [("credentials", "0002_purpose")]

    operations = [
        migrations.AddIndex(
            "temporarypassword",
            models.Index(
                fields=["issued_at"], name="credentials_open", condition=models.Q(state__in=["issued", "claimed"])
            ),
        ),
    ]
