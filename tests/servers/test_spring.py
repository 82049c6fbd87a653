"""Spring Security, built by Maven, with the filter chain and the settings of docs/integrate/java.md."""

import json
import os
import re
import subprocess
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cast import YOUSSEF
from tests.servers.machine import open_folder, program, running
from tests.servers.sites import SECRETS
from tests.support.product import ROOT
from tests.support.programs import JAVA, MAVEN
from tests.support.waits import until

PAGE = (ROOT / "docs" / "integrate" / "java.md").read_text("utf-8")
HERE = ROOT / "tests" / "servers" / "spring"


@pytest.fixture(scope="module")
def site(account, layout):
    java, maven = program(JAVA), program(MAVEN)
    with open_folder() as folder:
        source = folder / "src" / "main" / "java" / "site" / "Site.java"
        source.parent.mkdir(parents=True)
        (folder / "pom.xml").write_text((HERE / "pom.xml").read_text("utf-8"))
        chain = re.search(r"```java\n(.*?)```", PAGE, re.DOTALL)[1]
        source.write_text((HERE / "Site.java.txt").read_text("utf-8").replace("// THE PAGE", chain))
        settings = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1].replace("https://compte.example.ma", account.url)
        (folder / "application.yml").write_text(settings.replace("client-id: esise", "client-id: spring"))
        build = [maven, "-q", "-B", "-ntp", "package", "-DskipTests"]
        built = subprocess.run(build, cwd=folder, capture_output=True, text=True, timeout=600)
        assert built.returncode == 0, built.stdout[-3000:]
        port = layout.port("spring")
        command = [java, "-jar", "target/site-1.jar", f"--server.port={port}", "--server.address=127.0.0.1"]
        environment = {**os.environ, "ACCOUNT_SECRET": SECRETS["spring"]}
        with running(command, folder=folder, ports=(port,), environment=environment):
            yield layout.at("spring")


def test_sign_in_with_pkce_and_the_page_opens_with_the_claims(site, account, surfer):
    page = surfer.open(f"{site}/")
    assert page.address == f"{account.url}/sign-in/"
    (sent,) = (step for step in surfer.way if step.startswith(f"{account.url}/authorize?"))
    assert parse_qs(urlsplit(sent).query)["code_challenge_method"] == ["S256"], "without a customizer"
    account.sign_in(surfer)
    assert surfer.page.status == 200, surfer.page.text
    there = json.loads(surfer.page.text)
    assert (there["email"], there["school"]) == (YOUSSEF.login, YOUSSEF.establishment[2])
    assert there["name"] and YOUSSEF.login not in there["name"], "known by sub"


def test_signing_out_at_the_account_reaches_the_site_behind_the_browser(site, account, surfer):
    account.sign_in(surfer)
    assert surfer.open(f"{site}/").status == 200
    account.sign_out(surfer)
    why = "the site was not told, or did not believe the logout token"
    until(lambda: surfer.ask("GET", f"{site}/").status != 200, 30, why)
    assert surfer.open(f"{site}/").address == f"{account.url}/sign-in/"
