"""The help desk in a test: two directorates with the cast's school below the first, roles, and an agent who sits there.

M ─ A07 ─┬─ D07 ─┬─ 24187K ── 24187K-1 (a class)      Jamal, Fatima, Khadija belong to the school,
         │       └─ 10000D                            Youssef and Salma (operator) to 10000D
         └─ D08 ─── 30000S                            nobody yet"""

from datetime import datetime, timedelta

from massar.core import local_time
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.domain.sessions import api as sessions
from massar.journeys.people.import_people import NewPerson
from tests.cast import facts
from tests.support.steps import home
from tests.support.visitor import Visitor

Kind, As, Role = people.units.Kind, people.belonging.Kind, rights.Role
NAMES = {
    "M": ("وزارة التربية", "Ministère"), "A07": ("أكاديمية الشرق", "Académie de l'Est"),
    "D07": ("مديرية النخيل", "Direction des Palmiers"), "D08": ("مديرية الأرز", "Direction des Cèdres"),
    "30000S": ("إعدادية الأرز", "Collège des Cèdres"), "24187K-1": ("القسم الأول", "Classe 1"),
}  # fmt: skip
_TREE = (
    ("M", Kind.MINISTRY, ""), ("A07", Kind.ACADEMY, "M"), ("D07", Kind.DIRECTORATE, "A07"),
    ("D08", Kind.DIRECTORATE, "A07"), ("30000S", Kind.ESTABLISHMENT, "D08"),
)  # fmt: skip


def unit(code: str) -> people.units.UnitFacts:
    found = people.units.by_code(code)
    assert found
    return found


def plant() -> None:
    """Make the tree above. The cast is there already."""
    for code, kind, parent in _TREE:
        people.units.add(code, kind, NAMES[code], parent=unit(parent) if parent else None)
    for code in ("24187K", "10000D"):
        people.units.place(code, unit("D07"))
    people.units.add("24187K-1", Kind.CLASS, NAMES["24187K-1"], parent=unit("24187K"))


def appoint(person: NewPerson, role: Role, code: str, *, now: datetime, days: int = 180) -> None:
    """Grant a role from today on."""
    day = local_time.local(now).date()
    granted = people.roles.grant(
        facts(person).id, role, unit(code), since=day, until=day + timedelta(days=days), reason="note 12/26", by=None,
        now=now,
    )  # fmt: skip
    assert isinstance(granted, int), granted


def move(person: NewPerson, code: str, kind: As = As.STAFF, *, now: datetime) -> None:
    """Let a person belong there from today on, and nowhere else."""
    day = local_time.local(now).date()
    for one in As:
        people.belonging.end(facts(person).id, last=day - timedelta(days=1), kind=one)
    people.belonging.begin(facts(person).id, unit(code).id, kind, since=day)


def prove_factor(visitor: Visitor, person: NewPerson, *, now: datetime) -> Visitor:
    """A second factor was proved in this browser's session just now; tests of the second step itself do it by hand."""
    session = sessions.signed_in.resume(visitor.cookies["massar-session"], now=now)
    assert session
    cookie = sessions.signed_in.step_up(session.id, facts(person).id, amr="pwd otp mfa", now=now)
    assert cookie
    visitor.client.cookies["massar-session"] = cookie
    return visitor


def at_desk(person: NewPerson, *, now: datetime) -> Visitor:
    """A new browser in which an agent has signed in with a second factor, on the desk's first page."""
    return prove_factor(home(person), person, now=now).get("/desk/")


__all__ = ["NAMES", "As", "Role", "appoint", "at_desk", "move", "plant", "prove_factor", "unit"]
