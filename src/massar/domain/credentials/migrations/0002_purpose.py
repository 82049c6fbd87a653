from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credentials", "0001_initial")]

    operations = [
        migrations.AddField("temporarypassword", "purpose", models.CharField(max_length=8, db_default="recovery")),
    ]
