"""Times as people in Morocco read them, by the newer of two tables of time zones."""

import re
import zoneinfo
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
import tzdata

from massar.core import clock, local_time
from tests.house.laws import ROOT

BEFORE = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)  # 02:55 at +01; five minutes later it is 02:00 at +00
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)  # 12:00 in Morocco since IANA 2026c; 13:00 by every older table
KEY = "Africa/Casablanca"


@pytest.mark.parametrize(
    ("month", "name"), [(1, "يناير"), (5, "ماي"), (7, "يوليوز"), (8, "غشت"), (9, "شتنبر"), (11, "نونبر"), (12, "دجنبر")]
)
def test_moroccan_month_names_and_western_digits(month, name):
    shown = local_time.day_time(datetime(2026, month, 3, 12, tzinfo=UTC), "ar")
    assert name in shown and "2026" in shown and not any("\u0660" <= c <= "\u0669" for c in shown)


def test_french_and_english():
    moment = datetime(2026, 8, 3, 12, 5, tzinfo=UTC)
    assert local_time.day_time(moment, "fr") == "lundi 3 août 2026 à 13:05"
    assert local_time.day_time(moment, "en").startswith("Monday")


def test_the_zone_is_a_setting(settings):
    noon = datetime(2026, 8, 3, 12, 0, 5, tzinfo=UTC)
    settings.MASSAR = replace(settings.MASSAR, time_zone="Europe/Paris")
    assert local_time.clock_time(noon) == "14:00" and local_time.stamp(noon) == "2026-08-03 14:00:05 +0200"


def test_today_is_a_clock_time_and_another_day_has_its_date():
    noon = datetime(2026, 8, 3, 12, tzinfo=UTC)
    assert local_time.until(noon + timedelta(hours=1), noon, "fr") == "14:00"
    assert local_time.until(noon + timedelta(hours=12), noon, "fr") == "4 août à 01:00"


def test_the_clock_is_aware_and_a_naive_time_is_refused():
    assert clock.now().tzinfo is UTC and clock.from_micros(clock.micros(BEFORE)) == BEFORE
    with pytest.raises(ValueError, match="naive"):
        local_time.local(datetime(2026, 1, 1))  # noqa: DTZ001


# -- which table tells the hour


@pytest.fixture
def system_has(tmp_path: Path):
    """Puts a table of that version where the system's is looked for; in it Casablanca is at +01 for good."""

    def install(version: str | None) -> None:
        (tmp_path / "Africa").mkdir()
        ahead = resources.files("tzdata") / "zoneinfo" / "Etc" / "GMT-1"
        (tmp_path / KEY).write_bytes(ahead.read_bytes())
        if version is not None:
            (tmp_path / "tzdata.zi").write_text(f"# version {version}\n# ddeps backzone\nR d 1916 o - Jun 14 23s 1 S\n")
        zoneinfo.reset_tzpath(to=[tmp_path])
        local_time.zone_of.cache_clear()

    yield install
    zoneinfo.reset_tzpath()
    local_time.zone_of.cache_clear()


OLDER = ("2025b", "2025c-rearguard", "2026b", "2018zz", "nonsense", "", None)


@pytest.mark.parametrize("version", [*OLDER, "2027a", "2026za", "2030b-dirty", tzdata.IANA_VERSION])
def test_the_newer_table_wins(system_has, version):
    system_has(version)
    name, told = local_time.newest(KEY).name, local_time.newest(KEY).version
    assert (local_time.clock_time(NOON), "PyPI" in name) == (("12:00", True) if version in OLDER else ("13:00", False))
    assert told == tzdata.IANA_VERSION or version not in OLDER


def test_a_machine_without_a_table_has_that_of_the_lock():
    zoneinfo.reset_tzpath(to=[])
    try:
        assert local_time.newest(KEY).zone(KEY).utcoffset(NOON.replace(tzinfo=None)) == timedelta(0)
    finally:
        zoneinfo.reset_tzpath()


def test_the_tests_stand_on_a_table_that_knows_of_2026():
    assert local_time.clock_time(BEFORE) == "02:55", "in the night when Ramadan began the zone dropped to UTC"
    assert local_time.clock_time(BEFORE + timedelta(minutes=10)) == "02:05"
    table = local_time.newest(KEY)
    assert local_time.age(table.version) >= local_time.age("2026c"), "Morocco's hours are wrong in older tables"
    assert local_time.clock_time(datetime(2026, 9, 20, 0, 59, tzinfo=UTC)) == "01:59"
    assert local_time.clock_time(datetime(2026, 9, 20, 2, 1, tzinfo=UTC)) == "02:01", "at +00 for good, IANA 2026c"
    assert local_time.clock_time(datetime(2026, 9, 19, 12, tzinfo=UTC)) == "13:00"


def test_the_lock_brings_the_version_that_the_code_names():
    locked = (ROOT / "requirements/runtime.txt").read_text()
    year, number = re.search(r"^tzdata==(\d+)\.(\d+)", locked, re.MULTILINE).groups()
    assert local_time.LOCKED == f"{year}{chr(ord('a') + int(number) - 1)}"


@pytest.mark.parametrize(("version", "now", "word"), [
    ("2025b", NOON, "older than the"), ("", NOON, "older than the"), ("2026f", NOON, None),
    ("2026f", datetime(2028, 2, 1, tzinfo=UTC), "more than a year old"),
    ("2028a", datetime(2028, 12, 1, tzinfo=UTC), None),
])  # fmt: skip
def test_an_old_table_is_doubted(version, now, word):
    doubts = local_time.ZoneTable(version, "the system's table", Path()).warnings(now)
    assert [word in doubt and "upgrade" in doubt for doubt in doubts] == ([True] if word else [])


@pytest.mark.parametrize(
    "key", ["Africa/Cassablanca", "../etc/passwd", "/etc/passwd", "Africa", "", "tzdata.zi", "Africa/../UTC"]
)
def test_what_is_no_zone_is_refused(key):
    with pytest.raises(ValueError, match="no table has a zone"):
        local_time.newest(key)


def test_nothing_else_of_the_product_asks_for_a_zone():
    """`ZoneInfo(key)` would ask the system's table again, whichever is newer."""
    asks = re.compile(r"ZoneInfo\(|zoneinfo import|pytz|get_timezone")
    assert not [path.name for path in (ROOT / "src").rglob("*.py") if asks.search(path.read_text("utf-8"))]
