"""Telling a site that a session is over, by POST to the site's address: a logout token (OpenID Connect Back-Channel
Logout 1.0 §2.5), or a LogoutRequest by SOAP (SAML bindings §3.2).
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from massar.core.loopback import is_loopback
from massar.domain.delivery.provider import (
    MESSAGE,
    RECIPIENT,
    SITE,
    SOAP,
    Accepted,
    NotTransmitted,
    OutboundMessage,
    OutcomeUnknown,
    Provider,
    ProviderOptions,
    Rejected,
    Result,
)
from massar.providers.connect import tls_context
from massar.providers.http_client import HttpClient, HttpRequest, HttpResponse, split_address

_LATER = frozenset({408, 409, 425})
ACTION = '"http://www.oasis-open.org/committees/security"'  # SAML bindings §3.2.3.1


class _ToSites(Provider):
    """What both ways share: the message's own place, and no redirects."""

    def __init__(self, options: ProviderOptions):
        self.name = options.name or "sites"
        self.longest = options.longest
        self._client = HttpClient(options, tls_context(options.ca_file))

    def check(self) -> list[str]:
        """Nothing to ask: every message has a place of its own, and `massar sites test` reaches them."""
        return []

    def _post(
        self, message: OutboundMessage, body: bytes, headers: dict[str, str], judge: Callable[[HttpResponse], Result]
    ) -> Result:
        parts = urlsplit(message.to)
        if not (
            parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)))
        ):
            return Rejected("the address is not https", permanent=True)
        sent = {"Accept": "*/*", "Idempotency-Key": message.message_id, **headers}
        response = self._client.send(HttpRequest("POST", *split_address(parts), sent, body))
        return judge(response) if isinstance(response, HttpResponse) else response


class SiteProvider(_ToSites):
    """`to` is the site's registered logout address, `text` the signed token, made anew for every try."""

    channel = SITE

    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
        body = urlencode({"logout_token": message.text}).encode()
        return self._post(message, body, {"Content-Type": "application/x-www-form-urlencoded"}, _judged)


class SoapProvider(_ToSites):
    """`to` is the site's registered address for SOAP, `text` the envelope. Others judge what the site answers."""

    channel = SOAP

    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": ACTION}
        return self._post(message, message.text.encode(), headers, _answered)


def ask_site(
    method: str, address: str, form: Mapping[str, str] | None, *, seconds: float
) -> HttpResponse | NotTransmitted | OutcomeUnknown:
    """Ask any address of a site once, as `massar sites test` does, with a POST's form or with none."""
    client = HttpClient(
        ProviderOptions(connect_timeout=seconds, answer_timeout=seconds, total_timeout=seconds), tls_context(None)
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    body = urlencode(form).encode() if form else b""
    return client.send(HttpRequest(method, *split_address(urlsplit(address)), headers, body))


def _judged(response: HttpResponse) -> Result:
    """200 or 204: done. 400: the site can't end this session (§2.8), and could not the next time either.

    5xx may be the site's trouble with everybody. Anything else that is not a matter of load is an address, a proxy or a
    deployment to be put right, and the site is there: it is told of the next person all the same.
    """
    if response.status in (200, 204):
        return Accepted(f"http {response.status}")
    code = f"http {response.status}"
    if response.status == 400:
        return Rejected(code, permanent=True, about=RECIPIENT)
    if response.status >= 500:
        return Rejected(code, permanent=False, about=MESSAGE)
    ours = response.status not in (*_LATER, 429)
    return Rejected(code, permanent=False, configuration_error=ours, busy=response.status == 429, about=RECIPIENT)


def _answered(response: HttpResponse) -> Result:
    """200 carries an envelope; a fault comes with 500 (SOAP 1.1 §6.2)."""
    if response.status != 200:
        return _judged(response)
    if response.body is None:
        return Rejected(
            "the answer is too long, or broke off", permanent=False, configuration_error=True, about=RECIPIENT
        )
    return Accepted("http 200", answer=response.body)
