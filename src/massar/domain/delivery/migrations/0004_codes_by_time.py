"""An index for conversion: the codes by SMS that prove a contact, by time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0003_post_office"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("channel", "sms"), ("purpose", "contact_code")),
                fields=["created_at"],
                name="delivery_codes",
            ),
        ),
    ]
