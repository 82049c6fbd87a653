"""Lists by the page: who may send them, what is told before anything is written, who approves, what comes back."""

import json
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from massar.core.sheets import api as sheets
from massar.domain.people import api as people
from massar.domain.people.models import ListJob, ListPart, Person, RoleGrant
from massar.interfaces.base import rsgi
from massar.interfaces.commands import refused_rows
from massar.interfaces.desk import lists as pages
from massar.journeys import after_restore
from massar.journeys.account import freeze_account
from massar.journeys.people import import_sheet, work_lists
from tests.cast import FATIMA, JAMAL, KHADIJA, SALMA, YOUSSEF, facts
from tests.support.canary import everything_stored
from tests.support.desk import Role, appoint, at_desk, plant
from tests.support.steps import shown, shows
from tests.support.trail import all_events

pytestmark = pytest.mark.both_databases
State = people.list_jobs.State
PAGE = "/desk/import/"
HEADER = "login;prenom;nom;GRESA;GSM;Remarque\n"
ROW = "new.{}@taalim.ma;Amina;Berrada;24187K;06610009{:02};x\n"


@pytest.fixture
def ministry(cast, clock) -> None:
    """Youssef and Khadija sit at the ministry's desk, Jamal at a directorate's."""
    plant()
    for agent in (YOUSSEF, KHADIJA):
        appoint(agent, Role.MINISTRY_DESK, "M", now=clock())
    appoint(JAMAL, Role.DIRECTORATE_DESK, "D07", now=clock())


@pytest.fixture
def worker(clock):
    """Takes up lists until none waits."""

    def work() -> None:
        while work_lists.turn(tick=clock, write_report=refused_rows.workbook, pause=lambda: None):
            pass

    return work


def send(visitor, text: str | bytes, holds: str = "people"):
    file = SimpleUploadedFile("liste.csv", text.encode() if isinstance(text, str) else text)
    visitor.get(PAGE)
    data = {"file": file, "holds": holds, "csrfmiddlewaretoken": visitor.token}
    visitor.page = visitor.client.post(PAGE, data, follow=True)
    return visitor


def test_a_list_is_sent_compared_approved_and_written(ministry, worker, clock):
    """Below the bound by one agent alone. Nothing is written before."""
    youssef = send(at_desk(YOUSSEF, now=clock()), HEADER + ROW.format(1, 1) + "nobody;;;;;\n")
    assert youssef.path.startswith(PAGE) and shows(youssef, "lists.state.waiting", "fr")
    worker()
    youssef.get(youssef.path)
    assert shows(youssef, "lists.state.compared", "fr") and shows(youssef, "lists.tally.refused", "fr")
    assert "new.1@taalim.ma" not in set(Person.objects.values_list("login", flat=True))
    report = youssef.client.get(f"{youssef.path}report/")
    assert report["Content-Type"].endswith("spreadsheetml.sheet") and report.content.startswith(b"PK")
    youssef.submit(f"{youssef.path}approve/")
    assert shows(youssef, "lists.state.approved", "fr")
    worker()
    assert shows(youssef.get(youssef.path), "lists.state.written", "fr")
    new = people.directory.by_login("new.1@taalim.ma", now=clock())
    assert new and [c.value for c in people.contacts.of_person(new.id, clock())] == ["+212661000901"]
    assert {"list_sent", "list_approved", "people_imported"} <= {event.event for event in all_events()}


def test_only_the_ministrys_desk_finds_the_page(ministry, clock, worker):
    """No directorate's agent does, nor finds a list by its address. An operator may, who has the command as well."""
    youssef = send(at_desk(YOUSSEF, now=clock()), HEADER + ROW.format(1, 1))
    jamal = at_desk(JAMAL, now=clock())
    assert jamal.path == "/desk/" and PAGE not in jamal.html
    assert [jamal.client.get(path).status_code for path in (PAGE, youssef.path, f"{youssef.path}report/")] == [404] * 3
    for act in ("approve", "stop", "say"):
        token = jamal.get("/desk/people/").token
        fields = {"csrfmiddlewaretoken": token, "turn": "1"}
        assert jamal.client.post(f"{youssef.path}{act}/", fields).status_code == 404
    assert ListJob.objects.get().state == State.WAITING
    assert at_desk(SALMA, now=clock()).get(youssef.path).page.status_code == 200


