from django.db import migrations, models

from massar.core.online_indexes import AddIndexOnline


class Migration(migrations.Migration):
    """When somebody last entered a site."""

    atomic = False
    dependencies = [("sites", "0002_subjects_of")]

    operations = [
        AddIndexOnline(
            "grant",
            models.Index(fields=["site", "created_at"], name="sites_newest", condition=models.Q(person_id__gt=0)),
        ),
    ]
