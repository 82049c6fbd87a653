"""Pages on paper, read back by programs that people copy and scan with: two for the words, two for the squares.

Where one is missing the test is skipped and says which package brings it; with CI=true it fails."""

import io
import os
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pypdf
import pytest
import zxingcpp

from tests.support import programs

_MARKS = re.compile("[\u202a-\u202c\u200e\u200f\u2066-\u2069]")
DOTS = 150  # to an inch, as a cheap printer and a phone's camera leave them


def text_of(content: bytes) -> str:
    """What Poppler copies out, without the marks of direction."""
    words = subprocess.run([_program(programs.PDFTOTEXT), "-", "-"], input=content, capture_output=True, check=True)
    return " ".join(_MARKS.sub("", words.stdout.decode()).split())


def text_by_pypdf(content: bytes) -> str:
    """What pypdf reads. Words are whole; their order in lines of Arabic is not the readers'."""
    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return " ".join(" ".join(_MARKS.sub("", page.extract_text()) for page in pages).split())


def squares_of(content: bytes) -> tuple[list[str], list[str]]:
    """What ZBar and ZXing read in the squares of the first page, printed in grey, each in one order."""
    with TemporaryDirectory() as folder:
        # Poppler's pdftoppm comes with its pdftotext.
        drawing = [str(Path(_program(programs.PDFTOTEXT)).with_name("pdftoppm")), "-gray", "-r", str(DOTS), "-l", "1"]
        subprocess.run([*drawing, "-singlefile", "-", f"{folder}/page"], input=content, check=True)
        picture = Path(folder, "page.pgm")
        zbar = [_program(programs.ZBAR), "-q", "--raw", str(picture)]
        by_zbar = subprocess.run(zbar, capture_output=True, check=True).stdout.decode().split()
        _, size, _, dots = picture.read_bytes().split(b"\n", 3)
        width, height = map(int, size.split())
    by_zxing = [one.text for one in zxingcpp.read_barcodes(memoryview(dots).cast("B", (height, width)))]
    return sorted(by_zbar), sorted(by_zxing)


def _program(need: programs.Need) -> str:
    found = programs.find_server(need)
    if found is None:
        pytest.fail(need.sentence) if os.environ.get("CI") else pytest.skip(need.sentence)
    return found
