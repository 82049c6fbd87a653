"""Six sites, one account: the sample sites of the demo, real programs on client libraries that are not ours."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests import cast
from tests.browser import pages
from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.servers.account import ports, running_account
from tests.servers.machine import running
from tests.support.product import ROOT, Product
from tests.support.words import site

YOUSSEF = "youssef.benali@men.gov.ma"
JAMAL = "jamal.jalal@taalim.ma"
FATIMA, FATIMA_PHONE = "fatima.zahra.alaoui@taalim.ma", "0661000222"
NAME = "Youssef Benali"
SIX = ("taalim", "massar", "haraka", "notifrh", "retraite", "esise")
ONE_OF_EACH_PROTOCOL = ("massar", "taalim", "notifrh")
WITH_SESSIONS = ("massar", "taalim")  # the gated site has none of its own: no cookie, no sign-out
STAY_OPEN = ("haraka", "notifrh", "retraite")  # one of each protocol
NEW_PASSWORD = "Rivage-8412-ouvert"


@pytest.fixture
def walk(product: Product, open_page: Opener) -> Walk:
    return Walk(open_page(product, size=pages.DESKTOP), product, "fr")


def signed_in(walk: Walk) -> Walk:
    walk.opens_the_first_page()
    walk.types_user_and_password(YOUSSEF, walk.product.people[YOUSSEF])
    walk.is_home(NAME)
    return walk


def is_known_at(walk: Walk, slug: str) -> None:
    expect(walk.page.locator(f"main#{slug} #who")).to_have_text(NAME)


def claim(walk: Walk, name: str) -> str:
    row = walk.page.locator("tr").filter(has=walk.page.get_by_role("rowheader", name=name, exact=True))
    return row.locator("td").inner_text()


def is_closed(walk: Walk, slug: str) -> bool:
    """The site itself shows nobody. The gated site lets nobody through: it shows the way to the account."""
    answer = walk.page.request.get(f"{walk.product.sites[slug]}/", max_redirects=0)
    return answer.status == 303 if slug == "notifrh" else "id=nobody" in answer.text()


def test_sign_in_once_open_all_six_change_the_password_all_six_are_closed(fresh_product: Product, open_page: Opener):
    walk = signed_in(Walk(open_page(fresh_product, size=pages.DESKTOP), fresh_product, "fr"))
    for slug in SIX:
        walk.opens_a_site(slug, NAME)
    assert not any(is_closed(walk, slug) for slug in SIX)
    walk.chooses_in_the_menu(walk.words.change_password)
    walk.types_new_password(fresh_product.people[YOUSSEF], NEW_PASSWORD)
    walk.button(walk.words.save).click()
    walk.meets_the_changed_dialog()
    expect(walk.page.locator("[data-told] .badge.good")).to_have_count(len(SIX))
    pages.inspect(walk.page, "18-changed-sites-told", "fr")
    assert [slug for slug in SIX if not is_closed(walk, slug)] == []


@pytest.mark.parametrize("script", [True, False], ids=["javascript", "plain"])
@pytest.mark.parametrize("slug", ONE_OF_EACH_PROTOCOL)
def test_who_comes_from_a_site_signs_in_and_is_back_there(product: Product, open_page: Opener, slug: str, script: bool):
    walk = Walk(open_page(product, script=script), product, "ar")
    walk.page.goto(site_start(product, slug))
    walk.types_user_and_password(YOUSSEF, product.people[YOUSSEF])
    if not script and slug == "taalim":
        walk.page.locator(
            "form[action$='/acs'] button"
        ).click()  # the answer of SAML is a form; without scripts it has a button
    is_known_at(walk, slug)


def site_start(product: Product, slug: str) -> str:
    return product.sites[slug] + ("/" if slug == "notifrh" else "/login")


@pytest.mark.parametrize("slug", ONE_OF_EACH_PROTOCOL)
def test_a_site_can_ask_for_a_fresh_proof(walk: Walk, slug: str):
    signed_in(walk)
    for one in (slug, *STAY_OPEN):
        walk.opens_a_site(one, NAME)
    walk.page.goto(f"{walk.product.sites[slug]}/")
    walk.page.get_by_role("link", name="Sign in again").click()
    walk.types_user_and_password(YOUSSEF, walk.product.people[YOUSSEF])
    is_known_at(walk, slug)
    assert not any(is_closed(walk, one) for one in STAY_OPEN), "a fresh proof for one site closes no other"


def answer_of(page: Page, start: str) -> dict[str, str]:
    """The fields of the account's answer to a SAML site, as a browser without scripts shows them: not sent yet."""
    page.goto(start)
    form = page.locator("form[action$='/acs']")
    return form.evaluate("form => Object.fromEntries(new FormData(form))")


