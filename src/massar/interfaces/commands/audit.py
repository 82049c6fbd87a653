"""Reads, verifies and exports the audit log."""

import argparse
import base64
import json
import os
import sys

from django.conf import settings

from massar.core import clock, local_time, sql, text
from massar.core.audit import api as audit_log
from massar.core.audit.api import verifier
from massar.domain.people import api as people


def run(options: argparse.Namespace) -> int:
    actions = {"show": _show, "verify": _verify, "export": _export, "key": _key}
    return actions[options.action](options)


def _show(options: argparse.Namespace) -> int:
    person = people.directory.by_login(text.login(options.person), now=clock.now())
    if person is None:
        print(f"There is no person {options.person}.", file=sys.stderr)
        return 1
    for entry in audit_log.of_person(person.id, limit=options.limit):
        detail = json.dumps(entry.detail, ensure_ascii=False) if entry.detail else ""
        forged = "" if entry.genuine else "!! SIGNATURE DOES NOT FIT"
        happened = (local_time.stamp(entry.at), f"{entry.event:<20}", f"{entry.outcome:<18}")
        print("  ".join(filter(None, (*happened, entry.network, entry.browser, detail, forged))))
    return 0


def _verify(options: argparse.Namespace) -> int:
    """By the program that also stands alone, and beside it the signature of every row."""
    report = verifier.Findings()
    try:
        given = map(verifier.read_key, options.public_key)
        checkpoints = verifier.Checkpoints([audit_log.checkpoints.public_key(), *given])
        own = audit_log.checkpoints.folder()
        for path in options.checkpoints or ([own] if any(own.glob("checkpoints-*.jsonl")) else []):
            checkpoints.read(path, report)
        source = verifier.Database(sql.rows)
        progress = verifier.ProgressBar(source.total)
        verifier.verify(source, checkpoints, report, fits=audit_log.is_genuine, progress=progress)
    except verifier.Unreadable as sentence:
        print(sentence, file=sys.stderr)
        return 2
    return verifier.tell(report, checkpoints)


def _export(options: argparse.Namespace) -> int:
    after, host = options.after, settings.MASSAR.host
    if after is None:
        after = audit_log.export.first_since(options.since) if options.since else 0
    until = verifier.micros(options.until) if options.until else None
    try:
        for one in audit_log.export.rows(after=after):
            if until is None or one.row.at < until:
                as_syslog = options.format == "syslog"
                print(audit_log.export.as_syslog(one, host).decode() if as_syslog else audit_log.export.as_json(one))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _key(_: argparse.Namespace) -> int:
    print(base64.b64encode(audit_log.checkpoints.public_key()).decode())
    return 0
