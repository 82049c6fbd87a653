"""`massar people disable|enable LOGIN ...`: shuts accounts of people who left, or opens them again."""

from __future__ import annotations

import argparse
import sys

from massar.core import clock, text
from massar.domain.people import api as people
from massar.journeys.account import close_account


def run(options: argparse.Namespace) -> int:
    """Each account by itself: one that is not found keeps none of the others from being done."""
    found = [(login, people.directory.by_login(text.login(login))) for login in options.logins]
    for login, person in found:
        if person is None:
            print(f"{login}: there is no such account.", file=sys.stderr)
        else:
            print(_done(options, person))
    return 0 if all(person for _, person in found) else 1


def _done(options: argparse.Namespace, person: people.PersonFacts) -> str:
    if options.action == "enable":
        closed = close_account.enable(person=person, reason=options.reason, now=clock.now())
        return f"{person.login} {'may sign in again' if closed.changed else 'was not disabled'}."
    closed = close_account.disable(person=person, reason=options.reason, now=clock.now())
    word = "is disabled" if closed.changed else "was disabled before"
    return f"{person.login} {word}: {closed.sessions} session(s) ended, {closed.told} message(s) to sites wait for the worker."
