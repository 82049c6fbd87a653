"""Settings: typed, and refused at start with one clear sentence per mistake (decision 23)."""

import base64
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
    for name in ("PUBLIC_URL", "SECRET_KEY", "DATA_KEYS", "EMAIL_URL", "SMS_URL", "HELP_CONTACT", "AUDIT_KEY"):
        assert f"MASSAR_{name} is missing" in told, name
    assert len(refused.value.mistakes) == 7


@pytest.mark.parametrize(("name", "told", "values"), [
    ("SECRET_KEY", "demo's key", [DEMO_SECRET_KEY]),
    ("DATA_KEYS", "demo's key", [DEMO_DATA_KEYS]),
    ("SECRET_KEY", "too short", ["short"]),
    ("PUBLIC_URL", "https://", ["http://compte.example.ma"]),
    ("PUBLIC_URL", "scheme and host", ["compte.example.ma", "https://compte.example.ma/path", "https://[broken"]),
    ("PUBLIC_URL", "scheme and host", ["https://host:port", "https://u:geheim@a.ma", "https://a.ma#geheim"]),
    ("TIME_ZONE", "IANA table", ["Africa/Cassablanca", "../../etc/localtime", "a" * 400]),
    ("MOBILE_RANGES", "no mobile range", ["0683,0522"]),
    ("DATA_KEYS", "32 bytes", ["k1:tooshort"]),
    ("DATA_KEYS", "name:key", ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "geheimgeheimgeheim"]),
    ("DATABASE_URL", "sqlite:///path", ["mysql://u:geheim@h/db", "sqlite://var/x.sqlite3", "sqlite:///"]),
    ("DATABASE_URL", "postgres://user", ["postgres://u:geheim@h", "postgres://u:geheim@h:port/db"]),
    ("DATABASE_URL", "postgres://user", ["postgres://u:geh[eim@h/db"]),
    ("EMAIL_URL", "smtp://", ["mail.example.ma"]),
    ("SMS_URL", "this machine only", ["http://sms.example.ma/send"]),
    ("SMS_URL", "https://", ["ftp://sms.example.ma", "sms.example.ma/send?key=geheim"]),
    ("EMAIL_CA_FILE", "there is no file", ["/no/such/file.pem", "a" * 400]),
    ("PASSWORD_PROFILE", "guide or nist", ["loose"]),
    ("ARGON2", "at least", ["1024,1"]),
    ("ARGON2", "12288,3", ["much", "9" * 5000 + ",3", "12288,-3", "12288,3,1"]),
    ("TEMPORARY_SMS_MINUTES", "from 1 to 10", ["30"]),
    ("TEMPORARY_EMAIL_MINUTES", "from 1 to 1440", ["0"]),
    ("CONTACT_WAIT_HOURS", "whole number", ["three"]),
    ("SESSION_HOURS", "whole number", ["\u0661\u0662"]),
    ("TRUSTED_PROXIES", "from 0 to 10", ["-1"]),
    ("ACCOUNTS_PER_PHONE", "from 1 to 100", ["0"]),
    ("SMS_PER_HOUR", "from 5 to", ["1"]),
    ("SMS_PER_DAY", "whole number", ["many"]),
    ("MODE", "production, demo or test", ["debug"]),
    ("SESSION_HOURS", "MASSAR_SESSION_HOURS must be a whole number from 1 to 720", ["9" * 5000]),
    ("SMS_PER_DAY", "a whole number", ["9" * 5000]),
    ("DATABASE_POOL", "a whole number", ["9" * 5000]),
    ("ALARMS", "name=number", [f"expired={'9' * 5000}"]),
    ("SMS_HEADERS", "a JSON object", ["[" * 100_000, '{"Authorization": 7}']),
    ("SMS_EXTRA", "a JSON object", ["9" * 5000]),
    ("DATA_KEYS", "no key", [","]),
    ("VAR", "control characters", ["a\0b"]),
    ("HELP_CONTACT", "on one line", ["a\nb"]),
    ("SECRET_KEY", "'/no/such/file', which can't be read", ["file:/no/such/file"]),
    ("SECRET_KEY", "larger than 64 KiB", ["file:/dev/zero"]),
    ("SECRET_KEY", "which is empty", ["file:/dev/null"]),
    ("SECRET_KEY", "'NO_SUCH', which is not set", ["env:NO_SUCH"]),
])  # fmt: skip
def test_each_mistake_has_one_sentence(name, told, values):
    """A password is not repeated on the screen. Many were a traceback or a silent slip before there was one reader."""
    for value in values:
        sentence = only_mistake(**{f"MASSAR_{name}": value})
        assert told in sentence and sentence.startswith(("MASSAR_", "The demo")) and sentence.endswith(".")
        assert "geheim" not in sentence and "geh[eim" not in sentence


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


