"""SMS through a gateway's web interface: one JSON object by POST, one JSON object back.

Field names, headers and where the reference stands are settings, because no two gateways agree. Redirects are
not followed: they would carry the secret and our key to an address that nobody configured.
"""

import http.client
import json
from collections.abc import Mapping
from datetime import timedelta

from .contract import (
    SMS,
    Accepted,
    CarrierOptions,
    CarrierSettingError,
    Outgoing,
    Refused,
    Result,
    is_loopback,
    tls_context,
    trouble,
)
from .http_post import Place, Poster

LARGEST_ANSWER = 64 * 1024
_OWN_HEADERS = frozenset(
    ("host", "content-length", "content-type", "transfer-encoding", "connection", "idempotency-key")
)


class SmsHttpCarrier:
    """One request per message, on a connection of its own."""

    channel = SMS

    def __init__(self, gateway: Place, options: CarrierOptions):
        if not gateway.secure and not is_loopback(gateway.host):
            raise CarrierSettingError("An SMS gateway on another machine must be reached by https://.")
        _check_headers(options.sms_headers)
        for name in (options.sms_to_field, options.sms_text_field):
            if not name or "" in name.split("."):
                raise CarrierSettingError("An SMS gateway needs names for the fields of number and text.")
        self.name = options.name or f"sms-{gateway.host}"
        self.longest = options.longest
        self._gateway = gateway
        self._options = options
        self._poster = Poster(options, tls_context(options.ca_file) if gateway.secure else None)
        # Field names that contradict each other show now, not with the first message.
        self._body("+212600000000", "-", timedelta(minutes=1))

    def __repr__(self):
        return f"<SmsHttpCarrier {self.name}>"

    def send(self, message: Outgoing, *, valid_for: timedelta) -> Result:
        headers = {
            "Accept": "application/json",
            **self._options.sms_headers,
            "Content-Type": "application/json; charset=utf-8",
            # A repeat carries the same key, so that a gateway that knows it does not send twice.
            "Idempotency-Key": message.message_id,
        }
        body = self._body(message.to, message.text, valid_for)
        return self._poster.post(self._gateway, body, headers, self._judged)

    def check(self) -> list[str]:
        """Reaches the gateway and verifies its certificate. Sends no request: gateways have none for free."""
        try:
            self._poster.reach(self._gateway)
        except (OSError, ValueError) as problem:
            where = f"{self._gateway.host}:{self._gateway.port}"
            return [f"SMS gateway {where} can't be reached: {trouble(problem)}."]
        return []

    def _judged(self, answer: http.client.HTTPResponse) -> Result:
        if 200 <= answer.status < 300:
            return Accepted(self._reference(answer))
        return self._refusal(answer.status)

    def _refusal(self, status: int) -> Refused:
        code = f"http {status}"
        if status in self._options.sms_permanent_statuses:
            return Refused(code, permanent=True)
        if status in self._options.sms_temporary_statuses or status >= 500:
            return Refused(code, permanent=False)
        # 401 and 403, but also a redirect, 402 or 405: the address, the account or the key is wrong.
        return Refused(code, permanent=False, ours=True)

    def _reference(self, answer: http.client.HTTPResponse) -> str:
        """The gateway's own id. Trouble from here on changes nothing: the status said that it was taken."""
        try:
            told = answer.read(LARGEST_ANSWER + 1)
            if len(told) > LARGEST_ANSWER or not self._options.sms_reference_field:
                return ""
            found = json.loads(told)
            for step in self._options.sms_reference_field.split("."):
                found = found[int(step)] if isinstance(found, list) else found[step]
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, RecursionError):
            return ""
        usable = isinstance(found, str | int) and not isinstance(found, bool)
        return "".join(sign for sign in str(found) if sign.isprintable())[:120] if usable else ""

    def _body(self, to: str, text: str, valid_for: timedelta) -> bytes:
        options = self._options
        content = json.loads(json.dumps(dict(options.sms_extra)))  # our own copy: fields are placed in it
        fields = {
            options.sms_to_field: to,
            options.sms_text_field: text,
            options.sms_sender_field: options.sms_sender,
            options.sms_validity_field: max(1, int(valid_for.total_seconds())),
        }
        for path, value in fields.items():
            if path:
                _place(content, path.split("."), value)
        return json.dumps(content, ensure_ascii=False).encode()


def _place(content: dict, path: list[str], value: object) -> None:
    for step in path[:-1]:
        content = content.setdefault(step, {})
        if not isinstance(content, dict):
            raise CarrierSettingError(f"The SMS field {'.'.join(path)} would go inside a value.")
    content[path[-1]] = value


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if name.lower() in _OWN_HEADERS:
            raise CarrierSettingError(f"The SMS header {name} is set by us and can't be a setting.")
        if not name.isascii() or not name.replace("-", "").isalnum() or not f"{value}".isprintable():
            raise CarrierSettingError(f"The SMS header {name!r} has a name or a value that can't be sent.")
        if not f"{value}".isascii():
            raise CarrierSettingError(f"The SMS header {name} must be ASCII.")
