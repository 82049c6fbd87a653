"""Files of rows as people have them: what is read, what is told, what is refused (ATK-129, 130, 131, 133)."""

import codecs
import contextlib
import io
import zipfile
from random import Random

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from massar.core.sheets import api as sheets
from massar.core.sheets.export import guarded, without_guard

SMALL = sheets.Bounds(file=200_000, unpacked=2 * 1024 * 1024, rows=50, columns=12, cell=100)
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


@pytest.fixture
def saved(tmp_path):
    def save(content, name="file"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return save


def opened(path, bounds=SMALL, **choices):
    return sheets.open_sheet(path, bounds=bounds, choices=sheets.Choices(**choices))


def cells(path, **choices):
    return [row.cells for row in opened(path, **choices).rows()]


def refusal(path, bounds=SMALL, **choices):
    with pytest.raises(sheets.SheetRefused) as refused:
        for _ in opened(path, bounds, **choices).rows():
            pass
    return refused.value.kind, refused.value.line


# --- CSV


NAMES = "الاسم;Prénom\r\nجلال;Jélène\r\n"
READ = [("الاسم", "Prénom"), ("جلال", "Jélène")]


@pytest.mark.parametrize(("content", "told"), [
    (NAMES.encode(), {"delimiter": ";"}),
    (codecs.BOM_UTF8 + NAMES.encode(), {"delimiter": ";"}),
    (NAMES.encode("utf-16"), {"delimiter": ";"}),
    (NAMES.encode("windows-1256"), {"encoding": "الاسم;Prénom", "delimiter": ";"}),
    (NAMES.replace(";", ",").encode(), {"delimiter": ","}),
    (NAMES.replace(";", "\t").encode(), {"delimiter": "\t"}),
    (("sep=;\r\n" + NAMES).encode(), {}),
])  # fmt: skip
def test_atk_129_encodings_and_delimiters_are_found_and_told(saved, content, told):
    """ATK-129: what was taken without being said stands in the notes."""
    path = saved(content)
    assert cells(path) == READ and {n.kind: n.detail for n in opened(path).notes} == told


def test_atk_129_one_line_of_windows_1256_in_a_long_file_is_arabic(saved):
    """One Arabic word among ASCII is too little for a guesser of encodings; it is all that there is here."""
    lines = [f"a{n};b" for n in range(40)] + ["فاطمة;x"]
    assert cells(saved("\n".join(lines).encode("windows-1256")))[-1] == ("فاطمة", "x")


def test_atk_129_a_damaged_file_of_utf8_is_not_read_as_another_encoding(saved):
    content = "الاسم;x\nجلال;y\nأمين;z\n".encode()
    assert refusal(saved(content.replace("جلال".encode()[-1:], b"", 1))) == ("damaged_utf8", 1)
    whole = content + b"\xe9t\xe9;w\n"
    assert refusal(saved(whole)) == ("damaged_utf8", 4) == refusal(saved(whole), encoding="utf-8")
    assert cells(saved(whole), encoding="windows-1256")[-1] == ("été", "w"), "what a person says counts"


@pytest.mark.parametrize(("content", "refused"), [
    (b"", ("empty", 0)),
    (b'a;b\n1;"2\n3;4\n' + b"5;6\n" * 200, ("quotes", 2)),
    (b'a;b\n1;"2"x\n', ("quotes", 2)),
    (b"a;b\n1\0;2\n", ("binary", 2)),
    (codecs.BOM_UTF16_LE + "a;b\n1;2\n".encode("utf-16-le") + b"3", ("binary", 3)),
    (codecs.BOM_UTF16_LE + "a;b\n".encode("utf-16-le") + b"\x00\xd8;\0", ("binary", 1)),
    (b"a" + b";" * 12, ("columns", 1)),
    (b";" * 150_000, ("line", 1)),
    (b"a;b\n" + b"1;2\n" * 50, ("rows", 51)),
    (b"x" * 200_001, ("file", 0)),
    (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600, ("locked", 0)),
])  # fmt: skip
def test_atk_129_what_is_no_table_is_refused_with_its_line(saved, content, refused):
    """ATK-129: a clear refusal with the line, however the file is broken and however long it is."""
    assert refusal(saved(content)) == refused


def test_cells_keep_their_lines_and_rows_the_line_where_they_begin(saved):
    path = saved(b'a;b\n"1\n2";x\n\n;\n3;y\n')
    assert [(row.number, row.cells) for row in opened(path).rows()] == [
        (1, ("a", "b")), (2, ("1\n2", "x")), (6, ("3", "y")),
    ]  # fmt: skip


def test_a_long_cell_is_a_fault_of_that_cell_alone(saved):
    _, row = opened(saved(b"a;b\n" + b"x" * 101 + b";y\n")).rows()
    assert (row.cells, row.faults) == (("", "y"), {0: "long"})


# --- XLSX


def made(fill, **options):
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, options) as book:
        fill(book)
    return file.getvalue()


