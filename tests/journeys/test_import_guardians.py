"""A list of guardians: whom it links, until when, and whom it never makes a guardian."""

from datetime import date, timedelta

import pytest
from django.db import transaction

from massar.core import local_time, text
from massar.core.audit import api as audit_log
from massar.domain.delivery.models import Message
from massar.domain.people import api as people
from massar.domain.people.models import Guardianship
from massar.journeys.people import import_guardians, import_people
from massar.journeys.people.import_guardians import GuardianList
from massar.journeys.people.import_people import NewPerson
from massar.journeys.people.sheet_list import ImportReport, Said, UnusableList
from tests.cast import FATIMA, FATIMA_PHONE, HALIMA, HALIMA_PHONE, ILYAS, RIM, SALMA, YASSINE, enter, facts
from tests.support.steps import home, secrets, shows
from tests.support.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
HEADER = "رمز مسار;tuteur;هاتف ولي الأمر;القرابة;depuis;jusqu'au;date de naissance"
CODES = [one.login.partition("@")[0].upper() for one in (ILYAS, RIM, YASSINE)]
SCHOOL_YEAR = date(2026, 9, 30)  # of the clock's day in February


@pytest.fixture
def at_school(clock, db):
    """A mother, three pupils, and staff; nobody is linked."""
    enter(HALIMA, ILYAS, RIM, YASSINE, FATIMA, SALMA, now=clock())


@pytest.fixture
def listed(tmp_path):
    def make(*rows, header=HEADER):
        path = tmp_path / "guardians.csv"
        path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
        return GuardianList(path, Said())

    return make


def written(listed, clock) -> tuple[int, ...]:
    return tuple(listed.write(ImportReport(), now=clock()).tally)


def reasons(listed, clock) -> dict[tuple[str, str], int]:
    return listed.compare(ImportReport(), now=clock()).reasons


def links() -> list[tuple[int, int, date, int]]:
    return sorted(Guardianship.objects.values_list("pupil_id", "guardian_id", "until", "relation"))


def test_a_list_links_by_account_or_by_phone_and_the_way_back_is_open(at_school, listed, clock, post):
    rows = (f"{CODES[0]};W130000452;;أم;;;", f"{CODES[1]};;06 63 00 04 44;mère;;;", f"{CODES[2]};{HALIMA.login};;;;;")
    assert tuple(listed(*rows).compare(ImportReport(), now=clock()).tally) == (3, 0, 0, 0)
    assert links() == [], "a comparison writes nothing"
    assert written(listed(*rows), clock) == (3, 0, 0, 0)
    mother, relation = facts(HALIMA).id, people.guardians.Relation
    wanted = [(ILYAS, relation.MOTHER), (RIM, relation.MOTHER), (YASSINE, relation.TUTOR)]
    assert links() == [(facts(one).id, mother, SCHOOL_YEAR, kind) for one, kind in wanted]
    told = [event.event for event in audit_log.of_person(facts(RIM).id, limit=5)]
    assert told.count("guardian_linked") == 1
    Visitor().ask(CODES[1], phone=HALIMA.phone)
    assert len(secrets(post, HALIMA_PHONE)) == 1


def prove(person, email: str, clock) -> None:
    with transaction.atomic():
        new = people.contacts.propose(facts(person).id, "email", email, now=clock())
        assert people.contacts.prove(new.id, facts(person).id, now=clock(), wait=timedelta(0))


def told_of(event: str, post) -> list[str]:
    """The destinations of this notice, of e-mail and SMS."""
    post.work()
    return sorted(Message.objects.filter(about=event).values_list("masked", flat=True))


