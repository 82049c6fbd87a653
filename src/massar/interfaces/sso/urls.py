"""Where sites talk to the account: OpenID Connect, SAML 2.0, the gate."""

from django.urls import path

from massar.interfaces.sso import gate
from massar.interfaces.sso.oidc import authorize, back_channel, discovery, logout
from massar.interfaces.sso.saml import logout as saml_logout
from massar.interfaces.sso.saml import views as saml

urlpatterns = [
    # OpenID Connect: the browser comes to `authorize` and `logout`; all else is asked by the sites' servers.
    path(".well-known/openid-configuration", discovery.document, name="oidc_discovery"),
    path("jwks", discovery.key_set, name="oidc_jwks"),
    path("authorize", authorize.authorize, name="oidc_authorize"),
    path("authorize/resume", authorize.resume, name="oidc_resume"),
    path("token", back_channel.token, name="oidc_token"),
    path("userinfo", back_channel.userinfo, name="oidc_userinfo"),
    path("introspect", back_channel.introspect, name="oidc_introspect"),
    path("revoke", back_channel.revoke, name="oidc_revoke"),
    path("logout", logout.logout, name="oidc_logout"),
    # SAML: sites know `metadata`, `sso` and `slo`; the browser is led to the others.
    path("saml/metadata", saml.metadata, name="saml_metadata"),
    path("saml/sso", saml.sso, name="saml_sso"),
    path("saml/as/<slug:entity>/metadata", saml.metadata, name="saml_metadata_as"),
    path("saml/as/<slug:entity>/sso", saml.sso, name="saml_sso_as"),
    path("saml/as/<slug:entity>/slo", saml_logout.slo, name="saml_slo_as"),
    path("saml/sso/resume/", saml.resume, name="saml_resume"),
    path("saml/start/<slug:slug>/", saml.start, name="saml_start"),
    path("saml/slo", saml_logout.slo, name="saml_slo"),
    path("saml/slo/asked/", saml_logout.resume, name="saml_asked"),
    path("saml/slo/confirm/", saml_logout.confirm, name="saml_confirm"),
    path("saml/answer/", saml_logout.answer, name="saml_answer"),
    path("saml/leave/<slug:slug>/", saml_logout.leave, name="saml_leave"),
    path("saml/left/", saml_logout.left, name="saml_left"),
    # The gate: the site's proxy asks for `check`, `begin`, `forward` and `enter`; the browser for the rest.
    path("gate/check/", gate.check, name="gate_check"),
    path("gate/begin/", gate.begin, name="gate_begin"),
    path("gate/forward/", gate.forward, name="gate_forward"),
    path("gate/enter/", gate.enter, name="gate_enter"),
    path("gate/start/", gate.start, name="gate_start"),
    path("gate/resume/", gate.resume, name="gate_resume"),
    path("gate/stale/", gate.stale, name="gate_stale"),
]
