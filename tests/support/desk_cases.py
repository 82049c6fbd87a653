"""Cases at the help desk, as a person and two agents live through them: a number, a proposal, a second word."""

import re

from massar.domain.desk.models import Case
from tests.support.desk import prove_factor
from tests.support.steps import actions, shown
from tests.support.visitor import Visitor

ASK, CASE = "/recovery/desk/", "/recovery/desk/number/"
NUMBER = re.compile(r"\d\d-\d{4}-\d{4}")


def agent(person, clock, *, address: str = "198.51.100.7") -> Visitor:
    """Somebody at a desk: another machine and another network than the person's phone."""
    visitor = Visitor(**{"user-agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/130.0"})
    visitor.client.defaults["REMOTE_ADDR"] = address
    return prove_factor(visitor.sign_in(person.login, person.password), person, now=clock()).get("/desk/")


def shows_number(login: str, visitor: Visitor | None = None) -> tuple[Visitor, str]:
    """A browser that asks; the number on its screen."""
    visitor = (visitor or Visitor()).get(ASK).submit(ASK, user=login)
    assert visitor.path == CASE, shown(visitor)
    return visitor, NUMBER.search(shown(visitor))[0]


def propose(at: Visitor, number: str, **typed: str) -> Visitor:
    at.get("/desk/cases/").submit("/desk/cases/", number=number)
    assert "/propose/" in at.html, shown(at)
    [action] = actions(at, "/propose/")
    said = {"kind": "password", "identity": "on", "present": "on", "reason": "carte vue", **typed}
    return at.submit(action, **said)


def confirm(at: Visitor, number: str) -> Visitor:
    at.get(f"/desk/cases/{number.replace('-', '')}/")
    [action] = actions(at, "/confirm/")
    return at.submit(action, aware="on")


def state(number: str) -> str:
    return Case.objects.get(number=number.replace("-", "")).state


__all__ = ["ASK", "CASE", "NUMBER", "agent", "confirm", "propose", "shows_number", "state"]
