"""What a journey may answer. Expected refusals are values; only the unexpected is an exception."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from massar.domain.limits.api import challenges
from massar.domain.people.api import PersonFacts


@dataclass(frozen=True)
class SessionOpened:
    """Signed in at full strength. `cookie` and `trusted_devices` are values for the browser to keep."""

    person: PersonFacts
    session_id: int
    cookie: str = field(repr=False)
    trusted_devices: str = field(repr=False)


@dataclass(frozen=True)
class MustChangePassword:
    """A right temporary password, or one of which a campaign asks another: this browser may change the password and
    nothing else."""

    person: PersonFacts
    cookie: str = field(repr=False)


@dataclass(frozen=True)
class SecondStepRequired:
    """The first step was right: this browser may do the second, and nothing else."""

    person: PersonFacts
    cookie: str = field(repr=False)


@dataclass(frozen=True)
class FactorNotFresh:
    """A person who is signed in and has a second factor must prove one before something grave (`second_step`). Nothing
    that was typed has been judged."""


@dataclass(frozen=True)
class WrongSecret:
    """What was typed is not right; nothing more is said."""


@dataclass(frozen=True)
class SecretExpired:
    """A right secret whose time is over. handed: a slip or class code, which may also be used up or withdrawn."""

    handed: bool = False


@dataclass(frozen=True)
class PasskeyRefused:
    """No passkey of anybody here, or none that may do this; nothing more is said. late: what was asked is too
    old, and a new page asks anew."""

    late: bool = False


@dataclass(frozen=True)
class TooManyAttempts:
    """A rate limit is spent until then. Recovery and known devices have limits of their own. `instead`: what can be
    done meanwhile; `email`: prove an e-mail address, not a phone; `colleague`: another agent goes on."""

    until: datetime
    instead: str = ""


@dataclass(frozen=True)
class ChallengeRequired:
    """Nothing was judged yet: this browser has to meet a challenge first. `until`: it came before the challenge was
    solved or waited out, which is enough then."""

    challenge: challenges.Challenge
    until: datetime | None = None


@dataclass(frozen=True)
class PasswordSprayed:
    """This password fails on so many accounts that no unknown browser signs in with it for an hour, right or wrong.
    Known devices and recovery stay open."""


@dataclass(frozen=True)
class Overloaded:
    """Too many people at once; try again in a moment."""


@dataclass(frozen=True)
class Gone:
    """The thing acted upon is no longer there (ended, moved to another browser, not yours)."""


@dataclass(frozen=True)
class AccountFrozen:
    """The account is frozen: nothing but a recovery opens it."""


@dataclass(frozen=True)
class ContactsFrozen:
    """Contacts can't be edited for a while after a recovery."""

    until: datetime


@dataclass(frozen=True)
class Done:
    """It was done. `from_when`: since when, or from when, it counts."""

    from_when: datetime | None = None
    masked: str = ""


@dataclass(frozen=True)
class Problem:
    """One thing to put right: message id after `error.` or `rule.`, and its arguments."""

    id: str
    args: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Problems:
    """Nothing was changed. By field name: what to put right."""

    of: dict[str, list[Problem]]
