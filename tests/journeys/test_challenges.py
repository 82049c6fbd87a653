"""Browsers that nobody knows, where too much fails: networks, sprays, sieges, and the challenge they meet."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from massar.core import sql
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.delivery.models import RecoveryRequest
from massar.domain.limits import api as limits
from massar.domain.limits.models import FailureCount
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.journeys import outcomes
from massar.journeys.account import defend, sign_in
from massar.journeys.messages import watch_messages
from massar.journeys.people import import_people
from tests import cast as people_of_the_cast
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, STRANGER, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.captured import captured
from tests.support.steps import holding, home, shown, shows
from tests.support.visitor import Visitor, solve

pytestmark = pytest.mark.django_db
WRONG, SPRAYED = "Wrong*5820-word", "Maroc@2026-ensemble"
NETWORK = limits.rate_limits.SIGN_IN_NETWORK
HOUR = timedelta(hours=1)


@pytest.fixture
def quick(monkeypatch):
    """No hash where none is looked at: every password is wrong."""
    monkeypatch.setattr(credentials.passwords, "verify", lambda *_, **__: False)


def enter(login: str, password: str, clock, network: str = "192.0.2.0/24", answer=None):
    browser = Browser(network=network)
    return sign_in.enter(typed_login=login, password=password, browser=browser, now=clock(), answer=answer)


def spend_network(clock, name: str = "127.0.0.0/24") -> None:
    left = limits.remaining(NETWORK.bucket(name), now=clock())
    assert limits.consume([NETWORK.bucket(name, units=left)], now=clock()) is None


def siege(clock) -> None:
    limits.siege.order("on", until=clock() + HOUR)


def challenged(visitor: Visitor) -> bool:
    return visitor.puzzle is not None and visitor.page.status_code == 429 and shows(visitor, "challenge.title")


# --- when


def test_after_five_tries_at_an_account_a_stranger_meets_a_challenge(cast, clock):
    codes = [Visitor().sign_in(JAMAL.login, WRONG, solves=False) for _ in range(6)]
    assert [one.page.status_code for one in codes[:5]] == [422] * 5 and challenged(codes[5])
    assert int(codes[5].page.headers["Retry-After"]) == 20
    owner = Visitor().sign_in(JAMAL.login, JAMAL.password, solves=False)
    assert challenged(owner) and owner.go_on(solve(owner.puzzle)).signed_in
    clock.advance(minutes=6)
    assert not challenged(Visitor().sign_in(JAMAL.login, WRONG, solves=False)), "one more every six minutes"


def test_tries_that_others_were_faster_than_meet_the_challenge_too(cast, clock, quick, monkeypatch):
    """All of them read the account's failures before the first was charged."""
    network, account = NETWORK.bucket("192.0.2.0/24"), limits.rate_limits.SIGN_IN_ACCOUNT.bucket("jamal.jalal")
    read, seen = limits.posture.read, []

    def stale(*buckets, **tried):
        seen.extend([] if seen else [read(*buckets, **tried)])
        return seen[0]

    monkeypatch.setattr(limits.posture, "read", stale)
    outcome = [type(enter(JAMAL.login, WRONG, clock)) for _ in range(7)]
    assert outcome == [outcomes.WrongSecret] * 5 + [outcomes.ChallengeRequired] * 2
    spent = [one.limit.burst - limits.remaining(one, now=clock()) for one in (network, account)]
    assert spent == [5, 5], "and what was not judged is not charged"


def test_a_known_device_is_never_challenged_and_never_charged_to_its_network(cast, clock):
    known = home(JAMAL).submit("/sign-out/")
    spend_network(clock)
    siege(clock)
    for _ in range(3):
        assert known.sign_in(JAMAL.login, WRONG, solves=False).page.status_code == 422
    assert known.sign_in(JAMAL.login, JAMAL.password, solves=False).signed_in
    assert limits.remaining(NETWORK.bucket("127.0.0.0/24"), now=clock()) == 0
    assert not FailureCount.objects.exists(), "what a known device fails is no stranger's failure"


