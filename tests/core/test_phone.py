"""Mobile numbers: many spellings, one number, and a reason for each refusal."""

from __future__ import annotations

import pytest

from massar.core import phone


@pytest.mark.parametrize("typed", ["0661123456", "661123456", "212661123456", "+212661123456", "00212661123456", "0661.12.34.56",
                                   "(0661) 123456", "٠٠٢١٢٦٦١١٢٣٤٥٦"])  # fmt: skip
def test_one_number(typed):
    assert phone.mobile(typed, ("MA",)) == "+212661123456"


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "phone_shape"),
        ("abc", "phone_shape"),
        ("066112345", "phone_shape"),
        ("06611234567", "phone_shape"),
        ("0522334455", "phone_fixed"),
        ("0801123456", "phone_premium"),
        ("+33612345678", "phone_country"),
        ("+8821612345", "phone_satellite"),
    ],
)
def test_reasons(typed, reason):
    with pytest.raises(phone.BadPhone) as refused:
        phone.mobile(typed, ("MA",))
    assert refused.value.reason == reason


def test_the_countries_are_a_setting():
    assert phone.mobile("+33612345678", ("MA", "FR")) == "+33612345678"
    assert phone.mobile("0661123456", ("MA", "FR")) == "+212661123456", "the first is the default"
    with pytest.raises(phone.BadPhone):
        phone.mobile("+34612345678", ("MA", "FR"))


def test_as_people_write_it():
    assert phone.shown("+212661123456").replace("\u00a0", " ") == "06 61 12 34 56"
    assert phone.shown("+33612345678").startswith("+33 ")
