"""ATK-036, ATK-038: a stranger knows name and contact, or guesses contacts, and never tires. The owner is not silenced.

Asked through the journey itself, with a worker and a clock that are driven: two days pass in seconds.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from massar.core import ids
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import TemporaryPassword
from massar.domain.delivery.models import Message, RecoveryRequest
from massar.domain.limits import api as limits
from massar.domain.sessions import api as sessions
from massar.journeys.account import recover_password, sign_in, vouch
from massar.journeys.messages import sms_budget
from massar.journeys.outcomes import Done, MustChangePassword, SessionOpened, TooManyAttempts, WrongSecret
from tests.cast import FATIMA, FATIMA_PHONE, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.steps import secrets

pytestmark = pytest.mark.django_db
HOME = "192.0.2.0/24"
MINUTE = timedelta(minutes=1)
MOST_A_DAY = 6 + 6 + 3 + 360  # new secrets, and the running one every four minutes
both_purposes = pytest.mark.parametrize("purpose", ["recovery", "vouching"])


def somewhere(number: int, network: str = "") -> Browser:
    """A stranger's browser, without any cookie, from a network of its own or from that one."""
    return Browser(network=network or f"198.51.{number % 250}.0/24", recovery_browser=ids.token())


def new_browser() -> Browser:
    return Browser(network=HOME, recovery_browser=ids.token())


def known_browser(person, clock) -> Browser:
    """One in which the person has signed in before."""
    return replace(new_browser(), trusted_devices=sessions.devices.remember("", facts(person).id, now=clock()))


def ask(browser: Browser, clock, contact: str = FATIMA_PHONE, *, login: str = FATIMA.login, purpose="recovery") -> None:
    channel = "email" if "@" in contact else "phone"
    done = recover_password.ask(
        typed_login=login, channel=channel, typed_contact=contact, ask_id=ids.token(), browser=browser, now=clock(),
        purpose=purpose,
    )  # fmt: skip
    assert done == Done()


def outcomes(person, purpose="recovery") -> list[str]:
    """What became of the person's requests, oldest first."""
    rows = [row for row in audit_log.of_person(facts(person).id, limit=5000) if row.event == f"{purpose}_asked"]
    return [row.outcome for row in reversed(rows)]


def enter(secret: str, browser: Browser, clock, login: str = FATIMA.login):
    return sign_in.enter(typed_login=login, password=secret, browser=browser, now=clock())


def opens(secret: str, browser: Browser, clock, purpose: str) -> bool:
    """Whether what a message says serves in that browser: the change form, or the browser let in."""
    if purpose == "recovery":
        return isinstance(enter(secret, browser, clock), MustChangePassword)
    entered = vouch.let_in(typed_login=FATIMA.login, code=secret, browser=browser, now=clock())
    return isinstance(entered, vouch.LetIn)


def waits_for_a_message(
    browser: Browser, clock, post, contact: str = FATIMA_PHONE, *, purpose="recovery", at_hand=False
) -> timedelta:
    """Asks; how long until a message with a secret that serves has arrived. Ten minutes at most. at_hand: one that came
    less than two minutes before may be it."""
    before, asked_at = len(secrets(post, contact)), clock()
    ask(browser, clock, contact, purpose=purpose)
    while clock() <= asked_at + 10 * MINUTE:
        found = secrets(post, contact)
        newest = Message.objects.filter(temporary_id__isnull=False).latest("id") if found else None
        if len(found) > before or (at_hand and newest and newest.submitted_at >= asked_at - 2 * MINUTE):
            assert opens(found[-1], browser, clock, purpose)
            return clock() - asked_at
        clock.advance(seconds=20)
    raise AssertionError("no message came")


# --- wrong contacts


@both_purposes
@pytest.mark.parametrize("network", ["", HOME], ids=["changing networks", "the owner's own network"])
def test_guessed_contacts_keep_no_right_one_from_its_message(cast, clock, post, network, purpose):
    """Eleven at once, one more than are counted, then one every 2 hours 24 minutes, for a day and a half; the owner
    sits at a new browser and at a known one."""
    for number in range(11):
        ask(somewhere(number, network), clock, f"+2126619999{number:02d}", purpose=purpose)
    owners = (new_browser(), known_browser(FATIMA, clock))
    for number in range(16):
        post.work()
        assert waits_for_a_message(owners[number % 2], clock, post, purpose=purpose) == timedelta(0), number
        clock.advance(hours=2, minutes=24)
        ask(somewhere(number, network), clock, f"+2126618888{number:02d}", purpose=purpose)
    assert len(secrets(post, FATIMA_PHONE)) == 16
    assert "guesses_spent" in outcomes(FATIMA, purpose) or not network


