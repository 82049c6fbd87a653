"""Seventy-two hours: what counts when, after additions, changes, removals, recoveries, and after taking them back.

Decision 10: a session that somebody borrowed must not become a way into the account for good.
"""

import pytest

from massar.domain.people import api as people
from massar.domain.people.models import Contact
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, KHADIJA_EMAIL, NEW, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.steps import actions, home, prove_contact, recover, save_contact, secrets, shown, shows
from tests.support.visitor import Visitor

PHONE, E164 = "0661123456", "+212661123456"
EMAIL = "jamal@example.org"
OTHER, OTHER_E164 = "0661777888", "+212661777888"
WAITS = "بعد التأكيد بـ 72 ساعة"


def add(person, post, to, **contact):
    """A new browser saves a contact and proves it."""
    return prove_contact(save_contact(home(person), person.password, **contact), post, to)


def remove(person):
    """A new browser asks for the first contact to be removed."""
    visitor = home(person).get("/profile/")
    return visitor.submit(actions(visitor, "/remove/")[0], password=person.password)


def link_of(post) -> str:
    """The link of the notice that takes Khadija's change back."""
    mail = [m for m in post.messages(KHADIJA_EMAIL) if "/contacts/cancel/" in m.text][-1]
    return mail.text.split("http://localhost:8000")[1].split()[0]


def newcomer():
    """Jamal has no contact yet, and saves both."""
    return save_contact(home(JAMAL), JAMAL.password, phone=PHONE, email=EMAIL)


def counting(person, clock) -> set[str]:
    return {c.value for c in people.contacts.of_person(facts(person).id, clock()) if c.counts(clock())}


def asks(person, post, to, **contact) -> bool:
    """Whether asking by that contact brings a message now."""
    before = len(secrets(post, to))
    Visitor().ask(person.login, **contact)
    return len(secrets(post, to)) > before


def test_atk_053_a_changed_phone_counts_after_72_hours_and_the_old_one_until_then(cast, post, clock):
    add(FATIMA, post, E164, phone=PHONE)
    clock.advance(hours=-5)
    assert counting(FATIMA, clock) <= {FATIMA_PHONE}, "a clock that jumps lets nothing count early"
    clock.advance(hours=5 + 71, minutes=59)
    assert not asks(FATIMA, post, E164, phone=PHONE)
    assert asks(FATIMA, post, FATIMA_PHONE, phone=FATIMA.phone)
    clock.advance(minutes=1)
    assert asks(FATIMA, post, E164, phone=PHONE)
    assert not asks(FATIMA, post, FATIMA_PHONE, phone=FATIMA.phone)


def test_the_link_of_the_notice_takes_the_change_back_until_it_counts(cast, post, clock):
    add(KHADIJA, post, "thief@example.org", email="thief@example.org")
    path = link_of(post)
    last = "1" if path[-2] == "0" else "0"
    for edited in (f"{path[:-2]}{last}/", path.replace("-", "--", 1), "/contacts/cancel/1-2-3-4/"):
        assert shows(Visitor().get(edited), "cancel.gone")
    owner = Visitor().get(path)
    assert owner.page.status_code == 200 and shows(owner, "cancel.question")
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL}
    assert Contact.objects.filter(state="proved", person_id=facts(KHADIJA).id).count() == 2, "looking changes nothing"
    owner.submit(path)
    assert shows(owner, "cancel.done")
    assert shows(owner.get(path), "cancel.gone"), "a link is good once"
    clock.advance(hours=100)
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL}
    add(KHADIJA, post, "new@example.org", email="new@example.org")
    path = link_of(post)
    clock.advance(hours=72)
    owner = Visitor().get(path)
    assert shows(owner, "cancel.gone") and actions(owner, path) == []
    assert counting(KHADIJA, clock) == {"new@example.org"}


def test_a_second_kind_waits_too_and_says_why_and_until_when(cast, post, clock):
    khadija = home(KHADIJA).get("/profile/")
    assert WAITS in shown(khadija) and not shows(khadija, "profile.both")
    prove_contact(save_contact(khadija, KHADIJA.password, phone=PHONE), post, E164)
    assert all(shows(khadija, id) for id in ("flash.contact_waits", "contact.waits_why", "contact.counts_from"))
    assert "18 فبراير 2026" in shown(khadija), "72 hours on, as a date"
    assert link_of(post) and len(post.messages(KHADIJA.login)) == 1, "the institution mailbox hears of it too"
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL}
    clock.advance(hours=72)
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL, E164}
    assert shows(home(JAMAL).get("/profile/"), "profile.both")


@pytest.mark.both_databases
def test_a_waiting_change_replaced_by_another_leaves_no_gap(cast, post, clock):
    """The first contact stays until the one that really takes its place counts."""
    add(FATIMA, post, E164, phone=PHONE)
    clock.advance(hours=48)
    add(FATIMA, post, OTHER_E164, phone=OTHER)
    clock.advance(hours=25)
    assert counting(FATIMA, clock) == {FATIMA_PHONE}, "the replaced change never counts; the old phone still does"
    clock.advance(hours=47)
    assert counting(FATIMA, clock) == {OTHER_E164}


