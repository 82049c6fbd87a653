"""The demo's pages. Included by the root under demo/ when the demo runs, and never otherwise."""

from django.urls import path

from massar.interfaces.demo import views

urlpatterns = [
    path("", views.screen, name="demo"),
    path("messages", views.messages, name="demo_messages"),
    path("mail/<int:number>", views.mail, name="demo_mail"),
]
