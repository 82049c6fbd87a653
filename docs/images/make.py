"""The pictures of the documents, made from the running demo with the means of the browser tests.

    PYTHONPATH=src:. .venv/bin/python docs/images/make.py

Look at them before they are committed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import CHROMIUM_ARGUMENTS
from tests.browser.walk import Walk
from tests.support import programs
from tests.support.product import TEMPORARY_PASSWORD, Product, running_product

HERE = Path(__file__).parent
PHONE = {"width": 360, "height": 740}
WHOLE_FORM = {"width": 360, "height": 1050}
DESK = {"width": 1180, "height": 760}
SCREEN = {"width": 1180, "height": 980}
# Of the cast (tests/cast.py, which needs the models and so can't be imported by a program).
JAMAL = "jamal.jalal@taalim.ma"
FATIMA = "fatima.zahra.alaoui@taalim.ma"
KHADIJA = "khadija.idrissi@taalim.ma"
HASSAN = "hassan.ouazzani@taalim.ma"
NAJAT = "najat.amrani@men.gov.ma"
SALMA = "salma.bennani@men.gov.ma"
BAR = 100  # px of the demo's strip and of the bar with the name, which every page has
PANE = {"width": 760, "height": 700}  # of the desk's pages: still to be read at the width of a document
LIST = """Identifiant;Prénom;Nom;GRESA;GSM;Observation
amina.berrada@taalim.ma;Amina;Berrada;24187K;0661000901;
khadija.idrissi@taalim.ma;Khadija;Idrissi El Alami;24187K;;mariée
omar.filali@taalim.ma;Omar;Filali;99999Z;0661000902;
"""


def main() -> None:
    executable = programs.find_chromium()
    if executable is None:
        raise SystemExit(programs.CHROMIUM.sentence)
    with running_product() as product, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        sign_in_page(browser, product)
        recovery_page(browser, product)
        demo_page(browser, product)
        home_page(browser, product)
        account_at_the_desk(browser, product)
        case_at_the_desk(browser, product)
        slips(browser, product)
        pages_of_operators(browser, product)
        browser.close()


@contextmanager
def opened(browser: Browser, product: Product, size: dict, scale: float = 1) -> Iterator[Page]:
    context = browser.new_context(
        base_url=product.url, viewport=size, device_scale_factor=scale, reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


def keep(page: Page, name: str, *, under: int = 0) -> None:
    """What the window shows, as WebP; of a longer page what begins so many px under its top."""
    page.evaluate("under => { document.activeElement.blur(); window.scrollTo(0, under); }", under)
    page.evaluate("document.fonts.ready")
    save(page.screenshot(animations="disabled"), name)


def save(picture: bytes, name: str) -> None:
    Image.open(BytesIO(picture)).convert("RGB").save(HERE / f"{name}.webp", quality=76, method=6)


@contextmanager
def at_the_desk(
    browser: Browser, product: Product, login: str, language: str, path: str, size: dict = PANE
) -> Iterator[Walk]:
    with opened(browser, product, size) as page:
        walk = Walk(page, product, language).comes_to_the_desk(login)
        page.goto(path)
        yield walk


def sign_in_page(browser: Browser, product: Product) -> None:
    with opened(browser, product, PHONE, 2) as page:
        page.goto("/sign-in/")
        keep(page, "sign-in-ar")


def recovery_page(browser: Browser, product: Product) -> None:
    with opened(browser, product, WHOLE_FORM, 1.5) as page:
        walk = Walk(page, product, "fr")
        walk.opens_the_first_page()
        page.get_by_role("link", name=walk.words.recovery, exact=True).click()
        page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
        keep(page, "recovery-fr")


def demo_page(browser: Browser, product: Product) -> None:
    """One recovery by phone, one by e-mail; then the screen that shows both."""
    for login, channel, contact in (
        (KHADIJA, "email", "khadija@example.org"),
        (FATIMA, "phone", "06 61 00 02 22"),
    ):
        with opened(browser, product, PHONE) as page:
            walk = Walk(page, product, "ar")
            walk.opens_the_first_page()
            walk.asks_for_recovery(login, channel, contact)
            walk.reads_the_temporary_password(contact)
    with opened(browser, product, SCREEN) as page:
        page.goto("/demo/")
        expect(page.get_by_text(TEMPORARY_PASSWORD).first).to_be_visible()
        keep(page, "demo-ar")


def home_page(browser: Browser, product: Product) -> None:
    with opened(browser, product, DESK) as page:
        walk = Walk(page, product, "ar")
        walk.opens_the_first_page()
        walk.types_user_and_password(JAMAL, product.people[JAMAL])
        walk.is_home("جمال جلال")
        keep(page, "home-ar")


def account_at_the_desk(browser: Browser, product: Product) -> None:
    """Khadija's: she has asked for a recovery before."""
    with at_the_desk(browser, product, NAJAT, "ar", "/desk/") as walk:
        keep(walk.page, "desk-ar", under=BAR)
        walk.page.goto("/desk/people/")
        walk.box(walk.said("agent.search.who")).fill("الإدريسي")
        walk.button(walk.said("agent.search.button")).click()
        walk.page.get_by_role("link", name=KHADIJA).click()
        walk.page.set_viewport_size({**PANE, "height": 800})
        keep(walk.page, "account-ar", under=BAR)


