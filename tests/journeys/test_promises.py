"""The four promises of the house.

(i) a message that is handed over or expired keeps no readable body; (ii) no session below full strength reaches a page
of the account; (iii) known and unknown answer alike in bytes, statements, hashes, headers and cookies; (iv) asking
changes nothing for the owner.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F
from django.test import Client

from massar.core import clock as clock_module
from massar.core import encryption
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import FormerPassword, Password, TemporaryPassword
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Message
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.models import Contact, Person
from massar.domain.sessions import api as sessions
from massar.domain.sessions.models import Session
from massar.domain.sites import api as sites
from massar.journeys.account import defend, recover_password, sign_in
from massar.journeys.outcomes import Done, TooManyAttempts, WrongSecret
from massar.journeys.people import import_people
from massar.journeys.people.import_people import NewPerson
from massar.providers import registry
from tests.cast import (
    FATIMA,
    HALIMA,
    ILYAS,
    JAMAL,
    KHADIJA,
    KHADIJA_EMAIL,
    STRANGER,
    YOUSSEF,
    YOUSSEF_EMAIL,
    facts,
    family,
)
from tests.contracts.http_rig import Gateway
from tests.contracts.smtp_rig import MailServer
from tests.support.alike import Seen, assert_alike, cookie, filled, shape
from tests.support.canary import everything_stored, readable_forms
from tests.support.captured import captured
from tests.support.doors import OPEN, addresses, leads_to_sign_in
from tests.support.faults import Commits, PostOffice
from tests.support.post_office import turning
from tests.support.steps import holding, home, save_contact
from tests.support.visitor import CODE, TEMPORARY, Visitor

pytestmark = pytest.mark.both_databases

PHONE = "+212662000333"
ASKED = "/recovery/asked/"


# --- (i) nothing readable stays


@pytest.fixture
def far_ends():
    """A real mail server and a real SMS gateway; yields (server, gateway, providers)."""
    server, gateway = MailServer().start(), Gateway()
    mail = delivery.ProviderOptions(name="mail", sender="massar@example.ma")
    sms = delivery.ProviderOptions(name="sms", sms_sender="MASSAR")
    email_provider = registry.provider_from_url(f"smtp://127.0.0.1:{server.port}", mail)
    sms_provider = registry.provider_from_url(f"http://127.0.0.1:{gateway.port}/send", sms)
    yield server, gateway, {"email": email_provider, "sms": sms_provider}
    gateway.stop()
    server.stop()


@pytest.mark.django_db(transaction=True)
def test_nothing_that_was_sent_can_be_read_from_the_database(transactional_db, clock, cast, far_ends):
    """Secrets, codes and contacts of handed, refused and expired messages, looked for in every byte that was stored."""
    server, gateway, providers = far_ends
    work, canaries = turning(providers, clock), {YOUSSEF_EMAIL, PHONE, KHADIJA_EMAIL, "new.one@example.org"}
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    Visitor().ask(YOUSSEF.login, phone=PHONE)
    work()
    save_contact(home(YOUSSEF), YOUSSEF.password, email="new.one@example.org")
    work()
    texts = [letter.get_body(("plain",)).get_content() for letter in server.letters]
    texts += [str(body["text"]) for _, _, body in gateway.requests]
    canaries |= {s for text in texts for s in (*TEMPORARY.findall(text), *CODE.findall(text))}
    assert sum(bool(TEMPORARY.fullmatch(c)) for c in canaries) == 2 and any(CODE.fullmatch(c) for c in canaries)

    server.stages["RCPT"] = f"550 5.1.1 <{KHADIJA_EMAIL}> no such mailbox"  # a server that repeats what it heard
    gateway.mood, gateway.answer = 400, {"error": f"{PHONE} is not a subscriber"}
    clock.advance(minutes=30)
    Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL)
    Visitor().ask(YOUSSEF.login, phone=PHONE)
    work()
    server.stages["RCPT"] = "451 4.7.1 later"
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    work()
    clock.advance(hours=3)
    work()
    assert set(Message.objects.values_list("state", flat=True)) == {"submitted", "failed", "expired"}
    assert not Message.objects.exclude(ciphertext=None).exists()
    stored = everything_stored()
    assert YOUSSEF.login.encode() in stored, "the search looks at the right place"
    for canary in sorted(canaries):
        for form in readable_forms(canary):
            assert form not in stored, f"{canary} can be read as {form!r}"


# --- (ii) below full strength no page opens

CHANGE_MAY = OPEN.keys() | {"password_expired", "password_change", "password_close"}


@pytest.mark.django_db
@pytest.mark.parametrize("ended", [False, True])
def test_atk_048_a_temporary_password_opens_the_change_and_nothing_else(cast, post, ended):
    """Every address of the product, with the change cookie in every place where a cookie could be looked for."""
    visitor = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    visitor.sign_in(YOUSSEF.login, post.secret(YOUSSEF_EMAIL))
    assert visitor.path == "/password/expired/" and set(visitor.cookies) & {"massar-change"}
    value = visitor.cookies["massar-change"]
    client = Client()
    for name in ("massar-change", "massar-session", "massar-devices", "massar-asked"):
        client.cookies[name] = value
    if ended:
        credentials.temporary.end_all(facts(YOUSSEF).id, now=visitor.page.wsgi_request.now, why="test")
    before = rows_of(facts(YOUSSEF).id)
    tried = 0
    for name, path in addresses():
        if name in CHANGE_MAY:
            continue
        for method in ("get", "post", "put", "delete", "head", "options"):
            answer = getattr(client, method)(path)
            assert answer.status_code == 405 or leads_to_sign_in(answer), f"{method} {path}: {answer.status_code}"
            client.cookies["massar-session"] = value  # the answer took it away: put it back for the next door
            tried += 1
    assert tried > 60
    assert client.post("/language/", {"language": "fr", "next": "/"}).status_code == 303
    assert rows_of(facts(YOUSSEF).id) == before, "a change session changed something of the account"
    assert not Session.objects.exists()


@pytest.mark.django_db
def test_atk_048_a_full_session_and_a_change_session_are_not_exchanged(cast, post):
    """The value of a full session is no change session either; an edited owner opens nothing."""
    value, other = home(YOUSSEF).cookies["massar-session"], facts(FATIMA).id
    assert leads_to_sign_in(holding(change=value).client.get("/password/change/"))
    for edited in (f"{other}.{value.partition('.')[2]}", value + "a", value.partition(".")[2], f"{value}.{other}"):
        assert leads_to_sign_in(holding(session=edited).client.get("/"))


# --- (iii) known and unknown alike

NO_PASSWORD = NewPerson(login="amal.tazi@taalim.ma", first_latin="Amal", last_latin="Tazi", email="amal@example.org")
DISABLED = NewPerson(login="omar.saidi@taalim.ma", first_latin="Omar", last_latin="Saidi", password="Warda!5173-jaune",
                     email="omar@example.org", phone="0664000111")  # fmt: skip
FROZEN = NewPerson(login="nadia.fassi@taalim.ma", first_latin="Nadia", last_latin="Fassi", password="Warda!5173-jaune",
                   email="nadia@example.org")  # fmt: skip
WITH_FACTOR = NewPerson(login="rachid.naji@taalim.ma", first_latin="Rachid", last_latin="Naji", email="rn@example.org",
                        password="Warda!5173-jaune")  # fmt: skip


@pytest.fixture
def many(cast, clock):
    """The cast, those whose accounts can't be entered, and one who has a second factor."""
    for one in (NO_PASSWORD, DISABLED, FROZEN, WITH_FACTOR):
        import_people.add(one, now=clock())
    family(now=clock())
    people.directory.disable(facts(DISABLED).id)
    people.directory.freeze(facts(FROZEN).id, now=clock())
    factor = factors.held.enroll(facts(WITH_FACTOR).id, "app", name="", now=clock())
    assert factors.held.activate(factor.pk, factor.person_id, now=clock())
    return cast


