"""A campaign from the form to its end, by an operator: on a phone in Arabic and at a desk in French."""

import pytest
from playwright.sync_api import expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import Product

SALMA = "salma.bennani@men.gov.ma"


@pytest.mark.parametrize("language", ["ar", "fr"])
def test_a_campaign_is_counted_confirmed_and_carried_out(product: Product, open_page: Opener, language: str):
    walk = Walk(open_page(product), product, language).comes_to_the_desk(SALMA)
    page = walk.page
    page.goto("/desk/campaigns/")
    walk.sees("campaign.none")
    page.get_by_role("link", name=walk.said("campaign.new"), exact=True).click()
    walk.box(walk.said("campaign.name")).fill("قبل النتائج" if language == "ar" else "Avant les résultats")
    pages.inspect(page, "70-campaign-new", language)
    walk.button(walk.said("campaign.count")).click()
    number = page.get_by_role("textbox", name=walk.said("campaign.confirm_number"), exact=True)
    expect(number).to_be_visible()  # by itself, when the worker has counted
    pages.inspect(page, "71-campaign-counted", language)
    number.fill(page.locator(".sums dd").first.inner_text())
    walk.button(walk.said("campaign.confirm")).click()
    pages.inspect(page, "72-campaign-running", language)
    expect(page.get_by_text(walk.said("campaign.state.done"), exact=True)).to_be_visible()
    expect(page.locator("progress")).to_have_attribute("value", "1000")
    page.get_by_role("link", name=walk.said("campaign.title"), exact=True).click()
    pages.inspect(page, "73-campaigns", language)
    page.goto("/desk/season/")
    pages.inspect(page, "74-season", language)
    page.goto("/desk/figures/")
    page.get_by_role("rowheader").first.get_by_role("link").click()
    pages.inspect(page, "75-figures", language)
    page.goto("/desk/sites/")
    pages.inspect(page, "76-sites", language)
    page.get_by_role("link", name=walk.said("sites.table"), exact=True).click()
    walk.box(walk.said("sites.slug")).fill("retraite")
    page.get_by_role("textbox", name=walk.said("sites.redirect_uris"), exact=True).fill("https://r.example.ma/cb")
    walk.button(walk.said("sites.write")).click()
    pages.inspect(page, "77-site-table", language)
