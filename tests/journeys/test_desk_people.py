"""What one agent does alone: find a person, see how the account stands, see a whole contact, start a recovery."""

import logging
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import translation

from massar.core.audit import api as audit_log
from massar.domain.delivery.models import Message, RecoveryRequest
from massar.domain.limits import rate_limits
from massar.domain.people import api as people
from massar.domain.people.models import PHONE_ASKED, PHONE_SERVES, Contact, Person
from massar.interfaces.base.jinja import t
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, KHADIJA_EMAIL, NEW, SALMA, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.desk import As, Role, appoint, at_desk, move, plant
from tests.support.steps import home, shown, shows
from tests.support.visitor import TEMPORARY, Visitor

PEOPLE = "/desk/people/"
LINK = re.compile(r'href="(/desk/people/[^"/]+/)"')


@pytest.fixture
def youssef(cast, clock) -> Visitor:
    """Helps for D07, to which the cast belongs; the page is French."""
    plant()
    appoint(YOUSSEF, Role.DIRECTORATE_DESK, "D07", now=clock())
    return at_desk(YOUSSEF, now=clock())


def search(agent: Visitor, who: str, place: str = "") -> Visitor:
    return agent.get(PEOPLE).submit(PEOPLE, who=who, place=place)


def open_account(agent: Visitor, who: str) -> Visitor:
    [address] = LINK.findall(search(agent, who).html)
    return agent.get(address)


# -- search


@pytest.mark.parametrize("who", [
    "fatima.zahra.alaoui@taalim.ma", "FATIMA.ZAHRA.ALAOUI", "Alaoui Fatima", "العلوي", "فاطمه", "  alaoui  ", "1987654"
])  # fmt: skip
def test_a_person_is_found_by_what_people_know(youssef, who):
    people.directory.add_names(facts(FATIMA).id, [("1987654", "")])
    search(youssef, who)
    assert len(LINK.findall(youssef.html)) == 1 and FATIMA.login in shown(youssef)
    assert "العلوي" in shown(youssef) and "Lycée Ibn Khaldoun" in shown(youssef)


def test_what_was_typed_stands_in_no_address_and_no_log(youssef, caplog):
    with caplog.at_level(logging.DEBUG):
        search(youssef, "Alaoui Fatima")
    assert youssef.path.startswith(f"{PEOPLE}found/") and "laoui" not in youssef.path
    assert "laoui" not in caplog.text.lower() and not re.search(r"alaoui", str(audit_rows()), re.IGNORECASE)
    again = youssef.get(youssef.path)
    assert LINK.search(again.html), "the way back from a person's page leads here"


def audit_rows() -> list[tuple]:
    return [(e.event, e.outcome, dict(e.detail)) for e in audit_log.of_person(facts(YOUSSEF).id)]


@pytest.mark.both_databases
def test_whoever_is_outside_is_nobody(youssef, clock):
    """ATK-135: the same page, by name, by address, by number, for who is not there, and for who does not exist."""
    move(FATIMA, "30000S", now=clock())
    people.directory.add_names(facts(FATIMA).id, [("1987654", "")])
    pages = []
    for who in (FATIMA.login, "fatima.zahra.alaoui", "1987654", "Alaoui", "nobody@taalim.ma", "9999999", "Nobody"):
        search(youssef, who)
        assert shows(youssef, "agent.search.nobody", "fr") and not LINK.search(youssef.html), who
        pages.append(re.sub(r'value="[^"]*"|found/[^"]*', "", youssef.html))
    assert len(set(pages)) == 1


def test_oneself_superiors_and_operators_are_nobody(youssef, clock):
    """ATK-139."""
    appoint(JAMAL, Role.ACADEMY_DESK, "A07", now=clock())
    appoint(KHADIJA, Role.DIRECTORATE_DESK, "D08", now=clock())
    for person in (YOUSSEF, SALMA, JAMAL, KHADIJA):
        assert not LINK.search(search(youssef, person.login).html), person.login
        assert not LINK.search(search(youssef, person.last_latin).html), person.login


