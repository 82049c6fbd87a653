"""Where sites talk to the account: OpenID Connect, SAML 2.0, the gate."""

from django.urls import include, path

urlpatterns = [
    path("", include("massar.interfaces.sso.oidc.urls")),
    path("saml/", include("massar.interfaces.sso.saml.urls")),
    path("gate/", include("massar.interfaces.sso.gate.urls")),
]
