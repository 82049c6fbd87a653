"""Addresses of pages are passed in: below the interfaces none is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from tests.house.laws import SOURCE, python_files

BELOW = ("journeys", "domain", "core", "providers")
LEFT = {"massar/domain/sites/saml_idp.py"}  # to be passed in too


def beginnings(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    """The first part of each address of the product."""
    for one in patterns:
        text = str(one.pattern)
        if isinstance(one, URLResolver) and not text:
            yield from beginnings(one.url_patterns)
        elif text:
            yield text.partition("/")[0]


def test_no_address_of_a_page_is_written_below_the_interfaces():
    known = set(beginnings(get_resolver().url_patterns))
    assert {"sign-in", "recovery", "contacts", "saml", "receipts", "gate"} <= known
    address = re.compile(rf"/(?:{'|'.join(map(re.escape, known))})(?:/|$)")
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno} {node.value!r}"
        for below in BELOW
        for path in python_files(SOURCE / "massar" / below)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and address.match(node.value)
    ]
    assert {one.partition(":")[0] for one in found} <= LEFT, found