def test_wrong_contacts_are_counted_against_network_and_browser_and_show_in_the_audit_log_alone(cast, clock, post):
    one, other = somewhere(1), somewhere(2)
    for number in range(12):
        ask(one, clock, f"+2126619999{number:02d}")
        ask(other if number < 3 else somewhere(3), clock, f"+2126617777{number:02d}")
        post.work()
    told = Counter(outcomes(FATIMA))
    assert told == {"no_match": 22, "guesses_spent": 1}, "twelve of one browser, three of one network, nine of another"
    [counted] = [one for one in audit_log.of_person(facts(FATIMA).id) if one.outcome == "guesses_spent"]
    assert (counted.network, counted.detail["count"]) == (one.network, 2), "beyond the limit they are counted"
    ask(one, clock)
    assert len(secrets(post, FATIMA_PHONE)) == 1, "and now the right one, from that very browser"


# --- the right contact, without end


def besieged(clock, *, every: timedelta, lasting: timedelta, network: str = "", purpose="recovery") -> Iterator[bool]:
    """A stranger asks with name and phone every so often; yields whether a new hour has begun: the owner asks too."""
    began, number = clock(), 0
    while clock() < began + lasting:
        ask(somewhere(number, network), clock, purpose=purpose)
        yield (number * every) % timedelta(hours=1) == timedelta(0)
        number += 1
        clock.set(max(clock(), began + number * every))


@pytest.mark.parametrize(("purpose", "network", "rests", "hours"), [
    ("recovery", "", False, 24), ("recovery", HOME, False, 8), ("recovery", "", True, 24), ("vouching", "", False, 8),
], ids=["changing networks", "the owner's own network", "a worker that rests", "vouching"])  # fmt: skip
def test_each_of_the_owners_asks_brings_a_message_at_once(cast, clock, post, purpose, network, rests, hours):
    """A stranger every five minutes; the owner once an hour, on a new browser and on a known one."""
    new, known = new_browser(), known_browser(FATIMA, clock)
    waits, siege = [], {"every": 5 * MINUTE, "lasting": timedelta(hours=hours), "network": network}
    for full_hour in besieged(clock, **siege, purpose=purpose):
        if full_hour or not rests:
            post.work()
        if full_hour:
            waits += [waits_for_a_message(browser, clock, post, purpose=purpose) for browser in (new, known)]
    assert waits == [timedelta(0)] * hours * 2
    assert len(secrets(post, FATIMA_PHONE)) <= MOST_A_DAY + hours


@both_purposes
def test_a_stranger_who_asks_without_end_makes_a_new_browser_wait_for_two_minutes_at_most(cast, clock, post, purpose):
    """Every half minute; the owner asks on a new browser at moments that drift through the four minutes of a turn."""
    known, waits = known_browser(FATIMA, clock), []
    for number, _ in enumerate(besieged(clock, every=MINUTE / 2, lasting=45 * MINUTE, purpose=purpose)):
        post.work()
        if number % 11 == 10:
            waits.append(waits_for_a_message(new_browser(), clock, post, purpose=purpose, at_hand=True))
        if number == 40:
            assert waits_for_a_message(known, clock, post, purpose=purpose) == timedelta(0)
    assert len(waits) >= 7 and max(waits) <= 2 * MINUTE, waits
    assert len(set(waits)) > 2 or purpose == "vouching", "a code that serves fills the budget of the next ones"
    assert "sent_meanwhile" in outcomes(FATIMA, purpose), "one message answers all who waited for it"


def test_right_after_a_recovery_the_next_one_does_not_wait(cast, clock, post):
    """The secrets that ran ended with it, so none is at hand: the next message leaves at once."""
    spend_again(clock, post)
    owner = new_browser()
    assert waits_for_a_message(owner, clock, post, at_hand=True) == timedelta(0)
    recover_password.fill_limits(facts(FATIMA), purpose="recovery", now=clock())
    credentials.temporary.end_all(facts(FATIMA).id, now=clock(), why="changed")
    assert waits_for_a_message(new_browser(), clock, post) == timedelta(0)


