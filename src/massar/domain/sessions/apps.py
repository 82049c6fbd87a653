from django.apps import AppConfig


class Room(AppConfig):
    name = "massar.domain.sessions"
    label = "sessions"
    default_auto_field = "django.db.models.BigAutoField"
