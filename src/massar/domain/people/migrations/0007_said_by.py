"""Who says how a list is read has a part in what is written."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0006_list_jobs")]

    operations = [migrations.AddField("listjob", "said_by", models.BigIntegerField(null=True))]
