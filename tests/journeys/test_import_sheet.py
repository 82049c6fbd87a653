"""A list of people: what it says, what it would change, what it changes, and what it never touches."""

import io
import zipfile
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massar.core import phone
from massar.core.audit import api as audit_log
from massar.core.sheets import api as sheets
from massar.domain.people import api as people
from massar.domain.people.models import Alias, Belonging, Contact, Person
from massar.journeys.people import sheet_rows
from massar.journeys.people.import_sheet import PeopleList
from massar.journeys.people.seen import SeenNames
from massar.journeys.people.sheet_list import ImportReport, Said, UnusableList
from massar.journeys.people.sheet_rows import Field
from tests.cast import FATIMA, JAMAL, KHADIJA, NEW, facts
from tests.support.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
HEADER = "login;prenom;nom;الاسم الشخصي;الاسم العائلي;PPR;GRESA;email;GSM;date"
AMINA = "amina.berrada@taalim.ma;Amina;Berrada;أمينة;برادة;0123456;01234A;amina@example.org;0661000901;04/09/2025"
OMAR = "omar.tazi@men.gov.ma;Omar;Tazi;عمر;التازي;;01234A;;06 61 00 09 02;"


@pytest.fixture
def school(db):
    return {code: people.units.named(code, "مدرسة", "École") for code in ("01234A", "05678B")}


@pytest.fixture
def listed(tmp_path):
    """A list of these rows, with what is said about it."""

    def make(*rows, header=HEADER, said=None):
        path = tmp_path / "list.csv"
        path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
        return PeopleList(path, said or Said())

    return make


def written(listed, clock):
    return tuple(listed.write(ImportReport(), now=clock()).tally)


def rows_of():
    """All that an import may write, without its own runs."""
    return [sorted(map(str, table.objects.values_list())) for table in (Person, Alias, Belonging, Contact)]


def test_new_people_get_accounts_that_open_by_recovery(listed, school, clock, post):
    """Issue 13: activation without a password that anybody handed out."""
    assert written(listed(AMINA, OMAR), clock) == (2, 0, 0, 0)
    amina = people.directory.by_login("amina.berrada@taalim.ma", now=clock())
    assert (amina.first_ar, amina.last_latin, amina.establishment_latin) == ("أمينة", "Berrada", "École")
    assert people.directory.by_login("0123456", now=clock()) == amina
    (belongs,) = people.belonging.of_person(amina.id)
    assert (belongs.code, belongs.since) == ("01234A", date(2025, 9, 4))
    asker = Visitor().ask("omar.tazi", phone="0661000902")
    secret = post.secret("+212661000902")
    assert asker.sign_in("omar.tazi@men.gov.ma", secret).change(secret, NEW).signed_in


def test_atk_134_the_same_list_twice_changes_nothing(listed, school, clock):
    """ATK-134: idempotent, also after the first was finished long ago."""
    written(listed(AMINA, OMAR), clock)
    before = rows_of()
    clock.advance(days=40)
    assert written(listed(AMINA, OMAR), clock) == (0, 0, 2, 0) and rows_of() == before


def test_a_comparison_tells_all_and_writes_nothing(listed, school, clock):
    written(listed(AMINA), clock)
    before = rows_of()
    changed = AMINA.replace("Berrada", "Berrada Alami").replace("01234A", "05678B")
    report = listed(changed, OMAR, "no one;;;;;;;;;").compare(ImportReport(), now=clock())
    assert tuple(report.tally) == (1, 1, 0, 1) and rows_of() == before
    assert [(c.row, c.what, c.becomes) for c in report.changes] == [
        (2, "names", "أمينة برادة Amina Berrada Alami"), (2, "unit", "05678B"),
    ]  # fmt: skip
    assert report.reasons == {("login", "login_shape"): 1}


def test_a_transfer_ends_where_the_person_was(listed, school, clock):
    written(listed(AMINA), clock)
    moved = AMINA.replace("01234A", "05678B").replace("04/09/2025", "2025-11-01")
    assert written(listed(moved), clock) == (0, 1, 0, 0) and written(listed(moved), clock) == (0, 0, 1, 0)
    held = [(b.code, b.since, b.until) for b in people.belonging.of_person(Person.objects.get().pk)]
    assert held == [("01234A", date(2025, 9, 4), date(2025, 10, 31)), ("05678B", date(2025, 11, 1), None)]


def test_a_transfer_that_is_to_come_is_planned_once(listed, school, clock):
    written(listed(AMINA), clock)
    later = (clock() + timedelta(days=30)).date().isoformat()
    moved = AMINA.replace("01234A", "05678B").replace("04/09/2025", later)
    assert written(listed(moved), clock) == (0, 1, 0, 0) and written(listed(moved), clock) == (0, 0, 1, 0)


def test_atk_132_contacts_of_an_account_in_use_are_its_persons(cast, listed, school, clock):
    """ATK-132: a list that could give an account in use another address could take it over."""
    row = f"{KHADIJA.login};;;;;;;other@example.org;0661000903;"
    before = rows_of()
    assert written(listed(row), clock) == (0, 0, 1, 0) and rows_of() == before


