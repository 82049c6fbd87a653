"""Lists that leave: whose people stand in one, what of them, who may take it, and that it comes back unchanged."""

import io
import re
import zipfile
from datetime import timedelta

import pytest

from massar.core.sheets import api as sheets
from massar.core.sheets import export
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.domain.people.models import Alias, Belonging, Contact, ExportPart, ListExport, Person
from massar.interfaces.commands import exported_words
from massar.journeys import after_restore
from massar.journeys.desk import exports, make_exports
from massar.journeys.outcomes import Problem
from massar.journeys.people import branch_list
from massar.journeys.people.import_people import NewPerson, add
from massar.journeys.people.import_sheet import PeopleList
from massar.journeys.people.import_units import UnitList
from massar.journeys.people.sheet_list import ImportReport, Said
from tests.cast import FATIMA, JAMAL, KHADIJA, YOUSSEF, facts
from tests.support.canary import found
from tests.support.desk import As, Role, appoint, at_desk, move, plant, unit
from tests.support.steps import shown, shows
from tests.support.trail import all_events

pytestmark = pytest.mark.both_databases
PAGE = "/desk/export/"
REASON = "inspection de décembre"
STAFF = NewPerson(
    "amina.berrada@taalim.ma", first_ar="أمينة", last_ar="برادة", first_latin="=HYPERLINK(A1)",
    last_latin="@Berrada", payroll="0123456", other_address="amina.b@men.gov.ma", email="amina@example.org",
    phone="0661000901",
)  # fmt: skip
PUPIL = NewPerson("r130000001@taalim.ma", first_ar="ريم", last_ar="العمراني", role="pupil", phone="0661000902")
GUARDIAN = NewPerson(
    "tutrice@taalim.ma", first_latin="-Amal", last_latin="Tazi", role="guardian", email="t@example.org"
)
OUTSIDE = NewPerson("dehors@taalim.ma", first_latin="Omar", last_latin="Tazi")
State = people.exports.ExportState


@pytest.fixture
def branch(cast, clock) -> None:
    """Youssef sits at the desk of D07, Jamal is head of 24187K, Khadija teaches there; one is of D08, and completes
    hours in 24187K."""
    plant()
    for person, code, kind in (
        (STAFF, "24187K", As.STAFF), (PUPIL, "24187K-1", As.PUPIL), (GUARDIAN, "24187K", As.GUARDIAN),
        (OUTSIDE, "30000S", As.STAFF),
    ):  # fmt: skip
        assert not getattr(add(person, now=clock()), "of", None)
        move(person, code, kind, now=clock())
    day = clock().date() - timedelta(days=2)
    people.belonging.begin(facts(OUTSIDE).id, unit("24187K").id, As.COMPLEMENT, since=day)
    appoint(YOUSSEF, Role.DIRECTORATE_DESK, "D07", now=clock())
    appoint(JAMAL, Role.HEAD, "24187K", now=clock())
    appoint(KHADIJA, Role.TEACHER, "24187K-1", now=clock())


@pytest.fixture
def worker(clock):
    """Makes lists until none waits."""

    def work(pause=lambda: None) -> None:
        while make_exports.turn(tick=clock, speak=exported_words.speak, pause=pause):
            pass

    return work


def ask(visitor, code: str = "D07", who: str = "all", ending: str = "xlsx", reason: str = REASON):
    return visitor.get(PAGE).submit(PAGE, code=code, who=who, ending=ending, reason=reason)


def fetched(visitor) -> bytes:
    """The newest file that the page offers."""
    [path, *_] = re.findall(rf'href="({PAGE}[^"/]+/)"', visitor.get(PAGE).html)
    answer = visitor.client.get(path)
    assert answer.status_code == 200 and answer["Content-Disposition"].startswith("attachment")
    assert answer["Cache-Control"].startswith("no-store")
    return answer.content


def rows_in(content: bytes, tmp_path) -> list[tuple[str, ...]]:
    path = tmp_path / "list"
    path.write_bytes(content)
    return [row.cells for row in sheets.open_sheet(path, bounds=sheets.BY_PAGE).rows()]


