"""The gate. The site's proxy asks for `check`, `begin`, `forward` and `enter`; the browser for the rest."""

from django.urls import path

from massar.interfaces.sso.gate import forward, proxy, views

urlpatterns = [
    path("check/", proxy.check, name="gate_check"),
    path("begin/", proxy.begin, name="gate_begin"),
    path("forward/", forward.forward, name="gate_forward"),
    path("enter/", proxy.enter, name="gate_enter"),
    path("start/", views.start, name="gate_start"),
    path("resume/", views.resume, name="gate_resume"),
    path("stale/", views.stale, name="gate_stale"),
]