def as_jamal(product: Product, open_page: Opener) -> Page:
    """A browser whose answers can be looked at. Jamal is the attacker."""
    walk = Walk(open_page(product, script=False), product, "ar")  # to choose another would be kept for other tests
    walk.opens_the_first_page()
    walk.types_user_and_password(JAMAL, product.people[JAMAL])
    expect(walk.menu()).to_be_visible()
    return walk.page


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


@pytest.mark.parametrize("opened", [True, False], ids=["signed in there", "not signed in there"])
def test_the_answer_to_somebody_elses_request_is_refused(product: Product, open_page: Opener, walk: Walk, opened: bool):
    """Login CSRF: Jamal asks, and lets Youssef's browser bring the answer, so that Youssef works under Jamal's name."""
    site_of_saml = product.sites["taalim"]
    fields = answer_of(as_jamal(product, open_page), f"{site_of_saml}/login")
    signed_in(walk)
    if opened:
        walk.opens_a_site("taalim", NAME)
    posts_from_elsewhere(walk.page, f"{site_of_saml}/acs", fields)
    expect(walk.page.locator("main#taalim")).to_contain_text("this browser did not ask for that")
    walk.page.goto(f"{site_of_saml}/")
    if opened:
        is_known_at(walk, "taalim")
    else:
        expect(walk.page.locator("main#taalim #nobody")).to_be_visible()


def test_an_answer_on_the_shelf_is_fetched_by_its_own_browser_only(product: Product, open_page: Opener, walk: Walk):
    """The second step of the same attack: the address to which the site sends on whoever brought the answer."""
    site_of_saml, jamal = product.sites["taalim"], as_jamal(product, open_page)
    fields = answer_of(jamal, f"{site_of_saml}/login")
    sent_on = jamal.request.post(f"{site_of_saml}/acs", form=fields, max_redirects=0)
    address = f"{site_of_saml}{sent_on.headers['location']}"
    signed_in(walk).opens_a_site("taalim", NAME)
    walk.page.goto(address)
    expect(walk.page.locator("main#taalim")).to_contain_text("this browser did not ask for that")
    walk.page.goto(f"{site_of_saml}/")
    is_known_at(walk, "taalim")


def test_an_answer_nobody_asked_for_lets_in_whoever_is_in_this_browser(product: Product, open_page: Opener, walk: Walk):
    """The account's card without the site's having asked. Jamal's card in Youssef's browser opens it for Youssef."""
    card = f"{product.url}/saml/start/taalim/"
    fields = answer_of(as_jamal(product, open_page), card)
    signed_in(walk).page.goto(card)
    is_known_at(walk, "taalim")
    posts_from_elsewhere(walk.page, f"{product.sites['taalim']}/acs", fields)
    is_known_at(walk, "taalim")


def test_an_answer_is_taken_once(product: Product, open_page: Opener):
    jamal, site_of_saml = as_jamal(product, open_page), product.sites["taalim"]
    fields = answer_of(jamal, f"{site_of_saml}/login")
    answers = [jamal.request.post(f"{site_of_saml}/acs", form=fields) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 400]


