"""The command line as an operator meets it: real processes, their words, their exit codes."""

import contextlib
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources

import pytest
import tzdata

from massar.config.environment import DEMO_AUDIT_KEY, DEMO_DATA_KEYS, DEMO_SECRET_KEY
from tests.support import steps
from tests.support.installation import COMMANDS, Done, Installation, refused_in_one_sentence

PASSWORD = "Girafe&7194-sable"


@contextlib.contextmanager
def opened(installation: Installation) -> Iterator[sqlite3.Connection]:
    """Its database in this process, closed at the end and not when the collector comes by (it refers to itself).

    Reading the file's bytes beside an open connection drops this process's locks (SQLite, "How To Corrupt", 2.2):
    others then throw away the log and its index, by which the next connection here would read.
    """
    with contextlib.closing(sqlite3.connect(installation.folder / "massar.sqlite3")) as database, database:
        yield database


KEPT = ("MODE", "PUBLIC_URL", "SECRET_KEY", "DATA_KEYS", "AUDIT_KEY", "HELP_CONTACT")
PRODUCTION = {f"MASSAR_{name}": steps.PRODUCTION[f"MASSAR_{name}"] for name in KEPT} | {
    "MASSAR_EMAIL_URL": "smtp+starttls://127.0.0.1:9", "MASSAR_SMS_URL": "http://127.0.0.1:9/", "MASSAR_ARGON2": None,
}  # fmt: skip


def test_help_needs_no_settings_and_every_command_explains_itself(empty):
    single = [(name, "--help") for name in COMMANDS]
    none, whole, *single = empty.each((), ("--help",), *single, MASSAR_MODE="production")
    assert none.returncode == 2 and "commands" in none.stdout
    assert whole.returncode == 0 and "MASSAR_" in whole.stdout and "massar check" in whole.stdout
    for name, done in zip(COMMANDS, single, strict=True):
        assert re.search(rf"^    {name}\b", whole.stdout, re.MULTILINE), name
        assert done.returncode == 0 and f"massar {name}" in done.stdout
        body = done.stdout.split("\n\n", 1)[1]
        assert len(body) > 120 and "usage" not in body.lower()


def test_production_refuses_to_start_in_the_open(empty):
    wrong = {
        "MASSAR_SECRET_KEY": DEMO_SECRET_KEY,
        "MASSAR_DATA_KEYS": DEMO_DATA_KEYS,
        "MASSAR_AUDIT_KEY": DEMO_AUDIT_KEY,
    }
    commands = (("check",), ("serve",), ("worker",), ("migrate",), ("audit", "verify"))
    for done in empty.each(*commands, **{**PRODUCTION, **wrong, "MASSAR_PUBLIC_URL": "http://compte.example.ma"}):
        assert done.returncode == 2 and done.stderr.count("\n  - ") == 4 and "Traceback" not in done.stderr
        assert done.stderr.count("demo's key") == 3 and "https://" in done.stderr


def test_the_demo_phone_can_not_be_switched_on_in_production(empty):
    """There is no setting for it: the addresses exist in the mode of the demo alone."""
    program = "import django; django.setup(); from django.urls import resolve; resolve('/demo/')"
    environ = {**empty.environ, **PRODUCTION, "DJANGO_SETTINGS_MODULE": "massar.config.django_settings"}
    known = {name: value for name, value in environ.items() if value is not None}
    done = subprocess.run([sys.executable, "-c", program], cwd=empty.folder, capture_output=True, text=True, env=known)
    assert done.returncode != 0 and "Resolver404" in done.stderr


def test_new_keys_are_good_keys_and_new_each_time(empty):
    first, second = (done.stdout for done in empty.each(("newkeys",), ("newkeys",), MASSAR_MODE="production"))
    assert first != second
    keys = dict(line.split("=", 1) for line in first.splitlines())
    assert set(keys) == {"MASSAR_SECRET_KEY", "MASSAR_DATA_KEYS", "MASSAR_AUDIT_KEY"}
    done = empty.massar("migrate", **{**PRODUCTION, **keys})
    assert done.returncode == 0, done.stderr


