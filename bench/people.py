"""Who is measured with: N accounts, and as many logins of the same length that no account has."""

import hashlib
from typing import NamedTuple

PASSWORDS = tuple(f"Measured-{word}-47392" for word in ("harvest", "lantern", "orchard", "compass"))
WRONG_PASSWORD = "Measured-nothing-47392"
ASKER = "a-browser-that-asked-for-what-it-guesses-now"[:43]  # the mark of a browser


def login(number: int) -> str:
    return f"bench.k{number:05d}@taalim.ma"


def nobody(number: int) -> str:
    return f"bench.u{number:05d}@taalim.ma"


def password(number: int) -> str:
    return PASSWORDS[number % len(PASSWORDS)]


def email(number: int) -> str:
    return f"bench.k{number:05d}@example.org"


def recipient(number: int) -> str:
    """Where recovery reaches them: people of even number by e-mail, the others by phone."""
    return phone_sent(number) if number % 2 else email(number)


def phone(number: int) -> str:
    """As people type it. The test's SMSC does what the last two digits say; 00 is to be delivered."""
    return f"066{number:05d}00"


def phone_sent(number: int) -> str:
    """The same as the gateway gets it (E.164)."""
    return f"+21266{number:05d}00"


class Cast(NamedTuple):
    """The numbers of the people whom `bench.signals` tries. Every kind of account has `size` of them, so that a try is
    each account's first. Of those who have a secret alive there are `live`, and each is tried a few times: as often as
    whom they are compared with. Both are even, so that the kinds of a number have the same sort of contact."""

    size: int
    live: int

    def plain(self, number: int) -> int:
        return number

    def frozen(self, number: int) -> int:
        return self.size + number

    def with_passkey(self, number: int) -> int:
        return 2 * self.size + number

    def without_contact(self, number: int) -> int:
        return 3 * self.size + number

    def temporary(self, number: int) -> int:
        """With a temporary password alive."""
        return 4 * self.size + number % self.live

    def vouched(self, number: int) -> int:
        """With a vouching code alive, which the browser ASKER asked for."""
        return 4 * self.size + self.live + number % self.live

    @property
    def everybody(self) -> range:
        return range(4 * self.size + 2 * self.live)

    @property
    def waited_for(self) -> set[str]:
        """Where the secrets of those who have one are sent."""
        return {recipient(number) for number in range(self.temporary(0), self.everybody.stop)}


def credential_id(number: int) -> bytes:
    """Of that person's passkey."""
    return hashlib.sha256(f"passkey-{number}".encode()).digest()[:16]