def test_it_is_narrowed_to_a_school(youssef, clock):
    move(JAMAL, "10000D", now=clock())
    assert 'value="24187K"' in youssef.get(PEOPLE).html and 'value="30000S"' not in youssef.html
    assert FATIMA.login in shown(search(youssef, "alaoui", "24187K"))
    assert not LINK.search(search(youssef, "jalal", "24187K").html)
    search(youssef, "alaoui", "30000S")
    assert youssef.page.status_code == 422 and shows(youssef, "error.desk_place", "fr"), "a place of another branch"


def test_a_wide_branch_is_searched_by_parts(youssef, clock):
    """By an exact name everywhere, by words of a name within a directorate."""
    appoint(KHADIJA, Role.MINISTRY_DESK, "M", now=clock())
    khadija = at_desk(KHADIJA, now=clock())
    assert search(khadija, "alaoui").page.status_code == 422 and shows(khadija, "error.desk_place")
    assert FATIMA.login in shown(search(khadija, "alaoui", "D07"))
    assert not LINK.search(search(khadija, "alaoui", "D08").html)
    assert FATIMA.login in shown(search(khadija, FATIMA.login))


def test_a_teacher_finds_pupils_of_the_class_alone(youssef, clock):
    appoint(KHADIJA, Role.TEACHER, "24187K-1", now=clock())
    move(JAMAL, "24187K-1", As.PUPIL, now=clock())
    khadija = home(KHADIJA)
    assert JAMAL.login in shown(search(khadija, "jalal"))
    assert not LINK.search(search(khadija, "alaoui").html), "staff of the school"


def test_searches_of_a_day_have_an_end_and_a_reason(youssef, clock, monkeypatch):
    """And so have looks at what one has found (ATK-135): the way back from a person searches anew."""
    monkeypatch.setattr(rate_limits, "DESK_SEARCH", rate_limits.DESK_SEARCH._replace(burst=3))
    monkeypatch.setattr(rate_limits, "DESK_FOUND", rate_limits.DESK_FOUND._replace(burst=4))
    for _ in range(3):
        assert search(youssef, "alaoui").page.status_code == 200
    found = youssef.path
    assert found.startswith("/desk/people/found/")
    assert [youssef.get(found).page.status_code for _ in range(2)] == [200, 429]
    assert search(youssef, "alaoui").page.status_code == 429 and shows(youssef, "error.desk_searches", "fr")
    clock.set(clock().replace(hour=23, minute=59) + timedelta(minutes=2))
    assert search(at_desk(YOUSSEF, now=clock()), "alaoui").page.status_code == 200, "another day"


def test_a_letter_is_no_search(youssef):
    assert search(youssef, "a").page.status_code == 422 and shows(youssef, "error.desk_letters", "fr")
    assert search(youssef, "%%").page.status_code == 422


# -- the state of an account


def test_the_account_is_seen_without_a_whole_contact(youssef, clock):
    khadija = home(KHADIJA)
    page = open_account(youssef, KHADIJA.login)
    assert shows(page, "agent.state.active", "fr") and "k•••@e•••" in shown(page) and KHADIJA_EMAIL not in page.html
    assert "Lycée Ibn Khaldoun" in shown(page) and shows(page, "agent.no_factor", "fr")
    assert shows(page, "message.about.new_device", "fr"), "messages of the last days"
    line = shown(khadija.get("/devices/history/"))
    assert t_ar("activity.desk_looked") in line and "مديرية النخيل" in line and "Benali" not in line
    open_account(youssef, KHADIJA.login)
    assert [e.event for e in audit_log.of_person(facts(KHADIJA).id)].count("desk_looked") == 1, "once a day"


def t_ar(id: str) -> str:
    with translation.override("ar"):
        return t(id).unescape()


