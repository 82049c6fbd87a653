"""Pupils without contacts: the message goes to a guardian who has proved a contact, and to nobody else. And the pages
that a child of eight manages."""

import itertools
import re
from datetime import timedelta

import pytest
from django.db import transaction

from massar.core import ids, local_time
from massar.core.audit import api as audit_log
from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import TemporaryPassword
from massar.domain.delivery.models import Message
from massar.domain.desk import api as desk
from massar.domain.people import api as people
from massar.domain.people.models import Guardianship, Person
from massar.domain.policy import api as policy
from massar.journeys.account import change_password, close_account, freeze_account
from massar.journeys.people import import_people
from massar.journeys.people.import_people import NewPerson
from tests.cast import (
    FATIMA,
    FATIMA_PHONE,
    HALIMA,
    HALIMA_PHONE,
    ILYAS,
    NEW,
    RIM,
    YASSINE,
    facts,
    family,
    link,
    unlink,
)
from tests.support.captured import captured
from tests.support.steps import home, prove_contact, save_contact, secrets, shown, shows
from tests.support.visitor import Visitor

pytestmark = pytest.mark.django_db

MOSTAFA = NewPerson(
    login="w130000009@taalim.ma", first_ar="مصطفى", last_ar="التازي", role="guardian", email="mostafa@example.org",
    password="Qandil+3941-azul", language="fr",
)  # fmt: skip
MOSTAFA_EMAIL = "mostafa@example.org"
CODE = "x130000417"


@pytest.fixture
def at_home(cast, clock):
    """Beside the cast a mother with a phone, and her three children, none of whom has a password or a contact."""
    family(now=clock())


def add_father(clock, child: NewPerson = ILYAS) -> None:
    import_people.add(MOSTAFA, now=clock())
    link(MOSTAFA, child, now=clock(), relation=people.guardians.Relation.FATHER)


def choose(child: Visitor, new: str = "") -> Visitor:
    """On the form of the change: the first of the passwords that it offers, or one of the child's own."""
    child.get("/password/change/")
    return child.submit("/password/change/", **({"new": new} if new else {"words": offered(child)[0]}))


def offered(child: Visitor) -> list[str]:
    return re.findall(r'name="words" value="([^"]+)"', child.html)


def asked(child: NewPerson) -> list[str]:
    found = reversed(list(audit_log.of_person(facts(child).id, limit=50)))
    return [event.outcome for event in found if event.event == "recovery_asked"]


def test_a_pupils_code_and_the_mothers_phone_bring_her_the_password_for_the_child(at_home, post):
    child = Visitor().ask(CODE.upper(), phone="0663 000 444")
    [sms] = post.messages(HALIMA_PHONE)
    assert ILYAS.first_ar in sms.text and RIM.first_ar not in sms.text
    secret = post.secret(HALIMA_PHONE)
    child.sign_in(CODE, secret)
    assert child.path == "/password/expired/"
    assert choose(child).signed_in and facts(ILYAS).first_ar in shown(child.get("/"))
    assert asked(ILYAS) == ["sent"] and asked(RIM) == []


def test_a_phone_of_three_pupils_serves_each(at_home, post):
    """Asking for one again and again takes nothing from the others."""
    for _ in range(5):
        Visitor().ask(CODE, phone=HALIMA.phone)
    for child in (RIM, YASSINE):
        Visitor().ask(child.login, phone=HALIMA.phone)
    texts = [m.text for m in post.messages(HALIMA_PHONE)]
    assert [sum(one.first_ar in text for text in texts) for one in (RIM, YASSINE)] == [1, 1]
    assert sum(ILYAS.first_ar in text for text in texts) == 2, "of what waits the newest two leave"
    assert asked(RIM) == asked(YASSINE) == ["sent"]


def test_a_stranger_who_knows_code_and_phone_keeps_no_child_out(at_home, post, clock):
    """Whatever strangers ask, the next right ask has its message within two minutes (ADR 55)."""
    for _ in range(40):
        Visitor().ask(CODE, phone=HALIMA.phone)
        post.work()
        clock.advance(seconds=20)
    before = len(post.messages(HALIMA_PHONE))
    clock.advance(minutes=5)
    child = Visitor().ask(CODE, phone=HALIMA.phone)
    post.work()
    clock.advance(minutes=2)
    assert len(post.messages(HALIMA_PHONE)) == before + 1
    secret = post.secret(HALIMA_PHONE)
    assert choose(child.sign_in(CODE, secret)).signed_in


