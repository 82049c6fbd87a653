"""How long this process waits for its database. A person who looks at a page is told sooner than a program."""

_CONNECT_OF_PROGRAM, _CONNECT_OF_PERSON = 5.0, 0.7  # seconds
_STATEMENT = 6.0  # seconds for one statement, of a server that takes it and says nothing
WRITER_LOCK = 3.0  # seconds until a person's request gives up writing to a SQLite file that others hold
waiting = {"person": False}


def serve_people() -> None:
    """Use the short timeouts from now on. Called once by each process of the web server."""
    waiting["person"] = True


def connect() -> float:
    """Seconds that are waited for a connection to a database that may be starting."""
    return _CONNECT_OF_PERSON if waiting["person"] else _CONNECT_OF_PROGRAM


def statement() -> float | None:
    """Seconds that one statement may take; None without end, as sweeps and backups need it."""
    return _STATEMENT if waiting["person"] else None


def writer_lock(usual: float) -> float:
    return min(usual, WRITER_LOCK) if waiting["person"] else usual
