"""Settings: typed, and refused at start with one clear sentence per mistake (decision 23)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from massar.config.environment import DEMO_DATA_KEYS, DEMO_SECRET_KEY, load
from massar.core.settings import SettingsError, read_env_file
from tests.support.steps import production


def mistakes(**changed) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        production(**changed)
    return refused.value.mistakes


def only_mistake(**changed) -> str:
    (one,) = mistakes(**changed)
    return one


def test_a_good_installation_starts():
    massar = production()
    assert "an-own-secret-key" not in repr(massar)
    assert massar.https and massar.host == "compte.example.ma" and not massar.demo and massar.demo_store is None
    assert massar.temporary_sms == timedelta(minutes=10) and massar.temporary_email == timedelta(minutes=60)
    assert massar.contact_wait == timedelta(hours=72)
    assert massar.institution_domains == ("taalim.ma", "men.gov.ma") and massar.phone_countries == ("MA",)
    assert massar.password_profile == "guide" and massar.accounts_per_phone == 10
    assert (massar.argon2.memory_kib, massar.argon2.passes) == (12288, 3)


def test_production_is_what_nobody_asked_for_is():
    """Without any setting it is production, and every required name is told at once."""
    with pytest.raises(SettingsError) as refused:
        load({})
    told = " ".join(refused.value.mistakes)
    for name in ("PUBLIC_URL", "SECRET_KEY", "DATA_KEYS", "EMAIL_URL", "SMS_URL", "HELP_CONTACT"):
        assert f"MASSAR_{name} is missing" in told, name
    assert len(refused.value.mistakes) == 6


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"MASSAR_SECRET_KEY": DEMO_SECRET_KEY}, "demo's key"),
        ({"MASSAR_DATA_KEYS": DEMO_DATA_KEYS}, "demo's key"),
        ({"MASSAR_SECRET_KEY": "short"}, "too short"),
        ({"MASSAR_PUBLIC_URL": "http://compte.example.ma"}, "https://"),
        ({"MASSAR_PUBLIC_URL": "compte.example.ma"}, "scheme and host"),
        ({"MASSAR_PUBLIC_URL": "https://compte.example.ma/path"}, "scheme and host"),
        ({"MASSAR_PUBLIC_URL": "https://[broken"}, "scheme and host"),
        ({"MASSAR_PUBLIC_URL": "https://host:port"}, "scheme and host"),
        ({"MASSAR_TIME_ZONE": "Africa/Cassablanca"}, "IANA table"),
        ({"MASSAR_TIME_ZONE": "../../etc/localtime"}, "IANA table"),
        ({"MASSAR_MOBILE_RANGES": "0683,0522"}, "no mobile range"),
        ({"MASSAR_DATA_KEYS": "k1:tooshort"}, "32 bytes"),
        ({"MASSAR_DATA_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}, "name:key"),
        ({"MASSAR_DATABASE_URL": "mysql://u:geheim@h/db"}, "sqlite:///path"),
        ({"MASSAR_DATABASE_URL": "postgres://u:geheim@h"}, "postgres://user"),
        ({"MASSAR_DATABASE_URL": "postgres://u:geheim@h:port/db"}, "postgres://user"),
        ({"MASSAR_DATABASE_URL": "postgres://u:geh[eim@h/db"}, "postgres://user"),
        ({"MASSAR_EMAIL_URL": "mail.example.ma"}, "smtp://"),
        ({"MASSAR_SMS_URL": "http://sms.example.ma/send"}, "this machine only"),
        ({"MASSAR_SMS_URL": "ftp://sms.example.ma"}, "https://"),
        ({"MASSAR_EMAIL_CA_FILE": "/no/such/file.pem"}, "there is no file"),
        ({"MASSAR_PASSWORD_PROFILE": "loose"}, "guide or nist"),
        ({"MASSAR_ARGON2": "1024,1"}, "at least"),
        ({"MASSAR_ARGON2": "much"}, "12288,3"),
        ({"MASSAR_TEMPORARY_SMS_MINUTES": "30"}, "from 1 to 10"),
        ({"MASSAR_TEMPORARY_EMAIL_MINUTES": "0"}, "from 1 to 1440"),
        ({"MASSAR_CONTACT_WAIT_HOURS": "three"}, "whole number"),
        ({"MASSAR_SESSION_HOURS": "\u0661\u0662"}, "whole number"),
        ({"MASSAR_TRUSTED_PROXIES": "-1"}, "from 0 to 10"),
        ({"MASSAR_ACCOUNTS_PER_PHONE": "0"}, "from 1 to 100"),
        ({"MASSAR_SMS_PER_HOUR": "1"}, "from 5 to"),
        ({"MASSAR_SMS_PER_DAY": "many"}, "whole number"),
        ({"MASSAR_MODE": "debug"}, "production, demo or test"),
        # Each was a traceback, a silent slip or a secret on the screen before there was one reader.
        ({"MASSAR_SESSION_HOURS": "9" * 5000}, "MASSAR_SESSION_HOURS must be a whole number from 1 to 720"),
        ({"MASSAR_SMS_PER_DAY": "9" * 5000}, "a whole number"),
        ({"MASSAR_DATABASE_POOL": "9" * 5000}, "a whole number"),
        ({"MASSAR_EMAIL_CA_FILE": "a" * 400}, "there is no file"),
        ({"MASSAR_TIME_ZONE": "a" * 400}, "IANA table"),
        ({"MASSAR_ALARMS": f"expired={'9' * 5000}"}, "name=number"),
        ({"MASSAR_ARGON2": "9" * 5000 + ",3"}, "12288,3"),
        ({"MASSAR_ARGON2": "12288,-3"}, "12288,3"),
        ({"MASSAR_ARGON2": "12288,3,1"}, "12288,3"),
        ({"MASSAR_SMS_HEADERS": "[" * 100_000}, "a JSON object"),
        ({"MASSAR_SMS_HEADERS": '{"Authorization": 7}'}, "a JSON object"),
        ({"MASSAR_SMS_EXTRA": "9" * 5000}, "a JSON object"),
        ({"MASSAR_PUBLIC_URL": "https://u:geheim@compte.example.ma"}, "scheme and host"),
        ({"MASSAR_PUBLIC_URL": "https://compte.example.ma#geheim"}, "scheme and host"),
        ({"MASSAR_DATA_KEYS": "geheimgeheimgeheim"}, "name:key"),
        ({"MASSAR_DATA_KEYS": ","}, "no key"),
        ({"MASSAR_DATABASE_URL": "sqlite://var/x.sqlite3"}, "sqlite:///path"),
        ({"MASSAR_DATABASE_URL": "sqlite:///"}, "sqlite:///path"),
        ({"MASSAR_SMS_URL": "sms.example.ma/send?key=geheim"}, "https://"),
        ({"MASSAR_VAR": "a\0b"}, "control characters"),
        ({"MASSAR_HELP_CONTACT": "a\nb"}, "on one line"),
        ({"MASSAR_SECRET_KEY": "file:/no/such/file"}, "'/no/such/file', which can't be read"),
        ({"MASSAR_SECRET_KEY": "file:/dev/zero"}, "larger than 64 KiB"),
        ({"MASSAR_SECRET_KEY": "file:/dev/null"}, "which is empty"),
        ({"MASSAR_SECRET_KEY": "env:NO_SUCH"}, "'NO_SUCH', which is not set"),
    ],
)
def test_each_mistake_has_one_sentence(changed, told):
    sentence = only_mistake(**changed)
    assert told in sentence and sentence.startswith(("MASSAR_", "The demo")) and sentence.endswith(".")
    assert "geheim" not in sentence and "geh[eim" not in sentence, "a password is not repeated on the screen"


def test_several_mistakes_are_told_together():
    assert len(mistakes(MASSAR_PUBLIC_URL=None, MASSAR_ARGON2="1,1", MASSAR_HELP_CONTACT=None)) == 3


def test_the_demo_never_leaves_this_machine():
    base = {"MASSAR_MODE": "demo"}
    demo = load(base)
    assert demo.demo and demo.demo_store is not None and demo.public_url == "http://localhost:8000"
    for url in ("https://compte.example.ma", "http://192.0.2.7:8000"):
        with pytest.raises(SettingsError, match="localhost"):
            load({**base, "MASSAR_PUBLIC_URL": url})


def test_two_keys_the_newest_first():
    second = "MTEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    massar = production(MASSAR_DATA_KEYS=f"k2:{second}, k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    assert [name for name, _ in massar.data_keys] == ["k2", "k1"]
    assert "twice" in only_mistake(MASSAR_DATA_KEYS=f"k1:{second},k1:{second}")


def test_database_addresses():
    postgres = production(MASSAR_DATABASE_URL="postgres://u:p%40ss@db:5433/name?sslmode=require").database
    assert (postgres["USER"], postgres["PASSWORD"], postgres["HOST"], postgres["PORT"], postgres["NAME"]) == (
        "u", "p@ss", "db", "5433", "name",
    )  # fmt: skip
    assert postgres["OPTIONS"]["sslmode"] == "require" and "pool" in postgres["OPTIONS"]
    assert production(MASSAR_DATABASE_URL="sqlite:////srv/massar.sqlite3").database["NAME"] == "/srv/massar.sqlite3"
    relative = production(MASSAR_DATABASE_URL="sqlite:///var/x.sqlite3").database["NAME"]
    assert relative.startswith("/") and relative.endswith("/var/x.sqlite3")


def test_lists_are_cleaned():
    massar = production(MASSAR_INSTITUTION_DOMAINS=" Taalim.MA, men.gov.ma ,,", MASSAR_PHONE_COUNTRIES="ma, fr")
    assert massar.institution_domains == ("taalim.ma", "men.gov.ma") and massar.phone_countries == ("MA", "FR")


@pytest.mark.parametrize(
    ("countries", "told"),
    [
        ("EH", "no mobile number is ever EH's; they count as MA: give MA instead."),
        ("MA,EH", "ever EH's"),
        ("fr, sj", "count as NO"),
        ("BL", "count as GP"),
        ("TA", "ever TA's; leave it out."),
        (",", "names no country"),
        ("212", "is no country"),
    ],
)
def test_a_country_that_would_refuse_every_number_is_refused(countries, told):
    with pytest.raises(SettingsError) as refused:
        production(MASSAR_PHONE_COUNTRIES=countries)
    [sentence] = [one for one in refused.value.mistakes if "MASSAR_PHONE_COUNTRIES" in one]
    assert told in sentence


def test_a_small_country_with_numbers_of_its_own_is_one():
    """Its example number is its neighbour's, others are its own."""
    assert production(MASSAR_PHONE_COUNTRIES="IM,KZ,US,GG").phone_countries == ("IM", "KZ", "US", "GG")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A = b ", "b"),
        ("export A=b", "b"),
        ("A=b # c", "b"),
        ("A=b#c", "b#c"),
        ("A='b # c'", "b # c"),
        ('A="0800 11 = 22"', "0800 11 = 22"),
        ("A='it is \"b\"'", 'it is "b"'),
        ('A="it\'s"', "it's"),
        ('A={"B": "c d"}', '{"B": "c d"}'),
        ("A=pa$$w${HOME}", "pa$$w${HOME}"),
        ("\ufeffA=b", "b"),
        ("A=b\r\nC=d\r\n", "b"),
        ("A='one\ntwo'", "one\ntwo"),
        ("A=b\nA=c", "c"),
        ("A=", ""),
        ("#A=b", None),
        (";A=b", None),
        ("nonsense", None),
    ],
)
def test_the_env_file_is_read_as_others_read_it(tmp_path, line, value):
    """As python-dotenv does, but `${…}` is no reference: systemd knows none either, and passwords hold such signs."""
    file = tmp_path / ".env"
    file.write_text(line, "utf-8", newline="")
    assert read_env_file(file).get("A") == value
    assert read_env_file(tmp_path / "none") == {}