@pytest.mark.django_db
def test_atk_017_sign_in_tells_nobody_who_has_an_account(many, monkeypatch):
    wrong = {"unknown": STRANGER, "wrong": YOUSSEF.login, "no contact": JAMAL.login, "disabled": DISABLED.login,
             "no password": NO_PASSWORD.login, "no such domain": "youssef.benali@example.org", "short": "nobody.atall",
             "short and known": "youssef.benali", "frozen": FROZEN.login,
             "with a factor": WITH_FACTOR.login, "a pupil": "x130000417"}  # fmt: skip
    seen = {n: Seen(monkeypatch, "/sign-in/", {"user": u, "password": "Nothing?like-it-19"}) for n, u in wrong.items()}
    right = {"user": DISABLED.login, "password": DISABLED.password}
    seen["disabled, the right one"] = Seen(monkeypatch, "/sign-in/", right)
    assert_alike(seen)
    assert seen["unknown"].status == 422 and seen["unknown"].hashes == 1


@pytest.mark.django_db
def test_atk_021_code_shaped_tries_tell_nobody_who_asked(many, monkeypatch, post):
    """With and without outstanding codes, for known and unknown alike."""
    tried = {"unknown": STRANGER, "no code": FATIMA.login, "two codes": YOUSSEF.login, "no password": NO_PASSWORD.login,
             "disabled": DISABLED.login, "a slip": FROZEN.login,
             "a slip and a class code": WITH_FACTOR.login}  # fmt: skip
    hand_out(FROZEN, WITH_FACTOR)
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    Visitor().ask(YOUSSEF.login, phone=PHONE)
    post.work()
    assert TemporaryPassword.objects.filter(person_id=facts(YOUSSEF).id).count() == 2
    seen = {n: Seen(monkeypatch, "/sign-in/", {"user": u, "password": "zzzzz-99999"}) for n, u in tried.items()}
    password = Seen(monkeypatch, "/sign-in/", {"user": STRANGER, "password": "Nothing?like-it-19"})
    assert_alike(seen)
    assert seen["unknown"].hashes == password.hashes == 1
    assert seen["unknown"].body == password.body, "a wrong code reads as any wrong password"


