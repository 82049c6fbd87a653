from django.db import migrations, models


class Migration(migrations.Migration):
    """A person's copy of their data finds their names at the sites."""

    dependencies = [("sites", "0001_initial")]

    operations = [
        migrations.AddIndex("subject", models.Index(fields=["person_id"], name="sites_subjects_of")),
    ]
