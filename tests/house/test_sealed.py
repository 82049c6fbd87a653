"""Every encrypted column and every HMAC is known to the change of keys: none is forgotten when a room adds one."""

import ast
import re

import pytest
from django.apps import apps
from django.db import models

from massar.core import encryption
from massar.core.keyring.rows import Sealed
from massar.journeys.keys.change_data_keys import ENDING, SEALED
from tests.house.laws import PRODUCT, python_files

HASHES = {("audit_seal", "ids"), ("audit_seal", "hashes")}  # public, under no key
LIVES_FOR_SECONDS = {("sites_token", "repeat"): "a minute after a change it is over (docs/adr/0040)"}
# Purposes of HMACs under the key that writes. They are looked for under every key, and end with what is told of here.
ENDS = {
    "change-session", "contact-code", "desk-review", "guardian-code", "loss-code", "pending-sign-in", "receipt",
    "return-path",
    "return-path-address", "session", "tally", "temporary",
}  # fmt: skip
WRITTEN_ANEW = {"contact-value"}
UNDER_THE_KEY = re.compile(r"\b(blind_index(?:es)?|sign|verify|_hmac)$")


def encrypted_columns() -> set[tuple[str, str]]:
    fields = ((model._meta.db_table, field) for model in apps.get_models() for field in model._meta.get_fields())
    return {(table, field.column) for table, field in fields if isinstance(field, models.BinaryField)}


def test_every_encrypted_column_is_written_anew_by_reseal():
    told = {(one.table, one.column) for one in SEALED}
    assert encrypted_columns() - set(LIVES_FOR_SECONDS) - HASHES == told


@pytest.mark.parametrize("sealed", SEALED, ids=lambda one: f"{one.table}.{one.column} {one.where}".strip())
def test_what_is_told_of_an_encrypted_column_is_there(sealed: Sealed):
    [model] = [one for one in apps.get_models() if one._meta.db_table == sealed.table]
    columns = {field.column for field in model._meta.get_fields() if hasattr(field, "column")}
    assert {sealed.key, sealed.column, *sealed.named} <= columns and model._meta.pk.column == sealed.key


def purposes() -> dict[str, str]:
    """Purpose of each HMAC under data keys -> where it is made, read from the source: a text or a constant there."""
    found: dict[str, str] = {}
    for path in python_files(PRODUCT):
        source = path.read_text("utf-8")
        if "data_keys()" not in source:
            continue
        tree = ast.parse(source)
        constants = {
            target.id: node.value.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        pairs = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)]
        for node in pairs:
            for target in node.targets:
                if isinstance(target, ast.Tuple):
                    named = zip(target.elts, node.value.elts, strict=False)
                    constants |= {
                        n.id: v.value for n, v in named if isinstance(n, ast.Name) and isinstance(v, ast.Constant)
                    }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args):
            of = call.func
            if not isinstance(of, ast.Attribute) or of.attr not in ("blind_index", "sign") or "browser" in ast.dump(of):
                continue
            said = call.args[0]
            purpose = said.value if isinstance(said, ast.Constant) else constants.get(getattr(said, "id", ""), "")
            if isinstance(purpose, str) and purpose:
                found[purpose] = path.name
    return found


def test_every_purpose_of_an_hmac_is_known():
    found = purposes()
    assert len(found) > 12
    unknown = set(found) - ENDS - WRITTEN_ANEW - set(encryption.LASTING)
    assert {purpose: found[purpose] for purpose in unknown} == {}, "does it last, end, or is it written anew?"


def test_nothing_lasts_that_no_room_asks_for():
    sources = [path.read_text("utf-8") for path in python_files(PRODUCT) if path.name != "encryption.py"]
    asked = "".join(source for source in sources if "data_keys()" in source)
    assert [purpose for purpose in encryption.LASTING if f'"{purpose}"' not in asked] == []


def test_what_ends_by_itself_is_told_in_words():
    assert len({one.what for one in ENDING}) == len(ENDING)
