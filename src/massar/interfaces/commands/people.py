"""Adds people, disables and enables their accounts."""

import argparse
import getpass
import sys

from django.utils import translation
from django.utils.translation import gettext

from massar.core import clock, text
from massar.domain.people import api as people
from massar.journeys.account import close_account
from massar.journeys.outcomes import Problems
from massar.journeys.people import import_people

# What only whoever runs this command can put right; the pages have no words for it.
_SENTENCES = {
    "login_taken": "There is an account with this address already.",
    "name_shape": "A name has at most 100 characters, an establishment 200, and no invisible ones.",
}


def create(options: argparse.Namespace) -> int:
    """Add one person. Without a password that person starts by recovery, to the contact that is vouched for here."""
    if options.no_password:
        password = ""
    elif options.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass("Initial password: ")
    (first_ar, last_ar), (first_latin, last_latin) = options.name_ar, options.name
    person = import_people.NewPerson(
        login=options.login, first_ar=first_ar, last_ar=last_ar, first_latin=first_latin, last_latin=last_latin,
        language=options.language, role=options.role, establishment=options.school and tuple(options.school),
        email=options.email, phone=options.phone, password=password,
    )  # fmt: skip
    outcome = import_people.add(person, now=clock.now())
    if not isinstance(outcome, Problems):
        print(f"{options.login} was added.")
        return 0
    with translation.override("en"):
        for field, problems in outcome.of.items():
            for problem in problems:
                words = gettext(problem.id if problem.id.startswith("rule.") else f"error.{problem.id}")
                said = _SENTENCES.get(problem.id) or (words % problem.args if problem.args else words)
                print(f"{field}: {said}", file=sys.stderr)
    return 1


def run(options: argparse.Namespace) -> int:
    """Disable or enable accounts, each by itself: one that is not found keeps none of the others from being done."""
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
