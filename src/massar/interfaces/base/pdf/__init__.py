"""Pages on paper: a Typst template of this folder, filled with words and rows (docs/adr/0068-pages-on-paper.md).

What people typed reaches the template as JSON, never as markup. The compiler sees this folder alone: no file outside
it, no font of the system, no package from the network."""

import json
from collections.abc import Mapping
from pathlib import Path

import typst

FOLDER = Path(__file__).resolve().parent


def render(template: str, data: Mapping[str, object]) -> bytes:
    """Return the PDF that `template` (a file of this folder) makes of `data`: texts, numbers, lists and objects."""
    given = {"data": json.dumps(data, ensure_ascii=False)}
    compiled = typst.compile(
        FOLDER / template, root=FOLDER, font_paths=[FOLDER / "fonts"], ignore_system_fonts=True,
        package_path=FOLDER / "packages", package_cache_path=FOLDER / "packages", sys_inputs=given,
    )  # fmt: skip
    if not isinstance(compiled, bytes):
        raise TypeError(f"{template} made no document of one file")
    return compiled
