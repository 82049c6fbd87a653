"""Judges the settings, reaches the database and every carrier, and says what to put right, one sentence each."""

from __future__ import annotations

from django.conf import settings
from django.db import Error, connection

from massar.core import clock, zone_table
from massar.domain.delivery import api as delivery
from massar.interfaces.commands import site_checks
from massar.interfaces.commands.carriers import from_settings
from massar.interfaces.commands.serve import pending_migrations


def run(options) -> int:
    _time_zone()
    found = [*_database(), *_own_certificate(), *_carriers(), *_alarms()]
    for sentence in found:
        print(f"  - {sentence}")
    print(
        f"{len(found)} thing(s) to put right."
        if found
        else f"All is well. People reach the product at {settings.MASSAR.public_url}"
    )
    return 1 if found else 0


def _time_zone() -> None:
    """Which hours people read. A table that is old is a warning: the hours may still be right."""
    zone = settings.MASSAR.time_zone
    table = zone_table.newest(zone)
    print(f"Times are those of {zone} by {table.name}, version {table.version or 'unknown'}.")
    for doubt in table.doubts(clock.now()):
        print(f"Warning: {doubt}")


def _database() -> list[str]:
    try:
        connection.ensure_connection()
        return (
            ["The database's tables are not up to date: run `massar migrate`."]
            if pending_migrations()
            else []
        )
    except Error as trouble:
        return [f"The database can't be reached: {str(trouble).strip().splitlines()[0]}"]


def _own_certificate() -> list[str]:
    try:
        return site_checks.own_certificate_judged(clock.now())
    except Error:
        return []  # the database is told of already


def _carriers() -> list[str]:
    try:
        roster = from_settings()
    except delivery.CarrierSettingError as mistake:
        return [str(mistake)]
    missing = [
        f"No carrier for {channel}: set {name}, or people who choose it wait for nothing."
        for channel, name in (("email", "MASSAR_EMAIL_URL"), ("sms", "MASSAR_SMS_URL"))
        if not roster.of(channel)
    ]
    for carrier in roster.all():
        if getattr(carrier, "receipts_at", ""):
            print(f"{carrier.name}: tell the gateway to call back at {carrier.receipts_at}")
    return missing + [f"{carrier.name}: {sentence}" for carrier in roster.all() for sentence in carrier.check()]


def _alarms() -> list[str]:
    return [f"MASSAR_ALARMS names {name!r}, which is no alarm." for name in delivery.alarms.unknown_limits()]
