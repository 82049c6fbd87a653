"""How long people need for what a test does for them: the keystroke-level model of Card, Moran and Newell (1980).

A page that is counted tells each press of the pointer and each character that is typed. Before each press and each
field stands an act of mind; to each field belong two ways of the hand, from the pointer to the keys and back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page

MIND, POINT, PRESS, HAND = 1.35, 1.1, 0.2, 0.4  # seconds
# A key: who types seldom, at a desk; a user name or password, character by character; the slowest of the paper.
DESK_KEY, CODE_KEY, SLOWEST_KEY = 0.28, 0.75, 1.2
TELLS = """
addEventListener('pointerdown', () => told('press', 1), true);
addEventListener('input', (event) => {
  if (!event.target.matches('[type=checkbox], [type=radio], select')) told('keys', event.target.value.length);
}, true);
"""


@dataclass
class Keystrokes:
    """What was done at the pages that are counted, and how long the machine took. key: seconds, see above. A field
    that a test fills at once counts with all that stands in it then. Nothing is counted while it rests."""

    key: float
    presses: int = 0
    fields: int = 0
    keys: int = 0
    rests: bool = False

    def count(self, page: Page) -> None:
        page.expose_function("told", self._told)
        page.add_init_script(TELLS)

    def _told(self, what: str, many: int) -> None:
        if self.rests:
            return
        if what == "press":
            self.presses += 1
        else:
            self.fields += 1
            self.keys += many

    def seconds(self, key: float = 0) -> float:
        pressed = self.presses * (MIND + POINT + PRESS)
        typed = self.fields * (MIND + POINT + PRESS + 2 * HAND) + self.keys * (key or self.key)
        return pressed + typed

    def __str__(self) -> str:
        told = f"{self.presses} presses, {self.fields} fields, {self.keys} keys"
        return f"{told}: {self.seconds():.0f} s, {self.seconds(SLOWEST_KEY):.0f} s at the slowest"


class Stopwatch:
    """Seconds that went by, without those for which it rested."""

    def __init__(self) -> None:
        self._began, self._rested = time.monotonic(), 0.0

    @contextmanager
    def resting(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._rested += time.monotonic() - began

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began - self._rested