def test_many_changes_take_another_agent(ministry, worker, clock):
    """ADM-02: whoever sent the list can't approve it; the page says so, and so does the address behind it."""
    rows = "".join(ROW.format(n, n) for n in range(51))
    youssef = send(at_desk(YOUSSEF, now=clock()), HEADER + rows)
    worker()
    youssef.get(youssef.path)
    assert f"{youssef.path}approve/" not in youssef.html
    fields = {"csrfmiddlewaretoken": youssef.token, "turn": "1"}
    assert youssef.client.post(f"{youssef.path}approve/", fields).status_code == 422
    assert ListJob.objects.get().state == State.COMPARED
    khadija = at_desk(KHADIJA, now=clock()).get(youssef.path)
    khadija.submit(f"{youssef.path}approve/")
    worker()
    assert (
        ListJob.objects.get().state == State.WRITTEN and Person.objects.filter(login__startswith="new.").count() == 51
    )


def test_atk_138_whoever_says_what_a_list_holds_is_its_author_too(ministry, worker, clock):
    """Or a colleague's list, sent in good faith, is approved with another column taken for the phone."""
    youssef = send(at_desk(YOUSSEF, now=clock()), HEADER + "".join(ROW.format(n, n) for n in range(51)))
    path, khadija = youssef.path, at_desk(KHADIJA, now=clock())
    worker()
    khadija.get(path).submit(f"{path}say/", kind="staff")
    worker()
    for author, language in ((khadija, facts(KHADIJA).language), (youssef, "fr")):
        assert f"{path}approve/" not in author.get(path).html and shows(author, "error.list_second", language)
        fields = {"csrfmiddlewaretoken": author.token, "turn": "2"}
        assert author.client.post(f"{path}approve/", fields).status_code == 422
    assert [event.person_id for event in all_events() if event.event == "list_said"] == [facts(KHADIJA).id]
    appoint(FATIMA, Role.MINISTRY_DESK, "M", now=clock())
    fatima = at_desk(FATIMA, now=clock()).get(path)
    RoleGrant.objects.filter(person_id=facts(FATIMA).id).update(granted_by=facts(KHADIJA).id)
    assert shows(fatima.submit(f"{path}approve/"), "error.list_second"), "nor anybody whom an author made an agent"
    RoleGrant.objects.update(granted_by=None)
    freeze_account.by_operator(person=facts(YOUSSEF), reason="stolen", now=clock())
    assert shows(fatima.get(path).submit(f"{path}approve/"), "error.list_author_shut")
    assert ListJob.objects.get().state == State.COMPARED
    freeze_account.reopen(person=facts(YOUSSEF), reason="recognised", now=clock())
    fatima.get(path).submit(f"{path}approve/")
    assert ListJob.objects.get().state == State.APPROVED


def approved(youssef, worker):
    """The list on whose page Youssef is, compared and approved by him, where the page offers it."""
    worker()
    youssef.get(youssef.path).submit(f"{youssef.path}approve/")
    return youssef


def test_many_short_lists_are_a_long_one(ministry, worker, clock):
    """ATK-138: what one person lets be written alone is counted for a day, not for a list."""
    lists = ["".join(ROW.format(n, n) for n in some) for some in (range(30), range(30, 60), range(30, 50))]
    youssef = approved(send(at_desk(YOUSSEF, now=clock()), HEADER + lists[0]), worker)
    worker()
    long = send(youssef, HEADER + lists[1]).path
    worker()
    assert f"{long}approve/" not in youssef.get(long).html and shows(youssef, "error.list_second", "fr")
    answer = youssef.client.post(f"{long}approve/", {"csrfmiddlewaretoken": youssef.token, "turn": "1"})
    assert answer.status_code == 422
    approved(send(youssef, HEADER + lists[2]), worker)
    worker()
    assert Person.objects.filter(login__startswith="new.").count() == 50
    clock.advance(hours=25)
    youssef = at_desk(YOUSSEF, now=clock()).get(long)
    assert f"{long}approve/" in youssef.html


