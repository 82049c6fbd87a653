"""Does a password point to its owner? Names, establishments, user name and phone, through disguises.

The password is read in several *views* at once: as it is, with leet undone, with Arabizi digits undone; each
once as one string of letters (so that separators do not help) and once as separate runs of letters (so that
short names and other spellings stay precise). The words of the person are prepared once and kept for the next
question.

Sources: ASVS 5.0 6.1.2 and 6.2.11 (context words), SP 800-63B-4 3.1.1.2 (whole-password comparison in the
profile that follows it).
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from pathlib import Path

from massar.core import normalize
from massar.domain.policy import spelling

_WORDS = tomllib.loads(Path(__file__).with_name("profiles.toml").read_text("utf-8"))["generic"]

_INSIDE_FROM = 4  # letters: a word of this size counts anywhere, a shorter one only as a whole run
_IGNORED_BELOW = 3
_REVERSED_FROM = 5
_BARE_FROM = 4
_PHONE_DIGITS = 6
_MOST_WORDS = 200  # of one person; people have about ten
_MOROCCO = "212"

_LEET = {
    "@": "a", "4": "a", "3": "e", "€": "e", "1": "i", "!": "i", "|": "i", "¡": "i", "0": "o", "$": "s",
    "5": "s", "7": "t", "+": "t", "8": "b", "6": "g", "9": "g", "2": "z", "£": "l", "(": "c",
}  # fmt: skip
_LEET_I = str.maketrans(_LEET)
_LEET_L = str.maketrans({**_LEET, "1": "l", "!": "l", "|": "l"})
_ARABIZI = str.maketrans({"2": "", "3": "a", "5": "kh", "7": "h", "9": "q"})
_ARABIC_BARE = str.maketrans("", "", "اء")
_ONE_STROKE = str.maketrans("i", "l")  # 1, i and l are one stroke in a disguise that holds both letters


@dataclass(frozen=True)
class PersonFacts:
    """What a password may not point to.

    `login`: 'jamal.jalal@taalim.ma'. `names`: each first and family name, in any script. `establishments`:
    their names, in any script. `phones`: E.164. `emails`: personal addresses. Empty values are harmless.
    """

    login: str
    names: tuple[str, ...]
    establishments: tuple[str, ...]
    phones: tuple[str, ...]
    emails: tuple[str, ...] = ()


@dataclass(frozen=True)
class Words:
    """The prepared words of one kind (names, or establishments, or user names)."""

    inside: tuple[str, ...]  # found anywhere among the letters
    strokes: tuple[str, ...]  # the same with i and l merged
    bare: tuple[str, ...]  # Arabic without alef and hamza
    runs: frozenset[str]  # found only as a whole run of letters
    spelt: re.Pattern[str] | None  # other spellings, searched in the runs
    exact: tuple[str, ...] = ()  # letters and digits in a row, as in a pupil's user name


@dataclass(frozen=True)
class Views:
    """One password, read in every way that a disguise allows."""

    letters: str
    strokes: str
    bare: str
    runs: str
    run_set: frozenset[str]
    signs: str  # letters and digits
    plain: tuple[str, ...]  # the letters of each view alone


@dataclass(frozen=True)
class Person:
    names: Words
    establishments: Words
    logins: Words
    phones: tuple[str, ...]


def points_to_name(views: Views, facts: PersonFacts, *, whole: bool = False) -> bool:
    """Whether a first or family name shows in the password; `whole`: whether it is made of names alone."""
    return _found(views, prepare(facts).names, whole)


def points_to_establishment(views: Views, facts: PersonFacts, *, whole: bool = False) -> bool:
    """Whether a telling word of an establishment's name shows in it; generic words (lycée) do not tell."""
    return _found(views, prepare(facts).establishments, whole)


def points_to_login(views: Views, facts: PersonFacts, *, whole: bool = False) -> bool:
    """Whether the user name, the local part of a personal address, or a word of either shows in it."""
    return _found(views, prepare(facts).logins, whole)


def points_to_phone(views: Views, facts: PersonFacts) -> bool:
    """Whether six digits in a row of a phone number (national form) show in it, separators aside."""
    return any(piece in views.signs for piece in prepare(facts).phones)


