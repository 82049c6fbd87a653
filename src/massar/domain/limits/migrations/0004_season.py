from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("limits", "0003_no_failures")]

    operations = [
        migrations.CreateModel(
            name="Season",
            fields=[
                ("key", models.CharField(max_length=8, primary_key=True, serialize=False)),
                ("on_until", models.BigIntegerField()),
            ],
        ),
    ]
