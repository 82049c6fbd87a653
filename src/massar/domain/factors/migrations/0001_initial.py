from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("people", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="BackupCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code_hmac", models.CharField(max_length=64)),
                ("made_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("person", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to="people.person")),
            ],
        ),
        migrations.CreateModel(
            name="Factor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=[("app", "App"), ("passkey", "Passkey")], max_length=8)),
                ("state", models.CharField(default="enrolled", max_length=8)),
                ("uid", models.CharField(max_length=22)),
                ("name", models.CharField(blank=True, max_length=60)),
                ("enrolled_at", models.DateTimeField()),
                ("moved_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("secret_ciphertext", models.BinaryField(null=True)),
                ("last_step", models.BigIntegerField(default=0)),
                ("person", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to="people.person")),
            ],
            options={
                "indexes": [models.Index(fields=["person", "state"], name="factors_of")],
            },
        ),
        migrations.CreateModel(
            name="Loss",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("state", models.CharField(default="proving", max_length=10)),
                ("asked_at", models.DateTimeField()),
                ("contact_id", models.BigIntegerField()),
                ("code_hmac", models.CharField(max_length=64)),
                ("code_expires_at", models.DateTimeField()),
                ("code_tries", models.PositiveSmallIntegerField(default=0)),
                ("ends_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("person", models.ForeignKey(on_delete=models.CASCADE, related_name="+", to="people.person")),
            ],
            options={
                "indexes": [models.Index(fields=["person", "state"], name="factors_losses_of")],
            },
        ),
    ]
