"""«This was not me»: the link of a notice freezes the account; nothing but a recovery, or an operator, opens it."""

import re
from argparse import Namespace
from dataclasses import replace

import pytest

from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.models import Contact
from massar.domain.sessions.models import Session
from massar.domain.sites import api as sites
from massar.domain.sites.models import Grant
from massar.interfaces.commands import people as command
from massar.journeys import outcomes
from massar.journeys.account import freeze_account, lose_factors
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, KHADIJA_EMAIL, NEW, STRANGER, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.authenticator import add_app
from tests.support.steps import home, plain, prove_contact, recover, save_contact, secrets, shown, shows
from tests.support.visitor import Visitor
from tests.support.words import said

LINK = re.compile(r"http://localhost:8000(/not-me/[^\s\"<]+)")
THIEF = "thief@example.org"
PHONE, E164 = "0661123456", "+212661123456"


def links(post, to: str) -> list[str]:
    """The link of each notice that arrived there, oldest first."""
    arrived = sorted(post.messages(to, new_devices=True), key=lambda m: m.written_at)
    return [found[1] for m in arrived if (found := LINK.search(m.text))]


def deny(path: str) -> Visitor:
    """A new browser opens the link and presses the button."""
    return Visitor().get(path).submit(path)


def is_frozen(person) -> bool:
    return facts(person).frozen_at is not None


def counting(person, clock) -> set[str]:
    return {c.value for c in people.contacts.of_person(facts(person).id, clock()) if c.counts(clock())}


def events(person) -> list[str]:
    return [one.event for one in audit_log.of_person(facts(person).id)]


# --- the link


def test_atk_057_the_link_of_a_notice_freezes_once_and_opens_nothing(cast, post, clock):
    """It says what happened when and where, ends all without the old password, and leads into a recovery."""
    thief = home(YOUSSEF)
    [path] = links(post, YOUSSEF_EMAIL)
    owner = Visitor().get(path)
    assert all(shows(owner, id) for id in ("not_me.title", "activity.sign_in", "not_me.effect_shut"))
    assert "Chrome · Android" in shown(owner) and "127.0.0.0/24" in shown(owner) and "01:55" not in shown(owner)
    assert owner.submit(path).path == path and shows(owner, "not_me.frozen") and not owner.signed_in
    assert is_frozen(YOUSSEF) and not thief.signed_in
    assert shows(owner.get("/recovery/"), "recovery.title") and YOUSSEF.login in owner.html, "the name is filled in"
    clock.advance(minutes=2)
    assert recover(post, YOUSSEF, YOUSSEF_EMAIL, NEW).signed_in and not is_frozen(YOUSSEF)
    assert not thief.signed_in and Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).path == "/sign-in/"
    again = Visitor().get(path)
    assert shows(again, "not_me.gone") and f'action="{path}"' not in again.html, "a link is good once"
    again.client.post(path, {"csrfmiddlewaretoken": Visitor().get("/sign-in/").token})
    assert not is_frozen(YOUSSEF)
    assert Visitor().sign_in(YOUSSEF.login, NEW).signed_in


@pytest.mark.parametrize("help_contact", ["0537 11 22 33", ""])
def test_the_pages_of_the_link_name_the_help_where_there_is_one(cast, post, settings, help_contact):
    """Decision 13: whoever knows no contact any more meets no wall, before the button and after it."""
    settings.MASSAR = replace(settings.MASSAR, help_contact=help_contact)
    home(YOUSSEF)
    [path] = links(post, YOUSSEF_EMAIL)
    owner = Visitor().get(path)
    for step in ("not_me.effect_contacts", "not_me.then"):
        main = owner.html.partition("<main")[2].partition("</main>")[0]
        assert shows(owner, step) and (f"<bdi>{help_contact}</bdi>" in main) == bool(help_contact)
        assert (said("ar", "recovery.know_nothing") in main) == bool(help_contact), step
        owner.submit(path) if step == "not_me.effect_contacts" else None


def test_atk_057_a_second_press_beside_the_first_finds_it_done(cast, post):
    home(YOUSSEF)
    [path] = links(post, YOUSSEF_EMAIL)
    late = Visitor().get(path)
    deny(path)
    assert shows(late.submit(path), "not_me.frozen")
    assert events(YOUSSEF).count("account_frozen") == 1


