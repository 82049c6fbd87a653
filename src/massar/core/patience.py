"""How long this process waits for its database. A person who looks at a page is told sooner than a program."""

from __future__ import annotations

_PROGRAM, _PERSON = 5.0, 0.7  # seconds for a connection
_FOR_AN_ANSWER = 6.0  # seconds for one statement, of a server that takes it and says nothing
_FOR_A_TURN = 3.0  # seconds until a person's request gives up writing to a SQLite file that others hold
_waiting = {"person": False}


def a_person_waits() -> None:
    """Called once by each process of the web server."""
    _waiting["person"] = True


def for_the_database() -> float:
    """Seconds that are waited for a connection to a database that may be starting."""
    return _PERSON if _waiting["person"] else _PROGRAM


def for_an_answer() -> float | None:
    """Seconds that one statement may take; None without end, as sweeps and backups need it."""
    return _FOR_AN_ANSWER if _waiting["person"] else None


def for_a_turn(usual: float) -> float:
    """Seconds until SQLite says that it is locked."""
    return min(usual, _FOR_A_TURN) if _waiting["person"] else usual
