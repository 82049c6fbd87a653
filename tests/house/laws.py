"""Reading the tree for the laws of the house: who asks the time, draws secrets, opens a connection.

Works on the syntax tree, not on text: `from datetime import datetime as d; d.now` is seen, a comment is not.
"""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
PRODUCT = SOURCE / "massar"
NOT_OURS = {".git", ".venv", "var", "build", "node_modules", "__pycache__", "htmlcov", "dist"}

ASKS_THE_TIME = (
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "time.strftime",
    "django.utils.timezone.now", "django.utils.timezone.localdate", "django.utils.timezone.localtime",
    "django.db.models.functions.Now",
)  # fmt: skip
DRAWS_RANDOM = (
    "secrets", "random", "uuid", "os.urandom", "os.getrandom", "ssl.RAND_bytes", "nacl.utils.random",
    "django.utils.crypto.get_random_string", "numpy.random",
)  # fmt: skip
OPENS_CONNECTIONS = (
    "smtplib", "http.client", "socket", "socketserver", "http.server", "urllib.request", "urllib3",
    "requests", "httpx", "aiohttp", "ftplib", "telnetlib", "django.core.mail",
)  # fmt: skip
# An import that no line begins with: nothing else needs the syntax tree.
MAY_STAND_INSIDE = re.compile(r"^[ \t\f].*\bimport\b|[:;\\].*\bimport\b|\\\n.*\bimport\b", re.MULTILINE)


def files_of_the_tree() -> list[Path]:
    """What a clone would hold: git's own list where there is git, otherwise everything but made folders."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode == 0:
            return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    everything = (path for path in ROOT.rglob("*") if path.is_file())
    return [path for path in everything if not NOT_OURS & set(path.relative_to(ROOT).parts)]


def python_files(folder: Path = SOURCE) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_name(path: Path) -> str:
    """`…/src/massar/core/clock.py` -> `massar.core.clock`."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@lru_cache(512)  # all files of the product: a dozen laws read each of them
def nodes(source: str) -> tuple[ast.AST, ...]:
    """The syntax tree, node by node; the first is the whole."""
    return tuple(ast.walk(ast.parse(source)))


@cache
def names_used(source: str, module: str = "") -> tuple[tuple[str, int], ...]:
    """Every dotted name that the source imports or reaches through an import, with its line.

    `module` is the dotted name of the source itself, for relative imports. Imported names stand for what they
    were called where they come from.
    """
    all_of_it = nodes(source)
    imported = [(*names, node.lineno) for node in all_of_it for names in _imported(node, module)]
    aliases = {local: full for local, full, _ in imported}
    named = [node for node in all_of_it if isinstance(node, ast.Attribute | ast.Name)]
    reached = [(_dotted(node, aliases), node.lineno) for node in named]
    return (*((full, line) for _, full, line in imported), *((full, line) for full, line in reached if full))


def _imported(node: ast.AST, module: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:  # `import a.b` binds `a`; `import a.b as c` binds `c` to `a.b`
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


def within(name: str, group: tuple[str, ...]) -> bool:
    """Whether `name` is an entry of the group, or lies inside of one."""
    return any(name == entry or name.startswith(f"{entry}.") for entry in group)


def breaches(group: tuple[str, ...], *, allowed: tuple[str, ...] = (), below: Path = SOURCE) -> list[str]:
    """Places below a folder that use a name of `group`, outside the modules (or packages) `allowed`."""
    found = set()
    for path in python_files(below):
        module = module_name(path)
        if not within(module, allowed):
            used = names_used(path.read_text("utf-8"), module)
            found |= {f"{name_of(path)}:{line} uses {name}" for name, line in used if within(name, group)}
    return sorted(found)


def imports_inside_functions(source: str) -> list[int]:
    """Lines of import statements inside a function."""
    if not MAY_STAND_INSIDE.search(source):
        return []
    lines = set()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = ast.walk(function)
            lines.update(node.lineno for node in inner if isinstance(node, ast.Import | ast.ImportFrom))
    return sorted(lines)
