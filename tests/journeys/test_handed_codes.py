"""A slip or a class code is typed as the password: the change form follows, with all that guards it."""

from datetime import timedelta

import pytest
from django.db import transaction

from massar.core.audit import api as audit_log
from massar.domain.credentials import api as credentials
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.journeys.account import freeze_account
from massar.journeys.outcomes import Done
from massar.journeys.people import import_people
from massar.journeys.people.import_people import NewPerson
from tests.cast import FATIMA, FATIMA_PHONE, KHADIJA, NEW, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.steps import home, save_contact, shows
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases

PUPIL = NewPerson(login="x130000001@taalim.ma", first_ar="ريم", last_ar="العمراني", role="pupil")
handed = credentials.handed


@pytest.fixture
def pupil(cast, clock) -> people.PersonFacts:
    assert import_people.add(PUPIL, now=clock()) == Done()
    return facts(PUPIL)


def slip(person: people.PersonFacts, now, days: int = 90) -> str:
    batch = handed.begin_batch(unit_id=None, printed_by=None, now=now)
    made = handed.draw([person.id])
    with transaction.atomic():
        handed.put(batch, made, until=now + timedelta(days=days), now=now)
    return made[0].code


def events(person: people.PersonFacts) -> list[str]:
    return [one.event for one in reversed(audit_log.of_person(person.id))]


def test_a_slip_activates_an_account_months_later(pupil, clock):
    """Typed on a phone with Arabic digits, by the name before the @."""
    code = slip(pupil, clock())
    clock.advance(days=80)
    typed = code[:5].upper() + " " + "".join("٠١٢٣٤٥٦٧٨٩"[int(d)] for d in code[5:])
    visitor = Visitor().sign_in("X130000001", typed)
    assert visitor.path == "/password/expired/" and not visitor.signed_in
    assert visitor.choose("short").page.status_code == 422
    assert visitor.choose(NEW).path == "/password/changed/"
    assert visitor.signed_in and Visitor().sign_in(PUPIL.login, NEW).signed_in
    assert events(pupil)[1:4] == ["temporary_accepted", "account_activated", "sign_in"]
    assert shows(Visitor().sign_in(PUPIL.login, code), "problem.expired_slip"), "once"


def test_who_activates_an_account_may_enter_contacts_at_once(pupil, clock, post):
    """There is no former owner for whom they would be closed."""
    code = slip(pupil, clock())
    visitor = Visitor().sign_in(PUPIL.login, code).choose(NEW)
    save_contact(visitor, NEW, email="reem@example.org")
    assert post.code("reem@example.org") and facts(PUPIL).frozen_until is None


def test_a_slip_for_an_account_in_use_is_a_recovery(cast, clock, post):
    code = slip(facts(YOUSSEF), clock())
    elsewhere = home(YOUSSEF)
    visitor = Visitor().sign_in(YOUSSEF.login, code).change(code, NEW)
    assert visitor.signed_in and not elsewhere.signed_in
    assert facts(YOUSSEF).frozen_until and "password_recovered" in events(facts(YOUSSEF))
    assert len(post.messages(YOUSSEF_EMAIL)) == 1, "all contacts hear of it"


def test_atk_050_a_slip_is_no_second_factor(cast, clock):
    person = facts(KHADIJA)
    factor = factors.held.enroll(person.id, "app", name="", now=clock())
    factors.held.activate(factor.pk, person.id, now=clock())
    visitor = Visitor().sign_in(KHADIJA.login, slip(person, clock()))
    assert visitor.path == "/sign-in/second/" and visitor.get("/password/change/").path != "/password/change/"


def test_the_password_in_use_stays_until_a_new_one_is_saved(cast, clock):
    code = slip(facts(FATIMA), clock())
    Visitor().sign_in(FATIMA.login, code)
    assert home(FATIMA).signed_in


@pytest.mark.parametrize("way", ["late", "a newer one", "withdrawn", "changed", "recovered"])
def test_a_slip_that_serves_no_more_says_so_to_who_has_it(cast, clock, post, way):
    person, code = facts(FATIMA), slip(facts(FATIMA), clock())
    if way == "late":
        clock.advance(days=90)
    elif way == "a newer one":
        slip(person, clock())
    elif way == "withdrawn":
        handed.void(handed.newest_slips([person.id])[person.id].batch_id, now=clock())
    elif way == "changed":
        home(FATIMA).change(FATIMA.password, NEW)
    else:
        visitor = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
        secret = post.secret(FATIMA_PHONE)
        assert visitor.sign_in(FATIMA.login, secret).change(secret, NEW).signed_in
    assert shows(Visitor().sign_in(FATIMA.login, code), "problem.expired_slip")
    assert shows(Visitor().sign_in(FATIMA.login, "zzzzz-99999"), "problem.wrong")


def test_a_slip_of_before_a_freeze_is_dead_and_one_of_after_it_opens(cast, clock):
    person, code = facts(FATIMA), slip(facts(FATIMA), clock())
    assert freeze_account.by_operator(person=person, reason="test", now=clock()) == Done()
    assert shows(Visitor().sign_in(FATIMA.login, code), "problem.wrong")
    code = slip(person, clock())
    assert Visitor().sign_in(FATIMA.login, code).change(code, NEW).signed_in and facts(FATIMA).frozen_at is None
    assert facts(FATIMA).frozen_until, "it is no activation: contacts are closed"


def test_a_slip_of_somebody_disabled_opens_nothing(cast, clock):
    code = slip(facts(FATIMA), clock())
    people.directory.disable(facts(FATIMA).id)
    assert shows(Visitor().sign_in(FATIMA.login, code), "problem.wrong")


def test_a_class_code_lives_twenty_minutes_and_its_change_a_little_longer(pupil, clock):
    with transaction.atomic():
        code = handed.give_class_code(pupil.id, until=clock() + timedelta(minutes=20), now=clock())
    clock.advance(minutes=19)
    visitor = Visitor().sign_in(PUPIL.login, code)
    clock.advance(minutes=2)
    assert shows(Visitor().sign_in(PUPIL.login, code), "problem.expired_slip")
    assert visitor.choose(NEW).signed_in, "who came in time may finish"