def test_check_names_what_is_missing_one_sentence_each(empty):
    done = empty.massar("check")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("  - ")]
    assert any("massar migrate" in line for line in told)
    assert any("MASSAR_EMAIL_URL" in line for line in told) and any("MASSAR_SMS_URL" in line for line in told)
    assert f"{len(told)} thing(s) to put right." in done.stdout


def test_check_names_the_table_of_time_zones_alarms_and_where_a_gateway_calls_back(installed, tmp_path):
    (tmp_path / "tzdata.zi").write_text("# version 2099b\n")
    (tmp_path / "Africa").mkdir()
    zone = (resources.files("tzdata") / "zoneinfo/Africa/Casablanca").read_bytes()
    (tmp_path / "Africa/Casablanca").write_bytes(zone)
    file = tmp_path / "massar.toml"
    file.write_text(
        '[providers.gateway]\nkind = "http"\nurl = "http://127.0.0.1:9/"\nform = { to = "{to}", text = "{text}" }\n'
        'receipt = { reference = "id", state = "state", states = { ok = "delivered" } }\n'
    )
    newer = installed.massar(
        "check", PYTHONTZPATH=str(tmp_path), MASSAR_ALARMS="expired=9,no-such=1", MASSAR_CONFIG=str(file),
        MASSAR_PUBLIC_URL="http://localhost:8123", MASSAR_EMAIL_URL="smtp://127.0.0.1:9",
    )  # fmt: skip
    assert newer.returncode == 1 and "mail: " in newer.stdout
    assert f"Times are those of Africa/Casablanca by the system's table in {tmp_path}, version 2099b." in newer.stdout
    assert "Warning" not in newer.stdout
    assert re.search(
        r"hash \(m=\d+, t=\d+\) costs here: libsodium [\d.]+ ms, \d+ page faults; libargon2 [\d.]+ ms, \d+ page "
        r"faults\. `massar serve` hashes by lib(sodium|argon2)\.", newer.stdout,
    )  # fmt: skip
    assert "MASSAR_ALARMS names 'no-such', which is no alarm." in newer.stdout and "'expired'" not in newer.stdout
    assert re.search(r"call back at http://localhost:8123/receipts/gateway/[0-9a-f]{64}$", newer.stdout, re.MULTILINE)
    assert "SMS gateway 127.0.0.1:9 can't be reached" in newer.stdout
    other = installed.massar("check", PYTHONTZPATH=str(tmp_path), MASSAR_TIME_ZONE="Africa/El_Aaiun").stdout
    assert f"Times are those of Africa/El_Aaiun by PyPI's tzdata, version {tzdata.IANA_VERSION}." in other


@pytest.mark.parametrize(("line", "told"), [
    (b"MASSAR_SMS_COLOUR=red", "MASSAR_SMS_COLOUR is no setting"),
    (b"MASSAR_HELP_CONTACT='0800", ".env, line 1, can't be read"),
])  # fmt: skip
def test_check_names_a_mistake_in_the_file_of_settings(installed, line, told):
    file = installed.folder / ".env"
    file.write_bytes(line)
    done = installed.massar("check")
    file.unlink()  # the folder serves other tests too
    assert done.returncode == 2 and told in done.stderr and done.stderr.count("\n") == 2, done.stderr


@pytest.mark.parametrize(("text", "told"), [
    ('[providers.gateway]\nkind = "http"\npreset = "best"\n', "unknown preset"),
    ('[providers.gateway]\nkind = "pigeon"\n', "needs a kind"),
    ("providers = 7\n", "give each provider a table"),
    ("[providers]\na = 7\n", "give each provider a table"),
])  # fmt: skip
def test_check_judges_the_providers_of_the_file(installed, tmp_path, text, told):
    (tmp_path / "massar.toml").write_text(text)
    done = installed.massar("check", MASSAR_CONFIG=str(tmp_path / "massar.toml"))
    assert done.returncode != 0 and told in done.stdout + done.stderr, done.stdout + done.stderr


