from django.db import migrations, models
from django.db.models.deletion import CASCADE


class Migration(migrations.Migration):
    dependencies = [("people", "0007_said_by")]

    operations = [
        migrations.CreateModel(
            name="ListExport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.CharField(max_length=22)),
                ("asked_by", models.BigIntegerField(null=True)),
                ("desk_id", models.IntegerField(null=True)),
                ("unit_id", models.IntegerField()),
                ("who", models.CharField(max_length=8)),
                ("ending", models.CharField(max_length=4)),
                ("language", models.CharField(max_length=2)),
                ("reason", models.CharField(max_length=200)),
                ("state", models.CharField(max_length=8)),
                ("why", models.CharField(max_length=10)),
                ("turn", models.PositiveIntegerField()),
                ("total", models.PositiveIntegerField()),
                ("done", models.PositiveIntegerField()),
                ("asked_at", models.DateTimeField()),
                ("moved_at", models.DateTimeField()),
                ("lease_until", models.DateTimeField(null=True)),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("uid",), name="people_listexport_uid")]},
        ),
        migrations.CreateModel(
            name="ExportPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("export", models.ForeignKey(on_delete=CASCADE, related_name="+", to="people.listexport")),
                ("number", models.PositiveSmallIntegerField()),
                ("ciphertext", models.BinaryField()),
            ],
        ),
    ]
