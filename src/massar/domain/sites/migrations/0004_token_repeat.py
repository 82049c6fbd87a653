from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sites", "0003_grant_offline"),
    ]

    operations = [
        migrations.AddField(
            model_name="token",
            name="repeat",
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name="token",
            name="repeat_until",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddIndex(
            model_name="token",
            index=models.Index(
                condition=models.Q(("repeat_until__gt", 0)), fields=["repeat_until"], name="sites_token_repeats"
            ),
        ),
    ]
