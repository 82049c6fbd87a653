from django.db import migrations, models

from massar.core.online_indexes import AddIndexOnline


class Migration(migrations.Migration):
    """A person's copy of their data finds their names at the sites."""

    atomic = False
    dependencies = [("sites", "0001_initial")]

    operations = [
        AddIndexOnline("subject", models.Index(fields=["person_id"], name="sites_subjects_of")),
    ]
