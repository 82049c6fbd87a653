from django.db import migrations


class Migration(migrations.Migration):
    """What fails in an hour is read from the counts themselves, in a siege or not."""

    dependencies = [("limits", "0002_defence")]

    operations = [migrations.RemoveField("siege", "failures")]
