"""What a person with a second factor proves again before something grave: the password is not enough, wherever it is
asked for; every page says so and leads back; and who can prove nothing any more finds the way from there."""

import re

import pytest

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.domain.sessions.models import PendingSignIn
from massar.journeys.account import close_sessions, sign_in
from massar.journeys.outcomes import Gone
from tests.cast import FATIMA, NEW, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.authenticator import add_app, second_step
from tests.support.captured import captured
from tests.support.passkey_device import Authenticator, add_passkey, confirms, signs_in
from tests.support.steps import home, shows
from tests.support.visitor import Visitor

pytestmark = pytest.mark.django_db
STEP, LOST, PROFILE, COPY, SECURITY = (
    "/sign-in/second/", "/sign-in/second/lost/", "/profile/", "/profile/my-data/", "/profile/security/"
)  # fmt: skip
OTHER = "youssef.b@example.org"


@pytest.fixture(params=["app", "backup code", "passkey"])
def owner(request, cast, clock):
    """Youssef's browser eleven minutes after he proved a factor, and how he proves it on the page of the step."""
    visitor = home(YOUSSEF)
    if request.param == "passkey":
        device = Authenticator()
        add_passkey(visitor, YOUSSEF.password, device)
        prove = lambda: confirms(visitor, device)  # noqa: E731
    else:
        app, codes = add_app(visitor, YOUSSEF.password, clock)
        prove = lambda: second_step(visitor, app.code if request.param == "app" else codes[0])  # noqa: E731
    clock.advance(minutes=11)
    return visitor, prove


def contact_of(person) -> int:
    return people.contacts.history(facts(person).id)[0].id


def events(name: str) -> int:
    return sum(event.event == name for event in audit_log.of_person(facts(YOUSSEF).id))


# By what is done: the page of its form, where the form goes, what is typed beside the password, what it leaves behind.
GRAVE = {
    "a contact is added": (PROFILE, lambda: PROFILE, {"email": OTHER}, "contact_proposed"),
    "a contact is removed": (
        PROFILE, lambda: f"/profile/contacts/{contact_of(YOUSSEF)}/remove/", {}, "contact_removed"
    ),
    "a copy for programs": (COPY, lambda: COPY, {"form": "json"}, "data_exported"),
    "a copy as pages": (COPY, lambda: COPY, {"form": "pdf"}, "data_exported"),
    "new backup codes": (SECURITY, lambda: f"{SECURITY}codes/", {}, "backup_codes_made"),
    "a factor is removed": (
        SECURITY, lambda: f"{SECURITY}{factors.held.of_person(facts(YOUSSEF).id)[0].id}/remove/", {}, "factor_removed"
    ),
    "a new password": (
        "/password/change/", lambda: "/password/change/", {"new": NEW, "confirm": NEW}, "password_changed"
    ),
}  # fmt: skip


def sends(visitor: Visitor, action: str, typed: dict[str, str], person=YOUSSEF) -> Visitor:
    """Straight to the address, as a thief does who has the open session and the password."""
    visitor.get("/devices/")
    name = "current" if action == "/password/change/" else "password"
    body = {**typed, name: person.password, "csrfmiddlewaretoken": visitor.token}
    visitor.page = visitor.client.post(action, body, follow=True)
    return visitor


@pytest.mark.parametrize("what", GRAVE)
def test_atk_029_the_password_alone_does_nothing_grave(owner, what):
    """ATK-029: a session left open, and the password. The step is asked for; after it the same is done."""
    visitor, prove = owner
    page, action, typed, event = GRAVE[what]
    before = events(event)
    sends(visitor, action(), typed)
    assert visitor.path == STEP and shows(visitor, "flash.prove_factor", "fr"), "and the page says why"
    assert events(event) == before and events("proof_refused") == 0, "nothing was judged"
    assert prove().path == page, "and back to the page of the form"
    sends(visitor, action(), typed)
    assert visitor.page.status_code == 200 and events(event) == before + 1


@pytest.mark.parametrize("page", [PROFILE, COPY, SECURITY])
@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_the_page_says_so_before_anything_is_typed(owner, page, language):
    visitor, prove = owner
    visitor.client.cookies["massar-language"] = language
    visitor.get(page)
    said = {PROFILE: "profile.locked", COPY: "data.export.locked", SECURITY: "factor.locked"}[page]
    assert shows(visitor, said, language) and 'type="password"' not in visitor.html
    assert f'href="{STEP}"' in visitor.html
    visitor.get(STEP)
    assert prove().path == page and 'type="password"' in visitor.html and not shows(visitor, said, language)


