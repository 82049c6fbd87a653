"""What every SAML site of these tests is asked, whatever it is made of."""

import base64
import json
import re
from pathlib import Path

from tests.cast import YOUSSEF
from tests.servers.account import Account
from tests.servers.sites import Layout
from tests.servers.surfer import Page, Surfer
from tests.support.visitor import forms
from tests.support.waits import until


def furnish(folder: Path, layout: Layout, metadata_of: str = "") -> None:
    """The site's key and certificate, and the account's metadata from that address, as files."""
    (folder / "site.key").write_text(layout.keys.pem)
    (folder / "site.pem").write_text(layout.keys.certificate)
    if metadata_of:
        (folder / "account.xml").write_text(metadata(metadata_of))


def metadata(account: str, path: str = "/saml/metadata") -> str:
    page = Surfer().open(f"{account}{path}")
    assert page.status == 200, page.text
    return page.text


def enters(site: str, account: Account, surfer: Surfer) -> dict:
    """Who is there, as the site knows it after a sign-in that it asked for."""
    surfer.open(f"{site}/login")
    account.sign_in(surfer)
    return visit(surfer.submit("/acs"))


def visit(page: Page) -> dict | None:
    """What the site says of who is there."""
    assert page.status == 200, (page.address, page.text[:1000])
    return json.loads(page.text)


def private_page(account: Account, surfer: Surfer, address: str, acs: str) -> Page:
    """The page behind Apache's module, signed in on the way if need be; what scripts send (`acs`) is sent."""
    surfer.open(address)
    if surfer.page.address.startswith(f"{account.url}/sign-in/"):
        account.sign_in(surfer)
    if any(action.endswith(acs) for action, _ in forms(surfer.page.text)):
        surfer.submit(acs)
    page = surfer.page
    assert (page.status, page.text) == (200, "<h1>private</h1>"), (surfer.way, page.text[:1000])
    return page


def in_front(surfer: Surfer, name: str) -> str:
    """What the page's form would carry to the site under that name."""
    (found,) = [fields[name] for _, fields in forms(surfer.page.text) if name in fields] or [None]
    assert found, f"no {name} in {surfer.way}: {surfer.page.text}"
    return found


def of_somebody_else(answer: str) -> str:
    """The account's answer, changed after it was signed."""
    wrong = base64.b64decode(answer).replace(YOUSSEF.login.encode(), b"minister@men.gov.ma")
    return base64.b64encode(wrong).decode()


def everywhere(account: Account, surfer: Surfer) -> None:
    surfer.open(f"{account.url}/sign-out/everywhere/")
    surfer.submit("/sign-out/everywhere/")


def badge(surfer: Surfer, site: str) -> str | None:
    """What the list says of the site, by colour: `good` is confirmed. Other tests left other sites open."""
    found = re.findall(r'<bdi>(\w+)</bdi></strong>\s*<span class="badge (\w+)"', surfer.page.text)
    return dict(found).get(site)


def leaves_by_soap(account: Account, surfer: Surfer, site: str) -> None:
    """The browser never goes there: the worker asks, and the site's answer is shown as confirmed."""
    everywhere(account, surfer)
    list_of_sites = f"{account.url}/sign-out/everywhere/"
    until(lambda: bool(surfer.open(list_of_sites)) and badge(surfer, site) == "good", 90, "not confirmed")


def leaves_by_browser(account: Account, surfer: Surfer, site: str) -> None:
    """Signs out everywhere, and takes the request to the site by the link of the list."""
    everywhere(account, surfer)
    assert badge(surfer, site) == "wait"
    surfer.open(f"{account.url}/saml/leave/{site}/")
    assert badge(surfer, site) == "good", (surfer.way, surfer.page.text[:1000])


def signs_out_both_ways(site: str, account: Account, surfer: Surfer, name: str) -> None:
    """At the site, which ends the account's session; and at the account, which tells the site through the browser."""
    enters(site, account, surfer)
    assert visit(surfer.open(f"{site}/logout")) is None
    assert any(step.startswith(f"{site}/slo?SAMLResponse=") for step in surfer.way), surfer.way
    assert is_signed_out(account, surfer)
    assert surfer.open(f"{site}/login").address == f"{account.url}/sign-in/"
    enters(site, account, surfer)
    leaves_by_browser(account, surfer, name)
    assert visit(surfer.open(f"{site}/")) is None


def is_signed_out(account: Account, surfer: Surfer) -> bool:
    return surfer.open(f"{account.url}/").address == f"{account.url}/sign-in/"
