"""Shows the siege, and orders it on or off: everywhere, or at one account."""

import argparse
import sys
from datetime import datetime, timedelta

from massar.core import clock, local_time, text
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.journeys.account import defend, sign_in


def run(options: argparse.Namespace) -> int:
    now = clock.now()
    if options.action == "show":
        return _show(now)
    accounts, person = [], None
    if options.login:
        person = people.directory.by_login(text.login(options.login), now=clock.now())
        if person is None:
            print(f"There is no person {options.login}.", file=sys.stderr)
            return 1
        accounts = sign_in.accounts_of(person)
    until = now + timedelta(hours=getattr(options, "hours", 0))
    defend.order_siege(options.action, accounts=accounts, person_id=person and person.id, until=until, now=now)
    where = person.login if person else "everywhere"
    print(f"Siege {where}: {options.action}{'' if options.action == 'auto' else f' until {local_time.stamp(until)}'}.")
    return 0


def _show(now: datetime) -> int:
    everywhere = limits.siege.everywhere()
    print(f"Everywhere: {_told(everywhere, now)}")
    seen = defend.observe(now=now)
    print(f"Failures of unknown browsers in the last 10 to 20 minutes: {seen.failures}, usual {seen.usual:.0f}")
    print(f"Passwords that fail on more than {defend.SPRAYED} accounts: {seen.passwords}")
    print(f"Networks whose failures are spent: {seen.networks}")
    ordered = {one.person_id: one for one in limits.siege.states() if one.person_id and one.ordered(now)}
    for person_id, one in ordered.items():  # a row for each name
        if person := people.directory.by_id(person_id, now=now):
            print(f"{person.login}: {_told(one, now)}")
    return 0


def _told(state: limits.siege.SiegeState, now: datetime) -> str:
    if ordered := state.ordered(now):
        return f"{ordered} by command until {local_time.stamp(state.until(now))}"
    if not state.held(now):
        return "off"
    return f"on by itself until {local_time.stamp(state.until(now))}, longer while it lasts"
