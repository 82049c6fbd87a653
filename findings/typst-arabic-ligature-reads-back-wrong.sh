#!/usr/bin/env bash
# A page that Typst sets in Arabic looks right, and the name «الله» in it is copied out, searched and read aloud as «اهلل».
#
# Seen with: Typst 0.15.2 (PyPI typst), Noto Naskh Arabic of Debian's fonts-noto-core 20201225-1, read by PDFium (pypdfium2 5.15.2,
# Chrome's own reader). Poppler's pdftotext 22.12 and PyMuPDF 2.0 read the same. With `ligatures: false` the word comes back right.
# Why it matters: «عبد الله» is part of many names; a person's copy of their data, and slips for schools, are searched and copied from.
# Ours: src/massar/interfaces/base/pdf/my_data.typ switches ligatures off;
# tests/journeys/test_my_data.py::test_the_pages_give_back_the_same_words reads them back (docs/adr/0068-pages-on-paper.md).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"

apt-get download --quiet fonts-noto-core=20201225-1 >/dev/null 2>&1 ||
  { echo "This needs a Debian 12 that can download fonts-noto-core 20201225-1."; exit 2; }
dpkg-deb -x fonts-noto-core_*.deb unpacked
mkdir fonts
cp unpacked/usr/share/fonts/truetype/noto/NotoNaskhArabic-Regular.ttf fonts/
python3 -m venv env
env/bin/python -m pip --quiet --disable-pip-version-check install typst==0.15.2 pypdfium2==5.15.2

cat > read_back.py <<'PYTHON'
import sys
import unicodedata

import pypdfium2
import typst

ligatures = sys.argv[1]
with open("page.typ", "w", encoding="utf-8") as page:
    page.write(f'#set text(lang: "ar", font: "Noto Naskh Arabic", fallback: false, ligatures: {ligatures})\nعبد الله جلال\n')
typst.compile("page.typ", output="page.pdf", font_paths=["fonts"], ignore_system_fonts=True)
text = pypdfium2.PdfDocument("page.pdf")[0].get_textpage().get_text_range()
print(" ".join("".join(sign for sign in text if unicodedata.category(sign) != "Cf").split()))
PYTHON
usual=$(env/bin/python read_back.py true)
without=$(env/bin/python read_back.py false)
echo "version:  Typst 0.15.2, PDFium by pypdfium2 5.15.2, Noto Naskh Arabic 20201225-1"
echo "expected: عبد الله جلال"
echo "seen:     $usual"
echo "without ligatures: $without"
[ "$usual" = "عبد اهلل جلال" ] && [ "$without" = "عبد الله جلال" ]
