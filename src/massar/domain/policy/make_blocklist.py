"""Make blocklist.bin: `make blocklist`, or `python -m massar.domain.policy.make_blocklist [FILE]`.

Base words (blocklist_words.txt, and the list of common passwords that Django ships) times the patterns people
use to satisfy a rule for letters, digits and symbols. Only passwords that fit a profile are kept, since any
other is refused without the list. Case and leet are folded away, so they need no
patterns. Deterministic: the same
words give the same bytes. About three seconds.
"""

import gzip
import sys
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path

from django.contrib.auth import password_validation

from massar.domain.policy import blocklist, rules, signs

WORDS = Path(__file__).with_name("blocklist_words.txt")
_STOCK = Path(password_validation.__file__).with_name("common-passwords.txt.gz")
_STOCK_BASE_WORDS = 1000
_STOCK_BASE_LENGTHS = range(5, 13)

YEARS = tuple(str(year) for year in range(2015, 2031))
_COUNTS = ("1", "12", "123", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890")
_REPEATS = ("0", "00", "000", "0000", "01", "11", "111", "1111", "007", "212", "321", "4321", "54321")
NUMBERS = (*YEARS, *_COUNTS, *_REPEATS)
_COMMON_NUMBERS = (*YEARS[3:13], *_COUNTS[:6], "12345678", "123456789", "00", "01")
SYMBOLS = ("@", "#", "!", ".", "*", "-", "_", "$")
_COMMON_SYMBOLS = ("@", "#", "!", ".")
_ENDINGS = ("!", "!!", "@", "#", ".")


def main(target: Path = blocklist.FILE) -> int:
    """Write the list; returns how many entries it has."""
    entries = {blocklist.entry(password) for password in passwords()}
    target.write_bytes(blocklist.pack(entries))
    return len(entries)


def passwords() -> Iterator[str]:
    """Every password of the list in small letters, perhaps several times."""
    words = read_words(WORDS.read_text("utf-8"))
    return filter(_fits_a_profile, _candidates(words, _stock()))


def read_words(text: str) -> dict[str, list[str]]:
    """The sections of the words file; lines that begin with # are comments."""
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            section += line.split()
    return sections


def _candidates(words: dict[str, list[str]], stock: list[str]) -> Iterator[str]:
    yield from stock
    for word in words["main"]:
        yield from _every_pattern(word)
        yield from _disguised(word, NUMBERS)
    for word in words["more"]:
        yield from _usual_patterns(word, _COMMON_NUMBERS, _COMMON_SYMBOLS)
        yield from _doubled(word)
        yield from _disguised(word, _COMMON_NUMBERS)
    for walk in words["walks"]:
        yield from _around(walk)
    for word in _stock_base(stock):
        yield from _usual_patterns(word, ("1", "12", "123", "1234", *YEARS[9:13]), ("@", "!"))
    yield from _pairs(words["main"])
    yield from _digits_and_repeats()


def _every_pattern(word: str) -> Iterator[str]:
    yield from _usual_patterns(word, NUMBERS, SYMBOLS)
    for number, symbol in product(NUMBERS, _COMMON_SYMBOLS):
        yield f"{number}{symbol}{word}"
        yield f"{symbol}{word}{number}"
        yield f"{word}{symbol}{number}{word}"
    for number, symbol in product((*YEARS, *_COUNTS), ("@", "#", ".")):
        yield from (f"{word}{symbol}{number}{ending}" for ending in _ENDINGS)
        yield f"{word}{symbol}{word}{number}"
        yield f"{word}{word}{symbol}{number}"
        yield f"{symbol}{number}{word}"
    for year, symbol in product(YEARS, _COMMON_SYMBOLS):
        yield from (f"{word}{symbol}{year}{rest}" for rest in ("20", year[2:], year, "1", "12", "123", "00"))
    yield from _doubled(word)


def _usual_patterns(word: str, numbers: Iterable[str], symbols: Iterable[str]) -> Iterator[str]:
    for number, symbol in product(numbers, symbols):
        yield f"{word}{symbol}{number}"
        yield f"{word}{number}{symbol}"


def _disguised(word: str, numbers: Iterable[str]) -> Iterator[str]:
    """A disguise that is the symbol itself, so that a number alone completes it (P@ssw0rd1234)."""
    for sign in ("@", "!", "$"):
        letter = {"@": "a", "!": "i", "$": "s"}[sign]
        if letter in word:
            yield from (f"{word.replace(letter, sign, 1)}{number}" for number in numbers)


def _doubled(word: str) -> Iterator[str]:
    yield word * 2
    yield word * 3
    yield f"{word}123456789"
    yield f"{word}1234567890"
    for symbol in ("@", "-", "_"):
        yield f"{word}{symbol}{word}1"
        yield f"{word}{symbol}{word}123"


def _around(walk: str) -> Iterator[str]:
    for symbol in (*SYMBOLS, "!!", "@@", "!@", "!@#", "@!", "..", "&", "+", "=", "?", "/"):
        yield f"{walk}{symbol}"
        yield f"{symbol}{walk}"
        yield f"{walk}{symbol}{walk}"
        yield from (f"{walk}{symbol}{number}" for number in ("1", "12", "123", "1234", *YEARS[9:13]))
    yield walk * 2


def _pairs(words: list[str]) -> Iterator[str]:
    for first, second in product(words, words):
        yield f"{first}{second}"
        if first != second:
            yield f"{first}{second}@1"
            yield f"{first}@{second}1"


def _digits_and_repeats() -> Iterator[str]:
    for size in range(12, 25):
        for sign in "abcdefghijklmnopqrstuvwxyz0123456789ا":
            yield sign * size
            yield f"{sign * (size - 2)}1@"
            yield f"{sign * (size - 2)}@1"
            yield f"{sign * (size - 2)}1!"
        yield ("1234567890" * 3)[:size]
        yield ("0123456789" * 3)[:size]
        yield ("abcdefghijklmnopqrstuvwxyz" * 2)[:size]
        for row in ("1234567890", "0123456789", "9876543210", "abcdefghij", "azertyuiop", "qwertyuiop"):
            long = (row * 3)[: size - 3]
            yield from (f"{long}{end}" for end in ("aa@", "@aa", "az@", "a@1", "@a1", "@12", "!1a", "a1!"))
            yield from (f"{start}{long}" for start in ("aa@", "@aa", "az@", "a@1", "!1a", "a1!"))


def _stock() -> list[str]:
    with gzip.open(_STOCK, "rt", encoding="utf-8") as lines:
        return [line.strip() for line in lines]


def _stock_base(stock: list[str]) -> list[str]:
    """The most used words of the stock list; it is ordered by use."""
    return [word for word in stock if word.isalpha() and len(word) in _STOCK_BASE_LENGTHS][:_STOCK_BASE_WORDS]


def _fits_a_profile(password: str) -> bool:
    kinds = {"letter": signs.has_letter, "digit": signs.has_digit, "symbol": signs.has_symbol}
    return any(
        len(password) >= profile.min_length and all(kinds[rule](password) for rule in profile.rules if rule in kinds)
        for profile in rules.PROFILES.values()
    )


if __name__ == "__main__":
    target_file = Path(sys.argv[1]) if len(sys.argv) > 1 else blocklist.FILE
    print(f"{main(target_file)} entries written to {target_file.name}")
