"""Where providers call back. The address itself is the proof; see domain/delivery/receipts_address.py."""

from django.urls import path

from massar.interfaces.receipts import views

urlpatterns = [path("receipts/<str:provider>/<str:token>", views.receipt, name="receipt")]
