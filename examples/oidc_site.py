"""A site that speaks OpenID Connect, with Authlib's client for Django. This page and tokens.py are all that such a
site needs.

Registered are two addresses: redirect_uri (/callback) and backchannel_logout_uri (/logout-token).
"""

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.django_client import OAuth
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_POST
from joserfc.errors import JoseError

from examples import kit, tokens
from examples.kit import DEMO, SiteRequest

oauth = OAuth()
for site in DEMO.sites.values():
    if site.protocol == "oidc":
        oauth.register(
            site.slug,
            client_id=site.about["client_id"],
            client_secret=site.about["client_secret"],
            server_metadata_url=f"{DEMO.account}/.well-known/openid-configuration",
            client_kwargs={"scope": site.about["scope"], "code_challenge_method": "S256"},
        )


def login(request: SiteRequest) -> HttpResponse:
    """To the account. `prompt=login` asks for a fresh proof although somebody is signed in there."""
    client = oauth.create_client(request.site.slug)
    fresh = {"prompt": "login"} if request.GET.get("again") else {}
    response: HttpResponse = client.authorize_redirect(request, f"{request.site.origin}/callback", **fresh)
    return response


def callback(request: SiteRequest) -> HttpResponse:
    """Back with a code: Authlib checks state, swaps the code (PKCE), and checks signature and nonce of the ID token."""
    if request.GET.get("iss") != DEMO.account:  # RFC 9207: the answer of another provider is not for us
        return kit.refused(request, "the answer has the wrong issuer.")
    client = oauth.create_client(request.site.slug)
    try:
        token = client.authorize_access_token(request)
    except (OAuthError, JoseError) as refused:
        return kit.refused(request, refused)
    more = client.userinfo(token=token)
    if more["sub"] != token["userinfo"]["sub"]:  # OpenID Connect Core §5.3.2
        return kit.refused(request, "two people in one answer.")
    return kit.signed_in(
        request, claims={**token["userinfo"], **more}, sid=token["userinfo"]["sid"], hint=token["id_token"]
    )


def logout(request: SiteRequest) -> HttpResponse:
    """Ends the session here and at the account, which tells every other site."""
    hint = request.session.get("hint")
    request.session.clear()
    client = oauth.create_client(request.site.slug)
    response: HttpResponse = client.logout_redirect(request, f"{request.site.origin}/", id_token_hint=hint)
    return response


@require_POST
def logout_token(request: SiteRequest) -> HttpResponse:
    return tokens.told_to_sign_out(request, audience=request.site.about["client_id"])


urlpatterns = [
    path("", kit.home),
    path("login", login),
    path("callback", callback),
    path("logout", logout),
    path("logout-token", logout_token),
]
