from django.db import migrations, models
from django.db.models.deletion import CASCADE


class Migration(migrations.Migration):
    dependencies = [("people", "0005_guardianship")]

    operations = [
        migrations.CreateModel(
            name="ListJob",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.CharField(max_length=22)),
                ("holds", models.CharField(max_length=6)),
                ("name", models.CharField(max_length=100)),
                ("size", models.PositiveIntegerField()),
                ("said", models.TextField()),
                ("state", models.CharField(max_length=10)),
                ("why", models.TextField()),
                ("sent_by", models.BigIntegerField()),
                ("approved_by", models.BigIntegerField(null=True)),
                ("language", models.CharField(max_length=2)),
                ("turn", models.PositiveIntegerField()),
                ("total", models.PositiveIntegerField()),
                ("done", models.PositiveIntegerField()),
                ("added", models.PositiveIntegerField()),
                ("changed", models.PositiveIntegerField()),
                ("unchanged", models.PositiveIntegerField()),
                ("refused", models.PositiveIntegerField()),
                ("sent_at", models.DateTimeField()),
                ("began_at", models.DateTimeField(null=True)),
                ("moved_at", models.DateTimeField()),
                ("lease_until", models.DateTimeField(null=True)),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("uid",), name="people_listjob_uid")]},
        ),
        migrations.CreateModel(
            name="ListPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("job", models.ForeignKey(on_delete=CASCADE, related_name="+", to="people.listjob")),
                ("part", models.CharField(max_length=6)),
                ("number", models.PositiveSmallIntegerField()),
                ("ciphertext", models.BinaryField()),
            ],
        ),
    ]