def test_a_workbook_is_read_as_a_person_sees_it(saved):
    """Texts stay texts, zeros that a format shows are there, days are days, exact numbers have all their digits."""

    def fill(book):
        sheet = book.add_worksheet("الأطر")
        day, padded = book.add_format({"num_format": "[$-401]dd/mm/yyyy"}), book.add_format({"num_format": "0000000"})
        sheet.write_row(0, 0, ["PPR", "day", "phone", "name", "number"])
        sheet.write_number(1, 0, 123456, padded)
        sheet.write_number(1, 1, 45904, day)
        sheet.write_string(1, 2, "+212661123456")
        sheet.write_rich_string(1, 3, "جلا", book.add_format({"bold": True}), "ل \n2")
        sheet.write_number(1, 4, 661123456789)

    path = saved(made(fill))
    assert cells(path)[1] == ("0123456", "2025-09-04", "+212661123456", "جلال \n2", "661123456789")
    assert opened(path).notes == ()


@pytest.mark.parametrize("kind", ["shared", "inline"])
@pytest.mark.parametrize("since_1904", [False, True])
def test_days_in_both_counts_of_years(saved, kind, since_1904):
    def fill(book):
        sheet, day = book.add_worksheet(), book.add_format({"num_format": 14})
        for row, number in enumerate((1, 59, 60, 61, 45904.5, 2958465)):
            sheet.write_number(row, 0, number, day)
            sheet.write_string(row, 1, "x")

    path = saved(made(fill, date_1904=since_1904, constant_memory=kind == "inline"))
    read = [row.cells[0] or row.faults[0] for row in opened(path).rows()]
    leap = ["1904-01-02", "1904-02-29", "1904-03-01", "1904-03-02", "date", "date"]
    assert read == (leap if since_1904 else ["1900-01-01", "1900-02-28", "date", "1900-03-01", "date", "9999-12-31"])


def test_what_nobody_sees_is_told(saved):
    """Hidden rows, columns and sheets, merged cells and formulas: each is counted before anything is used."""

    def fill(book):
        book.add_worksheet("old").hide()
        sheet = book.add_worksheet("new")
        book.worksheets_objs[0].hidden, sheet.first_sheet = 1, 1
        sheet.activate()
        for row in range(6):
            sheet.write_row(row, 0, [f"a{row}", f"b{row}", f"c{row}"])
        sheet.set_row(2, None, None, {"hidden": True})
        sheet.set_column(1, 1, 10, None, {"hidden": True})
        sheet.merge_range("A4:A6", "one class")
        sheet.write_formula("C5", "=1+1", None, 2)

    table = opened(saved(made(fill)))
    assert {note.kind: (note.many, note.detail) for note in table.notes} == {
        "sheet": (1, "new"), "hidden_sheets": (1, "old"), "hidden_rows": (1, ""), "hidden_columns": (1, "B"),
        "merged": (1, ""), "formulas": (1, ""),
    }  # fmt: skip
    rows = list(table.rows())
    assert [row.number for row in rows if row.hidden] == [3]
    assert [row.faults for row in rows[3:]] == [{}, {0: "merged", 2: "formula"}, {0: "merged"}]
    assert rows[3].cells[0] == "one class" and rows[4].cells[2] == ""


