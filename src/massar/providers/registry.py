"""The door of the providers: making one from a table or a URL. Their contract is `domain/delivery/provider.py`."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from massar.domain.delivery.provider import Provider, ProviderOptions, ProviderSettingError
from massar.providers.settings import read_provider
from massar.providers.smpp import provider as smpp
from massar.providers.smpp import settings as smpp_settings
from massar.providers.sms_http import provider as sms_http
from massar.providers.sms_http import settings as http_settings
from massar.providers.smtp import settings as smtp_settings
from massar.providers.smtp.provider import SmtpProvider

KINDS = ("http", "smpp", "smtp")


def provider_from_table(
    table: Mapping[str, object], *, name: str, receipts_base: str = "", slots: smpp.BindSlots | None = None,
    environ: Mapping[str, str] | None = None,
) -> Provider:  # fmt: skip
    """Make the provider of one table `[providers.NAME]`. Nothing is connected yet. Raises ProviderSettingError.
    `receipts_base`: the public address of the call-backs. `slots`: the binds that its workers share. `environ`: where
    `env:NAME` is looked up; without it the process's own environment."""
    match table.get("kind"):
        case "http":
            settings = http_settings.read_table(table, name=name, environ=environ)
            if settings.receipt.state and not receipts_base:
                told = f"[providers.{name}] has a receipt table, but there is no address where they could come."
                raise ProviderSettingError(told)
            return sms_http.HttpProvider(settings, name=name, receipts_base=receipts_base)
        case "smpp":
            contract = smpp_settings.read_table(table, name=name, environ=environ)
            return smpp.SmppProvider(contract, name=name, slots=slots)
        case "smtp":
            called = f"[providers.{name}]"
            mail = read_provider(smtp_settings.SmtpSettings, table, called=called, environ=environ)
            return SmtpProvider(mail, name=name)
    raise ProviderSettingError(f"[providers.{name}] needs a kind: one of {', '.join(KINDS)}.")


def provider_from_url(url: str, options: ProviderOptions, *, slots: smpp.BindSlots | None = None) -> Provider:
    """Make the provider for `url`. Nothing is connected yet. Raises ProviderSettingError, never with the password.
    E-mail: `smtp://`, `smtp+starttls://` or `smtps://user:password@host:port`, user and password percent-encoded. SMS:
    `https://…`, or `http://` on this machine; its path and query are the gateway's own. Or an SMSC:
    `smpps://user:password@host:port`; `smpp://` on this machine, or with `?tls=off`."""
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
    if parts.scheme in smtp_settings.SECURITY:
        return SmtpProvider(smtp_settings.read_url(parts, options), name=options.name)
    if parts.scheme in ("http", "https"):
        return sms_http.from_url(url, options)
    if parts.scheme in ("smpp", "smpps"):
        return smpp.SmppProvider(smpp_settings.read_url(parts, options), name=options.name, slots=slots)
    schemes = "smtp://, smtp+starttls://, smtps:// (e-mail), https://, smpp:// or smpps:// (SMS)"
    raise ProviderSettingError(f"A provider's URL must begin with {schemes}.")
