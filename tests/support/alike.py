"""Two answers side by side: all that a browser, or a clock beside the server, could tell one from the other by."""

from __future__ import annotations

import re

from django.test import Client

from massar.domain.credentials import api as credentials
from tests.support.captured import captured


class Seen:
    """All that a browser, or a clock beside the server, could tell one answer from another by."""

    def __init__(self, monkeypatch, path: str, typed: dict[str, str], cookies: dict[str, str] | None = None):
        client = Client()
        client.cookies.load(cookies or {})
        typed = filled(client, path, typed)
        hashes, fits = [], credentials.passwords.verify
        with monkeypatch.context() as patch, captured() as statements:
            patch.setattr(credentials.passwords, "verify", lambda *a, **k: hashes.append(1) or fits(*a, **k))
            answer = client.post(path, typed)
        self.status, self.hashes = answer.status_code, len(hashes)
        random = r'((?:name="(?:csrfmiddlewaretoken|ask_id)" value|data-options)=")[^"]+'
        body = re.sub(random, r"\1", answer.content.decode())
        self.body = body.replace(typed["user"], "USER")
        self.headers = {k: v for k, v in answer.headers.items() if k != "Content-Length"}
        self.cookies = {name: cookie(morsel, typed["user"]) for name, morsel in answer.cookies.items()}
        self.statements = [shape(one) for one in statements]

    def differs_from(self, other: Seen) -> list[str]:
        return [name for name in vars(self) if getattr(self, name) != getattr(other, name)]


def filled(client: Client, path: str, typed: dict[str, str]) -> dict[str, str]:
    """What was typed, with the hidden fields of the page."""
    hidden = re.findall(r'name="(csrfmiddlewaretoken|ask_id)" value="([^"]+)"', client.get(path).content.decode())
    return {**dict(hidden), **typed}


def cookie(morsel, user: str) -> tuple:
    """Its attributes, and its length without the name that was typed."""
    attributes = ("max-age", "path", "secure", "httponly", "samesite")
    return (*(morsel[a] for a in attributes), len(morsel.value.replace(user, "")))


def shape(statement: str) -> str:
    """The verb and the table: what the statement is, without what it was given."""
    words = r"\b(?:SELECT|INSERT INTO|UPDATE|DELETE|FROM|SAVEPOINT|RELEASE|BEGIN)\b|\b\w+_\w+\b"
    return " ".join(re.findall(words, statement)[:2])


def assert_alike(seen: dict[str, Seen]) -> None:
    (first, wanted), *others = seen.items()
    for name, one in others:
        different = one.differs_from(wanted)
        shown = [(getattr(wanted, d), getattr(one, d)) for d in different if d != "body"]
        assert not different, f"{name!r} is told from {first!r} by {different}: {shown}"
