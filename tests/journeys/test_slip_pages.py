"""Slips on paper: what stands on them, and what people copy and scan out of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from massar.domain.people import api as people
from massar.interfaces.base.pdf import slips as pages
from massar.journeys.desk.print_slips import Holder, Slip
from tests.support.paper import squares_of, text_by_pypdf, text_of

UNTIL = datetime(2027, 3, 1, tzinfo=UTC)
CLASS = people.units.UnitFacts(9, "24187K-1", people.units.Kind.CLASS, 8, "القسم الأول", "Classe 1", None, None)
OTHER = CLASS._replace(id=10, code="24187K-2", name_ar="القسم الثاني", name_latin="Classe 2")
LALLA = people.PersonFacts(
    1, "j130000001@taalim.ma", "لالة فاطمة", "جلال", "Lalla Fatima", "Jalal", "ar", True, None, "ثانوية ابن خلدون",
    "Lycée Ibn Khaldoun", "pupil", None,
)  # fmt: skip
LONG = LALLA._replace(
    id=2, login="fatima.zahra.benabdellah.elalaoui.elmansouri@taalim.ma", first_ar="عبد الله", language="fr"
)
CODES = ("kdmwt47392", "bcdfg22345")


@pytest.fixture(autouse=True)
def address(settings):
    settings.MASSAR = replace(settings.MASSAR, public_url="https://compte.taalim.ma")


def slips(*who: people.PersonFacts, unit: people.units.UnitFacts | None = CLASS) -> list[Slip]:
    return [
        Slip(Holder(one, unit), f"412-{place:02}", CODES[place % 2], UNTIL) for place, one in enumerate(who)
    ]  # fmt: skip


def test_two_readers_copy_the_same_names_and_codes_out():
    content = pages.print_slips(slips(LALLA, LONG))
    by_poppler, by_pypdf = text_of(content), text_by_pypdf(content)
    for person, code in ((LALLA, "kdmwt-47392"), (LONG, "bcdfg-22345")):
        whole = (person.login, code, f"{person.first_ar} {person.last_ar}", f"{person.first_latin} {person.last_latin}")
        assert all(one in by_poppler for one in whole), by_poppler
        assert all(word in by_pypdf for one in whole for word in one.split()), by_pypdf
    assert "جالل" not in by_poppler + by_pypdf
    said = (
        "القسم الأول",
        "فبراير",
        "Lycée Ibn Khaldoun · Classe 1",
        "dimanche 28 février 2027",
        "412-01",
        "0800 00 11 22",
    )
    assert all(one in by_poppler for one in said), by_poppler


def test_two_readers_read_the_same_address_in_each_square():
    by_zbar, by_zxing = squares_of(pages.print_slips(slips(LALLA, LONG)))
    opens = "https://compte.taalim.ma/sign-in/#slip="
    assert by_zbar == by_zxing == [
        f"{opens}{LONG.login}~bcdfg-22345", f"{opens}{LALLA.login}~kdmwt-47392",
    ]  # fmt: skip


def test_a_language_may_be_chosen_for_all():
    assert "تمزيق" not in text_of(pages.print_slips(slips(LALLA), language="fr"))
    assert "Valable jusqu’au" in text_of(pages.print_slips(slips(LALLA), language="fr"))
    assert "Valid until" in text_of(pages.print_slips(slips(LALLA), language="en"))


def test_each_class_has_pages_of_its_own():
    """Whoever hands them out takes a stack."""
    two = [*slips(LALLA, LONG), *slips(LONG, unit=OTHER)]
    for printed in (two, slips(*[LALLA] * 5)):
        assert b"<</Type/Pages/Count 2/" in pages.print_slips(printed)


def test_a_sheet_of_forty_is_ready_in_seconds_and_tells_how_far_it_is():
    told, began = [], datetime.now(UTC)
    content = pages.print_slips(slips(*[LALLA, LONG] * 20), tell=told.append)
    assert sum(told) == 40 and len(content) < 1_000_000
    assert datetime.now(UTC) - began < timedelta(seconds=30), "0.5 s on an idle core"
