"""How else a name is written: the Latin spellings of an Arabic name, the Arabic spelling of a Latin one, and
the other Latin spellings of a Latin one, each as one bounded regular expression.

A name is cut into sounds; each sound has a *slot*: a character class with the letters people write it with.
جلال is `(dj|j|g)` + short vowel + `l` + long a + `l`, which reads jalal, djalal, galal and jallal, and does
not read jail. Every slot knows the chance that random letters fit it, so a whole spelling knows how often it
would be met by accident. A spelling that accident meets too often (Ali, Omar, Saad) counts only as a whole
run of letters; one that is rare enough counts anywhere inside a run. A name has a *loose* reading (short
vowels may be left out: Hsen, Mhamed, Brahim) and a *strict* one (they may not), which is rarer.

Spellings are those of Moroccan civil status (French based) and its English and Egyptian neighbours; Arabizi
digits are turned into letters before they get here."""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from massar.core import normalize

# The chance that one random letter is a given one.
_LATIN = 1 / 26
_ARABIC = 1 / 28
# Above this chance per place a spelling must be a run of its own. Four given letters are 2e-6; a usual
# password has ten places and a usual person six spellings, so the total stays far below one in two hundred.
_COMMONEST_INSIDE = 1.2e-5
_SHORTEST, _LONGEST = 3, 24
_FIRM, _FEWEST_FIRM = 0.5, 2  # slots below this chance are firm; fewer than two of them say nothing


class Slot(NamedTuple):
    """One sound: how it is written (regular expression) and the chance that random letters at a place fit."""

    pattern: str
    chance: float


def _letters(letters: str, low: int, high: int, chance: float = _LATIN) -> Slot:
    """`low` to `high` letters out of a class."""
    repeat = "" if low == high == 1 else f"{{{low},{high}}}"
    return Slot(f"[{letters}]{repeat}", sum((len(letters) * chance) ** n for n in range(low, high + 1)))


def _spelt(*spellings: str) -> Slot:
    """One of several Latin spellings, its last letter perhaps doubled."""
    total = sum(_LATIN ** len(s) * (1 + _LATIN) for s in spellings)
    return Slot("(?:" + "|".join(f"{s}{s[-1]}?" for s in spellings) + ")", total)


_SHORT_VOWEL = _letters("aeiou", 1, 2)
_NO_OR_SHORT_VOWEL = _letters("aeiou", 0, 2)
_GLIDE = _letters("aeiou", 0, 1)
_ARTICLE_INSIDE = Slot("[aeou]{0,2}l{0,2}", 1.22)  # abd-el-lah, nour-ed-dine: the l may be assimilated
_ARTICLE_BEFORE = "(?:[ae]?la?|[ae])?"  # el-fassi, lahcen, et-tazi
_NOTHING = Slot("", 1.0)

_FROM_ARABIC = {
    "ب": _spelt("b"), "ت": _spelt("t"), "ث": _spelt("th", "t", "s"), "ج": _spelt("dj", "j", "g"),
    "ح": _spelt("h"), "خ": _spelt("kh"), "د": _spelt("d"), "ذ": _spelt("dh", "d", "z"), "ر": _spelt("r"),
    "ز": _spelt("z"), "س": _spelt("s", "c"), "ش": _spelt("ch", "sh"), "ص": _spelt("s"),
    "ض": _spelt("dh", "d"), "ط": _spelt("t"), "ظ": _spelt("dh", "d", "z"), "غ": _spelt("gh", "g"),
    "ف": _spelt("f", "ph"), "ق": _spelt("q", "k", "c"), "ك": _spelt("k"), "ل": _spelt("l"),
    "م": _spelt("m"), "ن": _spelt("n"), "ه": _spelt("h"),
}  # fmt: skip
_LONG = {"ا": _letters("ae", 1, 2), "و": _letters("ouw", 1, 2), "ي": _letters("iye", 1, 2)}
_FINAL_YEH = Slot("(?:[iy]{1,2}|ee)", 2 * _LATIN)
_FINAL_HEH = Slot("(?:[ae]h?|h)", 3 * _LATIN)

