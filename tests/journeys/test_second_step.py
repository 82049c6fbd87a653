"""The second step of a sign-in: codes of an app and of paper, remembered devices, and what it keeps out."""

import pyotp
import pytest

from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.factors import api as factors
from massar.domain.factors.models import Factor
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.sessions.models import ChangeSession, PendingSignIn, Session
from massar.journeys.account import change_password, close_sessions
from massar.journeys.outcomes import FactorNotFresh
from tests.cast import FATIMA, JAMAL, NEW, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.authenticator import App, add_app, backup_codes, second_step
from tests.support.steps import holding, home, recover, shows
from tests.support.visitor import Visitor

pytestmark = pytest.mark.django_db
STEP = "/sign-in/second/"


@pytest.fixture
def owner(cast, clock):
    """Youssef with an app and backup codes, and the browser in which he set them up."""
    visitor = home(YOUSSEF)
    app, codes = add_app(visitor, YOUSSEF.password, clock)
    return visitor, app, codes


def first_step(person=YOUSSEF) -> Visitor:
    return Visitor().sign_in(person.login, person.password)


def amr(person=YOUSSEF) -> str:
    return Session.objects.filter(person_id=facts(person).id).latest("id").amr


def test_an_app_is_asked_for_after_the_password(owner):
    _, app, codes = owner
    assert len(codes) == 10 and len(set(codes)) == 10
    visitor = first_step()
    assert visitor.path == STEP and not visitor.signed_in
    assert second_step(visitor, app.code).signed_in and amr() == "pwd otp mfa"
    assert PendingSignIn.objects.filter(ended_at=None).count() == 0


def test_nobody_without_a_factor_sees_the_step(cast):
    visitor = first_step(JAMAL)
    assert visitor.path == "/" and amr(JAMAL) == "pwd" and PendingSignIn.objects.count() == 0


@pytest.mark.parametrize("digits", ["٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९"])
def test_codes_are_typed_in_digits_of_every_script(owner, digits):
    _, app, codes = owner
    as_typed = str.maketrans("0123456789", digits)
    assert second_step(first_step(), f" {app.code[:3]} {app.code[3:]} ".translate(as_typed)).signed_in
    assert second_step(first_step(), codes[0].translate(as_typed)).signed_in


def test_a_printed_code_is_good_once_and_a_new_set_ends_the_old(owner):
    visitor, _, codes = owner
    assert second_step(first_step(), codes[3]).signed_in
    again = second_step(first_step(), codes[3])
    assert not again.signed_in and shows(again, "error.factor_code_wrong")
    visitor.get("/profile/security/").submit("/profile/security/codes/", password=YOUSSEF.password)
    fresh = backup_codes(visitor)
    assert len(fresh) == 10 and not set(fresh) & set(codes)
    assert not second_step(first_step(), codes[4]).signed_in
    assert second_step(first_step(), fresh[0]).signed_in


def test_what_can_not_be_a_code_costs_no_try(owner):
    _, app, _ = owner
    visitor = first_step()
    for odd in ("12345", "1234567", "abcdef", "12345x"):
        assert shows(second_step(visitor, odd), "error.factor_code_shape")
    assert PendingSignIn.objects.latest("id").tries == 0
    assert second_step(visitor, app.code).signed_in


def test_atk_027_a_code_is_good_once_and_for_a_minute_and_a_half(owner, clock):
    """ATK-027: the same code again; codes of five minutes ago and ahead; and none that came before an accepted one."""
    _, app, _ = owner
    code = app.code
    assert second_step(first_step(), code).signed_in
    for refused in (code, app.code_at(-30), app.code_at(-300), app.code_at(300), app.code_at(60)):
        assert not second_step(first_step(), refused).signed_in, refused
    assert second_step(first_step(), app.code_at(30)).signed_in, "a phone whose clock is ahead a little"
    clock.advance(minutes=3)
    assert second_step(first_step(), app.code_at(-30)).signed_in, "or behind"


