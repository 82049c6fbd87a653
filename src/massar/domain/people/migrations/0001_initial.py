from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    operations = [
        migrations.CreateModel(
            name="Establishment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=16, unique=True)),
                ("name_ar", models.CharField(max_length=200)),
                ("name_latin", models.CharField(max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name="Person",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("login", models.CharField(max_length=254, unique=True)),
                ("local", models.CharField(db_index=True, max_length=64)),
                ("first_name_ar", models.CharField(blank=True, max_length=100)),
                ("last_name_ar", models.CharField(blank=True, max_length=100)),
                ("first_name_latin", models.CharField(blank=True, max_length=100)),
                ("last_name_latin", models.CharField(blank=True, max_length=100)),
                ("language", models.CharField(default="ar", max_length=2)),
                ("role", models.CharField(default="staff", max_length=20)),
                ("state", models.CharField(default="active", max_length=10)),
                ("contacts_frozen_until", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "establishment",
                    models.ForeignKey("people.establishment", models.PROTECT, null=True, related_name="+"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Contact",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=5)),
                ("state", models.CharField(default="proposed", max_length=10)),
                ("value_ciphertext", models.BinaryField()),
                ("value_hmac", models.CharField(db_index=True, max_length=64)),
                ("uid", models.CharField(max_length=22)),
                ("proposed_at", models.DateTimeField()),
                ("proved_at", models.DateTimeField(null=True)),
                ("counts_from", models.DateTimeField(null=True)),
                ("ends_at", models.DateTimeField(null=True)),
                ("bounced_at", models.DateTimeField(null=True)),
                ("entered_in", models.BigIntegerField(null=True)),
                ("proved_in", models.BigIntegerField(null=True)),
                ("undone_at", models.DateTimeField(null=True)),
                ("code_hmac", models.CharField(blank=True, max_length=64)),
                ("code_sent_at", models.DateTimeField(null=True)),
                ("code_expires_at", models.DateTimeField(null=True)),
                ("code_tries", models.PositiveSmallIntegerField(default=0)),
                ("person", models.ForeignKey("people.person", models.CASCADE, related_name="+")),
            ],
            options={"indexes": [models.Index(fields=["person", "state"], name="people_contacts_of")]},
        ),
    ]