def test_atk_057_who_waited_for_another_press_finds_it_done(cast, post, clock, monkeypatch):
    """The other freezes between the look and the lock."""
    home(YOUSSEF)
    [path] = links(post, YOUSSEF_EMAIL)
    lock = people.contacts.lock

    def wait(person_id: int) -> None:
        assert people.directory.freeze(person_id, now=clock())
        lock(person_id)

    monkeypatch.setattr(people.contacts, "lock", wait)
    token = path.removeprefix("/not-me/").rstrip("/")
    assert freeze_account.by_link(token=token, browser=Browser(), now=clock()) == outcomes.AccountFrozen()
    assert "account_frozen" not in events(YOUSSEF), "who was first has told it"


def test_atk_057_a_forged_an_edited_and_an_old_link_are_worth_nothing(cast, post, clock):
    home(YOUSSEF), home(FATIMA)
    [mine], [hers] = links(post, YOUSSEF_EMAIL), links(post, FATIMA.login)
    (entry, _), (_, signature) = mine.rsplit(".", 1), hers.rsplit(".", 1)
    for path in (f"{entry}.{signature}", f"{mine[:-2]}{'1' if mine[-2] == '0' else '0'}/", "/not-me/x/", "/not-me/é./"):
        visitor = Visitor().get(path)
        assert shows(visitor, "not_me.gone"), path
        token = Visitor().get("/sign-in/")
        token.client.post(path, {"csrfmiddlewaretoken": token.token})
    clock.advance(days=30)
    assert shows(Visitor().get(mine), "not_me.gone")
    assert not is_frozen(YOUSSEF) and not is_frozen(FATIMA)


def test_atk_034_looking_at_the_link_freezes_nothing(cast, post):
    owner = home(YOUSSEF)
    [path] = links(post, YOUSSEF_EMAIL)
    for method in ("get", "head", "options", "put", "delete"):
        getattr(Visitor().client, method)(path)
    Visitor().client.post(path)  # without a token of a form
    assert not is_frozen(YOUSSEF) and owner.signed_in


def test_who_reads_the_mail_can_not_shut_the_account_without_end(cast, post, clock):
    for _ in range(limits.rate_limits.FREEZE.burst):
        home(YOUSSEF)
        deny(links(post, YOUSSEF_EMAIL)[-1])
        assert is_frozen(YOUSSEF)
        freeze_account.reopen(person=facts(YOUSSEF), reason="called", now=clock())
        clock.advance(hours=1)
    path = links(post, YOUSSEF_EMAIL)[-1]  # of the notice that an operator has opened it
    assert deny(path).page.status_code == 429 and not is_frozen(YOUSSEF)


# --- what a frozen account is


def test_a_frozen_account_opens_to_nothing_but_a_recovery(cast, post, clock):
    before = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    old = post.secret(YOUSSEF_EMAIL)
    holder = Visitor().sign_in(YOUSSEF.login, old)
    assert holder.path == "/password/expired/"
    home(YOUSSEF)
    deny(links(post, YOUSSEF_EMAIL)[-1])
    right = home(YOUSSEF)
    assert right.page.status_code == 422 and shows(right, "problem.frozen") and not right.signed_in
    assert shows(right.get("/recovery/"), "recovery.title") and YOUSSEF.login in right.html
    assert before.sign_in(YOUSSEF.login, old).path == "/sign-in/", "a temporary password of before is dead"
    assert holder.get("/password/change/").path == "/sign-in/", "and so is what it opened"
    clock.advance(minutes=2)
    assert recover(post, YOUSSEF, YOUSSEF_EMAIL, NEW).signed_in
    told = [one for one in audit_log.of_person(facts(YOUSSEF).id) if one.event == "password_recovered"]
    assert [one.outcome for one in told] == ["reopened"]


def test_a_wrong_password_gets_the_same_bytes_for_a_frozen_and_an_unknown_account(cast, post):
    home(YOUSSEF)
    deny(links(post, YOUSSEF_EMAIL)[-1])
    pages = {plain(Visitor().sign_in(login, "Mauvais-mot-1!")) for login in (YOUSSEF.login, FATIMA.login, STRANGER)}
    assert len(pages) == 1


