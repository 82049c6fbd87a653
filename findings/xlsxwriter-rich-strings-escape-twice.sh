#!/usr/bin/env bash
# XlsxWriter escapes a text that looks like an OOXML escape (`_x0041_`) once in a plain string, and twice in a rich one.
#
# Seen with: XlsxWriter 3.3.1; its XML read as it is (ECMA-376 part 1, 22.9.2.19).
# Why it matters: a workbook that came out of one program and goes into another is to hold the same text in each cell. In
# a cell of which one word is bold a code such as `x_x0041_y` comes back as another text than the same code in a plain one.
# Ours: src/massar/core/sheets/export.py writes plain strings alone;
# tests/core/test_sheets.py::test_an_exported_workbook_comes_back_unchanged holds such a text.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip --quiet --disable-pip-version-check install xlsxwriter==3.3.1

seen=$("$folder/env/bin/python" - "$folder/book.xlsx" <<'PYTHON'
import re
import sys
import zipfile

import xlsxwriter

print(f"version:  XlsxWriter {xlsxwriter.__version__}", file=sys.stderr)
with xlsxwriter.Workbook(sys.argv[1]) as book:
    sheet, bold = book.add_worksheet(), book.add_format({"bold": True})
    sheet.write_string("A1", "_x0041_")
    sheet.write_rich_string("A2", bold, "b", "_x0041_")
with zipfile.ZipFile(sys.argv[1]) as parts:
    shared = parts.read("xl/sharedStrings.xml").decode()
plain, rich = re.findall(r"<si>(.*?)</si>", shared)
texts = ["".join(re.findall(r"<t[^>]*>([^<]*)</t>", one)) for one in (plain, rich)]
print(texts[0], texts[1].removeprefix("b"))
PYTHON
)
echo "expected: _x005F_x0041_ _x005F_x0041_"
echo "seen:     $seen"
[ "$seen" = "_x005F_x0041_ _x005F_x005F_x0041_" ]