def test_every_guardian_hears_that_the_password_was_changed(at_home, post, clock):
    add_father(clock)
    child = Visitor().ask(CODE, phone=HALIMA.phone)
    secret = post.secret(HALIMA_PHONE)
    assert post.messages(MOSTAFA_EMAIL) == [], "asking changes nothing, and tells nobody else"
    choose(child.sign_in(CODE, secret))
    [letter] = post.messages(MOSTAFA_EMAIL)
    assert "Ilyas" in letter.text and "/not-me/" in letter.text and letter.language == "fr"
    assert secret not in letter.text and ILYAS.first_ar in post.messages(HALIMA_PHONE)[-1].text
    [told] = Message.objects.filter(about="child_recovered", channel="email")
    assert told.person_id == facts(MOSTAFA).id, "the notice stands among the guardian's own messages"


def test_a_guardian_who_knows_nothing_of_it_freezes_the_childs_account_by_the_letter(at_home, post, clock):
    add_father(clock)
    child = Visitor().ask(CODE, phone=HALIMA.phone)
    secret = post.secret(HALIMA_PHONE)
    choose(child.sign_in(CODE, secret))
    [letter] = post.messages(MOSTAFA_EMAIL)
    path = "/not-me/" + letter.text.partition("/not-me/")[2].split()[0]
    Visitor().get(path).submit(path)
    assert facts(ILYAS).frozen_at and not facts(MOSTAFA).frozen_at and not child.signed_in
    assert "تم تجميد حساب" in post.messages(HALIMA_PHONE)[-1].text, "the mother hears why he can't get in"
    assert choose(entered(post)).signed_in and facts(ILYAS).frozen_at is None, "and opens it by a new password"


def test_guardians_hear_of_a_contact_that_is_added_to_the_childs_account(at_home, post, clock):
    """Whoever knows a child's password could add a phone of his own, and then needs no guardian (ATK-053)."""
    add_father(clock)
    child = entered(post)
    choose(child, NEW)
    clock.advance(hours=73)  # contacts are closed after a recovery
    child = Visitor().sign_in(CODE, NEW)
    prove_contact(save_contact(child, NEW, email="classmate@example.org"), post, "classmate@example.org")
    letter = post.messages(MOSTAFA_EMAIL)[-1]
    assert "/not-me/" in letter.text and "Ilyas" in letter.text and "classmate" not in letter.text
    assert f"حساب {ILYAS.first_ar}" in post.messages(HALIMA_PHONE)[-1].text


@pytest.mark.parametrize("why", ["over", "early", "grown", "disabled", "frozen", "another's", "classmate's", "waits"])
def test_atk_135_nobody_who_is_no_guardian_of_today_receives_anything(at_home, post, clock, why):
    """A link that has ended or not begun, a pupil who is of age, a guardian who is shut out, another child's guardian,
    a phone that does not count yet."""
    login, to = ILYAS.login, HALIMA.phone
    mother, day = facts(HALIMA), local_time.local(clock()).date()
    match why:
        case "over":
            unlink(HALIMA, ILYAS, now=clock())
        case "early":
            Guardianship.objects.filter(pupil_id=facts(ILYAS).id).update(since=day + timedelta(days=1))
        case "grown":
            Person.objects.filter(pk=facts(ILYAS).id).update(role="staff")
        case "disabled":
            close_account.disable(person=mother, reason="moved", now=clock())
        case "frozen":
            freeze_account.by_operator(person=mother, reason="called", now=clock())
        case "another's":
            login = NewPerson(login="x130000007@taalim.ma", role="pupil").login
            import_people.add(NewPerson(login=login, role="pupil"), now=clock())
        case "classmate's":
            to = FATIMA.phone
        case "waits":
            held = people.contacts.of_person(mother.id, clock())[0]
            type(held).objects.filter(pk=held.pk).update(counts_from=clock() + timedelta(hours=1))
    Visitor().ask(login, phone=to)
    assert secrets(post, HALIMA_PHONE) == secrets(post, FATIMA_PHONE) == []
    assert not TemporaryPassword.objects.exists()


