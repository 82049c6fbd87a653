"""The password rules as data: a profile lists rule ids, a table says how each is judged.

Rule ids are message ids: `rule.<id>` is the line of the checklist, `rule.<id>.refused` the reason. Judged
elsewhere, because they need a stored password or a second field: `reused`, `same`, `mismatch`.
Profiles live in profiles.toml, which also says where each comes from.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.utils.functional import cached_property

from massar.domain.policy import blocklist, patterns, personal, signs, temporary


@dataclass(frozen=True)
class Profile:
    """One set of rules. `personal`: "anywhere" or "whole", see profiles.toml; `shown`: the rules told beforehand."""

    id: str
    min_length: int
    personal: str
    rules: tuple[str, ...]
    shown: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether words of the person are refused only as the whole password."""
        return self.personal == "whole"


@dataclass(frozen=True)
class Refusal:
    """One reason: the rule that was not met and the numbers its sentence needs."""

    rule: str
    args: dict[str, str | int]


@dataclass(frozen=True)
class ChecklistItem:
    """One line of the checklist. `live`: a browser can judge it alone, from the typed text and `args`.

    `shown`: it is told beforehand; any other one only when it is broken.
    """

    rule: str
    args: dict[str, str | int]
    live: bool
    shown: bool


@dataclass(frozen=True)
class _Question:
    """What every judge is asked about."""

    text: str  # canonical
    facts: personal.Owner
    profile: Profile

    @cached_property
    def views(self) -> personal.Views:
        return personal.read(self.text)

    def points_to(self, kind: Callable[[personal.OwnerWords], personal.Words]) -> bool:
        return personal.points_to(self.views, kind(personal.prepare(self.facts)), whole=self.profile.whole)


# rule id -> whether the password breaks it
_BROKEN: dict[str, Callable[[_Question], bool]] = {
    "length_min": lambda q: len(q.text) < q.profile.min_length,
    "length_max": lambda q: signs.is_too_long(q.text),
    "letter": lambda q: not signs.has_letter(q.text),
    "digit": lambda q: not signs.has_digit(q.text),
    "symbol": lambda q: not signs.has_symbol(q.text),
    "name": lambda q: q.points_to(lambda person: person.names),
    "establishment": lambda q: q.points_to(lambda person: person.establishments),
    "login": lambda q: q.points_to(lambda person: person.logins),
    "phone": lambda q: personal.points_to_phone(q.views, personal.prepare(q.facts)),
    "common": lambda q: blocklist.in_blocklist(q.text) or patterns.is_mostly_pattern(q.text),
    "temporary_shape": lambda q: temporary.is_temporary_shape(q.text),
    "invisible": lambda q: signs.has_invisible(q.text),
}
_LIVE = frozenset({"length_min", "length_max", "letter", "digit", "symbol", "temporary_shape", "invisible"})
_PERSONAL_MODES = ("anywhere", "whole")


def refusals(password: str, *, facts: personal.Owner, profile: Profile) -> list[Refusal]:
    """Why a password does not fit, in the order of the page; an empty list means it fits.

    Judges the canonical (NFC) form, which is what is hashed. A text over the size limits is answered by
    `length_max` alone, before anything costly is done with it. Raises nothing, whatever the text.
    """
    if signs.is_too_long(password):
        return [Refusal("length_max", _args("length_max", profile))]
    question = _Question(signs.canonical(password), facts, profile)
    return [Refusal(rule, _args(rule, profile)) for rule in profile.rules if _BROKEN[rule](question)]


def checklist(profile: Profile) -> list[ChecklistItem]:
    """The lines to show before and while a person types, in page order."""
    return [ChecklistItem(rule, _args(rule, profile), rule in _LIVE, rule in profile.shown) for rule in profile.rules]


def _args(rule: str, profile: Profile) -> dict[str, str | int]:
    if rule == "length_min":
        return {"min": profile.min_length}
    return {"max": signs.MAX_CODEPOINTS} if rule == "length_max" else {}


def _load(text: str) -> tuple[dict[str, Profile], str]:
    """Profiles by id, and the default id. Raises ValueError for a profile that cannot be judged."""
    data = tomllib.loads(text)
    profiles = {
        name: Profile(
            name, body["min_length"], body["personal"], tuple(body["rules"]), tuple(body.get("shown", body["rules"]))
        )
        for name, body in data["profiles"].items()
    }
    for profile in profiles.values():
        unknown = [rule for rule in profile.rules if rule not in _BROKEN]
        unknown += [rule for rule in profile.shown if rule not in profile.rules]
        if unknown or profile.personal not in _PERSONAL_MODES:
            raise ValueError(f"profile {profile.id}: unknown rule or mode {unknown or profile.personal!r}")
    return profiles, data["default"]


PROFILES, DEFAULT_PROFILE = _load(Path(__file__).with_name("profiles.toml").read_text("utf-8"))
# TODO
