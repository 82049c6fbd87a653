"""Passkeys through HTTP: added, used instead of a password, as the second step, before a recovery; refused, removed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings

from massar.core.audit import api as audit_log
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.sessions.models import Session
from tests.cast import FATIMA, KHADIJA, KHADIJA_EMAIL, NEW, SALMA, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.captured import captured
from tests.support.passkey_device import FLAG, Authenticator, add_passkey, asked, confirms, signs_in
from tests.support.steps import home, plain, shows
from tests.support.trail import all_events
from tests.support.visitor import Visitor

pytestmark = pytest.mark.django_db
STEP, SECURITY, ADD = "/sign-in/second/", "/profile/security/", "/profile/security/passkey/"


@pytest.fixture
def device(cast) -> Authenticator:
    """The phone on which Youssef has a passkey."""
    device = Authenticator()
    add_passkey(home(YOUSSEF), YOUSSEF.password, device, "Téléphone")
    return device


def amr(person=YOUSSEF) -> str:
    return Session.objects.filter(person_id=facts(person).id).latest("signed_in_at", "id").amr


def refusals() -> set[str]:
    return {one.outcome for one in all_events() if one.event == "sign_in_refused"}


def last_event(person=YOUSSEF):
    return audit_log.of_person(facts(person).id)[0]


def test_a_passkey_is_added_after_the_password_told_and_listed(cast, post):
    visitor, device = home(YOUSSEF), Authenticator()
    visitor.get(SECURITY).submit(ADD + "begin/", password="Not-the-password-1", name="")
    assert visitor.page.status_code == 422 and shows(visitor, "error.password_wrong", "fr")
    add_passkey(visitor, YOUSSEF.password, device, "  Mon\u202e téléphone ")
    assert shows(visitor, "factor.codes.once", "fr"), "who has a second step gets printed codes"
    assert device.name == YOUSSEF.login and amr() == "pwd pop user mfa"
    assert "<bdi>Mon téléphone</bdi>" in visitor.get(SECURITY).html
    assert last_event().event == "factor_added" and len(post.messages(YOUSSEF_EMAIL)) == 1
    again = Authenticator()
    add_passkey(visitor, YOUSSEF.password, again)
    assert shows(visitor, "flash.factor_added", "fr") and again.user_handle == device.user_handle
    assert "Chrome · Android" in visitor.get(SECURITY).html, "without a name, that of the browser"


def test_a_passkey_alone_opens_a_session_at_full_strength(device, clock):
    clock.advance(minutes=20)
    visitor = signs_in(Visitor(), device)
    assert visitor.path == "/" and visitor.signed_in and amr() == "pop user mfa"
    assert "massar-devices" in visitor.cookies, "the device is known from now on"
    event = last_event()
    assert (event.event, event.outcome) == ("sign_in", "passkey")
    assert shows(visitor.get("/devices/"), "how.passkey", "fr")
    assert ADD + "begin/" in visitor.get(SECURITY).html, "it counts as a fresh factor"


def test_an_account_that_is_frozen_opens_to_no_passkey(device, clock):
    person = facts(YOUSSEF).id
    assert people.directory.freeze(person, now=clock())
    told = signs_in(Visitor(), device)
    assert not told.signed_in and refusals() == {"passkey_disabled"}
    assert shows(told, "problem.frozen"), "and what opens it"
    clock.advance(seconds=1)
    assert people.directory.reopen(person, now=clock()) and signs_in(Visitor(), device).signed_in


def test_a_passkey_on_a_new_device_is_told_once(device, post, clock):
    """A stolen or synced passkey: its owner hears of it by mail, as of any other sign-in on a new device."""
    post.work()
    told = post.email.of_new_devices
    told.clear()  # of the browser in which it was added
    visitor = signs_in(Visitor(), device)
    post.work()
    assert [m.to for m in told].count(YOUSSEF_EMAIL) == 1
    visitor.get("/profile/").submit("/sign-out/")
    clock.advance(minutes=1)
    assert signs_in(visitor, device).signed_in
    post.work()
    assert [m.to for m in told].count(YOUSSEF_EMAIL) == 1, "it is known by now"


def test_it_leads_to_the_page_that_was_wanted(device):
    visitor = Visitor().get("/devices/")
    assert visitor.path == "/sign-in/" and signs_in(visitor, device).path == "/devices/"


def test_a_form_of_before_the_sign_in_of_another_ends_no_session(device):
    visitor = Visitor().get("/sign-in/")
    answer, page = device.get(asked(visitor, "/sign-in/passkey/")), visitor.page
    visitor.submit("/sign-in/", user=FATIMA.login, password=FATIMA.password)
    hers = visitor.cookies["massar-session"]
    visitor.page = page
    assert visitor.submit("/sign-in/passkey/", answer=answer).path == "/", "led home"
    assert visitor.cookies["massar-session"] == hers


def test_a_passkey_is_the_second_step_after_the_password_and_only_ones_own(device, cast):
    hers = Authenticator()
    add_passkey(home(FATIMA), FATIMA.password, hers)
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    assert visitor.path == STEP
    confirms(visitor, hers)
    assert visitor.page.status_code == 422 and shows(visitor, "problem.passkey_step") and not visitor.signed_in
    assert last_event(FATIMA).outcome == "passkey_refused"
    assert confirms(visitor, device).signed_in and amr() == "pwd pop user mfa"


def test_the_second_step_without_the_first_or_in_another_browser(device):
    first, other = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password), Visitor().get("/sign-in/")
    answer = device.get(asked(first, STEP + "passkey/"))
    token = {"csrfmiddlewaretoken": other.token}
    assert other.client.post(STEP + "passkey/", {"answer": answer, **token}).headers["Location"] == "/sign-in/"
    alone = other.client.post("/sign-in/passkey/", {"answer": answer, **token})
    assert alone.status_code == 422, "what was signed for the second step is no sign-in"
    another = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    assert not another.submit(STEP + "passkey/", answer=answer).signed_in
    assert first.submit(STEP + "passkey/", answer=answer).signed_in


@pytest.mark.both_databases
def test_a_recovery_asks_for_the_passkey_before_the_change_form(device, post, clock):
    visitor = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    visitor.sign_in(YOUSSEF.login, secret := post.secret(YOUSSEF_EMAIL))
    assert visitor.path == STEP and visitor.get("/password/change/").path == STEP
    assert confirms(visitor, device).path == "/password/expired/" and not visitor.signed_in
    clock.advance(seconds=1)
    assert visitor.change(secret, NEW).signed_in and signs_in(Visitor(), device).signed_in


def test_a_person_who_is_signed_in_proves_the_passkey_again(device, clock):
    visitor = confirms(Visitor().sign_in(YOUSSEF.login, YOUSSEF.password), device, spare="on")
    visitor.submit("/sign-out/").sign_in(YOUSSEF.login, YOUSSEF.password)
    assert visitor.signed_in and amr() == "pwd", "spared on this device"
    assert shows(visitor.get(SECURITY), "factor.locked", "fr")
    cookie = visitor.cookies["massar-session"]
    clock.advance(seconds=1)
    assert confirms(visitor.get(STEP), device).path == SECURITY
    assert amr() == "pwd pop user mfa" and visitor.cookies["massar-session"] != cookie
    assert not shows(visitor, "factor.locked", "fr")


def test_atk_030_what_is_refused_gets_one_answer_and_costs_the_same(device, post):
    """ATK-030: an unknown passkey, a wrong signature, another origin, a passkey of a disabled account."""
    pages, costs, stranger = [], [], Authenticator()
    stranger.user_handle = device.user_handle

    def refused(which: Authenticator) -> None:
        visitor = Visitor().get("/sign-in/")
        answer = which.get(asked(visitor, "/sign-in/passkey/"))
        with captured() as statements:
            visitor.submit("/sign-in/passkey/", answer=answer)
        assert visitor.page.status_code == 422 and not visitor.signed_in
        pages.append(plain(visitor))
        costs.append(statements)

    refused(stranger)
    own, device.sign = device.sign, stranger.sign
    refused(device)
    device.sign, device.origin = own, "https://evil.example"
    refused(device)
    assert len(set(pages)) == 1 and costs[0] == costs[1] == costs[2]
    device.origin = Authenticator().origin
    people.directory.disable(facts(YOUSSEF).id)
    refused(device)
    assert len(set(pages)) == 1
    assert refusals() == {"passkey_unknown", "passkey_refused", "passkey_disabled"}


def test_atk_030_an_answer_counts_once_in_its_own_browser_and_for_five_minutes(device, clock):
    """ATK-030: replayed in the same browser and in another one; signed too late."""
    mine, other = Visitor().get("/sign-in/"), Visitor().get("/sign-in/")
    answer = device.get(asked(mine, "/sign-in/passkey/"))
    assert shows(other.submit("/sign-in/passkey/", answer=answer), "problem.passkey")
    cookie = mine.client.cookies["massar-csrf"].value
    assert mine.submit("/sign-in/passkey/", answer=answer).signed_in
    again = Visitor()
    again.client.cookies["massar-csrf"] = cookie
    again.get("/sign-in/").submit("/sign-in/passkey/", answer=answer)
    assert not again.signed_in and shows(again, "problem.passkey_late") and "passkey_replay" in refusals()
    late = Visitor().get("/sign-in/")
    answer = device.get(asked(late, "/sign-in/passkey/"))
    clock.advance(minutes=5, seconds=1)
    assert shows(late.submit("/sign-in/passkey/", answer=answer), "problem.passkey_late")
    assert signs_in(late, device).signed_in


def test_atk_030_a_copied_key_is_refused_and_its_owner_is_told_once_a_day(device, post, clock):
    post.messages(YOUSSEF_EMAIL)
    assert signs_in(Visitor(), device).signed_in
    before = len(post.messages(YOUSSEF_EMAIL))
    for _ in range(2):
        device.counter -= 2
        clock.advance(minutes=1)
        assert not signs_in(Visitor(), device).signed_in
        assert last_event().event == "passkey_copied"
    notices = post.messages(YOUSSEF_EMAIL)[before:]
    assert len(notices) == 1 and "copiée" in notices[0].text
    assert Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).path == STEP, "the password is as good as before"


def test_strangers_fill_no_disk_and_stop_nobody(device, monkeypatch):
    few = limits.RateLimit("passkey-network", 2, timedelta(hours=1))
    monkeypatch.setattr(limits.rate_limits, "PASSKEY_NETWORK", few)
    for _ in range(4):
        assert shows(signs_in(Visitor(), Authenticator()), "problem.passkey")
    [told] = [one for one in all_events() if one.outcome == "passkey_unknown"]
    assert told.detail["count"] == 2
    assert signs_in(Visitor(), device).signed_in, "a right passkey always passes"


def test_looking_at_the_sign_in_page_writes_nothing_and_asks_nothing(device):
    """The challenge is not stored: a page that only shows one costs the database nothing."""
    with captured(perhaps_nothing=True) as statements:
        first, second = (asked(Visitor().get("/sign-in/"), "/sign-in/passkey/") for _ in range(2))
    assert statements == [] and first != second


@pytest.mark.parametrize("typed", ["", "{}", "x" * 8193, '{"id": "a"}', "\x00"])
def test_what_is_no_answer(device, typed):
    visitor = Visitor().get("/sign-in/")
    before = len(all_events())
    assert visitor.submit("/sign-in/passkey/", answer=typed).page.status_code == 422
    assert shows(visitor, "problem.passkey") and len(all_events()) == before


def test_a_removed_passkey_opens_nothing_and_does_not_come_back(device, post):
    visitor, another = signs_in(Visitor(), device), Authenticator()
    visitor.get(SECURITY).submit(ADD + "begin/", password=YOUSSEF.password)
    made = another.make(asked(visitor, ADD))
    visitor.submit(ADD, answer=made, name="second")
    begun = Visitor()
    begun.client.cookies = visitor.client.cookies
    old, new = factors.passkeys.of_person(facts(YOUSSEF).id)
    before = len(post.messages(YOUSSEF_EMAIL))
    for one in (old, new):
        visitor.get(SECURITY).submit(f"{SECURITY}{one.id}/remove/", password=YOUSSEF.password)
    assert shows(visitor, "flash.factor_removed", "fr") and len(post.messages(YOUSSEF_EMAIL)) == before + 2
    for gone in (device, another):
        assert not signs_in(Visitor(), gone).signed_in
    visitor.get(SECURITY).submit(ADD + "begin/", password=YOUSSEF.password)
    assert shows(visitor.submit(ADD, answer=made), "flash.passkey_not_added", "fr"), "the request of before, again"
    assert Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).signed_in


def test_a_challenge_for_adding_is_the_session_s_own(device, clock):
    visitor, other = Visitor(), Visitor()
    for one in (visitor, other):
        clock.advance(seconds=1)
        signs_in(one, device).get(SECURITY).submit(ADD + "begin/", password=YOUSSEF.password)
    theirs = Authenticator().make(asked(other, ADD))
    assert shows(visitor.submit(ADD, answer=theirs), "flash.passkey_not_added", "fr")
    visitor.get(SECURITY).submit(ADD + "begin/", password=YOUSSEF.password)
    late = Authenticator().make(asked(visitor, ADD))
    clock.advance(minutes=6)
    assert shows(visitor.submit(ADD, answer=late), "flash.passkey_not_added", "fr")
    assert len(factors.passkeys.of_person(facts(YOUSSEF).id)) == 1


def test_ten_are_enough_and_without_a_fresh_factor_none_is_added(device, clock):
    visitor, person_id = signs_in(Visitor(), device), facts(YOUSSEF).id
    for _ in range(9):
        add_passkey(visitor, YOUSSEF.password, Authenticator())
    assert len(factors.passkeys.of_person(person_id)) == 10 and ADD not in visitor.get(SECURITY).html
    clock.advance(minutes=11)
    visitor.get(SECURITY)
    assert shows(visitor, "factor.locked", "fr") and ADD not in visitor.html
    begun = visitor.client.post(ADD + "begin/", {"password": YOUSSEF.password, "csrfmiddlewaretoken": visitor.token})
    assert begun.headers["Location"] == SECURITY


def test_who_must_have_a_factor_may_begin_with_a_passkey(cast, monkeypatch):
    must = replace(settings.MASSAR, second_factor_roles=factors.required.read(("operator",)))
    monkeypatch.setattr(settings, "MASSAR", must)
    visitor, device = Visitor().sign_in(SALMA.login, SALMA.password), Authenticator()
    assert visitor.path == STEP + "app/" and not visitor.signed_in
    first = STEP + "passkey/first/"
    assert f'href="{first}"' in visitor.html
    visitor.get(first).submit(first, answer=device.make(asked(visitor, first)))
    assert shows(visitor, "factor.codes.once") and visitor.signed_in and amr(SALMA) == "pwd pop user mfa"
    assert signs_in(Visitor(), device).signed_in
    assert Visitor().get(first).path == "/sign-in/"


def test_a_first_passkey_that_was_refused_is_told(cast, monkeypatch):
    must = replace(settings.MASSAR, second_factor_roles=factors.required.read(("*",)))
    monkeypatch.setattr(settings, "MASSAR", must)
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    visitor.get("/sign-in/second/passkey/first/")
    refused = visitor.submit("/sign-in/second/passkey/first/", answer="{}")
    assert refused.path == "/sign-in/second/app/" and shows(refused, "flash.passkey_not_added")


def test_without_a_name_of_our_own_there_are_no_passkeys(cast, monkeypatch):
    monkeypatch.setattr(settings, "MASSAR", replace(settings.MASSAR, public_url="http://127.0.0.1:8000"))
    visitor = Visitor().get("/sign-in/")
    assert "passkey" not in visitor.html and 'autocomplete="username"' in visitor.html
    assert "passkey" not in home(KHADIJA).get(SECURITY).html


def test_the_form_shows_itself_by_script_alone_and_holds_no_script(device):
    """Without JavaScript nothing of it is seen: no dead button."""
    visitor = Visitor().get("/sign-in/")
    form = visitor.html.partition('action="/sign-in/passkey/"')[2].split("</form>")[0]
    assert form.startswith(' hidden data-passkey="get"') and "csrfmiddlewaretoken" in form and "onclick" not in form
    assert visitor.page.headers["Content-Security-Policy"].count("script-src 'self';") == 1
    assert "publickey" not in visitor.page.headers["Permissions-Policy"], "only what is named there is taken away"


def test_a_synced_passkey_keeps_no_counter(cast, clock):
    phone = Authenticator(step=0, flags=FLAG.UP | FLAG.UV | FLAG.BE | FLAG.BS)
    add_passkey(home(KHADIJA), KHADIJA.password, phone)
    for _ in range(3):
        clock.advance(seconds=1)
        assert signs_in(Visitor(), phone).signed_in


def test_a_passkey_that_was_found_stops_the_loss_of_all_factors(device, post, clock):
    """Who knows the password waits for its removal; the owner, who never types a password, is the one to stop it."""
    person_id = facts(YOUSSEF).id
    code = {"code": "123456", "valid_for": timedelta(minutes=10)}
    factors.losses.begin(person_id, contact_id=1, now=clock(), **code)
    assert factors.losses.prove(person_id, "123456", now=clock(), wait=timedelta(hours=72)) == (
        factors.losses.waiting(person_id)
    )
    before = len(post.messages(YOUSSEF_EMAIL))
    assert signs_in(Visitor(), device).signed_in and factors.losses.waiting(person_id) is None
    assert len(post.messages(YOUSSEF_EMAIL)) == before + 1
    clock.advance(hours=80)
    assert Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).path == STEP


def test_a_sign_in_by_passkey_ends_what_this_browser_had_asked_for(cast, post):
    """Decision 6: as a sign-in with the password does."""
    phone, visitor = Authenticator(), home(KHADIJA)
    add_passkey(visitor, KHADIJA.password, phone)
    visitor.get("/profile/").submit("/sign-out/").ask(KHADIJA.login, email=KHADIJA_EMAIL)
    secret = post.secret(KHADIJA_EMAIL)
    assert signs_in(visitor, phone).signed_in
    assert shows(Visitor().sign_in(KHADIJA.login, secret), "problem.wrong")
