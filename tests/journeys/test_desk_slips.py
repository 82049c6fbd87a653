"""Slips, class codes and class lists on the desk's pages: who prints for whom, and that no code is ever seen twice."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction

from massar.core.audit import api as audit_log
from massar.domain.credentials import api as credentials
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.journeys.account import freeze_account
from massar.journeys.desk import print_slips
from massar.journeys.outcomes import Done
from massar.journeys.people import import_people
from massar.journeys.people.import_people import NewPerson
from tests.cast import FATIMA, JAMAL, KHADIJA, NEW, SALMA, YOUSSEF, facts
from tests.support.canary import everything_stored, readable_forms
from tests.support.captured import captured
from tests.support.desk import As, Role, appoint, at_desk, move, plant, unit
from tests.support.paper import text_by_pypdf, text_of
from tests.support.steps import home, shown, shows
from tests.support.visitor import TEMPORARY, Visitor

pytestmark = pytest.mark.both_databases
CLASS, OTHER = "24187K-1", "24187K-2"
PUPILS = [
    NewPerson(login=f"x13000000{n}@taalim.ma", first_ar="ريم", last_ar=last, first_latin="Reem", role="pupil")
    for n, last in enumerate(("العمراني", "جلال"))
]
ELSEWHERE = NewPerson(login="x999@taalim.ma", role="pupil")


def fill(clock) -> None:
    """Two pupils in Khadija's class, one in another of the same school; Jamal is the head of both."""
    plant()
    people.units.add(OTHER, people.units.Kind.CLASS, ("القسم الثاني", "Classe 2"), parent=unit("24187K"))
    for pupil in (*PUPILS, ELSEWHERE):
        assert import_people.add(pupil, now=clock()) == Done()
        move(pupil, CLASS if pupil in PUPILS else OTHER, As.PUPIL, now=clock())
    appoint(KHADIJA, Role.TEACHER, CLASS, now=clock())
    appoint(JAMAL, Role.HEAD, "24187K", now=clock())
    appoint(YOUSSEF, Role.DIRECTORATE_DESK, "D08", now=clock())


@pytest.fixture
def school(cast, clock) -> None:
    fill(clock)


@pytest.fixture
def teacher(school) -> Visitor:
    return home(KHADIJA)


def pages_of(code: str) -> tuple[str, str]:
    at = unit(code).id
    return f"/desk/slips/{at}/", f"/desk/classes/{at}/"


def print_class(visitor: Visitor, code: str = CLASS, **typed: str) -> Visitor:
    page, _ = pages_of(code)
    return visitor.get(page).submit(page, **{"who": "pupil", "language": "own", "reason": "rentrée", **typed})


def codes_in(visitor: Visitor) -> list[str]:
    """In the order of the slips."""
    return TEMPORARY.findall(text_by_pypdf(visitor.page.content))


def links(visitor: Visitor, end: str) -> list[str]:
    return re.findall(rf'href="(/desk/people/[^"/]+/{end}/)"', visitor.html)


def test_a_teacher_prints_the_slips_of_the_class_and_a_pupil_opens_the_account(teacher):
    teacher.get("/desk/classes/")
    assert f"{pages_of(CLASS)[1]}sheet/" in teacher.html, "the one class opens by itself"
    assert shows(teacher, "class.inactive") and PUPILS[1].login in shown(teacher)
    print_class(teacher)
    assert teacher.page["Content-Type"] == "application/pdf" and teacher.page["Cache-Control"] == "no-store"
    assert "attachment" in teacher.page["Content-Disposition"]
    codes = codes_in(teacher)
    assert len(codes) == 2
    assert Visitor().sign_in(PUPILS[0].login, codes[0]).choose(NEW).signed_in
    teacher.get(pages_of(CLASS)[1])
    assert shows(teacher, "class.active") and shows(teacher, "class.inactive")
    assert not any(code in teacher.html for code in codes)


def test_a_page_of_slips_costs_as_many_statements_for_a_class_as_for_a_school(teacher, clock):
    """Once for each kind of people, and not for each of them."""

    def cost(page: str) -> int:
        with captured() as asked:
            assert teacher.get(page).page.status_code == 200
        return len(asked)

    page, _ = pages_of(CLASS)
    print_class(teacher)
    batch = f"/desk/slips/batch/{credentials.handed.batches()[0].id}/"
    before = cost(page), cost(batch)
    more = [NewPerson(login=f"y1300000{n}@taalim.ma", last_ar="بناني", role="pupil") for n in range(10, 20)]
    for pupil in more:
        assert import_people.add(pupil, now=clock()) == Done()
        move(pupil, CLASS, As.PUPIL, now=clock())
    print_class(teacher)
    batch = f"/desk/slips/batch/{credentials.handed.batches()[0].id}/"
    assert (cost(page), cost(batch)) == before


