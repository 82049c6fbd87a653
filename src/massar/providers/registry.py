"""The door of the providers: making one from a table or a URL. Their contract is `domain/delivery/provider.py`."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from massar.domain.delivery.provider import Provider, ProviderOptions, ProviderSettingError
from massar.providers.site_logout import SiteProvider, ask_site
from massar.providers.smpp import provider as smpp
from massar.providers.sms_http import provider as sms_http
from massar.providers.sms_http.receipt import ReceiptForm
from massar.providers.sms_http.settings import receipt_form
from massar.providers.smtp import provider as smtp
from massar.providers.smtp.settings import SECURITY

KINDS = ("http", "smpp", "smtp")


def provider_from_table(
    table: Mapping[str, object], *, name: str, receipts_base: str = "", slots: smpp.BindSlots | None = None,
    environ: Mapping[str, str] | None = None,
) -> Provider:  # fmt: skip
    """Make the provider of one table `[providers.NAME]`. Nothing is connected yet. Raises ProviderSettingError.

    `receipts_base`: the public address of the call-backs. `slots`: the binds that its workers share. `environ`: where
    `env:NAME` is looked up; without it the process's own environment.
    """
    match table.get("kind"):
        case "http":
            return sms_http.from_table(table, name=name, receipts_base=receipts_base, environ=environ)
        case "smpp":
            return smpp.from_table(table, name=name, slots=slots, environ=environ)
        case "smtp":
            return smtp.from_table(table, name=name, environ=environ)
    raise ProviderSettingError(f"[providers.{name}] needs a kind: one of {', '.join(KINDS)}.")


def provider_from_url(url: str, options: ProviderOptions, *, slots: smpp.BindSlots | None = None) -> Provider:
    """Make the provider for `url`. Nothing is connected yet. Raises ProviderSettingError, never with the password.

    E-mail: `smtp://`, `smtp+starttls://` or `smtps://user:password@host:port`, user and password percent-encoded.
    SMS: `https://…`, or `http://` on this machine; its path and query are the gateway's own. Or an SMSC:
    `smpps://user:password@host:port`; `smpp://` on this machine, or with `?tls=off`.
    """
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            raise ValueError
    except ValueError:
        raise ProviderSettingError("A provider's URL can't be read: its host or port is wrong.") from None
    if not url.isprintable() or " " in url:
        raise ProviderSettingError("A provider's URL must not contain spaces or line ends.")
    if parts.scheme and not parts.hostname:
        raise ProviderSettingError("A provider's URL names no host.")
    if parts.scheme in SECURITY:
        return smtp.from_url(parts, options)
    if parts.scheme in ("http", "https"):
        return sms_http.from_url(url, options)
    if parts.scheme in ("smpp", "smpps"):
        return smpp.from_url(parts, options, slots=slots)
    schemes = "smtp://, smtp+starttls://, smtps:// (e-mail), https://, smpp:// or smpps:// (SMS)"
    raise ProviderSettingError(f"A provider's URL must begin with {schemes}.")


__all__ = [
    "ReceiptForm", "SiteProvider", "ask_site", "provider_from_table", "provider_from_url", "receipt_form",
]  # fmt: skip
