"""Sequences, repeats and dates: passwords that keep to the rules and are still the first a guesser tries.

`abcdefghijk1!` has thirteen signs and one idea. A password is measured by how many signs it takes to *say* it: a run
of neighbours (in an alphabet, in digits, on a row or a column of a keyboard or of its block of digits, forwards or
backwards) is said by two, one sign again and again by two, a date by three, a block again and again by the block and
one; letters, digits and symbols may also be said each by themselves (a1b2c3d4), and letters in disguise by their name
(@zertyuiop). What takes fewer than ten signs to say is as common as a listed password. No list of such passwords would
ever be whole (SP 800-63B-4 §3.1.1.2 names "repetitive or sequential characters"; ASVS 5.0 6.2.4)."""

import re
from collections.abc import Iterator
from functools import lru_cache

from massar.core import normalize
from massar.domain.policy import blocklist

FEWEST = 10  # signs that a password must take to say …
_FEWEST_SEEN_THROUGH = 8  # … and what is seen in it only after a disguise was undone: chance makes such patterns too
_SAVES = 3  # what does not get this much shorter is no pattern, only short
_LONGEST = 64  # code points; longer ones are in nobody's list, and measuring grows with the square
_RUN = 4  # neighbours in a row; three stand in many words (first, verte)
_SAID_BY = 2
_BLOCKS = 6  # signs that a repeated block takes together; fewer stand in words (papa)
_LOOSE_ENDS = 6  # signs around and between repeated words that hide nothing (`1!`, `-2026`)
_DATE = re.compile(  # with its year, day or year first; there are as many of them as pairs or triples of letters
    r"(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])(?:19\d\d|20[0-3]\d)"
    r"|(?:0?[1-9]|[12]\d|3[01])([-/._ ])(?:0?[1-9]|1[0-2])\1(?:19\d\d|20[0-3]\d)"
    r"|(?:19\d\d|20[0-3]\d)([-/._ ]?)(?:0[1-9]|1[0-2])\2(?:0[1-9]|[12]\d|3[01])"
)
_DATE_SAID_BY = 3

_ROWS = (
    "abcdefghijklmnopqrstuvwxyz", "acegikmoqsuwy", "bdfhjlnprtvxz", "01234567890", "13579", "02468",
    "7894561230", "147258369", "741852963", "159753", "159357",  # across, down and aslant on a block of digits
    # Latin keyboards: AZERTY, QWERTY, QWERTZ, and down their columns
    "azertyuiop", "qsdfghjklm", "wxcvbn", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "1aqw2zsx3edc4rfv5tgb6yhn7uj", "qazwsxedcrfvtgbyhnujm", "aqwzsxedcrfvtgbyhnuj",
    "!@#$%^&*()_+", "&é\"'(-è_çà)=",
    # the Arabic keyboard, its alphabet, and the two orders of abjad
    "ضصثقفغعهخحجد", "شسيبلاتنمكط", "ئءؤرلاىةوزظ", "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "ابجدهوزحطيكلمنسعفصقرشتثخذضظغ", "ابجدهوزحطيكلمنصعفضقرستثخذغظش",
    "ⴰⴱⴳⴷⴹⴻⴼⴽⵀⵃⵄⵅⵇⵉⵊⵍⵎⵏⵓⵔⵕⵖⵙⵚⵛⵜⵟⵡⵢⵣⵥ",
)  # fmt: skip


def _neighbours() -> dict[str, set[int]]:
    """Two signs -> the ways (a row in one direction) on which the second follows the first."""
    found: dict[str, set[int]] = {}
    for number, row in enumerate(map(_plain, _ROWS)):
        for way, signs in ((2 * number, row), (2 * number + 1, row[::-1])):
            for place in range(len(signs) - 1):
                found.setdefault(signs[place : place + 2], set()).add(way)
    return found


def _plain(text: str) -> str:
    """As blocklist and fold see it: case, width, accents and the script of digits aside."""
    return normalize.skeleton(blocklist.plain(text))


