"""Attacks on the sign-in page, numbered as in docs/security/attack-cases.md."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client

from massar.domain.limits import api as limits
from massar.domain.sessions import api as sessions
from massar.interfaces.base.request import client_address, network
from massar.journeys.people import import_people
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, enter, facts
from tests.support.steps import holding, home, plain, shows
from tests.support.visitor import Visitor

WRONG = "Wrong*5820-word"


def tries(number, login=JAMAL.login, **headers):
    """That many wrong passwords, each from a browser of its own."""
    return [Visitor(**headers).sign_in(login, WRONG).page.status_code for _ in range(number)]


def test_atk_001_many_wrong_passwords_slow_strangers_and_lock_nobody(cast, clock):
    codes = tries(40)
    assert codes[:20] == [422] * 20 and set(codes[20:]) == {429}
    stranger = Visitor().sign_in(JAMAL.login, WRONG)
    assert shows(stranger, "problem.wait") and int(stranger.page.headers["Retry-After"]) <= 360
    assert facts(JAMAL).active
    clock.advance(minutes=6)
    assert Visitor().sign_in(JAMAL.login, JAMAL.password).signed_in, "a wait, not a lock"


def test_atk_002_the_count_is_of_the_account_neither_of_the_address_nor_of_its_spelling(cast, settings):
    settings.MASSAR = replace(settings.MASSAR, trusted_proxies=1)
    spellings = ("jamal.jalal", "JAMAL.JALAL@taalim.ma", " jamal.jalal@taalim.ma\u200f", "jamal.jalal@taalim.ma")
    visitors = [Visitor(**{"x-forwarded-for": f"198.51.{n}.7"}).sign_in(spellings[n % 4], WRONG) for n in range(30)]
    codes = [visitor.page.status_code for visitor in visitors]
    assert codes[:20] == [422] * 20 and set(codes[20:]) == {429}


def test_atk_003_004_the_owners_browser_is_not_slowed_and_a_new_one_gets_in_by_recovery(cast, post):
    known = home(FATIMA).submit("/sign-out/")
    tries(40, FATIMA.login)
    assert known.sign_in(FATIMA.login, FATIMA.password).signed_in
    owner = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret(FATIMA_PHONE)
    assert owner.sign_in(FATIMA.login, secret).path == "/password/expired/", "codes never wait for passwords"


def test_atk_005_a_hundred_failures_in_a_row_spend_the_limit_of_strangers(cast, clock):
    """NIST SP 800-63B-4 §3.2.2. Known browsers and recovery stay open, and the page says so."""
    owner = home(JAMAL).submit("/sign-out/")
    judged = 0
    while judged < 100:
        judged += sum(code == 422 for code in tries(20))
        clock.advance(minutes=30)
    stranger = home(JAMAL)
    assert not stranger.signed_in and shows(stranger, "problem.wait_recover")
    assert 3600 < int(stranger.page.headers["Retry-After"]) <= 86400 and 'href="/recovery/"' in stranger.html
    assert owner.sign_in(JAMAL.login, JAMAL.password).signed_in
    clock.advance(days=1)
    assert [c for c in tries(20) if c == 422] == [422], "one more a day, not twenty"


def test_atk_005_a_success_of_a_stranger_starts_the_count_anew(cast, clock):
    for _ in range(4):
        tries(19)
        clock.advance(hours=3)
        assert home(JAMAL).signed_in
    for _ in range(4):
        assert 429 not in tries(20)
        clock.advance(hours=3)
    assert home(JAMAL).signed_in


def test_atk_006_a_spent_limit_says_the_same_to_right_and_wrong(cast):
    tries(20)
    right, wrong = (Visitor().sign_in(JAMAL.login, p) for p in (JAMAL.password, WRONG))
    assert plain(right) == plain(wrong) and right.page.status_code == wrong.page.status_code == 429
    assert not right.signed_in


def test_atk_009_a_try_is_paid_for_before_it_is_judged(cast, monkeypatch, clock):
    """What is reserved stands in the table while the hash runs (the race itself is in the tests of races)."""
    account = limits.rate_limits.SIGN_IN_ACCOUNT.bucket("jamal.jalal")
    seen = []

    def judge(password, stored):
        seen.append(limits.remaining(account, now=clock()))
        return False

    monkeypatch.setattr("massar.domain.credentials.passwords.is_right", judge)
    Visitor().sign_in(JAMAL.login, WRONG)
    assert seen == [19]


def test_atk_011_no_header_of_the_client_is_its_address(cast, clock):
    headers = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "True-Client-IP", "Client-IP"), "203.0.113.9")
    Visitor(Forwarded="for=203.0.113.9", **headers).sign_in(JAMAL.login, JAMAL.password)
    (session,) = sessions.signed_in.of_person(facts(JAMAL).id, now=clock())
    assert session.network == "127.0.0.0/24"


@pytest.mark.parametrize(("hops", "forwarded", "address"), [
    (0, "203.0.113.9", "127.0.0.1"), (1, "203.0.113.9", "203.0.113.9"), (1, "1.2.3.4, 203.0.113.9", "203.0.113.9"),
    (2, "1.2.3.4, 203.0.113.9, 10.0.0.1", "203.0.113.9"), (2, "203.0.113.9", "127.0.0.1"), (1, "", "127.0.0.1"),
])  # fmt: skip
def test_atk_011_only_what_our_own_proxies_added_is_believed(rf, settings, hops, forwarded, address):
    settings.MASSAR = replace(settings.MASSAR, trusted_proxies=hops)
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    assert client_address(rf.get("/", headers=headers)) == address


ENTRIES = {
    "192.0.2.0/24": ("192.0.2.7", "192.0.2.7:5678", "::ffff:192.0.2.7", "[::ffff:192.0.2.7]:80", "192.0.2.7:_port"),
    "2001:db8:aa:bb00::/56": ("2001:db8:aa:bbcc::1", "[2001:db8:aa:bbcc::1]", '"[2001:db8:aa:bbcc::1]:5678"'),
    "fe80::/56": ("fe80::1%eth0", "[fe80::1%25eth0]:80"),
    "": ("unknown", "_hidden", "[", "<script>"),
}


@pytest.mark.parametrize(("prefix", "entry"), [(prefix, one) for prefix, all_ in ENTRIES.items() for one in all_])
def test_atk_011_networks_are_prefixes_of_entries_with_ports_and_brackets(rf, settings, prefix, entry):
    settings.MASSAR = replace(settings.MASSAR, trusted_proxies=1)
    request = rf.get("/", headers={"x-forwarded-for": f"203.0.113.9, {entry}"})
    assert network(client_address(request)) == prefix and network("") == ""


def test_atk_013_a_device_cookie_of_somebody_else_is_a_strangers(cast, clock):
    others, own = (home(person).cookies["massar-devices"] for person in (KHADIJA, JAMAL))
    forged = own.replace(own.rsplit(".", 1)[1], "0" * 64)
    older = sessions.devices.remember("", facts(JAMAL).id, now=clock() - timedelta(days=181))
    renamed = others.replace(f"{facts(KHADIJA).id}.", f"{facts(JAMAL).id}.", 1)
    tries(20)
    odd = ("|||", "1.2.3.4|..|", ".a.1.b|1.a..b", "x" * 5000, "\u00d9\u00a1.a.\u00b9.b")
    for cookie in (others, forged, older, renamed, *odd):
        visitor = holding(devices=cookie).sign_in(JAMAL.login, JAMAL.password)
        assert visitor.page.status_code == 429 and shows(visitor, "problem.wait"), cookie
    assert holding(devices=own).sign_in(JAMAL.login, JAMAL.password).signed_in


def test_atk_014_a_stolen_device_cookie_has_ten_tries_and_then_a_strangers(cast):
    thief = holding(devices=home(JAMAL).cookies["massar-devices"])
    owner = home(JAMAL).submit("/sign-out/")
    codes = [thief.sign_in(JAMAL.login, WRONG).page.status_code for _ in range(40)]
    assert codes[:30] == [422] * 30 and set(codes[30:]) == {429}
    assert owner.sign_in(JAMAL.login, JAMAL.password).signed_in, "the owner's other browser has its own limit"


def test_atk_015_a_school_behind_one_address_is_no_attack(cast, clock):
    teachers = [import_people.NewPerson(f"t.{n}@taalim.ma", password="Girafe&7194-sable") for n in range(60)]
    enter(*teachers, now=clock())
    for number, person in enumerate(teachers):
        visitor = Visitor()
        if number % 10 == 0:
            assert visitor.sign_in(person.login, WRONG).page.status_code == 422
        assert visitor.sign_in(person.login, person.password).signed_in


def test_atk_016_one_browser_knows_ten_accounts_in_less_than_4_kb(clock, db):
    cookie = ""
    for person_id in range(10**9, 10**9 + 500):
        cookie = sessions.devices.remember(cookie, person_id, now=clock())
    known = sessions.devices.read(cookie, now=clock())
    assert [d.person_id for d in known] == list(range(10**9 + 499, 10**9 + 489, -1))
    assert cookie.count("|") == 9, "and it holds no more of them than are read"
    assert len("__Host-massar-devices") + len(cookie) < 4096


def test_atk_022_what_is_no_user_name_at_all_has_its_own_budget(db):
    """Nonsense typed by one person must not make the next one wait."""
    tries(25, "هذا ليس اسما")
    assert Visitor().sign_in("شيء آخر", WRONG).page.status_code == 422


@pytest.mark.parametrize(("body", "content_type"), [
    ('{"user": "jamal.jalal", "password": {"$ne": ""}}', "application/json"),
    ('{"user": ["a", "b"], "password": 1}', "application/json"),
    ("[]", "application/json"),
    ("user=jamal.jalal&password[]=a&password[]=b", "application/x-www-form-urlencoded"),
    ("user[$gt]=&password[$gt]=", "application/x-www-form-urlencoded"),
    ("", "application/x-www-form-urlencoded"),
    ("user=%ff%fe&password=%00", "application/x-www-form-urlencoded"),
    ("--x\r\nbroken", "multipart/form-data; boundary=x"),
    ("user=a&password=b", "multipart/form-data"),
])  # fmt: skip
def test_atk_023_odd_bodies_are_refused_without_a_fault(cast, body, content_type):
    answer = Client().post("/sign-in/", data=body, content_type=content_type)
    assert answer.status_code in (400, 403, 422)


@pytest.mark.parametrize(
    "twice", [{"password": [JAMAL.password, WRONG]}, {"user": [JAMAL.login, JAMAL.login]}, {"x": ["1", "2"]}]
)
def test_atk_023_a_field_that_comes_twice_is_refused(cast, twice):
    answer = Client().post("/sign-in/", {"user": JAMAL.login, "password": JAMAL.password} | twice)
    assert answer.status_code == 400
    for path in ("/sign-in/?x=1&x=2", "/recovery/asked/?by=phone&by=email", "/?a=&a="):
        assert Client().get(path).status_code == 400, "in an address too"


@pytest.mark.parametrize("typed", [
    "' OR 1=1--", "*)(uid=*", "{{7*7}}", "%s%n%x", "jamal.jalal@taalim.ma' --", "../../etc/passwd", "${jndi:ldap://x}",
    "a\r\nSet-Cookie: x=y", "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"), "a" * 254,
])  # fmt: skip
def test_atk_024_injections_are_ordinary_failures(cast, typed):
    visitor = Visitor().sign_in(typed, "' OR 'a'='a")
    assert visitor.page.status_code == 422 and shows(visitor, "problem.wrong")
    assert "49" not in re.findall(r'value="([^"]*)"', visitor.html)


def test_atk_025_keys_of_the_query_language_are_ignored(cast):
    for key in ("_connector", "__class__", "password__startswith", "user__in", "_negated"):
        answer = Client().post("/sign-in/?" + key + "=OR", {"user": JAMAL.login, "password": WRONG, key: "OR"})
        assert answer.status_code == 422