def test_an_account_that_nobody_used_yet_gets_a_contact_and_never_loses_one(listed, school, clock):
    bare = "omar.tazi@men.gov.ma;Omar;Tazi;;;;;;;"
    written(listed(bare), clock)
    assert written(listed(OMAR), clock) == (0, 1, 0, 0)
    assert written(listed(OMAR.replace("02;", "09;")), clock) == (0, 0, 1, 0)
    assert [c.value for c in people.contacts.of_person(Person.objects.get().pk, clock())] == ["+212661000902"]


def test_atk_132_a_list_of_secrets_or_rights_is_not_taken(listed, school):
    """ATK-132: columns of passwords, roles and identity cards refuse the whole list, by their names."""
    for title in ("password", "Mot de passe", "كلمة المرور", "Rôle", "is_superuser", "CIN", "auth_epoch"):
        with pytest.raises(UnusableList) as refused:
            listed("x;y", header=f"login;{title}")
        assert (refused.value.kind, refused.value.detail) == ("columns", title)


def test_atk_139_a_list_never_touches_an_operator(cast, listed, school, clock):
    """ATK-139: privileged accounts are changed by command alone."""
    Person.objects.filter(pk=facts(JAMAL).id).update(role="operator")
    report = listed(f"{JAMAL.login};Other;Name;;;;01234A;;;").write(ImportReport(), now=clock())
    assert report.reasons == {("login", "privileged"): 1} and facts(JAMAL).first_latin == JAMAL.first_latin


@pytest.mark.parametrize(("row", "fault"), [
    ("x@example.org;;;;;;;;;", ("login", "login_shape")),
    (";;;;;;;a@example.org;;", ("login", "login_empty")),
    ("\u0430mina@taalim.ma;;;;;;;;;", ("login", "login_shape")),  # Cyrillic
    ("am\u0131na@taalim.ma;;;;;;;;;", ("login", "login_shape")),  # without its dot
    ("a@taalim.ma;x\u200fy;;;;;;;;", ("first_latin", "name_shape")),
    ("a@taalim.ma;;;;;??;;;;", ("payroll", "payroll_shape")),
    ("a@taalim.ma;;;;;;9999Z;;;", ("unit", "unit_unknown")),
    ("a@taalim.ma;;;;;;;a@taalim.ma;;", ("email", "email_institution")),
    ("a@taalim.ma;;;;;;;;0522000000;", ("phone", "phone_fixed")),
    ("a@taalim.ma;;;;;;;;;31/02/2025", ("since", "day_shape")),
    ("a@taalim.ma;;;;;;;;;09/31/2025", ("since", "day_shape")),
    ("a@taalim.ma;;;;;;;;;01/01/0001", ("since", "day_shape")),
])  # fmt: skip
def test_atk_132_a_row_that_is_wrong_is_refused_alone(listed, school, clock, row, fault):
    """ATK-132: with its reason, and the others are imported."""
    kept = []
    report = listed(row, OMAR).write(ImportReport(refuse=kept.append), now=clock())
    assert tuple(report.tally) == (1, 0, 0, 1) and report.reasons == {fault: 1}
    assert kept[0].row == 2 and kept[0].cells == tuple(row.split(";"))


def test_atk_132_two_rows_for_one_account_are_not_both_taken(listed, school, clock):
    """ATK-132: the second is refused in each run, so that the same list twice still changes nothing."""
    rows = (AMINA, OMAR, AMINA.replace("Amina", "Amel"))
    assert written(listed(*rows), clock) == (2, 0, 0, 1) and written(listed(*rows), clock) == (0, 0, 2, 1)


def test_a_payroll_number_stays_with_its_account(listed, school, clock):
    """Another account's, another one for this account, and one for two rows: each is refused."""
    written(listed(AMINA), clock)
    other, twice = OMAR.replace(";;01234A", ";0123456;01234A"), "a@taalim.ma;;;;;777;;;;"
    report = listed(other, AMINA.replace("0123456", "999"), twice, twice.replace("a@", "b@")).write(
        ImportReport(), now=clock()
    )
    assert report.reasons == {("payroll", "payroll_taken"): 3, ("payroll", "payroll_differs"): 1}


def test_what_is_somebodys_own_stays_theirs_whoever_claims_it(listed, school, clock):
    """A slip in another one's row costs the one who has the number nothing."""
    written(listed(AMINA), clock)
    report = listed(AMINA, OMAR.replace(";;01234A", ";0123456;01234A")).write(ImportReport(), now=clock())
    assert tuple(report.tally) == (0, 0, 1, 1) and report.reasons == {("payroll", "payroll_taken"): 1}


def test_rows_of_spaces_are_no_people(listed, school, clock):
    assert written(listed(" ;;\u00a0", OMAR, "  "), clock) == (1, 0, 0, 0)


