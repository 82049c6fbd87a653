"""Telling a site that a session is over, by POST to the site's address: a logout token (OpenID Connect Back-Channel
Logout 1.0 §2.5), or a LogoutRequest by SOAP (SAML bindings §3.2)."""

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from massar.core.loopback import is_loopback
from massar.domain.delivery import provider as contract
from massar.domain.delivery.provider import Accepted, OutboundMessage, ProviderOptions, Rejected, Result
from massar.providers.http_client import Answer, HttpClient, HttpRequest, HttpResponse, split_address

_LATER = frozenset({408, 409, 425, 429})
ACTION = '"http://www.oasis-open.org/committees/security"'  # SAML bindings §3.2.3.1
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class SiteProvider(contract.Provider):
    """Every message has a place of its own, `to`, the site's registered address; a redirect is not followed. channel:
    'site', `text` is the signed token; or 'soap', `text` is the envelope, and others judge what the site answers."""

    def __init__(self, channel: str, options: ProviderOptions):
        self.channel, self.name, self.longest = channel, options.name or "sites", options.longest
        self._client = HttpClient(options, secure=True)

    def check(self) -> list[str]:
        """Nothing to ask: `massar sites test` reaches the sites."""
        return []

    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
        parts = urlsplit(message.to)
        host, secure = parts.hostname, parts.scheme == "https"
        if not host or not (secure or (parts.scheme == "http" and is_loopback(host))):
            return Rejected("the address is not https", permanent=True)
        by_soap = self.channel == contract.SOAP
        kind = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": ACTION} if by_soap else FORM
        sent = {"Accept": "*/*", "Idempotency-Key": message.message_id, **kind}
        body = message.text if by_soap else urlencode({"logout_token": message.text})
        response = self._client.send(HttpRequest("POST", *split_address(parts), sent, body.encode()))
        return _judged(response, by_soap) if isinstance(response, HttpResponse) else response


def ask_site(method: str, address: str, form: Mapping[str, str] | None, *, seconds: float) -> Answer:
    """Ask any address of a site once, as `massar sites test` does, with a POST's form or with none."""
    body = urlencode(form).encode() if form else b""
    request = HttpRequest(method, *split_address(urlsplit(address)), FORM if form else {}, body)
    return HttpClient(within(seconds), secure=True).send(request)


def within(seconds: float) -> ProviderOptions:
    """The times of one call that is over after so many seconds, two addresses and a slow answer included. What asks the
    system's resolver has its times, which nobody can shorten."""
    half = seconds / 2
    return ProviderOptions(name="sites", connect_timeout=half / 2, answer_timeout=half, total_timeout=half)


def _judged(response: HttpResponse, by_soap: bool) -> Result:
    """200 or 204: done. 400: the site can't end this session (§2.8), and could not the next time either. By SOAP 200
    carries an envelope; a fault comes with 500 (SOAP 1.1 §6.2). 5xx may be the site's trouble with everybody. Anything
    else that is not a matter of load is an address, a proxy or a deployment to be put right, and the site is there: it
    is told of the next person all the same."""
    status, code = response.status, f"http {response.status}"
    if by_soap and status == 200 and response.body is None:
        trouble = "the answer is too long, or broke off"
        return Rejected(trouble, permanent=False, configuration_error=True, about=contract.RECIPIENT)
    if status in (200, 204):
        return Accepted(code, answer=response.body or b"") if by_soap else Accepted(code)
    if status == 400:
        return Rejected(code, permanent=True, about=contract.RECIPIENT)
    if status >= 500:
        return Rejected(code, permanent=False, about=contract.MESSAGE)
    ours, busy = status not in _LATER, status == 429
    return Rejected(code, permanent=False, configuration_error=ours, busy=busy, about=contract.RECIPIENT)
