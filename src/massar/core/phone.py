"""Mobile numbers through libphonenumber: many spellings, one number, and a reason when a number can't be used."""

import re
from dataclasses import dataclass
from itertools import product

import phonenumbers
from phonenumbers import PhoneNumberType

from massar.core import text

_REASONS = {
    **dict.fromkeys((PhoneNumberType.FIXED_LINE, PhoneNumberType.VOIP), "phone_fixed"),
    **dict.fromkeys((PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST), "phone_premium"),
    **dict.fromkeys((PhoneNumberType.TOLL_FREE, PhoneNumberType.UAN), "phone_premium"),
}
_MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_NATIONAL_PREMIUM = ("8",)  # Moroccan 08…: shared cost and premium, whatever the plan of the day calls them
_SHORTEST_RANGE = 3  # digits: a shorter one would open what was never assigned
_NO_BEGINNING = "is no beginning of a mobile number; give it as 0683 or +212683"
_SEVERAL = "looks like several beginnings: write each without blanks, and a comma between them"
_COUNTRY_APART = re.compile(r"(?:\+|00)[0-9]{1,3}(?=[^0-9])")
_TRIED_DIGITS = 5
_SATELLITE = {870, 878, 881, 882, 883}


@dataclass(frozen=True)
class BadPhone(Exception):
    """Why a number can't be used; `reason` is a message id after `error.`."""

    reason: str


def mobile(typed: str, countries: tuple[str, ...], opened: tuple[str, ...] = ()) -> str:
    """The E.164 form of a mobile number of one of `countries` (ISO codes, first is the default). `0661123456`, `+212 6
    61…`, `00212…` and Arabic-Indic digits are one number. opened: beginnings in E.164 form that are mobile too
    (`mobile_range`). Raises BadPhone with the reason."""
    number = _parsed(typed, countries)
    if number.country_code in _SATELLITE:
        raise BadPhone("phone_satellite")
    if _is_premium(number):
        raise BadPhone("phone_premium")
    if not _is_opened(number, opened):
        if not phonenumbers.is_possible_number(number):
            raise BadPhone("phone_shape")
        if phonenumbers.region_code_for_number(number) not in countries:
            foreign = number.country_code not in {phonenumbers.country_code_for_region(c) for c in countries}
            raise BadPhone("phone_country" if foreign else "phone_shape")
        kind = phonenumbers.number_type(number)
        if kind not in _MOBILE:
            raise BadPhone(_REASONS.get(kind, "phone_not_mobile"))
    return _e164(number)


def mobile_range(typed: str, countries: tuple[str, ...]) -> str:
    """The E.164 form of the beginning of mobile numbers that the library's table does not know yet: `0683` is +212683.
    Regulators assign ranges between two releases of the table. Raises ValueError, whose text says why the range can't
    be opened and follows what was typed."""
    sample, filled = _sample(typed, countries)
    if _is_premium(sample) or phonenumbers.number_type(sample) not in (PhoneNumberType.UNKNOWN, *_MOBILE):
        raise ValueError("is known as no mobile range: nobody there could read a message")
    beginning = _e164(sample)[:-filled]
    if len(beginning) - len(f"+{sample.country_code}") < _SHORTEST_RANGE:
        raise ValueError("is too short: three digits after the country code or the leading 0, or more")
    return beginning


def _sample(typed: str, countries: tuple[str, ...]) -> tuple[phonenumbers.PhoneNumber, int]:
    """A number that begins so, and how many digits were put behind it to make it whole."""
    lengths = {phonenumbers.country_code_for_region(country): _length(country) for country in reversed(countries)}
    cleaned = text.number(typed)
    if not cleaned.strip("+0 "):
        raise ValueError(_NO_BEGINNING)
    if len(re.findall("[0-9]{3,}", _COUNTRY_APART.sub("", cleaned, count=1))) > 1:
        raise ValueError(_SEVERAL)
    if cleaned.startswith(tuple(map(str, lengths))):  # 212683, as in whole numbers
        cleaned = f"+{cleaned}"
    for filled in range(1, max(lengths.values())):
        try:
            sample = _parsed(cleaned + "1" * filled, countries)
        except BadPhone:
            continue
        length = lengths.get(sample.country_code or 0)
        if length is None:
            raise ValueError("is of a country that MASSAR_PHONE_COUNTRIES does not name")
        digits = phonenumbers.national_significant_number(sample)
        if len(digits) == length and not digits.startswith("0"):  # the parser keeps the 0 of what is too short
            return sample, filled
    raise ValueError(_NO_BEGINNING)


def _parsed(typed: str, countries: tuple[str, ...]) -> phonenumbers.PhoneNumber:
    cleaned = text.number(typed)
    if cleaned.startswith("00"):
        cleaned = "+" + cleaned[2:]
    if not cleaned or set(cleaned) - set("0123456789+-() ./"):
        raise BadPhone("phone_shape")
    try:
        return phonenumbers.parse(cleaned, countries[0])
    except phonenumbers.NumberParseException as unreadable:
        raise BadPhone("phone_shape") from unreadable


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _length(country: str) -> int:
    """Digits of a mobile number of that country, without its code; 0 where it has none of its own."""
    example = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
    return len(phonenumbers.national_significant_number(example)) if example else 0


def _is_premium(number: phonenumbers.PhoneNumber) -> bool:
    return number.country_code == 212 and str(number.national_number).startswith(_NATIONAL_PREMIUM)


def _is_opened(number: phonenumbers.PhoneNumber, opened: tuple[str, ...]) -> bool:
    """In a range that was opened by hand, as long as a mobile number, and nothing else to the table."""
    if not opened or not _e164(number).startswith(opened):
        return False
    length = _length(phonenumbers.region_code_for_country_code(number.country_code or 0))
    unknown = phonenumbers.number_type(number) == PhoneNumberType.UNKNOWN
    return unknown and len(phonenumbers.national_significant_number(number)) == length


def counts_as(region: str) -> str:
    """The region whose mobile numbers those of `region` are to libphonenumber: mostly itself. Regions that share
    a calling code with another may have none of their own: +212 6… of Western Sahara (EH) is MA. '' for one without
    mobile numbers."""
    sample = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    owner = phonenumbers.region_code_for_number(sample) or "" if sample else ""
    plan = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if owner == region or sample is None or plan is None or plan.mobile is None:
        return owner
    # Is one of the numbers that begin in all ways of five digits a mobile number of that region alone?
    begins = re.compile(plan.leading_digits or "")
    shape = re.compile(plan.mobile.national_number_pattern or "")
    lengths = [length for length in plan.mobile.possible_length if length >= _TRIED_DIGITS]
    for length, beginning, filling in product(lengths, range(10**_TRIED_DIGITS), "01"):
        one = f"{beginning:0{_TRIED_DIGITS}}".ljust(length, filling)
        if begins.match(one) and shape.fullmatch(one):
            number = phonenumbers.PhoneNumber(plan.country_code, int(one))
            if phonenumbers.region_code_for_number(number) == region:
                return region
    return owner


def shown(e164: str) -> str:
    """As people write it: national form for Morocco (`06 61 12 34 56`), international for others."""
    number = phonenumbers.parse(e164, None)
    styles = phonenumbers.PhoneNumberFormat
    style = styles.NATIONAL if number.country_code == 212 else styles.INTERNATIONAL
    return phonenumbers.format_number(number, style).replace("-", " ")
