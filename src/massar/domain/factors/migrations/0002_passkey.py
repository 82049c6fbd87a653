from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("factors", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Passkey",
            fields=[
                (
                    "factor",
                    models.OneToOneField(
                        on_delete=models.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="factors.factor",
                    ),
                ),
                ("credential_hmac", models.CharField(max_length=64, unique=True)),
                ("sign_count", models.BigIntegerField()),
                ("backed_up", models.BooleanField()),
                ("challenged_at", models.BigIntegerField(default=0)),
            ],
        ),
    ]