_UNIT = re.compile("dj|kh|gh|ch|sh|th|dh|ph|ou|oo|ee|([a-z])\\1?")
_ROUND, _FRONT = _letters("ouw", 1, 2), _letters("iye", 1, 2)
_VOWELS = {
    "a": _letters("ae", 1, 2), "e": _letters("aeiu", 1, 1), "i": _FRONT, "y": _FRONT, "ee": _FRONT,
    "o": _ROUND, "u": _ROUND, "w": _ROUND, "ou": _ROUND, "oo": _ROUND,
}  # fmt: skip
_CONSONANTS = {
    "b": "b", "c": "c k", "d": "d dh", "f": "f ph", "g": "g gh j", "h": "h", "j": "j dj g", "k": "k q",
    "l": "l", "m": "m", "n": "n", "p": "p", "q": "q k", "r": "r", "s": "s c", "t": "t", "v": "v w",
    "x": "x ks", "z": "z", "dj": "dj j g", "kh": "kh", "gh": "gh g", "ch": "ch sh", "sh": "sh ch",
    "th": "th t", "dh": "dh d", "ph": "ph f",
}  # fmt: skip
_ARABIC_LETTERS = {
    "b": "ب", "c": "كقس", "d": "دضذظ", "f": "ف", "g": "غجقك", "h": "حه", "j": "ج", "k": "كق", "l": "ل",
    "m": "م", "n": "ن", "p": "ب", "q": "قك", "r": "ر", "s": "سصث", "t": "تطث", "v": "ف", "x": "كس",
    "z": "زظذ", "dj": "ج", "kh": "خ", "gh": "غ", "ch": "ش", "sh": "ش", "th": "ثت", "dh": "ضذظد", "ph": "ف",
}  # fmt: skip


def spellings(word: str, *, in_arabic: bool = True) -> Iterator[str]:
    """Regular expressions for the other spellings of one name. `word`: one name, as a skeleton (`core.normalize`),
    letters only except single spaces inside a compound name. They are to be searched in a skeleton whose runs of
    letters are separated by blanks. `in_arabic`: also guess the Arabic spelling of a Latin name, which is only worth
    its false hits where the real one is not known. Yields nothing for a name of fewer than 3 or more than 24 letters or
    of another script."""
    letters = word.replace(" ", "")
    if not _SHORTEST <= len(letters) <= _LONGEST:
        return
    if all(normalize.is_arabic(c) for c in letters):
        before = _ARTICLE_BEFORE if word.startswith("ال") else ""
        yield from _weigh(_latin_of_arabic(word, loose=True), _latin_of_arabic(word, loose=False), before)
    elif letters.isascii() and letters.isalpha():
        units = _units(letters)
        reading = _latin_of_latin(units)
        yield from _weigh(reading, reading)
        reading = _arabic_of_latin(units) if in_arabic else []
        if sum(slot.chance < _FIRM for slot in reading) >= _FEWEST_FIRM:
            yield from _weigh(reading, reading, "(?:ال)?", "[اهيء]{0,2}")


def _weigh(loose: list[Slot], strict: list[Slot], before: str = "", after: str = "") -> Iterator[str]:
    """The loosest reading that is rare enough to count inside a run; and the loose one as a whole run, with
    what may stand before it (an article) and after it (a feminine ending)."""
    readings = (loose, strict)
    rare = next((r for r in readings if math.prod(slot.chance for slot in r) <= _COMMONEST_INSIDE), None)
    if rare is not None:
        yield "".join(slot.pattern for slot in rare)
    if rare is not loose:
        yield rf"\b(?=\w{{{_SHORTEST}}}){before}{''.join(slot.pattern for slot in loose)}{after}\b"


def _latin_of_arabic(word: str, *, loose: bool) -> list[Slot]:
    slots: list[Slot] = []
    parts = re.sub("^عبدال(?=..)", "عبد ال", word).split()  # عبدالله is written with and without a blank
    for position, part in enumerate(parts):
        if part.startswith("ال") and len(part) >= 4:
            slots += [_ARTICLE_INSIDE] if position else []
            part = part[2:]
        elif position:
            slots.append(_GLIDE)
        slots += _latin_of_part(part, loose=loose, last=position == len(parts) - 1)
    return slots


