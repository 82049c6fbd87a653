from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credentials", "0005_handed")]

    operations = [
        migrations.AddField(model_name="password", name="due_for", field=models.BigIntegerField(null=True)),
    ]