def hand_out(*who: NewPerson) -> None:
    """A slip for each, and a class code for the last."""
    now, handed, people_ids = clock_module.now(), credentials.handed, [facts(one).id for one in who]
    batch = handed.begin_batch(unit_id=None, printed_by=None, now=now)
    with transaction.atomic():
        handed.put(batch, handed.draw(people_ids), until=now + timedelta(days=90), now=now)
        handed.give_class_code(people_ids[-1], until=now + timedelta(minutes=20), now=now)


@pytest.mark.django_db
def test_atk_021_who_has_a_slip_makes_no_try_dearer(cast, clock, monkeypatch):
    """As many HMACs as for nobody, today and when it was used."""
    hand_out(YOUSSEF, KHADIJA)
    TemporaryPassword.objects.filter(person_id=facts(YOUSSEF).id).update(state="consumed", ended_why="changed")
    checked, fits = [], encryption.Keyring.verify
    monkeypatch.setattr(encryption.Keyring, "verify", lambda *a: checked.append(1) or fits(*a))
    costs = {}
    for whom in (None, FATIMA, YOUSSEF, KHADIJA):
        checked.clear()
        with transaction.atomic():
            ids = [facts(whom).id] if whom else [0]
            assert credentials.temporary.match(ids, "zzzzz99999", recovery_browser="", now=clock()) is None
        costs[whom and whom.login] = len(checked)
    assert len(set(costs.values())) == 1, costs