def test_tokens_of_sites_and_known_devices_end_with_the_freeze(cast, post, clock):
    owner = home(YOUSSEF)
    person, moment = facts(YOUSSEF), int(clock().timestamp())
    session = Session.objects.get(person_id=person.id, ended_at=None).id
    for number, offline in enumerate((False, True)):
        of_a_site = sites.GrantFacts(0, f"site{number}", "s", "openid", moment, moment + 3600, person.id, session)
        sites.grants.open_grant(of_a_site._replace(offline=offline))
    deny(links(post, YOUSSEF_EMAIL)[-1])
    assert Grant.objects.filter(person_id=person.id).count() == 2
    assert not Grant.objects.filter(person_id=person.id, ended_at=0).exists()
    assert owner.cookies["massar-devices"], "the browser still has it, and it is a stranger's"
    clock.advance(minutes=1)
    freeze_account.reopen(person=facts(YOUSSEF), reason="recognised", now=clock())
    before = len(links(post, YOUSSEF_EMAIL))
    assert owner.sign_in(YOUSSEF.login, YOUSSEF.password).signed_in
    assert len(links(post, YOUSSEF_EMAIL)) == before + 1, "its next sign-in is one of a new device"


def test_enabling_a_disabled_account_does_not_thaw_it(cast, post, clock):
    home(YOUSSEF)
    deny(links(post, YOUSSEF_EMAIL)[-1])
    assert people.directory.disable(facts(YOUSSEF).id) and people.directory.enable(facts(YOUSSEF).id)
    assert shows(home(YOUSSEF), "problem.frozen")


def test_an_operator_freezes_and_reopens_with_a_reason(cast, post, clock):
    owner, person = home(YOUSSEF), facts(YOUSSEF)
    assert freeze_account.by_operator(person=person, reason="called", now=clock()) == outcomes.Done()
    assert freeze_account.by_operator(person=person, reason="", now=clock()) == outcomes.AccountFrozen()
    assert not owner.signed_in and is_frozen(YOUSSEF)
    assert freeze_account.reopen(person=person, reason="showed a card", now=clock()) == outcomes.Done()
    assert freeze_account.reopen(person=person, reason="", now=clock()) == outcomes.Gone()
    told = {one.event: (one.outcome, one.detail["reason"]) for one in audit_log.of_person(person.id, limit=2)}
    assert told == {
        "account_frozen": ("by_operator", "called"), "account_reopened": ("by_operator", "showed a card")
    }  # fmt: skip
    assert not owner.signed_in and home(YOUSSEF).signed_in


def test_the_factor_of_a_thief_goes_at_the_help_desk(cast, post, clock, capsys):
    """The thief had the password, and added an app. The owner's link freezes, and takes no factor away; the recovery
    asks for one that the owner never had. The desk removes it, and the same recovery opens."""
    thief = home(YOUSSEF)
    add_app(thief, YOUSSEF.password, clock)
    deny(links(post, YOUSSEF_EMAIL)[-1])
    clock.advance(minutes=2)
    owner = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    secret = post.secret(YOUSSEF_EMAIL)
    assert owner.sign_in(YOUSSEF.login, secret).path == "/sign-in/second/"
    person = facts(YOUSSEF)
    order = Namespace(action="drop-factors", logins=[YOUSSEF.login], reason="showed a card")
    assert command.run(order) == 0 and "a recovery opens it" in capsys.readouterr().out
    assert command.run(order) == 0 and "had no second factor" in capsys.readouterr().out
    assert is_frozen(YOUSSEF) and factors.backup.left(person.id) == 0
    event = audit_log.of_person(person.id, limit=1)[0]
    assert (event.event, event.outcome, event.detail["reason"]) == ("factors_dropped", "by_operator", "showed a card")
    assert any("assistance" in m.subject for m in post.messages(YOUSSEF_EMAIL))
    assert owner.sign_in(YOUSSEF.login, secret).change(secret, NEW).signed_in and not is_frozen(YOUSSEF)


def test_the_desk_s_removal_ends_what_is_open(cast, post, clock):
    thief = home(YOUSSEF)
    add_app(thief, YOUSSEF.password, clock)
    half_done = home(YOUSSEF)
    assert half_done.path == "/sign-in/second/"
    assert lose_factors.by_operator(person=facts(YOUSSEF), reason="called", now=clock()) == outcomes.Done()
    assert not thief.signed_in and half_done.get("/sign-in/second/").path == "/sign-in/"
    assert home(YOUSSEF).signed_in, "the password alone"


# --- contacts of the suspicious time


def test_the_contact_that_a_thief_added_an_hour_ago_does_not_open_it(cast, post, clock):
    """A newcomer without contacts: what was proved counts at once, and would bring the thief a temporary password."""
    thief = home(JAMAL)
    prove_contact(save_contact(thief, JAMAL.password, email=THIEF), post, THIEF)
    assert counting(JAMAL, clock) == {THIEF}
    clock.advance(hours=1)
    deny(links(post, JAMAL.login)[0])  # of the sign-in
    assert counting(JAMAL, clock) == set()
    clock.advance(minutes=2)
    Visitor().ask(JAMAL.login, email=THIEF)
    assert secrets(post, THIEF) == [] and is_frozen(JAMAL)