def test_a_link_ends_by_itself_on_its_day(at_home, post, clock):
    clock.advance(days=100)
    Visitor().ask(ILYAS.login, phone=HALIMA.phone)
    assert len(secrets(post, HALIMA_PHONE)) == 1, "the last day counts"
    clock.advance(days=1)
    Visitor().ask(ILYAS.login, phone=HALIMA.phone)
    assert len(secrets(post, HALIMA_PHONE)) == 1


@pytest.mark.parametrize("how", ["frozen", "disabled"])
def test_what_a_guardian_was_told_dies_with_the_guardians_account(at_home, post, clock, how):
    child = Visitor().ask(CODE, phone=HALIMA.phone)
    secret = post.secret(HALIMA_PHONE)
    if how == "frozen":
        freeze_account.by_operator(person=facts(HALIMA), reason="called", now=clock())
    else:
        close_account.disable(person=facts(HALIMA), reason="moved", now=clock())
    assert child.sign_in(CODE, secret).path == "/sign-in/"


def test_a_guardians_contact_serves_recovery_alone(at_home, post):
    """A vouching code is for who knows the password in the browser that asked; it goes to one's own contacts."""
    Visitor().get("/let-in/").submit("/let-in/", user=CODE, channel="phone", phone=HALIMA.phone)
    assert post.messages(HALIMA_PHONE) == [] and not TemporaryPassword.objects.exists()


def test_nobody_else_pays_for_guardians(at_home, post, clock):
    """Answering somebody who is no pupil asks for no link."""
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    with captured() as statements:
        post.work()
    assert not [one for one in statements if "guardianship" in one]


# --- the guardian's own page


def test_a_guardian_sees_the_children_and_asks_for_one_of_them(at_home, post, clock):
    mother = home(HALIMA).get("/children/")
    assert all(one.first_ar in shown(mother) for one in (ILYAS, RIM, YASSINE)) and shows(mother, "children.no_password")
    contact = people.contacts.of_person(facts(HALIMA).id, clock())[0]
    start = f"/children/{facts(RIM).id}/new/"
    mother.submit(start, contact=str(contact.id), password="not it")
    assert shows(mother, "error.password_wrong") and post.messages(HALIMA_PHONE) == []
    mother.submit(start, contact=str(contact.id), password=HALIMA.password)
    secret = post.secret(HALIMA_PHONE)
    assert RIM.first_ar in post.messages(HALIMA_PHONE)[-1].text and secret not in mother.html
    assert shows(mother.get("/children/"), "children.running")
    child = Visitor().sign_in(RIM.login, secret)
    assert choose(child).signed_in
    assert shows(mother.get("/children/"), "children.has_password")


@pytest.mark.both_databases
def test_a_child_who_is_a_pupil_no_more_leaves_the_guardians_page(at_home):
    Person.objects.filter(pk=facts(RIM).id).update(role="staff")
    mother = home(HALIMA).get("/children/")
    assert RIM.first_ar not in shown(mother) and ILYAS.first_ar in shown(mother)


def test_a_guardian_stops_what_is_under_way(at_home, post):
    mother = home(HALIMA)
    child = Visitor().ask(ILYAS.login, phone=HALIMA.phone)
    secret = post.secret(HALIMA_PHONE)
    child.sign_in(ILYAS.login, secret)
    stop = f"/children/{facts(ILYAS).id}/stop/"
    mother.get("/children/").submit(stop, password="not it")
    assert shows(mother, "error.password_wrong")
    mother.submit(stop, password=HALIMA.password)
    assert shows(mother, "flash.child_stopped") and not shows(mother, "children.running")
    assert child.get("/password/change/").path == "/sign-in/", "the change that was open is shut"
    assert Visitor().sign_in(ILYAS.login, secret).path == "/sign-in/"
    assert shows(mother.get("/children/"), "children.no_password")


@pytest.mark.both_databases
def test_a_guardian_stops_a_class_code_and_what_the_help_desk_has_approved(at_home, clock):
    """Else the browser at the desk would go on once more."""
    child, kind = facts(ILYAS).id, desk.cases.Kind.PASSWORD
    with transaction.atomic():
        credentials.handed.give_class_code(child, until=clock() + timedelta(minutes=20), now=clock())
        number = desk.cases.open_case(ILYAS.login, nowhere := desk.Machine("", "", frozenset(), ""), now=clock())
        said = desk.Proposal(kind, child, None, "", facts(FATIMA).id, "head", 1, nowhere, "", ())
        assert desk.cases.propose(desk.cases.by_number(number), said, {}, to=desk.cases.State.APPROVED, now=clock())
    mother = home(HALIMA).get("/children/")
    assert shows(mother, "children.running")
    mother.submit(f"/children/{child}/stop/", password=HALIMA.password)
    assert not shows(mother.get("/children/"), "children.running")
    assert desk.cases.by_number(number).state == "closed"