def test_the_first_guardian_hears_by_mail_and_both_histories_say_it(at_school, listed, clock, post):
    """A list of a country makes millions of links: nobody could be warned yet, so no SMS is spent on them."""
    assert written(listed(f"{CODES[0]};;{HALIMA.phone};أم;;;"), clock) == (1, 0, 0, 0)
    assert told_of("child_linked", post) == []
    prove(HALIMA, "halima@example.org", clock)
    assert written(listed(f"{CODES[1]};;{HALIMA.phone};أم;;;"), clock) == (1, 0, 0, 0)
    assert told_of("child_linked", post) == [text.masked_email("halima@example.org")]
    [letter] = post.messages("halima@example.org")
    assert RIM.first_ar in letter.text and HALIMA.last_ar in letter.text and "/not-me/" not in letter.text
    assert shows(home(HALIMA).get("/devices/history/"), "activity.child_linked")
    assert written(listed(f"{CODES[1]};;{HALIMA.phone};أم;;;"), clock) == (0, 0, 1, 0)
    assert len(told_of("child_linked", post)) == 1, "once"


def test_atk_135_a_second_guardian_is_told_to_the_first_and_to_an_older_pupil(at_school, listed, clock, post):
    """Whoever is put beside a mother receives what opens the account: she hears of it, by SMS too."""
    assert written(listed(f"{CODES[0]};;{HALIMA.phone};أم;;;"), clock) == (1, 0, 0, 0)
    prove(ILYAS, "ilyas@example.org", clock)
    assert written(listed(f"{CODES[0]};{FATIMA.login};;;;;"), clock) == (1, 0, 0, 0)
    phones = [text.masked_phone(HALIMA_PHONE), text.masked_phone(FATIMA_PHONE)]
    assert told_of("child_linked", post) == sorted(phones)
    assert ILYAS.first_ar in post.messages(HALIMA_PHONE)[-1].text
    assert text.masked_email("ilyas@example.org") in told_of("guardian_linked", post)
    assert FATIMA.last_ar in post.messages("ilyas@example.org")[-1].text


def test_the_same_list_twice_changes_nothing_and_the_next_years_moves_the_ends(at_school, listed, clock):
    row = f"{CODES[0]};;{HALIMA.phone};أم;;;"
    assert written(listed(row), clock) == (1, 0, 0, 0) and written(listed(row), clock) == (0, 0, 1, 0)
    clock.advance(days=200)  # September
    assert written(listed(row), clock) == (0, 1, 0, 0)
    assert [until for _, _, until, _ in links()] == [date(2027, 9, 30)]


def test_a_day_that_is_over_ends_the_link_and_what_the_guardian_was_told(at_school, listed, clock, post):
    assert written(listed(f"{CODES[0]};;{HALIMA.phone};أم;;;"), clock) == (1, 0, 0, 0)
    child = Visitor().ask(CODES[0], phone=HALIMA.phone)
    secret = post.secret(HALIMA_PHONE)
    over = listed(f"{CODES[0]};;{HALIMA.phone};أم;;14/02/2026;")
    assert written(over, clock) == (0, 1, 0, 0)
    assert people.guardians.of_guardian(facts(HALIMA).id, now=clock()) == []
    assert child.sign_in(CODES[0], secret).path == "/sign-in/"
    assert "guardian_unlinked" in [event.event for event in audit_log.of_person(facts(ILYAS).id, limit=9)]
    assert told_of("child_unlinked", post) == [text.masked_phone(HALIMA_PHONE)], "whoever could object"
    assert shows(home(HALIMA).get("/devices/history/"), "activity.child_unlinked")
    Visitor().ask(CODES[0], phone=HALIMA.phone)
    assert len(secrets(post, HALIMA_PHONE)) == 1


def test_of_a_date_of_birth_only_the_month_of_the_end_is_kept(at_school, listed, clock):
    rows = (f"{CODES[0]};;{HALIMA.phone};;;;14/06/2008", f"{CODES[1]};;{HALIMA.phone};;;;2018-03-02")
    assert written(listed(*rows), clock) == (2, 0, 0, 0)
    assert [until for _, _, until, _ in links()] == [date(2026, 5, 31), SCHOOL_YEAR]
    assert reasons(listed(f"{CODES[2]};;{HALIMA.phone};;;;01/02/2008"), clock) == {("born", "pupil_of_age"): 1}


