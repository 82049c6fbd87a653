"""The password rules as data: a profile lists rule ids, a table says how each is judged.

Rule ids are message ids: `rule.<id>` is the line of the checklist, `rule.<id>.refused` the reason. Judged elsewhere,
because they need a stored password or a second field: `reused`, `same`, `mismatch`.
Profiles live in profiles.toml, which also says where each comes from."""

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


class Rule(NamedTuple):
    """One rule of a profile, and the numbers that its sentences need. `live`: a browser can judge it alone, from the
    typed text and `args`. `shown`: it is told beforehand; any other one only when it is broken."""

    id: str
    args: dict[str, str | int]
    live: bool
    shown: bool


class _Question(NamedTuple):
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


def refusals(password: str, *, facts: personal.Owner, profile: Profile) -> list[Rule]:
    """The rules that a password breaks, in the order of the page; an empty list means it fits. Judges the canonical
    (NFC) form, which is what is hashed. A text over the size limits is answered by `length_max` alone, before anything
    costly is done with it. Raises nothing, whatever the text."""
    if signs.is_too_long(password):
        return [rule for rule in checklist(profile) if rule.id == "length_max"]
    text = signs.canonical(password)
    question = _Question(text, personal.read(text), personal.prepare(facts), profile)
    return [rule for rule in checklist(profile) if _BROKEN[rule.id](question)]


def checklist(profile: Profile) -> list[Rule]:
    """The rules to show before and while a person types, in page order."""
    args = {"length_min": {"min": profile.min_length}, "length_max": {"max": signs.MAX_CODEPOINTS}}
    return [Rule(id, {**args.get(id, {})}, id in _LIVE, id in profile.shown) for id in profile.rules]


def load(text: str) -> dict[str, Profile]:
    """Profiles by id. Raises ValueError for one that cannot be judged."""
    profiles = {}
    for name, body in tomllib.loads(text)["profiles"].items():
        mode, listed = body["personal"], tuple(body["rules"])
        profiles[name] = Profile(name, body["min_length"], mode == "whole", listed, tuple(body.get("shown", listed)))
        if "length_max" not in listed:
            raise ValueError(f"profile {name}: without length_max nothing too long is refused")
        unknown = [*(set(listed) - _BROKEN.keys()), *(set(profiles[name].shown) - set(listed))]
        if unknown or mode not in ("anywhere", "whole"):
            raise ValueError(f"profile {name}: unknown rule or mode {unknown or mode!r}")
    return profiles


PROFILES = load(Path(__file__).with_name("profiles.toml").read_text("utf-8"))
