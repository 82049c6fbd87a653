from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    operations = [
        migrations.CreateModel(
            name="BucketState",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("tat", models.BigIntegerField(db_index=True)),
                ("cost", models.BigIntegerField()),
                ("room", models.BigIntegerField()),
            ],
        )
    ]
