"""A list of units: the tree that it would make, judged as a whole, and what it never does to units that stand."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massar.core import sql
from massar.domain.people import api as people
from massar.domain.people.models import Unit
from massar.journeys.people.import_units import UnitList
from massar.journeys.people.sheet_list import Change, ImportReport, Said, UnusableList
from tests.support.trail import all_events

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
HEADER = "GRESA;Nature;CD_ETABR;Code direction provinciale;Code académie;الاسم;Nom établissement;Ouverture;Fermeture"
COLUMNS = "code;kind;parent;directorate;academy;name_ar;name_latin;since;until"
MINISTRY, RABAT = "MEN;ministère;;;;الوزارة;Ministère;;", "A10;académie;MEN;;;أكاديمية الرباط;Académie de Rabat;;"
SALE, TEMARA = "D1001;direction;;;A10;سلا;Salé;;", "D1002;مديرية إقليمية;;;A10;تمارة;Témara;;"
SCHOOL, SATELLITE = (
    "01234a;école primaire;01234A;D1001;A10;مدرسة;École;;",
    "01235B;satellite;01234A;D1001;A10;فرعية;Annexe;;",
)


@pytest.fixture
def listed(tmp_path):
    def make(*rows, header=COLUMNS):
        path = tmp_path / "units.csv"
        path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
        return UnitList(path, Said())

    return make


@pytest.fixture
def written(listed, clock):
    """Imports these rows; returns (added, changed, unchanged, refused) and the report."""

    def write(*rows):
        report = listed(*rows).write(ImportReport(), now=clock())
        return tuple(report.tally), report

    return write


def tree():
    """Every unit: (code, kind, code of the one above)."""
    codes = {unit.pk: unit.code for unit in Unit.objects.all()}
    return {(unit.code, unit.kind, codes.get(unit.parent_id, "")) for unit in Unit.objects.all()}


def test_rows_in_any_order_make_a_tree(written, clock):
    """A child stands before its parent; of several columns the nearest unit is the one above; codes in capitals."""
    (tally, _) = written(SATELLITE, SCHOOL, SALE, RABAT, MINISTRY)
    assert tally == (5, 0, 0, 0)
    assert tree() == {
        ("MEN", 1, ""), ("A10", 2, "MEN"), ("D1001", 3, "A10"), ("01234A", 4, "D1001"), ("01235B", 4, "01234A"),
    }  # fmt: skip
    below = people.units.below(people.units.by_code("D1001").id, on=clock().date())
    assert [unit.code for unit in below] == ["D1001", "01234A", "01235B"]
    event = next(one for one in all_events() if one.event == "units_imported")
    assert event.detail["added"] == 5


def test_the_same_list_twice_changes_nothing(written):
    rows = (SATELLITE, SCHOOL, SALE, RABAT, MINISTRY)
    written(*rows)
    before = sorted(map(str, Unit.objects.values_list()))
    assert written(*rows)[0] == (0, 0, 5, 0) and sorted(map(str, Unit.objects.values_list())) == before


def test_a_comparison_tells_moves_names_and_closings_and_writes_nothing(written, listed, clock):
    written(SCHOOL, SALE, TEMARA, RABAT, MINISTRY)
    before = tree()
    moved = "01234A;;;D1002;;;École Al Amal;01/09/2020;31/08/2027"
    report = listed(moved, TEMARA).compare(ImportReport(), now=clock())
    assert tuple(report.tally) == (0, 1, 1, 0) and tree() == before
    assert report.changes == [
        Change(2, "01234A", "unit_parent", "D1001", "D1002"),
        Change(2, "01234A", "unit_name_latin", "École", "École Al Amal"),
        Change(2, "01234A", "unit_since", "", "2020-09-01"),
        Change(2, "01234A", "unit_until", "", "2027-08-31"),
    ]


def test_a_unit_is_closed_and_opened_again_and_never_removed(written):
    written(SCHOOL, SALE, RABAT, MINISTRY)
    written("01234A;;;;;;;;31/08/2026")
    assert people.units.by_code("01234A").until == date(2026, 8, 31)
    assert written("01234A;;;;;;;;")[0] == (0, 0, 1, 0), "an empty cell says nothing"
    written("01234A;;;;;;;;مفتوحة")
    assert people.units.by_code("01234A").until is None and Unit.objects.count() == 4


@pytest.mark.parametrize(("rows", "fault"), [
    (("01236C;;;D9999;;x;;;",), ("directorate", "unit_unknown")),
    (("01236C;قسم;;D1001;;x;;;",), ("directorate", "unit_parent_fits")),
    (("01236C;classe;;;;x;;;",), ("parent", "unit_parent_fits")),
    (("A11;académie;;D1001;;x;;;",), ("directorate", "unit_parent_fits")),
    (("01234A;académie;;;;;;;",), ("kind", "unit_kind_differs")),
    (("01236C;gymnase;;;;x;;;",), ("kind", "unit_kind_unknown")),
    (("01236C;;;;;;;;",), ("name_ar", "unit_name_empty")),
    (("01236C;;;;;x;;02/09/2026;01/09/2026",), ("until", "unit_days")),
    (("01236C;;;;;x;;;32/09/2026",), ("until", "day_shape")),
    ((";;;;;x;;;",), ("code", "unit_code_shape")),
    (("012 36C;;;;;x;;;",), ("code", "unit_code_shape")),
    (("01236C;;;D1001;;x\u200fy;;;",), ("name_ar", "name_shape")),
])  # fmt: skip
def test_one_wrong_row_keeps_the_whole_list_out(written, rows, fault):
    """Told by its field and reason; the right rows of the list are not written either."""
    written(SCHOOL, SALE, RABAT, MINISTRY)
    before = tree()
    tally, report = written(TEMARA, *rows)
    assert tally == (1, 0, 0, 1) and report.reasons == {fault: 1} and tree() == before


def test_a_code_comes_once(written):
    tally, report = written(MINISTRY, MINISTRY)
    assert tally == (1, 0, 0, 1) and report.reasons == {("code", "unit_twice"): 1} and not tree()


def test_no_unit_stands_below_itself(written):
    """Neither by the list alone, nor together with what stands."""
    written(SATELLITE, SCHOOL, SALE, RABAT, MINISTRY)
    _, report = written("01234A;;01235B;;;;;;")
    assert report.reasons == {("parent", "unit_circle"): 1}
    _, report = written("1A;;2B;;;x;;;", "2B;;3C;;;x;;;", "3C;;1A;;;x;;;", "4D;;1A;;;x;;;")
    assert report.reasons == {("parent", "unit_circle"): 3} and len(tree()) == 5


def test_what_stands_below_a_row_that_can_not_be_read_is_not_wrong_itself(written):
    _, report = written(MINISTRY, RABAT, SALE.replace(";;\n", "").removesuffix(";;") + ";never;", SCHOOL)
    assert report.reasons == {("since", "day_shape"): 1}


def test_a_list_without_codes_is_not_taken(listed):
    with pytest.raises(UnusableList) as refused:
        listed("x;y", header="Nom;الاسم")
    assert refused.value.kind == "no_code"


def test_columns_are_known_by_the_titles_of_the_ministrys_own_files(listed):
    assert set(listed(SCHOOL, header=HEADER).mapped.columns) == set(COLUMNS.split(";")) - {"since", "until"}
    assert listed(SCHOOL, header=HEADER).mapped.unused == ("Ouverture", "Fermeture")


CODES = st.sampled_from("ABCDE")


@given(st.lists(st.dictionaries(CODES, CODES, max_size=5), min_size=1, max_size=3))
def test_whatever_is_taken_leads_up_to_a_top(tmp_path_factory, lists):
    """Lists of schools below schools, one after the other: no way up is a circle, whatever was taken before."""
    sql.execute("DELETE FROM people_unit")
    path = tmp_path_factory.mktemp("lists") / "units.csv"
    for parents in lists:
        rows = [f"{code};{parent};x" for code, parent in parents.items()]
        rows += [f"{code};;x" for code in sorted(set(parents.values()) - parents.keys())]
        path.write_text("\n".join(("code;parent;name_ar", *rows)), encoding="utf-8")
        UnitList(path, Said()).write(ImportReport(), now=NOW)
        above = {code: up for code, _, up in tree()}
        for code in above:
            steps = 0
            while code:
                code, steps = above[code], steps + 1
                assert steps <= len(above)
