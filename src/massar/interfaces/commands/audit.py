"""Prints the audit log, or names the rows whose signature does not fit. It holds no secret and no whole contact."""

import argparse
import json
import sys

from massar.core import local_time, text
from massar.core.audit import api as audit_log
from massar.domain.people import api as people


def run(options: argparse.Namespace) -> int:
    if options.verify:
        return _verify()
    person = people.directory.by_login(text.login(options.person))
    if person is None:
        print(f"There is no person {options.person}.", file=sys.stderr)
        return 1
    for entry in audit_log.of_person(person.id, limit=options.limit):
        detail = json.dumps(entry.detail, ensure_ascii=False) if entry.detail else ""
        forged = "" if entry.genuine else "!! SIGNATURE DOES NOT FIT"
        happened = (local_time.stamp(entry.at), f"{entry.event:<20}", f"{entry.outcome:<18}")
        print("  ".join(filter(None, (*happened, entry.network, entry.browser, detail, forged))))
    return 0


def _verify() -> int:
    rows = bad = 0
    for entry in audit_log.all_events():
        rows += 1
        if not entry.genuine:
            bad += 1
            print(f"The signature of row {entry.uid} ({local_time.stamp(entry.at)}) does not fit.")
    print(f"{rows} rows read, {bad} not genuine.")
    return 1 if bad else 0