def test_a_contact_of_the_suspicious_time_opens_nothing_even_when_it_counts_by_now(cast, post, clock):
    """The owner reads the mail late. Nothing that has ended comes back by a link: who holds it may be the thief."""
    thief = home(KHADIJA)
    prove_contact(save_contact(thief, KHADIJA.password, email=THIEF), post, THIEF)
    path = links(post, KHADIJA.login)[-1]  # of the change that waits
    clock.advance(hours=80)
    assert counting(KHADIJA, clock) == {THIEF}
    deny(path)
    assert counting(KHADIJA, clock) == set()
    assert "وسائل أُلغيت: t" in post.messages(KHADIJA.login)[-1].text
    clock.advance(minutes=2)
    Visitor().ask(KHADIJA.login, email=THIEF)
    assert secrets(post, THIEF) == [] and is_frozen(KHADIJA)


def test_a_removal_that_waits_is_taken_back(cast, post, clock):
    thief = home(KHADIJA).get("/profile/")
    thief.submit(re.search(r'action="(/profile/contacts/\d+/remove/)"', thief.html)[1], password=KHADIJA.password)
    deny(links(post, KHADIJA_EMAIL)[-1])
    clock.advance(hours=80)
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL}
    assert recover(post, KHADIJA, KHADIJA_EMAIL, NEW).signed_in


def test_contacts_from_before_and_those_that_came_with_the_account_stay(cast, post, clock):
    prove_contact(save_contact(home(JAMAL), JAMAL.password, phone=PHONE), post, E164)
    clock.advance(hours=73)
    home(JAMAL), home(FATIMA)
    deny(links(post, JAMAL.login)[-1]), deny(links(post, FATIMA.login)[-1])
    assert counting(JAMAL, clock) == {E164} and counting(FATIMA, clock) == {FATIMA_PHONE}


def test_a_half_done_change_of_contacts_ends(cast, post, clock):
    thief = save_contact(home(KHADIJA), KHADIJA.password, email=THIEF)
    code = post.code(THIEF)
    proving = re.search(r'action="(/profile/contacts/\d+/prove/)"', thief.get("/profile/").html)[1]
    deny(links(post, KHADIJA_EMAIL)[-1])
    thief.client.post(proving, {"code": code, "csrfmiddlewaretoken": thief.token})
    assert not Contact.objects.filter(person_id=facts(KHADIJA).id, state="proposed").exists()
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL}


# --- the history


def test_the_history_tells_sign_ins_and_changes_by_pages_of_twenty(cast, post, clock):
    here = home(FATIMA)
    for number in range(22):
        clock.advance(minutes=1)
        for _ in range({18: 1, 19: 1, 20: 1, 21: 3}.get(number, 0)):
            Visitor().sign_in(FATIMA.login, f"Mauvais-mot-{number}!")
        clock.advance(minutes=1)
        here.submit("/sign-out/").sign_in(FATIMA.login, FATIMA.password)
    first = here.get("/devices/history/")
    cards = first.html.count('<li class="card session">')
    assert cards == 20 and shows(first, "strength.password") and "127.0.0.0/24" in shown(first)
    assert "3 محاولات مرفوضة" in shown(first), "refused tries are one line with their number"
    counts, told = [], set()
    while True:
        counts.append(here.html.count('<li class="card session">'))
        told |= set(re.findall(r"\d\d:\d\d", shown(here)))
        older = re.search(r'href="(/devices/history/\?before=\d+)"', here.html)
        if older is None:
            break
        here.get(older[1])
    assert counts == [20, 20, 9], "the sign-in, then 22 times a sign-out and a sign-in, four times with tries before"
    assert len(told) == 27, "nothing is left out between two pages"
    assert here.get("/devices/history/?before=x").page.status_code == 200


@pytest.mark.both_databases
def test_a_line_of_the_history_leads_to_the_same_freeze(cast, post, clock):
    owner, thief = home(YOUSSEF), home(YOUSSEF)
    page = owner.get("/devices/history/")
    assert page.html.count("/not-me/") == 2 and len(re.findall(r'action="(/devices/\d+/end/)"', page.html)) == 1
    deny(re.search(r'href="(/not-me/[^"]+)"', page.html)[1])
    assert is_frozen(YOUSSEF) and not owner.signed_in and not thief.signed_in
    clock.advance(minutes=2)
    back = recover(post, YOUSSEF, YOUSSEF_EMAIL, NEW).get("/devices/history/")
    assert shows(back, "activity.account_frozen") and shows(back, "strength.temporary")
    assert back.html.count("/not-me/") == 2, "what is said of the time before is settled"
    stranger = home(FATIMA).get("/devices/history/")
    assert not shows(stranger, "activity.account_frozen")


