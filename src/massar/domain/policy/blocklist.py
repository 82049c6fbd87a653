"""The list of common passwords that would fit the rules, and the context words nobody may rely on.

Stock lists hold almost no password with a letter, a digit and a symbol, so ours is made by pattern from base words
(`make blocklist`, see make_blocklist.py). It is stored as sorted 64-bit prefixes of SHA-256, little endian, behind a
magic line: no password can be read from it, and a random password meets one of its 2**17.5 entries with a chance of
2**-46. Sources: ASVS 5.0 6.2.4 and 6.2.12, SP 800-63B-4 3.1.1.2 (the whole password is compared)."""

from __future__ import annotations

import hashlib
import sys
import tomllib
import unicodedata
from array import array
from bisect import bisect_left
from functools import lru_cache
from pathlib import Path

from massar.core import normalize

MAGIC = b"massar-blocklist-1\n\0\0\0\0\0"  # 24 bytes
FILE = Path(__file__).with_name("blocklist.bin")

# Signs that stand for a letter, undone on both sides, so that one entry covers a word and its disguises.
LEET = str.maketrans("@4301!|$57", "aaeoiiisst")


def in_blocklist(password: str) -> bool:
    """Whether the whole password is a common one, case, leet, width and script of digits aside; or whether its letters,
    between leading and trailing digits and symbols, are only one of the context words. Backwards counts too, the whole
    or its word alone. Some ten microseconds. Raises nothing for any `str`; OSError when the list is missing from the
    installation."""
    folded, known = plain(password), entries()
    word = _word(folded)
    turned = folded[: word.start] + folded[word][::-1] + folded[word.stop :]
    for value in map(_digest, (folded, folded[::-1], turned)):
        place = bisect_left(known, value)
        if place < len(known) and known[place] == value:
            return True
    core = _core(folded)
    return bool({core, core[::-1]} & _context_words())


def entry(password: str) -> int:
    """The entry that stands for a password and its disguises."""
    return _digest(plain(password))


def plain(password: str) -> str:
    """The password in NFKC, case folded, with Western digits and without signs that leave no ink."""
    text = normalize.western_digits(unicodedata.normalize("NFKC", password).casefold())
    return text if text.isascii() else "".join(c for c in text if not normalize.is_invisible(c))


@lru_cache(maxsize=1)
def entries() -> array[int]:
    data = FILE.read_bytes()
    if not data.startswith(MAGIC):
        raise OSError(f"{FILE.name} is no block list; run `make blocklist`")
    found = array("Q", data[len(MAGIC) :])
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _digest(folded: str) -> int:
    bare = folded.translate(LEET).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(bare).digest()[:8], "little")


@lru_cache(maxsize=1)
def _context_words() -> frozenset[str]:
    words = tomllib.loads(Path(__file__).with_name("profiles.toml").read_text("utf-8"))["context_words"]
    return frozenset(_core(plain(word)) for word in words)


def _word(folded: str) -> slice:
    """From the first letter to the last one, between leading and trailing digits and symbols."""
    letters = [place for place, sign in enumerate(folded) if normalize.is_letter(sign)]
    return slice(letters[0], letters[-1] + 1) if letters else slice(0, 0)


def _core(folded: str) -> str:
    """The letters between leading and trailing digits and symbols, with leet inside undone."""
    return "".join(filter(normalize.is_letter, normalize.skeleton(folded[_word(folded)].translate(LEET))))