@pytest.mark.parametrize("state", ["never", "frozen", "disabled"])
def test_each_state_has_its_words(youssef, clock, state):
    fatima = facts(FATIMA)
    if state == "never":
        fatima_id = people.directory.create(login="neuve@taalim.ma", names_latin=("Neuve", "Alami"), now=clock())
        people.belonging.begin(fatima_id, people.units.by_code("24187K").id, As.STAFF, since=clock().date())
    elif state == "frozen":
        people.directory.freeze(fatima.id, now=clock())
    else:
        people.directory.disable(fatima.id)
    page = open_account(youssef, "neuve@taalim.ma" if state == "never" else FATIMA.login)
    assert shows(page, f"agent.state.{state}", "fr") and shows(page, f"agent.state.{state}.text", "fr")
    assert ("/recovery/" in page.html) == (state != "disabled"), "nothing is done for who is disabled"


def test_each_state_of_a_contact_has_its_words(youssef, clock):
    contact = Contact.objects.filter(person_id=facts(FATIMA).id)
    later = clock() + timedelta(days=1)
    for state, values in {
        "proposed": {"state": "proposed"}, "waits": {"state": "proved", "counts_from": later},
        "ends": {"counts_from": clock(), "ends_at": later}, "bounced": {"ends_at": None, "bounced_at": clock()},
        "old": {"bounced_at": None, "proved_at": clock() - timedelta(days=366)}, "counts": {"proved_at": clock()},
    }.items():  # fmt: skip
        contact.update(**values)
        page = open_account(youssef, FATIMA.login)
        assert shows(page, f"agent.contact.{state}", "fr"), state
        assert "06••••••22" in shown(page) and FATIMA_PHONE not in page.html


@pytest.mark.both_databases
def test_an_address_of_somebody_who_left_the_branch_is_none(youssef, clock):
    open_account(youssef, FATIMA.login)
    address = youssef.path
    move(FATIMA, "30000S", now=clock())
    for path in (address, f"{address}recovery/"):
        assert youssef.get(path).page.status_code == 404
    assert audit_rows()[0][:2] == ("desk_refused", "outside")


# -- a whole contact


def see_contact(agent: Visitor, who: str, **typed: str) -> Visitor:
    open_account(agent, who)
    address = re.search(r'href="(/desk/people/[^"/]+/contacts/\d+/)"', agent.html)[1]
    return agent.get(address).submit(address, **typed)


def test_atk_136_a_contact_is_shown_for_a_reason_and_its_person_is_told(youssef, clock, post):
    """ATK-136."""
    assert see_contact(youssef, KHADIJA.login).page.status_code == 422 and KHADIJA_EMAIL not in youssef.html
    assert see_contact(youssef, KHADIJA.login, reason="because").page.status_code == 422
    assert KHADIJA_EMAIL in shown(see_contact(youssef, KHADIJA.login, reason="asked"))
    assert KHADIJA_EMAIL not in youssef.get(youssef.path).html, "in that answer alone"
    history = shown(home(KHADIJA).get("/devices/history/"))
    for said in ("activity.desk_unmasked", "agent.unmask.reason.asked"):
        assert t_ar(said) in history
    assert "k•••@e•••" in history and "مديرية النخيل" in history
    assert {m.to for m in post.messages(KHADIJA_EMAIL) + post.messages(KHADIJA.login)} == {KHADIJA_EMAIL, KHADIJA.login}
    assert Message.objects.filter(about="desk_unmasked", channel="email").count() == 2


def test_atk_136_twenty_a_day(youssef, clock):
    """ATK-136: the twenty-first is refused, at whatever hour of that day; the next day begins anew."""
    for _ in range(20):
        assert KHADIJA_EMAIL in see_contact(youssef, KHADIJA.login, reason="asked").html
        clock.advance(minutes=1)
    see_contact(youssef, KHADIJA.login, reason="asked")
    assert youssef.page.status_code == 429 and KHADIJA_EMAIL not in youssef.html
    clock.set(clock().replace(hour=22, minute=59))
    late = see_contact(at_desk(YOUSSEF, now=clock()), KHADIJA.login, reason="asked")
    assert late.page.status_code == 429
    clock.advance(hours=1, minutes=2)
    assert KHADIJA_EMAIL in see_contact(at_desk(YOUSSEF, now=clock()), KHADIJA.login, reason="asked").html