def test_a_person_is_added_read_in_the_audit_log_and_not_added_twice(installed):
    created = ("createperson", "New.Comer@taalim.ma", "--name", "New", "Comer", "--name-ar", "قادم", "جديد", "--phone",
               "0661 98 76 54", "--school", "12", "مدرسة", "Ecole", "--password-stdin")  # fmt: skip
    printed = [("audit", "show", person) for person in ("new.comer@taalim.ma", "new.comer")]
    done, again, *printed = installed.each(created, created, *printed, stdin=f"{PASSWORD}\n")
    assert done.returncode == 0 and "was added" in done.stdout, done.stderr
    assert again.returncode == 1 and "login: " in again.stderr and "error." not in again.stderr, again.stderr
    assert all(one.returncode == 0 and "person_added" in one.stdout for one in printed)
    stored = (installed.folder / "massar.sqlite3").read_bytes()
    assert PASSWORD.encode() not in stored and b"661987654" not in stored


def test_a_person_with_a_mistake_is_not_added_and_the_reason_is_said(installed):
    mistakes = {
        ("someone@example.org",): "login: ",
        ("nonsense",): "login: ",
        ("own.name@taalim.ma", "--name", "Mustapha", "Berrada"): "password: ",
        ("odd.name@taalim.ma", "--name", "Ev\u202eil", "Name"): "name: ",
        ("long.name@taalim.ma", "--name", "x" * 101, "Name"): "name: ",
        ("bad.phone@taalim.ma", "--phone", "0522334455"): "phone: ",
        ("bad.mail@taalim.ma", "--email", "x@taalim.ma"): "email: ",
    }
    not_added(installed, "Girafe&Mustapha-7194", mistakes)
    not_added(installed, "P@ssw0rd123!", {("weak.two@taalim.ma",): "password: "})
    not_added(installed, "tiny#1", {("weak.one@taalim.ma",): "password: "})


def not_added(installed: Installation, password: str, mistakes: dict[tuple[str, ...], str]) -> None:
    created = [("createperson", *words, "--password-stdin") for words in mistakes]
    looked_up = [("audit", "show", words[0]) for words in mistakes]
    done = installed.each(*created, *looked_up, stdin=f"{password}\n")
    for one, told in zip(done, mistakes.values(), strict=False):
        assert one.returncode == 1 and told in one.stderr and password not in one.stderr + one.stdout
        assert not any(word in one.stderr for word in ("Traceback", "error.", "rule."))
    assert all(one.returncode == 1 and "no person" in one.stderr for one in done[len(mistakes) :])


def test_without_a_password_and_an_operator_is_made_by_whoever_runs_the_installation(installed):
    added, neither, again, operator, king = installed.each(
        ("createperson", "by.recovery@taalim.ma", "--no-password", "--email", "by@example.org"),
        ("audit",),
        ("migrate",),
        ("createperson", "salma.x@taalim.ma", "--no-password", "--role", "operator"),
        ("createperson", "other.x@taalim.ma", "--no-password", "--role", "king"),
    )
    assert (added.returncode, again.returncode) == (0, 0), "migrating again is safe"
    assert neither.returncode == 2, "an action must be chosen"
    assert (operator.returncode, king.returncode) == (0, 2), operator.stderr
    with opened(installed) as database:
        roles = dict(database.execute("SELECT login, role FROM people_person"))
    assert roles["salma.x@taalim.ma"] == "operator" and set(roles.values()) <= {"staff", "operator"}