def test_atk_027_the_code_that_proved_the_app_is_used_up(cast, clock):
    person, now = facts(YOUSSEF), clock()
    factors.totp.enroll(person.id, place="here", now=now)
    app = factors.totp.enrolment(person.id, place="here", login=person.login, issuer="massar", now=now)
    code = pyotp.TOTP(app.key.replace(" ", "")).at(now)
    assert factors.totp.prove(person.id, code, place="here", now=now) == app.factor_id
    assert factors.totp.accept(person.id, code, now=now) is None


def test_atk_028_guessing_codes_is_throttled_for_the_row_and_for_the_account(owner, clock):
    """ATK-028: five tries for one half-done sign-in, ten for the account from unknown browsers; the owner's known
    device has tries of its own."""
    _, app, codes = owner
    wrong = "000000" if app.code != "000000" else "111111"
    thief = first_step()
    for _ in range(5):
        assert shows(second_step(thief, wrong), "error.factor_code_wrong")
    assert second_step(thief, app.code).path == "/sign-in/", "spent: the password is asked again"
    for _ in range(5):
        thief = first_step()
        second_step(thief, wrong)
    refused = second_step(first_step(), codes[0])
    assert refused.page.status_code == 429 and "Retry-After" in refused.page.headers and not refused.signed_in
    owner[0].get("/profile/").submit("/sign-out/")
    known = owner[0].sign_in(YOUSSEF.login, YOUSSEF.password)
    assert second_step(known, app.code).signed_in
    clock.advance(minutes=7)
    assert second_step(first_step(), app.code).signed_in


def test_atk_028_who_knows_the_password_does_not_spend_the_tries_of_a_recovery(owner, post, clock):
    """ATK-028: a hundred wrong codes after the right password, for hours. The owner, in a browser that nobody knows, is
    shown the way of vouching, and a recovery asks for the factor at once."""
    _, app, codes = owner
    wrong = "000000" if app.code != "000000" else "111111"
    bucket = limits.rate_limits.FACTOR_CONSECUTIVE.bucket(facts(YOUSSEF).id, units=100)
    limits.consume([bucket], now=clock())
    refused = second_step(first_step(), wrong)
    assert refused.page.status_code == 429 and 'href="/let-in/"' in refused.html
    recovers = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    recovers.sign_in(YOUSSEF.login, post.secret(YOUSSEF_EMAIL))
    assert recovers.path == STEP
    assert shows(second_step(recovers, wrong), "error.factor_code_wrong")
    assert second_step(recovers, codes[0]).path == "/password/expired/"


def test_atk_028_a_recovery_has_no_tries_without_end(owner, post, clock):
    """ATK-028: who reads the mailbox guesses no better than who knows the password."""
    _, app, _ = owner
    bucket = limits.rate_limits.FACTOR_CONSECUTIVE.bucket(facts(YOUSSEF).id, "recovery", units=100)
    limits.consume([bucket], now=clock())
    thief = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    thief.sign_in(YOUSSEF.login, post.secret(YOUSSEF_EMAIL))
    refused = second_step(thief, app.code)
    assert refused.page.status_code == 429 and 'href="/let-in/"' not in refused.html


def test_atk_029_the_step_opens_for_who_did_the_first_one_in_this_browser(owner, clock):
    """ATK-029: without the first step; with the cookie of another's, or an edited, ended or late one."""
    _, app, _ = owner
    assert Visitor().get(STEP).path == "/sign-in/"
    victim, thief = first_step(), holding()
    cookie = victim.cookies["massar-second"]
    number = facts(FATIMA).id
    for forged in ("", "1.x", f"{number}.{cookie.partition('.')[2]}", cookie[:-1], cookie + "A"):
        thief.client.cookies["massar-second"] = forged
        assert thief.get(STEP).path == "/sign-in/" and not thief.signed_in
    fatimas, _ = add_app(home(FATIMA), FATIMA.password, clock)
    assert not second_step(first_step(FATIMA), app.code).signed_in, "the code of another person"
    assert not second_step(victim, fatimas.code).signed_in
    assert second_step(victim, app.code).signed_in
    holder = holding(second=cookie)
    assert holder.get(STEP).path == "/sign-in/", "used once"
    late = first_step()
    clock.advance(minutes=10)
    assert late.get(STEP).path == "/sign-in/"


