"""Make blocklist.bin: `make blocklist`, or `python -m massar.domain.policy.make_blocklist [FILE]`.

Base words (blocklist_words.txt, and the list of common passwords that Django ships) times the patterns people use to
satisfy a rule for letters, digits and symbols. Only passwords that fit a profile are kept, since any other is refused
without the list. Case and leet are folded away, so they need no patterns. The same words give the same bytes on every
machine. About three seconds."""

import gzip
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from django.contrib.auth import password_validation

from massar.domain.policy import blocklist, rules, signs

_WORDS = Path(__file__).with_name("blocklist_words.txt")
_STOCK = Path(password_validation.__file__).with_name("common-passwords.txt.gz")
_STOCK_BASE_WORDS = 1000
_STOCK_BASE_LENGTHS = range(5, 13)

_YEARS = [str(year) for year in range(2015, 2031)]
_THIS_YEARS = _YEARS[9:13]
_COUNTS = ["1", "12", "123", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890"]
_NUMBERS = [*_YEARS, *_COUNTS, *"0 00 000 0000 01 11 111 1111 007 212 321 4321 54321".split()]
_COMMON_NUMBERS = [*_YEARS[3:13], *_COUNTS[:6], "12345678", "123456789", "00", "01"]
_FEW_NUMBERS = [*_COUNTS[:4], *_THIS_YEARS]
_SYMBOLS, _COMMON_SYMBOLS = "@#!.*-_$", "@#!."
_MANY_SYMBOLS = [*_SYMBOLS, *"!! @@ !@ !@# @! .. & + = ? /".split()]
_DISGUISES = {"@": "a", "!": "i", "$": "s"}  # the symbol itself: a number alone completes it (P@ssw0rd1234)

# Patterns of a word {w}, with the numbers {n} ({y}: without its first two digits) and symbols {s} that they take.
_USUAL = "{w}{s}{n} {w}{n}{s}"
_Pattern = tuple[str, Sequence[str], Sequence[str]]
_DOUBLED: list[_Pattern] = [
    ("{w}{w} {w}{w}{w} {w}123456789 {w}1234567890", [""], [""]),
    ("{w}{s}{w}1 {w}{s}{w}123", [""], "@-_"),
]
_PATTERNS: dict[str, list[_Pattern]] = {
    "main": [
        (_USUAL, _NUMBERS, _SYMBOLS),
        ("{n}{s}{w} {s}{w}{n} {w}{s}{n}{w}", _NUMBERS, _COMMON_SYMBOLS),
        ("{w}{s}{n}! {w}{s}{n}!! {w}{s}{n}@ {w}{s}{n}# {w}{s}{n}.", [*_YEARS, *_COUNTS], "@#."),
        ("{w}{s}{w}{n} {w}{w}{s}{n} {s}{n}{w}", [*_YEARS, *_COUNTS], "@#."),
        ("{w}{s}{n}20 {w}{s}{n}{y} {w}{s}{n}{n} {w}{s}{n}1 {w}{s}{n}12 {w}{s}{n}123 {w}{s}{n}00", _YEARS, "@#!."),
        *_DOUBLED,
    ],
    "more": [(_USUAL, _COMMON_NUMBERS, _COMMON_SYMBOLS), *_DOUBLED],
    "walks": [("{w}{s} {s}{w} {w}{s}{w} {w}{w}", [""], _MANY_SYMBOLS), ("{w}{s}{n}", _FEW_NUMBERS, _MANY_SYMBOLS)],
    "stock": [(_USUAL, _FEW_NUMBERS, "@!")],
    "disguised main": [("{w}{n}", _NUMBERS, [""])],
    "disguised more": [("{w}{n}", _COMMON_NUMBERS, [""])],
}


def main(target: Path = blocklist.FILE) -> int:
    """Write the list; returns how many entries it has."""
    entries = sorted({blocklist.entry(password) for password in passwords()})
    target.write_bytes(blocklist.MAGIC + b"".join(value.to_bytes(8, "little") for value in entries))
    return len(entries)


def passwords() -> Iterator[str]:
    """Every password of the list in small letters, perhaps several times."""
    kinds = {"letter": signs.has_letter, "digit": signs.has_digit, "symbol": signs.has_symbol}
    for password in _candidates():
        for profile in rules.PROFILES.values():
            asked = [kinds[rule] for rule in profile.rules if rule in kinds]
            if len(password) >= profile.min_length and all(has(password) for has in asked):
                yield password
                break


def _candidates() -> Iterator[str]:
    with gzip.open(_STOCK, "rt", encoding="utf-8") as lines:
        stock = [line.strip() for line in lines]  # ordered by use
    yield from stock
    words: dict[str, list[str]] = {}
    for line in _WORDS.read_text("utf-8").splitlines():
        if line.startswith("["):
            listed = words.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            listed += line.split()
    words["stock"] = [w for w in stock if w.isalpha() and len(w) in _STOCK_BASE_LENGTHS][:_STOCK_BASE_WORDS]
    for section in ("main", "more"):
        plain = product(_DISGUISES.items(), words[section])
        disguised = [word.replace(letter, sign, 1) for (sign, letter), word in plain if letter in word]
        words[f"disguised {section}"] = disguised
    for section, patterns in _PATTERNS.items():
        for templates, numbers, symbols in patterns:
            for word, form, n, s in product(words[section], templates.split(), numbers, symbols):
                yield form.format(w=word, n=n, s=s, y=n[2:])
    for first, second in product(words["main"], repeat=2):
        yield f"{first}{second}"
        if first != second:
            yield from (f"{first}{second}@1", f"{first}@{second}1")
    yield from _digits_and_repeats()


def _digits_and_repeats() -> Iterator[str]:
    for size in range(12, 25):
        for sign in "abcdefghijklmnopqrstuvwxyz0123456789ا":
            yield sign * size
            yield from (sign * (size - 2) + end for end in ("1@", "@1", "1!"))
        for row in ("1234567890", "0123456789", "abcdefghijklmnopqrstuvwxyz"):
            yield (row * 3)[:size]
        for row in ("1234567890", "0123456789", "9876543210", "abcdefghij", "azertyuiop", "qwertyuiop"):
            long = (row * 3)[: size - 3]
            yield from (f"{long}{end}" for end in ("aa@", "@aa", "az@", "a@1", "@a1", "@12", "!1a", "a1!"))
            yield from (f"{start}{long}" for start in ("aa@", "@aa", "az@", "a@1", "!1a", "a1!"))


if __name__ == "__main__":
    target_file = Path(sys.argv[1]) if len(sys.argv) > 1 else blocklist.FILE
    print(f"{main(target_file)} entries written to {target_file.name}")