@pytest.mark.django_db
def test_atk_022_a_spent_budget_tells_nobody_who_has_an_account(many, monkeypatch):
    """Twenty wrong tries, then the wait: for the known, the unknown, and both ways to write a name."""
    tried = {"unknown": STRANGER, "known": YOUSSEF.login, "disabled": DISABLED.login}
    for user in tried.values():
        assert [_try(user) for _ in range(20)] == [422] * 20
    seen = {n: Seen(monkeypatch, "/sign-in/", {"user": u, "password": "Nothing?like-it-19"}) for n, u in tried.items()}
    assert_alike(seen)
    assert seen["unknown"].status == 429 and seen["unknown"].hashes == 0


@pytest.mark.django_db
def test_atk_022_no_name_is_told_from_another_by_what_shares_its_budget(cast, clock, monkeypatch):
    """Every sequence of four tries at name, name@domain1, name@domain2 while a budget holds two, each on names of its
    own: nobody's, of the one domain, of the other, of both, disabled. Each sequence is answered in one way."""
    rates = limits.rate_limits
    monkeypatch.setattr(rates, "SIGN_IN_NETWORK", rates.SIGN_IN_NETWORK._replace(burst=10_000))
    monkeypatch.setattr(rates, "SIGN_IN_ACCOUNT", rates.SIGN_IN_ACCOUNT._replace(burst=2))
    monkeypatch.setattr(credentials.passwords, "verify", lambda *_, **__: False)
    kinds = {"nobody": (), "one": ("taalim.ma",), "other": ("men.gov.ma",), "both": ("taalim.ma", "men.gov.ma")}
    seen = Counter()
    for number, sequence in enumerate(itertools.product(("", "@taalim.ma", "@men.gov.ma"), repeat=4)):
        answers = set()
        for kind, domains in {**kinds, "disabled": kinds["one"]}.items():
            name = f"{kind}.{number}"
            for domain in domains:
                person = people.directory.create(login=f"{name}@{domain}", now=clock())
                if kind == "disabled":
                    people.directory.disable(person)
            answers.add(tuple(str(_refused(f"{name}{form}", clock)) for form in sequence))
        seen[len(answers)] += 1
    assert seen == {1: 81}, "so many sequences had one answer, two, …"


def _refused(name: str, clock) -> TooManyAttempts | WrongSecret:
    password = f"Nothing?like-it-{name.partition('.')[2].partition('@')[0]}"
    return sign_in.enter(typed_login=name, password=password, browser=Browser(), now=clock())


@pytest.mark.django_db
def test_a_namesakes_success_does_not_end_the_count_of_tries_at_the_other(cast, clock):
    """His own account in the other domain must give nobody a hundred more tries at hers."""
    name = YOUSSEF.login.partition("@")[0]
    namesake = NewPerson(login=f"{name}@taalim.ma", password="Girafe&7194-sable")
    assert import_people.add(namesake, now=clock()) == Done()
    count = limits.rate_limits.SIGN_IN_CONSECUTIVE.bucket(name)
    for _ in range(3):
        _refused(YOUSSEF.login, clock)
    assert home(namesake).signed_in and limits.remaining(count, now=clock()) == 97
    sign_in.fill_limits(facts(namesake))
    assert limits.remaining(count, now=clock()) == 97


def _try(user: str) -> int:
    return Visitor().sign_in(user, "Nothing?like-it-19").page.status_code


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/recovery/", "/let-in/"])
def test_atk_018_019_recovery_tells_nobody_who_has_an_account(many, monkeypatch, path):
    unknown, match = (STRANGER, "someone@example.org"), (YOUSSEF.login, YOUSSEF_EMAIL)
    by_email = {"unknown": unknown, "no contact": (JAMAL.login, "jamal@example.org"),
                "wrong contact": (YOUSSEF.login, "else@example.org"), "disabled": (DISABLED.login, "omar@example.org"),
                "match": match, "match, at once again": match, "unknown, at once again": unknown,
                "short": ("youssef.benali", YOUSSEF_EMAIL)}  # fmt: skip
    by_phone = {"unknown": (STRANGER, "0661000999"), "match": (YOUSSEF.login, "0662000333"),
                "the phone of another": (FATIMA.login, "0662000333"),
                "a pupil, the mother's phone": ("x130000417", HALIMA.phone), "a pupil": (ILYAS.login, "0662000333"),
                "the mother's own": (HALIMA.login, HALIMA.phone)}  # fmt: skip
    for channel, tried in (("email", by_email), ("phone", by_phone)):
        seen = {name: Seen(monkeypatch, path, asking(u, channel, to)) for name, (u, to) in tried.items()}
        assert_alike(seen)
        assert seen["unknown"].status == 303 and seen["unknown"].hashes == 0


