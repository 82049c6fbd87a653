"""Seventy-two hours: what counts when, after additions, changes, removals, recoveries, and after taking them back.

Decision 10: a session that somebody borrowed must not become a way into the account for good.
"""

from __future__ import annotations

import pytest

from massar.domain.people import api as people
from massar.domain.people.models import Contact
from massar.interfaces.demo.cast import FATIMA, JAMAL, KHADIJA, YOUSSEF
from tests.cast import FATIMA_PHONE, KHADIJA_EMAIL, YOUSSEF_EMAIL, facts
from tests.support.steps import actions, prove_contact, save_contact, secrets, shows
from tests.support.visitor import Visitor

PHONE, E164 = "0661123456", "+212661123456"
OTHER, OTHER_E164 = "0661777888", "+212661777888"
NEW = "Tamarin&6048-oued"


def home(person):
    return Visitor().sign_in(person.login, person.password)


def add(person, post, to, **contact):
    visitor = home(person)
    save_contact(visitor, person.password, **contact)
    return prove_contact(visitor, post, to)


def counting(person, clock) -> set[str]:
    return {c.value for c in people.contacts.of_person(facts(person).id, clock()) if c.counts(clock())}


def asks(person, post, to, **contact) -> bool:
    """Whether asking by that contact brings a message now."""
    before = len(secrets(post, to))
    Visitor().ask(person.login, **contact)
    return len(secrets(post, to)) > before


def test_a_changed_phone_counts_after_72_hours_and_the_old_one_until_then(cast, post, clock):
    add(FATIMA, post, E164, phone=PHONE)
    clock.advance(hours=71, minutes=59)
    assert not asks(FATIMA, post, E164, phone=PHONE)
    assert asks(FATIMA, post, FATIMA_PHONE, phone=FATIMA.phone)
    clock.advance(minutes=1)
    assert asks(FATIMA, post, E164, phone=PHONE)
    assert not asks(FATIMA, post, FATIMA_PHONE, phone=FATIMA.phone)


def test_a_change_taken_back_leaves_the_old_one(cast, post, clock):
    visitor = add(FATIMA, post, E164, phone=PHONE)
    visitor.submit(actions(visitor, "/cancel/")[0])
    assert shows(visitor, "flash.contact_cancelled")
    clock.advance(hours=100)
    assert counting(FATIMA, clock) == {FATIMA_PHONE}


def test_the_link_of_the_notice_takes_the_change_back(cast, post, clock):
    add(KHADIJA, post, "thief@example.org", email="thief@example.org")
    (mail,) = [m for m in post.messages(KHADIJA_EMAIL) if "/contacts/cancel/" in m.text]
    path = mail.text.split("http://localhost:8000")[1].split()[0]
    owner = Visitor().get(path)
    assert owner.page.status_code == 200 and shows(owner, "cancel.question")
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL}
    assert Contact.objects.filter(state="proved", person_id=facts(KHADIJA).id).count() == 2, (
        "looking changes nothing"
    )
    owner.submit(path)
    assert shows(owner, "cancel.done")
    assert shows(owner.get(path), "cancel.gone"), "a link is good once"
    clock.advance(hours=100)
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL}


def test_the_link_is_of_no_use_once_the_change_counts(cast, post, clock):
    add(KHADIJA, post, "khadija.new@example.org", email="khadija.new@example.org")
    (mail,) = [m for m in post.messages(KHADIJA_EMAIL) if "/contacts/cancel/" in m.text]
    path = mail.text.split("http://localhost:8000")[1].split()[0]
    clock.advance(hours=72)
    owner = Visitor().get(path)
    assert shows(owner, "cancel.gone") and actions(owner, path) == []
    assert counting(KHADIJA, clock) == {"khadija.new@example.org"}


