"""Lengths of SMS texts, checked against 3GPP TS 23.038 and 23.040."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massar.domain.delivery.sms_text import measure

WHOLE_ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


def test_the_alphabet_has_its_127_signs_of_one_unit():
    assert len(set(WHOLE_ALPHABET)) == 127  # the 128th code is the escape
    size = measure(WHOLE_ALPHABET)
    assert (size.encoding, size.units, size.segments, size.offenders) == ("gsm7", 127, 1, ())


@pytest.mark.parametrize("sign", "^{}\\[~]|€\f")
def test_signs_of_the_extension_cost_two(sign):
    assert (measure(sign).encoding, measure(sign).units) == ("gsm7", 2)


@pytest.mark.parametrize("sign", "êâîôûçœ«»’“–…•`ëïÀ\tم٣\u200e\u00a0\u202f")
def test_signs_that_silently_turn_a_text_into_ucs2_are_named(sign):
    size = measure(f"Le mot de passe{sign}")
    assert (size.encoding, size.offenders) == ("ucs2", (sign,))


def test_offenders_are_named_once_in_their_order():
    assert measure("même forêt, l’âge").offenders == ("ê", "’", "â")


@pytest.mark.parametrize(("text", "units", "segments"), [
    ("", 0, 1), ("a" * 160, 160, 1), ("a" * 161, 161, 2), ("a" * 306, 306, 2), ("a" * 307, 307, 3),
    ("م" * 70, 70, 1), ("م" * 71, 71, 2), ("م" * 134, 134, 2), ("م" * 135, 135, 3),
    ("€" * 80, 160, 1), ("€" * 81, 162, 2), ("😀" * 35, 70, 1), ("😀" * 36, 72, 2),
    # An escape is not parted from its sign: 76 of them fill a part of 153, and one unit is lost in each.
    ("€" * 152, 304, 2), ("€" * 153, 306, 3), ("a" + "€" * 152, 305, 2),
])  # fmt: skip
def test_units_and_segments(text, units, segments):
    size = measure(text)
    assert (size.units, size.segments) == (units, segments)


@given(st.text(max_size=400))
def test_length_never_shrinks_when_a_sign_is_added(text):
    before, after = measure(text), measure(text + "a")
    assert after.units > before.units and after.segments >= before.segments
    assert (before.encoding == "ucs2") == bool(before.offenders)
