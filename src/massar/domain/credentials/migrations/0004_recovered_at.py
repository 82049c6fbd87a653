from django.db import migrations, models


class Migration(migrations.Migration):
    """That devices are strangers is no recovery: after a restore they are everybody's. Until now one stood for both."""

    dependencies = [("credentials", "0003_open")]

    operations = [
        migrations.AddField("password", "recovered_at", models.DateTimeField(null=True)),
        migrations.RunSQL(
            "UPDATE credentials_password SET recovered_at = devices_since WHERE devices_since IS NOT NULL",
            migrations.RunSQL.noop,
        ),
    ]
