"""Apache's mod_auth_mellon (lasso), with deploy/apache/mellon.conf: what it gets from the account, and single logout.

Single logout both ways round: the site asks; the account asks by SOAP, and through the browser.
"""

import pytest

from massar.core import clock
from massar.domain.sites import saml_metadata
from tests.cast import YOUSSEF
from tests.servers.apache import running_apache
from tests.servers.machine import open_folder
from tests.servers.saml_steps import badge, everywhere, furnish, is_signed_out, leaves_by_soap, private_page
from tests.servers.surfer import Page, Surfer
from tests.support.product import ROOT
from tests.support.programs import AUTH_MELLON

SEEN = """
<Location /private/>
  Header always set X-Seen-User "expr=%{REMOTE_USER}"
  Header always set X-Seen-Email "expr=%{reqenv:MELLON_email}"
  Header always set X-Seen-Name "expr=%{reqenv:MELLON_name}"
</Location>
Alias /library/private/ "{folder}/pages/private/"
"""


DEPLOY = ROOT / "deploy" / "apache"
DEEP = "/private/?dossier=2024-118&tri=date&page=2&onglet=pieces-jointes&filtre=en-cours"


@pytest.fixture(scope="module")
def site(account, layout):
    here = layout.at("apache_saml")
    with open_folder() as folder:
        furnish(folder, layout, account.url)
        about = _about(layout)
        (folder / "site.xml").write_text(about)
        (folder / "library.xml").write_text(about.replace("/mellon/", "/library/mellon/"))
        text = (DEPLOY / "mellon.conf").read_text("utf-8").replace("https://retraite.example.ma", here)
        text = text.replace("/etc/apache2/mellon/", f"{folder}/")
        text = text.replace("MellonSecureCookie On", "MellonSecureCookie Off")
        whole = text + beside(text) + SEEN.replace("{folder}", str(folder))
        port = layout.port("apache_saml")
        with running_apache(folder, port, AUTH_MELLON, "auth_mellon", whole, log="auth_mellon:debug"):
            yield here


def _about(layout) -> str:
    """The file of deploy/ with the site's host and certificate."""
    certificate = "".join(layout.keys.certificate.strip().splitlines()[1:-1])
    text = (DEPLOY / "mellon-site.xml").read_text("utf-8").replace("CERTIFICATE</", f"{certificate}</")
    return text.replace("https://retraite.example.ma", layout.at("apache_saml"))


def beside(text: str) -> str:
    """The same site once more under /library/, by the same file: another entity, another cookie."""
    whole = text[text.index("<Location />") :]
    return (
        whole.replace("<Location />", "<Location /library/>\n  MellonVariable library")
        .replace("/site.xml", "/library.xml")
        .replace("MellonEndpointPath /mellon", "MellonEndpointPath /library/mellon")
        .replace("/private/", "/library/private/")
    )


def enter(account, surfer: Surfer, site: str, page: str = "/private/") -> Page:
    return private_page(account, surfer, f"{site}{page}", "/mellon/postResponse")


def test_sign_in_once_and_the_page_opens_with_the_attributes(site, account, surfer):
    page = enter(account, surfer, site)
    assert page.headers["x-seen-email"] == YOUSSEF.login
    assert page.headers["x-seen-name"] == "Youssef Benali"
    name = page.headers["x-seen-user"]
    assert YOUSSEF.login not in name and name.startswith("s") and len(name) > 10, "an opaque subject"
    assert enter(account, Surfer(), site).headers["x-seen-user"] == name, "it stays the same"


def test_a_page_deep_inside_is_come_back_to(site, account, surfer):
    """mellon puts the wanted address into RelayState, whatever its length."""
    assert enter(account, surfer, site, DEEP).address == f"{site}{DEEP}"


def test_its_metadata_is_the_table_of_the_page(layout):
    values = saml_metadata.read(_about(layout).encode(), now=clock.now())[0]
    slo, acs = (layout.at("apache_saml", f"/mellon/{end}") for end in ("logout", "postResponse"))
    assert values["name_id"] == "persistent" and values["slo_soap"] == values["slo"] == slo
    assert values["acs"] == [acs] and values["signed_requests"]


def test_signing_out_at_the_site_signs_out_of_the_account(site, account, surfer):
    enter(account, surfer, site)
    page = surfer.open(f"{site}/mellon/logout?ReturnTo={site}/open/")
    assert page.text == "<h1>open</h1>", (page.address, page.text[:1000])
    assert is_signed_out(account, surfer)
    assert surfer.open(f"{site}/private/").address == f"{account.url}/sign-in/"


def test_signing_out_everywhere_ends_the_session_at_the_site_by_soap(site, account, surfer):
    enter(account, surfer, site)
    leaves_by_soap(account, surfer, "mellon")
    assert surfer.open(f"{site}/private/").address == f"{account.url}/sign-in/"


def test_a_site_without_soap_is_signed_out_through_the_browser(site, account, surfer):
    enter(account, surfer, site, "/library/private/")
    everywhere(account, surfer)
    assert badge(surfer, "library") == "wait" and surfer.page.address == f"{account.url}/sign-out/everywhere/"
    assert surfer.open(f"{site}/library/private/").text == "<h1>private</h1>", "nobody has told the site yet"
    page = surfer.open(f"{account.url}/saml/leave/library/")
    assert page.address == f"{account.url}/sign-out/everywhere/", (surfer.way, page.text[:1000])
    assert badge(surfer, "library") == "good"
    assert surfer.open(f"{site}/library/private/").address == f"{account.url}/sign-in/"
