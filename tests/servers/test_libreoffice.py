"""What LibreOffice saved comes back as it was; what it hides and merges is told."""

import subprocess

import pytest

from massar.core.sheets import api as sheets
from massar.domain.people import api as people
from massar.interfaces.commands import exported_words
from massar.journeys.desk import exports
from massar.journeys.people import branch_list
from massar.journeys.people.import_sheet import PeopleList
from massar.journeys.people.import_units import UnitList
from massar.journeys.people.sheet_list import ImportReport, Said
from tests.cast import FATIMA, facts
from tests.servers.machine import program
from tests.support.desk import plant, unit
from tests.support.programs import LIBREOFFICE

HEADER = ("الاسم", "PPR", "phone", "code", "day")
ROWS = [
    ("جلال", "0123456", "+212661123456", "12345A", "2025-09-04"),
    ("=1+1", "00", "0661123456", "1E5", "04/09/2025"),
    ("@الرباط", "١٢٣", "+33 6 12", "1/2", "TRUE"),
    ("a\nb", "'-5", " x ", "_x0041_", "1,5"),
]
FODS = """<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" office:version="1.3"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 office:mimetype="application/vnd.oasis.opendocument.spreadsheet"><office:body><office:spreadsheet>
<table:table table:name="الأقسام"><table:table-column/><table:table-column table:visibility="collapse"/>
{rows}</table:table></office:spreadsheet></office:body></office:document>"""
LINE = "<table:table-row{hidden}>{first}{second}</table:table-row>"


@pytest.fixture
def converted(tmp_path):
    """The file as LibreOffice saves it in another format."""
    office = program(LIBREOFFICE)

    def convert(path, ending):
        out = tmp_path / "out"
        profile = f"-env:UserInstallation=file://{tmp_path}/profile"
        command = [office, profile, "--headless", "--convert-to", ending, "--outdir", str(out), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        kept = out / f"{path.stem}.{ending.partition(':')[0]}"
        assert kept.is_file(), done.stderr
        return kept

    return convert


def read(path):
    table = sheets.open_sheet(path, bounds=sheets.BY_PAGE)
    return table.notes, list(table.rows())


@pytest.mark.parametrize("right_to_left", [False, True])
def test_an_export_that_was_saved_again_comes_back_unchanged(converted, tmp_path, right_to_left):
    """Phones keep their +, codes their zeros, what looks like a formula stays a text."""
    path = tmp_path / "people.xlsx"
    with path.open("wb") as file:
        sheets.write_xlsx(file, HEADER, ROWS, name="people", right_to_left=right_to_left)
    notes, rows = read(converted(path, "xlsx"))
    assert [row.cells for row in rows] == [HEADER, *ROWS] and notes == () and not any(row.faults for row in rows)


def test_hidden_and_merged_cells_of_libreoffice_are_told(converted, tmp_path):
    def cell(text, more=""):
        return f'<table:table-cell office:value-type="string"{more}><text:p>{text}</text:p></table:table-cell>'

    rows = [
        LINE.format(hidden="", first=cell("القسم"), second=cell("b")),
        LINE.format(hidden=' table:visibility="filter"', first=cell("x"), second=cell("y")),
        LINE.format(hidden="", first=cell("قسم", ' table:number-rows-spanned="2"'), second=cell("z")),
        LINE.format(hidden="", first="<table:covered-table-cell/>", second=cell("w")),
    ]
    path = tmp_path / "classes.fods"
    path.write_text(FODS.format(rows="".join(rows)), encoding="utf-8")
    notes, read_rows = read(converted(path, "xlsx"))
    told = {note.kind: note.many for note in notes}
    assert told == {"hidden_rows": 1, "hidden_columns": 1, "merged": 1}
    assert [row.hidden for row in read_rows] == [False, True, False, False]
    assert read_rows[3].cells[1] == "w" and read_rows[3].faults == {0: "merged"}


@pytest.mark.parametrize("language", ["ar", "fr"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_list_of_a_branch_comes_back_through_import(cast, clock, converted, tmp_path, language, whole):
    """Issue 13: after LibreOffice saved it again, nothing would change: phones keep their +, codes stay texts."""
    plant()
    people.directory.add_names(facts(FATIMA).id, [("0012345", "")])
    scope = branch_list.ListScope(unit("M"), tuple(people.Kind), whole=whole)
    one = exports.begin(scope.unit, who="", ending="xlsx", reason="x", language=language, whole=whole, now=clock())
    words, path = exported_words.speak(one, scope.unit, now=clock(), whole=whole), tmp_path / "people.xlsx"
    with path.open("wb") as file:
        written = branch_list.write(file, "xlsx", branch_list.rows(scope, words, now=clock()), words)
    listed = PeopleList(converted(path, "xlsx"), Said())
    assert tuple(listed.compare(ImportReport(), now=clock()).tally) == (0, 0, written, 0) and listed.notes == ()
    assert len(listed.mapped.columns) == len(branch_list.titles(whole=whole).fields)
    cells = {cell for row in listed.rows() for cell in row.cells}
    assert "0012345" in cells and ("+212661000222" in cells) is whole


def test_a_tree_of_units_comes_back_through_import(cast, clock, converted, tmp_path):
    plant()
    words, path = exported_words.speak_of_units("ar"), tmp_path / "units.xlsx"
    with path.open("wb") as file:
        written = branch_list.write(file, "xlsx", branch_list.unit_rows(unit("M"), words, now=clock()), words)
    tally = UnitList(converted(path, "xlsx"), Said()).compare(ImportReport(), now=clock()).tally
    assert tuple(tally) == (0, 0, written, 0) and written == 8
