"""Password rules as data: profiles, kinds of signs, sizes, the canonical form and the temporary shape."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massar.core import ids
from massar.domain.policy import api, blocklist, rules

GUIDE, NIST = api.PROFILES["guide"], api.PROFILES["nist"]
NOBODY = api.Owner(login="", names=(), establishments=(), phones=())


def broken(password: str, profile: api.Profile = GUIDE) -> list[str]:
    return [refusal.id for refusal in api.refusals(password, facts=NOBODY, profile=profile)]


REASONS = {
    # ATK-078: Arabic letters and an Arabic-Indic digit are what they are, a superscript is no decimal digit
    "": ["Vqk7#pLd92vR", "Vqk7#pLd 92vR", "صباح جميل جدا ٣!"],
    "length_min": ["Vqk7#pLd92v"],
    "symbol": ["Vqk7pLd92vRt"],
    "digit": ["Vqk#pLdxcvRt", "Vqk² pLdxcvRt"],
    "letter": ["7382#9120645"],
    "length_min letter digit symbol": [""],
    "length_min temporary_shape": ["kdmwt-47392"],
    "temporary_shape": ["KDMWT – ٤٧٣٩٢"],
    "invisible": [" Vqk7#pLd92vR", "Vqk7#pLd92vR\n", *(f"Vqk7#pLd{sign}92vR" for sign in "\u00a0\ud800\u0378")],
}


@pytest.mark.parametrize(("expected", "password"), [(e, one) for e, all_ in REASONS.items() for one in all_])
def test_guide_profile(password, expected):
    assert broken(password) == expected.split()


def test_nist_profile_asks_for_length_not_for_kinds():
    assert (broken("vqkpldxcvrtzwm", NIST), broken("vqkpldxcvrtzwmq", NIST)) == (["length_min"], [])


@pytest.mark.parametrize(
    "sign", ["\u202e", "\u200f", "\u2066", "\u061c", "\ufeff", "\u200d", "\u00ad", "\ufe0f", "\u3164"]
)
def test_atk_080_unseen_signs_are_refused_when_set_and_stripped_at_sign_in(sign):
    assert broken(f"Vqk7#p{sign}Ld92vR") == ["invisible"]
    assert api.strip_invisible(f"{sign}Vqk7#p{sign}Ld92vR{sign} ") == "Vqk7#pLd92vR"


def test_pwd_07_canonical_is_nfc_and_nothing_more():
    assert api.canonical("e\u0301té Ａ²") == "été Ａ²"
    assert api.canonical("Aa") != api.canonical("aa")


def test_sizes_are_judged_first_and_alone():
    assert broken("Vqk7#pLd" * 16) == []
    assert broken("Vqk7#pLd" * 16 + "x") == ["length_max"]
    assert broken("😀" * 126 + "a1") == []
    assert broken("e\u0301" * 126 + "1#") == []  # 254 code points as typed, 128 as hashed
    huge = "Vqk7#pLd" * 320_000
    started = time.perf_counter()
    [refusal] = api.refusals(huge, facts=NOBODY, profile=GUIDE)
    assert time.perf_counter() - started < 0.01
    assert refusal[:2] == ("length_max", {"max": 128})


def test_checklist_is_the_profile_in_order():
    lines = api.checklist(GUIDE)
    assert [line.id for line in lines][:5] == ["length_min", "letter", "digit", "symbol", "name"]
    assert lines[0].args == {"min": 12} and lines[-1].args == {"max": 128}
    assert {line.id for line in lines if not line.live} == {"name", "establishment", "login", "phone", "common"}
    assert {"letter", "digit", "symbol"}.isdisjoint(line.id for line in api.checklist(NIST))
    assert api.checklist(NIST)[0].args == {"min": 15}


@pytest.mark.parametrize("body", [
    'rules=["lenght", "length_max"]\npersonal="whole"', 'rules=["letter", "length_max"]\npersonal="half"',
    'rules=["letter"]\npersonal="whole"',
])  # fmt: skip
def test_a_profile_that_cannot_be_judged_is_refused_at_start(body):
    with pytest.raises(ValueError, match="profile bad"):
        rules.load(f"[profiles.bad]\nmin_length=12\n{body}")


@pytest.mark.parametrize("typed", [
    "kdmwt-47392", "kdmwt47392", "KDMWT-47392", "kdmwt–47392", "kdmwt\u221247392", " kdmwt 47392\n", "kdmwt-٤٧٣٩٢",
    "kdmwt-۴۷۳۹۲", "\u200fkdmwt\u2066-47392\u2069", "ｋｄｍｗｔ－４７３９２",
])  # fmt: skip
def test_a_temporary_password_is_known_however_it_is_typed(typed):
    assert api.canonical_temporary(typed) == "kdmwt47392"


@pytest.mark.parametrize(
    "typed", ["", "kdmwt-4739", "kdmwt-473921", "admwt-47392", "kdmwt-47390", "47392-kdmwt", "k" * 4000, "kdmwt.47392"]
)
def test_other_texts_are_no_temporary_password(typed):
    assert api.canonical_temporary(typed) is None


MARKS = ["", " ", "-", "–", "\u200f", "\u2066", "\u00a0", "\u00ad"]
DISGUISES = st.lists(st.sampled_from(MARKS), min_size=11, max_size=11)
SCRIPTS = st.sampled_from(["0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "０１２３４５６７８９"])


@given(
    st.text(ids.TEMPORARY_LETTERS, min_size=5, max_size=5),
    st.text(ids.TEMPORARY_DIGITS, min_size=5, max_size=5),
    DISGUISES,
    SCRIPTS,
    st.booleans(),
)
def test_temporary_shape_survives_every_disguise(letters, digits, marks, script, upper):
    typed = (letters.upper() if upper else letters) + "".join(script[int(digit)] for digit in digits)
    disguised = "".join(mark + sign for mark, sign in zip(marks, typed, strict=False)) + marks[-1]
    assert api.canonical_temporary(disguised) == letters + digits
    assert "temporary_shape" in broken(disguised)


ANY_TEXT = st.text(st.characters(exclude_categories=[]))


@given(ANY_TEXT)
def test_no_text_makes_anything_fail(text):
    for profile in api.PROFILES.values():
        assert set(broken(text, profile)) <= set(profile.rules)
    api.canonical_temporary(text)
    blocklist.in_blocklist(text)


@given(ANY_TEXT)
def test_what_may_be_stored_is_what_is_compared_at_sign_in(text):
    stripped = api.strip_invisible(text)
    assert api.strip_invisible(stripped) == api.strip_invisible(api.canonical(text)) == stripped
    assert stripped.encode("utf-8").decode("utf-8") == stripped
    if "invisible" not in broken(text) and "length_max" not in broken(text):
        assert api.strip_invisible(text) == api.canonical(text) == unicodedata.normalize("NFC", text)
