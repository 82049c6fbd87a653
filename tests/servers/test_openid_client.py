"""openid-client, the certified library for Node.js: it checks what it gets more strictly than most sites will."""

import json
import subprocess

import pytest

from tests.cast import YOUSSEF
from tests.servers.machine import program, running
from tests.servers.node_modules import installed
from tests.servers.sites import SECRETS
from tests.support.programs import NODE
from tests.support.visitor import forms


@pytest.fixture(scope="module")
def site(account, layout, tmp_path_factory):
    node = program(NODE)
    folder = installed(tmp_path_factory.mktemp("node") / "site")
    command = [node, *_flags(node), "site.mjs", account.url, str(layout.port("node")), SECRETS["node"]]
    with running(command, folder=folder, ports=(layout.port("node"),)):
        yield layout.at("node")


def _flags(node: str) -> list[str]:
    """Debian 12 brings Node.js 18, which keeps the Web Crypto that the library needs behind a flag."""
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return ["--experimental-global-webcrypto"] if int(version.strip("v\n").split(".")[0]) < 20 else []


def test_code_flow_refresh_with_rotation_userinfo_and_reuse(site, account, surfer):
    account.sign_in(surfer)
    page = surfer.open(f"{site}/")
    assert page.status == 200, page.text
    got = json.loads(page.text)
    assert got["claims"]["iss"] == account.url and got["claims"]["aud"] == "node"
    assert got["claims"]["amr"] == ["pwd"] and got["claims"]["sid"]
    assert got["told"]["email"] == YOUSSEF.login and got["told"]["sub"] == got["claims"]["sub"]
    assert got["rotated"] and got["repeated"], "sent twice at once, a refresh token has one successor"
    assert got["reused"] == "invalid_grant" and got["after"] == "refused", (
        "once that was used, the older one ends its family"
    )


def test_leaving_from_the_site_signs_out_of_the_account(site, account, surfer):
    account.sign_in(surfer)
    leave = json.loads(surfer.open(f"{site}/").text)["leave"]
    page = surfer.open(leave)
    if any(action.split("?")[0].endswith("/logout") for action, _ in forms(page.text)):
        surfer.submit("/logout")
    assert surfer.open(f"{account.url}/").address == f"{account.url}/sign-in/", page.address