_NEXT = _neighbours()


def is_mostly_pattern(password: str) -> bool:
    """Whether sequences and repeats leave too little of it, or it is one word again and again with little around. Takes
    any `str` and raises nothing; a text of more than 64 code points is never one. Under a millisecond for what people
    type, some tens of them for the worst."""
    if len(password) > _LONGEST:
        return False
    plain = _plain(password)[:_LONGEST]
    without_leet = plain.translate(blocklist.LEET)
    views = {plain, blocklist.plain(password)[:_LONGEST]}
    seen_through = {plain, without_leet}
    return (
        any(_is_short(length(view), view, FEWEST) for view in views)
        or _is_short(length(without_leet), without_leet, _FEWEST_SEEN_THROUGH)
        or any(_is_short(sum(map(length, _kinds(view))), view, _FEWEST_SEEN_THROUGH) for view in seen_through)
        or any(map(_is_one_word, seen_through))
    )


def _is_short(said: int, text: str, fewest: int) -> bool:
    """said: by how many signs the text can be said."""
    return said < fewest and len(text) - said >= _SAVES


def _is_one_word(text: str) -> bool:
    letters, *others = _kinds(text)
    if len(letters) < _BLOCKS or sum(map(length, others)) > _LOOSE_ENDS:
        return False
    sizes = (n for n in range(1, len(letters) // 2 + 1) if len(letters) % n == 0)
    return any(letters == letters[:size] * (len(letters) // size) for size in sizes)


def _kinds(text: str) -> tuple[str, str, str]:
    """Its letters, its digits, and the rest, each in a row."""
    letters = "".join(c for c in text if normalize.is_letter(c))
    digits = "".join(c for c in text if c.isdecimal())
    return letters, digits, "".join(c for c in text if not (normalize.is_letter(c) or c.isdecimal()))


def length(text: str) -> int:
    """How many signs it takes to say the text, runs, repeats and dates told as such. At most its own length."""
    said = [0, *([len(text)] * len(text))]  # said[n]: the first n signs
    for start in range(len(text)):
        here = said[start]
        said[start + 1] = min(said[start + 1], here + 1)
        for end in _ends_of_runs(text, start):
            said[end] = min(said[end], here + _SAID_BY)
        for size, end in _ends_of_repeats(text, start):
            said[end] = min(said[end], here + _of_block(text[start : start + size]) + 1)
        if date := _DATE.match(text, start):
            said[date.end()] = min(said[date.end()], here + _DATE_SAID_BY)
    return said[-1]


_of_block = lru_cache(maxsize=256)(length)


def _ends_of_runs(text: str, start: int) -> list[int]:
    """Where a run of neighbours, or of one sign, that begins here may end. Each sign may be doubled: aabbccdd."""
    ways, distinct, ends = None, 1, []
    for end in range(start + 1, len(text)):
        if text[end] != text[end - 1]:
            pair = text[end - 1 : end + 1]
            # Letters that follow each other in their script's table count too: alphabets that have no row above.
            by_code = {1: {-1}, -1: {-2}}.get(ord(pair[1]) - ord(pair[0]), set()) if pair.isalpha() else set()
            follows = _NEXT.get(pair, set()) | by_code
            ways = follows if ways is None else ways & follows
            distinct += 1
            if not ways:
                break
        signs = end + 1 - start
        if (distinct == 1 and signs >= 3) or (distinct >= _RUN and signs in (distinct, 2 * distinct)):
            ends.append(end + 1)
    return ends


def _ends_of_repeats(text: str, start: int) -> Iterator[tuple[int, int]]:
    """(size of the block, end) of what repeats itself from here, its last time perhaps in part."""
    for size in range(2, (len(text) - start) // 2 + 1):
        end = start + size
        while end < len(text) and text[end] == text[end - size]:
            end += 1
        if end - start >= max(2 * size, _BLOCKS):
            yield size, end
