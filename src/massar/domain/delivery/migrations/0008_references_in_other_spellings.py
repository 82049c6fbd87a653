from django.db import migrations, models
from django.db.models import F, Func, Value
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0005_ended_unsent"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="part",
            index=models.Index(
                F("provider"),
                Lower(Func(F("reference"), Value("0"), function="LTRIM")),
                name="delivery_part_folded",
            ),
        ),
    ]
