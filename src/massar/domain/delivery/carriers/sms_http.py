"""SMS through a gateway's web interface: one JSON object by POST, one JSON object back.

Field names, headers and where the reference stands are settings, because no two gateways agree. Redirects are
not followed: they would carry the secret and our key to an address that nobody configured.
"""

import http.client
import json
import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from .contract import (
    SMS,
    Accepted,
    CarrierOptions,
    CarrierSettingError,
    NotSent,
    Outgoing,
    Refused,
    Result,
    Unsure,
    is_loopback,
    tls_context,
    trouble,
)
from .wire import curfew, dial

LARGEST_ANSWER = 64 * 1024
_OWN_HEADERS = frozenset(
    ("host", "content-length", "content-type", "transfer-encoding", "connection", "idempotency-key")
)


class Gateway(NamedTuple):
    """`target` is path and query as they go into the request line."""

    secure: bool
    host: str
    port: int
    target: str


class SmsHttpCarrier:
    """One request per message, on a connection of its own."""

    channel = SMS

    def __init__(self, gateway: Gateway, options: CarrierOptions):
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
        self._tls = tls_context(options.ca_file) if gateway.secure else None
        # Field names that contradict each other show now, not with the first message.
        self._body("+212600000000", "-", timedelta(minutes=1))

    def __repr__(self):
        return f"<SmsHttpCarrier {self.name}>"

    def send(self, message: Outgoing, *, valid_for: timedelta) -> Result:
        body = self._body(message.to, message.text, valid_for)
        try:
            line = dial(self._gateway.host, self._gateway.port, self._options.connect_timeout)
        except OSError as problem:
            return NotSent(trouble(problem))
        with line, curfew(line, self._options.total_timeout) as time:
            result = self._exchange(line, body, message.message_id)
        if time.over and isinstance(result, NotSent | Unsure):
            return type(result)("the conversation took too long")
        return result

    def check(self) -> list[str]:
        """Reaches the gateway and verifies its certificate. Sends no request: gateways have none for free."""
        try:
            line = dial(self._gateway.host, self._gateway.port, self._options.connect_timeout)
            with line, curfew(line, self._options.total_timeout):
                self._secured(line).close()
        except (OSError, ValueError) as problem:
            where = f"{self._gateway.host}:{self._gateway.port}"
            return [f"SMS gateway {where} can't be reached: {trouble(problem)}."]
        return []

    def _secured(self, line: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(line, server_hostname=self._gateway.host) if self._tls else line

    def _exchange(self, line: socket.socket, body: bytes, message_id: str) -> Result:
        try:
            connection = http.client.HTTPConnection(self._gateway.host, self._gateway.port)
            connection.auto_open = 0
            connection.sock = line = self._secured(line)
            line.settimeout(self._options.answer_timeout)
            self._write(connection, body, message_id)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            return NotSent(trouble(problem))
        with line:
            return self._answer(connection)

    def _write(self, connection: http.client.HTTPConnection, body: bytes, message_id: str) -> None:
        connection.putrequest("POST", self._gateway.target, skip_accept_encoding=True)
        headers = {
            "Accept": "application/json",
            "User-Agent": "massar-account",
            **self._options.sms_headers,
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(body)),
            "Connection": "close",
            # A repeat carries the same key, so that a gateway that knows it does not send twice.
            "Idempotency-Key": message_id,
        }
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)

    def _answer(self, connection: http.client.HTTPConnection) -> Result:
        try:
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as problem:
            if isinstance(problem, http.client.RemoteDisconnected):
                return Unsure("the gateway hung up without an answer")
            return Unsure(trouble(problem))
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


