from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0001_initial"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="changesession",
            name="amr",
            field=models.CharField(blank=True, db_default="", max_length=60),
        ),
        migrations.AddField(
            model_name="session",
            name="amr",
            field=models.CharField(db_default="pwd", max_length=60),
        ),
        migrations.CreateModel(
            name="PendingSignIn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cookie_hmac", models.CharField(max_length=64, unique=True)),
                ("temporary_id", models.BigIntegerField(default=0)),
                ("claim", models.CharField(blank=True, max_length=22)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("opened_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("person", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to="people.person")),
            ],
        ),
    ]
