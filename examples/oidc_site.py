"""A site that speaks OpenID Connect, with Authlib's client for Django. This page is all that such a site needs.

Registered are two addresses: redirect_uri (/callback) and backchannel_logout_uri (/logout-token).
"""

from __future__ import annotations

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.django_client import OAuth
from django.conf import settings
from django.http import HttpResponseRedirect
from django.urls import path
from django.views.decorators.http import require_POST
from joserfc.errors import JoseError

from examples import kit

oauth = OAuth()
for site in settings.SAMPLES.values():
    if site.protocol == "oidc":
        oauth.register(
            site.slug,
            client_id=site.about["client_id"],
            client_secret=site.about["client_secret"],
            server_metadata_url=f"{settings.ACCOUNT}/.well-known/openid-configuration",
            client_kwargs={"scope": site.about["scope"], "code_challenge_method": "S256"},
        )


def home(request):
    claims = request.session.get("claims")
    if not claims:
        return kit.page(request, None, links=[("Sign in", "/login")])
    links = [("Sign in again (fresh proof)", "/login?again=1"), ("Sign out everywhere", "/logout")]
    return kit.page(request, claims, links=links)


def login(request):
    """To the account. `prompt=login` asks for a fresh proof although somebody is signed in there."""
    client = oauth.create_client(request.site.slug)
    fresh = {"prompt": "login"} if request.GET.get("again") else {}
    return client.authorize_redirect(request, f"{request.site.origin}/callback", **fresh)


def callback(request):
    """Back with a code: Authlib checks state, swaps the code (PKCE), and checks signature and nonce of the ID token."""
    if request.GET.get("iss") != settings.ACCOUNT:  # RFC 9207: the answer of another provider is not for us
        return kit.page(request, None, links=[("Sign in", "/login")], note="The answer has the wrong issuer.", status=400)
    client = oauth.create_client(request.site.slug)
    try:
        token = client.authorize_access_token(request)
    except (OAuthError, JoseError) as refused:
        return kit.page(request, None, links=[("Sign in", "/login")], note=f"Not signed in: {refused}", status=400)
    more = client.userinfo(token=token)
    if more["sub"] != token["userinfo"]["sub"]:  # OpenID Connect Core §5.3.2
        return kit.page(request, None, links=[("Sign in", "/login")], note="Two people in one answer.", status=400)
    request.session.update(claims={**token["userinfo"], **more}, sid=token["userinfo"]["sid"], hint=token["id_token"])
    return HttpResponseRedirect("/")


def logout(request):
    """Ends the session here and at the account, which tells every other site."""
    hint = request.session.get("hint")
    request.session.clear()
    client = oauth.create_client(request.site.slug)
    return client.logout_redirect(request, f"{request.site.origin}/", id_token_hint=hint)


@require_POST
def logout_token(request):
    return kit.told_to_sign_out(request, audience=request.site.about["client_id"])


urlpatterns = [
    path("", home),
    path("login", login),
    path("callback", callback),
    path("logout", logout),
    path("logout-token", logout_token),
]