def read(password: str) -> Views:
    """Every view of a password. Linear in its length. Not cached: no password outlives its question."""
    folded = normalize.skeleton(password)
    texts = (folded, folded.translate(_LEET_I), folded.translate(_LEET_L), folded.translate(_ARABIZI))
    runs = [run for text in dict.fromkeys(texts) for run in _runs(text)]
    plain = tuple(dict.fromkeys(_only_letters(text) for text in texts))
    letters = " ".join(plain)
    return Views(
        letters=letters,
        strokes=letters.translate(_ONE_STROKE),
        bare=plain[0].translate(_ARABIC_BARE),
        runs=" ".join(runs),
        run_set=frozenset(runs),
        signs="".join(c for c in folded if c.isalnum()),
        plain=plain,
    )


@lru_cache(maxsize=256)
def prepare(facts: PersonFacts) -> Person:
    """The words of a person, ready to be searched. Some milliseconds; kept for the next question."""
    guess_names = not _has_arabic_for_all(facts.names)
    guess_places = not _has_arabic_for_all(facts.establishments)
    return Person(
        names=_words(_name_words(facts.names), in_arabic=guess_names),
        establishments=_words(_establishment_words(facts.establishments), in_arabic=guess_places),
        logins=_login_words((facts.login, *facts.emails), in_arabic=guess_names),
        phones=tuple(_phone_pieces(facts.phones)),
    )


def _found(views: Views, words: Words, whole: bool) -> bool:
    return _is_made_of(views, words) if whole else shows(views, words)


def shows(views: Views, words: Words) -> bool:
    """Whether one of the words stands in the password, whatever the disguise."""
    return (
        any(word in views.letters for word in words.inside)
        or any(word in views.strokes for word in words.strokes)
        or any(word in views.bare for word in words.bare)
        or not words.runs.isdisjoint(views.run_set)
        or any(word in views.signs for word in words.exact)
        or bool(words.spelt and words.spelt.search(views.runs))
    )


def _is_made_of(views: Views, words: Words) -> bool:
    """Whether nothing is left of the letters once the words are taken out."""
    pieces = sorted({*words.inside, *words.runs}, key=len, reverse=True)
    if not pieces:
        return False
    pattern = re.compile("|".join(re.escape(piece) for piece in pieces))
    rests = [(letters, pattern.sub("", letters)) for letters in views.plain if letters]
    if any(rest != letters and len(rest) < _IGNORED_BELOW for letters, rest in rests):
        return True
    runs = views.run_set
    return bool(words.spelt and len(runs) == 1 and words.spelt.fullmatch(next(iter(runs))))


# --- views of a password ---


def _only_letters(folded: str) -> str:
    return "".join(c for c in folded if normalize.is_letter(c))


def _runs(folded: str) -> list[str]:
    """The runs of letters of one script; neighbours of one or two letters make one spelled-out run."""
    runs: list[str] = []
    spelled_out = ""
    for run in _raw_runs(folded):
        if len(run) < _IGNORED_BELOW:
            spelled_out += run
            continue
        runs += [spelled_out, run] if spelled_out else [run]
        spelled_out = ""
    return [*runs, spelled_out] if spelled_out else runs


def _raw_runs(folded: str) -> Iterator[str]:
    run = ""
    for sign in folded:
        if not normalize.is_letter(sign):
            yield from (run,) if run else ()
            run = ""
        elif run and normalize.is_arabic(run[-1]) != normalize.is_arabic(sign):
            yield run
            run = sign
        else:
            run += sign
    yield from (run,) if run else ()


# --- words of a person ---


def _split(text: str) -> list[str]:
    """The words of a text, folded, letters only. An apostrophe does not split."""
    joined = re.sub(r"(?<=\w)['’ʼ`](?=\w)", "", text)
    words = re.split(r"[\s\W\d_]+", normalize.skeleton(joined))
    return [word for word in map(_only_letters, words) if word]


def _folded_set(words: Iterable[str]) -> frozenset[str]:
    return frozenset(_only_letters(normalize.skeleton(word)) for word in words)


_GENERIC = _folded_set(_WORDS["establishment"])
_PARTICLES = _folded_set(_WORDS["particles"])
_TAILS = _folded_set(_WORDS["tails"])


