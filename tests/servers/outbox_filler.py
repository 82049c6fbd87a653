"""Puts messages into an installation's outbox: `python -m tests.servers.outbox_filler COUNT HASTY`.

COUNT messages with ten minutes to live to numbers that the SMSC serves, and among them HASTY ones that have from a few
seconds to half a minute in which they may leave. Prints one JSON object: number -> end (milliseconds since 1970).
"""

import json
import sys
from datetime import datetime, timedelta
from importlib import import_module

import django
from django.db import transaction

BATCH = 200


def main() -> None:
    django.setup()
    # Models can only be imported once the settings are read.
    clock, delivery = import_module("massar.core.clock"), import_module("massar.domain.delivery.api")
    count, hasty = int(sys.argv[1]), int(sys.argv[2])
    lives = [timedelta(minutes=10)] * count
    for one in range(hasty):
        lives.insert(one * count // hasty, delivery.outbox.STOP_BEFORE + timedelta(seconds=1 + one % 30))
    ends: dict[str, float] = {}
    for start in range(0, len(lives), BATCH):
        with transaction.atomic():
            for number in range(start, min(start + BATCH, len(lives))):
                put(delivery, f"+2126{number:06d}00", clock.now(), lives[number], ends)
    print(json.dumps(ends))


def put(delivery, to: str, now: datetime, life: timedelta, ends: dict[str, float]) -> None:
    delivery.outbox.put(
        purpose="contact_code", channel="sms", language="fr", person_id=1, to=to, now=now,
        values={"code": "123456", "host": "compte.example.ma"}, within=life, expires_at=now + life,
    )  # fmt: skip
    ends[to.lstrip("+")] = (now + life).timestamp() * 1000


if __name__ == "__main__":
    main()
