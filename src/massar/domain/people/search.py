"""Finding people of a branch, for who helps there: by what leads to an account, or by words of a name.

By name one statement walks down from the branch to its units, to who belongs there today, and looks at their names: so
nobody outside is read, and neither count nor time tells anything of them. It reads the branch, which a directorate of a
hundred thousand stands; wider branches are searched a part at a time (docs/adr/0076). No index of names: it would be
a third of the table of people, for a page of which few need more than a school.

Names are matched as people spell them: hamza forms, taa marbuta and alef maqsura alike, Latin without accents, with or
without spaces, hyphens, harakat; a word may be the middle of a name (علوي finds العلوي)."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from massar.core import local_time, normalize, sql
from massar.domain.people import directory, rights, roles, units
from massar.domain.people.belonging import TODAY
from massar.domain.people.directory import COLUMNS, PersonFacts
from massar.domain.people.rights import Right, Role

MOST = 50
LEAST_LETTERS, MOST_WORDS = 2, 5
NAMESAKES = 3  # as many accounts as are looked at behind one typed name: two domains, and one more
# Of one person by the key, whatever a planner thinks of the branch's size: else it may read the names of a country.
_NAMES = """SELECT p.last_name_latin || ' ' || p.first_name_latin || ' ' || p.last_name_ar || ' ' || p.first_name_ar
FROM people_person p WHERE p.id = mine.id AND p.role <> %s"""
_BETWEEN = "[ '’ʼ.\u0640\u064b-\u0652\u0670\u0300-\u036f-]*"  # what may stand between two letters of a word
_ALPHABETS = (range(0x41, 0x5B), range(0x61, 0x7B), range(0xC0, 0x180), range(0x621, 0x6D4))


class Scope(NamedTuple):
    """Whom an agent finds: people of a unit and below, by a role that the agent holds above them. Who holds a role as
    high is none of them, so the agent neither."""

    role: Role
    unit_id: int


def words_of(typed: str) -> list[str]:
    """The words of a name in letters that all its spellings share; what has no letter is left out."""
    parts = "".join(sign if sign.isalnum() else " " for sign in normalize.skeleton(typed)).split()
    return list(dict.fromkeys(parts))[:MOST_WORDS]


def by_name(scope: Scope, words: Sequence[str], *, now: datetime, most: int = MOST) -> list[PersonFacts]:
    """The people of that scope whose names hold every word, by name; one more than `most` tells that there are more."""
    day = local_time.local(now).date()
    kinds = sorted(kind for kind, may in rights.RIGHTS[scope.role].items() if Right.SEARCH in may)
    as_high = rights.as_high_as(scope.role)
    fits = " AND ".join([sql.matches("named.names")] * len(words))
    statement = (
        f"{units.BELOW}, named AS MATERIALIZED (SELECT mine.id, ({_NAMES}) AS names FROM (SELECT DISTINCT b.person_id "
        "AS id FROM below JOIN people_belonging b ON b.unit_id = below.id "
        f"AND b.kind IN ({sql.placeholders(len(kinds))}) AND {TODAY}) AS mine), "
        f"found AS MATERIALIZED (SELECT id, names FROM named WHERE {fits} "
        f"AND NOT EXISTS ({roles.holds_one_of(len(as_high))}) ORDER BY names, id LIMIT %s) "
        f"SELECT {COLUMNS} FROM found JOIN {directory.TABLE} ON p.id = found.id {directory.WITH_DAY} "
        "ORDER BY found.names, found.id"
    )
    params = (
        scope.unit_id, *units.params(day) * 2, roles.OPERATOR, *kinds, *units.params(day), *map(pattern, words),
        *roles.holds_params(as_high, day), most + 1, *directory.today(now),
    )  # fmt: skip
    with sql.uncompiled():
        return sql.select(PersonFacts, statement, params)


def ids_named(typed: str) -> list[int]:
    """The accounts to which a typed name leads, anywhere: an address, what stands before its @, a payroll number, a
    pupil's code; as many ids whatever was typed, 0 where there is nobody. `rights.judge` says who may know."""
    name, at, domain = typed.partition("@")
    named, params = (directory.BY_ADDRESS, (typed, name, domain)) if at else (directory.BY_NAME, (name, name))
    found = sql.rows(f"{named} ORDER BY 1 LIMIT {NAMESAKES}", params)
    return ([id for (id,) in found] + [0] * NAMESAKES)[:NAMESAKES]


def pattern(word: str) -> str:
    """A word of `words_of` as a regular expression that both databases read: each letter in all its forms."""
    return _BETWEEN.join(_class_of(sign) for sign in word)


def _class_of(sign: str) -> str:
    return f"[{sign}{_forms().get(sign, '')}]"


@cache
def _forms() -> dict[str, str]:
    """letter of a skeleton -> the letters of Latin and Arabic that read as it."""
    found: dict[str, str] = {}
    for sign in (chr(code) for alphabet in _ALPHABETS for code in alphabet):
        plain = normalize.skeleton(sign)
        if plain != sign and len(plain) == 1 and unicodedata.category(sign)[0] == "L":
            found[plain] = found.get(plain, "") + sign
    return found
