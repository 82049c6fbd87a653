from django.apps import AppConfig


class Room(AppConfig):
    name = "massar.domain.sites"
    label = "sites"
    default_auto_field = "django.db.models.BigAutoField"
