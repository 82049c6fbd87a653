"""Letting a browser in: who knows the password and was only told to wait gets in by a code to a proved contact."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from massar.core import encryption, ids
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import TemporaryPassword
from massar.domain.delivery.models import Message, RecoveryRequest
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys.account import recover_password, vouch
from massar.journeys.outcomes import SecretExpired, TooManyAttempts, WrongSecret
from tests.cast import FATIMA, FATIMA_PHONE, NEW, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.steps import home, recover, secrets, shows
from tests.support.visitor import Visitor

pytestmark = pytest.mark.django_db
WRONG = "Wrong*5820-word"
CODE_PAGE = "/let-in/code/"


def spend_sign_ins(clock, person=FATIMA) -> None:
    """Strangers have taken every try that unknown browsers share."""
    name, rates = person.login.partition("@")[0], limits.rate_limits
    spent = [rate.bucket(name, units=rate.burst) for rate in (rates.SIGN_IN_ACCOUNT, rates.SIGN_IN_CONSECUTIVE)]
    assert limits.consume(spent, now=clock()) is None


def ask(visitor: Visitor, login: str = FATIMA.login, **contact: str) -> Visitor:
    return visitor.get("/let-in/").submit("/let-in/", user=login, channel=next(iter(contact)), **contact)


def enter_code(visitor: Visitor, code: str, login: str = FATIMA.login) -> Visitor:
    return visitor.get(f"{CODE_PAGE}?by=phone").submit(CODE_PAGE, user=login, code=code)


def let_in(post, visitor: Visitor | None = None) -> Visitor:
    visitor = ask(visitor or Visitor(), phone=FATIMA_PHONE)
    return enter_code(visitor, post.secret(FATIMA_PHONE))


def events(person=FATIMA) -> list[tuple[str, str]]:
    return [(one.event, one.outcome) for one in reversed(list(audit_log.of_person(facts(person).id, limit=100)))]


@pytest.mark.both_databases
def test_atk_004_the_owner_on_a_new_browser_signs_in_with_the_password_itself(cast, clock, post):
    """The page that says "wait" offers it, and nothing of it changes the password."""
    spend_sign_ins(clock)
    owner = Visitor().sign_in(FATIMA.login, FATIMA.password)
    assert owner.page.status_code == 429 and shows(owner, "problem.wait_vouch") and 'href="/let-in/"' in owner.html
    ask(owner, phone=FATIMA.phone)
    assert owner.path == CODE_PAGE and f'value="{FATIMA.login}"' in owner.html and shows(owner, "vouch.asked")
    owner.submit(CODE_PAGE, code=post.secret(FATIMA_PHONE).upper().replace("-", " "))
    assert owner.path == "/sign-in/" and f'value="{FATIMA.login}"' in owner.html and shows(owner, "flash.let_in")
    assert not owner.signed_in, "it is no way in without the password"
    assert owner.sign_in(FATIMA.login, FATIMA.password).signed_in
    assert Visitor().sign_in(FATIMA.login, FATIMA.password).page.status_code == 429, "all others still wait"
    notices = Message.objects.filter(purpose="notice", about="browser_let_in")
    assert set(notices.values_list("channel", flat=True)) == {"email", "sms"}, "every contact, and the mailbox"
    assert ("vouching_asked", "sent") in events() and ("browser_let_in", "") in events()
    assert Message.objects.get(purpose="vouching_code").used_at == clock()


def test_a_browser_that_was_let_in_has_the_tries_of_a_known_device(cast, clock, post):
    spend_sign_ins(clock)
    owner = let_in(post)
    tries = [owner.sign_in(FATIMA.login, WRONG).page.status_code for _ in range(11)]
    assert tries == [422] * 10 + [429]


def test_one_secret_never_serves_as_the_other(cast, clock, post):
    """In the browser that asked for both: the code opens no change form, the temporary password lets nobody in."""
    owner = ask(Visitor(), phone=FATIMA_PHONE)
    code = post.secret(FATIMA_PHONE)
    assert owner.sign_in(FATIMA.login, code).page.status_code == 422 and shows(owner, "problem.wrong")
    assert TemporaryPassword.objects.get().asker_tries == 0, "nor do tries of the one count for the other"
    owner.ask(FATIMA.login, phone=FATIMA_PHONE)
    temporary = post.secret(FATIMA_PHONE)
    assert enter_code(owner, temporary).page.status_code == 422 and shows(owner, "vouch.code_wrong")
    assert temporary != code and enter_code(owner, code).path == "/sign-in/"
    assert owner.sign_in(FATIMA.login, temporary).path == "/password/expired/"


def test_a_row_whose_purpose_was_changed_fits_nothing(cast, clock, post):
    """ATK-142: the purpose is signed with the secret."""
    owner = ask(Visitor(), phone=FATIMA_PHONE)
    code = post.secret(FATIMA_PHONE)
    TemporaryPassword.objects.update(purpose="recovery")
    assert owner.sign_in(FATIMA.login, code).page.status_code == 422 and shows(owner, "problem.wrong")


def test_a_code_serves_only_in_a_browser_that_asked(cast, clock, post):
    asker = ask(Visitor(), phone=FATIMA_PHONE)
    code, other = post.secret(FATIMA_PHONE), Visitor().get(CODE_PAGE)
    assert shows(other, "vouch.not_asked_here")
    assert enter_code(other, code).page.status_code == 422 and "massar-devices" not in other.cookies
    other.ask(FATIMA.login, email="else@example.org")  # a browser that asked for something else
    assert enter_code(other, code).page.status_code == 422 and shows(other, "vouch.code_wrong")
    assert enter_code(asker, code).path == "/sign-in/"


def test_atk_041_strangers_burn_nothing_and_the_asker_has_twenty_tries(cast, clock, post):
    asker = ask(Visitor(), phone=FATIMA_PHONE)
    code = post.secret(FATIMA_PHONE)
    for _ in range(credentials.temporary.TRIES_OF_OTHERS + 1):
        judge("bbbbb-22222", Browser(recovery_browser="another"), clock)
    assert TemporaryPassword.objects.get().asker_tries == 0
    browser = Browser(recovery_browser=asker.cookies["massar-asked"])
    for _ in range(credentials.temporary.TRIES_OF_ASKER - 1):
        assert judge("bbbbb-22222", browser, clock) == WrongSecret()
    assert isinstance(judge(code, browser, clock), vouch.LetIn), "the twentieth"
    assert judge(code, browser, clock) == WrongSecret(), "and no more"


def judge(code: str, browser: Browser, clock, login: str = FATIMA.login):
    return vouch.let_in(typed_login=login, code=code, browser=browser, now=clock())


def asked_by(clock, post, *browsers: Browser) -> str:
    """The newest code, for which those browsers asked one after the other."""
    for browser in browsers:
        recover_password.ask(
            typed_login=FATIMA.login, channel="phone", typed_contact=FATIMA_PHONE, ask_id=ids.token(), browser=browser,
            now=clock(), purpose=vouch.PURPOSE,
        )  # fmt: skip
        post.work()
    return secrets(post, FATIMA_PHONE)[-1]


def test_a_code_that_came_twice_lets_in_once(cast, clock, post):
    """A double click, or an answer that was lost: the same device, told once; no second one and no further budget."""
    here = Browser(recovery_browser="here")
    code = asked_by(clock, post, here)
    first, again = (judge(code, here, clock) for _ in range(2))
    devices = [sessions.devices.read(one.trusted_devices, now=clock()) for one in (first, again)]
    assert devices[0] == devices[1] and len(devices[0]) == 1
    assert Message.objects.filter(purpose="notice", channel="sms").count() == 1
    assert [event for event, _ in events()].count("browser_let_in") == 1


def test_of_the_browsers_that_share_a_code_one_is_let_in(cast, clock, post):
    strangers = [Browser(recovery_browser=f"stranger-{n}") for n in range(3)]
    here, there = Browser(recovery_browser="here"), Browser(recovery_browser="there")
    code = asked_by(clock, post, *strangers, here, there)
    assert TemporaryPassword.objects.filter(state="issued").values("secret_hmac").distinct().count() == 2
    assert isinstance(judge(code, here, clock), vouch.LetIn)
    assert judge(code, there, clock) == judge(code, strangers[-1], clock) == WrongSecret()


def test_a_code_that_ran_out_says_so(cast, clock, post):
    owner = ask(Visitor(), phone=FATIMA_PHONE)
    code = post.secret(FATIMA_PHONE)
    clock.advance(minutes=10)
    assert enter_code(owner, code).page.status_code == 422 and shows(owner, "vouch.code_late")
    assert ("vouching_refused", "late_code") in events()
    here = Browser(recovery_browser=owner.cookies["massar-asked"])
    assert judge(code, here, clock) == SecretExpired()


@pytest.mark.parametrize("why", ["recovered", "remembered", "disabled", "a third one"])
def test_a_code_that_is_no_longer_wanted(cast, clock, post, why):
    owner = ask(Visitor(), phone=FATIMA_PHONE)
    code, person = post.secret(FATIMA_PHONE), facts(FATIMA)
    if why == "recovered":
        recover(post, FATIMA, FATIMA_PHONE, NEW)
    elif why == "remembered":
        owner.sign_in(FATIMA.login, FATIMA.password)
    elif why == "disabled":
        people.directory.disable(person.id)
    else:
        asked_by(clock, post, Browser(recovery_browser="b"), Browser(recovery_browser="c"))
    refused = enter_code(owner, code)
    assert refused.page.status_code == 422
    assert shows(refused, "vouch.code_late" if why == "a third one" else "vouch.code_wrong")


def test_atk_013_a_recovery_makes_the_browser_a_stranger_again(cast, clock, post):
    owner = let_in(post)
    clock.advance(minutes=1)
    recover(post, FATIMA, FATIMA_PHONE, NEW)
    spend_sign_ins(clock)
    assert owner.sign_in(FATIMA.login, NEW).page.status_code == 429


def test_atk_035_a_contact_that_does_not_count_brings_no_code(cast, clock, post):
    for typed in ({"phone": "0669999999"}, {"email": YOUSSEF_EMAIL}):
        ask(Visitor(), **typed)
    ask(Visitor(), "nobody.atall@taalim.ma", phone=FATIMA_PHONE)
    post.work()
    assert Message.objects.count() == TemporaryPassword.objects.count() == 0
    assert events().count(("vouching_asked", "no_match")) == 2


def test_a_mailed_code_lives_for_an_hour(cast, clock, post):
    owner = ask(Visitor(), YOUSSEF.login, email=YOUSSEF_EMAIL)
    code = post.secret(YOUSSEF_EMAIL)
    clock.advance(minutes=59)
    assert enter_code(owner, code, YOUSSEF.login).path == "/sign-in/"


@pytest.mark.both_databases
def test_the_reserve_of_recoveries_is_not_for_codes(cast, clock, post, settings):
    settings.MASSAR = replace(settings.MASSAR, sms_per_hour=5)
    ask(Visitor(), phone=FATIMA_PHONE)
    ask(Visitor(), YOUSSEF.login, phone="0662000333")
    for number in range(3):
        ask(Visitor(), YOUSSEF.login, phone="0662000333")
        clock.advance(seconds=number)
    post.work()
    sent = Message.objects.filter(purpose="vouching_code").count()
    assert sent == 4, "four of five segments are shared, one is the reserve"
    Visitor().ask(FATIMA.login, phone=FATIMA_PHONE)
    post.work()
    assert Message.objects.filter(purpose="temporary_password").count() == 1


def test_who_is_signed_in_may_let_the_browser_in_for_somebody_else(cast, clock, post):
    """A shared school computer: the session of one stays what it is, and the browser knows both."""
    owner = let_in(post, home(YOUSSEF))
    assert owner.signed_in
    known = sessions.devices.read(owner.cookies["massar-devices"], now=clock())
    assert {one.person_id for one in known} == {facts(FATIMA).id, facts(YOUSSEF).id}


def test_a_recovery_that_is_asked_for_can_be_read_by_the_last_versions_workers(cast, clock, post):
    """They know no purpose: what asks for a recovery names none, and what names none is one."""
    Visitor().ask(FATIMA.login, phone=FATIMA_PHONE)
    row = RecoveryRequest.objects.get()
    place = f"recovery-request|{row.ask_id}"
    assert "purpose" not in json.loads(encryption.data_keys().decrypt(row.ciphertext, associated_data=place))
    post.work()
    assert ("recovery_asked", "sent") in events()


def test_in_a_siege_a_new_browser_waits_out_a_challenge_and_then_its_code_comes(cast, clock, post):
    """Without scripts; what was typed is kept, and a challenge met for a code asks for no recovery."""
    limits.siege.order("on", until=clock() + timedelta(hours=1))
    owner = ask(Visitor(), phone=FATIMA_PHONE)
    assert owner.page.status_code == 429 and owner.puzzle and owner.path == "/let-in/"
    clock.advance(seconds=20)
    assert owner.go_on().path == CODE_PAGE
    assert enter_code(owner, post.secret(FATIMA_PHONE)).path == "/sign-in/"
    assert owner.sign_in(FATIMA.login, FATIMA.password, solves=False).signed_in, "a known device meets none"


def test_wrong_codes_without_end_are_one_event_and_then_wait(cast, clock):
    """A stranger who knows a login fills no log and takes nothing of the owner's page; known and unknown alike."""
    owner, network = home(FATIMA), limits.rate_limits.VOUCHING_NETWORK
    for login in (FATIMA.login, "nobody.atall@taalim.ma"):
        here = Browser(network=f"198.51.100.{len(login)}/32")
        answers = [type(judge("bbbbb-22222", here, clock, login)) for _ in range(network.burst + 1)]
        assert answers == [WrongSecret] * network.burst + [TooManyAttempts]
    refused = [one for one in audit_log.of_person(facts(FATIMA).id) if one.event == "vouching_refused"]
    assert [one.detail["count"] for one in refused] == [network.burst]
    assert shows(owner.get("/devices/"), "activity.sign_in")
    clock.advance(minutes=1)
    assert audit_log.flush(now=clock()) == 2, "one event for each name"