def test_a_second_address_leads_to_the_account_and_to_nobody_elses(listed, school, clock):
    """Neither an address that somebody has as a login or beside it, nor one that two rows claim."""
    header = "login;other_address"
    first = listed("a.b@taalim.ma;a.b@men.gov.ma", "c.d@taalim.ma;", header=header)
    assert written(first, clock) == (2, 0, 0, 0)
    assert people.directory.by_login("a.b@men.gov.ma", now=clock()).login == "a.b@taalim.ma"
    rows = ("a.b@men.gov.ma;", "e.f@taalim.ma;c.d@taalim.ma", "g@taalim.ma;x@men.gov.ma", "h@taalim.ma;x@men.gov.ma")
    report = listed(*rows, header=header).write(ImportReport(), now=clock())
    assert report.reasons == {("login", "address_taken"): 1, ("other_address", "address_taken"): 3}


def test_pupils_are_found_by_their_code(listed, school, clock):
    rows = ("r130012345;يوسف;العلوي;01234A", "Z٩٨٧٦٥٤٣٢١;سلمى;العلوي;01234A", "13001;x;y;")
    report = listed(*rows, header="رمز مسار;الاسم الشخصي;النسب;رمز المؤسسة").write(ImportReport(), now=clock())
    assert tuple(report.tally) == (2, 0, 0, 1) and report.reasons == {("code", "pupil_code_shape"): 1}
    pupil = people.directory.by_login("z987654321", now=clock())
    assert (pupil.login, pupil.role) == ("z987654321@taalim.ma", "pupil")


def test_who_has_an_account_stays_what_it_is_where_nobody_says_another(listed, school, clock):
    """A list of pupils by their addresses made staff of them."""
    written(listed("r130012345;01234A", header="code massar;GRESA"), clock)
    again = listed("r130012345@taalim.ma;01234A", header="login;GRESA")
    assert written(again, clock) == (0, 0, 1, 0)
    moved = listed("r130012345@taalim.ma;05678B", header="login;GRESA")
    assert written(moved, clock) == (0, 1, 0, 0)
    assert {b.kind for b in people.belonging.of_person(Person.objects.get().pk)} == {people.Kind.PUPIL}


def test_titles_may_stand_above_the_header_and_columns_may_be_said(listed, school, clock):
    said = Said(columns={"Compte": Field.LOGIN, "GSM": None})
    one = listed(
        "الموسم الدراسي;;", "Compte;prenom;GSM", "omar.tazi@men.gov.ma;Omar;nonsense", header="لائحة;;", said=said
    )
    assert one.mapped.unused == ("GSM",) and written(one, clock) == (1, 0, 0, 0)


def test_a_header_may_be_known_by_what_is_said_alone(listed, school, clock):
    said = Said(columns={"Compte": Field.LOGIN, "Appel": Field.FIRST_LATIN})
    assert written(listed("omar.tazi@men.gov.ma;Omar", header="Compte;Appel", said=said), clock) == (1, 0, 0, 0)


@pytest.mark.parametrize(("header", "kind"), [
    ("a;b;c", "header"), ("prenom;nom", "nobody"), ("login;prenom;Prénom", "twice"),
])  # fmt: skip
def test_a_list_without_a_usable_header_is_not_guessed_at(listed, header, kind):
    with pytest.raises(UnusableList) as refused:
        listed("x;y;z", header=header)
    assert refused.value.kind == kind


def test_hidden_rows_are_taken_only_when_somebody_says_so(tmp_path, school, clock):
    file = io.BytesIO()
    sheets.write_xlsx(file, ("login", "nom"), [("a.b@taalim.ma", "x"), ("c.d@taalim.ma", "y")], name="x")
    path = tmp_path / "x.xlsx"
    path.write_bytes(hide_row(file.getvalue(), 2))
    with pytest.raises(UnusableList) as refused:
        PeopleList(path, Said())
    assert (refused.value.kind, refused.value.detail) == ("hidden_rows", "1")
    assert PeopleList(path, Said(hidden=False)).compare(ImportReport(), now=clock()).tally.added == 1
    assert PeopleList(path, Said(hidden=True)).compare(ImportReport(), now=clock()).tally.added == 2


def hide_row(workbook, number):
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name.endswith("sheet1.xml"):
                text = text.replace(f'<row r="{number}"'.encode(), f'<row r="{number}" hidden="1"'.encode())
            new.writestr(name, text)
    return made.getvalue()


def test_a_change_is_shown_to_its_person(cast, listed, school, clock):
    written(listed(f"{FATIMA.login};Fatine;;;;;;;;"), clock)
    assert "person_changed_by_list" in [e.event for e in audit_log.of_person(facts(FATIMA).id)]


@given(st.from_regex(r"(\+212|00212|0|)[67][0-9]{8}", fullmatch=True))
def test_the_quick_look_at_a_phone_says_what_the_table_says(typed):
    quick = sheet_rows._phone(typed)
    try:
        assert quick == phone.mobile(typed, ("MA",))
    except phone.BadPhone as bad:
        assert quick.id == bad.reason


def test_a_list_with_very_many_people_finds_the_one_who_comes_twice():
    seen = SeenNames()
    assert all(seen.add(f"{n}@taalim.ma") for n in range(5000))
    assert not any(seen.add(f"{n}@taalim.ma") for n in range(0, 5000, 7))
