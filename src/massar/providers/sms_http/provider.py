"""SMS through a gateway's web interface. Everything about the gateway is data: a table of settings, or a preset with
the operator's values over it (`presets/`)."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from massar.core.settings import Verbatim
from massar.domain.delivery import provider as contract
from massar.domain.delivery.provider import NotTransmitted, OutboundMessage, ProviderSettingError, Rejected, Result
from massar.domain.delivery.receipts_address import make
from massar.domain.delivery.sms_text import UCS2, measure
from massar.providers.http_client import HttpClient, HttpRequest, HttpResponse
from massar.providers.oauth_token import TokenSource
from massar.providers.settings import from_options, read_provider
from massar.providers.sms_http.answer import STATUSES
from massar.providers.sms_http.settings import HttpSettings, mapped


class HttpProvider(contract.Provider):
    """One request per message, on connections that are kept while they live. `receipts_base`: the public address of the
    call-backs; `receipts_at`: the one address for all messages, for gateways that are told once where to call instead
    of with each message."""

    channel = contract.SMS

    def __init__(self, settings: HttpSettings, *, name: str, receipts_base: str = ""):
        assert settings.url
        options = settings.options(name)
        self.name, self.longest, self.settings = name, options.longest, settings
        self._base, self._origin = receipts_base, settings.url.origin
        self._client = HttpClient(options, secure=self._origin.secure, keep_alive=True)
        self._tokens = TokenSource(settings.auth, options) if settings.auth.kind == "oauth2" else None
        self._fixed, self._statuses = settings.credentials(), {**STATUSES, **settings.statuses}
        self._names_address = "receipt_url" in settings.placeholders()
        once = bool(settings.receipt.state) and not self._names_address
        self.receipts_at = make(name, "", receipts_base) if once else ""

    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
        """A 401 may mean that the token is over: once, the same request goes with a new one. It was refused before."""
        try:
            request, ends = self.request(message, valid_for), self._client.ends()
        except UnicodeEncodeError:
            why = "the charset has no sign for this text"
            return Rejected(why, permanent=False, configuration_error=True, about=contract.MESSAGE)
        may_renew = True
        while True:
            credentials = self._authorize(ends)
            if isinstance(credentials, Rejected | NotTransmitted):
                return credentials
            response = self._client.send(request._replace(headers={**request.headers, **credentials}), ends=ends)
            if not isinstance(response, HttpResponse):
                return response
            if response.status != 401 or not self._tokens or not may_renew:
                return self.judged(response)
            self._tokens.renew(credentials["Authorization"].removeprefix("Bearer "))
            may_renew = False

    def judged(self, response: HttpResponse) -> Result:
        return self.settings.answer.outcome(response, self._statuses, receipts=bool(self.settings.receipt.state))

    def check(self) -> list[str]:
        """Reach the gateway, verify its certificate and fetch a token. Send no message: none is for free."""
        gateway = f"SMS gateway {self._origin.host}:{self._origin.port}"
        if problem := self._client.reach(self._origin):
            return [f"{gateway} can't be reached: {problem.why}."]
        credentials = self._authorize(self._client.ends())
        if isinstance(credentials, Rejected | NotTransmitted):
            return [f"{gateway} gives us {credentials.code if isinstance(credentials, Rejected) else credentials.why}."]
        return []

    def _authorize(self, ends: float) -> Mapping[str, str] | Rejected | NotTransmitted:
        """The headers that say who we are: none, fixed ones, or a token (RFC 6750 §2.1); or why there are none."""
        if self._tokens is None:
            return self._fixed
        token = self._tokens.token(ends)
        return {"Authorization": f"Bearer {token}"} if isinstance(token, str) else token

    def request(self, message: OutboundMessage, valid_for: timedelta) -> HttpRequest:
        """What the gateway is asked, without who we are. Raises UnicodeEncodeError."""
        settings, seconds = self.settings, max(1, int(valid_for.total_seconds()))
        coding = measure(message.text).encoding
        as_hex = settings.ucs2 == "hex" and coding == UCS2
        values: dict[str, str | int] = {
            "to": message.to, "to_plain": message.to.removeprefix("+"),
            "text": message.text.encode("utf-16-be").hex().upper() if as_hex else message.text,
            "sender": settings.sender, "seconds": seconds, "minutes": max(1, seconds // 60), "id": message.message_id,
            "coding": settings.coding.ucs2 if coding == UCS2 else settings.coding.gsm7,
            "receipt_url": make(self.name, message.message_id, self._base) if self._names_address else "",
        }  # fmt: skip
        return settings.request(values)


def from_url(url: str, options: contract.ProviderOptions) -> HttpProvider:
    """The provider that MASSAR_SMS_URL and its kin describe: one JSON object by POST, one JSON object back."""
    for name in (options.sms_to_field, options.sms_text_field):
        if not name or "" in name.split("."):
            raise ProviderSettingError("An SMS gateway needs names for the fields of number and text.")
    fields = {
        options.sms_to_field: "{to}", options.sms_text_field: "{text}", options.sms_sender_field: "{sender}",
        options.sms_validity_field: "{seconds}",
    }  # fmt: skip
    extra = json.loads(json.dumps(dict(options.sms_extra)))  # a copy, in which no text is a template
    content = mapped(extra, lambda value: Verbatim(value) if isinstance(value, str) else value)
    for path, value in fields.items():
        if path:
            _place(content, path.split("."), value)
    table = {
        "url": Verbatim(url), "headers": {name: Verbatim(value) for name, value in options.sms_headers.items()},
        "json": content, "sender": options.sms_sender, "answer": {"reference": options.sms_reference_field},
        **from_options(options),
    }  # fmt: skip
    settings = read_provider(HttpSettings, table, called="The SMS gateway:")
    return HttpProvider(settings, name=options.name or f"sms-{urlsplit(url).hostname}")


def _place(content: dict[str, Any], path: list[str], value: object) -> None:
    for step in path[:-1]:
        content = content.setdefault(step, {})
        if not isinstance(content, dict):
            raise ProviderSettingError(f"The SMS field {'.'.join(path)} would go inside a value.")
    content[path[-1]] = value