def test_no_more_is_written_than_was_agreed_to(ministry, worker, clock):
    """ATK-138: rows that were refused when it was compared fit once a unit is there; nobody has agreed to them."""
    later = "".join(ROW.format(n, n).replace("24187K", "30009T") for n in range(1, 60))
    youssef = send(at_desk(YOUSSEF, now=clock()), HEADER + ROW.format(0, 0) + later)
    path = youssef.path
    worker()
    assert (ListJob.objects.get().added, ListJob.objects.get().refused) == (1, 59)
    approved(send(youssef, "code;parent;nom\n30009T;D08;Lycée\n", "units"), worker)
    worker()
    youssef.get(path).submit(f"{path}approve/")
    worker()
    assert shows(youssef.get(path), "import.refused.grown", "fr")
    assert not Person.objects.filter(login__startswith="new.").exists()
    youssef.submit(f"{path}say/")
    worker()
    assert ListJob.objects.get(uid=path.split("/")[-2]).added == 60 and f"{path}approve/" not in youssef.get(path).html


def test_what_was_compared_anew_is_not_approved_by_an_old_page(ministry, worker, clock):
    youssef = send(at_desk(YOUSSEF, now=clock()), HEADER + ROW.format(1, 1))
    worker()
    youssef.get(youssef.path)
    token, path = youssef.token, youssef.path
    youssef.submit(f"{path}say/", kind="guardian")
    worker()
    answer = youssef.client.post(f"{path}approve/", {"csrfmiddlewaretoken": token, "turn": "1"})
    assert answer.status_code == 422 and ListJob.objects.get().state == State.COMPARED


def test_what_columns_hold_is_shown_and_may_be_said(ministry, worker, clock):
    youssef = send(at_desk(YOUSSEF, now=clock()), "Compte;prenom;nom\nnew.1@taalim.ma;Amina;Berrada\n")
    worker()
    youssef.get(youssef.path)
    assert shows(youssef, "lists.state.unusable", "fr") and "Compte" in shown(youssef)
    youssef.submit(f"{youssef.path}say/", **{"column-0": "login"})
    worker()
    youssef.get(youssef.path)
    assert shows(youssef, "lists.state.compared", "fr")
    assert json.loads(ListJob.objects.get().said)["columns"] == {
        "Compte": "login", "prenom": "first_latin", "nom": "last_latin",
    }  # fmt: skip


def test_atk_139_a_list_never_touches_an_agent(ministry, worker, clock):
    """ATK-139: neither the one who sent it, nor any other who holds a role."""
    rows = "".join(f"{agent.login};Other;Name;24187K;;\n" for agent in (YOUSSEF, JAMAL))
    send(at_desk(YOUSSEF, now=clock()), HEADER + rows + f"{FATIMA.login};Fatine;;24187K;;\n")
    worker()
    job = ListJob.objects.get()
    assert (job.changed, job.refused) == (1, 2) and facts(JAMAL).first_latin == JAMAL.first_latin


def test_atk_132_columns_of_rights_and_secrets_refuse_it(ministry, worker, clock):
    """ATK-132: whatever is said about them."""
    youssef = send(at_desk(YOUSSEF, now=clock()), "login;password\nnew.1@taalim.ma;x\n")
    worker()
    youssef.get(youssef.path).submit(f"{youssef.path}say/", **{"column-1": ""})
    worker()
    assert shows(youssef.get(youssef.path), "lists.state.unusable", "fr") and "password" in shown(youssef)


def test_units_are_taken_whole(ministry, worker, clock):
    youssef = send(at_desk(YOUSSEF, now=clock()), "code;parent;nom\n30001T;D08;Lycée\n30002T;D99;x\n", "units")
    worker()
    youssef.get(youssef.path)
    assert f"{youssef.path}approve/" not in youssef.html and shows(youssef, "error.list_whole", "fr")
    youssef = send(youssef, "code;parent;nom\n30001T;D08;Lycée\n", "units")
    worker()
    youssef.get(youssef.path).submit(f"{youssef.path}approve/")
    worker()
    assert people.units.by_code("30001T") and not people.units.by_code("30002T")


def test_nobody_rests_while_units_are_written(ministry, worker, clock):
    """It is one transaction, and on SQLite nobody else writes meanwhile."""
    youssef = approved(send(at_desk(YOUSSEF, now=clock()), "code;parent;nom\n30001T;D08;Lycée\n", "units"), worker)
    rests: list[str] = []
    rest = lambda: rests.append(ListJob.objects.get().state)  # noqa: E731
    work_lists.turn(tick=clock, write_report=refused_rows.workbook, pause=rest)
    assert shows(youssef.get(youssef.path), "lists.state.written", "fr") and not rests