def test_a_change_taken_back_leaves_the_first_one_also_when_it_had_replaced_another(cast, post, clock):
    for number, value in ((PHONE, E164), (OTHER, OTHER_E164)):
        visitor = add(FATIMA, post, value, phone=number)
        clock.advance(hours=48)
    visitor = home(FATIMA).get("/profile/")
    visitor.submit(actions(visitor, "/cancel/")[0])
    assert shows(visitor, "flash.contact_cancelled")
    clock.advance(hours=200)
    assert counting(FATIMA, clock) == {FATIMA_PHONE}


def test_cancelling_a_change_does_not_take_back_a_removal(cast, post, clock):
    visitor = remove(FATIMA)
    clock.advance(hours=1)
    visitor = add(FATIMA, post, E164, phone=PHONE)
    new = Contact.objects.get(person_id=facts(FATIMA).id, counts_from__gt=clock())
    visitor.submit(f"/profile/contacts/{new.pk}/cancel/")
    clock.advance(hours=72)
    assert counting(FATIMA, clock) == set(), "the removal was asked for by itself and stands"


def test_a_removal_comes_about_after_72_hours_unless_taken_back(cast, post, clock):
    visitor = remove(YOUSSEF)
    clock.advance(hours=71)
    assert YOUSSEF_EMAIL in counting(YOUSSEF, clock)
    clock.advance(hours=1)
    assert counting(YOUSSEF, clock) == {"+212662000333"}
    visitor = remove(YOUSSEF)
    visitor.submit(actions(visitor, "/cancel/")[0])
    assert shows(visitor, "flash.contact_cancelled", "fr")
    clock.advance(hours=100)
    assert counting(YOUSSEF, clock) == {"+212662000333"}


def test_removing_everything_is_no_way_round_the_wait(cast, post, clock):
    """After the last contact is gone a new one still waits until 72 h have passed without any."""
    for person in (FATIMA, KHADIJA):
        remove(person)
    clock.advance(hours=72, minutes=1)
    assert counting(FATIMA, clock) == set()
    add(FATIMA, post, E164, phone=PHONE)
    assert counting(FATIMA, clock) == set(), "a contact ended a minute ago"
    clock.advance(hours=72)
    assert counting(FATIMA, clock) == {E164}
    add(KHADIJA, post, OTHER_E164, phone=OTHER)
    assert counting(KHADIJA, clock) == {OTHER_E164}, "none for 72 hours"


def prove_both(visitor, post, *order):
    """order: of EMAIL and E164. The codes that arrived, typed into the page one after the other."""
    places = dict(zip((EMAIL, E164), actions(visitor.get("/profile/"), "/prove/"), strict=True))
    for to in order:
        visitor.submit(places[to], code=post.code(to))
    return visitor


@pytest.mark.parametrize("order", [(EMAIL, E164), (E164, EMAIL)])
def test_both_contacts_of_a_newcomer_count_together(cast, post, clock, order):
    """The guide's step 3: both fields in one form. Recovery by either opens."""
    jamal = newcomer()
    prove_both(jamal, post, *order)
    assert shows(jamal, "flash.contact_proved")
    assert counting(JAMAL, clock) == {EMAIL, E164}
    assert asks(JAMAL, post, E164, phone=PHONE) and asks(JAMAL, post, EMAIL, email=EMAIL)


@pytest.mark.parametrize(("visits", "told", "counted"), [
    ((20,), "flash.contact_proved", {EMAIL, E164}), ((12, 12), "flash.contact_waits", {E164}),
])  # fmt: skip
def test_what_was_entered_together_may_be_proved_on_the_first_day(cast, post, clock, visits, told, counted):
    jamal = newcomer()
    mail, phone = actions(jamal.get("/profile/"), "/prove/")
    jamal.submit(phone, code=post.code(E164)).submit("/sign-out/")
    for hours in visits:
        clock.advance(hours=hours)
        jamal = home(JAMAL).get("/profile/")
        jamal.submit(actions(jamal, "/resend/")[0])
        post.work()
    jamal.submit(mail, code=post.code(EMAIL))
    assert shows(jamal, told) and shows(jamal, "contact.waits_why") == (len(visits) > 1)
    assert counting(JAMAL, clock) == counted


def test_one_after_the_other_in_the_same_session(cast, post, clock):
    jamal = add(JAMAL, post, E164, phone=PHONE)
    clock.advance(minutes=29)
    assert WAITS not in shown(jamal.get("/profile/"))
    save_contact(jamal, JAMAL.password, email=EMAIL)
    assert shows(prove_contact(jamal, post, EMAIL), "flash.contact_proved")
    assert counting(JAMAL, clock) == {EMAIL, E164}


def test_neither_another_session_of_the_first_day_nor_a_replacement_counts_at_once(cast, post, clock):
    """Somebody else who knows the password adds a contact; the owner changes the first one, which serves meanwhile."""
    jamal = add(JAMAL, post, E164, phone=PHONE)
    assert shows(jamal, "contact.since")
    thief = home(JAMAL)
    save_contact(thief, JAMAL.password, email="thief@example.org")
    assert shows(prove_contact(thief, post, "thief@example.org"), "flash.contact_waits")
    save_contact(jamal, JAMAL.password, phone=OTHER)
    assert shows(prove_contact(jamal, post, OTHER_E164), "flash.contact_waits")
    assert counting(JAMAL, clock) == {E164}


