"""Who asks at the back channel: a site's own proof (RFC 6749 §2.3, RFC 7523 §3, OIDC Core §9)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

from django.conf import settings

from massar.domain.sites import api as sites
from massar.journeys.sso.oidc import verify

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_ASSERTION = timedelta(minutes=5)
SKEW = timedelta(seconds=30)
LAST_MOMENT = 2**53  # seconds; beyond it JSON numbers are no longer exact


def authenticate(
    header: tuple[str, str] | None, form: Mapping[str, str], *, addresses: tuple[str, ...], now: datetime
) -> sites.Site | None:
    """The site behind a request, or None. header: name and secret of HTTP Basic, not decoded. addresses: what an
    assertion may name as its audience."""
    client_id, secret, assertion = (form.get(name, "") for name in ("client_id", "client_secret", "client_assertion"))
    if sum([header is not None, bool(secret), bool(assertion)]) > 1:  # RFC 6749 §2.3: one way in one request
        return None
    if assertion:
        is_jwt = form.get("client_assertion_type") == JWT_BEARER
        return _by_assertion(client_id, assertion, addresses, now) if is_jwt else None
    if header is None:
        return _by_secret(client_id, secret)
    # RFC 6749 §2.3.1 has both form-encoded. Authlib, requests-oauthlib and Dovecot do not do that, so a `+` or `%` of
    # theirs means itself. Whoever knows the secret knows both ways to write it.
    decoded = (unquote_plus(header[0]), unquote_plus(header[1]))
    found = (_by_secret(*reading) for reading in (decoded, header) if client_id in ("", reading[0]))
    return next((site for site in found if site), None)


def _by_secret(name: str, secret: str) -> sites.Site | None:
    site = settings.MASSAR.sites.by_client.get(name)
    if site is None or site.protocol != "oidc" or site.client_auth == "private_key_jwt":
        return None
    proved = not secret if site.client_auth == "none" else sites.is_secret(secret, site.client_secret)
    return site if proved else None


def _by_assertion(client_id: str, assertion: str, addresses: tuple[str, ...], now: datetime) -> sites.Site | None:
    registered = settings.MASSAR.sites.by_client
    # client_id may be left out with an assertion (RFC 7521 §4.2).
    named = [registered.get(client_id)] if client_id else registered.values()
    for site in named:
        if site is None or site.protocol != "oidc" or site.client_auth != "private_key_jwt":
            continue
        claims = verify.verified(assertion, site.client_keys, verify.ASSERTION_ALGORITHMS)
        if claims and _is_for_us(claims, site, addresses) and _is_in_time(claims, now):
            # Each jti once, remembered for as long as the assertion could be shown again.
            until = datetime.fromtimestamp(claims["exp"], UTC) + SKEW
            if sites.replay_cache.add("client_assertion", site.client_id, claims["jti"], until=until):
                return site
    return None


def _is_for_us(claims: verify.Claims, site: sites.Site, addresses: tuple[str, ...]) -> bool:
    audience = claims.get("aud")
    audience = [audience] if isinstance(audience, str) else audience
    right_place = isinstance(audience, list) and any(one in addresses for one in audience)
    own = claims.get("iss") == claims.get("sub") == site.client_id
    return right_place and own and isinstance(claims.get("jti"), str)


def _is_in_time(claims: verify.Claims, now: datetime) -> bool:
    moment, skew = now.timestamp(), SKEW.total_seconds()
    begins = [name for name in ("nbf", "iat") if name in claims]
    if not all(_is_date(claims.get(name)) for name in ("exp", *begins)):
        return False
    in_time: bool = moment - skew < claims["exp"] <= moment + LONGEST_ASSERTION.total_seconds() + skew
    return in_time and all(claims[name] <= moment + skew for name in begins)


def _is_date(value: object) -> bool:
    """A NumericDate (RFC 7519 §2), and no number beyond all clocks."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LAST_MOMENT