def test_a_logout_answer_of_somebody_else_signs_nobody_out(product: Product, open_page: Opener, walk: Walk):
    jamal, site_of_saml = as_jamal(product, open_page), product.sites["taalim"]
    jamal.goto(f"{site_of_saml}/login")
    jamal.locator("form[action$='/acs'] button").click()
    expect(jamal.locator("main#taalim #who")).to_have_text("Jamal Jalal")
    with jamal.expect_request(re.compile(r"/slo\?SAMLResponse=")) as answered:
        jamal.goto(f"{site_of_saml}/logout")
    signed_in(walk).opens_a_site("taalim", NAME)
    walk.page.goto(answered.value.url)
    walk.page.goto(f"{site_of_saml}/")
    is_known_at(walk, "taalim")


@pytest.mark.parametrize("slug", WITH_SESSIONS)
def test_a_cookie_that_somebody_planted_opens_nothing_after_the_sign_in(
    product: Product, open_page: Opener, walk: Walk, slug: str
):
    """Session fixation: the attacker's own cookie of the site in Youssef's browser, before he signs in."""
    attacker, name = open_page(product), f"sample-{slug}"
    attacker.goto(site_start(product, slug))
    (planted,) = (c for c in attacker.context.cookies(product.sites[slug]) if c["name"] == name)
    walk.page.context.add_cookies([planted])
    signed_in(walk).opens_a_site(slug, NAME)
    (own,) = (c for c in walk.page.context.cookies(product.sites[slug]) if c["name"] == name)
    assert own["value"] != planted["value"]
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
    is_known_at(walk, "massar")
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
    for one in SIX:
        wait_until_closed(walk, one)


def wait_until_closed(walk: Walk, slug: str) -> None:
    for _ in range(75):
        if is_closed(walk, slug):
            return
        walk.page.wait_for_timeout(200)
    raise AssertionError(f"{slug} is still open")


@pytest.mark.parametrize("slug", SIX)
def test_massar_sites_test_is_content_with_every_sample(product: Product, slug: str):
    """The operator's command against real sites: closed gate, verified logout tokens, forged ones refused."""
    folder = product.log.parent / "var"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MASSAR_", "DJANGO_"))},
        "PYTHONPATH": str(ROOT / "src"),
        "MASSAR_MODE": "demo",
        "MASSAR_VAR": str(folder),
        "MASSAR_CONFIG": str(folder / "sites.toml"),
        "MASSAR_PUBLIC_URL": product.url,
    }
    command = [sys.executable, "-m", "massar", "sites", "test", slug]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  well ") >= 2


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_signing_out_everywhere_from_home(product: Product, open_page: Opener, language: str):
    walk = Walk(open_page(product, size=pages.DESKTOP), product, language)
    walk.opens_the_first_page()
    walk.types_user_and_password(JAMAL, product.people[JAMAL])
    for slug in ONE_OF_EACH_PROTOCOL:
        walk.opens_a_site(slug, "Jamal Jalal")
    walk.page.get_by_role("link", name=walk.said("sso.everywhere.title"), exact=True).click()
    walk.sees("sso.everywhere.here_too")
    pages.inspect(walk.page, "19-everywhere", language)
    walk.button(walk.said("sso.everywhere.confirm")).click()
    expect(walk.page.locator("[data-told] .badge.good")).to_have_count(len(ONE_OF_EACH_PROTOCOL))
    expect(walk.page.get_by_text(site("massar").called(language)).first).to_be_visible()
    pages.inspect(walk.page, "20-everywhere-done", language)
    assert all(is_closed(walk, slug) for slug in ONE_OF_EACH_PROTOCOL)


def test_what_a_site_asked_waits_through_recovery_and_the_forced_change(fresh_product: Product, open_page: Opener):
    """Fatima comes from a site, has forgotten her password, and is let into that site at the end of it all."""
    walk = Walk(open_page(fresh_product), fresh_product, "ar")
    walk.page.goto(site_start(fresh_product, "massar"))
    walk.asks_for_recovery(FATIMA, "phone", FATIMA_PHONE)
    secret = walk.reads_the_temporary_password(FATIMA_PHONE)
    walk.types_user_and_password(FATIMA, secret)
    assert is_closed(walk, "massar"), "a temporary password opens no site"
    walk.meets_the_expired_dialog().get_by_role("link", name=walk.words.change_password, exact=True).click()
    walk.types_new_password(secret, NEW_PASSWORD)
    walk.button(walk.words.save).click()
    walk.meets_the_changed_dialog().get_by_role("link", name=walk.words.close, exact=True).click()
    expect(walk.page.locator("main#massar #who")).to_contain_text("Fatima")