@pytest.mark.parametrize("data", [b"A='b", b'A="b', b"\xff", b"A='b'c"])
def test_an_env_file_that_can_not_be_read_is_told(tmp_path, data):
    (tmp_path / ".env").write_bytes(data)
    with pytest.raises(SettingsError, match=r"\.env.* can't be read: .*\.$"):
        read_env_file(tmp_path / ".env")


def test_every_variable_may_lead_elsewhere(tmp_path):
    (tmp_path / "key").write_text("from-a-file-0123456789-0123456789\r\n")
    (tmp_path / "headers").write_text('{"Authorization": "x"}\n')
    massar = production(
        MASSAR_SECRET_KEY=f"file:{tmp_path}/key", MASSAR_SMS_HEADERS=f"file:{tmp_path}/headers",
        MASSAR_ARGON2="env:COST", COST="19456,2",
    )  # fmt: skip
    assert massar.secret_key == "from-a-file-0123456789-0123456789" and massar.sms_headers == {"Authorization": "x"}
    assert massar.argon2.passes == 2
    (tmp_path / "massar.toml").write_text('[providers.p]\nkind = "smpp"\n')
    assert list(production(MASSAR_CONFIG="env:FILE", FILE=str(tmp_path / "massar.toml")).providers) == ["p"]
    assert load({"MASSAR_MODE": "env:MODE", "MODE": "demo"}).demo
    assert "MASSAR_MODE reads the variable 'NO_SUCH'" in only_mistake(MASSAR_MODE="env:NO_SUCH")


