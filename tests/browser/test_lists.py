"""Lists of people by the page. One that comes: sent, told what it holds, compared, written while one looks on, the
refused rows. One that leaves."""

from datetime import UTC, datetime, timedelta
from zipfile import ZipFile

import pytest
from playwright.sync_api import expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import Product

SALMA, NAJAT = "salma.bennani@men.gov.ma", "najat.amrani@men.gov.ma"
LIST = """Compte;Prénom;Nom;GRESA;GSM;Observation
amina.berrada@taalim.ma;Amina;Berrada;24187K;0661000901;
khadija.idrissi@taalim.ma;Khadija;Idrissi El Alami;24187K;;mariée
omar.filali@taalim.ma;Omar;Filali;99999Z;0661000902;
"""
WORKS = "UPDATE people_listjob SET state = ?, total = 4000, done = ?, began_at = ?, lease_until = ?"


def sends(walk: Walk) -> None:
    walk.page.get_by_label(walk.said("lists.file"), exact=True).set_input_files(
        {"name": "liste-2026.csv", "mimeType": "text/csv", "buffer": LIST.encode()}
    )
    walk.button(walk.said("lists.compare")).click()


def becomes(walk: Walk, state: str) -> None:
    """The page goes on by itself."""
    expect(walk.page.get_by_role("heading", name=walk.said(f"lists.state.{state}"), exact=True)).to_be_visible()


def says_what_a_column_holds(walk: Walk) -> None:
    """The title of the user names is none that is known."""
    column = walk.page.get_by_label("Compte", exact=True)
    expect(column).to_be_visible()
    column.select_option("login")
    walk.page.locator("details.older form").get_by_role("button").click()


def looks_half_way(walk: Walk) -> None:
    """As if a worker elsewhere held it, three seconds ago: a list of a few rows is written before one could look."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with walk.product.database() as database:
        database.execute(WORKS, ("writing", 1500, str(now - timedelta(seconds=3)), str(now + timedelta(hours=1))))
    walk.page.reload()
    expect(walk.page.get_by_role("progressbar")).to_have_attribute("value", "1500")
    with walk.product.database() as database:
        database.execute("UPDATE people_listjob SET done = 2100")
    expect(walk.page.get_by_role("progressbar")).to_have_attribute("value", "2100")
    pages.inspect(walk.page, "94-list-half-way", walk.language)
    with walk.product.database() as database:
        database.execute(WORKS, ("compared", 3, None, None))
    becomes(walk, "compared")


@pytest.mark.parametrize("language", ["ar", "fr"])
def test_a_list_is_compared_corrected_and_written(product: Product, open_page: Opener, language: str):
    walk = Walk(open_page(product, size=pages.PHONE if language == "ar" else pages.DESKTOP), product, language)
    walk.comes_to_the_desk(SALMA).chooses_in_the_menu(walk.said("desk.title"))
    walk.page.get_by_role("link", name=walk.said("lists.title"), exact=True).click()
    pages.inspect(walk.page, "91-lists", language)
    sends(walk)
    becomes(walk, "unusable")
    pages.inspect(walk.page, "92-list-unusable", language)
    says_what_a_column_holds(walk)
    becomes(walk, "compared")
    walk.sees("lists.change.row")
    pages.inspect(walk.page, "93-list-compared", language)
    if language == "ar":
        looks_half_way(walk)
    walk.button(walk.said("lists.approve")).click()
    becomes(walk, "written")
    with walk.page.expect_download() as download:
        walk.page.get_by_role("link", name=walk.said("lists.report")).click()
    with ZipFile(download.value.path()) as report:
        assert "omar.filali@taalim.ma" in "".join(report.read(name).decode() for name in report.namelist())
    with product.database() as database:
        written = "SELECT last_name_latin FROM people_person WHERE login LIKE ?"
        assert database.execute(written, ("amina.berrada@%",)).fetchall() == [("Berrada",)]
        assert database.execute(written, ("khadija.idrissi@%",)).fetchall() == [("Idrissi El Alami",)]
        assert database.execute(written, ("omar.filali@%",)).fetchall() == []


@pytest.mark.parametrize("language", ["ar", "fr"])
def test_a_list_of_a_branch_is_asked_for_and_taken(product: Product, open_page: Opener, language: str):
    walk = Walk(open_page(product, size=pages.PHONE if language == "ar" else pages.DESKTOP), product, language)
    walk.comes_to_the_desk(NAJAT).page.goto("/desk/")
    walk.page.get_by_role("link", name=walk.said("export.title"), exact=True).click()
    walk.box(walk.said("export.code")).fill("24187K")
    walk.box(walk.said("slips.reason")).fill("جرد" if language == "ar" else "inventaire")
    walk.button(walk.said("export.make")).click()
    ready = walk.page.get_by_role("link", name=walk.said("export.fetch") % {"format": "XLSX"})
    expect(ready).to_be_visible()  # by itself
    pages.inspect(walk.page, "95-exports", language)
    with walk.page.expect_download() as download:
        ready.click()
    with ZipFile(download.value.path()) as book:
        assert "x130000417@taalim.ma" in "".join(book.read(name).decode() for name in book.namelist())