@pytest.mark.django_db
def test_atk_021_vouching_codes_tell_nobody_who_asked(many, monkeypatch, clock, post):
    """In a browser that asked, and whose codes were sent, for known and unknown alike; no hash is worth its time."""
    for user in (YOUSSEF.login, STRANGER):
        browser = Browser(recovery_browser="the-guesser")
        recover_password.ask(typed_login=user, channel="email", typed_contact=YOUSSEF_EMAIL, ask_id=f"ask-of-{user}",
                             browser=browser, purpose="vouching", now=clock())  # fmt: skip
    post.work()
    assert TemporaryPassword.objects.filter(person_id=facts(YOUSSEF).id, purpose="vouching").count() == 1
    tried = {"unknown": STRANGER, "no code": FATIMA.login, "a code": YOUSSEF.login, "disabled": DISABLED.login}
    asked = {"massar-asked": "the-guesser"}
    seen = {n: Seen(monkeypatch, "/let-in/code/", {"user": u, "code": "zzzzz-99999"}, asked) for n, u in tried.items()}
    assert_alike(seen)
    assert seen["unknown"].status == 422 and seen["unknown"].hashes == 0


@pytest.mark.django_db
@pytest.mark.parametrize("purpose", ["recovery", "vouching"])
def test_atk_021_who_asked_with_the_right_contact_makes_no_try_dearer(cast, clock, post, monkeypatch, purpose):
    """Forty browsers asked for the secret of one account, one browser for another's; who tries is one of them, or none.
    As many HMACs for all of them as for nobody, and no try touches the row of each that asked."""
    person, checked = facts(YOUSSEF).id, []
    recover_password.ask(typed_login=KHADIJA.login, channel="email", typed_contact=KHADIJA_EMAIL, ask_id="ask",
                         browser=Browser(recovery_browser="asker-1"), purpose=purpose, now=clock())  # fmt: skip
    for number in range(40):
        browser = Browser(recovery_browser=f"asker-{number}", network=f"10.0.{number}.0/24")
        recover_password.ask(typed_login=YOUSSEF.login, channel="email", typed_contact=YOUSSEF_EMAIL,
                             ask_id=f"ask-{number}", browser=browser, purpose=purpose, now=clock())  # fmt: skip
        post.work()
        clock.advance(seconds=30)
    mine = TemporaryPassword.objects.filter(person_id=person, purpose=purpose)
    assert mine.count() >= 30 and mine.values("secret_hmac").distinct().count() <= 4
    fits = encryption.Keyring.verify
    monkeypatch.setattr(encryption.Keyring, "verify", lambda *a: checked.append(1) or fits(*a))
    costs = {}
    for asker in ("asker-1", "asker-39", "a stranger"):
        for name, whom in {
            "nobody": None,
            "no secret": facts(FATIMA).id,
            "one": facts(KHADIJA).id,
            "many": person,
        }.items():
            checked.clear()
            before = dict(mine.values_list("pk", F("tries") + F("asker_tries")))
            with transaction.atomic():
                now = clock()
                credentials.temporary.match([whom or 0], "zzzzz99999", recovery_browser=asker, purpose=purpose, now=now)
            after = dict(mine.values_list("pk", F("tries") + F("asker_tries")))
            assert sum(after[pk] != count for pk, count in before.items()) <= 5
            costs[asker, name] = len(checked)
    assert len(set(costs.values())) == 1, costs


def asking(user: str, channel: str, contact: str) -> dict[str, str]:
    return {"user": user, "channel": channel, channel: contact}


