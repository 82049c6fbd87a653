"""`massar season`: the switch for a rush that is known beforehand."""

import argparse
import sys

from massar.core import clock, local_time
from massar.journeys import season
from massar.journeys.outcomes import Problem


def run(options: argparse.Namespace) -> int:
    now = clock.now()
    if options.action == "show":
        rush = season.look(now=now)
        print(f"Season mode: on until {local_time.stamp(rush.until)}" if rush.until else "Season mode: off")
        if rush.until:
            print(f"The oldest request or message for recovery has waited {rush.delay.total_seconds():.0f} s.")
        return 0
    until = options.until if options.action == "on" else None
    if isinstance(season.order(until, by=None, now=now), Problem):
        print("--until: give a time that is still to come, within 7 days.", file=sys.stderr)
        return 1
    print(f"Season mode: {f'on until {local_time.stamp(until)}' if until else 'off'}.")
    return 0
