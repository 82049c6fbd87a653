"""The tree of units, and roles at them."""

import argparse
import sys

from massar.core import clock, local_time, text
from massar.domain.desk import api as desk
from massar.domain.people import api as people
from massar.journeys.outcomes import Done, Problem
from massar.journeys.people import grant_roles

KINDS = {kind.name.lower(): kind for kind in people.units.Kind}
_AS = people.belonging.Kind
_SENTENCES = {
    "role_unit": "This role is granted at units of another kind: {at}.",
    "role_days": "A role has an end, at most {days} days after its begin, and begins while the unit is open.",
    "role_held": "The person has this role there already, until that day or a later one.",
    "role_shut": "The account is disabled or frozen: nobody could use the role.",
    "role_slips": "Slips that the person printed there still serve: {count}. Say what becomes of them: `--slips void` "
    "withdraws them, `--slips keep` lets them serve.",
    "role_not_held": "The person does not have this role there.",
}


def run(options: argparse.Namespace) -> int:
    return {"add": _add, "office": _office, "show": _show}[options.action](options)


def _show(options: argparse.Namespace) -> int:
    """Print the branch of one unit, or all of them, with the people of each branch."""
    today = local_time.local(clock.now()).date()
    tops = people.units.tops() if options.code is None else [_unit(options.code)]
    if None in tops:
        return 1
    depth = KINDS[options.down_to]
    for top in tops:
        for unit, level, counted in _levels(people.units.count(top.id, on=today)) if top else ():
            if unit.kind <= depth:
                print(f"{'  ' * level}{unit.code}  {unit.name_latin} · {unit.name_ar}{_people(counted)}")
    if not tops:
        print("There is no unit yet: `massar units add ministry …` makes the first.")
    return 0


def _add(options: argparse.Namespace) -> int:
    parent = _unit(options.under) if options.under else None
    if options.under and parent is None:
        return 1
    if people.units.by_code(options.code):
        print(f"{options.code}: there is such a unit already.", file=sys.stderr)
        return 1
    try:
        people.units.add(options.code, KINDS[options.kind], (options.name_ar, options.name), parent=parent)
    except ValueError as sentence:
        print(f"{sentence}.", file=sys.stderr)
        return 1
    print(f"{options.code} was added.")
    return 0


def _office(options: argparse.Namespace) -> int:
    unit = _unit(options.code)
    if unit is None:
        return 1
    given = {
        "phone": options.phone, "address_ar": options.address_ar, "address_latin": options.address,
        "hours_ar": options.hours_ar, "hours_latin": options.hours,
    }  # fmt: skip
    known = desk.offices.of_unit(unit.id)
    facts = known._replace(**{name: value for name, value in given.items() if value is not None})
    desk.offices.save(unit.id, facts)
    print(f"{unit.code}: {' · '.join(filter(None, facts)) or 'nothing is recorded'}")
    return 0


def grant(options: argparse.Namespace) -> int:
    now, role = clock.now(), people.rights.Role(options.role)
    person, unit = _person(options.login), _unit(options.at)
    if person is None or unit is None:
        return 1
    outcome = grant_roles.grant(
        person=person, role=role, unit=unit, kind=options.kind, until=options.until, reason=options.reason, now=now,
        since=options.since or local_time.local(now).date(),
    )  # fmt: skip
    return _told(outcome, f"{person.login} has the role {role} at {unit.code} until {options.until}.", role)


def revoke(options: argparse.Namespace) -> int:
    role, person = people.rights.Role(options.role), _person(options.login)
    if person is None:
        return 1
    void = {"void": True, "keep": False}.get(options.slips)
    outcome = grant_roles.revoke(
        person=person, role=role, code=options.at, reason=options.reason, void=void, now=clock.now()
    )
    return _told(outcome, f"{person.login} no longer has the role {role} at {options.at}.", role)


def _told(outcome: Done | Problem, done: str, role: people.rights.Role) -> int:
    if isinstance(outcome, Done):
        print(done)
        return 0
    at, days = people.rights.AT[role].name.lower(), people.roles.LONGEST.days
    print(_SENTENCES[outcome.id].format(at=at, days=days, **outcome.args), file=sys.stderr)
    return 1


def _person(login: str) -> people.PersonFacts | None:
    found = people.directory.by_login(text.login(login), now=clock.now())
    if found is None:
        print(f"{login}: there is no such account.", file=sys.stderr)
    return found


def _unit(code: str) -> people.units.UnitFacts | None:
    found = people.units.by_code(code)
    if found is None:
        print(f"{code}: there is no such unit; `massar units` lists them.", file=sys.stderr)
    return found


def _levels(counted: list[people.units.Counted]) -> list[tuple[people.units.UnitFacts, int, dict[int, int]]]:
    level: dict[int, int] = {}
    found = []
    for unit, numbers in counted:
        level[unit.id] = level.get(unit.parent_id or 0, -1) + 1
        found.append((unit, level[unit.id], numbers))
    return found


def _people(numbers: dict[int, int]) -> str:
    staff = numbers.get(_AS.STAFF, 0) + numbers.get(_AS.COMPLEMENT, 0)
    told = [("staff", staff), ("pupils", numbers.get(_AS.PUPIL, 0)), ("guardians", numbers.get(_AS.GUARDIAN, 0))]
    words = [f"{number} {word}" for word, number in told if number]
    return f"  ({', '.join(words)})" if words else ""