def test_keys_are_listed_and_rolled(installed):
    before = datetime.now(UTC)
    days = [("keys", "rotate", "--days", days) for days in ("0", "91", "-1", "two")]
    rolled, first, certificate, *refused, stolen, last = installed.each(
        ("keys", "rotate"), ("keys", "list"), ("keys", "rotate", "--use", "saml", "--days", "30"), *days,
        ("keys", "rotate", "--at-once"), ("keys", "list"),
    )  # fmt: skip
    assert rolled.returncode == 0, rolled.stderr
    assert rolled.stdout.count("is published and signs from") == 2 and "removed" not in rolled.stdout
    assert sorted(listed(first)) == [
        ("ES256", "active"), ("ES256", "waiting"), ("RS256", "active"), ("RS256", "waiting"), ("data", "writes"),
    ]  # fmt: skip
    begins = {f"{moment + timedelta(days=30):%Y-%m-%d}" for moment in (before, datetime.now(UTC))}
    assert certificate.returncode == 0 and any(day in certificate.stdout for day in begins), certificate
    assert [one.returncode for one in refused] == [2] * 4
    assert stolen.returncode == 0 and stolen.stdout.count("was removed") == 4, stolen.stderr
    assert listed(last)[1:] == [("ES256", "active"), ("RS256", "active"), ("SAML", "waiting"), ("SAML", "active")]


def listed(done: Done) -> list[tuple[str, str]]:
    """(use, state) of each key."""
    assert done.returncode == 0, done.stderr
    return [(use, state) for use, _, state, *_ in map(str.split, done.stdout.splitlines())]


# -- a database that is not there, or not of this version

WITH_TABLES = {
    "serve": ("--port", "0"), "worker": (), "bounces": ("--port", "0"),
    "createperson": ("a.b@taalim.ma", "--no-password"), "people": ("disable", "a.b@taalim.ma"), "audit": ("verify",),
    "siege": ("show",), "units": ("show",), "demo-country": ("--people", "1"),
    "revoke": ("head", "a.b@taalim.ma", "--at", "24187K", "--reason", ""),
    "grant": ("head", "a.b@taalim.ma", "--at", "24187K", "--reason", "", "--until", "2027-08-31"),
    "messages": (), "export": ("M", "x.csv"), "keys": ("list",), "send-test": ("sms", "0661123456"),
    "restored": (), "import": ("staff.csv",), "slips": ("list",), "season": ("show",), "campaign": ("list",),
}  # fmt: skip


def refused(installation: Installation, *names: str, told: tuple[str, ...], **changed: str) -> None:
    """Each of these commands says one sentence, with these words in it."""
    for done in installation.each(*((name, *WITH_TABLES.get(name, ())) for name in names), **changed):
        refused_in_one_sentence(done, *told)
        assert "geheim" not in done.stderr


def test_all_that_need_tables_are_tried_here():
    without = {"demo", "check", "newkeys", "migrate", "sites", "backup"}
    assert set(WITH_TABLES) | without == set(COMMANDS)


def test_before_the_tables_are_made_every_command_says_so(empty):
    place = empty.folder / "none/such/massar.sqlite3"
    told = (f"no database at {place}", "massar migrate")
    refused(empty, *WITH_TABLES, told=told, MASSAR_DATABASE_URL=f"sqlite:///{place}")
    assert not place.exists(), "an empty file would look like a database"


def test_a_database_out_of_reach_is_named_without_its_password(empty):
    address = "postgres://massar:geheim@127.0.0.1:9/account"
    told = ("account at 127.0.0.1 can't be reached", "refused", "MASSAR_DATABASE_URL")
    refused(empty, *WITH_TABLES, "migrate", told=told, MASSAR_DATABASE_URL=address)
    checked = empty.massar("check", MASSAR_DATABASE_URL=address)
    assert checked.returncode == 1 and told[0] in checked.stdout and "geheim" not in checked.stdout + checked.stderr