def compared(content: bytes, tmp_path, clock, *, spares_agents: bool = False) -> tuple[int, ...]:
    """New, changed, unchanged and refused, by an import that writes nothing."""
    path = tmp_path / "again"
    path.write_bytes(content)
    return tuple(PeopleList(path, Said(spares_agents=spares_agents)).compare(ImportReport(), now=clock()).tally)


def made(scope, language, clock, ending="xlsx") -> bytes:
    """A list as the command makes it."""
    one = exports.begin(
        scope.unit, who="", ending=ending, reason=REASON, language=language, whole=scope.whole, now=clock()
    )
    assert isinstance(one, people.exports.ExportFacts)
    words, file = exported_words.speak(one, scope.unit, now=clock(), whole=scope.whole), io.BytesIO()
    branch_list.write(file, ending, branch_list.rows(scope, words, now=clock()), words)
    return file.getvalue()


def everybody(code: str, **more) -> branch_list.ListScope:
    return branch_list.ListScope(unit(code), tuple(people.Kind), **more)


def unpacked(content: bytes) -> bytes:
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        return b"".join(map(book.read, book.namelist()))


# -- what stands in it, and that it comes back


@pytest.mark.parametrize("ending", branch_list.ENDINGS)
def test_atk_133_a_list_is_asked_for_made_fetched_and_changes_nothing(branch, worker, clock, tmp_path, ending):
    """ATK-133: with a reason, and a number in the file and in the audit log. Agents as high as its maker, operators and
    whole contacts are not in it; what a spreadsheet would run is a text."""
    youssef = ask(at_desk(YOUSSEF, now=clock()), ending=ending)
    assert shows(youssef, "export.state.waiting", "fr") and REASON in shown(youssef)
    worker()
    content = fetched(youssef)
    above, titles, *rows = rows_in(content, tmp_path)
    number = people.exports.of_desks([unit("D07").id], most=1)[0].number
    assert number in above[0] and "D07" in above[0]
    assert ending == "csv" or re.search(rf"<oddFooter>[^<]*{number}", unpacked(content).decode("utf-8", "replace"))
    assert {row[0] for row in rows} == {one.login for one in (FATIMA, STAFF, JAMAL, KHADIJA, PUPIL, GUARDIAN, OUTSIDE)}
    assert compared(content, tmp_path, clock) == compared(content, tmp_path, clock, spares_agents=True) == (0, 0, 7, 0)
    amina = dict(zip(titles, next(row for row in rows if row[0] == STAFF.login), strict=True))
    assert {"0123456", "amina.b@men.gov.ma", "=HYPERLINK(A1)", "06••••••01", "a•••@e•••"} <= set(amina.values())
    for whole in (b"661000901", b"amina@example.org", b"661000902"):
        assert whole not in unpacked(content)
    assert not re.search(rb"<f[ >]", unpacked(content)) and b";=HYP" not in content and b";@Ber" not in content
    told = [e for e in all_events() if e.event.startswith("people_export")]
    assert [e.event for e in told] == ["people_exported", "people_export_fetched"]
    assert {(e.person_id, e.detail["number"], e.detail["unit"], e.detail["reason"]) for e in told} == {
        (facts(YOUSSEF).id, number, "D07", REASON)
    }
    assert [e.detail["people"] for e in told] == [9, 7], "about so many; so many"
    assert shows(youssef.get("/devices/history/"), "activity.people_exported", "fr")


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_titles_and_words_are_those_that_an_import_knows(branch, clock, tmp_path, language):
    """In every language, masked or whole; what is there to be read alone is left alone."""
    for whole in (False, True):
        path = tmp_path / f"{whole}.xlsx"
        path.write_bytes(made(everybody("M", whole=whole), language, clock))
        listed, columns = PeopleList(path, Said()), branch_list.titles(whole=whole)
        assert list(listed.mapped.columns) == list(columns.fields) and listed.notes == ()
        assert len(listed.mapped.unused) == len(columns.also)
        assert tuple(listed.compare(ImportReport(), now=clock()).tally) == (0, 0, 8, 0)


