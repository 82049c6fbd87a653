"""OpenID Connect. The browser comes to `authorize` and `logout`; all else is asked by the sites' servers."""

from django.urls import path

from massar.interfaces.sso.oidc import authorize, back_channel, discovery, logout

urlpatterns = [
    path(".well-known/openid-configuration", discovery.document, name="oidc_discovery"),
    path("jwks", discovery.key_set, name="oidc_jwks"),
    path("authorize", authorize.authorize, name="oidc_authorize"),
    path("authorize/resume", authorize.resume, name="oidc_resume"),
    path("token", back_channel.token, name="oidc_token"),
    path("userinfo", back_channel.userinfo, name="oidc_userinfo"),
    path("introspect", back_channel.introspect, name="oidc_introspect"),
    path("revoke", back_channel.revoke, name="oidc_revoke"),
    path("logout", logout.logout, name="oidc_logout"),
]