def test_atk_015_a_school_of_two_thousand_behind_one_address_meets_no_challenge(cast, clock, monkeypatch):
    """In five minutes, 3 % of slips, all on browsers that nobody knows."""
    monkeypatch.setattr(credentials.passwords, "verify", lambda typed, *_, **__: typed == "right")
    monkeypatch.setattr(credentials.passwords, "needs_rehash", lambda _: False)
    monkeypatch.setattr(sign_in, "open_session", lambda *_, **__: "in")
    monkeypatch.setattr(sign_in, "owes_second_step", lambda *_, **__: False)
    teacher, seen = JAMAL.login, Counter()
    for number in range(2000):
        if number % 33 == 0:
            seen[type(enter(f"pupil.{number}", f"Slip-{number}&longer", clock))] += 1
        if number % 20 == 0:  # signing in costs a test some time: the budget is what counts, and it is given back
            seen[enter(teacher, "right", clock)] += 1
        clock.advance(seconds=0.15)
    assert seen == {outcomes.WrongSecret: 61, "in": 100}
    assert limits.remaining(NETWORK.bucket("192.0.2.0/24"), now=clock()) > NETWORK.burst - 62


def test_beyond_the_networks_failures_there_is_a_challenge_and_nobody_is_refused(cast, clock, quick):
    seen = [type(enter(f"nobody.{n}", f"Wrong-{n}&longer", clock)) for n in range(NETWORK.burst + 50)]
    assert seen == [outcomes.WrongSecret] * NETWORK.burst + [outcomes.ChallengeRequired] * 50
    assert type(enter("nobody.at.all", WRONG, clock, network="198.51.100.0/24")) is outcomes.WrongSecret
    (alarm,) = (one for one in watch_messages.Overview(now=clock()).alarms if one.id == "network-spent")
    assert alarm.about == ("1 networks",)
    clock.advance(seconds=10)
    assert type(enter("nobody.again", WRONG, clock)) is outcomes.WrongSecret, "one more every ten seconds"


def test_what_has_the_shape_of_a_temporary_password_is_charged_to_the_network_too(cast, clock, post):
    network = NETWORK.bucket("127.0.0.0/24")
    visitor = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    secret = post.secret(YOUSSEF_EMAIL)
    Visitor().sign_in(YOUSSEF.login, "zzzzz-99999")
    assert limits.remaining(network, now=clock()) == NETWORK.burst - 1
    visitor.sign_in(YOUSSEF.login, secret)
    assert visitor.path == "/password/expired/"
    assert limits.remaining(network, now=clock()) == NETWORK.burst - 1, "what was right is given back"
    spend_network(clock)
    other = Visitor().sign_in(YOUSSEF.login, secret, solves=False)
    assert challenged(other) and other.go_on(solve(other.puzzle)).path == "/password/expired/"


# --- sprays


def test_atk_007_one_password_on_two_thousand_accounts_from_as_many_networks(cast, clock, quick):
    """Free up to about twenty accounts, then a challenge; from about a hundred on refused, although it is met."""
    seen = Counter()
    for n in range(300):
        login, network = f"person.{n}", f"10.{n // 250}.{n % 250}.0/24"
        outcome = enter(login, SPRAYED, clock, network)
        if isinstance(outcome, outcomes.ChallengeRequired):
            seen["challenged"] += 1
            answer = defend.ChallengeAnswer(outcome.challenge, solve_text(outcome))
            outcome = enter(login, SPRAYED, clock, network, answer)
        seen[type(outcome).__name__] += 1
    assert 60 <= seen["WrongSecret"] <= 140 and seen["WrongSecret"] + seen["PasswordSprayed"] == 300
    assert 15 <= seen["WrongSecret"] - seen["challenged"] <= 30, "free ones"
    (alarm,) = (one for one in watch_messages.Overview(now=clock()).alarms if one.id == "password-spray")
    assert alarm.about == ("1 passwords",)


def solve_text(required: outcomes.ChallengeRequired) -> str:
    return solve(json.loads(required.challenge.puzzle))


def test_who_really_has_a_sprayed_password_gets_in_at_a_known_device_or_by_recovery(cast, clock, post):
    person = replace(JAMAL, login="s.prayed@taalim.ma", password=SPRAYED)
    people_of_the_cast.enter(
        import_people.NewPerson(person.login, password=SPRAYED, email="s@example.org"), now=clock()
    )
    known = home(person).submit("/sign-out/")
    for n in range(160):
        key = limits.rate_limits.SIGN_IN_ACCOUNT.bucket(f"person.{n}").key
        limits.tally.count_failure(password=SPRAYED, account=key, now=clock())
    refused = Visitor().sign_in(person.login, SPRAYED)
    assert refused.page.status_code == 429 and shows(refused, "problem.sprayed")
    assert 'href="/recovery/"' in refused.html and 'href="/let-in/"' in refused.html
    assert not refused.signed_in
    assert known.sign_in(person.login, SPRAYED).signed_in
    recovering = Visitor().ask(person.login, email="s@example.org")
    assert recovering.sign_in(person.login, post.secret("s@example.org")).path == "/password/expired/"
    clock.advance(minutes=75)
    assert Visitor().sign_in(person.login, SPRAYED).signed_in


