"""Reading Python source for the laws of the house: who asks the time, draws secrets, opens a connection.

Works on the syntax tree, not on text: `from datetime import datetime as d; d.now` is seen, a comment is not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"

ASKS_THE_TIME = frozenset(
    {
        "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
        "time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "time.strftime",
        "django.utils.timezone.now", "django.utils.timezone.localdate", "django.utils.timezone.localtime",
        "django.db.models.functions.Now",
    }
)  # fmt: skip
DRAWS_RANDOM = frozenset(
    {
        "secrets", "random", "uuid", "os.urandom", "os.getrandom", "ssl.RAND_bytes", "nacl.utils.random",
        "django.utils.crypto.get_random_string", "numpy.random",
    }
)  # fmt: skip
OPENS_CONNECTIONS = frozenset(
    {
        "smtplib", "http.client", "socket", "socketserver", "http.server", "urllib.request", "urllib3",
        "requests", "httpx", "aiohttp", "ftplib", "telnetlib", "django.core.mail",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """One place that breaks a law: module file (relative to the tree), line, and the name that was used."""

    file: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} uses {self.name}"


def python_files(folder: Path = SOURCE) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def module_name(path: Path) -> str:
    """`…/src/massar/core/clock.py` -> `massar.core.clock`."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def names_used(source: str, module: str = "") -> Iterator[tuple[str, int]]:
    """Every dotted name that the source imports or reaches through an import, with its line.

    `module` is the dotted name of the source itself, for relative imports. Imported names stand for what they
    were called where they come from.
    """
    tree = ast.parse(source)
    aliases = {}
    for node in ast.walk(tree):
        for local, full in _imported(node, module):
            aliases[local] = full
            yield full, node.lineno
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            full = _dotted(node, aliases)
            if full:
                yield full, node.lineno


def _imported(node: ast.AST, module: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            # `import a.b` binds `a`; `import a.b as c` binds `c` to `a.b`.
            yield (alias.asname or alias.name, alias.name)
    elif isinstance(node, ast.ImportFrom):
        origin = node.module or ""
        if node.level:
            package = module.split(".")[: -node.level] or [""]
            origin = ".".join([*package, origin] if origin else package)
        for alias in node.names:
            yield (alias.asname or alias.name, f"{origin}.{alias.name}")


def _dotted(node: ast.AST, aliases: dict[str, str]) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    whole = [node.id, *parts]
    # The longest imported prefix decides: after `import http.client`, `http.client.X` lies in that module.
    for cut in range(len(whole), 0, -1):
        local = ".".join(whole[:cut])
        if local in aliases:
            return ".".join([aliases[local], *whole[cut:]])
    return None


def within(name: str, group: frozenset[str]) -> str | None:
    """The entry of `group` that `name` is, or lies inside of."""
    return next((entry for entry in group if name == entry or name.startswith(entry + ".")), None)


def breaches(group: frozenset[str], allowed: tuple[str, ...]) -> list[Found]:
    """Places under src/ that use a name of `group`, outside the modules (or packages) `allowed`."""
    found = set()
    for path in python_files():
        module = module_name(path)
        if any(module == home or module.startswith(home + ".") for home in allowed):
            continue
        for name, line in names_used(path.read_text("utf-8"), module):
            if within(name, group):
                found.add(Found(str(path.relative_to(ROOT)), line, name))
    return sorted(found, key=str)


def imports_inside_functions(source: str) -> list[int]:
    """Lines of import statements inside a function."""
    lines = set()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = ast.walk(function)
            lines.update(node.lineno for node in inner if isinstance(node, ast.Import | ast.ImportFrom))
    return sorted(lines)
