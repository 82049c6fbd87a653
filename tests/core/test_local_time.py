"""Times as people in Morocco read them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from massar.core import clock, local_time

BEFORE = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)  # 02:55 at +01; five minutes later it is 02:00 at +00


def test_the_zone_dropped_to_utc_in_the_ramadan_of_2026():
    assert local_time.clock_time(BEFORE) == "02:55"
    assert local_time.clock_time(BEFORE + timedelta(minutes=10)) == "02:05"


@pytest.mark.parametrize(
    ("month", "name"),
    [(1, "يناير"), (5, "ماي"), (7, "يوليوز"), (8, "غشت"), (9, "شتنبر"), (11, "نونبر"), (12, "دجنبر")],
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


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="naive"):
        local_time.local(datetime(2026, 1, 1))  # noqa: DTZ001


def test_the_clock_is_aware_and_counts_in_microseconds():
    now = clock.now()
    assert now.tzinfo is UTC
    assert clock.from_micros(clock.micros(BEFORE)) == BEFORE