@pytest.mark.parametrize(
    "change",
    [lambda t: t[:-2] + "0/", lambda t: t.replace("-", "--", 1), lambda t: "/contacts/cancel/1-2-3-4/"],
)
def test_a_link_that_was_edited_opens_nothing(cast, post, change):
    add(KHADIJA, post, "new@example.org", email="new@example.org")
    (mail,) = [m for m in post.messages(KHADIJA_EMAIL) if "/contacts/cancel/" in m.text]
    path = mail.text.split("http://localhost:8000")[1].split()[0]
    edited = change(path)
    if edited == path:
        edited = path[:-2] + "1/"
    assert shows(Visitor().get(edited), "cancel.gone")


def test_a_second_kind_waits_too(cast, post, clock):
    add(KHADIJA, post, E164, phone=PHONE)
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL}
    clock.advance(hours=72)
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL, E164}


def test_a_waiting_change_replaced_by_another_leaves_no_gap(cast, post, clock):
    """The first contact stays until the one that really takes its place counts."""
    add(FATIMA, post, E164, phone=PHONE)
    clock.advance(hours=48)
    add(FATIMA, post, OTHER_E164, phone=OTHER)
    clock.advance(hours=25)
    assert counting(FATIMA, clock) == {FATIMA_PHONE}, (
        "the replaced change never counts; the old phone still does"
    )
    clock.advance(hours=47)
    assert counting(FATIMA, clock) == {OTHER_E164}


def test_replacing_and_then_cancelling_restores_the_first(cast, post, clock):
    add(FATIMA, post, E164, phone=PHONE)
    clock.advance(hours=48)
    visitor = add(FATIMA, post, OTHER_E164, phone=OTHER)
    visitor.submit(actions(visitor, "/cancel/")[0])
    clock.advance(hours=200)
    assert counting(FATIMA, clock) == {FATIMA_PHONE}


def test_cancelling_a_change_does_not_take_back_a_removal(cast, post, clock):
    visitor = home(FATIMA).get("/profile/")
    visitor.submit(actions(visitor, "/remove/")[0], password=FATIMA.password)
    clock.advance(hours=1)
    visitor = add(FATIMA, post, E164, phone=PHONE)
    new = Contact.objects.get(person_id=facts(FATIMA).id, counts_from__gt=clock())
    visitor.submit(f"/profile/contacts/{new.pk}/cancel/")
    clock.advance(hours=72)
    assert counting(FATIMA, clock) == set(), "the removal was asked for by itself and stands"


def test_a_removal_comes_about_after_72_hours_unless_taken_back(cast, post, clock):
    visitor = home(YOUSSEF).get("/profile/")
    visitor.submit(actions(visitor, "/remove/")[0], password=YOUSSEF.password)
    clock.advance(hours=71)
    assert YOUSSEF_EMAIL in counting(YOUSSEF, clock)
    clock.advance(hours=1)
    assert counting(YOUSSEF, clock) == {"+212662000333"}
    visitor = home(YOUSSEF).get("/profile/")
    visitor.submit(actions(visitor, "/remove/")[0], password=YOUSSEF.password)
    visitor.submit(actions(visitor, "/cancel/")[0])
    clock.advance(hours=100)
    assert counting(YOUSSEF, clock) == {"+212662000333"}


def test_removing_everything_is_no_way_round_the_wait(cast, post, clock):
    """After the last contact is gone a new one still waits until 72 h have passed without any."""
    visitor = home(FATIMA).get("/profile/")
    visitor.submit(actions(visitor, "/remove/")[0], password=FATIMA.password)
    clock.advance(hours=72, minutes=1)
    assert counting(FATIMA, clock) == set()
    add(FATIMA, post, E164, phone=PHONE)
    assert counting(FATIMA, clock) == set(), "a contact ended a minute ago"
    clock.advance(hours=72)
    assert counting(FATIMA, clock) == {E164}


def test_after_72_hours_without_any_contact_a_new_one_counts_at_once(cast, post, clock):
    visitor = home(FATIMA).get("/profile/")
    visitor.submit(actions(visitor, "/remove/")[0], password=FATIMA.password)
    clock.advance(hours=145)
    add(FATIMA, post, E164, phone=PHONE)
    assert counting(FATIMA, clock) == {E164}


