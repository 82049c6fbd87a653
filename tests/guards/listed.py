"""The guards of the product, as the lists beside this file name them: what stands where, and which test misses it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCES = ROOT / "src" / "massar"


@dataclass(frozen=True)
class Guard:
    """One guard. `stands`: its text in `file`, exactly once; `removed`: what is left of the text without it. `test`:
    what pytest is given, `module.py` under tests/ and perhaps `::name` or `-k words`. `case`: of the attack cases, a
    promise or a decision. `why_alive`: of one that no test misses, which other guard does the same work."""

    name: str
    case: str
    file: str
    stands: str
    removed: str
    test: str
    why_alive: str = ""

    @property
    def path(self) -> Path:
        return SOURCES / self.file

    @property
    def arguments(self) -> tuple[str, ...]:
        modules, _, words = self.test.partition(" -k ")
        return (*(f"tests/{module}" for module in modules.split()), *(("-k", words) if words else ()))

    def without(self, text: str) -> str:
        """The file's text without the guard. Raises ValueError if the list is behind the source."""
        if text.count(self.stands) != 1:
            raise ValueError(f"{self.name}: {self.file} holds its text {text.count(self.stands)} times, not once")
        return text.replace(self.stands, self.removed)


def guards() -> list[Guard]:
    """All of them, in the order of the list."""
    found: list[Guard] = []
    for path in sorted(HERE.glob("*.toml")):
        for file, rows in tomllib.loads(path.read_text("utf-8")).items():
            found += [Guard(file=file, **row) for row in rows]
    return found