def _costs(path: str, typed: dict[str, str]) -> tuple[list[str], int]:
    """(statements, commits). What other parts of the server commit at that moment is left out: the least of three."""
    counted = []
    for _ in range(3):
        client = Client()
        form = filled(client, path, typed)
        with Commits() as commits, captured() as statements:
            client.post(path, form)
        counted.append((commits.count, [shape(one) for one in statements]))
    commits, shapes = min(counted)
    return shapes, commits


@pytest.mark.django_db(transaction=True)
def test_what_is_waited_for_on_the_disk_tells_nobody_who_has_an_account(transactional_db, many, clock, monkeypatch):
    """A commit is a thousand times slower than a statement: who has a code outstanding shows in neither."""
    post = PostOffice(clock)
    Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL)
    post.work()
    hand_out(JAMAL, NO_PASSWORD)
    late = TEMPORARY.findall(next(a.message.text for a in post.arrived if a.message.to == KHADIJA_EMAIL))[0]
    clock.advance(hours=1)
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    Visitor().ask(YOUSSEF.login, phone=PHONE)
    post.work()
    people_of = {"unknown": STRANGER, "two codes live": YOUSSEF.login, "one that ran out": KHADIJA.login,
                 "a slip": JAMAL.login, "disabled": DISABLED.login, "a slip and a class code": NO_PASSWORD.login,
                 "frozen": FROZEN.login, "with a factor": WITH_FACTOR.login,
                 "an invented domain": FATIMA.login.replace("@", "@nowhere.")}  # fmt: skip
    by_code = {n: _costs("/sign-in/", {"user": u, "password": "zzzzz-99999"}) for n, u in people_of.items()}
    by_code["right and late"] = _costs("/sign-in/", {"user": KHADIJA.login, "password": late})
    by_password = {n: _costs("/sign-in/", {"user": u, "password": "Nothing?like-it-19"}) for n, u in people_of.items()}
    monkeypatch.setattr(defend, "FREE", 20)  # one name is tried twice as often as the others
    right = {"user": DISABLED.login, "password": DISABLED.password}
    by_password["disabled, the right one"] = _costs("/sign-in/", right)
    asked = {n: _costs("/recovery/", asking(u, "email", YOUSSEF_EMAIL)) for n, u in people_of.items()}
    vouched = {n: _costs("/let-in/code/", {"user": u, "code": "zzzzz-99999"}) for n, u in people_of.items()}
    for costs, commits in ((by_code, 2), (by_password, 2), (asked, 1), (vouched, 1)):
        assert len(set(map(str, costs.values()))) == 1 and costs["unknown"][1] == commits, costs


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/sign-in/second/", "/sign-in/second/lost/", "/sign-in/second/app/"])
def test_atk_017_a_made_up_second_step_tells_nothing_of_whom_it_names(many, clock, path):
    """The cookie of a half-done sign-in names a person; its secret is the stranger's own."""
    sessions.pending.open_for(facts(WITH_FACTOR).id, now=clock())
    named = {"half done": facts(WITH_FACTOR).id, "no factor": facts(YOUSSEF).id, "frozen": facts(FROZEN).id,
             "nobody": 987_654}  # fmt: skip
    seen = {name: _looked(path, {"massar-second": f"{id}.{'x' * 43}"}) for name, id in named.items()}
    assert len(set(map(str, seen.values()))) == 1, seen
    assert seen["nobody"][0] == 303 and len(seen["nobody"][-1]) == 1


@pytest.mark.django_db
def test_atk_017_a_made_up_link_tells_nothing_of_whom_it_names(many, clock):
    """Of a loss that waits, of one that is not this person's, of nobody's: the signature is judged before anything."""
    factors.losses.begin(
        facts(WITH_FACTOR).id, contact_id=1, code="123456", now=clock(), valid_for=timedelta(minutes=9)
    )
    loss = factors.losses.prove(facts(WITH_FACTOR).id, "123456", now=clock(), wait=timedelta(hours=72))
    named = {"waits": (loss.id, facts(WITH_FACTOR).id), "another's": (loss.id, facts(YOUSSEF).id), "nobody's": (9, 9)}
    seen = {name: _looked(f"/factors/keep/{id:09}-{whose:09}-{'0' * 64}/", {}) for name, (id, whose) in named.items()}
    assert len(set(map(str, seen.values()))) == 1, seen
    assert seen["waits"][0] == 200 and seen["waits"][-1] == []