@pytest.mark.parametrize("ending", branch_list.ENDINGS)
def test_with_contacts_it_makes_the_same_people_where_there_are_none(branch, clock, tmp_path, ending):
    """Names, numbers, other addresses, units, phones with their +: all that an import can say."""
    path = tmp_path / "list"
    path.write_bytes(made(everybody("M", whole=True), "fr", clock, ending))
    before = all_of(clock(), OUTSIDE, STAFF, PUPIL, GUARDIAN)
    for table in (Alias, Belonging, Contact):
        table.objects.all().delete()
    Person.objects.exclude(login__in=[YOUSSEF.login, JAMAL.login, KHADIJA.login]).delete()
    tally = PeopleList(path, Said()).write(ImportReport(), now=clock()).tally
    assert (tally.added, tally.refused) == (5, 0) and all_of(clock(), OUTSIDE, STAFF, PUPIL, GUARDIAN) == before


def all_of(now, *some: NewPerson) -> list[object]:
    """What an import may say of these people."""
    found: list[object] = []
    for one in some:
        who = facts(one)
        held = {(c.kind, c.value) for c in people.contacts.of_person(who.id, now)}
        belongs = sorted((b.kind, b.code, b.since) for b in people.belonging.of_person(who.id))
        found.append((who[1:7], who.role, sorted(people.directory.names_of(who.id)), belongs[:1], held))
    return found


def test_more_than_a_sheet_holds_is_no_list(branch, clock, monkeypatch):
    """XlsxWriter leaves such rows out without a word."""
    monkeypatch.setattr(export, "MOST_ROWS", 9)
    with pytest.raises(ValueError, match="a sheet has 9 rows"):
        made(everybody("M"), "fr", clock)
    assert made(everybody("M"), "fr", clock, "csv")
    before = ListExport.objects.count()
    monkeypatch.setattr(sheets, "MOST_ROWS", 9)
    told = exports.begin(unit("M"), who="", ending="xlsx", reason="x", language="fr", whole=False, now=clock())
    assert told == Problem("export_sheet", {"people": 10}) and ListExport.objects.count() == before


def test_units_of_a_branch_come_back_too(branch, clock, tmp_path):
    """Also below what the branch itself stands below, and with their days."""
    people.units.add("10001X", people.units.Kind.ESTABLISHMENT, ("ثانوية", "=Lycée"), parent=unit("D08"),
                     since=clock().date(), until=clock().date() + timedelta(days=9))  # fmt: skip
    for language in ("ar", "fr", "en"):
        for ending in branch_list.ENDINGS:
            path, words = tmp_path / f"{language}.{ending}", exported_words.speak_of_units(language)
            with path.open("wb") as file:
                written = branch_list.write(file, ending, branch_list.unit_rows(unit("A07"), words, now=clock()), words)
            tally = UnitList(path, Said()).compare(ImportReport(), now=clock()).tally
            assert written == 8 and tuple(tally) == (0, 0, 8, 0)


def test_each_person_stands_once_at_home(branch, clock, tmp_path):
    """OUTSIDE is of D08 and completes hours in D07: staff in the list of the academy, a complement in that of D07."""
    of = lambda code: [row for row in rows_in(made(everybody(code), "fr", clock), tmp_path) if row[0] == OUTSIDE.login]  # noqa: E731
    [home], [there] = of("A07"), of("D07")
    assert (home[8], home[9], there[8], there[9]) == ("Personnel", "30000S", "Complément de service", "24187K")


# -- who may take it, and whose


def test_atk_135_a_list_is_of_the_own_branch_and_of_whom_the_role_may_help(branch, worker, clock, tmp_path):
    """ATK-135, ATK-139: a school's head takes the school; another branch's code is nobody's; a teacher has no page."""
    jamal = at_desk(JAMAL, now=clock())
    for code in ("D07", "D08", "30000S", "M", "nowhere"):
        ask(jamal, code)
        assert jamal.page.status_code == 422 and shows(jamal, "error.export_unit", "ar"), code
    ask(jamal, "24187k", who="staff")
    worker()
    rows = rows_in(fetched(jamal), tmp_path)[2:]
    assert {row[0] for row in rows} == {FATIMA.login, KHADIJA.login, STAFF.login, OUTSIDE.login}
    khadija = at_desk(KHADIJA, now=clock())
    assert PAGE not in khadija.html and khadija.client.get(PAGE).status_code == 404
    assert not any(event.event == "people_exported" and event.person_id != facts(JAMAL).id for event in all_events())


