"""The door of the providers: everything the rest of the room needs, and making one from a URL."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from massar.domain.delivery.provider import (
    DELIVERED,
    EMAIL,
    FAILED,
    MESSAGE,
    NOTHING,
    RECIPIENT,
    SITE,
    SMS,
    SOAP,
    UNDERWAY,
    Accepted,
    NotTransmitted,
    OutboundMessage,
    OutcomeUnknown,
    Pipelined,
    Provider,
    ProviderOptions,
    ProviderSettingError,
    Receipt,
    ReceiptSink,
    Rejected,
    Result,
)
from massar.providers.site_logout.provider import SiteProvider, SoapProvider, ask_site
from massar.providers.smpp.engine import BindSlots
from massar.providers.smpp.provider import SmppProvider
from massar.providers.smpp.provider import from_table as smpp_from_table
from massar.providers.smpp.settings import read_url
from massar.providers.sms_http.provider import HttpProvider, from_url
from massar.providers.sms_http.provider import from_table as http_from_table
from massar.providers.sms_http.receipt import ReceiptForm
from massar.providers.sms_http.settings import receipt_form
from massar.providers.smtp.connection import DEFAULT_PORT, PLAIN, STARTTLS, TLS, SmtpServer
from massar.providers.smtp.provider import SmtpProvider
from massar.providers.smtp.settings import from_table as smtp_from_table

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


KINDS = ("http", "smpp", "smtp")
_OURS = {"kind", "price"}  # what the table says to the registry, not to the provider


def provider_from_table(table: Mapping, *, name: str, receipts_base: str, slots: BindSlots) -> Provider:
    """The provider of one table `[providers.NAME]`. Nothing is connected yet.

    `receipts_base`: the product's public address, for call-backs. `slots`: the binds that its workers share.
    Raises ProviderSettingError with one sentence.
    """
    settings = {key: value for key, value in table.items() if key not in _OURS}
    match table.get("kind"):
        case "http":
            return http_from_table(settings, name=name, receipts_base=receipts_base)
        case "smpp":
            return smpp_from_table(settings, name=name, slots=slots)
        case "smtp":
            return smtp_from_table(settings, name=name)
    raise ProviderSettingError(f"The provider {name} needs a kind: one of {', '.join(KINDS)}.")


def provider_from_url(url: str, options: ProviderOptions, *, slots: BindSlots | None = None) -> Provider:
    """A provider for `url`. Nothing is connected yet.

    E-mail: `smtp://`, `smtp+starttls://` or `smtps://user:password@host:port`, user and password
    percent-encoded; of the options, ca_file, hello, bounces, connections and the timeouts may stand in its query.
    SMS: `https://…`, or `http://` on this machine; its path and query are the gateway's own. Or an SMSC:
    `smpps://user:password@host:port`, its query holds settings of smpp_settings.py; `smpp://` on this machine, or
    with `?tls=off`.
    Raises ProviderSettingError with one sentence, which never holds the password.
    """
    parts, port = _split(url)
    if parts.scheme in _SECURITY:
        return _smtp(parts, port, options)
    if parts.scheme in ("http", "https"):
        return from_url(url, options)
    if parts.scheme in ("smpp", "smpps"):
        table = read_url(parts, port, options)
        return smpp_from_table(table, name=options.name or f"smpp-{parts.hostname}", slots=slots)
    raise ProviderSettingError(
        "A provider's URL must begin with smtp://, smtp+starttls://, smtps:// (e-mail), https://, smpp:// or "
        "smpps:// (SMS)."
    )


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise ProviderSettingError("A provider's URL can't be read: its host or port is wrong.") from problem
    if not url.isprintable() or " " in url:
        raise ProviderSettingError("A provider's URL must not contain spaces or line ends.")
    if parts.scheme and not parts.hostname:
        raise ProviderSettingError("A provider's URL names no host.")
    return parts, port


def _smtp(parts: SplitResult, port: int | None, options: ProviderOptions) -> SmtpProvider:
    if parts.path not in ("", "/") or parts.fragment:
        raise ProviderSettingError("A mail server's URL ends after host and port (and ?settings).")
    if bool(parts.username) != bool(parts.password):
        raise ProviderSettingError("A mail server's URL needs both user and password, or neither.")
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        options = _with_setting(options, name, value)
    security = _SECURITY[parts.scheme]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    server = SmtpServer(parts.hostname, port or DEFAULT_PORT[security], security, user, password)
    return SmtpProvider(server, options)


def _with_setting(options: ProviderOptions, name: str, value: str) -> ProviderOptions:
    if name not in _IN_URL:
        known = ", ".join(_IN_URL)
        raise ProviderSettingError(f"A mail server's URL has no setting {name!r}: it knows {known}.")
    try:
        options = replace(options, **{name: _IN_URL[name](value)})
    except ValueError as problem:
        raise ProviderSettingError(f"The setting {name} of a mail server's URL must be a number.") from problem
    return options


__all__ = [
    "DELIVERED",
    "EMAIL",
    "FAILED",
    "MESSAGE",
    "NOTHING",
    "RECIPIENT",
    "SITE",
    "SMS",
    "SOAP",
    "UNDERWAY",
    "Accepted",
    "BindSlots",
    "HttpProvider",
    "NotTransmitted",
    "OutboundMessage",
    "OutcomeUnknown",
    "Pipelined",
    "Provider",
    "ProviderOptions",
    "ProviderSettingError",
    "Receipt",
    "ReceiptForm",
    "ReceiptSink",
    "Rejected",
    "Result",
    "SiteProvider",
    "SmppProvider",
    "SoapProvider",
    "ask_site",
    "provider_from_table",
    "provider_from_url",
    "receipt_form",
]