def test_atk_135_a_guardian_reaches_no_other_child(at_home, post, clock):
    """Neither by the address of the page, nor with a contact of somebody else's, nor once the link is over."""
    mother = home(HALIMA).get("/children/")
    own = people.contacts.of_person(facts(HALIMA).id, clock())[0].id
    fathers = people.contacts.of_person(facts(FATIMA).id, clock())[0].id
    ilyas = facts(ILYAS).id
    for child, contact in ((facts(FATIMA).id, own), (facts(HALIMA).id, own), (ilyas, fathers), (10**9, own)):
        page = mother.client.post(
            f"/children/{child}/new/",
            {"csrfmiddlewaretoken": mother.token, "contact": contact, "ask_id": "a" * 43, "password": HALIMA.password},
        )
        assert page.status_code in (303, 422)
    unlink(HALIMA, ILYAS, now=clock())
    for path in ("new", "stop"):
        body = {"csrfmiddlewaretoken": mother.token, "contact": own, "ask_id": "b" * 43, "password": HALIMA.password}
        assert mother.client.post(f"/children/{ilyas}/{path}/", body).headers["Location"] == "/children/"
    post.work()
    assert post.messages(HALIMA_PHONE) == [] and not TemporaryPassword.objects.exists()
    assert shows(home(FATIMA).get("/children/"), "children.none")


def test_a_pupil_and_a_guardian_see_the_link_and_get_it_with_their_data(at_home, post):
    child = Visitor().ask(ILYAS.login, phone=HALIMA.phone)
    secret = post.secret(HALIMA_PHONE)
    choose(child.sign_in(ILYAS.login, secret), NEW)
    assert HALIMA.first_ar in shown(child.get("/profile/")) and shows(child, "family.what")
    for visitor, password, side in ((child, NEW, "guardian"), (home(HALIMA), HALIMA.password, "pupil")):
        visitor.get("/profile/my-data/").submit("/profile/my-data/", form="json", password=password)
        [kept] = [one for one in visitor.page.json()["kept"] if one["kind"] == "guardians"]
        names = {row[side] for row in kept["rows"]}
        assert names == ({f"{HALIMA.first_ar} {HALIMA.last_ar}"} if side == "guardian" else
                         {f"{one.first_ar} {one.last_ar}" for one in (ILYAS, RIM, YASSINE)})  # fmt: skip
        assert kept["rows"][0]["relation"] == "mother"


def test_what_a_guardian_starts_is_typed_at_the_same_browser(at_home, post, clock):
    """It is the browser that asked: the password in use, typed there, would cancel what was asked (ATK-040)."""
    mother = home(HALIMA).get("/children/")
    contact = people.contacts.of_person(facts(HALIMA).id, clock())[0]
    start = f"/children/{facts(RIM).id}/new/"
    mother.submit(start, contact=str(contact.id), password=HALIMA.password)
    secret = post.secret(HALIMA_PHONE)
    mother.submit("/sign-out/")
    mother.sign_in(RIM.login, secret)
    assert TemporaryPassword.objects.get().asker_tries == 1 and choose(mother).signed_in


@pytest.mark.both_databases
def test_of_two_with_one_name_the_guardian_tells_who_is_meant(at_home, post, clock):
    """A code may stand in two domains; the mother answers for one of them, and asks for no other's password."""
    namesake = NewPerson(login=ILYAS.login.replace("taalim.ma", "men.gov.ma"), first_ar="نبيل", role="pupil")
    import_people.add(namesake, now=clock())
    add_father(clock, namesake)
    Visitor().ask(CODE, phone=HALIMA.phone)
    assert ILYAS.first_ar in post.messages(HALIMA_PHONE)[0].text
    assert (asked(ILYAS), asked(namesake)) == (["sent"], [])


# --- what a child meets