# --- siege


def test_atk_008_a_list_of_stolen_pairs_begins_a_siege(cast, clock, quick):
    """One try for each account, each from a network of its own: no single limit sees it. Within the worker's ten
    seconds every further one needs a challenge, and the page of operators, the alarm and the audit log tell."""
    for n in range(limits.siege.FLOOR + 1):
        key = limits.rate_limits.SIGN_IN_ACCOUNT.bucket(f"person.{n}").key
        limits.tally.count_failure(password=f"Stolen-{n}", account=key, now=clock())
    assert type(enter("person.x", "Stolen-x", clock)) is outcomes.WrongSecret
    defend.watch(now=clock())
    assert type(enter("person.y", "Stolen-y", clock)) is outcomes.ChallengeRequired
    assert ("siege", ("all",)) in [(one.id, one.about) for one in watch_messages.Overview(now=clock()).alarms]
    defend.watch(now=clock.advance(minutes=45))
    assert type(enter("person.z", "Stolen-z", clock)) is outcomes.WrongSecret
    told = sql.rows("SELECT event FROM audit_event WHERE event LIKE 'siege%%' ORDER BY id")
    assert told == [("siege_began",), ("siege_ended",)]


def test_a_siege_that_is_ordered_off_does_not_begin_in_the_audit_log(cast, clock):
    now = clock()
    defend.order_siege("off", accounts=[], person_id=None, until=now + timedelta(hours=12), now=now)
    for n in range(limits.siege.FLOOR + 1):
        limits.tally.count_failure(password="", account=f"{n:064x}", now=now)
    defend.watch(now=now)
    assert not limits.siege.everywhere().active(now)
    assert sql.rows("SELECT event, outcome FROM audit_event WHERE event LIKE 'siege%%'") == [("siege_ordered", "off")]


def test_twenty_failures_in_a_row_are_a_siege_of_that_account_days_later_too(cast, clock):
    for _ in range(20):
        Visitor().sign_in(JAMAL.login, WRONG)
    clock.advance(hours=4)
    assert challenged(Visitor().sign_in(JAMAL.login, WRONG, solves=False))
    assert not challenged(Visitor().sign_in(YOUSSEF.login, WRONG, solves=False))
    assert home(JAMAL).signed_in
    assert not challenged(Visitor().sign_in(JAMAL.login, WRONG, solves=False)), "a success ends it"


@pytest.mark.both_databases
def test_atk_037_in_a_siege_asking_meets_a_challenge_and_looks_nothing_up(cast, clock, post):
    siege(clock)
    known = home(FATIMA).submit("/sign-out/")
    pages = []
    for login in (FATIMA.login, STRANGER):
        visitor = Visitor().ask(login, phone=FATIMA.phone)
        assert challenged(visitor) and not RecoveryRequest.objects.exists()
        pages.append(plain(visitor))
    assert pages[0] == pages[1], "known and unknown alike"
    visitor = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    assert visitor.go_on(solve(visitor.puzzle)).path == "/recovery/asked/"
    assert RecoveryRequest.objects.count() == 1 and post.secret(FATIMA_PHONE)
    assert known.ask(FATIMA.login, phone=FATIMA.phone).path == "/recovery/asked/", "a known device notices nothing"


@pytest.mark.parametrize("mode", ["on", "off"])
def test_an_account_under_siege_by_command(cast, clock, mode):
    person = facts(JAMAL)
    until = clock() + HOUR
    people.directory.add_names(person.id, [("j.jalal", "men.gov.ma"), ("1234567", "")])
    defend.order_siege(mode, accounts=sign_in.accounts_of(person), person_id=person.id, until=until, now=clock())
    for name in (JAMAL.login, "j.jalal@men.gov.ma", "1234567"):
        assert challenged(Visitor().sign_in(name, WRONG, solves=False)) == (mode == "on"), name
    assert defend.observe(now=clock()).accounts == (mode == "on"), "one account, whatever its names"
    told = [(one.event, one.outcome) for one in audit_log.of_person(person.id)]
    assert ("siege_ordered", mode) in told and (("sign_in_refused", "challenge") in told) == (mode == "on")


