"""The table of controls, and the tests that it names (OWASP ASVS 5.0.0, levels 1 and 2)."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("controls.toml")
PAGE = ROOT / "docs" / "security" / "controls.md"


@dataclass(frozen=True)
class Control:
    """One control. Of `how`, `not_met` and `not_applicable` one stands; `tests` are node ids below tests/."""

    id: str
    level: int
    what: str
    how: str = ""
    not_met: str = ""
    not_applicable: str = ""
    tests: tuple[str, ...] = ()

    @property
    def chapter(self) -> str:
        return self.id.partition(".")[0]

    @property
    def state(self) -> str:
        return "met" if self.how else "not met" if self.not_met else "not applicable"


def read() -> tuple[dict[str, str], list[Control]]:
    """Names of chapters, and the controls in the order of the file. Raises KeyError for one without a level."""
    table = tomllib.loads(TABLE.read_text("utf-8"))
    levels = {id: level for level in (1, 2) for id in table[f"level_{level}"].split()}
    controls = [
        Control(id=id, level=levels[id], **{**said, "tests": tuple(said.get("tests", ()))})
        for id, said in table["controls"].items()
    ]
    return table["chapters"], controls


def ids_of_the_standard() -> list[str]:
    """Every number of the two levels, as often as it stands there."""
    table = tomllib.loads(TABLE.read_text("utf-8"))
    return [*table["level_1"].split(), *table["level_2"].split()]
