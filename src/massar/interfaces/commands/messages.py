"""Shows what happens to messages, as wide as the terminal or as JSON. No destination is shown."""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from django.utils import translation
from django.utils.translation import gettext

from massar.core import clock, local_time
from massar.domain.delivery import api as delivery
from massar.journeys.messages import watch_messages

FOLLOW_EVERY = 2.0  # seconds
CLEAR = "\x1b[H\x1b[2J"
_TALLY = ("sent", "delivered", "late", "failed", "expired", "p50 s", "p95 s", "p99 s", "segments", "cost", "used")
# where the terminal is narrow
_LEAVES_FIRST = ("segments", "p50 s", "p99 s", "expired", "cost", "breaker since", "used", "delivered")


def run(options: argparse.Namespace) -> int:
    with suppress(KeyboardInterrupt):
        _show(options)
        while options.follow:
            time.sleep(FOLLOW_EVERY)
            _show(options)
    return 0


def _show(options: argparse.Namespace) -> None:
    window = delivery.metrics.DAY if options.day else delivery.metrics.HOUR
    seen = watch_messages.Overview(now=clock.now(), window=window)
    if options.json:
        print(json.dumps(as_json(seen), ensure_ascii=False), flush=True)
    else:
        clear = CLEAR if options.follow and sys.stdout.isatty() else ""
        print(clear + as_text(seen, shutil.get_terminal_size((100, 40)).columns), flush=True)


def as_json(seen: watch_messages.Overview) -> dict[str, object]:
    """Moments in UTC, ISO 8601; times in seconds; cost in thousandths of the providers' currency."""
    return {
        "at": seen.now.isoformat(),
        "window_seconds": int(seen.window.total_seconds()),
        "alarms": [{"id": one.id, "about": list(one.about), "page": one.page} for one in seen.alarms],
        "queue": [
            {**_fields(one, "state", "purpose", "count"), "oldest_seconds": max(0, int(age.total_seconds()))}
            for one, age in ((one, seen.now - one.oldest) for one in seen.queue)
        ],
        "providers": [
            {
                "channel": channel,
                "provider": provider,
                **_fields(tally, *_TALLY[:5]),
                "hand_over_seconds": tally.waits and dict(zip(("p50", "p95", "p99"), tally.waits, strict=True)),
                "cost_thousandths": tally.cost,
                **_fields(tally, "segments", "secrets", "used"),
            }
            for (channel, provider), tally in seen.tallies.items()
        ],
        "breakers": [
            _fields(one, "provider", "state", "reason")
            | {"since": one.changed_at and one.changed_at.isoformat(), "until": one.until and one.until.isoformat()}
            for one in seen.breakers.values()
        ],
        "errors": [
            {"at": one.at.isoformat(), **_fields(one, "provider", "channel", "outcome", "code")} for one in seen.errors
        ],
    }


def _fields(one: object, *names: str) -> dict[str, object]:
    return {name: getattr(one, name) for name in names}


def as_text(seen: watch_messages.Overview, width: int) -> str:
    queue = [(x.state, x.purpose, str(x.count), local_time.elapsed(x.oldest, seen.now)) for x in seen.queue]
    providers = [
        (channel, provider or "(none)", *_breaker(seen.breakers.get(provider)), *_tally(tally))
        for (channel, provider), tally in seen.tallies.items()
    ]
    when = "%d %b %H:%M:%S"
    errors = [(f"{local_time.local(x.at):{when}}", x.channel, x.provider, x.outcome, x.code) for x in seen.errors]
    hours = int(seen.window.total_seconds() // 3600)
    lines = [f"Messages at {local_time.stamp(seen.now)}, the last {hours} h", ""]
    with translation.override("en"):
        for one in seen.alarms:
            lines += [f"ALARM  {gettext(f'alarm.{one.word}')}: {', '.join(one.about)}", f"       {one.page}"]
    lines += [] if seen.alarms else ["No active alarms."]
    for title, head, rows, bound_left in (
        ("Queue", ("state", "purpose", "count", "oldest"), queue, 2),
        ("Providers", ("channel", "provider", "breaker", "breaker since", *_TALLY), providers, 4),
        ("Last errors", ("when", "channel", "provider", "outcome", "code"), errors, 5),
    ):
        lines += ["", title, *(_table(head, rows, width, bound_left) if rows else ["  none"])]
    return "\n".join(line[:width].rstrip() for line in lines) + "\n"


def _breaker(facts: delivery.breaker.Facts | None) -> tuple[str, str]:
    closed = delivery.breaker.State.CLOSED
    if facts is None or (facts.state == closed and not facts.configuration_error):
        return "closed", ""
    since = local_time.clock_time(facts.changed_at) if facts.changed_at else ""
    return facts.state, f"{since} {facts.reason}"[:30]


def _tally(one: delivery.metrics.Tally) -> list[str]:
    counted = [str(getattr(one, name)) for name in _TALLY[:5]]
    waits = [f"{seconds:.2f}" for seconds in one.waits] if one.waits else ["-"] * 3
    used = "-" if one.conversion is None else f"{100 * one.conversion:.0f}%"
    return [*counted, *waits, str(one.segments), f"{one.cost / 1000:.3f}", used]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], width: int, bound_left: int) -> list[str]:
    """Columns as wide as what stands in them, the first of them bound left; others may leave."""
    kept = list(range(len(head)))
    widths = [max(len(row[n]) for row in (head, *rows)) for n in kept]
    for name in _LEAVES_FIRST:
        if name in head and sum(widths[n] + 2 for n in kept) > width:
            kept.remove(head.index(name))
    return [
        "  " + "  ".join(row[n].ljust(widths[n]) if n < bound_left else row[n].rjust(widths[n]) for n in kept).rstrip()
        for row in (head, *rows)
    ]
