"""Adds people, shuts and opens their accounts."""

import argparse
import getpass
import sys

from django.utils import translation
from django.utils.translation import gettext

from massar.core import clock, local_time, text
from massar.domain.people import api as people
from massar.journeys.account import close_account, freeze_account, lose_factors
from massar.journeys.desk import void_slips
from massar.journeys.outcomes import Done, Problems
from massar.journeys.people import import_people

# What only whoever runs this command can put right; the pages have no words for it.
_SENTENCES = {
    "login_taken": "There is an account with this name already.",
    "payroll_shape": "A payroll number has 3 to 20 digits and Latin letters, and at least one digit.",
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
        email=options.email, phone=options.phone, payroll=options.payroll, other_address=options.other_address,
        password=password,
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
    """Do it to each account by itself: one that is not found keeps none of the others from being done."""
    code, act = 0, _ACTIONS[options.action]
    for login in options.logins:
        person = people.directory.by_login(text.login(login), now=clock.now())
        if person is None:
            print(f"{login}: there is no such account.", file=sys.stderr)
            code = 1
        else:
            print(f"{person.login} {act(person, getattr(options, 'reason', ''))}.")
    return code


def _enable(person: people.PersonFacts, reason: str) -> str:
    closed = close_account.enable(person=person, reason=reason, now=clock.now())
    still = f"; it is frozen since {local_time.stamp(person.frozen_at)}" if person.frozen_at else ""
    return ("may sign in again" if closed.changed else "was not disabled") + still


def _disable(person: people.PersonFacts, reason: str) -> str:
    closed = close_account.disable(person=person, reason=reason, now=clock.now())
    word = "is disabled" if closed.changed else "was disabled before"
    ended = f"{word}: {closed.sessions} session(s) ended, {closed.told} message(s) to sites wait for the worker"
    return ended + _printed(person)


def _freeze(person: people.PersonFacts, reason: str) -> str:
    frozen = freeze_account.by_operator(person=person, reason=reason, now=clock.now())
    return ("is frozen, and opens by a recovery" if isinstance(frozen, Done) else "was frozen before") + _printed(
        person
    )


def _printed(person: people.PersonFacts) -> str:
    """What an agent leaves behind on paper; whoever shuts the account decides about it."""
    count = void_slips.waiting_of(person.id, now=clock.now())
    command = f"massar slips void --by {person.login} --reason TEXT"
    return f"; {count} slip(s) that this person printed still serve: `{command}` withdraws them" if count else ""


def _unfreeze(person: people.PersonFacts, reason: str) -> str:
    opened = freeze_account.reopen(person=person, reason=reason, now=clock.now())
    return "is open again: have the password changed now" if isinstance(opened, Done) else "was not frozen"


def _drop_factors(person: people.PersonFacts, reason: str) -> str:
    dropped = lose_factors.by_operator(person=person, reason=reason, now=clock.now())
    if not isinstance(dropped, Done):
        return "had no second factor"
    opens = "a recovery opens it" if person.frozen_at else "the password alone opens it: freeze it if that is known"
    return f"has no second factor any more, and is signed out everywhere; {opens}"


def _show(person: people.PersonFacts, _: str) -> str:
    frozen = f"frozen since {local_time.stamp(person.frozen_at)}" if person.frozen_at else ""
    return "is " + (", ".join(filter(None, ("" if person.enabled else "disabled", frozen))) or "active")


_ACTIONS = {
    "disable": _disable,
    "enable": _enable,
    "freeze": _freeze,
    "unfreeze": _unfreeze,
    "drop-factors": _drop_factors,
    "show": _show,
}
