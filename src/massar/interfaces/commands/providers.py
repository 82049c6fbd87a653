"""The providers that the settings name: those of the file, or the one of the environment, for each channel."""

from __future__ import annotations

import json
from pathlib import Path

from django.conf import settings

from massar.domain.delivery import api as delivery
from massar.providers import registry

_TEXTS = {"to_field", "text_field", "sender_field", "sender", "validity_field", "reference_field"}
_TABLES = {"headers", "extra"}


def from_settings() -> delivery.Roster:
    """By channel, in the operator's order; sites can always be told. Raises ProviderSettingError with one sentence."""
    massar = settings.MASSAR
    providers: dict[str, list[delivery.Provider]] = {}
    if massar.email_url:
        options = delivery.ProviderOptions(name="mail", sender=massar.email_from, ca_file=_path(massar.email_ca_file))
        providers["email"] = [registry.provider_from_url(massar.email_url, options)]
    if massar.sms_url:
        options = delivery.ProviderOptions(
            name="sms", ca_file=_path(massar.sms_ca_file), **_sms_options(massar.sms_options)
        )
        slots = delivery.bind_slots.of_provider("sms")
        providers["sms"] = [registry.provider_from_url(massar.sms_url, options, slots=slots)]
    for name, table in massar.providers.items():
        provider = registry.provider_from_table(
            table, name=name, receipts_base=massar.public_url, slots=delivery.bind_slots.of_provider(name)
        )
        _only_in_one_place(massar, provider)
        providers.setdefault(provider.channel, []).append(provider)
    prices = {name: _price(name, table) for name, table in massar.providers.items()}
    to_sites = {channel: [provider] for channel, provider in sites().items()}
    return delivery.Roster({**providers, **to_sites}, prices)


def _only_in_one_place(massar, provider: delivery.Provider) -> None:
    """An address in the environment beside a list in the file: nobody could say which comes first."""
    variable, url = (
        ("MASSAR_EMAIL_URL", massar.email_url) if provider.channel == "email" else ("MASSAR_SMS_URL", massar.sms_url)
    )
    if url:
        raise delivery.ProviderSettingError(
            f"Both {variable} and [providers.{provider.name}] say where messages go: keep one of them."
        )


def _price(name: str, table) -> int:
    """Of a segment, or a letter, in thousandths of the currency."""
    price = table.get("price", 0)
    if type(price) is not int or not 0 <= price <= 1_000_000:
        raise delivery.ProviderSettingError(
            f"[providers.{name}] price must be a whole number of thousandths, from 0 to 1000000."
        )
    return price


def sites() -> dict[str, delivery.Provider]:
    """What tells sites of the end of a session. It needs no setting: addresses stand in the registry."""
    options = delivery.ProviderOptions(name="sites", connect_timeout=3.0, answer_timeout=8.0, total_timeout=10.0)
    return {"site": registry.SiteProvider(options), "soap": registry.SoapProvider(options)}


def _path(name: str | None) -> Path | None:
    return Path(name) if name else None


def _sms_options(given) -> dict:
    """MASSAR_SMS_TO_FIELD, …_TEXT_FIELD, …_SENDER and so on; MASSAR_SMS_HEADERS and MASSAR_SMS_EXTRA are JSON objects."""
    options = {}
    for name, value in given.items():
        if name in _TEXTS:
            options[f"sms_{name}"] = value
        elif name in _TABLES:
            options[f"sms_{name}"] = _table(name, value)
        else:
            raise delivery.ProviderSettingError(f"MASSAR_SMS_{name.upper()} is no setting of an SMS gateway.")
    return options


def _table(name: str, value: str) -> dict:
    try:
        table = json.loads(value)
    except ValueError:
        table = None
    if not isinstance(table, dict):
        raise delivery.ProviderSettingError(
            f'MASSAR_SMS_{name.upper()} must be a JSON object, as {{"Authorization": "Bearer ..."}}.'
        )
    return table