def test_a_half_done_sign_in_opens_nothing_else(owner):
    visitor = first_step()
    for path in ("/", "/profile/", "/profile/security/", "/devices/", "/password/change/", "/continue/"):
        assert visitor.get(path).path == "/sign-in/", path


def test_atk_050_a_recovery_asks_for_the_factor_before_the_change_form(owner, post):
    """ATK-050: right temporary password, then straight to the change: refused. The factor stays."""
    _, app, _ = owner
    visitor = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    secret = post.secret(YOUSSEF_EMAIL)
    visitor.sign_in(YOUSSEF.login, secret)
    assert visitor.path == STEP and shows(visitor, "factor.step.recovers")
    assert ChangeSession.objects.count() == 0
    typed = {"current": secret, "new": NEW, "confirm": NEW}
    refused = visitor.client.post("/password/change/", {**typed, "csrfmiddlewaretoken": visitor.token})
    assert refused.status_code == 403
    assert visitor.get("/password/change/").path == STEP
    second_step(visitor, app.code)
    assert visitor.path == "/password/expired/" and not visitor.signed_in
    assert visitor.change(secret, NEW).signed_in and amr() == "pwd otp mfa"
    assert len(factors.held.of_person(facts(YOUSSEF).id)) == 1
    assert Visitor().sign_in(YOUSSEF.login, NEW).path == STEP


def test_a_printed_code_is_not_used_up_where_nothing_opens(owner, post, clock):
    """The temporary password behind the half-done recovery has given way to newer ones."""
    _, _, codes = owner
    visitor = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    visitor.sign_in(YOUSSEF.login, post.secret(YOUSSEF_EMAIL))
    credentials.temporary.end_all(facts(YOUSSEF).id, now=clock(), why="newer")
    assert second_step(visitor, codes[0]).path == "/sign-in/" and shows(visitor, "flash.sign_in_again")
    assert factors.backup.left(facts(YOUSSEF).id) == 10 and ChangeSession.objects.count() == 0


def test_a_device_is_spared_when_the_person_wished_so(owner, clock):
    _, app, _ = owner
    visitor = second_step(first_step(), app.code, spare="on")
    assert visitor.get("/profile/").submit("/sign-out/").sign_in(YOUSSEF.login, YOUSSEF.password).path == "/"
    assert amr() == "pwd", "a wish is no factor"
    assert first_step().path == STEP, "another browser"
    clock.advance(days=29)
    assert visitor.sign_in(YOUSSEF.login, YOUSSEF.password).signed_in
    clock.advance(days=2)
    assert visitor.sign_in(YOUSSEF.login, YOUSSEF.password).path == STEP, "thirty days from the wish, not from each use"


@pytest.mark.parametrize("what", ["recovered", "changed", "factor added"])
def test_a_wish_ends_with_a_change(owner, post, clock, what):
    _, app, _ = owner
    visitor, password = second_step(first_step(), app.code, spare="on"), YOUSSEF.password
    clock.advance(minutes=1)
    if what == "recovered":
        other = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
        second_step(other.sign_in(YOUSSEF.login, post.secret(YOUSSEF_EMAIL)), app.code)
        other.change(post.secret(YOUSSEF_EMAIL), NEW)
        password = NEW
    elif what == "changed":
        visitor.change(password, NEW)
        password = NEW
    else:
        add_app(visitor, password, clock)
    visitor.get("/profile/").submit("/sign-out/") if visitor.signed_in else None
    assert visitor.sign_in(YOUSSEF.login, password).path == STEP