def test_atk_139_whoever_holds_a_role_as_high_stands_in_no_list(branch, worker, clock, tmp_path):
    """ATK-139: neither the agent, a peer, a superior, nor an operator."""
    appoint(FATIMA, Role.DIRECTORATE_DESK, "D08", now=clock())
    appoint(STAFF, Role.ACADEMY_DESK, "A07", now=clock())
    youssef = ask(at_desk(YOUSSEF, now=clock()), who="staff")
    worker()
    rows = rows_in(fetched(youssef), tmp_path)[2:]
    assert {row[0] for row in rows} == {JAMAL.login, KHADIJA.login, OUTSIDE.login}


def test_atk_133_who_asked_fetches_it_while_the_role_holds(branch, worker, clock):
    """ATK-133: a colleague sees that it was taken, and by whom, and gets nothing; nor does who lost the role."""
    appoint(FATIMA, Role.DIRECTORATE_DESK, "D07", now=clock())
    youssef = ask(at_desk(YOUSSEF, now=clock()))
    worker()
    [one] = people.exports.of_desks([unit("D07").id], most=9)
    path = f"{PAGE}{one.uid}/"
    fatima = at_desk(FATIMA, now=clock()).get(PAGE)
    assert REASON in shown(fatima) and facts(YOUSSEF).name("ar") in shown(fatima) and path not in fatima.html
    assert (
        fatima.client.get(path).status_code == 404 and at_desk(JAMAL, now=clock()).client.get(path).status_code == 404
    )
    assert youssef.client.get(path).status_code == 200
    appoint(YOUSSEF, Role.HEAD, "10000D", now=clock())
    people.roles.revoke(facts(YOUSSEF).id, Role.DIRECTORATE_DESK, "D07", on=clock().date(), now=clock())
    assert youssef.client.get(path).status_code == 404


def test_atk_139_a_list_goes_with_the_role_for_which_it_was_asked(branch, worker, clock):
    """ATK-139: of a school whose head the agent has become meanwhile; other heads stand in it. What was not made yet is
    not made either."""
    youssef = ask(ask(at_desk(YOUSSEF, now=clock()), "24187K"), "24187K")
    assert make_exports.turn(tick=clock, speak=exported_words.speak, pause=lambda: None)
    made, waiting = sorted(people.exports.of_desks([unit("D07").id], most=9))
    appoint(YOUSSEF, Role.HEAD, "24187K", now=clock())
    assert youssef.client.get(f"{PAGE}{made.uid}/").status_code == 200
    people.roles.revoke(facts(YOUSSEF).id, Role.DIRECTORATE_DESK, "D07", on=clock().date(), now=clock())
    worker()
    assert people.exports.by_uid(waiting.uid).why == "role"
    assert youssef.client.get(f"{PAGE}{made.uid}/").status_code == 404


def test_a_list_is_judged_anew_when_it_is_made(branch, worker, clock):
    """ATK-135: whoever lost the role meanwhile, or the account, gets none."""
    for end in (
        lambda: people.directory.disable(facts(YOUSSEF).id),
        lambda: people.roles.revoke(facts(YOUSSEF).id, Role.DIRECTORATE_DESK, "D07", on=clock().date(), now=clock()),
    ):
        ask(at_desk(YOUSSEF, now=clock()))
        end()
        worker()
        one = people.exports.of_desks([unit("D07").id], most=1)[0]
        assert (one.state, one.why) == (State.FAILED, "role") and not ExportPart.objects.exists()
        people.directory.enable(facts(YOUSSEF).id)


