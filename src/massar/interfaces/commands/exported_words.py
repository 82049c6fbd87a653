"""What stands in a list that leaves beside its people or units: its number above, titles, words of cells."""

from datetime import datetime

from django.utils import translation
from django.utils.translation import gettext

from massar.core import local_time
from massar.domain.people.api import Kind, exports, units
from massar.journeys.people import branch_list
from massar.journeys.people.branch_list import ListWords


def speak(one: exports.ExportFacts, unit: units.UnitFacts, *, now: datetime, whole: bool = False) -> ListWords:
    """Of a list of people. whole: with contacts as they are."""
    columns = branch_list.titles(whole=whole)
    with translation.override(one.language):
        titles = [gettext(f"import.field.{field.label}") for field in columns.fields]
        titles += [gettext(f"export.column.{name}") for name in columns.also]
        kinds: dict[int, str] = {kind: gettext(f"export.kind.{kind.name.lower()}") for kind in Kind}
        states = {state: gettext(f"agent.state.{state}") for state in branch_list.STATES}
        about = {"number": one.number, "unit": f"{unit.name(one.language)} ({unit.code})",
                 "at": local_time.day_time(now, one.language)}  # fmt: skip
        return ListWords(one.language, gettext("export.above") % about, titles, kinds, states)


def speak_of_units(language: str) -> ListWords:
    """Of a list of units, which is about nobody and has no number."""
    with translation.override(language):
        titles = [gettext(f"import.field.{field.label}") for field in branch_list.UNIT_COLUMNS]
        kinds: dict[int, str] = {kind: gettext(f"export.unit_kind.{kind.name.lower()}") for kind in units.Kind}
    return ListWords(language, "", titles, kinds, {})
