"""Normalize: one skeleton (UTS #39) for texts that read the same to a person.

Used where a disguise must not matter (does a password point to a name?), never where a text is stored or hashed.
Sources: Unicode UAX #15 (normal forms), UAX #44 (general categories, default-ignorable signs), UTS #39 (confusables;
only the letters that people really swap are listed here)."""

import re
import unicodedata

# Signs with no ink that are not in the category Cf: fillers, joiners, variation selectors (UAX #44,
# Default_Ignorable_Code_Point) and the blank Braille pattern.
_BLANK_SIGNS = frozenset(
    (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0)
).union(range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_BLANK = re.compile("[" + "".join(map(chr, sorted(_BLANK_SIGNS))) + "]")
_BODILESS = {"Mn", "Me", "Cf", "Lm"}
_ARABIC_CONFUSABLES = {
    "ٱ": "ا", "ٲ": "ا", "ٳ": "ا", "ٵ": "ا",
    "ى": "ي", "ی": "ي", "ې": "ي", "ے": "ي", "ۍ": "ي", "ٸ": "ي",
    "ک": "ك", "ڪ": "ك", "گ": "ك", "ڭ": "ك", "ݣ": "ك",
    "ة": "ه", "ہ": "ه", "ھ": "ه", "ە": "ه", "ۃ": "ه",
    "ۇ": "و", "ۆ": "و", "ۋ": "و", "ٶ": "و", "ڤ": "ف", "ڥ": "ف", "پ": "ب", "چ": "ج", "ژ": "ز", "ں": "ن",
}  # fmt: skip
_LATIN_CONFUSABLES = {
    "ı": "i", "ȷ": "j", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h",
    "ŋ": "n", "ə": "e", "ǝ": "e", "ɑ": "a", "ɡ": "g",
    # Cyrillic and Greek letters that look Latin
    **dict(zip("аеорсухіјѕкмтвнԁӏһ", "aeopcyxijskmtbhdlh", strict=True)),
    **dict(zip("αοεινκρτυχηµμβγσςω", "aoeivkptuxnmmbyssw", strict=True)),
    # small capitals
    **dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True)),
}  # fmt: skip
# Tifinagh as IRCAM romanises it, in the spelling of Moroccan civil status.
_TIFINAGH = {
    "ⴰ": "a", "ⴱ": "b", "ⴳ": "g", "ⴷ": "d", "ⴹ": "d", "ⴻ": "e", "ⴼ": "f", "ⴽ": "k", "ⵀ": "h", "ⵃ": "h",
    "ⵄ": "a", "ⵅ": "kh", "ⵇ": "q", "ⵉ": "i", "ⵊ": "j", "ⵍ": "l", "ⵎ": "m", "ⵏ": "n", "ⵓ": "ou", "ⵔ": "r",
    "ⵕ": "r", "ⵖ": "gh", "ⵙ": "s", "ⵚ": "s", "ⵛ": "ch", "ⵜ": "t", "ⵟ": "t", "ⵡ": "w", "ⵢ": "y", "ⵣ": "z",
    "ⵥ": "z",
}  # fmt: skip
# Letters as flags and as white-on-black signs; the other circled and squared letters are undone by NFKD.
_PICTURE_LETTERS = {chr(first + n): chr(ord("a") + n) for first in (0x1F1E6, 0x1F150, 0x1F170) for n in range(26)}
_CONFUSABLES = str.maketrans({**_ARABIC_CONFUSABLES, **_LATIN_CONFUSABLES, **_TIFINAGH, **_PICTURE_LETTERS})


def is_invisible(sign: str) -> bool:
    """Whether one character leaves no ink and is no ordinary space: Cc, Cf, Zl, Zp, blank fillers."""
    return unicodedata.category(sign) in {"Cc", "Cf", "Zl", "Zp"} or ord(sign) in _BLANK_SIGNS


def has_invisible(text: str) -> bool:
    """Whether one of its characters is invisible; quick where none is."""
    if text.isprintable() and not _BLANK.search(text):
        return False
    return any(map(is_invisible, text))


def is_letter(sign: str) -> bool:
    """Whether one character is a letter of any script. Modifier letters (tatweel, ʿ, ʾ) are not."""
    category = unicodedata.category(sign)
    return category[0] == "L" and category != "Lm"


def is_arabic(sign: str) -> bool:
    return "\u0600" <= sign <= "\u06ff"


def western_digits(text: str) -> str:
    """The text with every decimal digit of any script as 0-9. `²` and `①` are no decimal digits."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if unicodedata.category(c) == "Nd" else c for c in text)


def skeleton(text: str) -> str:
    """Return the skeleton of a text: compatible forms, case, accents, harakat, tatweel, invisible signs and confusable
    letters undone, decimal digits Western. Separators and symbols stay. The skeleton of a whole is that of its parts in
    a row, so a name inside a longer text stays findable. Takes any `str`, lone surrogates too; raises nothing."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    if not plain.isascii():
        bodies = (c for c in plain if unicodedata.category(c) not in _BODILESS and ord(c) not in _BLANK_SIGNS)
        plain = "".join(bodies).translate(_CONFUSABLES)
    return western_digits(plain)