@pytest.fixture(scope="module")
def strict_product(tmp_path_factory) -> Iterator[Product]:
    """The product and the sample sites with an operator's wishes: SAML sites are told through the browser alone, eSISE
    is for inspectors, NotifRH wants a fresh sign-in.
    """
    folder: Path = tmp_path_factory.mktemp("strict")
    account, *sites = ports("account", *SIX).values()
    samples = {**os.environ, "PYTHONPATH": str(ROOT)}
    register = [sys.executable, "-m", "examples", "register", str(folder / "var"), f"http://localhost:{account}"]
    subprocess.run([*register, *map(str, sites)], check=True, env=samples, cwd=folder)
    wishes = re.sub(r"(?m)^slo_soap = .*\n", "", (folder / "var" / "sites.toml").read_text("utf-8"))
    wishes = wishes.replace("[sites.esise]", '[sites.esise]\nroles = ["inspector"]')
    wishes = wishes.replace("[sites.notifrh]", "[sites.notifrh]\nmax_age_minutes = 600")
    run = [sys.executable, "-m", "examples", "run", str(folder / "var")]
    (folder / "samples").mkdir()
    with (
        running_account(folder, account, wishes) as it,
        running(run, folder=folder / "samples", ports=tuple(sites), environment={"PYTHONPATH": str(ROOT)}),
    ):
        yield Product(it.url, None, folder / "output.txt", people={cast.YOUSSEF.login: cast.YOUSSEF.password})


def arrives(product: Product, page, language: str) -> Walk:
    """Youssef is signed in, in that language."""
    walk = Walk(page, product, language)
    walk.opens_the_first_page()
    walk.chooses_the_language()  # Arabic too: his own is French
    walk.types_user_and_password(YOUSSEF, product.people[YOUSSEF])
    expect(walk.menu()).to_be_visible()
    return walk


@pytest.mark.parametrize("script", [True, False], ids=["javascript", "plain"])
@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_a_site_that_only_browsers_can_tell_is_left_by_a_link(
    strict_product: Product, open_page: Opener, language: str, script: bool
):
    walk = arrives(strict_product, open_page(strict_product, script=script), language)
    walk.page.get_by_role("link", name=site("retraite").serves(language)).click()
    if not script:
        walk.page.locator("form[action$='/acs'] button").click()
    is_known_at(walk, "retraite")
    walk.page.goto("/sign-out/everywhere/")
    walk.button(walk.said("sso.everywhere.confirm")).click()
    walk.sees("sso.told.by_hand")
    assert not is_closed(walk, "retraite")
    if script:
        pages.inspect(walk.page, "21-everywhere-by-hand", language)
    walk.page.get_by_role("link", name=walk.said("sso.told.finish")).click()
    expect(walk.page.locator("[data-told] .badge.good")).to_have_count(1)
    expect(walk.page).to_have_url(f"{strict_product.url}/sign-out/everywhere/")
    assert is_closed(walk, "retraite")


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_the_pages_that_stand_between_a_person_and_a_site(strict_product: Product, open_page: Opener, language: str):
    page = open_page(strict_product)
    walk = arrives(strict_product, page, language)
    page.goto(f"{strict_product.sites['esise']}/login")
    walk.sees("sso.not_for_you.role_what")
    pages.inspect(page, "22-not-for-you", language)
    page.goto("/authorize?client_id=nobody")
    walk.sees("sso.error.site.title")
    pages.inspect(page, "23-site-error", language)
    page.goto("/logout?client_id=massar")
    walk.sees("sso.logout.what")
    pages.inspect(page, "24-sign-out-asked", language)
