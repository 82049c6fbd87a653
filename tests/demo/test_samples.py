"""The sample sites as the demo registers them: the account accepts the file, and secrets stay with their owner."""

from __future__ import annotations

import hashlib
import json
import socket
import stat

import pytest

from examples import kit
from examples.register import SITES, register
from massar.domain.sites.registry import load
from massar.interfaces.commands import demo

ACCOUNT = "http://localhost:8000"
PORTS = [8001, 8002, 8003, 8004, 8005, 8006]


@pytest.fixture
def folder(tmp_path):
    register(tmp_path, ACCOUNT, PORTS)
    return tmp_path


def test_the_account_accepts_the_file_and_all_six_are_connected(folder):
    registry = load(folder / "sites.toml")
    assert {s.slug: s.protocol for s in registry.sites} == {slug: protocol for slug, (protocol, _) in SITES.items()}
    assert all(site.connected and site.home.startswith("http://127.0.0.1:") for site in registry.sites)
    told_behind_the_back = {s.slug for s in registry.sites if s.backchannel_logout_uri or s.slo_soap}
    assert told_behind_the_back == set(SITES) - {"notifrh"}


def test_each_side_holds_its_own_half_of_a_secret(folder):
    account_side = (folder / "sites.toml").read_text("utf-8")
    samples = json.loads((folder / "samples.json").read_text("utf-8"))
    assert samples["account"] == ACCOUNT
    for slug in ("massar", "haraka", "esise"):
        secret = samples["sites"][slug]["about"]["client_secret"]
        assert secret not in account_side
        assert f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}" in account_side
    assert "PRIVATE KEY" not in account_side and "PRIVATE KEY" in samples["sites"]["taalim"]["about"]["key"]


def test_only_the_owner_reads_the_files(folder):
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in ("sites.toml", "samples.json")} == {0o600}


def test_a_second_start_makes_new_secrets(folder):
    before = (folder / "samples.json").read_text("utf-8")
    register(folder, ACCOUNT, PORTS)
    assert (folder / "samples.json").read_text("utf-8") != before


def test_the_sites_follow_the_web_server_and_step_aside_when_a_port_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = demo._ports_from(port - 2, demo.SAMPLES)
    assert port not in ports and len(set(ports)) == demo.SAMPLES


def test_the_sites_see_no_setting_of_the_product(monkeypatch):
    monkeypatch.setenv("MASSAR_SECRET_KEY", "x")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "massar.config.django_settings")
    seen = demo._sample_environment()
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
