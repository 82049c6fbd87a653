"""Arabic speaks to the person in one way, on pages, in mail and in SMS: the plural of courtesy (أنتم)."""

from __future__ import annotations

import re

import pytest
from babel.messages.pofile import read_po

from tests.support.product import ROOT

LOCALE = ROOT / "src/massar/locale/ar/LC_MESSAGES/django.po"
WORDING = sorted((ROOT / "src/massar/domain/delivery/wording/ar").iterdir())
# Verbs to one person: what somebody is told to do, did, or may do. The plural ends in وا, تم or ون.
TO_ONE = """
أنت كنت نسيت طلبت قمت غيرت كتبت أدخلت فعلت توصلت أردت حاولت أضفت حذفت
تكن تتوصل تعط تعطه تعطها تعطيه تفعل تجد تريد تستطيع ترغب تعرف تقم تشارك تخبر تضغط
اتصل اضغط أدخل اختر اكتب افتح انتظر سجل أعد احفظ أكد تأكد جرب راجع اقرأ اطلب انتقل استعمل استخدم أضف احذف ابحث
""".split()
ENDS_IN_KAF = {"ذلك", "تلك", "هناك", "كذلك", "لذلك", "بذلك", "وذلك", "هنالك", "توشك", "ترك"}  # … and speaks to nobody
MARKS = re.compile("[\u064b-\u0652\u0640]")  # harakat and tatweel


def sentences() -> dict[str, str]:
    with LOCALE.open("rb") as file:
        found = {}
        for message in read_po(file):
            texts = message.string if isinstance(message.string, tuple) else (message.string,)
            found |= {f"{message.id} {n}": text for n, text in enumerate(texts) if message.id}
    return found | {path.name: path.read_text("utf-8") for path in WORDING}


def to_one_person(text: str) -> set[str]:
    """The words of a text that speak to one person; و, ف, ل, ب before a word are seen through."""
    words = re.findall("[\u0621-\u064a]+", MARKS.sub("", text))
    suffix = {word for word in words if word.endswith("ك") and len(word) > 2 and word not in ENDS_IN_KAF}
    verbs = {word for word in words if word in TO_ONE or (word[0] in "وفل" and word[1:] in TO_ONE)}
    return suffix | verbs | {word for word in words if word in ("لك", "بك", "منك", "فيك")}


def test_nothing_speaks_to_one_person():
    assert {place: words for place, text in sentences().items() if (words := to_one_person(text))} == {}


@pytest.mark.parametrize(
    "text", ["إن لم تكن أنت، اتصل بنا", "لا تعطها لأحد", "غيّر كلمة مرور حسابك", "فاضغط على الزر", "لن يطلبها منك أحد"]
)
def test_such_a_word_is_found(text):
    assert to_one_person(text)


@pytest.mark.parametrize(
    "text", ["إن لم تكونوا أنتم، اتصلوا بنا", "لا تعطوها لأحد", "إلى ذلك الحين", "غير صحيح", "سجلوا الدخول"]
)
def test_the_plural_is_not(text):
    assert to_one_person(text) == set()