def test_nobodys_contact_is_shown_by_its_number(youssef, clock):
    """ATK-135: the number of another person's contact, below a person of the branch."""
    open_account(youssef, KHADIJA.login)
    others = Contact.objects.filter(person_id=facts(YOUSSEF).id).values_list("pk", flat=True)
    for number in (*others, 10**9):
        assert youssef.get(f"{youssef.path}contacts/{number}/").page.status_code == 404
        youssef.get(PEOPLE)
        open_account(youssef, KHADIJA.login)


def test_a_head_sees_no_whole_contact(youssef, clock):
    appoint(JAMAL, Role.HEAD, "24187K", now=clock())
    jamal = at_desk(JAMAL, now=clock())
    page = open_account(jamal, KHADIJA.login)
    assert "/contacts/" not in page.html and "/recovery/" in page.html
    contact = Contact.objects.get(person_id=facts(KHADIJA).id)
    assert jamal.get(f"{jamal.path}contacts/{contact.pk}/").page.status_code == 404


# -- the person's own recovery


def start(agent: Visitor, who: str, contact: int) -> Visitor:
    open_account(agent, who)
    address = f"{agent.path}recovery/"
    return agent.get(address).submit(address, contact=str(contact))


def test_atk_137_the_agent_starts_a_recovery_and_sees_no_code(youssef, clock, post, caplog):
    """ATK-137: the code is in the person's message alone; the person goes the usual way, in any browser."""
    contact = Contact.objects.get(person_id=facts(KHADIJA).id)
    with caplog.at_level(logging.DEBUG):
        pages = [start(youssef, KHADIJA.login, contact.pk).html]
        assert shows(youssef, "flash.desk_recovery", "fr") or "k•••@e•••" in shown(youssef)
        secret = post.secret(KHADIJA_EMAIL)
        pages.append(open_account(youssef, KHADIJA.login).html)
        pages.append(home(SALMA).get("/desk/messages/").html)
    assert shows(open_account(youssef, KHADIJA.login), "message.purpose.temporary_password", "fr"), "its fate shows"
    letters = re.sub("-", "", secret)
    assert not any(secret in page or letters in page or TEMPORARY.search(page) for page in pages)
    assert secret not in caplog.text and KHADIJA_EMAIL not in caplog.text
    stored = [*Message.objects.values(), *RecoveryRequest.objects.values()]
    assert secret not in str(stored) and KHADIJA_EMAIL not in str(stored)
    assert Visitor().sign_in(KHADIJA.login, secret).change(secret, NEW).signed_in
    history = home(replace(KHADIJA, password=NEW)).get("/devices/history/")
    assert t_ar("activity.desk_recovery") in shown(history)


def test_the_password_in_use_stays_until_then(youssef, clock, post):
    contact = Contact.objects.get(person_id=facts(KHADIJA).id)
    start(youssef, KHADIJA.login, contact.pk)
    post.work()
    assert home(KHADIJA).signed_in
    others = [m for m in post.messages(KHADIJA.login) if not TEMPORARY.search(m.text)]
    assert any("guichet" in m.text or "مكتب المساعدة" in m.text for m in others), "told at the institution's mailbox"


def test_a_frozen_account_is_opened_this_way(youssef, clock, post):
    people.directory.freeze(facts(KHADIJA).id, now=clock())
    contact = Contact.objects.get(person_id=facts(KHADIJA).id)
    start(youssef, KHADIJA.login, contact.pk)
    secret = post.secret(KHADIJA_EMAIL)
    assert Visitor().sign_in(KHADIJA.login, secret).change(secret, NEW).signed_in


