"""Six sites, one account: the sample sites of the demo, real programs on client libraries that are not ours."""

import contextlib
import http.client
import json
import re
import subprocess
import sys
import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import SIX, Walk
from tests.support.installation import ONE_AFTER_THE_OTHER
from tests.support.product import Product
from tests.support.words import site

YOUSSEF = "youssef.benali@men.gov.ma"
JAMAL = "jamal.jalal@taalim.ma"
FATIMA, FATIMA_PHONE = "fatima.zahra.alaoui@taalim.ma", "0661000222"
NAME = "Youssef Benali"
ONE_OF_EACH_PROTOCOL = ("massar", "taalim", "notifrh")
WITH_SESSIONS = ("massar", "taalim")  # the gated site has none of its own: no cookie, no sign-out
STAY_OPEN = ("haraka", "notifrh", "retraite")  # one of each protocol
NEW_PASSWORD = "Rivage-8412-ouvert"


@pytest.fixture
def walk(product: Product, open_page: Opener) -> Walk:
    return Walk(open_page(product, size=pages.DESKTOP), product, "fr")


def signed_in(walk: Walk) -> Walk:
    walk.comes_in(YOUSSEF).is_home(NAME)
    return walk


def claim(walk: Walk, name: str) -> str:
    row = walk.page.locator("tr").filter(has=walk.page.get_by_role("rowheader", name=name, exact=True))
    return row.locator("td").inner_text()


def test_sign_in_once_open_all_six_change_the_password_all_six_are_closed(product: Product, open_page: Opener):
    walk = signed_in(Walk(open_page(product, size=pages.DESKTOP), product, "fr"))
    for slug in SIX:
        walk.opens_a_site(slug, NAME)
    assert not any(walk.is_closed(slug) for slug in SIX)
    walk.chooses_in_the_menu(walk.words.change_password)
    walk.types_new_password(product.people[YOUSSEF], NEW_PASSWORD)
    walk.button(walk.words.save).click()
    walk.meets_the_changed_dialog()
    expect(walk.page.locator("[data-told] .badge.good")).to_have_count(len(SIX))
    pages.inspect(walk.page, "18-changed-sites-told", "fr")
    assert [slug for slug in SIX if not walk.is_closed(slug)] == []


@pytest.mark.parametrize(("slug", "script"), [("massar", True), ("taalim", True), ("taalim", False), ("notifrh", True)])
def test_who_comes_from_a_site_signs_in_and_is_back_there(product: Product, open_page: Opener, slug: str, script: bool):
    """The answer of SAML is a form; without scripts it has a button."""
    walk = Walk(open_page(product, script=script), product, "ar")
    walk.page.goto(site_start(product, slug))
    walk.types_user_and_password(YOUSSEF, product.people[YOUSSEF])
    if not script:
        walk.page.locator("form[action$='/acs'] button").click()
    walk.is_known_at(slug, NAME)


def site_start(product: Product, slug: str) -> str:
    return product.sites[slug] + ("/" if slug == "notifrh" else "/login")


def test_a_site_can_ask_for_a_fresh_proof(walk: Walk):
    signed_in(walk)
    for one in SIX:
        walk.opens_a_site(one, NAME)
    for slug in ONE_OF_EACH_PROTOCOL:
        walk.page.goto(f"{walk.product.sites[slug]}/")
        walk.page.get_by_role("link", name="Sign in again").click()
        walk.types_user_and_password(YOUSSEF, walk.product.people[YOUSSEF])
        walk.is_known_at(slug, NAME)
        assert not any(walk.is_closed(one) for one in STAY_OPEN), "a fresh proof for one site closes no other"


def answer_of(page: Page, start: str) -> dict[str, str]:
    """The fields of the account's answer to a SAML site, as a browser without scripts shows them: not sent yet."""
    page.goto(start)
    form = page.locator("form[action$='/acs']")
    return form.evaluate("form => Object.fromEntries(new FormData(form))")


def as_jamal(product: Product, open_page: Opener) -> Page:
    """A browser whose answers can be looked at. Jamal is the attacker."""
    return Walk(open_page(product, script=False), product, "ar").comes_in(JAMAL).page


def posts_from_elsewhere(page: Page, action: str, fields: dict[str, str]) -> None:
    """Somebody's page posts a form to the site: SameSite=Lax cookies stay behind, as with the account's own form."""
    page.goto("about:blank")
    page.set_content(f'<form method="post" action="{action}"></form>')
    fill = """([name, value]) => {
      const field = Object.assign(document.createElement('input'), {type: 'hidden', name, value});
      document.forms[0].append(field);
    }"""
    for pair in fields.items():
        page.evaluate(fill, list(pair))
    with page.expect_navigation():
        page.evaluate("() => document.forms[0].submit()")


