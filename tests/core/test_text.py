"""Cleaning of what people type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massar.core import normalize, phone, text


@pytest.mark.parametrize(("typed", "canonical"), [
    ("Jamal.Jalal@taalim.ma", "jamal.jalal@taalim.ma"), ("jamal", "jamal"), ("a", "a"), ("ja mal", "jamal"),
    ("a_b-c.d@men.gov.ma", "a_b-c.d@men.gov.ma"), ("jamal.", "jamal"), ("jamal\u2024jalal", "jamal.jalal"),
    *((refused, None) for refused in ("", ".jamal", "ja..mal", "جمال", "j\u0430mal", "a" * 65, "a" * 5000)),
])  # fmt: skip
def test_logins(typed, canonical):
    assert text.login(typed) == canonical


def test_a_login_is_bounded_before_anything_is_cleaned():
    """ATK-149: beyond the bound it is not looked at, whatever would be left of it."""
    around = " " * (4 * text.LONGEST_LINE - len("jamal"))
    assert text.login(f"{around}jamal") == "jamal" and text.login(f"{around} jamal") is None


def test_cleaning_a_login_twice_changes_nothing():
    once = text.login(" \u200fJAMAL.Jalal@TAALIM.ma\u202c")
    assert text.login(once) == once == "jamal.jalal@taalim.ma"


@given(st.text(max_size=12) | st.text(alphabet=[*map(chr, range(0x20, 0x7F)), "\t", "\x1c", "\x7f"], max_size=12))
def test_the_quick_look_at_a_line_says_what_the_slow_one_says(typed):
    assert text.one_line(typed) == text.one_line(typed + "\u200b")


_OF_ADDRESSES = st.text(alphabet="aB1.-_+'@, \u0661\uff20{", max_size=12)


@given(_OF_ADDRESSES | st.builds("{}@{}".format, _OF_ADDRESSES, st.sampled_from(("x.org", "x.org.", "1.org", "x"))))
def test_the_quick_look_at_an_address_says_what_the_slow_one_says(typed):
    assert text.login(typed) == text.login(typed + "\u200b") and text.email(typed) == text.email(typed + "\u200b")


@given(st.text(max_size=12) | st.text(alphabet="a \u00ad\u034f\u2800\u3164\ufe0f\U000e0100\ufffd", max_size=4))
def test_the_quick_look_for_what_can_not_be_seen_misses_nothing(typed):
    assert normalize.has_invisible(typed) == any(map(normalize.is_invisible, typed))


@pytest.mark.parametrize(("typed", "canonical"), [
    ("X.Y+tag@Example.ORG", "x.y+tag@example.org"), ("x@sub.example.org", "x@sub.example.org"),
    ("x@example.org.", "x@example.org"), ("x y@example.org", "xy@example.org"),
    ("x@-example.org", None), ("x@example.org\nBcc: y@example.org", None), ("..x@example.org", None),
    ("x@exampłe.org", None), ("x@127.0.0.1", None), ("a" * 65 + "@example.org", None),
    ("x@" + "a" * 63 + "." + "b" * 63 + "." + "c" * 63 + "." + "d" * 60 + ".org", None),
])  # fmt: skip
def test_addresses(typed, canonical):
    assert text.email(typed) == canonical


@pytest.mark.parametrize("typed", [
    "123456", "123 456", "123-456", "١٢٣٤٥٦", "۱۲۳٤٥٦", "\u200f123456\u200e", "１２３４５６", " 123\u2011456 ",
])  # fmt: skip
def test_codes(typed):
    assert text.code(typed) == "123456"
    assert normalize.western_digits("²½①٣") == "²½①3", "digits that are no decimals stay"


def test_masked():
    assert text.masked_email("jamal@gmail.com") == "j•••@g•••" and text.masked_email("j@x.org") == "j•••@x•••"
    assert text.masked_phone("+212661123456") == "06••••••56"
    assert text.masked_phone("+33612345678") == "+33••••••78"


MEANT = "x@taalim.ma"


@pytest.mark.parametrize("typed", [
    "x@taalim,ma", "x@taalim;ma", "x@taalim.ma.", "x@taalim.ma,", "mailto:x@taalim.ma",
    "MAILTO:x@taalim.ma?subject=a", "mailto:x%40taalim.ma", "'x@taalim.ma'", '"x@taalim.ma"', "«x@taalim.ma»",
    "\u201cx@taalim.ma\u201d.", " x @ taalim . ma ", "x\uff20taalim.ma", "x\ufe6btaalim.ma", "x@taalim\u060cma",
    "x@taalim\u06d4ma", "x@taalim\u061bma", "x@taalim.ma\u061b", "\u200fx@taalim.ma\u200e",
    "\u00a0x@taalim.ma\u00a0",
])  # fmt: skip
def test_an_address_is_understood_as_it_is_pasted_or_slips(typed):
    assert text.login(typed) == text.email(typed) == MEANT


@pytest.mark.parametrize("typed", [
    "<x@taalim.ma>", "Prenom Nom <x@taalim.ma>", '"Nom" <x@taalim.ma>;', "<mailto:x@taalim.ma>", "(x@taalim.ma)",
    "\uff58@taalim.ma", "\uff58@taalim\uff0ema",
])  # fmt: skip
def test_what_is_understood_in_a_login_and_told_in_a_contact(typed):
    """A login names an account; in the field of a contact a name with an address is two things (ATK-033), and a
    look-alike is never a match (ATK-032)."""
    assert text.login(typed) == MEANT and text.email(typed) is None


@pytest.mark.parametrize("typed", [
    "x@taalim..ma", "x@@taalim.ma", "a@x.ma,b@x.ma", "<a@x.ma> <b@x.ma>", ".x@taalim.ma", "x@taalim", "@taalim.ma",
    "x@", "<>",
])  # fmt: skip
def test_what_is_no_address_is_told(typed):
    assert text.email(typed) is None and text.login(typed) is None


@pytest.mark.parametrize("typed", [
    "<0661123456>", '"0661123456"', "0661123456.", "0661,12,34,56",
    "06.61.12.34.56", "٠٦٦١١٢٣٤٥٦،", "\uff0b212661123456", "(0661) 12 34 56", "06_61_12_34_56", "«0661123456»",
])  # fmt: skip
def test_a_number_is_understood_as_it_is_pasted(typed):
    assert phone.mobile(typed, ("MA",)) == "+212661123456"
