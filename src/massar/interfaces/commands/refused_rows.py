"""The rows of a list that were not taken, as a file to send back to who made it."""

import io
from collections.abc import Sequence

from django.utils import translation
from django.utils.translation import gettext

from massar.core.sheets import api as sheets
from massar.journeys.outcomes import Problem
from massar.journeys.people.sheet_list import RefusedRow


def workbook(titles: Sequence[str], refused: Sequence[RefusedRow], language: str) -> bytes:
    """XLSX: the rows as they were, each with its number and what to correct, in that language."""
    file = io.BytesIO()
    with translation.override(language):
        header = [gettext("import.field.row"), gettext("import.field.wrong"), *titles]
        rows = ((str(one.row), _wrong(one), *one.cells) for one in refused)
        sheets.write_xlsx(file, header, rows, name="massar", right_to_left=language == "ar")
    return file.getvalue()


def words(problem: Problem) -> str:
    said = gettext(f"error.{problem.id}")
    return said % problem.args if problem.args else said


def _wrong(refused: RefusedRow) -> str:
    return "\n".join(
        f"{gettext(f'import.field.{name.label}')}: {words(problem)}" for name, problem in refused.faults.items()
    )