@pytest.mark.parametrize(("row", "why"), [
    (f"{CODES[0]};;;;;;", ("guardian", "guardian_empty")),
    (";;0663000444;;;;", ("code", "pupil_code_shape")),
    ("X139999999;;0663000444;;;;", ("code", "pupil_unknown")),
    (f"{FATIMA.login};;0663000444;;;;", ("code", "pupil_unknown")),
    (f"{CODES[0]};nobody.atall;;;;;", ("guardian", "guardian_unknown")),
    (f"{CODES[0]};;0669999999;;;;", ("phone", "guardian_unknown")),
    (f"{CODES[0]};;0522000000;;;;", ("phone", "phone_shape")),
    (f"{CODES[0]};{RIM.login};;;;;", ("guardian", "guardian_kind")),
    (f"{CODES[0]};{SALMA.login};;;;;", ("guardian", "guardian_kind")),
    (f"{CODES[0]};;0663000444;عم;;;", ("relation", "relation_unknown")),
    (f"{CODES[0]};;0663000444;;;30/02/2026;", ("until", "day_shape")),
    (f"{CODES[0]};;0663000444;;;01/01/2030;", ("until", "link_days")),
    (f"{CODES[0]};;0663000444;;01/03/2026;01/02/2026;", ("until", "link_days")),
])  # fmt: skip
def test_atk_132_what_names_nobody_or_the_wrong_one_is_refused(at_school, listed, clock, row, why):
    [found] = reasons(listed(row), clock)
    assert found[0] == why[0] and (found == why or why[1] == "phone_shape")
    assert written(listed(row), clock) == (0, 0, 0, 1) and links() == []


def test_a_phone_of_two_names_nobody_but_pupils_who_share_it_are_passed_over(at_school, listed, clock):
    row = f"{CODES[0]};;{HALIMA.phone};;;;"
    import_people.add(NewPerson(login="x130000499@taalim.ma", role="pupil", phone=HALIMA.phone), now=clock())
    assert written(listed(row), clock) == (1, 0, 0, 0)
    import_people.add(NewPerson(login="w130000499@taalim.ma", role="guardian", phone=HALIMA.phone), now=clock())
    assert reasons(listed(row), clock) == {("phone", "guardian_several"): 1}


@pytest.mark.parametrize("batch", [1, 2])
def test_a_row_that_comes_twice_is_told(at_school, listed, clock, monkeypatch, batch):
    """In the same batch or in the next one, and before it is written."""
    monkeypatch.setattr(import_guardians, "BATCH", batch)
    row = f"{CODES[0]};;{HALIMA.phone};أم;;;"
    assert tuple(listed(row, row).compare(ImportReport(), now=clock()).tally) == (1, 0, 0, 1)
    report = listed(row, row).write(ImportReport(), now=clock())
    assert tuple(report.tally) == (1, 0, 0, 1) and report.reasons == {("code", "link_twice"): 1}


def test_a_list_without_codes_or_with_numbers_of_identity_cards_is_not_taken(at_school, listed):
    with pytest.raises(UnusableList, match="no_pupil"):
        listed("W130000452;أم", header="tuteur;lien")
    with pytest.raises(UnusableList, match="columns"):
        listed(f"{CODES[0]};W130000452;AB1234", header="code;tuteur;CIN")


def test_many_batches_are_written_and_each_stands(at_school, listed, clock, monkeypatch):
    monkeypatch.setattr(import_guardians, "BATCH", 2)
    rows = [f"{code};;{HALIMA.phone};;;;" for code in CODES]
    assert written(listed(*rows), clock) == (3, 0, 0, 0) and len(links()) == 3
    today = local_time.local(clock()).date()
    pairs = {(pupil, guardian) for pupil, guardian, _, _ in links()}
    assert set(people.guardians.standing(pairs, on=today)) == pairs
    assert not people.guardians.standing(pairs, on=SCHOOL_YEAR + timedelta(days=1))
