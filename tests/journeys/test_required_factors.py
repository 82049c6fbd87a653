"""Who must have a second factor: by role, in a season, from a day on; and what is closed until one is there."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from massar.domain.factors import api as factors
from massar.domain.factors import required
from massar.domain.sessions.models import Session
from massar.journeys.account import close_sessions
from tests.cast import FATIMA, NEW, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.authenticator import App, add_app, backup_codes, second_step
from tests.support.captured import captured
from tests.support.steps import home, shows
from tests.support.visitor import Visitor

SET_UP, STEP = "/sign-in/second/app/", "/sign-in/second/"


@pytest.fixture
def demand(cast, settings):
    """Sets the rules, as the variable does."""

    def rules(*words: str) -> None:
        settings.MASSAR = replace(settings.MASSAR, second_factor_roles=required.read(words))

    return rules


@pytest.mark.parametrize(("word", "days"), [
    ("operator", (None, None)), ("*", (None, None)),
    ("staff:2027-06-01..2027-07-15", (date(2027, 6, 1), date(2027, 7, 15))),
    ("staff:2027-06-01..", (date(2027, 6, 1), None)), ("staff:..2027-07-15", (None, date(2027, 7, 15))),
])  # fmt: skip
def test_a_rule_is_read_and_written(word, days):
    [rule] = required.read((word,))
    assert (rule.first, rule.last) == days and str(rule) == word


@pytest.mark.parametrize("word", [
    "Staff", "staff:2027-06-31..", "staff:2027-06-01", "staff:2027-07-15..2027-06-01", "staff:01/06/2027..", ":..", "",
])  # fmt: skip
def test_a_rule_that_means_nothing_is_refused(word):
    with pytest.raises(ValueError, match="holds"):
        required.read((word,))


def test_a_season_begins_and_ends_at_midnight_in_the_country():
    rules = required.read(("staff:2027-06-01..2027-07-15",))
    for moment, holds in (
        (datetime(2027, 5, 31, 23, 59, tzinfo=UTC), False), (datetime(2027, 6, 1, 0, 0, tzinfo=UTC), True),
        (datetime(2027, 7, 15, 23, 59, tzinfo=UTC), True), (datetime(2027, 7, 16, 0, 0, tzinfo=UTC), False),
    ):  # fmt: skip
        assert required.applies(rules, "staff", now=moment) == holds
    assert not required.applies(rules, "pupil", now=datetime(2027, 6, 10, tzinfo=UTC))
    assert required.begins(rules, "staff", now=datetime(2027, 3, 1, tzinfo=UTC)) == date(2027, 6, 1)
    assert required.begins(rules, "staff", now=datetime(2027, 6, 2, tzinfo=UTC)) is None


@pytest.mark.django_db
@pytest.mark.both_databases
def test_nothing_opens_before_the_first_code(demand, clock):
    demand("*")
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    assert visitor.path == SET_UP and Session.objects.count() == 0
    for path in ("/", "/profile/", "/profile/security/", "/password/change/", "/devices/"):
        assert Visitor().get(path).path == "/sign-in/" and visitor.get(path).path == "/sign-in/", path
    app = App(visitor.get(STEP).html, clock)
    assert visitor.path == SET_UP
    assert shows(visitor.submit(SET_UP, code="000000"), "error.factor_code_wrong")
    visitor.submit(SET_UP, code=app.code)
    assert len(backup_codes(visitor)) == 10 and visitor.signed_in
    assert Session.objects.get().amr == "pwd otp mfa"


@pytest.mark.django_db
@pytest.mark.both_databases
def test_two_who_know_the_password_do_not_see_each_others_key(demand, clock):
    """And who proves it first is in; the other is asked for that factor."""
    demand("*")
    one, other = (Visitor().sign_in(YOUSSEF.login, YOUSSEF.password) for _ in range(2))
    first, second = App(one.html, clock), App(other.html, clock)
    assert first.otp.secret != second.otp.secret
    one.submit(SET_UP, code=first.code)
    clock.advance(seconds=30)
    other.submit(SET_UP, code=second.code)
    assert not other.signed_in and len(factors.held.of_person(facts(YOUSSEF).id)) == 1


@pytest.mark.django_db
@pytest.mark.both_databases
def test_the_password_begins_the_app_and_looking_writes_nothing(demand, clock):
    demand("*")
    visitor = Visitor().get("/sign-in/")
    typed = {"user": YOUSSEF.login, "password": YOUSSEF.password, "csrfmiddlewaretoken": visitor.token}
    assert visitor.client.post("/sign-in/", typed)["Location"] == STEP
    with captured() as statements:
        key = App(visitor.get(STEP).html, clock).otp.secret
        assert App(visitor.get(SET_UP).html, clock).otp.secret == key
    assert all(one.startswith("SELECT") for one in statements)


@pytest.mark.django_db
@pytest.mark.both_databases
def test_whose_factors_were_removed_after_the_password_signs_in_again(demand, clock):
    add_app(home(YOUSSEF), YOUSSEF.password, clock)
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    assert visitor.path == STEP
    factors.held.remove_all(facts(YOUSSEF).id, now=clock())
    assert visitor.get(STEP).path == "/sign-in/" and shows(visitor, "flash.sign_in_again")


@pytest.mark.django_db
@pytest.mark.both_databases
def test_a_recovery_sets_it_up_before_the_change_form(demand, clock, post):
    demand("*")
    visitor = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    secret = post.secret(YOUSSEF_EMAIL)
    visitor.sign_in(YOUSSEF.login, secret)
    assert visitor.path == SET_UP
    visitor.submit(SET_UP, code=App(visitor.html, clock).code)
    assert not visitor.signed_in and visitor.change(secret, NEW).signed_in
    assert Session.objects.get().amr == "pwd otp mfa"


@pytest.mark.django_db
@pytest.mark.both_databases
def test_who_must_is_asked_everywhere_every_time(demand, clock):
    owner = home(YOUSSEF)
    app, _ = add_app(owner, YOUSSEF.password, clock)
    visitor = second_step(Visitor().sign_in(YOUSSEF.login, YOUSSEF.password), app.code, spare="on")
    visitor.get("/profile/").submit("/sign-out/")
    clock.advance(minutes=1)
    assert visitor.sign_in(YOUSSEF.login, YOUSSEF.password).path == "/"
    visitor.get("/profile/").submit("/sign-out/")
    demand("*")
    assert visitor.sign_in(YOUSSEF.login, YOUSSEF.password).path == STEP
    assert 'name="spare"' not in visitor.html


@pytest.mark.django_db
@pytest.mark.both_databases
def test_a_rule_that_begins_ends_what_is_open_where_there_is_no_factor(demand, clock, django_assert_num_queries):
    """A role becomes obligatory at midnight: whoever was signed in and has no factor signs in again, and reads why."""
    without, owner = home(FATIMA), home(YOUSSEF)
    add_app(owner, YOUSSEF.password, clock)
    with django_assert_num_queries(2):
        assert close_sessions.authenticate(cookie=owner.cookies["massar-session"], now=clock())
    demand("*:2026-02-16..")
    assert without.get("/profile/").path == "/profile/", "the day before"
    clock.advance(minutes=10)
    demand("*:2026-02-15..")
    assert owner.get("/profile/").path == "/profile/"
    with django_assert_num_queries(2):  # nothing is asked for it
        assert close_sessions.authenticate(cookie=owner.cookies["massar-session"], now=clock())
    assert without.get("/profile/").path == "/sign-in/" and shows(without, "flash.factor_required")
    assert Session.objects.get(person_id=facts(FATIMA).id).ended_why == "factor_required"
    assert without.sign_in(FATIMA.login, FATIMA.password).path == SET_UP


@pytest.mark.django_db
@pytest.mark.both_databases
@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_a_rule_that_begins_asks_a_session_of_somebody_with_a_factor_for_the_step_alone(demand, clock, language):
    """Opened on a remembered device, with the password alone: nothing opens before the step, the session is the same
    one after it, and the page that was wanted comes."""
    visitor, app = spared_home(clock)
    visitor.client.cookies["massar-language"] = language
    session = Session.objects.get(person_id=facts(YOUSSEF).id, ended_at=None)
    demand("*")
    for path in ("/", "/profile/security/", "/password/change/", "/devices/"):
        assert visitor.get(path).path == STEP, path
    assert shows(visitor, "flash.factor_owed", language) and "/sign-out/" in visitor.html
    assert visitor.get("/sign-in/").path == STEP, "the sign-in page leads there too"
    assert visitor.get("/devices/").path == STEP
    wrong = "000000" if app.code != "000000" else "111111"
    assert not second_step(visitor, wrong).signed_in
    assert second_step(visitor, app.code).path == "/devices/"
    after = Session.objects.get(person_id=facts(YOUSSEF).id, ended_at=None)
    assert (after.id, after.signed_in_at, after.amr) == (session.id, session.signed_in_at, "pwd otp mfa")


@pytest.mark.django_db
@pytest.mark.both_databases
def test_who_owes_the_step_may_leave_tell_a_loss_and_sign_in_anew_and_nothing_else(demand, clock):
    visitor, _ = spared_home(clock)
    demand("*")
    visitor.get(STEP)
    for path, typed in (
        ("/devices/end-all/", {}), ("/profile/", {"email": "x@example.org", "password": YOUSSEF.password}),
        ("/password/change/", {"current": YOUSSEF.password, "new": NEW, "confirm": NEW}),
        ("/profile/security/codes/", {"password": YOUSSEF.password}),
    ):  # fmt: skip
        answer = visitor.client.post(path, {**typed, "csrfmiddlewaretoken": visitor.token})
        assert answer["Location"] in (STEP, "/sign-in/"), path
    lost = f"{STEP}lost/"
    visitor.get(lost).submit(lost, password=YOUSSEF.password)
    assert visitor.path == lost and 'name="contact"' in visitor.html
    visitor.client.post("/sign-out/", {"csrfmiddlewaretoken": visitor.token})
    assert visitor.get("/devices/").path == "/sign-in/"
    assert not Session.objects.filter(person_id=facts(YOUSSEF).id, ended_at=None).exists()


def spared_home(clock) -> tuple[Visitor, App]:
    """Youssef on a device on which he is not asked for his app: signed in with the password alone."""
    setting = home(YOUSSEF)
    app, _ = add_app(setting, YOUSSEF.password, clock)
    setting.get("/").submit("/sign-out/")
    visitor = second_step(Visitor().sign_in(YOUSSEF.login, YOUSSEF.password), app.code, spare="on")
    visitor.get("/profile/").submit("/sign-out/")
    clock.advance(minutes=1)
    visitor.sign_in(YOUSSEF.login, YOUSSEF.password)
    assert visitor.signed_in
    return visitor, app


@pytest.mark.django_db
def test_home_invites_before_the_day(demand, clock):
    demand("*:2026-03-01..")
    visitor = home(YOUSSEF)
    assert visitor.path == "/" and shows(visitor, "home.second_factor_from", "fr") and "mars 2026" in visitor.html
    add_app(visitor, YOUSSEF.password, clock)
    assert not shows(visitor.get("/"), "home.second_factor_from", "fr")