def test_a_batch_is_seen_and_withdrawn(teacher):
    code = codes_in(print_class(teacher))[1]
    [batch] = credentials.handed.batches()
    assert f"/desk/slips/batch/{batch.id}/" in teacher.get(pages_of(CLASS)[0]).html
    page = f"/desk/slips/batch/{batch.id}/"
    assert shows(teacher.get(page), "slips.stands_waits") and not TEMPORARY.search(teacher.html)
    assert teacher.submit(page, place="2", reason="").page.status_code == 422
    assert shows(teacher.get(page).submit(page, place="2", reason="lost"), "slips.stands_voided")
    assert shows(Visitor().sign_in(PUPILS[1].login, code), "problem.expired_slip")
    teacher.submit(page, place="", reason="all of them")
    assert {one.stands(teacher.page.wsgi_request.now) for one in credentials.handed.slips(batch.id)} == {"voided"}
    assert not shows(teacher, "slips.void_text"), "nothing is left to withdraw"


def test_who_may_not_print_finds_nothing(school, clock):
    """ATK-135: another class, a school above, another directorate, people without a role, an operator."""
    teacher = home(KHADIJA)
    print_class(at_desk(JAMAL, now=clock()), OTHER)
    [batch] = credentials.handed.batches()
    hidden = [*pages_of(OTHER), f"{pages_of(OTHER)[1]}sheet/", pages_of("24187K")[0], f"/desk/slips/batch/{batch.id}/"]
    token = links(at_desk(JAMAL, now=clock()).get(pages_of(OTHER)[1]), "slip")[0]
    for visitor in (teacher, at_desk(YOUSSEF, now=clock()), home(FATIMA), home(SALMA)):
        for path in (*hidden, "/desk/slips/0/", "/desk/slips/batch/0/"):
            assert visitor.get(path).page.status_code == 404, path
        for path in (token, token.replace("/slip/", "/class-code/")):  # of another's session
            assert visitor.get(path).page.status_code == 404 or visitor.path == "/desk/people/", path
    for path in (pages_of(OTHER)[0], f"/desk/slips/batch/{batch.id}/"):
        form = {"csrfmiddlewaretoken": teacher.get(pages_of(CLASS)[0]).token, "reason": "x", "who": "pupil"}
        assert teacher.client.post(path, {**form, "language": "own"}).status_code == 404
    assert credentials.handed.batch(batch.id).waiting == 1 and len(credentials.handed.batches()) == 1
    assert shows(teacher.get("/desk/slips/").submit("/desk/slips/", code=OTHER), "error.desk_no_unit")
    assert shows(teacher.get("/desk/slips/").submit("/desk/slips/", code="nowhere"), "error.desk_no_unit")


def test_a_head_prints_for_staff_and_a_teacher_does_not(school, clock):
    newcomer = NewPerson(login="karim.tazi@taalim.ma", first_latin="Karim", last_latin="Tazi")
    assert import_people.add(newcomer, now=clock()) == Done()
    move(newcomer, "24187K", now=clock())
    head = at_desk(JAMAL, now=clock())
    assert codes_in(print_class(head, "24187K", who="staff", language="fr")) and "Karim Tazi" in text_of(
        head.page.content
    )
    assert 'value="staff"' not in home(KHADIJA).get(pages_of(CLASS)[0]).html
    refused = print_class(home(KHADIJA), who="nobody")
    assert refused.page.status_code == 422 and shows(refused, "error.desk_choice")
    assert print_class(home(KHADIJA), who="staff").page.status_code == 422


def test_one_slip_from_a_persons_page(school, clock):
    """A pupil's account in use too, told first; of staff an account in use is nobody's business here."""
    teacher = home(KHADIJA).get(pages_of(CLASS)[1])
    page = links(teacher, "slip")[0]
    code = codes_in(teacher.get(page).submit(page, language="ar", reason="-"))[0]
    assert Visitor().sign_in(PUPILS[0].login, code).choose(NEW).signed_in
    page = links(home(KHADIJA).get(pages_of(CLASS)[1]), "slip")[0]
    head = at_desk(JAMAL, now=clock())
    head.get("/desk/people/").submit("/desk/people/", who=FATIMA.login)
    token = re.search(r'href="(/desk/people/[^"/]+/)"', head.html)[1]
    assert shows(head.get(f"{token}slip/"), "error.slip_active")
    assert not credentials.handed.newest_slips([facts(FATIMA).id])
    again = home(KHADIJA)
    page = links(again.get(pages_of(CLASS)[1]), "slip")[0]
    assert shows(again.get(page), "desk_slip.recovers")
    assert codes_in(again.submit(page, language="own", reason="-"))


