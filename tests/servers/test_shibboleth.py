"""Debian's Shibboleth SP (shibd, mod_shib), set up by docs/integrate/shibboleth.md: sign-in, both logouts."""

import contextlib
import os
import re
import tomllib
from pathlib import Path

import pytest

from massar.core import clock
from massar.domain.sites import saml_metadata
from massar.domain.sites.registry import Site
from massar.domain.sites.rules import judge
from tests.cast import YOUSSEF
from tests.servers.apache import running_apache
from tests.servers.machine import open_folder, program, running
from tests.servers.saml_steps import is_signed_out, leaves_by_soap, metadata, private_page
from tests.servers.surfer import Surfer
from tests.support.product import ROOT
from tests.support.programs import SHIBBOLETH
from tests.support.waits import until

PAGE = (ROOT / "docs" / "integrate" / "shibboleth.md").read_text("utf-8")
HOST = "https://retraite.example.ma"
# What Debian's own conf-available/shib.conf says, and what lets the test look.
BESIDE = """
ShibConfig {folder}/shibboleth2.xml
ShibCompatValidUser Off
<Location /Shibboleth.sso>
  AuthType None
  Require all granted
</Location>
<Location /private/>
  Header always set X-Seen-User "expr=%{{REMOTE_USER}}"
  Header always set X-Seen-Email "expr=%{{reqenv:email}}"
  Header always set X-Seen-Name "expr=%{{reqenv:name}}"
</Location>
"""


def blocks(kind: str) -> list[str]:
    """What stands on the page in fences of that kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def site(account, layout):
    here = layout.at("shibboleth")
    with open_folder() as folder:
        _set_up(folder, here, account, layout)
        shibd = [program(SHIBBOLETH), "-F", "-f", "-c", f"{folder}/shibboleth2.xml", "-p", f"{folder}/shibd.pid"]
        apache = blocks("apache")[0] + BESIDE.format(folder=folder)
        with (
            running(shibd, folder=folder, ports=(), environment={"LD_LIBRARY_PATH": ""}, logs=("shibd.log",)),
            listening(folder / "shibd.sock"),
            running_apache(folder, layout.port("shibboleth"), SHIBBOLETH, "shib", apache),
        ):
            yield here


def _set_up(folder: Path, here: str, account, layout) -> None:
    """The page's files, with paths and hosts of this test, over plain http, and a socket and a log in the folder."""
    config, names = blocks("xml")
    listens = f'<OutOfProcess logger="{folder}/shibd.logger"/><UnixListener address="{folder}/shibd.sock"/>'
    config = config.replace("<ApplicationDefaults", f"{listens}\n  <ApplicationDefaults", 1)
    config = config.replace("/etc/shibboleth/", f"{folder}/").replace(HOST, here)
    config = config.replace("https://ACCOUNT", account.url)
    config = config.replace('handlerSSL="true" cookieProps="https"', 'handlerSSL="false" cookieProps="http"')
    files = {
        "shibboleth2.xml": config,
        "attribute-map.xml": names,
        "account.xml": metadata(account.url),
        "sp-signing-key.pem": layout.keys.pem,
        "sp-signing-cert.pem": layout.keys.certificate,
        "shibd.logger": "log4j.rootCategory=INFO, out\nlog4j.appender.out=org.apache.log4j.FileAppender\n"
        f"log4j.appender.out.fileName={folder}/shibd.log\nlog4j.appender.out.layout=org.apache.log4j.BasicLayout\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)


@contextlib.contextmanager
def listening(socket: Path):
    """Once the daemon's socket is there; Apache may have stepped down from root and must get in."""
    until(socket.exists, 30, "shibd has no socket")
    os.chmod(socket, 0o777)
    yield


def enter(account, surfer: Surfer, site: str) -> dict[str, str]:
    """The headers of the page behind the module."""
    return private_page(account, surfer, f"{site}/private/", "/SAML2/POST").headers


def test_sign_in_once_and_the_page_opens_with_the_attributes(site, account, surfer):
    headers = enter(account, surfer, site)
    assert (headers["x-seen-email"], headers["x-seen-name"]) == (YOUSSEF.login, "Youssef Benali")
    assert re.fullmatch(r"s[a-z2-7]{21}", headers["x-seen-user"])
    assert enter(account, Surfer(), site)["x-seen-user"] == headers["x-seen-user"], "the same at every sign-in"


def test_its_metadata_is_the_table_of_the_page(site, layout):
    document = Surfer().open(f"{site}/Shibboleth.sso/Metadata").text.encode()
    values = saml_metadata.read(document, now=clock.now())[0]
    table = tomllib.loads(blocks("toml")[0].replace(HOST, site))["sites"]["retraite"]
    assert "".join(values.pop("certificate").split()) == "".join(layout.keys.certificate.split())
    assert table == {**values, **{name: table[name] for name in ("certificate", "attributes", "home")}}
    read = {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
    assert [said for about, said in judge(Site("retraite", **read)) if "certificate" not in about] == []


def test_signing_out_at_the_site_signs_out_of_the_account(site, account, surfer):
    enter(account, surfer, site)
    page = surfer.open(f"{site}/Shibboleth.sso/Logout?return={site}/open/")
    assert any(address.startswith(f"{account.url}/saml/slo?SAMLRequest=") for address in surfer.way), surfer.way
    assert (page.address, page.text) == (f"{site}/open/", "<h1>open</h1>"), (surfer.way, page.text[:1000])
    assert is_signed_out(account, surfer)
    assert surfer.open(f"{site}/private/").address == f"{account.url}/sign-in/"


def test_signing_out_everywhere_ends_the_session_at_the_site_by_soap(site, account, surfer):
    """shibd's answer is signed, with SHA-256, as our metadata asks it to."""
    enter(account, surfer, site)
    leaves_by_soap(account, surfer, "shibboleth")
    assert surfer.open(f"{site}/private/").address == f"{account.url}/sign-in/"
