from django.apps import AppConfig


class Room(AppConfig):
    name = "massar.domain.delivery"
    label = "delivery"
    default_auto_field = "django.db.models.BigAutoField"
