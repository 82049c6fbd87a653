from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("factors", "0002_passkey"),
    ]

    operations = [
        migrations.AddField(
            model_name="factor",
            name="enrolled_in",
            field=models.CharField(blank=True, db_default="", max_length=30),
        ),
    ]