def test_atk_150_a_restore_writes_no_list(ministry, worker, clock):
    """ATK-150: one that was approved in the copy may have been stopped, or written, since."""
    approved(send(at_desk(YOUSSEF, now=clock()), HEADER + ROW.format(1, 1)), worker)
    assert after_restore.end_everything(now=clock())["lists"] == 1
    worker()
    assert ListJob.objects.get().state == State.CANCELLED and not ListPart.objects.exists()
    assert not Person.objects.filter(login__startswith="new.").exists()


def test_it_is_stopped_on_its_way_and_nothing_of_it_stays(ministry, clock, monkeypatch):
    monkeypatch.setattr(import_sheet, "BATCH", 1)
    youssef = send(at_desk(YOUSSEF, now=clock()), HEADER + "".join(ROW.format(n, n) for n in range(5)))
    path = youssef.path

    def stop() -> None:
        if ListJob.objects.get().state == State.COMPARING:
            youssef.get(path).submit(f"{path}stop/")

    work_lists.turn(tick=clock, write_report=refused_rows.workbook, pause=stop)
    assert ListJob.objects.get().state == State.CANCELLED and not ListPart.objects.exists()
    assert youssef.client.get(f"{path}report/").status_code == 404


def test_atk_134_a_worker_that_dies_leaves_it_to_the_next(ministry, worker, clock, monkeypatch):
    """ATK-134: no earlier than its lease ends; what was written is not written twice."""
    monkeypatch.setattr(import_sheet, "BATCH", 2)
    youssef = send(at_desk(YOUSSEF, now=clock()), HEADER + "".join(ROW.format(n, n) for n in range(7)))
    worker()
    youssef.get(youssef.path).submit(f"{youssef.path}approve/")

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        work_lists.turn(tick=clock, write_report=refused_rows.workbook, pause=die)
    assert Person.objects.filter(login__startswith="new.").count() == 2
    worker()
    assert ListJob.objects.get().state == State.WRITING, "somebody holds it"
    clock.advance(seconds=61)
    worker()
    job = ListJob.objects.get()
    assert (job.state, job.added, job.refused) == (State.WRITTEN, 7, 0)
    assert Person.objects.filter(login__startswith="new.").count() == 7


def test_the_list_is_encrypted_and_goes_after_two_days(ministry, worker, clock):
    send(at_desk(YOUSSEF, now=clock()), HEADER + ROW.format(1, 1))
    worker()
    assert b"661000901" not in everything_stored()
    clock.advance(hours=47)
    people.list_jobs.sweep(now=clock())
    assert ListJob.objects.exists()
    clock.advance(hours=2)
    people.list_jobs.sweep(now=clock())
    assert not ListJob.objects.exists() and not ListPart.objects.exists()


def test_of_a_written_list_its_refused_rows_stay_for_a_day(ministry, worker, clock):
    """Law 09-08: nothing is kept that nobody needs; the page says until when."""
    rows = f"{FATIMA.login};Fatiha;Alaoui;24187K;;x\nnobody;;;;;\n"
    youssef = approved(send(at_desk(YOUSSEF, now=clock()), HEADER + rows), worker)
    assert shows(youssef, "lists.state.approved", "fr") and "Fatiha" in youssef.html
    worker()
    parts = set(ListPart.objects.values_list("part", flat=True))
    assert parts == {people.list_jobs.Piece.TOLD, people.list_jobs.Piece.REPORT}, "the file is gone"
    assert "Fatiha" not in youssef.get(youssef.path).html
    assert shows(youssef, "lists.kept_refused", "fr") and f"{youssef.path}report/" in youssef.html
    clock.advance(hours=24)
    youssef = at_desk(YOUSSEF, now=clock()).get(youssef.path)
    assert shows(youssef, "lists.kept_nothing", "fr") and f"{youssef.path}report/" not in youssef.html
    assert youssef.client.get(f"{youssef.path}report/").status_code == 404
    clock.advance(seconds=1)
    people.list_jobs.sweep(now=clock())
    assert ListJob.objects.exists() and not ListPart.objects.exists()