# --- notices


def test_every_notice_by_mail_has_the_link_and_none_by_sms(cast, post, clock):
    fatima = home(FATIMA)
    prove_contact(save_contact(fatima, FATIMA.password, email="fatima@example.org"), post, "fatima@example.org")
    clock.advance(minutes=5)
    fatima.submit(re.search(r'action="(/profile/contacts/\d+/cancel/)"', fatima.get("/profile/").html)[1])
    fatima.change(FATIMA.password, NEW)
    mails, texts = post.messages(FATIMA.login, new_devices=True), post.messages(FATIMA_PHONE, new_devices=True)
    assert len(mails) == 4 and len(links(post, FATIMA.login)) == 4
    assert texts and not any(LINK.search(m.text) or "http" in m.text for m in texts)
    assert len(texts) == 3, "a new device is told by mail alone"


def test_a_sign_in_on_a_new_device_is_told_within_a_limit(cast, post, clock):
    known = home(YOUSSEF)
    for _ in range(3):
        known.submit("/sign-out/").sign_in(YOUSSEF.login, YOUSSEF.password)
    assert len(links(post, YOUSSEF_EMAIL)) == len(links(post, YOUSSEF.login)) == 1
    for _ in range(10):
        home(YOUSSEF)
    assert len(links(post, YOUSSEF_EMAIL)) == limits.rate_limits.NOTICE_NEW_DEVICE.burst
    clock.advance(hours=8)
    home(YOUSSEF)
    assert len(links(post, YOUSSEF_EMAIL)) == limits.rate_limits.NOTICE_NEW_DEVICE.burst + 1


# --- what has begun before


def frozen_while(monkeypatch, room, name: str, path: str) -> None:
    """The owner presses the button right after the next call of that function."""
    usual, done = getattr(room, name), []

    def then(*args, **named):
        answer = usual(*args, **named)
        if not done:
            done.append(True)
            deny(path)
        return answer

    monkeypatch.setattr(room, name, then)


def test_atk_057_a_sign_in_that_is_being_verified_does_not_outlive_the_freeze(cast, post, monkeypatch):
    home(YOUSSEF)
    frozen_while(monkeypatch, credentials.passwords, "is_right", links(post, YOUSSEF_EMAIL)[-1])
    late = home(YOUSSEF)
    assert is_frozen(YOUSSEF) and not late.signed_in
    assert not Session.objects.filter(person_id=facts(YOUSSEF).id, ended_at=None).exists()


def test_atk_057_a_change_of_the_password_that_is_being_verified_does_not_outlive_the_freeze(cast, post, monkeypatch):
    thief = home(YOUSSEF)
    before = credentials.passwords.stored(facts(YOUSSEF).id).phc
    frozen_while(monkeypatch, credentials.passwords, "is_right", links(post, YOUSSEF_EMAIL)[-1])
    thief.change(YOUSSEF.password, NEW)
    assert is_frozen(YOUSSEF) and not thief.signed_in
    assert credentials.passwords.stored(facts(YOUSSEF).id).phc == before


def test_atk_057_a_recovery_that_changes_meanwhile_does_not_open_what_is_frozen(cast, post, clock, monkeypatch):
    """Its secret went out before; the new password is being judged while the owner freezes."""
    home(YOUSSEF)
    visitor = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    secret = post.secret(YOUSSEF_EMAIL)
    visitor.sign_in(YOUSSEF.login, secret)
    frozen_while(monkeypatch, credentials.passwords, "hash_password", links(post, YOUSSEF_EMAIL)[-1])
    visitor.change(secret, NEW)
    assert is_frozen(YOUSSEF) and not visitor.signed_in and visitor.path == "/sign-in/"


def test_a_disabled_account_stays_shut_frozen_or_not(cast, post, clock):
    home(YOUSSEF)
    deny(links(post, YOUSSEF_EMAIL)[-1])
    people.directory.disable(facts(YOUSSEF).id)
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    assert secrets(post, YOUSSEF_EMAIL) == []
    assert shows(home(YOUSSEF), "problem.wrong")
