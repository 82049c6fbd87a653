#!/usr/bin/env bash
# A vowel sign on an Arabic letter in a page by Typst doubles the letter when the text is read back: «فُتح» comes out of PDFium as
# «ُففُتح», out of pypdf without its order. Without the sign the word comes back whole from PDFium.
#
# Seen with: Typst 0.15.2, Noto Naskh Arabic of Debian's fonts-noto-core 20201225-1, ligatures off; PDFium by pypdfium2 5.15.2.
# Poppler's pdftotext 22.12 doubles it too.
# Why it matters: passive verbs are written with one such sign («فُتح الطلب», a request was opened), and receipts, slips and a
# person's own data are searched, copied and read aloud.
# Ours: words on paper have no vowel signs (docs/adr/0078-slips-and-class-codes.md); tests/journeys/test_slip_pages.py and
# test_desk_cases.py read them back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"

apt-get download --quiet fonts-noto-core=20201225-1 >/dev/null 2>&1 ||
  { echo "This needs a Debian 12 that can download fonts-noto-core 20201225-1."; exit 2; }
dpkg-deb -x fonts-noto-core_*.deb unpacked
mkdir fonts
cp unpacked/usr/share/fonts/truetype/noto/NotoNaskhArabic-Regular.ttf unpacked/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf fonts/
python3 -m venv env
env/bin/python -m pip --quiet --disable-pip-version-check install typst==0.15.2 pypdfium2==5.15.2

cat > read_back.py <<'PYTHON'
import sys
import unicodedata

import pypdfium2
import typst

with open("page.typ", "w", encoding="utf-8") as page:
    page.write('#set text(lang: "ar", font: "Noto Naskh Arabic", fallback: false, ligatures: false)\n' + sys.argv[1])
typst.compile("page.typ", output="page.pdf", font_paths=["fonts"], ignore_system_fonts=True)
text = pypdfium2.PdfDocument("page.pdf")[0].get_textpage().get_text_range()
letters = [sign for sign in text if unicodedata.category(sign) == "Lo"]
print("".join(letters))
PYTHON
with=$(env/bin/python read_back.py "فُتح")
without=$(env/bin/python read_back.py "فتح")
echo "version:  Typst 0.15.2, PDFium by pypdfium2 5.15.2, Noto Naskh Arabic 20201225-1"
echo "expected: فتح (the letters of «فُتح»)"
echo "seen:     $with"
echo "without the sign: $without"
[ "$with" = "ففتح" ] && [ "$without" = "فتح" ]
