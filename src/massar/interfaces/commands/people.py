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
    act = close_account.enable if options.action == "enable" else close_account.disable
    closed = act(person=person, reason=options.reason, now=clock.now())
    if options.action == "enable":
        return f"{person.login} {'may sign in again' if closed.changed else 'was not disabled'}."
    word = "is disabled" if closed.changed else "was disabled before"
    ended = f"{closed.sessions} session(s) ended, {closed.told} message(s) to sites wait for the worker"
    return f"{person.login} {word}: {ended}."