def test_atk_133_lists_have_a_reason_and_a_bound(branch, clock, monkeypatch):
    """ATK-133: no reason, too many people, too many lists at once or in a day: nothing is registered."""
    youssef = ask(at_desk(YOUSSEF, now=clock()), reason=" ")
    assert youssef.page.status_code == 422 and not ListExport.objects.exists()
    monkeypatch.setattr(exports, "MOST", 6)
    assert shows(ask(youssef), "error.export_many", "fr") and not ListExport.objects.exists()
    assert shows(ask(youssef, "30000S", who="pupil"), "error.export_unit", "fr")
    assert shows(ask(youssef, "10000D", who="pupil"), "error.export_nobody", "fr")
    monkeypatch.setattr(exports, "MOST", 100)
    monkeypatch.setattr(
        exports.limits.rate_limits, "EXPORT_ROWS", exports.limits.rate_limits.EXPORT_ROWS._replace(burst=25)
    )
    assert [ask(youssef, who="staff").page.status_code for _ in range(5)] == [200, 200, 200, 422, 422]
    people.exports.end_all(now=clock())
    assert ask(youssef).page.status_code == 429 and ListExport.objects.count() == 3


# -- how it is made and kept


def test_a_worker_that_dies_leaves_it_to_the_next(branch, worker, clock):
    """Nothing of a half-made list is kept; who comes back late has lost it."""
    ask(at_desk(YOUSSEF, now=clock()))

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        worker(pause=die)
    worker()
    assert people.exports.of_desks([unit("D07").id], most=1)[0].state == State.MAKING, "somebody holds it"
    clock.advance(seconds=61)
    late = people.exports.of_desks([unit("D07").id], most=1)[0]
    worker()
    [one] = people.exports.of_desks([unit("D07").id], most=1)
    assert (one.state, one.done, one.turn) == (State.MADE, 7, 2)
    assert not people.exports.keep(late, io.BytesIO(b"x"), done=1, now=clock())
    assert not people.exports.go_on(late, done=1, now=clock())


def test_a_file_is_encrypted_and_goes_after_a_day(branch, worker, clock, monkeypatch):
    """The register's row stays; the same after a backup was put back."""
    monkeypatch.setattr(people.exports, "PART", 1000)
    youssef = ask(at_desk(YOUSSEF, now=clock()))
    worker()
    whole = fetched(youssef)
    kept = [bytes(part) for part in ExportPart.objects.order_by("number").values_list("ciphertext", flat=True)]
    assert len(kept) > 3 and all(whole[n : n + 20] not in b"".join(kept) for n in range(0, len(whole), 500))
    clock.advance(hours=23)
    people.exports.sweep(now=clock())
    assert ExportPart.objects.exists()
    clock.advance(hours=2)
    people.exports.sweep(now=clock())
    youssef = at_desk(YOUSSEF, now=clock()).get(PAGE)
    assert not ExportPart.objects.exists() and shows(youssef, "export.state.gone", "fr") and REASON in shown(youssef)
    ask(youssef)
    worker()
    assert after_restore.end_everything(now=clock())["exported lists"] == 1
    assert not ExportPart.objects.exists() and ListExport.objects.count() == 2
    clock.advance(days=401)
    people.exports.sweep(now=clock())
    assert not ListExport.objects.exists()


def test_atk_133_no_secret_stands_in_it(branch, clock):
    """ATK-133: a slip that waits, a class code, what was asked for by recovery, and the password in use."""
    secrets = {"password": FATIMA.password}
    for person in (STAFF, PUPIL):
        secrets |= {person.login: credentials.handed.draw([facts(person).id])[0].code}
    batch = credentials.handed.begin_batch(unit_id=None, printed_by=None, now=clock())
    drawn = credentials.handed.draw([facts(STAFF).id])
    credentials.handed.put(batch, drawn, until=clock() + timedelta(days=1), now=clock())
    secrets["slip"] = drawn[0].code
    for ending in branch_list.ENDINGS:
        content = unpacked(made(everybody("M", whole=True), "fr", clock, ending))
        assert found(secrets, content) == {} and b"$argon2" not in content
        for (hidden,) in Contact.objects.values_list("value_hmac"):
            assert hidden.encode() not in content