def test_an_answer_that_somebody_else_asked_for_opens_nothing(product: Product, open_page: Opener, walk: Walk):
    """Login CSRF: Jamal asks, and lets Youssef's browser bring the answer, so that Youssef works under Jamal's name.

    Before Youssef has opened the site, after it, and by the address to which the site sends on whoever brought it.
    """
    saml, jamal = product.sites["taalim"], as_jamal(product, open_page)
    signed_in(walk)
    for opened in (False, True):
        if opened:
            walk.page.goto("/")
            walk.opens_a_site("taalim", NAME)
        posts_from_elsewhere(walk.page, f"{saml}/acs", answer_of(jamal, f"{saml}/login"))
        expect(walk.page.locator("main#taalim")).to_contain_text("this browser did not ask for that")
        walk.page.goto(f"{saml}/")
        expect(walk.page.locator(f"main#taalim #{'who' if opened else 'nobody'}")).to_have_count(1)
    walk.is_known_at("taalim", NAME)
    fields = answer_of(jamal, f"{saml}/login")
    sent_on = jamal.request.post(f"{saml}/acs", form=fields, max_redirects=0)
    walk.page.goto(f"{saml}{sent_on.headers['location']}")
    expect(walk.page.locator("main#taalim")).to_contain_text("this browser did not ask for that")
    walk.page.goto(f"{saml}/")
    walk.is_known_at("taalim", NAME)
    fields = answer_of(jamal, f"{saml}/login")
    answers = [jamal.request.post(f"{saml}/acs", form=fields) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 400], "an answer is taken once"


def test_an_answer_nobody_asked_for_lets_in_whoever_is_in_this_browser(product: Product, open_page: Opener, walk: Walk):
    """The account's card without the site's having asked. Jamal's card in Youssef's browser opens it for Youssef."""
    card = f"{product.url}/saml/start/taalim/"
    fields = answer_of(as_jamal(product, open_page), card)
    signed_in(walk).page.goto(card)
    walk.is_known_at("taalim", NAME)
    posts_from_elsewhere(walk.page, f"{product.sites['taalim']}/acs", fields)
    walk.is_known_at("taalim", NAME)


def test_a_logout_answer_of_somebody_else_signs_nobody_out(product: Product, open_page: Opener, walk: Walk):
    jamal, saml = as_jamal(product, open_page), product.sites["taalim"]
    jamal.goto(f"{saml}/login")
    jamal.locator("form[action$='/acs'] button").click()
    expect(jamal.locator("main#taalim #who")).to_have_text("Jamal Jalal")
    with jamal.expect_request(re.compile(r"/slo\?SAMLResponse=")) as answered:
        jamal.goto(f"{saml}/logout")
    signed_in(walk).opens_a_site("taalim", NAME)
    walk.page.goto(answered.value.url)
    walk.page.goto(f"{saml}/")
    walk.is_known_at("taalim", NAME)


def test_a_planted_cookie_opens_nothing_after_the_sign_in(product: Product, open_page: Opener, walk: Walk):
    """Session fixation: the attacker's own cookies of the sites in Youssef's browser, before he signs in."""
    attacker, planted = open_page(product), {}

    def cookie(page: Page, slug: str) -> dict:
        (one,) = (c for c in page.context.cookies(product.sites[slug]) if c["name"] == f"sample-{slug}")
        return one

    for slug in WITH_SESSIONS:
        attacker.goto(site_start(product, slug))
        planted[slug] = cookie(attacker, slug)
    walk.page.context.add_cookies(list(planted.values()))
    signed_in(walk)
    for slug in WITH_SESSIONS:
        walk.opens_a_site(slug, NAME)
        assert cookie(walk.page, slug)["value"] != planted[slug]["value"]
        attacker.goto(f"{product.sites[slug]}/")
        expect(attacker.locator(f"main#{slug} #nobody")).to_be_visible()


ODD = (
    "/a%2fb", "/%2fx", "//x", "/a//b", "/a/%2e%2e/b", "/..;/x", "/%252e%252e/x", "/%5cx", "/%zz", "/%", "/a#b", "/%00",
    "/.massar", "/.massar/check", "/%2emassar/enter?ticket=x", "/.massar/again", "/.massar/again?//x", "http://127.0.0.1/",
)  # fmt: skip