def test_two_contacts_of_a_newcomer_the_first_counts_the_second_waits(cast, post, clock):
    jamal = home(JAMAL)
    save_contact(jamal, JAMAL.password, phone=PHONE, email="jamal@example.org")
    mail, phone = actions(jamal, "/prove/")
    jamal.submit(mail, code=post.code("jamal@example.org"))
    jamal.submit(phone, code=post.code(E164))
    assert shows(jamal, "flash.contact_waits")
    assert counting(JAMAL, clock) == {"jamal@example.org"}


def test_a_recovery_cancels_what_waits_and_freezes(cast, post, clock):
    thief = add(KHADIJA, post, E164, phone=PHONE)
    save_contact(thief, KHADIJA.password, email="thief@example.org")
    owner = Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL)
    secret = post.secret(KHADIJA_EMAIL)
    owner.sign_in(KHADIJA.login, secret).change(secret, NEW)
    assert owner.signed_in and not thief.signed_in
    assert [c.value for c in people.contacts.of_person(facts(KHADIJA).id, clock())] == [KHADIJA_EMAIL]
    owner.get("/profile/")
    assert shows(owner, "profile.frozen") and actions(owner, "/profile/") == []
    assert actions(owner, "/remove/") == []
    clock.advance(hours=72)
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL}
    again = Visitor().sign_in(KHADIJA.login, NEW)
    save_contact(again, NEW, phone=OTHER)
    assert shows(again, "flash.code_sent"), "thawed"


def test_a_recovery_takes_a_removal_back(cast, post, clock):
    thief = home(YOUSSEF).get("/profile/")
    thief.submit(actions(thief, "/remove/")[0], password=YOUSSEF.password)
    owner = Visitor().ask(YOUSSEF.login, phone=YOUSSEF.phone)
    secret = post.secret("+212662000333")
    owner.sign_in(YOUSSEF.login, secret).change(secret, NEW)
    clock.advance(hours=100)
    assert YOUSSEF_EMAIL in counting(YOUSSEF, clock)


def test_frozen_contacts_refuse_posts_too_and_still_receive(cast, post, clock):
    """The form is gone, but a form that was open before must find the door closed as well."""
    page = home(FATIMA).get("/profile/")
    early = page.page
    owner = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret(FATIMA_PHONE)
    owner.sign_in(FATIMA.login, secret).change(secret, NEW)
    token = owner.get("/profile/").html.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    owner.client.post(
        "/profile/", {"csrfmiddlewaretoken": token, "phone": OTHER, "email": "", "password": NEW}
    )
    contact = Contact.objects.get(person_id=facts(FATIMA).id)
    owner.client.post(
        f"/profile/contacts/{contact.pk}/remove/", {"csrfmiddlewaretoken": token, "password": NEW}
    )
    contact.refresh_from_db()
    assert contact.ends_at is None and Contact.objects.filter(person_id=facts(FATIMA).id).count() == 1
    assert early.status_code == 200
    clock.advance(minutes=30)
    assert asks(FATIMA, post, FATIMA_PHONE, phone=FATIMA.phone), "they still receive"


def test_a_clock_that_jumps_does_not_let_a_contact_count_early(cast, post, clock):
    add(FATIMA, post, E164, phone=PHONE)
    clock.advance(hours=-5)
    assert counting(FATIMA, clock) <= {FATIMA_PHONE}
    clock.advance(hours=5 + 71)
    assert counting(FATIMA, clock) == {FATIMA_PHONE}


def test_the_same_number_again_while_it_is_leaving_is_kept_by_the_button(cast, post, clock):
    visitor = home(FATIMA).get("/profile/")
    visitor.submit(actions(visitor, "/remove/")[0], password=FATIMA.password)
    visitor.submit(actions(visitor, "/cancel/")[0])
    assert shows(visitor, "flash.contact_cancelled")
    clock.advance(hours=100)
    assert counting(FATIMA, clock) == {FATIMA_PHONE}