def test_a_row_that_is_told_in_place_of_titles_is_encrypted(ministry, worker, clock):
    youssef = send(at_desk(YOUSSEF, now=clock()), "new.1@taalim.ma;Amina;0661000901\n")
    worker()
    assert "0661000901" in youssef.get(youssef.path).html and "0661000901" not in ListJob.objects.get().why


@pytest.mark.parametrize(
    ("content", "problem"), [(b"", "list_missing"), (b"x" * (sheets.BY_PAGE.file + 1), "list_large")]
)
def test_what_is_no_list_is_told(ministry, clock, content, problem):
    youssef = send(at_desk(YOUSSEF, now=clock()), content)
    assert youssef.page.status_code == 422 and not ListJob.objects.exists()


def test_a_file_that_the_front_door_left_out_is_told(ministry, clock):
    """What is larger comes with its length and nothing else; the page said nothing but that it was open too long."""
    youssef = at_desk(YOUSSEF, now=clock()).get(PAGE)
    head = {"CONTENT_TYPE": "multipart/form-data; boundary=x", "CONTENT_LENGTH": str(12 * 1024 * 1024)}
    youssef.page = youssef.client.post(
        PAGE, b"", content_type=head["CONTENT_TYPE"], **head, **{"wsgi.input": BytesIO()}
    )
    assert youssef.page.status_code == 413 and shows(youssef, "errors.413_file.text", "fr")


def test_a_worker_keeps_the_list_in_no_file_that_outlives_it(ministry, clock, monkeypatch, tmp_path):
    """Else kill -9 would leave it on the disk, readable, for good."""
    monkeypatch.setattr(work_lists.tempfile, "tempdir", str(tmp_path))
    send(at_desk(YOUSSEF, now=clock()), HEADER + ROW.format(1, 1))
    seen: list[object] = []
    look = lambda: seen.append([*tmp_path.rglob("*")])  # noqa: E731
    assert work_lists.turn(tick=clock, write_report=lambda *_: b"", pause=look)
    assert seen == [[]] and ListJob.objects.get().added == 1


def test_no_more_than_a_few_wait(ministry, clock):
    youssef = at_desk(YOUSSEF, now=clock())
    for n in range(6):
        send(youssef, HEADER + ROW.format(n, n))
    assert youssef.page.status_code == 422 and ListJob.objects.count() == 5


def test_atk_100_a_file_is_taken_by_this_page_alone(ministry, clock):
    """ATK-100: elsewhere it is refused, and more than one is nowhere taken."""
    youssef = at_desk(YOUSSEF, now=clock()).get("/profile/")
    file = lambda: SimpleUploadedFile("x.csv", b"x")  # noqa: E731
    answer = youssef.client.post("/profile/", {"csrfmiddlewaretoken": youssef.token, "x": file()})
    assert answer.status_code == 400
    token = youssef.get(PAGE).token
    assert youssef.client.post(PAGE, {"csrfmiddlewaretoken": token, "file": file(), "y": file()}).status_code == 400


def test_atk_066_much_is_read_only_of_a_browser_that_uses_the_desk(ministry, clock, monkeypatch):
    """ATK-066: before anybody is recognised; by the signed cookie, at that address, for a quarter of an hour."""
    monkeypatch.setattr(pages.clock, "now", clock)
    youssef = at_desk(YOUSSEF, now=clock())
    head = "; ".join(f"{name}={value}" for name, value in youssef.cookies.items())

    def most(**changed: str) -> int:
        told = {"REQUEST_METHOD": "POST", "PATH_INFO": reverse("desk_lists"), "HTTP_COOKIE": head, **changed}
        return pages.largest_body(told)

    assert most() > sheets.BY_PAGE.file
    jamal = "; ".join(f"{name}={value}" for name, value in at_desk(JAMAL, now=clock()).cookies.items())
    assert "massar-desk=" in jamal
    forged = head.replace("massar-desk=", "massar-desk=A")
    for changed in (
        {"REQUEST_METHOD": "PUT"},
        {"PATH_INFO": "/sign-in/"},
        {"HTTP_COOKIE": ""},
        {"HTTP_COOKIE": forged},
        {"HTTP_COOKIE": jamal},
    ):
        assert most(**changed) == rsgi.LARGEST_BODY
    clock.advance(minutes=15)
    assert most() == rsgi.LARGEST_BODY
