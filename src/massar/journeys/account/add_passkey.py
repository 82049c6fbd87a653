"""A passkey is added: the password once more, then what the browser has made of our question.

Who must have a second factor and has none may begin with a passkey, right after the password of the sign-in."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from massar.core import text
from massar.core.browser import Browser
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.account import edit_factors, sign_in, use_passkey
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.account.second_step import HalfDone
from massar.journeys.outcomes import FactorNotFresh, Gone, Overloaded, PasskeyRefused, Problems, TooManyAttempts

ADD = "add-passkey"  # what a challenge is for
LONGEST_NAME = 60


class Begun(NamedTuple):
    """What the browser is asked to make, as JSON, and what the passkey will be called."""

    options: str
    name: str


def possible(*, person: people.PersonFacts) -> bool:
    """Whether one more can be added."""
    return factors.webauthn.possible() and len(factors.passkeys.of_person(person.id)) < factors.passkeys.MOST


def begin(
    *, signed_in: SignedIn, password: str, name: str, language: str, browser: Browser, now: datetime
) -> Begun | Problems | TooManyAttempts | Overloaded | FactorNotFresh | Gone:
    """Ask for a passkey, after the proof. Gone: there are enough."""
    if not possible(person=signed_in.person):
        return Gone()
    refused = sign_in.prove_again(signed_in=signed_in, password=password, browser=browser, now=now)
    return refused or _ask(signed_in, name, language, browser, now)


def begin_first(*, waiting: HalfDone, language: str, browser: Browser, now: datetime) -> Begun | None:
    """Ask somebody for a passkey who must have a factor and has none; None: there is one, or browsers make none."""
    if waiting.factors or not factors.webauthn.possible():
        return None
    return _ask(waiting, "", language, browser, now)


def _ask(of: SignedIn | HalfDone, name: str, language: str, browser: Browser, now: datetime) -> Begun:
    person, challenge = of.person, factors.webauthn.challenge(*_bound(of), now=now)
    shown = person.name(language)
    options = factors.passkeys.creation_options(person.id, login=person.login, name=shown, challenge=challenge)
    return Begun(options, text.one_line(name)[:LONGEST_NAME] or browser.label)


def add(
    *, of: SignedIn | HalfDone, answer: str, name: str, browser: Browser, now: datetime,
    earlier: sessions.SessionFacts | None = None,
) -> edit_factors.Added | PasskeyRefused | Gone:  # fmt: skip
    """Keep what the browser has made: it counts from now on, and this sign-in has two factors. earlier: as in
    `sign_in.enter`."""
    person = of.person
    made = factors.webauthn.read_new(answer, *_bound(of), now=now)
    if made is None:
        return PasskeyRefused()
    called = text.one_line(name)[:LONGEST_NAME]
    with transaction.atomic():
        people.contacts.lock(person.id)
        if edit_factors.overtaken(of, now) or not possible(person=person):
            return Gone()
        if not factors.passkeys.add(person.id, made, name=called, now=now):
            return PasskeyRefused()
        return edit_factors.take_in(
            of=of, kind=use_passkey.KIND, methods=use_passkey.METHODS, browser=browser, now=now, earlier=earlier
        )


def _bound(of: SignedIn | HalfDone) -> tuple[object, ...]:
    """Only who has just shown the password has such a challenge, and it is good in that session alone."""
    return ADD, edit_factors.place_of(of), of.person.id