def test_of_several_sheets_a_person_chooses(saved):
    def fill(book):
        for name in ("first", "second"):
            book.add_worksheet(name).write_string(0, 0, name)

    path = saved(made(fill))
    assert refusal(path)[0] == "choose_sheet" == refusal(path, sheet="third")[0]
    assert cells(path, sheet="second") == [("second",)]


def test_atk_131_formulas_and_their_last_values_are_refused(saved):
    """ATK-131: a cell with a formula is a fault whatever it gave, and so are errors and truth values."""

    def fill(book):
        sheet = book.add_worksheet()
        sheet.write_formula("A1", "=HYPERLINK(B1)", None, "text")
        sheet.write_array_formula("B1:B1", "{=1}", None, 1)
        sheet.write_boolean("C1", True)
        sheet.write_number("D1", 1e20)
        sheet.write_number("E1", 0.1)

    (row,) = opened(saved(made(fill))).rows()
    assert row.faults == {0: "formula", 1: "formula", 2: "value", 3: "digits"} and row.cells[4] == "0.1"


def packed(
    sheet, *, main=MAIN, prefix="", shared="", extra=None, names=("xl/worksheets/s.xml",), target="worksheets/s.xml"
):
    """An archive with one sheet, written by hand: what no library writes is read as well, or refused."""
    p, tag = (f"{prefix}:", f":{prefix}") if prefix else ("", "")
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{RELS}"><Relationship Id="a" Type="{OFFICE}/officeDocument" '
        'Target="/xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<{p}workbook xmlns{tag}="{main}" xmlns:r="{OFFICE}"><{p}sheets>'
        f'<{p}sheet name="S" sheetId="1" r:id="b"/></{p}sheets></{p}workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELS}"><Relationship Id="b" '
        f'Type="{OFFICE}/worksheet" Target="{target}"/><Relationship Id="c" Type="{OFFICE}/sharedStrings" '
        'Target="shared.xml"/></Relationships>',
        "xl/shared.xml": f'<sst xmlns="{main}">{shared}</sst>',
    }
    for name in names:
        parts[name] = (
            sheet
            if sheet.startswith("<!")
            else (f'<{p}worksheet xmlns{tag}="{main}"><{p}sheetData>{sheet}</{p}sheetData></{p}worksheet>')
        )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**parts, **(extra or {})}.items():
            archive.writestr(name, text)
    return file.getvalue()


@pytest.mark.parametrize("content", [
    packed('<row r="1"><c r="A1" t="inlineStr"><is><t>x</t></is></c></row>'),
    packed('<row><c t="inlineStr"><is><t>x</t></is></c></row>', main=STRICT),
    packed('<y:row><y:c t="str"><y:v>x</y:v></y:c></y:row>', prefix="y"),
    packed('<row><c t="s"><v>1</v></c></row>', shared="<si/><si><r><t>x</t></r><rPh><t>no</t></rPh></si>"),
    packed('<row><c t="str"><v>x</v></c></row>', names=("XL/Worksheets/S.xml",), target="/xl/worksheets/s.xml"),
    packed('<row><c t="str"><v>x</v></c></row>', target="../xl/./worksheets/s.xml"),
    packed('<row><c t="str"><v>x</v></c><c r="C1" s="9"/></row><row r="9"/>'),
])  # fmt: skip
def test_files_of_other_programs_are_read(saved, content):
    assert cells(saved(content)) == [("x",)]


