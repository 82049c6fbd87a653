"""What those who run the installation look at. People open /desk/ with their role, programs /metrics with a token."""

from django.urls import path

from massar.interfaces.ops import metrics, views

urlpatterns = [
    path("desk/", views.index, name="ops"),
    path("desk/messages/", views.messages, name="ops_messages"),
    path("metrics", metrics.metrics, name="metrics"),
]
