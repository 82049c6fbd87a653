"""Slips: printed into a file, listed, withdrawn."""

import argparse
import sys
from collections.abc import Sequence
from datetime import timedelta

from massar.core import clock, local_time, private_files, text
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.interfaces.base.pdf import slips as pages
from massar.interfaces.commands.progress import CommandProgress
from massar.journeys.desk import print_slips, void_slips
from massar.journeys.desk.print_slips import Holder, Slip
from massar.journeys.outcomes import Problem, TooManyAttempts

_AS = people.belonging.Kind
KINDS = {"pupil": (_AS.PUPIL,), "staff": (_AS.STAFF, _AS.COMPLEMENT), "guardian": (_AS.GUARDIAN,)}
_MOMENT = timedelta(seconds=1)
_REFUSED = {
    "slip_shut": "The account is disabled.",
    "slip_active": "The account is in use: its person recovers it. --recovery prints a slip that does, and tells so.",
}


class Refused(Exception):
    """Nothing was printed, and why."""


def run(options: argparse.Namespace) -> int:
    try:
        return {"print": _print, "list": _list, "void": _void}[options.action](options)
    except Refused as sentence:
        print(sentence, file=sys.stderr)
        return 1


def _print(options: argparse.Namespace) -> int:
    unit = _unit(options.unit) if options.unit else None
    holders = _of_unit(unit, options.kind) if unit else [_of_person(options.person, options.recovery)]
    part = options.file.with_name(f"{options.file.name}.part")
    if options.file.exists() or part.exists():
        raise Refused(f"{options.file if options.file.exists() else part} is there already: name another file.")
    printing = print_slips.begin(holders, unit=unit or holders[0].unit, agent=None, now=clock.now())
    if isinstance(printing, TooManyAttempts):  # counted for agents alone
        raise Refused("Try again later.")
    bar = CommandProgress(len(holders), "slips")
    private_files.write_new(part, pages.print_slips(printing.slips, language=options.language, tell=bar.add))
    stale = print_slips.finish(printing, agent=None, reason=options.reason, now=clock.now())
    part.rename(options.file)
    bar.end()
    serve = (
        f"{len(holders) - len(stale)} slips serve until {local_time.day(printing.until - _MOMENT)}, the day included"
    )
    print(f"{options.file}: batch {printing.batch_id}, {serve}.")
    _tell_stale(stale)
    return 0


def _tell_stale(stale: Sequence[Slip]) -> None:
    for slip in stale:
        print(f"{slip.number} ({slip.holder.person.login}) does not serve: throw it away.", file=sys.stderr)


def _of_unit(unit: people.units.UnitFacts, kind: str) -> list[Holder]:
    if unit.kind < people.units.Kind.ESTABLISHMENT:
        raise Refused(f"{unit.code}: slips are printed for a class or an establishment.")
    chosen = print_slips.choose(unit, KINDS[kind], agent=None, now=clock.now())
    if chosen.active or chosen.shut:
        print(f"{chosen.active} have a password already, {chosen.shut} are disabled or frozen: no slip.")
    if not chosen.holders:
        raise Refused("There is nobody to print a slip for.")
    if len(chosen.holders) > print_slips.MOST:
        raise Refused(f"These are {len(chosen.holders)} slips, {print_slips.MOST} at most: print class by class.")
    return chosen.holders


def _of_person(login: str, recovers: bool) -> Holder:
    person = people.directory.by_login(text.login(login), now=clock.now())
    if person is None:
        raise Refused(f"{login}: there is no such account.")
    holder = print_slips.for_one(person, permission=None, recovers=recovers, now=clock.now())
    if isinstance(holder, Problem):
        raise Refused(_REFUSED[holder.id])
    return holder


def _list(options: argparse.Namespace) -> int:
    now = clock.now()
    if options.number:
        batch_id, place = _number(options.number)
        for one in void_slips.slips_of(batch_id, place, agent=None, now=now):
            print(f"{one.slip.number:<12} {one.stands:<9} {one.person.login}")
        return 0
    found = void_slips.batches(None, now=now)
    units = {one.id: one for one in people.units.by_ids([one.unit_id for one in found if one.unit_id])}
    for batch in found:
        unit = units.get(batch.unit_id or 0)
        print(f"{batch.id:<8} {local_time.stamp(batch.begun_at)}  {unit.code if unit else '-':<16} {_state(batch)}")
    return 0


def _state(batch: credentials.handed.BatchFacts) -> str:
    if batch.printed_at is None:
        return "was not finished: nothing of it serves"
    return f"{batch.slips} slips: {batch.waiting} wait, {batch.used} were used"


def _void(options: argparse.Namespace) -> int:
    if bool(options.by) == bool(options.numbers):
        raise Refused("Give numbers of slips or batches, or --by and the agent who printed them.")
    if options.by:
        return _void_of(options.by, options.reason)
    for number in options.numbers:
        ended = void_slips.void(*_number(number), agent=None, reason=options.reason, now=clock.now())
        for one in ended:
            print(f"{one.slip.number} ({one.person.login}) was withdrawn.")
        if not ended:
            print(f"{number}: nothing that serves.")
    return 0


def _void_of(login: str, reason: str) -> int:
    printer = people.directory.by_login(text.login(login), now=clock.now())
    if printer is None:
        raise Refused(f"{login}: there is no such account.")
    print(f"{void_slips.void_printer(printer, reason=reason, now=clock.now())} slips of theirs were withdrawn.")
    return 0


def _number(typed: str) -> tuple[int, int | None]:
    found = credentials.handed.read_number(typed)
    if found is None:
        raise Refused(f"{typed}: give the number of a batch, as 412, or of a slip, as 412-07.")
    return found


def _unit(code: str) -> people.units.UnitFacts:
    found = people.units.by_code(code)
    if found is None:
        raise Refused(f"{code}: there is no such unit; `massar units show` lists them.")
    return found
