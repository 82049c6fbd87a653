"""Mobile numbers through libphonenumber: many spellings, one number, and a reason when a number can't be used."""

from __future__ import annotations

from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberType

from massar.core import text

_REASONS = {
    PhoneNumberType.FIXED_LINE: "phone_fixed",
    PhoneNumberType.VOIP: "phone_fixed",
    PhoneNumberType.PREMIUM_RATE: "phone_premium",
    PhoneNumberType.SHARED_COST: "phone_premium",
    PhoneNumberType.TOLL_FREE: "phone_premium",
    PhoneNumberType.UAN: "phone_premium",
}
_NATIONAL_PREMIUM = ("8",)  # Moroccan 08…: shared cost and premium, whatever the plan of the day calls them
_SATELLITE = {870, 878, 881, 882, 883}


@dataclass(frozen=True)
class BadPhone(Exception):
    """Why a number can't be used; `reason` is a message id after `error.`."""

    reason: str


def mobile(typed: str, countries: tuple[str, ...]) -> str:
    """The E.164 form of a mobile number of one of `countries` (ISO codes, first is the default).

    `0661123456`, `+212 6 61…`, `00212…` and Arabic-Indic digits are one number. Raises BadPhone with the reason.
    """
    cleaned = text.one_line(typed[:100])
    if cleaned.startswith("00"):
        cleaned = "+" + cleaned[2:]
    if not cleaned or set(cleaned) - set("0123456789+-() ./"):
        raise BadPhone("phone_shape")
    try:
        number = phonenumbers.parse(cleaned, countries[0])
    except phonenumbers.NumberParseException as unreadable:
        raise BadPhone("phone_shape") from unreadable
    _refuse_unusable(number, countries)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _refuse_unusable(number, countries: tuple[str, ...]) -> None:
    if number.country_code in _SATELLITE:
        raise BadPhone("phone_satellite")
    if number.country_code == 212 and str(number.national_number).startswith(_NATIONAL_PREMIUM):
        raise BadPhone("phone_premium")
    if not phonenumbers.is_possible_number(number):
        raise BadPhone("phone_shape")
    if phonenumbers.region_code_for_number(number) not in countries:
        foreign = number.country_code not in {phonenumbers.country_code_for_region(c) for c in countries}
        raise BadPhone("phone_country" if foreign else "phone_shape")
    kind = phonenumbers.number_type(number)
    if kind not in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE):
        raise BadPhone(_REASONS.get(kind, "phone_not_mobile"))


def shown(e164: str) -> str:
    """As people write it: national form for Morocco (`06 61 12 34 56`), international for others."""
    number = phonenumbers.parse(e164, None)
    style = (
        phonenumbers.PhoneNumberFormat.NATIONAL
        if number.country_code == 212
        else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    )
    return phonenumbers.format_number(number, style).replace("-", " ")