def test_a_class_code_is_shown_once_and_opens_the_account(teacher, clock, post):
    page = links(teacher.get(pages_of(CLASS)[1]), "class-code")[0]
    assert not TEMPORARY.search(teacher.get(page).html), "it asks first"
    [code] = set(TEMPORARY.findall(teacher.submit(page).html))
    assert shows(teacher, "code.once") and PUPILS[0].login in shown(teacher) and 'lang="ar"' in teacher.html
    assert teacher.page["Cache-Control"] == "no-store" and not TEMPORARY.search(teacher.get(page).html)
    assert Visitor().sign_in(PUPILS[0].login, code).choose(NEW).signed_in
    made = next(e for e in audit_log.of_person(facts(PUPILS[0]).id) if e.event == "class_code_given")
    assert made.detail == {"by": facts(KHADIJA).id, "role": "teacher", "unit": CLASS} and code not in str(made)
    assert [m.subject for m in post.messages(PUPILS[0].login)], "the institution's mailbox is told"
    pupil = home(replace(PUPILS[0], password=NEW))
    assert shows(pupil.get("/devices/history/"), "activity.class_code_given")


def test_atk_139_whoever_stopped_the_account_is_not_overruled_by_the_next_code_or_slip(teacher, clock):
    """A frozen account is opened by its own recovery, or an operator: here as in a case of the desk."""
    slip, code = (links(teacher.get(pages_of(CLASS)[1]), one)[0] for one in ("slip", "class-code"))
    teacher.get(code)
    freeze_account.by_operator(person=facts(PUPILS[0]), reason="called", now=clock())
    teacher.submit(code)
    assert shows(teacher, "error.case_frozen") and not TEMPORARY.search(teacher.html)
    for page in (code, slip):
        assert shows(teacher.get(page), "error.case_frozen"), page
    holder = print_slips.Holder(facts(PUPILS[0]), recovers=True, permission=rights.Permission(rights.Role.TEACHER))
    printing = print_slips.begin([holder], unit=None, agent=None, now=clock())
    assert print_slips.finish(printing, agent=None, reason="", now=clock()), "nor where it came while it was printed"


def test_class_codes_are_counted_for_teacher_and_pupil(teacher, clock, monkeypatch):
    monkeypatch.setattr(
        limits.rate_limits, "CLASS_CODE_PUPIL", limits.RateLimit("class-code-pupil", 2, timedelta(hours=4))
    )
    monkeypatch.setattr(
        limits.rate_limits, "CLASS_CODES_DAY", limits.RateLimit("class-codes-day", 3, timedelta(hours=8))
    )
    page, other = links(teacher.get(pages_of(CLASS)[1]), "class-code")
    for _ in range(2):
        assert teacher.get(page).submit(page).page.status_code == 200
    assert teacher.get(page).submit(page).page.status_code == 429 and not TEMPORARY.search(teacher.html)
    assert teacher.get(other).submit(other).page.status_code == 200
    assert teacher.get(other).submit(other).page.status_code == 429


def test_the_list_of_a_class_has_no_code(teacher):
    codes = codes_in(print_class(teacher))
    teacher.get(f"{pages_of(CLASS)[1]}sheet/")
    words = text_of(teacher.page.content)
    assert all(pupil.login in words and f"{pupil.first_ar} {pupil.last_ar}" in words for pupil in PUPILS)
    assert not any(code in words for code in codes) and not TEMPORARY.search(words)


def test_too_many_for_one_answer_are_printed_by_class(teacher, monkeypatch):
    monkeypatch.setattr("massar.interfaces.desk.slips.MOST", 1)
    assert shows(print_class(teacher), "error.slip_many") and not credentials.handed.batches()
    monkeypatch.setattr("massar.interfaces.desk.slips.MOST", 200)
    monkeypatch.setattr(limits.rate_limits, "SLIPS_DAY", limits.RateLimit("slips-day", 2, timedelta(hours=12)))
    assert codes_in(print_class(teacher)) and print_class(teacher).page.status_code == 429
    assert len(credentials.handed.batches()) == 1
    for pupil in PUPILS:
        people.directory.disable(facts(pupil).id)
    assert shows(print_class(teacher), "error.slip_nobody")


@pytest.mark.django_db(transaction=True)
def test_atk_144_no_code_stands_anywhere_but_on_its_page(transactional_db, cast, clock, post, caplog):
    """Neither in the database, be it a message that waits, nor in a log."""
    with transaction.atomic():
        fill(clock)
    teacher = home(KHADIJA)
    codes = codes_in(print_class(teacher))
    page = links(teacher.get(pages_of(CLASS)[1]), "class-code")[0]
    codes += TEMPORARY.findall(teacher.get(page).submit(page).html)
    print_class(teacher)
    post.work()
    stored, logged = everything_stored(), caplog.text.encode()
    assert len(codes) == 3 and PUPILS[0].login.encode() in stored
    for code in codes:
        for form in readable_forms(code):
            assert form not in stored and form not in logged, f"{code} can be read"