@pytest.mark.parametrize(("content", "kind"), [
    (packed('<!DOCTYPE w [<!ENTITY e "x">]><w/>'), "broken"),
    (packed('<row r="2"/><row r="1"/>'), "broken"),
    (packed('<row r="1"><c r="B1"/><c r="A1"/></row>'), "broken"),
    (packed('<row r="1"><c r="M1" t="str"><v>x</v></c></row>'), "columns"),
    (packed("<row><c><v>1</v></c></row>" * 51), "rows"),
    (packed('<row><c t="s"><v>1</v></c></row>', shared="<si/>" * 601), "unpacked"),
    (packed("<row>"), "broken"),
    (packed("<row/>", target="../../../../etc/passwd"), "broken"),
    (packed("<row/>", extra={"xl/vbaProject.bin": "x"}), "macros"),
    (packed("<row/>", extra={"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}), "other_format"),
    (packed("<row/>", extra={"xl/worksheets/S.XML": "<x/>"}), "broken"),
    (packed("<row/>", extra={"big": " " * 1_500_000}), "broken"),
    (packed("<row/>", extra={f"big{n}": " " * 900_000 for n in range(3)}), "unpacked"),
    (packed("<row/>", extra={f"n{n}": "" for n in range(2001)}), "unpacked"),
    (b"PK\x03\x04" + b"\0" * 100, "broken"),
    (packed("<row/>")[:-200], "broken"),
    (packed("<row/>", extra={"xl/workbook.xml": '<?xml version="1.0" encoding="gbk"?><workbook/>'}), "broken"),
])  # fmt: skip
def test_atk_130_archives_are_bounded_and_looked_through_first(saved, content, kind):
    """ATK-130: nothing is unpacked that is larger than its bound, no entity is expanded, no name leads outside."""
    path = saved(content)
    assert refusal(path, SMALL)[0] == kind


@pytest.mark.parametrize("many", [1, 4])
def test_atk_130_a_workbook_that_is_damaged_anywhere_is_refused(saved, many):
    """ATK-130: whatever byte of it is another, it is read or refused, and never an error of ours."""
    whole, random = packed("<row><c t='str'><v>x</v></c></row>" * 40), Random(many)
    for _ in range(600):
        content = bytearray(whole)
        for _ in range(many):
            content[random.randrange(len(content))] = random.randrange(256)
        with contextlib.suppress(sheets.SheetRefused):
            list(opened(saved(bytes(content))).rows())


def test_atk_130_an_escape_is_no_way_to_what_is_no_text(saved):
    """ATK-130: `_x0000_` and half a sign are taken by no database."""
    content = packed(
        "<row>" + "".join(f'<c t="str"><v>a{e}</v></c>' for e in ("_x0000_", "_xD800_", "_x0041_")) + "</row>"
    )
    (row,) = opened(saved(content)).rows()
    assert (row.cells, row.faults) == (("", "", "aA"), {0: "broken", 1: "broken"})


def test_atk_130_a_size_that_was_understated_is_not_believed(saved):
    """ATK-130: the archive says 10 bytes; what comes out is counted."""
    content = packed("<row/>" * 40_000)
    entry = zipfile.ZipFile(io.BytesIO(content)).getinfo("xl/worksheets/s.xml")
    true, told = entry.file_size.to_bytes(4, "little"), (10).to_bytes(4, "little")
    assert refusal(saved(content.replace(true, told)))[0] == "broken"


# --- Export


ROWS = [
    ("+212661123456", "0123456", "جلال", "=1+1", "١٢"), ("@x", "-5", "'+x", "''=y", "a\nb"),
    ("\u200f=x", "＝x", "E12", "1/2", "x_x0041_y"), ("", "", "", "", "x"),
]  # fmt: skip


@pytest.mark.parametrize("right_to_left", [False, True])
def test_an_exported_workbook_comes_back_unchanged(saved, right_to_left):
    file = io.BytesIO()
    assert sheets.write_xlsx(file, "abcde", ROWS, name="الناس", right_to_left=right_to_left) == 4
    path = saved(file.getvalue())
    assert cells(path) == [tuple("abcde"), *ROWS]


def test_an_exported_csv_comes_back_unchanged(tmp_path):
    path = tmp_path / "out.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        assert sheets.write_csv(file, "abcde", ROWS) == 4
    assert cells(path) == [tuple("abcde"), *ROWS]


@given(st.text(alphabet="'=+-@ \t\u200fx＝１a", max_size=8))
def test_atk_133_no_cell_of_a_csv_begins_a_formula(cell):
    """ATK-133: whatever signs that can't be seen stand in front; and what was guarded comes back as it was."""
    bare = guarded(cell).lstrip("\u200f \t")
    assert not bare or bare[0] not in "=+-@＝" or guarded(cell)[0] == "'"
    assert without_guard(guarded(cell)) == cell
