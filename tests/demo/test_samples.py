"""The sample sites as the demo registers them: the account accepts the file, and secrets stay with their owner."""

import hashlib
import json
import socket
import stat
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from examples import kit
from examples.register import SITES, register
from massar.interfaces.commands import demo
from tests.support.sites import load

ACCOUNT = "http://localhost:8000"
EXAMPLES = Path(kit.__file__).parent
A_PAGE = 100  # lines
PORTS = [8001, 8002, 8003, 8004, 8005, 8006]


@pytest.fixture
def folder(tmp_path):
    register(tmp_path, ACCOUNT, PORTS)
    return tmp_path


def test_a_sample_and_what_it_leans_on_fit_on_a_page_each():
    """Who connects a site reads the sample and the module beside it, copies both. kit.py is what a framework has."""
    samples = {path.name: path for path in EXAMPLES.glob("*_site.py")}
    assert set(samples) == {"oidc_site.py", "saml_site.py", "gate_site.py"}
    to_copy = [*samples.values(), EXAMPLES / "tokens.py", EXAMPLES / "saml_client.py"]
    lines = {path.name: len(path.read_text("utf-8").splitlines()) for path in to_copy}
    assert {name: count for name, count in lines.items() if count > A_PAGE} == {}


def test_the_account_accepts_the_file_and_all_six_are_connected(folder):
    registry = load(folder / "sites.toml")
    assert {s.slug: s.protocol for s in registry.sites} == {slug: protocol for slug, (protocol, _) in SITES.items()}
    assert all(site.connected and site.home.startswith("http://127.0.0.1:") for site in registry.sites)
    told_behind_the_back = {s.slug for s in registry.sites if s.backchannel_logout_uri or s.slo_soap}
    assert told_behind_the_back == set(SITES) - {"notifrh"}


def test_each_side_holds_its_own_half_of_a_secret_and_only_the_owner_reads_it(folder):
    account_side, before = ((folder / name).read_text("utf-8") for name in ("sites.toml", "samples.json"))
    samples = json.loads(before)
    assert samples["account"] == ACCOUNT
    for slug in ("massar", "haraka", "esise"):
        secret = samples["sites"][slug]["about"]["client_secret"]
        assert secret not in account_side
        assert f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}" in account_side
    assert "PRIVATE KEY" not in account_side and "PRIVATE KEY" in samples["sites"]["taalim"]["about"]["key"]
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in ("sites.toml", "samples.json")} == {0o600}
    register(folder, ACCOUNT, PORTS)
    assert (folder / "samples.json").read_text("utf-8") != before, "a second start makes new secrets"


def test_the_sites_follow_the_web_server_and_step_aside_when_a_port_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = demo.ports_from(port - 2, demo.SAMPLES)
    assert port not in ports and len(set(ports)) == demo.SAMPLES


def test_the_sites_see_no_setting_of_the_product(monkeypatch):
    monkeypatch.setenv("MASSAR_SECRET_KEY", "x")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
    seen = demo.sample_environment()
    assert {name for name in seen if name.startswith(("MASSAR_", "DJANGO_"))} == {"MASSAR_VAR"}


def test_a_session_that_is_over_takes_no_sign_in_with_it_that_is_on_its_way():
    """The account's word may come between leaving for the account and coming back from it."""
    site = kit.Sample("massar", "oidc", 1, "Massar", {})
    session = kit.Session(claims={"name": "Y"}, sid="old", hint="a.b.c", _state_massar_x={"data": {}})
    site.keep(session)
    site.end("another")
    assert session["claims"]
    site.end("old")
    assert session == {"_state_massar_x": {"data": {}}}


@pytest.fixture
def browser(monkeypatch):
    """One request of a browser at a sample: what the site does with it, and the cookie that the browser has then."""
    site = kit.Sample("massar", "oidc", 8001, "Massar", {})

    def ask(cookie: str, view) -> str:
        request = RequestFactory().get("/", SERVER_PORT="8001")
        if cookie:
            request.COOKIES["sample-massar"] = cookie
        answer = kit.BySite(lambda request: view(request) or HttpResponse())(request)
        return answer.cookies["sample-massar"].value if answer.cookies else cookie

    monkeypatch.setattr(kit, "DEMO", kit.Demo(ACCOUNT, {8001: site}))
    ask.site = site
    return ask


def test_a_sign_in_takes_another_cookie_and_the_one_before_opens_nothing(browser):
    before = browser("", lambda request: request.session.update(asked=["_a"]))
    after = browser(before, lambda request: kit.signed_in(request, claims={"name": "Y"}, sid="s"))
    again = browser(after, lambda request: kit.signed_in(request, claims={"name": "Y"}, sid="s"))
    assert len({before, after, again}) == 3 and list(browser.site.sessions) == [again]
    assert browser.site.session(before) == {} == browser.site.session(after)
    assert browser.site.session(again) == {"asked": ["_a"], "claims": {"name": "Y"}, "sid": "s"}


def test_a_sign_in_leaves_nothing_of_whoever_was_there(browser):
    cookie = browser("", lambda request: kit.signed_in(request, claims={"name": "X"}, sid="x", hint="of X"))
    cookie = browser(cookie, lambda request: kit.signed_in(request, claims={"name": "Y"}, sid="y"))
    assert browser.site.session(cookie) == {"claims": {"name": "Y"}, "sid": "y"}


def test_a_browser_that_is_told_nothing_gets_no_cookie_and_loses_none(browser):
    """The account's form comes without the cookie: an answer with a new one would throw the browser's own away."""
    assert browser("", lambda request: None) == ""
    cookie = browser("", lambda request: request.session.update(asked=["_a"]))
    assert browser(cookie, lambda request: None) == cookie
    assert browser("nobody's", lambda request: None) == "nobody's"
    browser(cookie, lambda request: request.session.clear())
    assert browser.site.sessions == {}, "an empty session is forgotten"


def test_what_lies_on_the_shelf_is_taken_once_and_within_a_minute(monkeypatch):
    shelf, moment = kit.Shelf(), 1000.0
    monkeypatch.setattr(kit.time, "monotonic", lambda: moment)
    one, other = shelf.put("one"), shelf.put("other")
    assert (shelf.take(one), shelf.take(one), shelf.take("no ticket")) == ("one", None, None)
    moment += 61
    assert shelf.take(other) is None
    shelf.put("never taken")
    moment += 61
    late = shelf.put("late")
    assert list(shelf.things) == [late]