@pytest.mark.both_databases
def test_an_app_that_was_begun_twice_and_left_is_no_change(owner, clock):
    visitor, app, _ = owner
    visitor.get("/profile/").submit("/sign-out/")
    second_step(visitor.sign_in(YOUSSEF.login, YOUSSEF.password), app.code, spare="on")
    clock.advance(minutes=1)
    for _ in range(2):
        visitor.get("/profile/security/").submit("/profile/security/app/begin/", password=YOUSSEF.password)
    visitor.get("/profile/").submit("/sign-out/")
    assert visitor.sign_in(YOUSSEF.login, YOUSSEF.password).signed_in, "the wish not to be asked stands"
    clock.advance(days=2)
    assert Factor.objects.count() == 3 and factors.held.sweep(now=clock()) == 2
    assert Factor.objects.get().state == "active"


def test_without_the_wish_the_next_sign_in_asks_again(owner):
    visitor = owner[0].get("/profile/").submit("/sign-out/")
    assert visitor.sign_in(YOUSSEF.login, YOUSSEF.password).path == STEP


def test_signing_out_gives_a_half_done_sign_in_up(owner):
    visitor = first_step()
    cookie = visitor.cookies["massar-second"]
    visitor.client.post("/sign-out/", {"csrfmiddlewaretoken": visitor.token})
    assert holding(second=cookie).get(STEP).path == "/sign-in/"


def test_a_half_done_sign_in_ends_with_a_change_of_the_password(owner):
    visitor, _, _ = owner
    half_done = first_step()
    assert visitor.change(YOUSSEF.password, NEW).path == "/password/changed/"
    assert half_done.get(STEP).path == "/sign-in/"


def test_a_half_done_sign_in_is_over_when_the_account_freezes(owner, clock):
    half_done = first_step()
    assert people.directory.freeze(facts(YOUSSEF).id, now=clock())
    assert half_done.get(STEP).path == "/sign-in/"


def test_removing_asks_for_password_and_a_fresh_factor_and_tells_everybody(owner, post, clock):
    visitor, app, _ = owner
    clock.advance(minutes=20)
    visitor.get("/profile/security/")
    assert shows(visitor, "factor.locked", "fr") and "/remove/" not in visitor.html
    number = factors.held.of_person(facts(YOUSSEF).id)[0].id
    forced = {"password": YOUSSEF.password, "csrfmiddlewaretoken": visitor.token}
    visitor.client.post(f"/profile/security/{number}/remove/", forced)
    assert factors.held.of_person(facts(YOUSSEF).id), "the address alone removes nothing"
    second_step(visitor.get(STEP), app.code)
    assert visitor.path == "/profile/security/" and not shows(visitor, "factor.locked", "fr")
    visitor.submit(f"/profile/security/{number}/remove/", password="wrong")
    assert shows(visitor, "error.password_wrong", "fr") and factors.held.of_person(facts(YOUSSEF).id)
    visitor.submit(f"/profile/security/{number}/remove/", password=YOUSSEF.password)
    assert shows(visitor, "flash.factor_removed", "fr") and factors.held.of_person(facts(YOUSSEF).id) == []
    assert factors.backup.left(facts(YOUSSEF).id) == 0
    subjects = [m.subject for m in post.messages(YOUSSEF_EMAIL)]
    assert ["ajouté" in one for one in subjects] == [True, False] and "supprimé" in subjects[1]
    assert len(post.messages(YOUSSEF.login)) == 2, "and the institution's mailbox"
    assert first_step().path == "/"


def test_a_new_password_wants_a_factor_proved_just_now_and_makes_no_proof_younger(owner, clock):
    """A session left open on a shared computer, and who knows the password: neither the password nor, by its change, a
    factor goes."""
    visitor, app, _ = owner
    clock.advance(minutes=9)
    visitor.change(YOUSSEF.password, NEW)
    assert visitor.path == "/password/changed/"
    clock.advance(minutes=2)
    assert shows(visitor.get("/profile/security/"), "factor.locked", "fr")
    assert visitor.get("/password/change/").path == STEP, "eleven minutes after the proof"
    second_step(visitor, app.code)
    assert visitor.path == "/password/change/", "back to the page that was wanted"


