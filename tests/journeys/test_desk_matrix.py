"""Role by route by person: every address of the desk, made from its list, with who may open it and for whom.

What each role may do is written here once more, by hand: a table that is made of the product's own says nothing. So are
the rows of addresses, in `tests/support/desk_routes.py`; one whose parts the makers below do not know fails."""

import html
from collections.abc import Callable

import pytest
from django.urls import reverse

from massar.core.browser import Browser
from massar.domain.desk import api as desk
from massar.domain.desk.models import Case
from massar.domain.limits.models import BucketState
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.domain.people.models import Contact
from massar.interfaces.desk import urls
from massar.journeys.account import close_sessions
from massar.journeys.desk import agents, open_case
from massar.journeys.people.import_people import NewPerson, add
from tests.cast import FATIMA, JAMAL, KHADIJA, SALMA, facts
from tests.support.desk import As, Role, appoint, at_desk, move, plant, prove_factor, unit
from tests.support.desk_routes import ANY, EXPORTS, FIGURES, MINISTRY, NOBODY, ROUTES
from tests.support.steps import home
from tests.support.visitor import Visitor

R = rights.Right

# -- who may do what, by hand

LOOK = {R.SEARCH, R.STATE}
HELP = LOOK | {R.RECOVER, R.SLIP, R.APPROVE, R.PROPOSE, R.EXPORT}
DESK = HELP | {R.UNMASK, R.CONFIRM, R.FACTOR}
MAY = {
    Role.MINISTRY_DESK: {"staff": DESK, "pupil": DESK | {R.LINK}, "guardian": DESK},
    Role.ACADEMY_DESK: {"staff": DESK, "pupil": DESK | {R.LINK}, "guardian": DESK},
    Role.DIRECTORATE_DESK: {"staff": DESK, "pupil": DESK | {R.LINK}, "guardian": DESK},
    Role.HEAD: {"staff": HELP, "pupil": HELP | {R.CODE, R.LINK}, "guardian": HELP},
    Role.TEACHER: {"staff": set(), "pupil": LOOK | {R.SLIP, R.CODE}, "guardian": set()},
}
AT = {
    Role.MINISTRY_DESK: "M", Role.ACADEMY_DESK: "A07", Role.DIRECTORATE_DESK: "D07", Role.HEAD: "24187K",
    Role.TEACHER: "24187K-1",
}  # fmt: skip
# Where somebody stands who is just outside: the school beside, the other class, what is not below the ministry.
OUTSIDE = {
    Role.MINISTRY_DESK: ("LONE", As.STAFF), Role.ACADEMY_DESK: ("LONE", As.STAFF),
    Role.DIRECTORATE_DESK: ("30000S", As.STAFF), Role.HEAD: ("10000D", As.STAFF), Role.TEACHER: ("24187K", As.PUPIL),
}  # fmt: skip


PERSON_ROUTES = [name for name, row in ROUTES.items() if row.about in ("person", "case")]


def person(login: str, role: str = "staff", **more: str) -> NewPerson:
    return NewPerson(f"{login}@taalim.ma", first_latin="Amal", last_latin=login.title(), role=role, **more)


STAFF, DISABLED = person("enseignante", email="staff@example.org"), person("parti", email="parti@example.org")
PUPIL = person("r130000001", "pupil", phone="0661000901")
GUARDIAN = person("tutrice", "guardian", phone="0661000902")
OUT = person("dehors", email="out@example.org")
PEER, SUPERIOR = person("collegue", email="peer@example.org"), person("superieure", email="above@example.org")
AGENT = person("agente", email="agent@example.org", password="Sahrij+5173-bleu")
PEOPLE = {
    "staff": STAFF, "pupil": PUPIL, "guardian": GUARDIAN, "outside": OUT, "self": AGENT, "peer": PEER,
    "superior": SUPERIOR, "operator": SALMA, "disabled": DISABLED,
}  # fmt: skip


def allowed(role: Role, right: rights.Right, who: str) -> bool:
    if who == "disabled":
        return right in LOOK & MAY[role]["staff"]
    return right in MAY[role].get(who, set())


# -- the country, and the parts of addresses


@pytest.fixture
def country(cast, clock) -> None:
    """Everybody belongs to the school or its class, but who is outside."""
    plant()
    people.units.add("LONE", people.units.Kind.ESTABLISHMENT, ("وحدة", "École"))
    for one in (STAFF, DISABLED, PUPIL, GUARDIAN, OUT, PEER, SUPERIOR, AGENT):
        assert not getattr(add(one, now=clock()), "of", None)
        kind = {"pupil": As.PUPIL, "guardian": As.GUARDIAN}.get(one.role, As.STAFF)
        move(one, "24187K-1" if one is PUPIL else "24187K", kind, now=clock())
    people.directory.disable(facts(DISABLED).id)


