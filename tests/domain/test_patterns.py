"""Sequences, repeats, dates and words backwards are common passwords; passphrases and random passwords are not."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massar.domain.policy import api, patterns
from massar.interfaces.demo.cast import PEOPLE

NOBODY = api.Owner(login="", names=(), establishments=(), phones=())
SEQUENCES = (
    "abcdefghijk1! Abcdefghijkl1! zyxwvutsrqp1! acegikmoqsu1! 123456789Ab! ١٢٣٤٥٦٧٨٩ab! 987654321Ab! 1234567890a! "
    "2468024680a! Abcd1234!@#$ a1b2c3d4e5f6! abc-def-ghi-1 aabbccddeeff1! @bcdefghijk1! ａｂｃｄｅｆｇｈｉｊ1! "
    "azertyuiop12! poiuytreza1! qsdfghjklm12! nbvcxwmlkj1! Qwerty12345! qwertyuiop12! 1qaz2wsx!QAZ @zertyuiop12! "
    "ضصثقفغعهخح1! شسيبلاتنمك1! ئءؤرلاىةوز1! ابتثجحخدذرز1! ابجدهوزحطيك1! абвгдежзик1! ⴰⴱⴳⴷⴹⴻⴼⴽⵀⵃ1!"
).split()
REPEATS = [
    *"aaaaaaaaaaaa1! Aaaaaaaa1234! zzzzzz!!!!!!1 !!!!!!!!!!!a1 111222333aA! 121212121212a! abcabcabcabc1!".split(),
    *"passpasspass1! jardinjardin1! Jardin-jardin-1! soleil1soleil2! Ab1!Ab1!Ab1! قمرقمرقمرقمر1! مدينة-مدينة-1".split(),
    *"bibliotheque-bibliotheque1! 123abc123abc! abcd!abcd!1234 ACBDACBDACBD1!".split(),
    "salam salam salam 1!",
    "1984 1984 1984 a!",
    "Raja-raja-2026",
    "Maroc2026maroc!",
    "raja-2026-raja",
]
KEYPAD = "7894561230a! 147258369aA! 741852963aA! 963852741aA! 159753852aA! 321654987Ab! ٧٤١٨٥٢٩٦٣ab!".split()
DATES = (
    "12/05/1985-ab 12-05-1985-ab 01.01.1990aA! 01011990-aA! 1985-05-12-ab! 20261129aA-! 5/12/1985-abc! ab-12_05_1985 "
    "١٢/٠٥/١٩٨٥-ab 12051985Ab!! 31121999@Abc"
).split()
BACKWARDS = "drowssap1234! 4321drowssaP! essapedtom12! 2026rassaM!! 4321dr0wss@P 12essapedtoM! am.milaat-2026".split()
GOOD = [
    *"Vqk7#pLd92vR couscous-mint-4 poussette-44-x ballon-pommes-1 terrasse-4-oo cheval-1234-lune nuage#2024riz".split(),
    *"lampe-12051985-nuage cheval-1985-lune olive-31022026x nuage-99887766-mer".split(),
    *"mississippi-42 barbapapa-lune-7 tamtam-couscous4 وردة-قمر-نهر-7 البلاتين-نهر-7 jardin-jardin-83052917".split(),
    "cheval bleu 42!", "صباح جميل جدا ٣!", *(person.password for person, *_ in PEOPLE if person.password),
]  # fmt: skip


@pytest.mark.parametrize("password", [*SEQUENCES, *REPEATS, *KEYPAD, *DATES, *BACKWARDS])
def test_sequences_repeats_dates_and_words_backwards_are_common(password):
    found = api.refusals(password, facts=NOBODY, profile=api.PROFILES["guide"])
    assert "common" in [refusal.id for refusal in found]


@pytest.mark.parametrize("password", GOOD)
def test_others_are_not(password):
    assert not patterns.is_mostly_pattern(password)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64))
def test_to_say_a_text_never_takes_more_than_the_text(text):
    assert patterns.length(text) <= len(text)
    assert patterns.length(text + text) <= patterns.length(text) + max(len(text), 1)


def test_random_passwords_are_not_refused():
    """Twelve signs, the fewest there may be. Chance makes a pattern in less than one of two thousand."""
    draw = Random(20260215)
    signs = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!@#$%&*-_"
    refused = [p for p in ("".join(draw.choices(signs, k=12)) for _ in range(4000)) if patterns.is_mostly_pattern(p)]
    assert len(refused) <= 2, refused