def test_a_session_from_before_the_first_factor_changes_no_password(cast, clock):
    """The form was open, and the first factor is added elsewhere, even while the password is being judged."""
    before = home(YOUSSEF).get("/password/change/")
    stale = close_sessions.authenticate(cookie=before.cookies["massar-session"], now=clock())
    add_app(home(YOUSSEF), YOUSSEF.password, clock)
    before.submit("/password/change/", current=YOUSSEF.password, new=NEW, confirm=NEW)
    assert before.path == STEP
    done = change_password.by_owner(
        signed_in=stale, current=YOUSSEF.password, new=NEW, confirm=NEW, browser=Browser(), now=clock()
    )
    assert done == FactorNotFresh()
    assert first_step().path == STEP, "the password is what it was"


def test_an_app_counts_only_after_its_first_code(cast, clock):
    visitor = home(YOUSSEF).get("/profile/security/")
    visitor.submit("/profile/security/app/begin/", password=YOUSSEF.password)
    assert first_step().path == "/", "begun, not proved"
    visitor.submit("/profile/security/app/", code="123456")
    assert shows(visitor, "error.factor_code_wrong", "fr")
    assert "otpauth://totp/" in visitor.html and "<svg" in visitor.html
    other = home(YOUSSEF)
    assert other.get("/profile/security/app/").path == "/profile/security/", "its key is shown where it was begun"
    clock.advance(minutes=16)
    assert visitor.get("/profile/security/app/").path == "/profile/security/"


def test_who_began_before_a_factor_was_added_elsewhere_adds_none_beside_it(cast, clock):
    """A thief with the password, in a session of his own: the owner's app has to be proved before his counts."""
    thief, owner = home(YOUSSEF), home(YOUSSEF)
    thief.get("/profile/security/").submit("/profile/security/app/begin/", password=YOUSSEF.password)
    his = App(thief.html, clock)
    add_app(owner, YOUSSEF.password, clock)
    thief.submit("/profile/security/app/", code=his.code)
    assert len(factors.held.of_person(facts(YOUSSEF).id)) == 1


def test_a_recovery_that_was_begun_without_it_ends_when_a_factor_is_added(cast, post, clock):
    """The change form of who had read the mail, and what was sent and not typed yet."""
    thief = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    thief.sign_in(YOUSSEF.login, post.secret(YOUSSEF_EMAIL))
    assert thief.path == "/password/expired/"
    clock.advance(minutes=2)
    other = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    unread = post.secret(YOUSSEF_EMAIL)
    add_app(home(YOUSSEF), YOUSSEF.password, clock)
    assert thief.get("/password/expired/").path == "/sign-in/"
    assert other.sign_in(YOUSSEF.login, unread).page.status_code == 422


def test_a_person_who_signs_in_again_keeps_the_session(owner):
    """The password was asked again, say for a site: the session that was there is renewed after the second step."""
    visitor, app, _ = owner
    before = Session.objects.filter(person_id=facts(YOUSSEF).id, ended_at=None).count()
    token = visitor.get("/profile/").token
    typed = {"user": YOUSSEF.login, "password": YOUSSEF.password, "csrfmiddlewaretoken": token}
    visitor.client.post("/sign-in/", typed)
    assert second_step(visitor.get(STEP), app.code).signed_in
    assert Session.objects.filter(person_id=facts(YOUSSEF).id, ended_at=None).count() == before


def test_another_persons_session_ends_when_the_step_is_done(owner):
    _, app, _ = owner
    visitor = home(FATIMA)
    token = visitor.get("/profile/").token
    typed = {"user": YOUSSEF.login, "password": YOUSSEF.password, "csrfmiddlewaretoken": token}
    visitor.client.post("/sign-in/", typed)
    second_step(visitor.get(STEP), app.code)
    assert Session.objects.filter(person_id=facts(FATIMA).id, ended_at=None).count() == 0 and visitor.signed_in


def test_a_recovery_without_factors_goes_on_as_before(cast, post):
    assert recover(post, YOUSSEF, YOUSSEF_EMAIL, NEW).signed_in and amr() == "pwd"
