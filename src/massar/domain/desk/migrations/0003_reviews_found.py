from django.db import migrations, models

from massar.core.online_indexes import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("desk", "0002_review")]

    operations = [
        AddIndexOnline(
            "case",
            models.Index(
                fields=["review", "branch_id"],
                name="desk_case_review",
                condition=models.Q(review__in=["drawn", "asked"]),
            ),
        ),
    ]
