from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("limits", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="FailureCount",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("cells", models.BigIntegerField()),
                ("number", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Siege",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("person_id", models.BigIntegerField(null=True)),
                ("on_until", models.BigIntegerField(default=0)),
                ("off_until", models.BigIntegerField(default=0)),
                ("held_until", models.BigIntegerField(default=0)),
                ("failures", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="PassedChallenge",
            fields=[
                ("ref", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("forget_at", models.BigIntegerField(db_index=True)),
            ],
        ),
    ]
