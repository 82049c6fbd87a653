"""What sites read about the account: OpenID Connect Discovery 1.0 §3 and the key set (RFC 7517)."""

from functools import cache

from django.http import HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from massar.domain.sites import api as sites
from massar.interfaces.base import direct, outage
from massar.interfaces.base.request import Request
from massar.journeys.sso import access
from massar.journeys.sso.oidc import claims, verify

KEPT = {"Cache-Control": "public, max-age=3600"}  # an hour; a new key is published a day before it signs
CLIENT_AUTH = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
OF_THE_PROTOCOL = ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid"]
ENDPOINTS = {
    "authorization_endpoint": "oidc_authorize",
    "token_endpoint": "oidc_token",
    "userinfo_endpoint": "oidc_userinfo",
    "jwks_uri": "oidc_jwks",
    "introspection_endpoint": "oidc_introspect",
    "revocation_endpoint": "oidc_revoke",
    "end_session_endpoint": "oidc_logout",
}


@direct.direct_view
@require_safe
def document(request: Request) -> HttpResponse:
    """Built on the configured address, whatever Host was asked for (ATK-115)."""
    algorithms, authenticated = list(verify.ASSERTION_ALGORITHMS), ("token", "introspection", "revocation")
    said = {
        "issuer": access.issuer(),
        **{name: address(view) for name, view in ENDPOINTS.items()},
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "token_endpoint_auth_methods_supported": CLIENT_AUTH,
        "introspection_endpoint_auth_methods_supported": CLIENT_AUTH[:3],
        "revocation_endpoint_auth_methods_supported": CLIENT_AUTH,
        **{f"{name}_endpoint_auth_signing_alg_values_supported": algorithms for name in authenticated},
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": list(claims.OF_SCOPE),
        "claims_supported": [*OF_THE_PROTOCOL, *claims.SUPPORTED],
        "acr_values_supported": list(access.ACRS),
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["ar", "fr", "en"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "require_request_uri_registration": False,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
    return JsonResponse(said, headers=KEPT)


@direct.direct_view
@outage.answer_when_away(lambda request: JsonResponse({"error": "temporarily_unavailable"}))
@require_safe
def key_set(request: Request) -> HttpResponse:
    """All keys that verifiers should know: the next ones and the retired ones too."""
    keys = [signer.jwk for signer in sites.keys.published(now=request.now)]
    return JsonResponse({"keys": keys}, headers=KEPT)


def address(view: str) -> str:
    """An endpoint as the world calls it."""
    return access.issuer() + _path(view)


_path = cache(reverse)