def entered(post, child: NewPerson = ILYAS) -> Visitor:
    """The child's browser, before the change."""
    visitor = Visitor().ask(child.login, phone=HALIMA.phone)
    return visitor.sign_in(child.login, post.secret(HALIMA_PHONE))


def test_a_child_chooses_one_of_three_passwords_and_signs_in_with_it(at_home, post):
    child = entered(post)
    assert shows(child, "pupil.expired") and ILYAS.first_ar in shown(child)
    first, again = offered(child.get("/password/change/")), offered(child.get("/password/change/"))
    assert len(first) == 3 and not set(first) & set(again), "nothing is kept: each page draws its own"
    chosen = offered(child)[1]
    child.submit("/password/change/", words=chosen)
    assert child.path == "/password/changed/" and shows(child, "pupil.done")
    assert Visitor().sign_in(CODE, chosen).signed_in and Visitor().sign_in(CODE, f"{chosen} ").signed_in


def test_a_child_who_writes_one_sees_it_and_writes_it_once(at_home, post):
    child = entered(post).get("/password/change/")
    assert "confirm" not in child.html and 'name="current"' not in child.html
    assert re.search(r'<input id="id_new" name="new" type="text"', child.html)
    assert shows(choose(child, "قط"), "rule.length_min.refused") and len(offered(child)) == 3
    child.submit("/password/change/", new="")
    assert shows(child, "error.required")
    assert choose(child, " قطتي تحب الحليب ").signed_in
    assert Visitor().sign_in(CODE, "قطتي تحب الحليب").signed_in


def test_the_rules_of_pupils_are_for_pupils_alone(at_home, post):
    words = "قطتي تحب الحليب"
    teacher = home(FATIMA)
    teacher.change(FATIMA.password, words)
    assert shows(teacher, "rule.digit.refused") and teacher.path == "/password/change/"
    assert not offered(teacher) and "calm" not in teacher.html
    child = entered(post)
    assert choose(child, f"{ILYAS.first_ar} {ILYAS.last_ar}").path == "/password/change/", "not the own name alone"
    assert choose(child, words).signed_in
    child.get("/password/change/").submit("/password/change/", current="wrong", new="شمس قمر نجم 12")
    assert shows(child, "error.password_wrong"), "of one's own will the current one is asked for"
    child.submit("/password/change/", current=words, new="شمس قمر نجم 12")
    assert child.path == "/password/changed/"


def test_no_page_before_the_sign_in_tells_that_a_name_is_a_pupils(at_home, post):
    """The calm pages come once it is known who is there: before, they would tell strangers (ATK-017)."""
    seen = []
    for login in (ILYAS.login, FATIMA.login, "x139999999@taalim.ma"):
        visitor = Visitor().ask(login, phone=HALIMA.phone)
        pages = [visitor.html, visitor.get("/recovery/").html, visitor.get("/let-in/").html]
        visitor.get("/sign-in/").submit("/sign-in/", user=login, password="Nothing?like-it-19")
        seen.append([page.count("calm") for page in (*pages, visitor.html)])
    assert seen[0] == seen[1] == seen[2] == [0, 0, 0, 0]


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_whatever_is_offered_keeps_the_rules_and_can_be_spelled(at_home, language, clock):
    listed = policy.words.WORDS[language]
    assert len(set(listed)) == len(listed) >= 200
    unsure = "ءأإآؤئىة" if language == "ar" else "àâçéèêëîïôùûü'-"
    assert not [word for word in listed if set(word) & set(unsure) or not word.isalpha() or not 2 <= len(word) <= 9]
    offered_now = [one for _ in range(30) for one in change_password.suggestions(facts(ILYAS), language, clock())]
    assert all(change_password.broken_rules(one, facts(ILYAS), clock()) == [] for one in offered_now)
    assert len(set(offered_now)) == len(offered_now)


def test_what_was_drawn_and_breaks_a_rule_is_not_offered(at_home, clock, monkeypatch):
    """The same word thrice, and the child's own name, are words of the list too."""
    kept, own = ["باب", "حصن", "مطر"], [facts(ILYAS).names[0]] * 3
    drawn = itertools.cycle([["زعتر"] * 3, own, kept])
    monkeypatch.setattr(ids, "pick", lambda words, count: next(drawn))
    offered = change_password.suggestions(facts(ILYAS), "ar", clock())
    assert [one.split()[:3] for one in offered] == [kept] * change_password.SUGGESTIONS
