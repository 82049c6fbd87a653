"""Numbers of cases: `27-0413-8842`, two digits of the year, seven drawn, one check digit.

They are read aloud by one person and typed by another, so the check digit finds every wrong digit and every two
neighbours that changed places (H. M. Damm, "Total anti-symmetrische Quasigruppen", Marburg 2004). They are no secret:
a number opens nothing to whoever knows it."""

from datetime import datetime

from massar.core import ids, text

LENGTH = 10
_DRAWN = 7
_DAMM = (
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)  # fmt: skip


def draw(now: datetime) -> str:
    """A number that is likely to be free."""
    digits = f"{now.year % 100:02d}{ids.between(0, 10**_DRAWN - 1):0{_DRAWN}d}"
    return digits + check_digit(digits)


def check_digit(digits: str) -> str:
    found = "0"
    for digit in digits:
        found = _DAMM[int(found)][int(digit)]
    return found


def read(typed: str) -> str | None:
    """What was typed as a number: digits of every script, with spaces, dashes and marks around. None: it has a slip."""
    digits = text.code(typed)
    right = len(digits) == LENGTH and digits.isascii() and digits.isdecimal() and check_digit(digits) == "0"
    return digits if right else None


def shown(number: str) -> str:
    return f"{number[:2]}-{number[2:6]}-{number[6:]}"