def test_what_another_session_entered_before_the_first_was_proved_waits(cast, post, clock):
    """A thief leaves an unproved contact behind and waits until the owner has proved the first one."""
    thief = home(JAMAL)
    save_contact(thief, JAMAL.password, email="thief@example.org")
    (prove,) = actions(thief, "/prove/")
    owner = home(JAMAL)
    save_contact(owner, JAMAL.password, phone=PHONE)
    phone = next(a for a in actions(owner, "/prove/") if a != prove)
    owner.submit(phone, code=post.code(E164))
    assert shows(thief.submit(prove, code=post.code("thief@example.org")), "flash.contact_waits")
    assert counting(JAMAL, clock) == {E164}


def test_a_borrowed_session_of_somebody_with_contacts_still_waits(cast, post, clock):
    """Contacts that came with the account begin no first day, and neither does one that is proved anew."""
    thief = home(KHADIJA)
    Contact.objects.update(bounced_at=clock())
    save_contact(thief, KHADIJA.password, email=KHADIJA_EMAIL)
    prove_contact(thief, post, KHADIJA_EMAIL)
    save_contact(thief, KHADIJA.password, phone=PHONE)
    assert shows(prove_contact(thief, post, E164), "flash.contact_waits")
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL}


def test_atk_054_a_recovery_cancels_what_waits_and_freezes_and_says_so(cast, post, clock):
    """In the dialog, on the profile with the date, in the notice, and where nothing arrives."""
    thief = add(KHADIJA, post, E164, phone=PHONE)
    save_contact(thief, KHADIJA.password, email="new@example.org")
    owner = Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL)
    assert shows(owner, "asked.waiting")
    secret = post.secret(KHADIJA_EMAIL)
    dialog = owner.sign_in(KHADIJA.login, secret).change(secret, NEW)
    assert not thief.signed_in
    assert [c.value for c in people.contacts.of_person(facts(KHADIJA).id, clock())] == [KHADIJA_EMAIL]
    profile = Visitor().sign_in(KHADIJA.login, NEW).get("/profile/")
    for page in (dialog, profile):
        words = shown(page).replace("\u00a0", " ")
        assert shows(page, "contact.dropped") and "06 61 12 34 56" in words and "new@example.org" in words
        assert "18 فبراير 2026" in words, "from when it can be added again"
    assert shows(profile, "profile.frozen") and actions(profile, "/profile/") == actions(profile, "/remove/") == []
    notice = post.messages(KHADIJA_EMAIL)[-1]
    assert "وسائل أُلغيت" in notice.text and "56" in notice.text and "661123456" not in notice.text
    clock.advance(hours=72)
    assert counting(KHADIJA, clock) == {KHADIJA_EMAIL}
    again = Visitor().sign_in(KHADIJA.login, NEW).get("/profile/")
    assert not shows(again, "contact.dropped") and not shows(again, "profile.frozen")
    assert shows(save_contact(again, NEW, phone=OTHER), "flash.code_sent"), "thawed"


def test_a_removal_that_a_recovery_took_back_is_said(cast, post, clock):
    remove(YOUSSEF)
    owner = recover(post, YOUSSEF, "+212662000333", NEW)
    assert shows(owner, "contact.kept") and not shows(owner, "contact.dropped")
    assert YOUSSEF_EMAIL in shown(owner)
    clock.advance(hours=100)
    assert YOUSSEF_EMAIL in counting(YOUSSEF, clock)


def test_a_recovery_by_the_first_of_two_keeps_the_second(cast, post, clock):
    jamal = newcomer()
    prove_both(jamal, post, E164, EMAIL)
    owner = recover(post, JAMAL, E164, NEW)
    assert not shows(owner, "contact.dropped") and counting(JAMAL, clock) == {EMAIL, E164}
    clock.advance(minutes=21)
    assert asks(JAMAL, post, EMAIL, email=EMAIL)


def test_frozen_contacts_refuse_posts_too_and_still_receive(cast, post, clock):
    """The form is gone, but a form that was open before must find the door closed as well."""
    page = home(FATIMA).get("/profile/")
    early = page.page
    owner = recover(post, FATIMA, FATIMA_PHONE, NEW)
    token = owner.get("/profile/").token
    owner.client.post("/profile/", {"csrfmiddlewaretoken": token, "phone": OTHER, "email": "", "password": NEW})
    contact = Contact.objects.get(person_id=facts(FATIMA).id)
    owner.client.post(f"/profile/contacts/{contact.pk}/remove/", {"csrfmiddlewaretoken": token, "password": NEW})
    contact.refresh_from_db()
    assert contact.ends_at is None and Contact.objects.filter(person_id=facts(FATIMA).id).count() == 1
    assert early.status_code == 200
    clock.advance(minutes=30)
    assert asks(FATIMA, post, FATIMA_PHONE, phone=FATIMA.phone), "they still receive"
