"""SMS through a gateway's web interface. Everything about the gateway is data: a table of settings, or a preset with
the operator's values over it (`presets/`).
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from massar.core.settings import Verbatim
from massar.domain.delivery.provider import (
    MESSAGE,
    SMS,
    NotTransmitted,
    OutboundMessage,
    OutcomeUnknown,
    Provider,
    ProviderOptions,
    ProviderSettingError,
    Rejected,
    Result,
)
from massar.domain.delivery.receipts_address import make
from massar.domain.delivery.sms_text import UCS2, measure
from massar.providers.connect import tls_context
from massar.providers.http_client import HttpClient, HttpRequest, HttpResponse
from massar.providers.oauth_token import TokenEndpoint, TokenSource
from massar.providers.sms_http.request import Values
from massar.providers.sms_http.settings import HttpSettings, judged, settings_of


class HttpProvider(Provider):
    """One request per message, on connections that are kept while they live.

    `receipts_base`: the public address of the call-backs; `receipts_at`: the one address for all messages,
    for gateways that are told once where to call instead of with each message.
    """

    channel = SMS

    def __init__(self, settings: HttpSettings, *, receipts_base: str = ""):
        options = settings.options
        self.name = settings.name
        self.longest = options.longest
        self._settings, self._base = settings, receipts_base
        secure = settings.request.origin.secure
        self._client = HttpClient(options, tls_context(options.ca_file) if secure else None, keep_alive=True)
        self._tokens: TokenSource | None = None
        self._fixed: Mapping[str, str] = {}
        if isinstance(settings.credentials, TokenEndpoint):
            tls = tls_context(options.ca_file) if settings.credentials.origin.secure else None
            self._tokens = TokenSource(settings.credentials, HttpClient(options, tls))
        else:
            self._fixed = settings.credentials
        self._names_address = "receipt_url" in settings.request.names()
        once = settings.receipt is not None and not self._names_address
        self.receipts_at = make(self.name, "", receipts_base) if once else ""

    def send(self, message: OutboundMessage, *, valid_for: timedelta) -> Result:
        try:
            request = self._settings.request.render(self._values(message, valid_for))
        except UnicodeEncodeError:
            return Rejected(
                "the charset has no sign for this text", permanent=False, configuration_error=True, about=MESSAGE
            )
        response = self._ask(request, self._client.ends())
        return self._settings.answer.judge(response) if isinstance(response, HttpResponse) else response

    def check(self) -> list[str]:
        """Reach the gateway, verify its certificate and fetch a token. Send no message: none is for free."""
        origin, ends = self._settings.request.origin, self._client.ends()
        if problem := self._client.reach(origin):
            return [f"SMS gateway {origin.host}:{origin.port} can't be reached: {problem.why}."]
        credentials = self._authorize(ends)
        if isinstance(credentials, Rejected | NotTransmitted):
            why = credentials.code if isinstance(credentials, Rejected) else credentials.why
            return [f"SMS gateway {origin.host}:{origin.port} gives us {why}."]
        return []

    def _authorize(self, ends: float) -> Mapping[str, str] | Rejected | NotTransmitted:
        """The headers that say who we are: none, fixed ones, or a token (RFC 6750 §2.1); or why there are none."""
        if self._tokens is None:
            return self._fixed
        token = self._tokens.token(ends)
        return {"Authorization": f"Bearer {token}"} if isinstance(token, str) else token

    def _ask(self, request: HttpRequest, ends: float) -> HttpResponse | Rejected | NotTransmitted | OutcomeUnknown:
        """A 401 may mean that the token is over: once, the same request goes with a new one. It was refused before."""
        for may_renew in (True, False):
            credentials = self._authorize(ends)
            if isinstance(credentials, Rejected | NotTransmitted):
                return credentials
            response = self._client.send(request._replace(headers={**request.headers, **credentials}), ends=ends)
            refused = isinstance(response, HttpResponse) and response.status == 401
            if not (refused and may_renew and self._tokens):
                break
            self._tokens.renew(credentials["Authorization"].removeprefix("Bearer "))
        return response

    def _values(self, message: OutboundMessage, valid_for: timedelta) -> Values:
        settings, seconds = self._settings, max(1, int(valid_for.total_seconds()))
        coding = measure(message.text).encoding
        as_hex = settings.ucs2_hex and coding == UCS2
        return {
            "to": message.to,
            "to_plain": message.to.removeprefix("+"),
            "text": message.text.encode("utf-16-be").hex().upper() if as_hex else message.text,
            "sender": settings.sender,
            "seconds": seconds,
            "minutes": max(1, seconds // 60),
            "id": message.message_id,
            "coding": settings.coding[coding],
            "receipt_url": make(self.name, message.message_id, self._base) if self._names_address else "",
        }


def from_table(
    table: Mapping[str, object], *, name: str, receipts_base: str, environ: Mapping[str, str] | None = None
) -> HttpProvider:
    """Make the provider of the operator's table. Nothing is connected yet. Raises ProviderSettingError."""
    settings = settings_of(table, name=name, environ=environ)
    if settings.receipt and not receipts_base:
        raise ProviderSettingError(
            f"[providers.{name}] has a receipt table, but there is no address where they could come."
        )
    return HttpProvider(settings, receipts_base=receipts_base)


def from_url(url: str, options: ProviderOptions) -> HttpProvider:
    """The provider that MASSAR_SMS_URL and its kin describe: one JSON object by POST, one JSON object back."""
    fields = {
        options.sms_to_field: "{to}",
        options.sms_text_field: "{text}",
        options.sms_sender_field: "{sender}",
        options.sms_validity_field: "{seconds}",
    }
    for name in (options.sms_to_field, options.sms_text_field):
        if not name or "" in name.split("."):
            raise ProviderSettingError("An SMS gateway needs names for the fields of number and text.")
    content = _literal(json.loads(json.dumps(dict(options.sms_extra))))
    for path, value in fields.items():
        if path:
            _place(content, path.split("."), value)
    table = {
        "url": Verbatim(url),
        "headers": {name: Verbatim(value) for name, value in options.sms_headers.items()},
        "json": content,
        "sender": options.sms_sender,
        "answer": {"reference": options.sms_reference_field},
    }
    return HttpProvider(judged(table, name=options.name or f"sms-{urlsplit(url).hostname}", options=options))


def _literal(node: Any) -> Any:
    if isinstance(node, str):
        return Verbatim(node)
    if isinstance(node, dict):
        return {name: _literal(one) for name, one in node.items()}
    return [_literal(one) for one in node] if isinstance(node, list) else node


def _place(content: dict[str, Any], path: list[str], value: object) -> None:
    for step in path[:-1]:
        content = content.setdefault(step, {})
        if not isinstance(content, dict):
            raise ProviderSettingError(f"The SMS field {'.'.join(path)} would go inside a value.")
    content[path[-1]] = value
