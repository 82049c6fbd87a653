"""The password rules as data: a profile lists rule ids, a table says how each is judged.

Rule ids are message ids: `rule.<id>` is the line of the checklist, `rule.<id>.refused` the reason. Judged elsewhere,
because they need a stored password or a second field: `reused`, `same`, `mismatch`.
Profiles live in profiles.toml, which also says where each comes from.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from massar.domain.policy import blocklist, patterns, personal, signs


class Profile(NamedTuple):
    """One set of rules. `whole`: words of the person are refused only as the whole password; `shown`: the rules told
    beforehand."""

    id: str
    min_length: int
    whole: bool
    rules: tuple[str, ...]
    shown: tuple[str, ...]


class Refusal(NamedTuple):
    """One reason: the rule that was not met and the numbers its sentence needs."""

    rule: str
    args: dict[str, str | int]


class ChecklistItem(NamedTuple):
    """One line of the checklist. `live`: a browser can judge it alone, from the typed text and `args`.

    `shown`: it is told beforehand; any other one only when it is broken.
    """

    rule: str
    args: dict[str, str | int]
    live: bool
    shown: bool


class _Question(NamedTuple):
    """What every judge is asked about."""

    text: str  # canonical
    views: personal.Views
    owner: personal.OwnerWords
    profile: Profile

    def points_to(self, words: personal.Words) -> bool:
        return personal.points_to(self.views, words, whole=self.profile.whole)


# rule id -> whether the password breaks it
_BROKEN: dict[str, Callable[[_Question], bool]] = {
    "length_min": lambda q: len(q.text) < q.profile.min_length,
    "length_max": lambda q: signs.is_too_long(q.text),
    "letter": lambda q: not signs.has_letter(q.text),
    "digit": lambda q: not signs.has_digit(q.text),
    "symbol": lambda q: not signs.has_symbol(q.text),
    "name": lambda q: q.points_to(q.owner.names),
    "establishment": lambda q: q.points_to(q.owner.establishments),
    "login": lambda q: q.points_to(q.owner.logins),
    "phone": lambda q: personal.points_to_phone(q.views, q.owner),
    "common": lambda q: blocklist.in_blocklist(q.text) or patterns.is_mostly_pattern(q.text),
    "temporary_shape": lambda q: signs.canonical_temporary(q.text) is not None,
    "invisible": lambda q: signs.has_invisible(q.text),
}
_LIVE = frozenset({"length_min", "length_max", "letter", "digit", "symbol", "temporary_shape", "invisible"})


def refusals(password: str, *, facts: personal.Owner, profile: Profile) -> list[Refusal]:
    """Why a password does not fit, in the order of the page; an empty list means it fits.

    Judges the canonical (NFC) form, which is what is hashed. A text over the size limits is answered by
    `length_max` alone, before anything costly is done with it. Raises nothing, whatever the text.
    """
    if signs.is_too_long(password):
        return [Refusal("length_max", _args("length_max", profile))]
    text = signs.canonical(password)
    question = _Question(text, personal.read(text), personal.prepare(facts), profile)
    return [Refusal(rule, _args(rule, profile)) for rule in profile.rules if _BROKEN[rule](question)]


def checklist(profile: Profile) -> list[ChecklistItem]:
    """The lines to show before and while a person types, in page order."""
    return [ChecklistItem(rule, _args(rule, profile), rule in _LIVE, rule in profile.shown) for rule in profile.rules]


def _args(rule: str, profile: Profile) -> dict[str, str | int]:
    if rule == "length_min":
        return {"min": profile.min_length}
    return {"max": signs.MAX_CODEPOINTS} if rule == "length_max" else {}


def load(text: str) -> dict[str, Profile]:
    """Profiles by id. Raises ValueError for one that cannot be judged."""
    profiles = {}
    for name, body in tomllib.loads(text)["profiles"].items():
        mode, listed = body["personal"], tuple(body["rules"])
        profiles[name] = Profile(name, body["min_length"], mode == "whole", listed, tuple(body.get("shown", listed)))
        unknown = [*(set(listed) - _BROKEN.keys()), *(set(profiles[name].shown) - set(listed))]
        if unknown or mode not in ("anywhere", "whole"):
            raise ValueError(f"profile {name}: unknown rule or mode {unknown or mode!r}")
    return profiles


PROFILES = load(Path(__file__).with_name("profiles.toml").read_text("utf-8"))
