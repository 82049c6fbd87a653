"""`massar check --deploy`: each row of its table is broken by one change of safe settings, and by nothing else."""

import dataclasses

import pytest

from massar.config.environment import Argon2Parameters
from massar.domain.factors import required
from massar.interfaces.commands import deploy
from tests.support.steps import production

SAFE = {
    "MASSAR_DATABASE_URL": "postgres://massar:pw@db.example.ma/massar?sslmode=verify-full",
    "MASSAR_TRUSTED_PROXIES": "1",
    "MASSAR_SECURITY_CONTACT": "mailto:soc@example.ma", "MASSAR_METRICS_TOKEN": "m" * 30,
    "MASSAR_SECOND_FACTOR_ROLES": "operator", "MASSAR_AUDIT_CHECKPOINTS": "/var/lib/massar-checkpoints",
}  # fmt: skip
BREAKS = {
    "mode": {"mode": "test"},
    "plain-http": {"public_url": "http://compte.example.ma", "security_contact": "tel:+212"},
    "loopback": {"public_url": "https://localhost", "security_contact": "tel:+212"},
    "secret-key": {"secret_key": "short"},
    "one-key-twice": {"secret_key": "k" * 32, "data_keys": (("a", b"k" * 32),)},
    "hash": {"argon2": Argon2Parameters(7168, 3)},
    "help": {"help_contact": ""},
    "database-tls": {"database_url": "postgres://massar:pw@db.example.ma/massar?sslmode=require"},
    "mail-tls": {"email_url": "smtp://mail.example.ma"},
    "smpp-tls": {"sms_url": "smpp://smsc.example.ma"},
    "proxies": {"trusted_proxies": 0},
    "security-contact": {"security_contact": "mailto:security@compte.example.ma"},
    "metrics": {"metrics_token": ""},
    "operators": {"second_factor_roles": required.read(("staff", "operator:2026-02-01.."))},
    "factor-rules": {"second_factor_roles": required.read(("operator", "staff:2026-02-01..2026-02-14"))},
    "checkpoints": {"audit_checkpoints": None},
}


def broken(**changed) -> set[str]:
    return {rule.name for rule in deploy.judge(dataclasses.replace(production(**SAFE), **changed))}


def test_safe_settings_break_nothing():
    assert broken() == set()


@pytest.mark.parametrize("name", BREAKS)
def test_each_row_is_broken_by_its_own_setting_alone(name, clock):
    assert broken(**BREAKS[name]) == {name}


def test_every_row_has_a_test_and_a_sentence(monkeypatch):
    monkeypatch.setattr(deploy.ssl, "OPENSSL_VERSION_INFO", (1, 1, 1, 23, 15))
    assert broken() == {"openssl"} == {rule.name for rule in deploy.RULES} - set(BREAKS)
    assert all(rule.sentence.endswith(".") and rule.level in ("error", "warning") for rule in deploy.RULES)


@pytest.mark.parametrize("word", ["operator", "*"])
def test_who_covers_operators_for_good_covers_them(word):
    assert broken(second_factor_roles=required.read(("staff:2026-02-01..", word))) == set()
    assert broken(second_factor_roles=()) == {"operators"}


def test_the_database_on_this_machine_needs_no_certificate():
    for place in ("sqlite:///a", "postgres://m:p@127.0.0.1/m", "postgres:///m?host=/run/postgresql"):
        assert broken(database_url=place) == set()


def test_the_command_says_errors_and_warnings(installed):
    done, without = installed.each(("check", "--deploy"), ("check",))
    assert done.returncode == 1
    assert "  - MASSAR_MODE is not production" in done.stdout and "Warning: MASSAR_METRICS_TOKEN" in done.stdout
    assert "MASSAR_MODE is not" not in without.stdout
