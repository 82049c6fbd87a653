from django.db import migrations, models
from django.db.models.deletion import CASCADE


class Migration(migrations.Migration):
    dependencies = [("people", "0004_import_runs")]

    operations = [
        migrations.CreateModel(
            name="Guardianship",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "pupil_id",
                        "guardian_id",
                        "since",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "pupil",
                    models.ForeignKey(on_delete=CASCADE, related_name="+", to="people.person", db_index=False),
                ),
                ("guardian", models.ForeignKey(on_delete=CASCADE, related_name="+", to="people.person")),
                ("made_by", models.BigIntegerField(null=True)),
                ("since", models.DateField()),
                ("until", models.DateField()),
                ("relation", models.PositiveSmallIntegerField()),
            ],
        ),
    ]
