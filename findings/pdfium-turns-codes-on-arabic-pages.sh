#!/usr/bin/env bash
# On a page of mostly Arabic words PDFium, Chrome's own reader, gives codes and addresses back turned: `mpqws-23773` as
# `-23773mpqws`, `x723953938@taalim.ma` as `ma.taalim@723953938x`, although each stands in a line of its own and looks right.
#
# Seen with: PDFium by pypdfium2 5.15.2, pages of Typst 0.15.2 (tagged, `lang: "ar"`), Noto Sans and Noto Naskh Arabic of Debian's
# fonts-noto-core 20201225-1. pypdf 7.1.1 reads the code right from the same file, and so does Poppler's pdftotext 22.12. The same
# lines on a page of French words come back right from all.
# Why it matters: slips for schools carry a login and a code. Who copies them out of the file in Chrome types something else.
# Ours: the square on a slip holds both, and docs/operate/slips.md says to read the paper, not what was pasted;
# tests/journeys/test_slip_pages.py reads pages back by pdftotext and pypdf.
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
env/bin/python -m pip --quiet --disable-pip-version-check install typst==0.15.2 pypdfium2==5.15.2 pypdf==7.1.1

cat > read_back.py <<'PYTHON'
import sys
import unicodedata

import pypdf
import pypdfium2
import typst

language, words = sys.argv[1:]
with open("page.typ", "w", encoding="utf-8") as page:
    page.write(f'#set text(lang: "{language}", font: ("Noto Sans", "Noto Naskh Arabic"), fallback: false, ligatures: false)\n')
    page.write(f"{words}\n\nmpqws-23773\n")
typst.compile("page.typ", output="page.pdf", font_paths=["fonts"], ignore_system_fonts=True)
for text in (
    pypdfium2.PdfDocument("page.pdf")[0].get_textpage().get_text_range(),
    pypdf.PdfReader("page.pdf").pages[0].extract_text(),
):
    print(next(word for word in text.split() if "mpqws" in word))
PYTHON
arabic=$(env/bin/python read_back.py ar "تستعمل هذه الورقة مرة واحدة" | tr '\n' ' ')
french=$(env/bin/python read_back.py fr "Cette feuille sert une seule fois" | tr '\n' ' ')
echo "version:  PDFium by pypdfium2 5.15.2, pypdf 7.1.1, Typst 0.15.2"
echo "expected: mpqws-23773 mpqws-23773 (PDFium, pypdf)"
echo "seen:     $arabic"
echo "on a French page: $french"
[ "$arabic" = "-23773mpqws mpqws-23773 " ] && [ "$french" = "mpqws-23773 mpqws-23773 " ]
