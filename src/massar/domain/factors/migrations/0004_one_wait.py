"""One loss of a person waits at most. Of two that came to wait side by side, the younger one goes on: it waits longer."""

from django.db import migrations, models

END_OLDER = (
    "UPDATE factors_loss SET state = 'cancelled', closed_at = ends_at WHERE state = 'waiting' AND EXISTS "
    "(SELECT 1 FROM factors_loss o WHERE o.person_id = factors_loss.person_id AND o.state = 'waiting' "
    "AND o.id > factors_loss.id)"
)


class Migration(migrations.Migration):
    dependencies = [
        ("factors", "0003_enrolled_in"),
    ]

    operations = [
        migrations.RunSQL(END_OLDER, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="loss",
            constraint=models.UniqueConstraint(
                fields=["person"], condition=models.Q(state="waiting"), name="factors_one_wait"
            ),
        ),
    ]
