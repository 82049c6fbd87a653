"""An import that dies at any step, or meets itself: what a batch wrote and how far it came are one truth (ATK-134)."""

import pytest
from django.db import transaction

from massar.domain.people import api as people
from massar.domain.people.models import Alias, Belonging, Contact, Guardianship, ImportRun, Person
from massar.journeys.people import import_guardians, import_sheet
from massar.journeys.people.import_guardians import GuardianList
from massar.journeys.people.import_sheet import PeopleList
from massar.journeys.people.sheet_list import ImportReport, Said, UnusableList
from tests.cast import HALIMA, ILYAS, RIM, YASSINE, family
from tests.support.faults import every_death

pytestmark = pytest.mark.django_db(transaction=True)
HEADER = "login;prenom;PPR;GRESA;email"
ROWS = [f"p{n}.q@taalim.ma;A;{1000 + n};01234A;p{n}@example.org" for n in range(7)] + ["bad;;;;"]


@pytest.fixture
def listed(transactional_db, tmp_path, monkeypatch) -> PeopleList:
    monkeypatch.setattr(import_sheet, "BATCH", 3)
    people.units.named("01234A", "مدرسة", "École")
    path = tmp_path / "list.csv"
    path.write_text("\n".join((HEADER, *ROWS)), encoding="utf-8")
    return PeopleList(path, Said())


def test_atk_134_it_goes_on_where_it_stopped_and_doubles_nothing(listed, clock):
    """ATK-134: after a death at each of its steps the same list makes the numbers whole."""

    def prepare():
        for table in (Contact, Alias, Belonging, Person, ImportRun):
            table.objects.all().delete()
        return lambda: listed.write(ImportReport(), now=clock())

    deaths = 0
    for deaths, _ in enumerate(every_death(clock, prepare, apart=3), start=1):  # noqa: B007
        report = listed.write(ImportReport(refuse=(told := []).append), now=clock())
        tally = report.tally
        assert tally.refused == report.earlier + len(told)
        # Dead behind its last commit it was finished: then this is another run, which changes nothing.
        assert tuple(tally) in ((7, 0, 0, 1), (0, 0, 7, 1))
        assert [table.objects.count() for table in (Person, Alias, Belonging, Contact)] == [7, 7, 7, 7]
    assert deaths >= 10, "issue 13: at ten moments"


def test_atk_134_of_two_programs_with_one_list_the_second_is_refused(listed, clock, monkeypatch):
    """ATK-134: it finds that the first moved on, and writes nothing of that batch."""
    run = people.import_runs.begin(listed.digest(), now=clock())
    with transaction.atomic():
        people.import_runs.advance(run, 2, people.import_runs.ImportTally(added=1))
    monkeypatch.setattr(people.import_runs, "begin", lambda *_, **__: run)
    with pytest.raises(UnusableList) as refused:
        listed.write(ImportReport(), now=clock())
    assert refused.value.kind == "meanwhile" and not Person.objects.exists()


def test_atk_134_a_list_of_guardians_is_begun_again_and_doubles_nothing(clock, transactional_db, tmp_path, monkeypatch):
    """ATK-134: it keeps no place; after a death at each of its steps the same list makes the same links."""
    monkeypatch.setattr(import_guardians, "BATCH", 2)
    family(now=clock())
    code, rows = HALIMA.login.partition("@")[0], [one.login.partition("@")[0] for one in (ILYAS, RIM, YASSINE)]
    path = tmp_path / "guardians.csv"
    path.write_text("\n".join(("code;tuteur;lien", *(f"{row};{code};mère" for row in rows))), encoding="utf-8")

    def prepare():
        Guardianship.objects.all().delete()
        return lambda: GuardianList(path, Said()).write(ImportReport(), now=clock())

    deaths = 0
    for deaths, _ in enumerate(every_death(clock, prepare), start=1):  # noqa: B007
        before = Guardianship.objects.count()
        tally = GuardianList(path, Said()).write(ImportReport(), now=clock()).tally
        assert tuple(tally) == (3 - before, 0, before, 0) and before in (0, 2, 3)
        assert Guardianship.objects.count() == 3
    assert deaths >= 5