HERE = ("localhost", "127.0.0.1", "127.0.0.2", "127.255.255.254", "[::1]", "[::ffff:127.0.0.1]")
ELSEWHERE = ("128.0.0.1", "10.0.0.1", "127.0.0.1.example.ma", "[::2]")


@pytest.mark.parametrize("host", [*HERE, *ELSEWHERE])
def test_this_machine_is_the_same_one_for_everybody(tmp_path, host):
    (tmp_path / "massar.toml").write_text(f'[sites.massar]\nhome = "http://{host}/"\n')
    for changed in ({"MASSAR_SMS_URL": f"http://{host}/"}, {"MASSAR_CONFIG": str(tmp_path / "massar.toml")}):
        if host in HERE:
            production(**changed)
        else:
            assert "this machine only" in only_mistake(**changed)
    url = {"MASSAR_PUBLIC_URL": f"http://{host}:8000"}
    if host in HERE:
        assert load({"MASSAR_MODE": "demo", **url}).demo
    else:
        with pytest.raises(SettingsError, match="localhost"):
            load({"MASSAR_MODE": "demo", **url})


@pytest.mark.parametrize(
    ("name", "good"), [("a_b-1", True), ("g" * 39, True), ("g" * 40, False), ("A", False), ("1", False)]
)
def test_names_of_providers(tmp_path, name, good):
    (tmp_path / "massar.toml").write_text(f'[providers.{name}]\nkind = "http"\n')
    if good:
        assert list(production(MASSAR_CONFIG=str(tmp_path / "massar.toml")).providers) == [name]
    else:
        assert "is no name for a provider" in only_mistake(MASSAR_CONFIG=str(tmp_path / "massar.toml"))