def spend_again(clock, post, purpose="recovery") -> None:
    """Strangers have asked as often as anything is sent at once."""
    for number in range(8):
        ask(somewhere(number), clock, purpose=purpose)
        post.work()


@both_purposes
def test_what_is_spent_on_one_purpose_is_not_taken_from_the_other(cast, clock, post, purpose):
    other = "recovery" if purpose == "vouching" else "vouching"
    spend_again(clock, post, other)
    assert "sent_meanwhile" in outcomes(FATIMA, other)
    assert waits_for_a_message(new_browser(), clock, post, purpose=purpose) == timedelta(0)
    assert outcomes(FATIMA, purpose) == ["sent"]


def test_a_secret_has_three_minutes_left_for_whoever_asks_just_after_it_came(cast, clock, post):
    """So what has less than five is not sent again: a new one is."""
    spend_again(clock, post)
    for _ in range(6 * 10):
        clock.advance(seconds=30)
        ask(new_browser(), clock)
        post.work()
    sent = Message.objects.filter(temporary_id__isnull=False)
    assert min(one.expires_at - one.submitted_at for one in sent) >= timedelta(minutes=5) and sent.count() > 10


def test_a_phone_is_not_flooded_however_many_ask(cast, clock, post):
    """Twice a minute, from changing networks, for an hour."""
    for number in range(2 * 60):
        ask(somewhere(number), clock)
        post.work()
        clock.advance(seconds=30)
    assert len(secrets(post, FATIMA_PHONE)) <= 3 + 3 + 3 + 15
    assert RecoveryRequest.objects.exclude(state="done").count() <= 10, "none waits for longer than its turn"


# --- the running secret


def spend_new(clock, post, contact: str = FATIMA_PHONE, *, login: str = FATIMA.login) -> None:
    """Strangers have asked three times: what is sent next is the running secret."""
    for number in range(3):
        ask(somewhere(number), clock, contact, login=login)
        post.work()


def test_the_running_secret_comes_again_with_the_same_end_and_a_known_browsers_lives_on(cast, clock, post):
    owner = known_browser(FATIMA, clock)
    ask(owner, clock)
    [own] = secrets(post, FATIMA_PHONE)
    spend_new(clock, post)
    assert len(set(secrets(post, FATIMA_PHONE))) == 4 and isinstance(enter(own, owner, clock), MustChangePassword)
    first = secrets(post, FATIMA_PHONE)
    clock.advance(minutes=2)
    ask(new_browser(), clock)
    assert secrets(post, FATIMA_PHONE) == [*first, first[-1]]
    newest = TemporaryPassword.objects.filter(secret_hmac=TemporaryPassword.objects.latest("id").secret_hmac)
    ends = Message.objects.filter(temporary_id__in=newest.values("pk")).values("expires_at").distinct()
    assert ends.count() == 1 and outcomes(FATIMA)[-1] == "sent_again"
    clock.advance(minutes=6)  # two minutes are too short to receive it and type it: a new one
    ask(new_browser(), clock)
    newest = secrets(post, FATIMA_PHONE)[-1]
    assert newest not in first and isinstance(enter(newest, new_browser(), clock), MustChangePassword)
    assert isinstance(enter(first[-1], new_browser(), clock), MustChangePassword), "and the other lives on to its end"


def test_whoever_asked_first_can_not_burn_the_secret_that_is_sent_again(cast, clock, post):
    """ATK-041: a hundred wrong tries from elsewhere close a code to all browsers but those that asked for it."""
    spend_new(clock, post)
    clock.advance(minutes=1)
    owner, stranger = new_browser(), somewhere(9)
    ask(owner, clock)
    secret = secrets(post, FATIMA_PHONE)[-1]
    for _ in range(credentials.temporary.TRIES_OF_OTHERS + 1):
        assert isinstance(enter("bbbbb-22222", stranger, clock), WrongSecret)
    assert isinstance(enter(secret, new_browser(), clock), WrongSecret), "closed to all others"
    clock.advance(minutes=1)
    ask(somewhere(10), clock)
    assert secrets(post, FATIMA_PHONE)[-1] == secret, "asking again and again gives no new tries"
    assert isinstance(enter(secret, new_browser(), clock), WrongSecret)
    assert isinstance(enter(secret, owner, clock), MustChangePassword)


