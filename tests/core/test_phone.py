"""Mobile numbers: many spellings, one number, and a reason for each refusal."""

import pytest

from massar.core import phone


@pytest.mark.parametrize("typed", [
    "0661123456", "661123456", "212661123456", "+212661123456", "00212661123456", "0661.12.34.56", "(0661) 123456",
    "٠٠٢١٢٦٦١١٢٣٤٥٦",
])  # fmt: skip
def test_one_number(typed):
    assert phone.mobile(typed, ("MA",)) == "+212661123456"


@pytest.mark.parametrize(("typed", "reason"), [
    *((typed, "phone_shape") for typed in ("", "abc", "066112345", "06611234567")), ("0522334455", "phone_fixed"),
    ("0801123456", "phone_premium"), ("0831123456", "phone_premium"),
    ("+33612345678", "phone_country"), ("+8821612345", "phone_satellite"),
])  # fmt: skip
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


@pytest.mark.parametrize("beginning", ["0683", "0685", "0686", "0729", "0732", "0749", "0756", "0759", "0790", "0799"])
def test_a_range_newer_than_the_table_is_opened_by_hand(beginning):
    typed = f"{beginning}123456"
    with pytest.raises(phone.BadPhone):
        phone.mobile(typed, ("MA",))
    opened = (phone.mobile_range(beginning, ("MA",)),)
    assert phone.mobile(typed, ("MA",), opened) == f"+212{typed[1:]}"
    assert phone.shown(f"+212{typed[1:]}") == f"{typed[:2]} {typed[2:4]} 12 34 56"
    for broken in (typed[:-1], typed + "7"):
        with pytest.raises(phone.BadPhone):
            phone.mobile(broken, ("MA",), opened)
    with pytest.raises(phone.BadPhone):
        phone.mobile("0747123456", ("MA",), opened)


@pytest.mark.parametrize("typed", ["0683", "683", "06-83", "+212683", "+212 6 83", "00212683", "212683", "٠٦٨٣"])
def test_a_range_has_many_spellings(typed):
    assert phone.mobile_range(typed, ("MA",)) == "+212683"


@pytest.mark.parametrize(("typed", "word"), [
    ("0522", "no mobile"), ("0890", "no mobile"), ("0801", "no mobile"), ("06", "too short"),
    ("+33612", "does not name"), ("+8816", "does not name"),
    *((typed, "no beginning") for typed in ("0683123456", "mobile", "")),
    *((t, "several") for t in ("0683-0686", "0732–0749", "0756 / 0759", "0683 0686", "+212683-+212686", "683-686")),
])  # fmt: skip
def test_a_range_that_would_do_harm_is_refused(typed, word):
    with pytest.raises(ValueError, match=word):
        phone.mobile_range(typed, ("MA",))


@pytest.mark.parametrize(("typed", "opened"), [("0522334455", "+212522"), ("0899123456", "+212899")])
def test_an_opened_range_does_not_turn_fixed_lines_into_mobiles(typed, opened):
    with pytest.raises(phone.BadPhone):
        phone.mobile(typed, ("MA",), (opened,))
