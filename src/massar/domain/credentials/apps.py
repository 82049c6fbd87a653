from django.apps import AppConfig


class Room(AppConfig):
    name = "massar.domain.credentials"
    label = "credentials"
    default_auto_field = "django.db.models.BigAutoField"