@pytest.mark.both_databases
def test_a_thief_with_the_password_ends_his_own_request_and_not_the_owners(cast, clock, post):
    """Decision 6: who asked first and signs in with the password in use ends what that browser asked for."""
    thief, owner = somewhere(1), new_browser()
    for browser in (somewhere(2), somewhere(3), thief, owner):
        ask(browser, clock)
        post.work()
    secret = secrets(post, FATIMA_PHONE)[-1]
    assert isinstance(enter(FATIMA.password, thief, clock), SessionOpened)
    assert isinstance(enter(secret, owner, clock), MustChangePassword)


def test_a_secret_that_ended_can_not_be_read_any_more(cast, clock, post):
    """By its time, by a change, by a newer one, by the asking browser's sign-in."""
    kept = TemporaryPassword.objects.exclude(ciphertext=None)
    owner = new_browser()
    ask(owner, clock)
    post.work()
    secret = secrets(post, FATIMA_PHONE)[-1].replace("-", "")
    assert kept.count() == 1 and secret.encode() not in bytes(kept.get().ciphertext)
    clock.advance(minutes=10, seconds=31)
    post.work()
    assert kept.count() == 0, "its time"
    ask(owner, clock)
    post.work()
    enter(FATIMA.password, owner, clock)
    assert kept.count() == 0, "remembered"
    clock.advance(hours=1)
    spend_new(clock, post)
    assert kept.count() == 2, "superseded"
    credentials.temporary.end_all(facts(FATIMA).id, now=clock(), why="changed")
    assert kept.count() == 0, "changed"


def test_a_message_that_has_not_left_is_not_put_in_twice(cast, clock, post):
    post.sms.mood = "gone"
    spend_new(clock, post)
    TemporaryPassword.objects.update(expires_at=None)
    clock.advance(minutes=2)
    ask(new_browser(), clock)
    before = Message.objects.count()
    post.worker.answer()
    assert Message.objects.count() == before and outcomes(FATIMA)[-1] == "sent_again"


def test_mail_is_sent_again_for_as_long_as_its_secret_lives(cast, clock, post):
    spend_new(clock, post, YOUSSEF_EMAIL, login=YOUSSEF.login)
    first = secrets(post, YOUSSEF_EMAIL)
    for _ in range(4):
        clock.advance(minutes=4)
        ask(somewhere(5), clock, YOUSSEF_EMAIL, login=YOUSSEF.login)
        post.work()
    assert set(secrets(post, YOUSSEF_EMAIL)) == set(first) and len(secrets(post, YOUSSEF_EMAIL)) == 7


# --- what it costs


def test_what_is_sent_again_leaves_the_reserve_alone(cast, clock, post, settings):
    """Strangers who have one phone written to all day take no recovery from anybody else."""
    settings.MASSAR = replace(settings.MASSAR, sms_per_hour=10)
    reserve = sms_budget.buckets(reserve=True)[0]
    spend_new(clock, post)
    while sms_budget.take(1, now=clock()) is None:
        pass
    clock.advance(minutes=2)
    ask(new_browser(), clock)
    post.work()
    assert limits.remaining(reserve, now=clock()) == 2 and len(secrets(post, FATIMA_PHONE)) == 3
    ask(new_browser(), clock, "+212662000333", login=YOUSSEF.login)
    assert len(secrets(post, "+212662000333")) == 1, "a new secret may have it"
    clock.advance(minutes=8)
    assert len(secrets(post, FATIMA_PHONE)) == 4, "late, and not lost"


# --- asking itself


def test_a_flooded_network_does_not_keep_a_known_browser_from_asking(cast, clock, post):
    assert limits.consume([limits.rate_limits.ASK_NETWORK.bucket(HOME, units=600)], now=clock()) is None
    typed = {"typed_login": FATIMA.login, "channel": "phone", "typed_contact": FATIMA_PHONE, "now": clock()}
    assert isinstance(recover_password.ask(**typed, ask_id=ids.token(), browser=new_browser()), TooManyAttempts)
    ask(known_browser(FATIMA, clock), clock)
    assert len(secrets(post, FATIMA_PHONE)) == 1
    flooder = known_browser(YOUSSEF, clock)
    answers = [recover_password.ask(**typed, ask_id=ids.token(), browser=flooder) for _ in range(12)]
    assert answers.count(Done()) == 10, "a cookie is a budget of its own, not a way around them"
