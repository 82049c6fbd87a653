"""SAML 2.0. Sites know `metadata`, `sso` and `slo`; the browser is led to the others."""

from django.urls import path

from massar.interfaces.sso.saml import logout, views

urlpatterns = [
    path("metadata", views.metadata, name="saml_metadata"),
    path("sso", views.sso, name="saml_sso"),
    path("as/<slug:entity>/metadata", views.metadata, name="saml_metadata_as"),
    path("as/<slug:entity>/sso", views.sso, name="saml_sso_as"),
    path("as/<slug:entity>/slo", logout.slo, name="saml_slo_as"),
    path("sso/resume/", views.resume, name="saml_resume"),
    path("start/<slug:slug>/", views.start, name="saml_start"),
    path("slo", logout.slo, name="saml_slo"),
    path("slo/asked/", logout.resume, name="saml_asked"),
    path("slo/confirm/", logout.confirm, name="saml_confirm"),
    path("answer/", logout.answer, name="saml_answer"),
    path("leave/<slug:slug>/", logout.leave, name="saml_leave"),
    path("left/", logout.left, name="saml_left"),
]