@dataclass(frozen=True)
class _Word:
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
        # A final alef maqsura is read a (Mustapha) although it folds to yeh.
        if name.rstrip().endswith("ى") and _split(name):
            word = _only_letters(normalize.skeleton(name))[:-1] + "ا"
            yield _Word(word, word)
    yield from _joined_short_names(["".join(parts) for parts in splits])


def _joined_short_names(names: list[str]) -> Iterator[_Word]:
    """First and family name in a row, where one of them is too short to count by itself."""
    for first, last in permutations(names[:12], 2):
        if normalize.is_arabic(first[0]) == normalize.is_arabic(last[0]) and min(len(first), len(last)) < _INSIDE_FROM:
            yield _Word(first + last, "")


def _establishment_words(establishments: tuple[str, ...]) -> Iterator[_Word]:
    for name in establishments:
        for word in _split(name):
            if word not in _GENERIC:
                yield from (form for form in _forms(word, word) if form.letters not in _GENERIC)


def _forms(word: str, spaced: str) -> Iterator[_Word]:
    """A word with and without its article."""
    yield _Word(word, spaced)
    for article, shortest in (("ال", 5), ("el", 7), ("al", 7)):
        if word.startswith(article) and len(word) >= shortest and word not in _TAILS:
            rest = word[len(article) :]
            yield _Word(rest, rest)


def _has_arabic_for_all(names: tuple[str, ...]) -> bool:
    """Whether there are as many Arabic names as others, so that no Arabic spelling need be guessed."""
    arabic = [any(normalize.is_arabic(sign) for sign in name) for name in names]
    return any(arabic) and 2 * sum(arabic) >= len(arabic)


def _login_words(addresses: tuple[str, ...], *, in_arabic: bool) -> Words:
    words, exact = [], []
    for address in addresses:
        local = address.partition("@")[0]
        parts = _split(local)
        words += [_Word("".join(parts), "")] if parts else []
        words += [_Word(part, part) for part in parts if part not in _PARTICLES]
        signs = "".join(c for c in normalize.skeleton(local) if c.isalnum())
        if len(signs) >= _INSIDE_FROM and not signs.isalpha():
            exact.append(signs)
    prepared = _words(words, in_arabic=in_arabic)
    return Words(**{**prepared.__dict__, "exact": tuple(exact)})


def _words(words: Iterable[_Word], *, in_arabic: bool) -> Words:
    found = list(dict.fromkeys(words))[:_MOST_WORDS]
    forms = {form for word in found for form in _arabic_forms(word.letters)}
    inside = {form for form in forms if len(form) >= _INSIDE_FROM}
    mirrored = {form[::-1] for form in inside if len(form) >= _REVERSED_FROM}
    bare = {form.translate(_ARABIC_BARE) for form in inside if normalize.is_arabic(form[0])}
    patterns = dict.fromkeys(p for word in found for p in spelling.spellings(word.spaced, in_arabic=in_arabic))
    return Words(
        inside=tuple(sorted(inside | mirrored)),
        strokes=tuple(sorted(form.translate(_ONE_STROKE) for form in inside if "i" in form and "l" in form)),
        bare=tuple(sorted(form for form in bare if len(form) >= _BARE_FROM)),
        runs=frozenset(form for form in forms if len(form) == _IGNORED_BELOW),
        spelt=re.compile("|".join(patterns)) if patterns else None,
    )


def _arabic_forms(word: str) -> set[str]:
    """Spellings that differ by habit: a hamza left out (زهرا), an alef for a final heh (فاطما)."""
    if not normalize.is_arabic(word[0]):
        return {word}
    forms = {word, word.replace("ء", "")}
    if word.endswith("ه") and len(word) >= _REVERSED_FROM:
        forms.add(word[:-1] + "ا")
    return {form for form in forms if form}


def _phone_pieces(phones: tuple[str, ...]) -> Iterator[str]:
    for phone in phones:
        digits = "".join(c for c in normalize.western_digits(phone) if c in "0123456789")
        # Other countries' codes have one to three digits: their last nine are the part that tells.
        national = digits.removeprefix(_MOROCCO) if digits.startswith(_MOROCCO) else digits[-9:]
        written = "0" + national.removeprefix("0")
        for start in range(len(written) - _PHONE_DIGITS + 1):
            yield written[start : start + _PHONE_DIGITS]