def stand(role: Role, clock) -> Visitor:
    """The agent of that role, with a peer and a superior (of the ministry's desk: another peer)."""
    where, kind = OUTSIDE[role]
    move(OUT, where, kind, now=clock())
    appoint(AGENT, role, AT[role], now=clock())
    appoint(PEER, role, AT[role], now=clock())
    above = list(AT)[max(0, list(AT).index(role) - 1)]
    appoint(SUPERIOR, above, AT[above], now=clock())
    return at_desk(AGENT, now=clock())


def makers(visitor: Visitor, clock, who: NewPerson | None) -> dict[str, Callable[[], str | int]]:
    """What stands for each part of an address, about that person; None: about nobody."""
    signed_in = close_sessions.authenticate(cookie=visitor.cookies["massar-session"], now=clock())
    agent = agents.recognise(signed_in, now=clock())
    id = facts(who).id if who else 10**9
    contact = Contact.objects.filter(person_id=id).first()
    return {
        "token": lambda: agents.reference(agent, id),
        "contact_id": lambda: contact.pk if contact else 1,
        "number": lambda: case_of(who, clock),
        "uid": lambda: "abcdefghijklmnopqrstu",
        "campaign_id": lambda: 1,
        "batch_id": lambda: 1,
        "act": lambda: "stop",
        "kind": lambda: "csv",
        "slug": lambda: "no-such-site",
        "unit_id": lambda: unit("24187K-1").id,
    }


def case_of(who: NewPerson | None, clock) -> str:
    """A number that the person's browser shows now."""
    if who is None:
        return "2600000000"
    desk.cases.open_case(who.login, open_case.machine(Browser(network=who.login), clock()), now=clock())
    return Case.objects.latest("id").number


def address(name: str, parts: dict[str, Callable[[], str | int]]) -> str:
    pattern = next(one for one in urls.urlpatterns if one.name == name)
    return reverse(name, kwargs={part: parts[part]() for part in pattern.pattern.converters})


def ask(visitor: Visitor, name: str, path: str) -> int:
    """The status of the answer; a form is sent with nothing in it but its token."""
    if ROUTES[name].method == "GET":
        return visitor.client.get(path).status_code
    return visitor.client.post(path, {"csrfmiddlewaretoken": visitor.token}).status_code


# -- the matrix


@pytest.mark.parametrize("role", list(Role))
def test_atk_135_139_each_role_opens_each_address_for_whom_it_may(country, clock, role):
    """ATK-135, ATK-139: the allowed answer, or the same 404 as for an address that is none."""
    visitor, wrong = stand(role, clock), []
    for who in (*PEOPLE, "nobody"):
        parts = makers(visitor, clock, PEOPLE.get(who))
        for name in PERSON_ROUTES:
            BucketState.objects.all().delete()  # wrong numbers are counted, and soon refused
            needs = ROUTES[name].needs
            expected = needs != NOBODY and who in PEOPLE and allowed(role, needs, who)
            status = ask(visitor, name, address(name, parts))
            fits = status in (200, 422) if expected else status == 404
            wrong += [] if fits else [f"{name} for {who}: {status}, {'allowed' if expected else 'not allowed'}"]
    assert wrong == []


@pytest.mark.parametrize("role", list(Role))
def test_pages_about_nobody_open_to_every_role(country, clock, role):
    """But those that concern the whole country."""
    visitor = stand(role, clock)
    token = search(visitor, "nobody")
    for name, row in ROUTES.items():
        if not row.about:
            path = address(name, {**makers(visitor, clock, None), "token": lambda: token})
            above = role != Role.TEACHER
            lead = {ANY: True, MINISTRY: role == Role.MINISTRY_DESK, FIGURES: above, EXPORTS: above}
            expected = lead.get(row.needs, False)
            assert ask(visitor, name, path) == (200 if expected else 404), name


@pytest.mark.parametrize("role", list(Role))
def test_atk_135_pages_of_a_unit_open_in_the_branch_alone(country, clock, role):
    """ATK-135: the class at the bottom is below every agent; the class of another school below those who are above."""
    people.units.add("30000S-1", people.units.Kind.CLASS, ("قسم", "Classe"), parent=unit("30000S"))
    visitor = stand(role, clock)
    for code in ("24187K-1", "30000S-1"):
        inside = code == "24187K-1" or role in (Role.MINISTRY_DESK, Role.ACADEMY_DESK)
        parts = {**makers(visitor, clock, None), "unit_id": lambda code=code: unit(code).id}
        for name, row in ROUTES.items():
            if row.about == "unit":
                expected = inside and any(row.needs in some for some in MAY[role].values())
                assert (ask(visitor, name, address(name, parts)) == 200) is expected, f"{name} {code}"


