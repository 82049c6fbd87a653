"""Does a password point to its owner? Names, establishments, user name and phone, through disguises.

The password is read in several *views* at once: as it is, with leet undone, with Arabizi digits undone; each once as
one string of letters (so that separators do not help) and once as separate runs of letters (so that short names and
other spellings stay precise). The words of the person are prepared once and kept for the next question.

Sources: ASVS 5.0 6.1.2 and 6.2.11 (context words), SP 800-63B-4 3.1.1.2 (whole-password comparison in the profile that
follows it)."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby, permutations
from pathlib import Path
from typing import NamedTuple

from massar.core import normalize
from massar.domain.policy import spelling

_WORDS = tomllib.loads(Path(__file__).with_name("profiles.toml").read_text("utf-8"))["generic"]

_INSIDE_FROM = 4  # letters: a word of this size counts anywhere, a shorter one only as a whole run
_IGNORED_BELOW = 3
_REVERSED_FROM = 5
_PHONE_DIGITS = 6
_MOST_WORDS = 200  # of one person; people have about ten
_MOROCCO = "212"

_LEET = {
    "@": "a", "4": "a", "3": "e", "€": "e", "1": "i", "!": "i", "|": "i", "¡": "i", "0": "o", "$": "s",
    "5": "s", "7": "t", "+": "t", "8": "b", "6": "g", "9": "g", "2": "z", "£": "l", "(": "c",
}  # fmt: skip
_DISGUISES = (
    str.maketrans(_LEET),
    str.maketrans({**_LEET, "1": "l", "!": "l", "|": "l"}),
    str.maketrans({"2": "", "3": "a", "5": "kh", "7": "h", "9": "q"}),  # Arabizi
)
_WITHOUT_ALEF = str.maketrans("", "", "اء")
_I_AS_L = str.maketrans("i", "l")  # 1, i and l look the same in a disguise that holds both letters


class Owner(NamedTuple):
    """What a password may not point to. `login`: 'jamal.jalal@taalim.ma'. `names`: each first and family name, in any
    script. `establishments`: their names, in any script. `phones`: E.164. `emails`: personal addresses. Empty values
    are harmless."""

    login: str
    names: tuple[str, ...]
    establishments: tuple[str, ...]
    phones: tuple[str, ...]
    emails: tuple[str, ...] = ()


class Words(NamedTuple):
    """The prepared words of one kind (names, or establishments, or user names)."""

    inside: tuple[str, ...]  # found anywhere among the letters
    i_as_l: tuple[str, ...]  # the same with i and l merged
    without_alef: tuple[str, ...]  # Arabic without alef and hamza
    runs: frozenset[str]  # found only as a whole run of letters
    spelt: re.Pattern[str] | None  # other spellings, searched in the runs
    exact: tuple[str, ...]  # letters and digits in a row, as in a pupil's user name


class OwnerWords(NamedTuple):
    names: Words
    establishments: Words
    logins: Words
    phones: tuple[str, ...]


class Views(NamedTuple):
    """One password, read in every way that a disguise allows."""

    plain: tuple[str, ...]  # the letters of each view
    letters: str  # all of them
    i_as_l: str
    without_alef: str
    runs: str
    run_set: frozenset[str]
    signs: str  # letters and digits


def points_to(views: Views, words: Words, *, whole: bool = False) -> bool:
    """Whether one of the words shows in the password, whatever the disguise; `whole`: whether it is made of such words
    alone."""
    if whole:  # whether nothing is left of the letters once the words are taken out
        pieces = sorted({*words.inside, *words.runs}, key=len, reverse=True)
        if not pieces:
            return False
        pattern = re.compile("|".join(map(re.escape, pieces)))
        rests = [(letters, pattern.sub("", letters)) for letters in views.plain if letters]
        if any(rest != letters and len(rest) < _IGNORED_BELOW for letters, rest in rests):
            return True
        return bool(words.spelt and len(views.run_set) == 1 and words.spelt.fullmatch(views.runs))
    return (
        any(word in views.letters for word in words.inside)
        or any(word in views.i_as_l for word in words.i_as_l)
        or any(word in views.without_alef for word in words.without_alef)
        or not words.runs.isdisjoint(views.run_set)
        or any(word in views.signs for word in words.exact)
        or bool(words.spelt and words.spelt.search(views.runs))
    )


def points_to_phone(views: Views, person: OwnerWords) -> bool:
    """Whether six digits in a row of a phone number (national form) show in it, separators aside."""
    return any(piece in views.signs for piece in person.phones)


def read(password: str) -> Views:
    """Every view of a password. Linear in its length. Not cached: no password outlives its question."""
    skeleton = normalize.skeleton(password)
    texts = dict.fromkeys([skeleton, *map(skeleton.translate, _DISGUISES)])
    runs = dict.fromkeys(run for text in texts for run in _runs(text))
    plain = tuple(dict.fromkeys(map(_only_letters, texts)))
    letters = " ".join(plain)
    return Views(
        plain, letters, i_as_l=letters.translate(_I_AS_L), without_alef=plain[0].translate(_WITHOUT_ALEF),
        runs=" ".join(runs), run_set=frozenset(runs), signs="".join(filter(str.isalnum, skeleton)),
    )  # fmt: skip


@lru_cache(maxsize=256)
def prepare(facts: Owner) -> OwnerWords:
    """The words of a person, ready to be searched. Some milliseconds; kept for the next question."""
    guess_names = not _has_arabic_for_all(facts.names)
    guess_places = not _has_arabic_for_all(facts.establishments)
    of_places = (word for name in facts.establishments for word in _split(name) if word not in _GENERIC)
    places = (form for word in of_places for form in _forms(word, word) if form.letters not in _GENERIC)
    return OwnerWords(
        names=_words(_name_words(facts.names), in_arabic=guess_names),
        establishments=_words(places, in_arabic=guess_places),
        logins=_login_words((facts.login, *facts.emails), in_arabic=guess_names),
        phones=tuple(_phone_pieces(facts.phones)),
    )


def _only_letters(skeleton: str) -> str:
    return "".join(filter(normalize.is_letter, skeleton))


def _runs(skeleton: str) -> list[str]:
    """The runs of letters of one script; neighbours of one or two letters make one spelled-out run."""
    runs: list[str] = []
    spelled_out = ""
    for (are_letters, _), signs in groupby(skeleton, lambda c: (normalize.is_letter(c), normalize.is_arabic(c))):
        run = "".join(signs) if are_letters else ""
        if len(run) < _IGNORED_BELOW:
            spelled_out += run
        else:
            runs += [spelled_out, run]
            spelled_out = ""
    return [run for run in (*runs, spelled_out) if run]


# --- words of a person ---


def _split(text: str) -> list[str]:
    """The words of a text as skeletons, letters only. An apostrophe does not split."""
    joined = re.sub(r"(?<=\w)['’ʼ`](?=\w)", "", text)
    words = re.split(r"[\s\W\d_]+", normalize.skeleton(joined))
    return [word for word in map(_only_letters, words) if word]


def _skeletons(words: Iterable[str]) -> frozenset[str]:
    return frozenset(_only_letters(normalize.skeleton(word)) for word in words)


_GENERIC = _skeletons(_WORDS["establishment"])
_PARTICLES = _skeletons(_WORDS["particles"])
_TAILS = _skeletons(_WORDS["tails"])


class _Word(NamedTuple):
    """One word, and the form whose other spellings are looked for (blanks kept in a compound name)."""

    letters: str
    spaced: str


def _name_words(names: tuple[str, ...]) -> Iterator[_Word]:
    splits = [parts for parts in map(_split, names) if parts]
    for parts in splits:
        yield from _forms("".join(parts), " ".join(parts))
        if len(parts) > 1:
            for part in parts:
                if part not in _TAILS and part not in _PARTICLES:
                    yield from _forms(part, part)
    for name in names:
        # A final alef maqsura is read a (Mustapha) although its skeleton is yeh.
        if name.rstrip().endswith("ى") and _split(name):
            word = _only_letters(normalize.skeleton(name))[:-1] + "ا"
            yield _Word(word, word)
    # First and family name in a row, where one of them is too short to count by itself.
    for first, last in permutations(["".join(parts) for parts in splits[:12]], 2):
        if normalize.is_arabic(first[0]) == normalize.is_arabic(last[0]) and min(len(first), len(last)) < _INSIDE_FROM:
            yield _Word(first + last, "")


def _forms(word: str, spaced: str) -> Iterator[_Word]:
    """A word with and without its article."""
    yield _Word(word, spaced)
    for article, shortest in (("ال", 5), ("el", 7), ("al", 7)):
        if word.startswith(article) and len(word) >= shortest and word not in _TAILS:
            rest = word[len(article) :]
            yield _Word(rest, rest)


def _has_arabic_for_all(names: tuple[str, ...]) -> bool:
    """Whether there are as many Arabic names as others, so that no Arabic spelling need be guessed."""
    arabic = [any(map(normalize.is_arabic, name)) for name in names]
    return any(arabic) and 2 * sum(arabic) >= len(arabic)


def _login_words(addresses: tuple[str, ...], *, in_arabic: bool) -> Words:
    words: list[_Word] = []
    exact: list[str] = []
    for local in (address.partition("@")[0] for address in addresses):
        parts = _split(local)
        words += [_Word("".join(parts), "")] if parts else []
        words += [_Word(part, part) for part in parts if part not in _PARTICLES]
        signs = "".join(filter(str.isalnum, normalize.skeleton(local)))
        if len(signs) >= _INSIDE_FROM and not signs.isalpha():
            exact.append(signs)
    return _words(words, in_arabic=in_arabic, exact=tuple(exact))


def _words(words: Iterable[_Word], *, in_arabic: bool, exact: tuple[str, ...] = ()) -> Words:
    found = list(dict.fromkeys(words))[:_MOST_WORDS]
    forms = {form for word in found for form in _arabic_forms(word.letters)}
    inside = {form for form in forms if len(form) >= _INSIDE_FROM}
    mirrored = {form[::-1] for form in inside if len(form) >= _REVERSED_FROM}
    without_alef = {form.translate(_WITHOUT_ALEF) for form in inside if normalize.is_arabic(form[0])}
    patterns = dict.fromkeys(p for word in found for p in spelling.spellings(word.spaced, in_arabic=in_arabic))
    return Words(
        inside=tuple(sorted(inside | mirrored)),
        i_as_l=tuple(sorted(form.translate(_I_AS_L) for form in inside if "i" in form and "l" in form)),
        without_alef=tuple(sorted(form for form in without_alef if len(form) >= _INSIDE_FROM)),
        runs=frozenset(form for form in forms if len(form) == _IGNORED_BELOW),
        spelt=re.compile("|".join(patterns)) if patterns else None,
        exact=exact,
    )


def _arabic_forms(word: str) -> set[str]:
    """Spellings that differ by habit: a hamza left out (زهرا), an alef for a final heh (فاطما)."""
    if not normalize.is_arabic(word[0]):
        return {word}
    forms = {word, word.replace("ء", "")}
    if word.endswith("ه") and len(word) >= _REVERSED_FROM:
        forms.add(word[:-1] + "ا")
    return forms - {""}


def _phone_pieces(phones: tuple[str, ...]) -> Iterator[str]:
    for phone in phones:
        digits = "".join(c for c in normalize.western_digits(phone) if c in "0123456789")
        # Other countries' codes have one to three digits: their last nine are the part that tells.
        national = digits.removeprefix(_MOROCCO) if digits.startswith(_MOROCCO) else digits[-9:]
        written = "0" + national.removeprefix("0")
        for start in range(len(written) - _PHONE_DIGITS + 1):
            yield written[start : start + _PHONE_DIGITS]
