from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [("people", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="ChangeSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cookie_hmac", models.CharField(max_length=64, unique=True)),
                ("temporary_id", models.BigIntegerField()),
                ("claim", models.CharField(max_length=22)),
                ("opened_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("current_right_at", models.DateTimeField(null=True)),
                ("person", models.ForeignKey("people.person", models.CASCADE, related_name="+")),
            ],
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cookie_hmac", models.CharField(max_length=64, unique=True)),
                ("how", models.CharField(max_length=20)),
                ("signed_in_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("network", models.CharField(blank=True, max_length=50)),
                ("browser", models.CharField(blank=True, max_length=60)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_why", models.CharField(blank=True, max_length=20)),
                ("person", models.ForeignKey("people.person", models.CASCADE, related_name="+")),
            ],
            options={"indexes": [models.Index(fields=["person", "ended_at"], name="sessions_of")]},
        ),
    ]