def test_options_of_the_gateway_are_collected():
    massar = production(
        MASSAR_SMS_TO_FIELD="recipient", MASSAR_SMS_HEADERS='{"Authorization": "x"}', MASSAR_SMS_PER_HOUR="900"
    )
    assert massar.sms_per_hour == 900 and massar.sms_per_day == 250_000
    assert (massar.sms_to_field, massar.sms_headers) == ("recipient", {"Authorization": "x"})


def test_with_a_provider_in_the_file_no_gateway_is_required_in_the_environment(tmp_path):
    file = tmp_path / "massar.toml"
    file.write_text('[providers.gateway]\nkind = "http"\n')
    massar = production(MASSAR_SMS_URL=None, MASSAR_CONFIG=str(file))
    assert massar.providers == {"gateway": {"kind": "http"}} and massar.sms_url == ""
    assert production().providers == {}


def test_the_token_of_the_metrics_is_long():
    assert production().metrics_token == ""
    assert production(MASSAR_METRICS_TOKEN="a" * 24).metrics_token == "a" * 24
    for weak in ("a" * 23, "with spaces are not accepted here", "أ" * 30):
        assert "24" in only_mistake(MASSAR_METRICS_TOKEN=weak)


def test_limits_of_alarms_are_numbers():
    limits = production(MASSAR_ALARMS=" queue-growing=120, expired=20,").alarm_limits
    assert limits == {"queue-growing": 120, "expired": 20}
    assert "'expired=many'" in only_mistake(MASSAR_ALARMS="expired=many,queue-growing=1")
