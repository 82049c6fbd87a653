"""Numbers are given to other people: a phone that was not proved for a year is asked for, and is then the last to be
used."""

from datetime import timedelta

import pytest

from massar.domain.people import api as people
from massar.domain.people.models import PHONE_ASKED, PHONE_SERVES, Contact
from massar.journeys.account import lose_factors
from tests.cast import FATIMA, FATIMA_PHONE, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.steps import shows
from tests.support.visitor import TEMPORARY, Visitor

pytestmark = pytest.mark.both_databases
PHONE = "+212662000333"  # Youssef's second contact


def says(visitor: Visitor, id: str) -> bool:
    return any(shows(visitor, id, language) for language in ("ar", "fr"))


def proved(person, value: str, ago: timedelta, clock) -> Contact:
    """The person's phone, as if it had been proved so long ago."""
    found = next(c for c in people.contacts.of_person(facts(person).id, clock()) if c.value == value)
    Contact.objects.filter(pk=found.pk).update(proved_at=clock() - ago)
    return found


@pytest.mark.parametrize(
    ("ago", "asked", "sent"),
    [(PHONE_SERVES - timedelta(seconds=1), False, True), (PHONE_SERVES, True, True),
     (PHONE_SERVES + PHONE_ASKED - timedelta(seconds=1), True, True), (PHONE_SERVES + PHONE_ASKED, True, False)],
)  # fmt: skip
def test_atk_056_an_old_phone_is_asked_for_and_then_left_alone(cast, post, clock, ago, asked, sent):
    """ATK-056: to the second; and where another contact counts. Whoever asks sees no difference."""
    proved(YOUSSEF, PHONE, ago, clock)
    home = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    assert says(home, "home.phone_old") is asked
    assert says(home.get("/profile/"), "contact.phone_old") is asked
    stranger = Visitor().ask(YOUSSEF.login, phone=PHONE)
    assert stranger.path == "/recovery/asked/"
    assert any(TEMPORARY.search(m.text) for m in post.messages(PHONE)) is sent
    assert Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL).path == "/recovery/asked/" and post.secret(YOUSSEF_EMAIL)
    kinds = {one.kind for one in lose_factors.contacts_of(facts(YOUSSEF), now=clock())}
    assert kinds == ({"email", "phone"} if sent else {"email"})


def test_atk_056_typing_it_again_proves_it_at_once(cast, post, clock):
    """ATK-056: the contact is the same one; nothing waits, since nothing changes."""
    old = proved(YOUSSEF, PHONE, PHONE_SERVES + PHONE_ASKED, clock)
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    visitor.get("/profile/").submit("/profile/", phone="0662000333", password=YOUSSEF.password)
    prove = next(part for part in visitor.html.split('"') if part.endswith("/prove/"))
    visitor.submit(prove, code=post.code(PHONE))
    assert not says(visitor.get("/"), "home.phone_old")
    kept = people.contacts.by_id(old.pk, facts(YOUSSEF).id)
    assert (
        kept.proved_at == clock() and kept.counts(clock()) and people.contacts.usable(facts(YOUSSEF).id, clock())[-1].pk
    )
    visitor.get("/profile/").submit("/profile/", phone="0662000333", password=YOUSSEF.password)
    assert says(visitor, "flash.saved_nothing"), "not twice"


def test_atk_056_who_has_nothing_else_is_not_locked_out(cast, post, clock):
    """ATK-056: the only contact goes on serving, and home goes on asking."""
    proved(FATIMA, FATIMA_PHONE, 3 * PHONE_SERVES, clock)
    assert says(Visitor().sign_in(FATIMA.login, FATIMA.password), "home.phone_old")
    visitor = Visitor().ask(FATIMA.login, phone=FATIMA_PHONE)
    assert "current" in visitor.sign_in(FATIMA.login, post.secret(FATIMA_PHONE)).get("/password/change/").html


def test_the_field_of_the_phone_says_what_it_risks_and_what_is_better(cast):
    """ASVS 6.6.1: in each language, with a way to what protects better."""
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    for language in ("ar", "fr", "en"):
        visitor.client.cookies["massar-language"] = language
        assert shows(visitor.get("/profile/"), "profile.phone_risk", language)
        assert shows(visitor, "profile.phone_safer", language) and 'href="/profile/security/"' in visitor.html
