"""Every factor is lost: a code, a wait of three days, notices that can stop it, and then the password alone."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from massar.core.browser import Browser
from massar.domain.factors import api as factors
from massar.domain.factors.models import Loss
from massar.journeys.account import lose_factors, sign_in
from tests.cast import JAMAL, NEW, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.authenticator import add_app, second_step
from tests.support.steps import home, shows
from tests.support.visitor import CODE, Visitor

pytestmark = pytest.mark.django_db
STEP, LOST = "/sign-in/second/", "/sign-in/second/lost/"
LINK = re.compile(r"/factors/keep/[\w-]+/")


@pytest.fixture
def app(cast, clock):
    app, _ = add_app(home(YOUSSEF), YOUSSEF.password, clock)
    clock.advance(minutes=2)
    return app


def first_step() -> Visitor:
    return Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)


def asks(post, visitor: Visitor | None = None) -> Visitor:
    """The code was asked for and typed: the wait begins."""
    visitor = visitor or first_step()
    chosen = re.search(r'name="contact" value="(\d+)"', visitor.get(LOST).html)[1]
    visitor.submit(LOST, contact=chosen)
    return visitor.submit(f"{LOST}code/", code=post.code(YOUSSEF_EMAIL))


def links(post) -> list[str]:
    return [found for m in post.messages(YOUSSEF_EMAIL) for found in LINK.findall(m.text)]


def has_factors() -> bool:
    return bool(factors.held.of_person(facts(YOUSSEF).id))


def test_after_the_wait_the_password_alone_opens_and_the_factors_are_gone(app, post, clock):
    visitor = asks(post)
    assert shows(visitor, "factor.lost.waits") and has_factors()
    post.work()
    told = [m.to for m in post.email.received if LINK.search(m.text)]
    assert sorted(told) == sorted([YOUSSEF_EMAIL, YOUSSEF.login]), "and each mail can stop it"
    assert any("Massar: perte" in m.text for m in post.sms.received)
    clock.advance(hours=71)
    assert first_step().path == STEP and has_factors()
    clock.advance(hours=2)
    assert first_step().path == "/" and not has_factors()
    assert factors.backup.left(facts(YOUSSEF).id) == 0 and first_step().path == "/"
    assert Loss.objects.get().state == "done"


def test_nothing_is_removed_by_time_alone(app, post, clock):
    asks(post)
    clock.advance(days=30)
    assert has_factors() and Visitor().sign_in(YOUSSEF.login, "Wrong-guess-1!").path == "/sign-in/" and has_factors()


@pytest.mark.parametrize("how", ["link", "session", "found", "recovered", "changed"])
def test_it_is_stopped(app, post, clock, how):
    owner = second_step(first_step(), app.code, spare="on")
    clock.advance(minutes=1)
    asks(post, first_step())
    password = YOUSSEF.password
    if how == "link":
        Visitor().get(links(post)[0])
        assert Loss.objects.get().state == "waiting", "looking changes nothing"
        stranger = Visitor().get(links(post)[0])
        stranger.submit(links(post)[0])
        assert shows(stranger, "factor.lost.stopped") and not stranger.signed_in
        assert shows(Visitor().get(links(post)[0]), "factor.lost.gone")
    elif how == "session":
        owner.get("/profile/security/").submit("/profile/security/lost/stop/")
        assert shows(owner, "flash.factors_found", "fr")
    elif how == "found":
        assert second_step(first_step(), app.code).signed_in
    elif how == "changed":
        owner.change(password, NEW)
        password = NEW
    else:
        other = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
        secret = post.secret(YOUSSEF_EMAIL)
        second_step(other.sign_in(YOUSSEF.login, secret), app.code).change(secret, NEW)
        password = NEW
    assert Loss.objects.get().state == "cancelled"
    clock.advance(hours=80)
    assert Visitor().sign_in(YOUSSEF.login, password).path == STEP and has_factors()


def test_the_link_of_another_loss_or_person_stops_nothing(app, post, clock):
    asks(post)
    good = links(post)[0]
    number, person, signature = good.removeprefix("/factors/keep/").rstrip("/").split("-")
    tokens = [f"{int(number) + 1}-{person}-{signature}", f"{number}-{int(person) + 1}-{signature}", "1-2", "x"]
    for forged in (*tokens, f"{number}-{person}-{signature[::-1]}", f"{number}-{person}-"):
        path = f"/factors/keep/{forged}/"
        visitor = Visitor().get(path)
        assert shows(visitor, "factor.lost.gone")
        token = Visitor().get("/sign-in/")
        token.client.post(path, {"csrfmiddlewaretoken": token.token})
    assert Loss.objects.get().state == "waiting"


def test_the_code_has_five_tries(app, post, clock):
    visitor = first_step()
    chosen = re.search(r'name="contact" value="(\d+)"', visitor.get(LOST).html)[1]
    visitor.submit(LOST, contact=chosen)
    right = post.code(YOUSSEF_EMAIL)
    wrong = "000000" if right != "000000" else "111111"
    for _ in range(5):
        assert shows(visitor.submit(f"{LOST}code/", code=wrong), "error.loss_code_wrong")
    assert shows(visitor.submit(f"{LOST}code/", code=right), "error.loss_code_spent")
    assert Loss.objects.get().state == "proving"


def test_the_code_runs_out(app, post, clock):
    visitor = first_step()
    chosen = re.search(r'name="contact" value="(\d+)"', visitor.get(LOST).html)[1]
    visitor.submit(LOST, contact=chosen)
    right = post.code(YOUSSEF_EMAIL)
    clock.advance(minutes=11)
    late = first_step().get(LOST)
    assert f"{LOST}code/" not in late.html, "only a new one can be asked for"
    late.client.post(f"{LOST}code/", {"code": right, "csrfmiddlewaretoken": late.token})
    assert Loss.objects.get().state == "proving", "nor does it serve a page from before"


@pytest.mark.both_databases
def test_a_temporary_password_opens_no_such_way(app, post):
    visitor = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    visitor.sign_in(YOUSSEF.login, post.secret(YOUSSEF_EMAIL))
    assert shows(visitor.get(LOST), "factor.lost.recovers") and 'name="contact"' not in visitor.html
    knows = first_step().get(LOST)  # another browser, after the password
    contact = re.search(r'name="contact" value="(\d+)"', knows.html)[1]
    visitor.client.post(LOST, {"contact": contact, "csrfmiddlewaretoken": visitor.token})
    assert Loss.objects.count() == 0
    knows.submit(LOST, contact=contact)
    typed = {"code": post.code(YOUSSEF_EMAIL), "csrfmiddlewaretoken": visitor.token}
    visitor.client.post(f"{LOST}code/", typed)
    assert Loss.objects.get().state == "proving", "nor does it take the code that the other asked for"


def test_without_the_password_or_with_somebody_elses_contact_no_code_leaves(app, post, clock):
    assert Visitor().get(LOST).path == "/sign-in/"
    visitor = first_step().get(LOST)
    for contact in ("0", "999999", "x", ""):
        visitor.get(LOST).client.post(LOST, {"contact": contact, "csrfmiddlewaretoken": visitor.token})
    assert Loss.objects.count() == 0 and not any(CODE.search(m.text) for m in post.sms.received)


def test_who_must_have_a_factor_sets_a_new_one_up_after_the_wait(app, post, clock, settings):
    asks(post)
    clock.advance(hours=73)
    settings.MASSAR = replace(settings.MASSAR, second_factor_roles=factors.required.read(("*",)))
    assert first_step().path == "/sign-in/second/app/" and not has_factors()


def test_a_loss_that_ends_while_it_is_stopped_does_one_of_both(app, post, clock, monkeypatch):
    """The link is pressed between the password's proof and what follows."""
    asks(post)
    token = links(post)[0].removeprefix("/factors/keep/").rstrip("/")
    clock.advance(hours=73)
    is_right = sign_in.credentials.passwords.is_right

    def then(typed, stored):
        right = is_right(typed, stored)
        lose_factors.cancel_by_link(token=token, browser=Browser(), now=clock())
        return right

    monkeypatch.setattr(sign_in.credentials.passwords, "is_right", then)
    assert first_step().path == STEP and has_factors() and Loss.objects.get().state == "cancelled"


def test_the_wait_is_a_setting(app, post, clock, settings):
    settings.MASSAR = replace(settings.MASSAR, second_factor_lost=timedelta(hours=5))
    asks(post)
    clock.advance(hours=6)
    assert first_step().path == "/"


def test_people_without_factors_have_nothing_to_lose(cast):
    assert home(JAMAL).get(LOST).path == "/"
