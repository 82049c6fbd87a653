"""The pages of agents. Each address is in the table of tests/journeys/test_desk_matrix.py, with who may open it."""

from django.urls import path

from massar.interfaces.desk import home

urlpatterns = [
    path("desk/", home.home, name="desk"),
    path("desk/prove/", home.prove, name="desk_prove"),
]
