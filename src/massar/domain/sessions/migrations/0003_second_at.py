from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions", "0002_second_step"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="second_at",
            field=models.DateTimeField(null=True),
        ),
    ]
