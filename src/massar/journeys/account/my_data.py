"""What is kept of the person, for the person alone: law 09-08, article 7 (access), 8 (correction), 9 (objection)."""

from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.journeys import personal_data
from massar.journeys.account import sign_in
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.outcomes import FactorNotFresh, Overloaded, Problems, TooManyAttempts
from massar.journeys.personal_data import Kept


class Section(NamedTuple):
    """One kind of the table, with the person's own rows: by column what is stored, moments aware in UTC."""

    kept: Kept
    rows: list[dict[str, object]]


class DataCopy(NamedTuple):
    """Everything that may be given, in the order of the table."""

    person: people.PersonFacts
    made_at: datetime
    sections: list[Section]


def export(
    *, signed_in: SignedIn, password: str, form: str, browser: Browser, now: datetime, most: int = 0
) -> DataCopy | Problems | TooManyAttempts | Overloaded | FactorNotFresh:
    """Give the person all that is kept of them, after a fresh proof. form: `pdf` or `json`, for the audit log. most:
    how many rows of each kind, 0 for all."""
    person = signed_in.person
    refused = sign_in.prove_again(signed_in=signed_in, password=password, browser=browser, now=now)
    if refused:
        return refused
    with transaction.atomic():
        spent = limits.consume([limits.rate_limits.EXPORT_DAY.bucket(str(person.id))], now=now)
        if spent:
            return TooManyAttempts(spent.until)
        audit_log.record_event(
            "data_exported", now=now, person_id=person.id, session_id=signed_in.session.id, browser=browser, form=form
        )
    return DataCopy(person, now, collect(person, most))


def collect(person: people.PersonFacts, most: int = 0) -> list[Section]:
    """Read the person's own rows, and nobody else's."""
    return [Section(kept, _rows(kept, person, most)) for kept in personal_data.TABLE if kept.given]


def _rows(kept: Kept, person: people.PersonFacts, most: int) -> list[dict[str, object]]:
    if kept.name == "contacts":  # whole, for their owner
        columns = ("value", *kept.given)
        return [{column: getattr(one, column) for column in columns} for one in people.contacts.history(person.id)]
    if kept.name == "belongings":
        return [
            {
                "establishment_ar": one.name_ar,
                "establishment_latin": one.name_latin,
                "since": one.since,
                "until": one.until,
            }
            for one in reversed(people.belonging.of_person(person.id))
        ]
    if kept.name == "guardians":  # two people's row: each is told the other's name
        return [
            {
                "guardian" if one.guards else "pupil": one.name(person.language),
                "relation": people.guardians.Relation(one.relation).name.lower(),
                "since": one.since,
                "until": one.until,
            }
            for one in people.guardians.all_of(person.id)
        ]
    rows = personal_data.rows_of(kept, person.id, most=most)
    if kept.name == "identity":
        rows[0] |= {"establishment_ar": person.establishment_ar, "establishment_latin": person.establishment_latin}
    return rows
