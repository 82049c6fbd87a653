from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0003_contact_bounced"),
    ]

    operations = [
        migrations.AddField(model_name="contact", name="entered_in", field=models.BigIntegerField(null=True)),
        migrations.AddField(model_name="contact", name="proved_in", field=models.BigIntegerField(null=True)),
        migrations.AddField(model_name="contact", name="undone_at", field=models.DateTimeField(null=True)),
    ]
