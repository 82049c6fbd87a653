"""Judges the settings, reaches the database and every provider, and says what to put right, one sentence each."""

import argparse
import os
import re
import stat
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from massar.core import argon2id, clock, local_time, private_files
from massar.core.audit import api as audit_log
from massar.core.keyring import api as keyring
from massar.domain.delivery import api as delivery
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.interfaces.commands import deploy, tables
from massar.interfaces.commands.providers import from_settings
from massar.journeys import personal_data
from massar.journeys.keys import change_data_keys
from massar.journeys.sso import judge_sites

_KEY_FILE = re.compile(r"(?:^|[,=])\s*file:([^,&;]+)")  # an entry, or what a token's PIN stands in
SEEN_SINCE = timedelta(hours=1)  # as the alarm has it
SMALL_PAGE = 4  # KiB
OWN_ROLES = ("staff", "operator")  # those that `massar createperson` gives


def run(options: argparse.Namespace) -> int:
    zone = settings.MASSAR.time_zone
    table = local_time.newest(zone)  # which hours people read
    print(f"Times are those of {zone} by {table.name}, version {table.version or 'unknown'}.")
    for doubt in table.warnings(clock.now()):  # of a table that is old the hours may still be right
        print(f"Warning: {doubt}")
    print(_hash())
    for doubt in _roles_of_nobody():  # a role may come with the next import
        print(f"Warning: {doubt}")
    unknown = [f"MASSAR_ALARMS names {name!r}, which is no alarm." for name in delivery.alarms.unknown_limits()]
    unknown += personal_data.unknown_periods()
    broken = deploy.judge(settings.MASSAR) if options.deploy else []
    for rule in broken:
        if rule.level == deploy.WARNING:
            print(f"Warning: {rule.sentence}")
    unknown += [rule.sentence for rule in broken if rule.level == deploy.ERROR]
    found = [*_open_to_others(), *_database(), *_checkpoints(), *_providers(), *unknown]
    for sentence in found:
        print(f"  - {sentence}")
    well = f"All is well. People reach the product at {settings.MASSAR.public_url}"
    print(f"{len(found)} thing(s) to put right." if found else well)
    return 1 if found else 0


def _hash() -> str:
    """What a sign-in costs here at least, by which library, and whether huge pages would spare some of it."""
    cost = settings.MASSAR.argon2
    found = argon2id.measured(cost.memory_kib, cost.passes)
    if not found:
        return "A password hash could not be measured: see that there is memory for one."
    each = (f"{name} {one.milliseconds:.1f} ms, {one.page_faults} page faults" for name, one in found.items())
    told = f"A password hash (m={cost.memory_kib}, t={cost.passes}) costs here: {'; '.join(each)}."
    taken = argon2id.fastest(found)
    told += f" `massar serve` hashes by {taken}." if len(found) > 1 else ""
    if found[taken].page_faults * SMALL_PAGE > cost.memory_kib / 2:
        told += " Huge pages would spare most of the page faults: docs/operate/run.md."
    return told


def _open_to_others() -> list[str]:
    place, environment = tables.file(), Path(".env")
    found = private_files.readable_by_others(place) if place else []
    sentences = [f"{one} is open to others on this machine: chmod 600." for one in found]
    if environment.is_file() and environment.stat().st_mode & stat.S_IRWXO:
        advice = "holds the keys and is open to everybody on this machine: chmod o= it."
        sentences.append(f"{environment.absolute()} {advice}")
    for path in map(Path, _KEY_FILE.findall(settings.MASSAR.environ.get("MASSAR_DATA_KEYS", ""))):
        if path.is_file() and path.stat().st_mode & private_files.OTHERS:
            sentences.append(f"{path} leads to the data keys and is open to others on this machine: chmod 600 it.")
    return sentences


def _database() -> list[str]:
    """Whether it is there; its keys, for one that was restored beside others opens nothing; and our certificate."""
    if sentence := tables.trouble():
        return [sentence]
    now = clock.now()
    changed = (f"The row {row} can't be opened: {why}." for row, why in keyring.state.unopened(since=now - SEEN_SINCE))
    return [*_data_keys(), *_older(), *changed, *judge_sites.own_certificate_judged(now)]


def _data_keys() -> list[str]:
    if sentence := change_data_keys.judged():
        return [sentence]
    return [
        f"{rows} row(s) stand under the key {name}, which is not in MASSAR_DATA_KEYS: add its entry. "
        f"If nobody has it any more, `massar keys retire {name}` gives them up."
        for name, rows in change_data_keys.rows_out_of_reach().items()
    ]


def _older() -> list[str]:
    """Whether it lacks rows that were signed: a copy of before was put back."""
    signed, here = audit_log.checkpoints.newest(), audit_log.sealing.cursor().last_seq
    mend = "if a copy was put back, stop every program, run `massar restored`, and move the checkpoints away"
    told = f"The database ends at row {here} of the audit log, and row {signed} was signed: {mend}."
    return [told] if signed > here else []


def _roles_of_nobody() -> list[str]:
    """Roles that a setting names and nobody has: a slip of typing asks nobody for a factor, or lets nobody in."""
    if tables.trouble() or not (known := people.directory.roles()):
        return []
    known |= {factors.required.EVERY_ROLE, *OWN_ROLES}
    rules = {rule.role for rule in settings.MASSAR.second_factor_roles} - known
    doubts = [f"MASSAR_SECOND_FACTOR_ROLES names the role {one!r}, which nobody has." for one in sorted(rules)]
    for site in settings.MASSAR.sites.sites:
        doubts += [
            f"[sites.{site.slug}] roles names {one!r}, which nobody has." for one in site.roles if one not in known
        ]
    return doubts


def _checkpoints() -> list[str]:
    """The folder must be there and take a file, or the audit log proves less than it could."""
    folder = audit_log.checkpoints.folder()
    try:
        private_files.make_folder(folder)
        usable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        usable = False
    mend = "make it, or give it to the user that runs the worker"
    return [] if usable and folder.is_dir() else [f"{folder} takes no checkpoints of the audit log: {mend}."]


def _providers() -> list[str]:
    try:
        registry = from_settings()
    except delivery.ProviderSettingError as mistake:
        return list(mistake.mistakes)
    missing = [
        f"No provider for {channel}: set {name}, or people who choose it wait for nothing."
        for channel, name in (("email", "MASSAR_EMAIL_URL"), ("sms", "MASSAR_SMS_URL"))
        if not registry.of(channel)
    ]
    for provider in registry.all():
        if at := provider.receipts_at:
            print(f"{provider.name}: tell the gateway to call back at {at}")
        missing += [f"{provider.name}: {sentence}" for sentence in provider.check()]
        if provider.left_alone:
            print(f"{provider.name}: {provider.left_alone}")
    return missing