def test_what_was_typed_on_the_profile_is_there_after_the_step(owner):
    """The form was open before the proof grew old; a look at the page meanwhile loses nothing."""
    visitor, prove = owner
    sends(visitor, PROFILE, {"email": OTHER})
    visitor.get(PROFILE)
    assert OTHER not in visitor.html
    visitor.get(STEP)
    prove()
    assert f'value="{OTHER}"' in visitor.html and shows(visitor, "profile.taken_up", "fr")


def test_who_signed_in_with_a_passkey_has_proved_it_for_ten_minutes(cast, clock):
    """Both things are asked for: the device a moment ago, and the password with the change."""
    device = Authenticator()
    add_passkey(home(YOUSSEF), YOUSSEF.password, device)
    clock.advance(minutes=30)
    visitor = signs_in(Visitor(), device)
    visitor.get(PROFILE).submit(PROFILE, email=OTHER, password="not the password")
    assert visitor.page.status_code == 422 and shows(visitor, "error.password_wrong", "fr")
    visitor.submit(PROFILE, email=OTHER, password=YOUSSEF.password)
    assert events("contact_proposed") == 1
    clock.advance(minutes=10)
    assert shows(visitor.get(PROFILE), "profile.locked", "fr")


def test_a_factor_that_was_added_elsewhere_is_asked_for_here(cast, clock):
    """The session knows of one factor only; whether there is one is judged each time."""
    here = home(YOUSSEF).get(PROFILE)
    add_app(home(YOUSSEF), YOUSSEF.password, clock)
    here.submit(PROFILE, email=OTHER, password=YOUSSEF.password)
    assert here.path == STEP and events("contact_proposed") == 0


@pytest.mark.parametrize("what", [one for one in GRAVE if one.startswith("a contact")])
def test_who_has_no_factor_pays_no_statement_for_it(cast, what):
    """Whether there is one stands in the statement that reads the password."""
    page, action, typed, event = GRAVE[what]
    visitor, way = home(YOUSSEF).get(page), action()
    body = {**typed, "password": YOUSSEF.password, "csrfmiddlewaretoken": visitor.token}
    with captured() as statements:
        visitor.client.post(way, body)
    assert events(event) == 1
    [about_factors] = [one for one in statements if "factors_factor" in one]
    assert "FROM credentials_password" in about_factors


@pytest.mark.both_databases
def test_who_has_lost_the_factor_finds_the_way_from_the_step_on_a_device_that_is_not_asked(cast, clock, post):
    """A remembered device never shows the page of a sign-in's second step; the loss begins from the session, with the
    password, and goes on as at a sign-in."""
    visitor = home(YOUSSEF)
    app, _ = add_app(visitor, YOUSSEF.password, clock)
    visitor.get("/").submit("/sign-out/")
    second_step(visitor.sign_in(YOUSSEF.login, YOUSSEF.password), app.code, spare="on").get("/").submit("/sign-out/")
    clock.advance(minutes=1)
    assert visitor.sign_in(YOUSSEF.login, YOUSSEF.password).signed_in, "not asked here"
    sends(visitor, PROFILE, {"email": OTHER})
    assert visitor.path == STEP and f'href="{LOST}"' in visitor.html
    visitor.get(LOST).submit(LOST, password="not the password")
    assert visitor.page.status_code == 422 and shows(visitor, "error.password_wrong", "fr")
    assert PendingSignIn.objects.filter(ended_at=None).count() == 0
    visitor.submit(LOST, password=YOUSSEF.password)
    assert visitor.path == LOST and visitor.signed_in, "the session stays"
    visitor.get(LOST).submit(LOST, contact=re.search(r'name="contact" value="(\d+)"', visitor.html)[1])
    visitor.submit(f"{LOST}code/", code=post.code(YOUSSEF_EMAIL))
    assert shows(visitor, "factor.lost.waits", "fr")
    clock.advance(hours=73)
    assert Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).path == "/"
    assert factors.held.of_person(facts(YOUSSEF).id) == []


def test_the_loss_begins_in_no_session_without_a_factor_or_that_has_ended(cast, clock):
    visitor = home(FATIMA)

    def begins():
        who = close_sessions.authenticate(cookie=visitor.cookies["massar-session"], now=clock())
        return who, lambda: sign_in.begin_again(signed_in=who, password=FATIMA.password, browser=Browser(), now=clock())

    _, begin = begins()
    assert begin() == Gone(), "there is no factor"
    add_app(visitor, FATIMA.password, clock)
    who, begin = begins()
    close_sessions.sign_out(signed_in=who, browser=Browser(), now=clock())
    assert begin() == Gone() and PendingSignIn.objects.count() == 0