def test_beyond_the_limit_of_the_network_a_right_code_lets_in_and_a_wrong_one_is_told_to_wait(cast, clock, post):
    owner, limit = ask(Visitor(), phone=FATIMA_PHONE), limits.rate_limits.VOUCHING_NETWORK
    assert limits.consume([limit.bucket("127.0.0.0/24", units=limit.burst)], now=clock()) is None
    assert enter_code(owner, "bbbbb-22222").page.status_code == 429 and shows(owner, "errors.429.title")
    assert enter_code(owner, post.secret(FATIMA_PHONE)).path == "/sign-in/"


@pytest.mark.parametrize("known", [False, True])
def test_the_browsers_that_share_a_code_are_bounded(cast, clock, post, monkeypatch, known):
    """Whoever asks without end makes no try dear; a known device's row gives way to nobody."""
    monkeypatch.setattr(credentials.temporary, "MOST_ASKERS", 5)
    person, first = facts(FATIMA).id, Browser(recovery_browser="first")
    code = asked_by(clock, post, first)
    TemporaryPassword.objects.update(known=known, tries=7)
    contact_id = TemporaryPassword.objects.get().contact_id
    for number in range(8):
        live = credentials.temporary.find_live(person, contact_id, purpose=vouch.PURPOSE, now=clock())
        credentials.temporary.share(live, recovery_browser=f"stranger-{number}", sent_at=clock())
    tries = list(TemporaryPassword.objects.filter(state="issued").values_list("tries", flat=True))
    assert tries == [7] * (6 if known else 5)
    assert isinstance(judge(code, first if known else Browser(recovery_browser="stranger-7"), clock), vouch.LetIn)