# --- the page


def plain(visitor: Visitor) -> str:
    """The page without what is drawn for each challenge and without the name."""
    drawn = r'(name="(?:csrfmiddlewaretoken|challenge)" value=")[^"]+|(data-puzzle=")[^"]+'
    return re.sub(drawn, "", visitor.html)


def test_nothing_is_typed_twice_and_the_password_stands_nowhere(cast, clock):
    siege(clock)
    visitor = Visitor().sign_in(JAMAL.login, JAMAL.password, solves=False)
    assert challenged(visitor) and JAMAL.password not in visitor.html and JAMAL.login not in visitor.html
    assert not visitor.cookies.keys() & {"massar-session"}
    assert visitor.go_on(solve(visitor.puzzle)).signed_in


def test_without_scripts_the_button_passes_after_twenty_seconds(cast, clock):
    siege(clock)
    visitor = Visitor().sign_in(JAMAL.login, JAMAL.password, solves=False)
    clock.advance(seconds=12)
    visitor.go_on()
    assert challenged(visitor) and shows(visitor, "challenge.early") and 'data-wait="8"' in visitor.html
    clock.advance(seconds=8)
    assert visitor.go_on().signed_in


def test_a_challenge_is_spent_with_the_try_that_it_opened(cast, clock):
    siege(clock)
    visitor = Visitor().sign_in(JAMAL.login, WRONG, solves=False)
    html, solution = visitor.page, solve(visitor.puzzle)
    assert visitor.go_on(solution).page.status_code == 422 and shows(visitor, "problem.wrong")
    visitor.page = html
    assert challenged(visitor.go_on(solution)), "sent again it brings another one"


def test_a_challenge_that_is_over_asks_to_type_again(cast, clock):
    siege(clock)
    visitor = Visitor().sign_in(JAMAL.login, JAMAL.password, solves=False)
    clock.advance(minutes=10)
    assert shows(visitor.go_on(solve(visitor.puzzle)), "challenge.over") and visitor.page.status_code == 422
    asking = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    clock.advance(minutes=10)
    assert shows(asking.go_on(solve(asking.puzzle)), "challenge.over")


def test_another_network_can_not_use_it(cast, clock, settings):
    settings.MASSAR = replace(settings.MASSAR, trusted_proxies=1)
    siege(clock)
    visitor = Visitor(**{"x-forwarded-for": "198.51.100.7"}).sign_in(JAMAL.login, JAMAL.password, solves=False)
    visitor.client.headers = None
    visitor.client.defaults["HTTP_X_FORWARDED_FOR"] = "203.0.113.9"
    assert shows(visitor.go_on(solve(visitor.puzzle)), "challenge.over") and not visitor.signed_in


def test_known_and_unknown_meet_the_same_page_after_the_same_statements(cast, clock):
    """The challenge, and what follows where it is met with a wrong password."""
    pages, statements, judged = set(), set(), set()
    siege(clock)
    for login, password in (
        (JAMAL.login, WRONG),
        (STRANGER, WRONG),
        (FATIMA.login, WRONG),
        (JAMAL.login, JAMAL.password),
    ):
        visitor = Visitor().get("/sign-in/")
        with captured() as asked:
            visitor.submit("/sign-in/", user=login, password=password)
        pages.add(plain(visitor))
        statements.add(tuple(asked))
        if password == WRONG:
            with captured() as asked:
                visitor.go_on(solve(visitor.puzzle))
            judged.add((shown(visitor), *asked))
    assert len(pages) == 1 and len(statements) == 1 and len(judged) == 1, (statements, judged)


# --- what it costs


def test_a_known_device_costs_no_statement_more_and_an_unknown_one_a_single_one(cast, clock):
    def reads(visitor: Visitor) -> list[str]:
        visitor.get("/sign-in/")
        with captured() as statements:
            visitor.submit("/sign-in/", user=JAMAL.login, password=JAMAL.password)
        found = [one for one in statements if "limits_" in one]
        assert visitor.signed_in
        return found

    known = holding(devices=sessions.devices.remember("", facts(JAMAL).id, now=clock()))
    assert len(reads(known)) == 2, "consume and refund"
    assert len(reads(Visitor())) == 4, "what is read before too, and the limit of the notice that tells of a new device"
