from django.apps import AppConfig


class Room(AppConfig):
    name = "massar.domain.limits"
    label = "limits"
    default_auto_field = "django.db.models.BigAutoField"