@pytest.mark.django_db
def test_atk_017_a_site_that_names_an_account_learns_nothing_on_the_sign_in_page(many, clock):
    """The page on which passkeys are asked for reads what the site has said, and nothing of whom it has named."""
    seen = {}
    for user in (STRANGER, YOUSSEF.login, WITH_FACTOR.login, FROZEN.login):
        asked = sites.saved_requests.save({"protocol": "oidc", "login_hint": user}, now=clock())
        seen[user] = _looked("/sign-in/", {"massar-pending": asked}, user)
    assert len(set(map(str, seen.values()))) == 1, seen
    assert seen[STRANGER][0] == 200 and len(seen[STRANGER][-1]) == 1


def _looked(path: str, cookies: dict[str, str], user: str = "") -> tuple:
    """(status, page, headers, cookies, statements) of a look at that page, without what was typed and what is drawn."""
    client = Client()
    client.cookies.load(cookies)
    with captured(perhaps_nothing=True) as statements:
        answer = client.get(path)
    body = re.sub(r'(name="csrfmiddlewaretoken" value|data-options)="[^"]+', "", answer.content.decode())
    if user:
        assert user in body
        body = body.replace(user, "USER")
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
    given = {name: cookie(morsel, user or path) for name, morsel in answer.cookies.items()}
    shapes = [shape(one) for one in statements]
    return answer.status_code, body.replace(path, "PATH"), headers, given, shapes


@pytest.mark.django_db
def test_the_page_after_asking_reads_nothing(cast):
    with captured(perhaps_nothing=True) as statements:
        pages = {Client().get(f"{ASKED}?by=email").content for _ in range(2)}
    masked = {re.sub(rb'value="[^"]{64}"', b"", p) for p in pages}
    assert len(masked) == 1 and statements == []


# --- (iv) asking changes nothing


def rows_of(person_id: int) -> str:
    tables = (Password, FormerPassword, Session, Contact)
    found = [list(t.objects.filter(person_id=person_id).order_by("pk").values()) for t in tables]
    return str([*found, list(Person.objects.filter(pk=person_id).values())])


@pytest.mark.django_db
def test_atk_036_fifty_asks_change_nothing_for_the_owner(cast, clock):
    """By strangers and by the right contact, answered and delivered: the owner notices messages and nothing else."""
    owner = home(YOUSSEF)
    person, post = facts(YOUSSEF).id, PostOffice(clock)
    post.work()
    before = rows_of(person)
    for number in range(50):
        contact = [{"email": YOUSSEF_EMAIL}, {"phone": PHONE}, {"email": f"wrong{number}@example.org"}][number % 3]
        assert Visitor().ask(YOUSSEF.login, **contact).path == ASKED
        clock.advance(seconds=20)
        post.work(("", "gone", "refused", "silent")[number % 4])
        assert rows_of(person) == before, f"ask {number} changed something of the owner's"
    alive = TemporaryPassword.objects.filter(person_id=person, state="issued")
    assert alive.values("secret_hmac").distinct().count() == 2
    assert owner.signed_in and home(YOUSSEF).signed_in
    secrets = [m.message for m in post.arrived if TEMPORARY.search(m.message.text)]
    hours = timedelta(seconds=50 * 20) / timedelta(hours=1)
    new, again = 3 + 3 * hours, 3 + 15 * hours
    assert 2 <= len({m.message_id for m in secrets}) <= 2 * (new + again), "asking often does not flood the owner"
    assert not transaction.get_connection().needs_rollback
