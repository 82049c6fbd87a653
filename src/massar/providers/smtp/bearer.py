"""Signing in to a mail server with an OAuth 2.0 token: XOAUTH2 (Google, Microsoft) and OAUTHBEARER (RFC 7628)."""

from collections.abc import Callable
from typing import Protocol

LONGEST_LINE = 512  # RFC 5321 §4.5.3.1.4: a longer first answer waits until it is asked for (RFC 4954 §4)


class Account(Protocol):
    """Whose mailbox it is, and where."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def user(self) -> str: ...


class _Words:
    """What is said: first who we are; to whatever is asked after that, that we have heard the refusal."""

    def __init__(self, first: str, last: str):
        self.first, self._next, self._last = first, first, last

    def __call__(self, challenge: bytes | None = None) -> str:
        words, self._next = self._next, self._last
        return words


def _xoauth2(server: Account, token: str) -> _Words:
    return _Words(f"user={server.user}\x01auth=Bearer {token}\x01\x01", "")


def _oauthbearer(server: Account, token: str) -> _Words:
    """RFC 7628 §3.1; the refusal is heard with a %x01 (§3.2.3)."""
    user = server.user.replace("=", "=3D").replace(",", "=2C")
    place = f"host={server.host}\x01port={server.port}"
    return _Words(f"n,a={user},\x01{place}\x01auth=Bearer {token}\x01\x01", "\x01")


# Method to words, of a server with user, host and port; the first that is offered is taken.
WAYS: dict[str, Callable[[Account, str], _Words]] = {"XOAUTH2": _xoauth2, "OAUTHBEARER": _oauthbearer}


def initial_fits(method: str, words: _Words) -> bool:
    """Whether the first words may stand in the line of AUTH."""
    return len(f"AUTH {method} \r\n") + -(-len(words.first) // 3) * 4 <= LONGEST_LINE