def search(visitor: Visitor, who: str) -> str:
    """The token of the page of what was found."""
    visitor.get("/desk/people/").submit("/desk/people/", who=f"{who}@taalim.ma")
    return visitor.path.split("/")[-2]


def test_without_a_role_there_is_no_such_page(country, clock):
    visitor = stand(Role.DIRECTORATE_DESK, clock)
    paths = {name: address(name, makers(visitor, clock, STAFF)) for name in ROUTES}
    for one in (JAMAL, SALMA):
        stranger = prove_factor(home(one), one, now=clock()).get("/profile/")
        statuses = {name: ask(stranger, name, path) for name, path in paths.items()}
        if one is SALMA:
            assert statuses.pop("desk") == 303, "leads an operator to the messages"
            of_country = [name for name, row in ROUTES.items() if row.needs in (MINISTRY, FIGURES)]
            assert {statuses.pop(name) for name in of_country} == {200}
        assert statuses == dict.fromkeys(statuses, 404), one.login


def test_without_a_proof_every_address_asks_for_one_first(country, clock):
    """A stolen cookie of a session without a second factor opens nothing of the desk."""
    visitor = stand(Role.DIRECTORATE_DESK, clock)
    others = [name for name, row in ROUTES.items() if name != "desk_prove" and row.needs not in (MINISTRY, NOBODY)]
    paths = {name: address(name, makers(visitor, clock, STAFF)) for name in others}
    weak = home(AGENT).get("/profile/")
    answers = {name: ask(weak, name, path) for name, path in paths.items()}
    assert answers == dict.fromkeys(paths, 303)


def test_another_agents_references_are_nobodys(country, clock):
    """ATK-135: an address that was copied to a colleague, with the same rights, in another session."""
    visitor = stand(Role.DIRECTORATE_DESK, clock)
    appoint(KHADIJA, Role.DIRECTORATE_DESK, "D07", now=clock())
    khadija, parts = at_desk(KHADIJA, now=clock()), makers(visitor, clock, FATIMA)
    for name, row in ROUTES.items():
        if row.about == "person" and row.needs in DESK:
            path = address(name, parts)
            assert ask(visitor, name, path) == 200, name
            told = khadija.get(path)
            assert told.path == "/desk/people/" and FATIMA.last_latin not in told.html, name


# -- what no form can bring, and no address


def test_atk_140_fields_of_nobody_are_not_read(country, clock):
    """ATK-140: a role, a scope or a person in a form changes nothing; a method in a header neither."""
    visitor = stand(Role.HEAD, clock)
    more = {"role": "ministry_desk", "scope": "M", "unit": "M", "person_id": str(facts(OUT).id), "is_superuser": "1"}
    answer = visitor.client.post(
        "/desk/people/",
        {"csrfmiddlewaretoken": visitor.get("/desk/people/").token, "who": OUT.login, "place": "", **more},
    )
    assert OUT.login not in html.unescape(visitor.get(answer["Location"]).html.split("found-title")[-1])
    path = address("desk_contact", makers(visitor, clock, STAFF))
    for extra in ({}, {"HTTP_X_HTTP_METHOD_OVERRIDE": "GET"}, {"HTTP_X_HTTP_METHOD": "PATCH"}):
        token = visitor.get("/desk/").token
        told = visitor.client.post(
            path, {"csrfmiddlewaretoken": token, "reason": "asked", "_method": "GET", **more}, **extra
        )
        assert told.status_code == 404
    assert [grant.role for grant in people.roles.holding(facts(AGENT).id, on=clock().date())] == ["head"]


def test_atk_140_no_address_sets_a_secret_or_signs_in_as_somebody(country, clock):
    """ATK-140: neither by a name that others' products have, nor below a person's page."""
    visitor = stand(Role.MINISTRY_DESK, clock)
    page = address("desk_person", makers(visitor, clock, STAFF))
    below = (
        "password/",
        "impersonate/",
        "login-as/",
        "role/",
        "roles/",
        "delete/",
        "factors/remove/",
        "code/",
        "edit/",
    )
    for path in (*(page + end for end in below), "/admin/", "/admin/auth/user/1/password/", "/desk/impersonate/1/",
                 "/desk/api/people/", "/desk/people.csv"):  # fmt: skip
        for ask_by in (visitor.client.get, visitor.client.post):
            assert ask_by(path).status_code in (403, 404, 405), path