def test_only_a_contact_that_counts_is_offered_and_taken(youssef, clock, post):
    contact = Contact.objects.get(person_id=facts(KHADIJA).id)
    Contact.objects.filter(pk=contact.pk).update(counts_from=clock() + timedelta(hours=1))
    open_account(youssef, KHADIJA.login)
    address = f"{youssef.path}recovery/"
    assert shows(youssef.get(address), "agent.recover.none", "fr")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', youssef.html)[1]
    for other in (contact.pk, Contact.objects.filter(person_id=facts(YOUSSEF).id)[0].pk, "x", ""):
        answer = youssef.client.post(address, {"csrfmiddlewaretoken": token, "contact": other})
        assert answer.status_code == 422
    assert not RecoveryRequest.objects.exists() and YOUSSEF_EMAIL not in youssef.html


@pytest.fixture
def fatimas_child(youssef, clock) -> None:
    """Jamal is a pupil, and Fatima is his mother."""
    move(JAMAL, "24187K-1", As.PUPIL, now=clock())
    Person.objects.filter(pk=facts(JAMAL).id).update(role="pupil")
    day, relation = clock().date(), people.guardians.Relation.MOTHER
    link = people.guardians.NewLink(facts(JAMAL).id, facts(FATIMA).id, relation, day, day + timedelta(days=300))
    people.guardians.put([link])


def test_a_pupils_recovery_goes_to_a_guardian(youssef, fatimas_child, post):
    """The agent sees whose phone it is, masked; the message is the guardian's, the account the child's."""
    contact = Contact.objects.get(person_id=facts(FATIMA).id)
    open_account(youssef, JAMAL.login)
    address = f"{youssef.path}recovery/"
    assert "06••••••22" in shown(youssef.get(address)) and FATIMA_PHONE not in youssef.html
    youssef.submit(address, contact=str(contact.pk))
    child = Visitor().sign_in(JAMAL.login, post.secret(FATIMA_PHONE))
    assert child.path.startswith("/password/") and not child.signed_in, "the form of the change, and nothing else"


def test_a_guardians_phone_that_may_be_anothers_by_now_is_not_offered(youssef, fatimas_child, clock):
    """ATK-056: what the worker would refuse is not offered, while the guardian has another contact."""
    phone = Contact.objects.get(person_id=facts(FATIMA).id)
    long_ago = clock() - PHONE_SERVES - PHONE_ASKED
    Contact.objects.filter(pk=phone.pk).update(proved_at=long_ago, counts_from=long_ago)
    open_account(youssef, JAMAL.login)
    assert "06••••••22" in shown(youssef.get(f"{youssef.path}recovery/")), "it is all that she has"
    with transaction.atomic():
        mail = people.contacts.propose(facts(FATIMA).id, "email", "fatima@example.org", now=clock())
        people.contacts.prove(mail.id, facts(FATIMA).id, now=clock(), wait=timedelta(0))
    offered = shown(youssef.get(youssef.path))
    assert "06••••••22" not in offered and mail.masked in offered


def test_an_address_of_an_older_session_leads_to_the_search(youssef, clock):
    open_account(youssef, FATIMA.login)
    later = at_desk(YOUSSEF, now=clock()).get(youssef.path)
    assert later.path == PEOPLE and shows(later, "flash.desk_search_again", "fr")


def test_recoveries_of_a_day_have_an_end(youssef, clock, monkeypatch, post):
    monkeypatch.setattr(rate_limits, "DESK_RECOVERY", rate_limits.DESK_RECOVERY._replace(burst=2))
    contact = Contact.objects.get(person_id=facts(KHADIJA).id)
    for _ in range(2):
        assert start(youssef, KHADIJA.login, contact.pk).page.status_code == 200
    assert start(youssef, KHADIJA.login, contact.pk).page.status_code == 429
    assert RecoveryRequest.objects.count() == 2
