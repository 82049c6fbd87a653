"""Templates: texts with placeholders, filled for one message.

What was filled in is never read again, so no text of a message can become anything but text.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from massar.core.settings import Verbatim

PLACEHOLDERS = ("to", "to_plain", "text", "sender", "seconds", "minutes", "id", "receipt_url", "coding")
_PIECE = re.compile(r"\{\{|\}\}|\{(\w+)\}|[{}]")
_DOUBLED = {"{{": "{", "}}": "}"}
Values = Mapping[str, str | int]


class Template:
    """Text with `{placeholders}`; `{{` and `}}` stand for braces. `names`: the placeholders in it. Raises ValueError
    with what is wrong."""

    def __init__(self, text: object):
        if not isinstance(text, str):
            raise ValueError("must be a text")
        pieces: list[tuple[str, bool]] = [(str(text), False)] if isinstance(text, Verbatim) else []
        end = len(text) if isinstance(text, Verbatim) else 0
        for found in _PIECE.finditer(text, end):
            pieces += [(text[end : found.start()], False), _piece(found)]
            end = found.end()
        pieces.append((text[end:], False))
        self._pieces = [piece for piece in pieces if piece[0]]
        self.names = frozenset(text for text, is_name in self._pieces if is_name)
        self.fixed = "".join(text for text, is_name in self._pieces if not is_name)

    def __repr__(self) -> str:
        return f"<Template with {', '.join(sorted(self.names)) or 'no placeholder'}>"

    def fill(self, values: Values, encode: Callable[[str, str], str] = lambda name, value: value) -> str:
        """`encode` is given the name and the value of each placeholder; what stands around them stays."""
        return "".join(encode(text, str(values[text])) if is_name else text for text, is_name in self._pieces)

    def json(self, values: Values) -> str | int:
        """A placeholder that stands alone keeps its kind: seconds and minutes are numbers."""
        if len(self._pieces) == 1 and self.names:
            return values[self._pieces[0][0]]
        return self.fill(values)


def _piece(found: re.Match[str]) -> tuple[str, bool]:
    if found[0] in _DOUBLED:
        return _DOUBLED[found[0]], False
    if found[1] is None:
        raise ValueError("a single brace: write {{ or }} where a brace is meant")
    if found[1] not in PLACEHOLDERS:
        raise ValueError(f"an unknown placeholder {{{found[1]}}}: choose from {', '.join(PLACEHOLDERS)}")
    return found[1], True


def mapped(tree: object, leaf: Callable[[Any], object]) -> Any:
    """The tree of dicts and lists with `leaf` of everything else in it."""
    if isinstance(tree, Mapping):
        return {name: mapped(one, leaf) for name, one in tree.items()}
    return [mapped(one, leaf) for one in tree] if isinstance(tree, list | tuple) else leaf(tree)
