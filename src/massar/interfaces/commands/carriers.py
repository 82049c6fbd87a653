"""The carriers that the settings name, one for each channel."""

from __future__ import annotations

import json
from pathlib import Path

from django.conf import settings

from massar.domain.delivery import api as delivery

_TEXTS = {"to_field", "text_field", "sender_field", "sender", "validity_field", "reference_field"}
_TABLES = {"headers", "extra"}


def from_settings() -> dict[str, delivery.Carrier]:
    """By channel; sites can always be told. Raises CarrierSettingError with one sentence."""
    massar = settings.MASSAR
    carriers = {}
    if massar.email_url:
        carriers["email"] = delivery.carrier_from_url(
            massar.email_url,
            delivery.CarrierOptions(
                name="mail", sender=massar.email_from, ca_file=_path(massar.email_ca_file)
            ),
        )
    if massar.sms_url:
        carriers["sms"] = delivery.carrier_from_url(
            massar.sms_url,
            delivery.CarrierOptions(
                name="sms", ca_file=_path(massar.sms_ca_file), **_sms_options(massar.sms_options)
            ),
        )
    return carriers | sites()


def sites() -> dict[str, delivery.Carrier]:
    """What tells sites of the end of a session. It needs no setting: addresses stand in the registry."""
    options = delivery.CarrierOptions(name="sites", connect_timeout=3.0, answer_timeout=8.0, total_timeout=10.0)
    return {"site": delivery.SiteCarrier(options), "soap": delivery.SoapCarrier(options)}


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
            raise delivery.CarrierSettingError(f"MASSAR_SMS_{name.upper()} is no setting of an SMS gateway.")
    return options


def _table(name: str, value: str) -> dict:
    try:
        table = json.loads(value)
    except ValueError:
        table = None
    if not isinstance(table, dict):
        raise delivery.CarrierSettingError(
            f'MASSAR_SMS_{name.upper()} must be a JSON object, as {{"Authorization": "Bearer ..."}}.'
        )
    return table
