"""The words people read: three complete catalogues, every id in use exists, no sentence can break a page."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from babel.messages import Message
from babel.messages.mofile import read_mo

from tests.house.catalogues import INTERFACES, LANGUAGES, LOCALES, TEMPLATES, catalogue, id_of, sentences
from tests.house.laws import python_files

PLURALS = {"ar": 6, "fr": 2, "en": 2}

PLACEHOLDER = re.compile(r"%\((\w+)\)s")
ARABIC = re.compile(r"[\u0621-\u064A]")
MESSAGE_ID = re.compile(r"[a-z_]+(?:\.[a-z0-9_]+)+")
# Ids a template asks for: t('x.y') or n('x.y', …); and beginnings that are completed there: t('x.' ~ y).
ASKED = re.compile(r"""\b[tn]\(\s*'([^']*)'(\s*~)?""")
# Names that are written the same in every language, and signs that are no words.
SAME_IN_ARABIC = {"form.colon"}
# Messages that code picks by an id it was given.
FAMILIES = {
    "rule": ("", ".refused"),
    "errors": (".title", ".text"),
    "alarm": ("", ".text"),
}
GROUPS_IN_CODE = {"error", "flash", "rule", "activity", "how", "browser", "problem", "errors"}


def ids_where(language: str, judge: Callable[[str], object]) -> set[str]:
    """Ids with a sentence for which `judge` answers something true."""
    return {id for id, message in catalogue(language).items() if any(map(judge, sentences(message)))}


def placeholders(message: Message) -> set[str]:
    return {name for text in sentences(message) for name in PLACEHOLDER.findall(text)}


def in_templates() -> tuple[set[str], set[str]]:
    """(whole ids, beginnings of ids) that templates ask for."""
    found = [m for path in TEMPLATES for m in ASKED.findall(path.read_text("utf-8"))]
    return {name for name, more in found if not more}, {name for name, more in found if more}


def _whole_ids(tree: ast.AST) -> set[str]:
    """Literal first arguments of t() and n(), and literals that stand in one of the groups code speaks."""
    ids = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("t", "n"):
            first = node.args[0] if node.args else None
            ids |= {first.value} if isinstance(first, ast.Constant) else set()
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if MESSAGE_ID.fullmatch(node.value) and node.value.split(".")[0] in GROUPS_IN_CODE:
                ids.add(node.value)
    return ids


def in_code() -> dict[str, str]:
    """Id -> file, for the pages' Python code."""
    found = {}
    for path in (*python_files(INTERFACES / "web"), *python_files(INTERFACES / "ops")):
        for name in _whole_ids(ast.parse(path.read_text("utf-8"))):
            found[name] = path.name
    return found


def test_there_are_templates_and_words():
    assert len(TEMPLATES) > 10
    assert len(catalogue("ar")) > 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_languages_have_the_same_ids(language: str):
    assert set(catalogue(language)) ^ set(catalogue("ar")) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_empty_or_unsure(language: str):
    unsure = [id for id, message in catalogue(language).items() if message.fuzzy]
    empty = [id for id, message in catalogue(language).items() if not all(map(str.strip, sentences(message)))]
    assert (unsure, empty) == ([], [])


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_the_same_everywhere(language: str):
    different = {
        id: (placeholders(message), placeholders(catalogue("ar")[id]))
        for id, message in catalogue(language).items()
        if placeholders(message) != placeholders(catalogue("ar")[id])
    }
    assert different == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_well_formed(language: str):
    """What is left when the placeholders are gone holds no per cent sign: filling can't fail on it."""
    assert ids_where(language, lambda text: "%" in PLACEHOLDER.sub("", text)) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_plurals_have_every_form_of_the_language(language: str):
    counted = {id: m for id, m in catalogue(language).items() if isinstance(m.string, tuple)}
    assert counted, "no message counts anything"
    assert {id: len(m.string) for id, m in counted.items()} == dict.fromkeys(counted, PLURALS[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_hold_no_markup(language: str):
    """Words only: marks of HTML are escaped by the page and would be read as they stand."""
    assert ids_where(language, lambda text: set(text) & set('<>&"`{}')) == set()


def test_arabic_is_arabic():
    assert ids_where("ar", lambda text: not ARABIC.search(text)) == SAME_IN_ARABIC


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_others_are_not_arabic(language: str):
    assert ids_where(language, ARABIC.search) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_digits_are_western(language: str):
    assert ids_where(language, lambda text: any(c.isdigit() and c not in string.digits for c in text)) == set()


def test_french_marks_keep_to_their_word():
    """A colon, a question mark or a guillemet never stands alone at the beginning of a line."""
    assert ids_where("fr", re.compile(r" [:;?!»]|« ").search) == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_templates_ask_for_ids_that_exist(path: Path):
    asked = ASKED.findall(path.read_text("utf-8"))
    known = set(catalogue("ar"))
    missing = {name for name, more in asked if not more and name not in known}
    missing |= {name for name, more in asked if more and not any(id.startswith(name) for id in known)}
    assert missing == set()


def test_code_asks_for_ids_that_exist():
    known = set(catalogue("ar"))
    assert {name: file for name, file in in_code().items() if name not in known} == {}


@pytest.mark.parametrize("group", FAMILIES)
def test_families_are_complete(group: str):
    """A rule has a line and a reason, a fault page a title and a text."""
    members = {id.split(".")[1] for id in catalogue("ar") if id.split(".")[0] == group and id.count(".") == 2}
    members -= {"state"}
    assert members
    wanted = {f"{group}.{member}{end}" for member in members for end in FAMILIES[group]}
    assert wanted - set(catalogue("ar")) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_file_is_up_to_date(language: str):
    """`make messages` was run after the last change of the words."""
    with (LOCALES / language / "LC_MESSAGES" / "django.mo").open("rb") as file:
        compiled = {id_of(message): sentences(message) for message in read_mo(file) if message.id}
    assert compiled == {id: sentences(message) for id, message in catalogue(language).items()}


def test_the_readers_see_what_they_should():
    asked = ASKED.findall("{{ t('a.b', x=1) }} {{ n('c.d', 2) }} {{ t('site.' ~ slug) }} {{ format('no') }}")
    assert asked == [("a.b", ""), ("c.d", ""), ("site.", " ~")]
    code = "t('a.b'); x = 'flash.saved'; y = 'massar.core.text'; f('error.wait')"
    assert _whole_ids(ast.parse(code)) == {"a.b", "flash.saved", "error.wait"}