def case_at_the_desk(browser: Browser, product: Product) -> None:
    """The number on Fatima's phone, and what the head of her school is asked then."""
    desk = at_the_desk(browser, product, HASSAN, "fr", "/desk/cases/")
    with opened(browser, product, PHONE, 2) as page, desk as agent:
        phone = Walk(page, product, "ar")
        page.goto("/recovery/desk/")
        phone.box(phone.words.user).fill(FATIMA)
        phone.button(phone.said("case.show")).click()
        number = page.locator(".case-number").inner_text()
        without_the_demo(phone)
        keep(page, "number-ar")
        agent.box(agent.said("agent.case.number")).fill(number)
        agent.button(agent.said("agent.case.find")).click()
        agent.page.get_by_label(agent.said("agent.case.identity")).check()
        agent.page.get_by_label(agent.said("agent.case.present")).check()
        agent.page.locator("#id_reason").fill("téléphone perdu")
        agent.page.set_viewport_size({**PANE, "height": 1150})
        keep(agent.page, "case-fr", under=BAR)


def without_the_demo(walk: Walk) -> None:
    """What only the demo says on a page."""
    said = walk.page.locator(".notice").filter(has_text=walk.said("demo.case"))
    said.evaluate("element => element.remove()")


def slips(browser: Browser, product: Product) -> None:
    """The page of a class, and a slip that it prints: the first of four on a sheet."""
    with at_the_desk(browser, product, HASSAN, "fr", "/desk/slips/") as walk:
        walk.page.get_by_role("link", name="1re année 1").click()
        walk.box(walk.said("slips.reason")).fill("rentrée 2026")
        keep(walk.page, "slips-fr", under=BAR)
        with walk.page.expect_download() as download:
            walk.button(walk.said("slips.print")).click()
        command = ["pdftoppm", "-png", "-r", "110", "-singlefile", str(download.value.path())]
        sheet = Image.open(BytesIO(subprocess.run(command, check=True, capture_output=True).stdout))
    slip = sheet.crop((sheet.width // 2, 0, sheet.width, sheet.height // 2))
    slip.convert("RGB").save(HERE / "slip-ar.webp", quality=76, method=6)


def pages_of_operators(browser: Browser, product: Product) -> None:
    with at_the_desk(browser, product, SALMA, "fr", "/desk/import/") as walk:
        file = {"name": "personnel-2026.csv", "mimeType": "text/csv", "buffer": LIST.encode()}
        walk.page.get_by_label(walk.said("lists.file"), exact=True).set_input_files(file)
        walk.button(walk.said("lists.compare")).click()
        expect(walk.page.get_by_role("heading", name=walk.said("lists.state.compared"))).to_be_visible()
        walk.page.set_viewport_size({**PANE, "height": 1140})
        keep(walk.page, "list-fr", under=BAR)
        walk.page.goto("/desk/campaigns/new/")
        walk.box(walk.said("campaign.name")).fill("Avant les résultats")
        walk.button(walk.said("campaign.count")).click()
        expect(walk.page.get_by_role("textbox", name=walk.said("campaign.confirm_number"))).to_be_visible()
        keep(walk.page, "campaign-fr", under=BAR)
    with at_the_desk(browser, product, SALMA, "ar", "/desk/figures/") as walk:
        walk.page.get_by_role("rowheader").first.get_by_role("link").click()
        keep(walk.page, "figures-ar", under=BAR)


if __name__ == "__main__":
    main()
