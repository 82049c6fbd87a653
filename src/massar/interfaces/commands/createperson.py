"""Adds one person. Without a password that person starts by recovery, to the contact that is vouched for here."""

import argparse
import getpass
import sys

from django.utils import translation
from django.utils.translation import gettext

from massar.core import clock
from massar.journeys.outcomes import Problems
from massar.journeys.people import import_people

# What only whoever runs this command can put right; the pages have no words for it.
_SENTENCES = {
    "login_taken": "There is an account with this address already.",
    "name_shape": "A name has at most 100 characters, an establishment 200, and no invisible ones.",
}


def run(options: argparse.Namespace) -> int:
    if options.no_password:
        password = ""
    elif options.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass("Initial password: ")
    person = import_people.NewPerson(
        login=options.login,
        first_ar=options.name_ar[0],
        last_ar=options.name_ar[1],
        first_latin=options.name[0],
        last_latin=options.name[1],
        language=options.language,
        role=options.role,
        establishment=options.school and tuple(options.school),
        email=options.email,
        phone=options.phone,
        password=password,
    )
    outcome = import_people.add(person, now=clock.now())
    if not isinstance(outcome, Problems):
        print(f"{options.login} was added.")
        return 0
    with translation.override("en"):
        for field, problems in outcome.of.items():
            for problem in problems:
                text = gettext(problem.id if problem.id.startswith("rule.") else f"error.{problem.id}")
                said = _SENTENCES.get(problem.id) or (text % problem.args if problem.args else text)
                print(f"{field}: {said}", file=sys.stderr)
    return 1