def test_the_gated_sample_hands_an_odd_address_on_as_it_came(walk: Walk):
    """Decoded and encoded again, half of these would look like ordinary ones."""
    signed_in(walk).opens_a_site("notifrh", NAME)
    assert asked_raw(walk, "/dossier/%C3%A9t%C3%A9?tri=date&page=%2f") == 200
    assert {target: status for target in ODD if (status := asked_raw(walk, target)) not in (403, 404)} == {}


def asked_raw(walk: Walk, target: str) -> int:
    """The status of a request line exactly as given, with this browser's cookies."""
    cookies = "; ".join(f"{c['name']}={c['value']}" for c in walk.page.context.cookies(walk.product.sites["notifrh"]))
    connection = http.client.HTTPConnection(walk.product.sites["notifrh"].removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", target, headers={"Cookie": cookies})
        return connection.getresponse().status


def test_a_site_is_told_what_it_may_know_and_no_personal_contact(walk: Walk):
    signed_in(walk).page.goto(f"{walk.product.sites['massar']}/login")
    walk.is_known_at("massar", NAME)
    assert claim(walk, "email") == YOUSSEF
    assert claim(walk, "sub") not in (YOUSSEF, NAME)
    assert "example.org" not in walk.page.content() and "+212" not in walk.page.content()


@pytest.mark.parametrize("slug", WITH_SESSIONS)
def test_signing_out_at_one_site_closes_the_others_and_the_account(walk: Walk, slug: str):
    signed_in(walk)
    for one in SIX:
        walk.opens_a_site(one, NAME)
    walk.page.goto(f"{walk.product.sites[slug]}/")
    walk.page.get_by_role("link", name="Sign out everywhere").click()
    expect(walk.page.locator(f"main#{slug} #nobody")).to_be_visible()
    walk.page.goto("/")
    expect(walk.button(walk.words.sign_in)).to_be_visible()
    deadline = time.monotonic() + 15
    while still := [one for one in SIX if not walk.is_closed(one)]:
        assert time.monotonic() < deadline, f"still open: {still}"
        walk.page.wait_for_timeout(200)


def test_massar_sites_test_is_content_with_every_sample(product: Product):
    """The operator's command against real sites: closed gate, verified logout tokens, forged ones refused."""
    asked = json.dumps([(["sites", "test", slug], "") for slug in SIX])
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER],
        cwd=product.log.parent, env=product.environment, input=asked, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [code for code, _, _ in answers] == [0] * len(SIX), done.stdout + done.stderr
    assert all(out.count("  well ") >= 2 for _, out, _ in answers), done.stdout


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_signing_out_everywhere_from_home(product: Product, open_page: Opener, language: str):
    walk = Walk(open_page(product, size=pages.DESKTOP), product, language).comes_in(JAMAL)
    for slug in ONE_OF_EACH_PROTOCOL:
        walk.opens_a_site(slug, "Jamal Jalal")
    walk.page.get_by_role("link", name=walk.said("sso.everywhere.title"), exact=True).click()
    walk.sees("sso.everywhere.here_too")
    pages.inspect(walk.page, "19-everywhere", language)
    walk.button(walk.said("sso.everywhere.confirm")).click()
    expect(walk.page.locator("[data-told] .badge.good")).to_have_count(len(ONE_OF_EACH_PROTOCOL))
    expect(walk.page.get_by_text(site("massar").called(language)).first).to_be_visible()
    pages.inspect(walk.page, "20-everywhere-done", language)
    assert all(walk.is_closed(slug) for slug in ONE_OF_EACH_PROTOCOL)


def test_what_a_site_asked_waits_through_recovery_and_the_forced_change(product: Product, open_page: Opener):
    """Fatima comes from a site, has forgotten her password, and is let into that site at the end of it all."""
    walk = Walk(open_page(product), product, "ar")
    walk.page.goto(site_start(product, "massar"))
    walk.asks_for_recovery(FATIMA, "phone", FATIMA_PHONE)
    secret = walk.reads_the_temporary_password(FATIMA_PHONE)
    walk.types_user_and_password(FATIMA, secret)
    assert walk.is_closed("massar"), "a temporary password opens no site"
    walk.meets_the_expired_dialog().get_by_role("link", name=walk.words.change_password, exact=True).click()
    walk.types_new_password(secret, NEW_PASSWORD)
    walk.button(walk.words.save).click()
    walk.meets_the_changed_dialog().get_by_role("link", name=walk.words.close, exact=True).click()
    expect(walk.page.locator("main#massar #who")).to_contain_text("Fatima")
