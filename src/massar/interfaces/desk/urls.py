"""The pages of agents. Each address is in the table of tests/journeys/test_desk_matrix.py, with who may open it."""

from django.urls import path

from massar.interfaces.desk import home, people

urlpatterns = [
    path("desk/", home.home, name="desk"),
    path("desk/prove/", home.prove, name="desk_prove"),
    path("desk/people/", people.people, name="desk_people"),
    path("desk/people/found/<str:token>/", people.found, name="desk_found"),
    path("desk/people/<str:token>/", people.person, name="desk_person"),
    path("desk/people/<str:token>/contacts/<int:contact_id>/", people.show_contact, name="desk_contact"),
    path("desk/people/<str:token>/recovery/", people.recover, name="desk_recover"),
]
