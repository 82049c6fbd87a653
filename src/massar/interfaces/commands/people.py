"""`massar people disable|enable LOGIN ...`: shuts accounts of people who left, or opens them again."""

import argparse
import sys

from massar.core import clock, text
from massar.domain.people import api as people
from massar.journeys.account import close_account


def run(options: argparse.Namespace) -> int:
    """Each account by itself: one that is not found keeps none of the others from being done."""
    code = 0
    for login in options.logins:
        person = people.directory.by_login(text.login(login))
        if person is None:
            print(f"{login}: there is no such account.", file=sys.stderr)
            code = 1
        elif options.action == "enable":
            closed = close_account.enable(person=person, reason=options.reason, now=clock.now())
            print(f"{person.login} {'may sign in again' if closed.changed else 'was not disabled'}.")
        else:
            closed = close_account.disable(person=person, reason=options.reason, now=clock.now())
            word = "is disabled" if closed.changed else "was disabled before"
            ended = f"{closed.sessions} session(s) ended, {closed.told} message(s) to sites wait for the worker"
            print(f"{person.login} {word}: {ended}.")
    return code
