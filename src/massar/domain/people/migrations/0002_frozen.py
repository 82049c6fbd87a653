from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0001_initial")]

    operations = [
        migrations.AddField("person", "frozen_at", models.DateTimeField(null=True)),
        migrations.AddField("person", "reopened_at", models.DateTimeField(null=True)),
    ]
