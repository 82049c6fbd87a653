"""The door of the carriers: everything the rest of the room needs, and making one from a URL."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from .contract import (
    DELIVERED,
    EMAIL,
    FAILED,
    SITE,
    SMS,
    UNDERWAY,
    Accepted,
    Carrier,
    CarrierOptions,
    CarrierSettingError,
    NotSent,
    Outgoing,
    Pipelined,
    Receipt,
    ReceiptSink,
    Refused,
    Result,
    Unsure,
)
from .http_post import Place
from .site_http import SiteCarrier
from .sms_http import SmsHttpCarrier
from .smtp import SmtpCarrier
from .smtp_line import DEFAULT_PORT, PLAIN, STARTTLS, TLS, SmtpServer

_SECURITY = {"smtp": PLAIN, "smtp+starttls": STARTTLS, "smtps": TLS}
_IN_URL: dict[str, Callable] = {
    "ca_file": Path,
    "hello": str,
    "bounces": str,
    "connections": int,
    "connect_timeout": float,
    "answer_timeout": float,
    "total_timeout": float,
}


def carrier_from_url(url: str, options: CarrierOptions) -> Carrier:
    """A carrier for `url`. Nothing is connected yet.

    E-mail: `smtp://`, `smtp+starttls://` or `smtps://user:password@host:port`, user and password
    percent-encoded; of the options, ca_file, hello, bounces, connections and the timeouts may stand in its query.
    SMS: `https://…`, or `http://` on this machine; its path and query are the gateway's own.
    Raises CarrierSettingError with one sentence, which never holds the password.
    """
    parts, port = _split(url)
    if parts.scheme in _SECURITY:
        return _smtp(parts, port, options)
    if parts.scheme in ("http", "https"):
        return _sms(parts, port, options)
    raise CarrierSettingError(
        "A carrier's URL must begin with smtp://, smtp+starttls://, smtps:// (e-mail) or https:// (SMS)."
    )


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise CarrierSettingError("A carrier's URL can't be read: its host or port is wrong.") from problem
    if not url.isprintable() or " " in url:
        raise CarrierSettingError("A carrier's URL must not contain spaces or line ends.")
    if parts.scheme and not parts.hostname:
        raise CarrierSettingError("A carrier's URL names no host.")
    return parts, port


def _smtp(parts: SplitResult, port: int | None, options: CarrierOptions) -> SmtpCarrier:
    if parts.path not in ("", "/") or parts.fragment:
        raise CarrierSettingError("A mail server's URL ends after host and port (and ?settings).")
    if bool(parts.username) != bool(parts.password):
        raise CarrierSettingError("A mail server's URL needs both user and password, or neither.")
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        options = _with_setting(options, name, value)
    security = _SECURITY[parts.scheme]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    server = SmtpServer(parts.hostname, port or DEFAULT_PORT[security], security, user, password)
    return SmtpCarrier(server, options)


def _with_setting(options: CarrierOptions, name: str, value: str) -> CarrierOptions:
    if name not in _IN_URL:
        known = ", ".join(_IN_URL)
        raise CarrierSettingError(f"A mail server's URL has no setting {name!r}: it knows {known}.")
    try:
        options = replace(options, **{name: _IN_URL[name](value)})
    except ValueError as problem:
        raise CarrierSettingError(f"The setting {name} of a mail server's URL must be a number.") from problem
    return options


def _sms(parts: SplitResult, port: int | None, options: CarrierOptions) -> SmsHttpCarrier:
    if parts.username or parts.password:
        raise CarrierSettingError("An SMS gateway's key goes into its headers, not into the URL.")
    secure = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return SmsHttpCarrier(Place(secure, parts.hostname, port or (443 if secure else 80), target), options)


__all__ = [
    "DELIVERED",
    "EMAIL",
    "FAILED",
    "SITE",
    "SMS",
    "UNDERWAY",
    "Accepted",
    "Carrier",
    "CarrierOptions",
    "CarrierSettingError",
    "NotSent",
    "Outgoing",
    "Pipelined",
    "Receipt",
    "ReceiptSink",
    "Refused",
    "Result",
    "SiteCarrier",
    "Unsure",
    "carrier_from_url",
]
