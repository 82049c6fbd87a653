from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [("people", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Password",
            fields=[
                (
                    "person",
                    models.OneToOneField(
                        "people.person", models.CASCADE, primary_key=True, related_name="+", serialize=False
                    ),
                ),
                ("ciphertext", models.BinaryField()),
                ("changed_at", models.DateTimeField()),
                ("devices_since", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="FormerPassword",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("ciphertext", models.BinaryField()),
                ("replaced_at", models.DateTimeField()),
                ("person", models.ForeignKey("people.person", models.CASCADE, related_name="+")),
            ],
        ),
        migrations.CreateModel(
            name="TemporaryPassword",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(max_length=5)),
                ("contact_id", models.BigIntegerField()),
                ("secret_hmac", models.CharField(max_length=64)),
                ("ciphertext", models.BinaryField(null=True)),
                ("known", models.BooleanField(db_default=False)),
                ("state", models.CharField(default="issued", max_length=8)),
                ("recovery_browser_hmac", models.CharField(blank=True, max_length=64)),
                ("issued_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("tries", models.PositiveIntegerField(default=0)),
                ("asker_tries", models.PositiveIntegerField(default=0)),
                ("claim", models.CharField(blank=True, max_length=22)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_why", models.CharField(blank=True, max_length=20)),
                ("person", models.ForeignKey("people.person", models.CASCADE, related_name="+")),
            ],
            options={
                "indexes": [
                    models.Index(fields=["person", "-id"], name="credentials_temporary_of"),
                    models.Index(
                        fields=["expires_at"], name="credentials_to_wipe", condition=models.Q(ciphertext__isnull=False)
                    ),
                ]
            },
        ),
    ]