def test_keys_in_files(tmp_path):
    """A file holds one entry or several; the others stand beside it."""
    first, second, third = (f"k{n}:{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2, 3))
    (tmp_path / "keys").write_text(f"{second}\n{third}\n")
    massar = production(MASSAR_DATA_KEYS=f"file:{tmp_path / 'keys'},{first}")
    assert [name for name, _ in massar.data_keys] == ["k2", "k3", "k1"]
    (tmp_path / "keys").write_text("geheim")
    assert "entry 2" in only_mistake(MASSAR_DATA_KEYS=f"{first},file:{tmp_path / 'keys'}")


@pytest.mark.parametrize("uri", [
    "pkcs11:token=a;object=b?module-path=/x.so&pin-value=geheim",
    "pkcs11:object=b?pin-value=geheim", "pkcs11:slot=1?module-path=/x.so&pin-value=geheim",
])  # fmt: skip
def test_a_token_that_can_not_be_asked_is_told_without_its_pin(uri):
    """Whether python-pkcs11 is here, as for the tests of servers, or not."""
    assert "names a token" in only_mistake(MASSAR_DATA_KEYS=f"k1:{uri}")


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


@pytest.mark.parametrize(("countries", "told"), [
    ("EH", "no mobile number is ever EH's; they count as MA: give MA instead."),
    ("MA,EH", "ever EH's"),
    ("fr, sj", "count as NO"),
    ("BL", "count as GP"),
    ("TA", "ever TA's; leave it out."),
    (",", "names no country"),
    ("212", "is no country"),
])  # fmt: skip
def test_a_country_that_would_refuse_every_number_is_refused(countries, told):
    with pytest.raises(SettingsError) as refused:
        production(MASSAR_PHONE_COUNTRIES=countries)
    [sentence] = [one for one in refused.value.mistakes if "MASSAR_PHONE_COUNTRIES" in one]
    assert told in sentence


def test_a_small_country_with_numbers_of_its_own_is_one():
    """Its example number is its neighbour's, others are its own."""
    assert production(MASSAR_PHONE_COUNTRIES="IM,KZ,US,GG").phone_countries == ("IM", "KZ", "US", "GG")


@pytest.mark.parametrize(("line", "value"), [
    ("A=b", "b"), ("A = b ", "b"), ("export A=b", "b"), ("A=b # c", "b"), ("A=b#c", "b#c"),
    ("A='b # c'", "b # c"), ('A="0800 11 = 22"', "0800 11 = 22"), ("A='it is \"b\"'", 'it is "b"'),
    ('A="it\'s"', "it's"), ('A={"B": "c d"}', '{"B": "c d"}'), ("A=pa$$w${HOME}", "pa$$w${HOME}"),
    ("\ufeffA=b", "b"), ("A=b\r\nC=d\r\n", "b"), ("A='one\ntwo'", "one\ntwo"), ("A=b\nA=c", "c"), ("A=", ""),
    ("#A=b", None), (";A=b", None), ("nonsense", None),
])  # fmt: skip
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