@pytest.mark.parametrize(("change", "told"), [
    ("INSERT INTO django_migrations (app, name, applied) VALUES ('people', '9999_later', '2031-01-01')", "people.9999"),
    ("DELETE FROM django_migrations WHERE app = 'limits'", "massar migrate"),
    ("DELETE FROM django_migrations", "massar migrate"),
], ids=["newer", "older", "empty"])  # fmt: skip
def test_tables_of_another_version_are_told(installed, change, told):
    with opened(installed) as database:
        kept = database.execute("SELECT app, name, applied FROM django_migrations").fetchall()
        database.execute(change)
    try:
        (checked,) = installed.each(("check",))
        refused(installed, *WITH_TABLES, *(["migrate"] if "9999" in told else []), told=(told,))
    finally:
        with opened(installed) as database:
            database.execute("DELETE FROM django_migrations")
            database.executemany("INSERT INTO django_migrations (app, name, applied) VALUES (?, ?, ?)", kept)
    assert checked.returncode == 1 and told in checked.stdout


def test_a_file_that_is_no_database_is_told(empty):
    (empty.folder / "massar.sqlite3").write_text("this is a letter\n" * 400)
    refused(empty, *WITH_TABLES, "migrate", told=("massar.sqlite3 can't be read",))


# -- what others on the machine may read


def test_the_database_is_its_owners_alone(empty):
    place = f"sqlite:///{empty.folder}/new/folder/massar.sqlite3"
    done = empty.massar("migrate", MASSAR_DATABASE_URL=place)
    assert done.returncode == 0, done.stderr
    folder = empty.folder / "new" / "folder"
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_stands_open_is_named_and_a_database_is_shut(installed):
    place, file = installed.folder / "massar.sqlite3", installed.folder / ".env"
    file.write_text("MASSAR_RECOVERIES_PER_HOUR=3\n")
    place.chmod(0o644)
    file.chmod(0o644)
    before, done = installed.each(("check",), ("migrate",))
    assert f"{place} is open to others on this machine" in before.stdout and f"{file} holds the keys" in before.stdout
    assert stat.S_IMODE(place.stat().st_mode) == 0o600 and str(place) in done.stdout
    file.chmod(0o640)
    after = installed.massar("check").stdout
    assert "open to others" not in after and "holds the keys" not in after
    file.unlink()


def test_check_says_when_the_keys_are_not_those_of_the_database(installed):
    person = ("createperson", "keys.of@taalim.ma", "--no-password", "--email", "keys@example.org")
    added, checked = installed.each(person, ("check",))
    assert added.returncode == 0 and "MASSAR_DATA_KEYS" not in checked.stdout, added.stderr
    other = PRODUCTION["MASSAR_DATA_KEYS"]
    for named, told in ((other, "lacks the key demo"), (f"demo:{other[3:]}", "is another than the database's demo")):
        checked, served = installed.each(("check",), ("serve", "--port", "0"), MASSAR_DATA_KEYS=named)
        assert told in checked.stdout
        refused_in_one_sentence(served, told)


def test_check_names_roles_that_nobody_has(empty):
    """A role of a setting that is a slip of typing asks nobody for a second factor, and lets nobody in."""
    sites = empty.folder / "sites.toml"
    sites.write_text('[sites.massar]\nroles = ["principal", "directeur"]\n')
    settings = {
        "MASSAR_SECOND_FACTOR_ROLES": "oprator,operator,staff:2027-01-01..,*:2030-01-01..",
        "MASSAR_CONFIG": f"{sites}",
    }
    empty.environ |= settings
    person = ("createperson", "a.b@taalim.ma", "--no-password", "--email", "a@example.org")
    _, before, _, after = empty.each(("migrate",), ("check",), person, ("check",))
    assert "which nobody has" not in before.stdout, "before people come nobody has any"
    told = [line for line in after.stdout.splitlines() if "which nobody has" in line]
    assert told == [
        "Warning: MASSAR_SECOND_FACTOR_ROLES names the role 'oprator', which nobody has.",
        "Warning: [sites.massar] roles names 'principal', which nobody has.",
        "Warning: [sites.massar] roles names 'directeur', which nobody has.",
    ]
