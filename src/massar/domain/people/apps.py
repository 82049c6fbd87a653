from django.apps import AppConfig


class Room(AppConfig):
    name = "massar.domain.people"
    label = "people"
    default_auto_field = "django.db.models.BigAutoField"