def _latin_of_part(part: str, *, loose: bool, last: bool) -> list[Slot]:
    firm = sum(letter in _FROM_ARABIC for letter in part)
    slots: list[Slot] = []
    for position, letter in enumerate(part):
        before = part[position - 1] if position else ""
        ends = last and position == len(part) - 1
        if letter in "اع" and not position:
            # Ibrahim and Idrissi lose their first vowel, Amal and Ali do not.
            drops = loose and letter == "ا" and firm >= 3
            slots.append(_NO_OR_SHORT_VOWEL if drops else _SHORT_VOWEL)
        elif letter == "ا" and part[:position] == "ع":
            continue  # Aicha: one vowel for both letters
        elif letter == "ع":
            slots.append(_NO_OR_SHORT_VOWEL)
        elif letter == "ه" and ends and position:
            slots.append(_FINAL_HEH)
        elif letter in _LONG:
            slots.append(_GLIDE if letter != "ا" and before in _FROM_ARABIC else _NOTHING)
            slots.append(_FINAL_YEH if letter == "ي" and ends else _LONG[letter])
        elif letter in _FROM_ARABIC:
            unwritten = _GLIDE if before and before in "وي" else _NOTHING
            if before in _FROM_ARABIC:
                unwritten = _NO_OR_SHORT_VOWEL if loose else _SHORT_VOWEL
            slots += [unwritten, _FROM_ARABIC[letter]]
    return slots


def _units(word: str) -> list[str]:
    """The sounds of a Latin name as they are written; a doubled letter is one sound, a mute e is none."""
    units = [m.group(0) for m in _UNIT.finditer(word)]
    if len(units) > 3 and units[-1] == "e" and _sound(units[-2]) in _CONSONANTS:
        units.pop()
    return units


def _sound(unit: str) -> str:
    """The unit without doubling: `ss` is `s`; `ou`, `oo` and `ee` are sounds of their own."""
    return unit if unit in _VOWELS or unit in _CONSONANTS else unit[0]


def _latin_of_latin(units: list[str]) -> list[Slot]:
    sounds = [_sound(unit) for unit in units]
    firm = sum(sound in _CONSONANTS for sound in sounds)
    slots: list[Slot] = []
    for sound, following in zip(sounds, [*sounds[1:], ""], strict=True):
        if sound in _CONSONANTS:
            slots.append(_spelt(*_CONSONANTS[sound].split()))
        elif sound == "a" and following == "h":
            slots.append(_letters("aeo", 1, 2))  # Zahra, Zohra
        else:
            slots.append(_SHORT_VOWEL if sound in "ae" and firm >= 4 else _VOWELS[sound])
    return slots


def _arabic_of_latin(units: list[str]) -> list[Slot]:
    slots: list[Slot] = []
    for position, unit in enumerate(units):
        sound = _sound(unit)
        if sound not in _CONSONANTS:
            slots.append(_arabic_vowel(units, position))
            continue
        if len(unit) == 2 and unit[0] == unit[1] and position:
            slots.append(_letters("ل", 0, 1, _ARABIC))  # abderrahman: the article's assimilated l
        slots.append(_letters(_ARABIC_LETTERS[sound], 1, 1, _ARABIC))
    return slots


def _arabic_vowel(units: list[str], position: int) -> Slot:
    """The Arabic of one Latin vowel: firm at the start, beside another vowel and for a final i; else it may
    be unwritten."""
    sound = _sound(units[position])
    around = [*units[max(position - 1, 0) : position], *units[position + 1 : position + 2]]
    beside_vowel = any(_sound(unit) in _VOWELS for unit in around)
    last = position == len(units) - 1
    if sound in ("i", "y", "ee"):
        if position == 0 and not beside_vowel:
            return _letters("اع", 1, 1, _ARABIC)
        return _letters("ي", 1, 1, _ARABIC) if beside_vowel or last else _letters("ياعء", 0, 2, _ARABIC)
    if sound not in ("a", "e") and beside_vowel:
        return _letters("و", 1, 1, _ARABIC)
    if position == 0:
        return Slot("[اع]و?", 2 * _ARABIC)
    if sound in ("a", "e"):
        return _NOTHING if last else _letters("اعءه" if sound == "a" else "ايعء", 0, 2, _ARABIC)
    return _letters("واعء", 0, 2, _ARABIC)
