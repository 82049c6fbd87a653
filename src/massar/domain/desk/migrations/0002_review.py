from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("desk", "0001_initial")]

    operations = [
        migrations.AddField("case", "review", models.CharField(blank=True, db_default="", max_length=5)),
        migrations.AddField("case", "review_by", models.BigIntegerField(null=True)),
        migrations.AddField("case", "review_at", models.DateTimeField(null=True)),
    ]
