"""The way into the help desk: who finds it, what is proved first, and for how long that holds."""

import pytest

from massar.core.audit import api as audit_log
from massar.domain.people import api as people
from massar.journeys.account import close_sessions
from massar.journeys.desk import agents
from tests.cast import FATIMA, JAMAL, KHADIJA, SALMA, YOUSSEF, facts
from tests.support.authenticator import add_app, second_step
from tests.support.desk import NAMES, Role, appoint, at_desk, plant, prove_factor, unit
from tests.support.steps import home, shown, shows

pytestmark = pytest.mark.both_databases
DESK = "/desk/"


@pytest.fixture
def branches(cast, clock) -> None:
    """Youssef helps for D07, Khadija teaches a class of the school."""
    plant()
    appoint(YOUSSEF, Role.DIRECTORATE_DESK, "D07", now=clock())
    appoint(KHADIJA, Role.TEACHER, "24187K-1", now=clock())


def test_nobody_without_a_role_finds_it(branches, clock):
    jamal = prove_factor(home(JAMAL), JAMAL, now=clock())
    for path in (DESK, "/desk/prove/"):
        assert jamal.get(path).page.status_code == 404
    assert shows(jamal, "errors.404.title") and 'href="/desk/' not in jamal.html
    assert home(SALMA).get(DESK).path == "/desk/messages/", "an operator without a role watches over messages"


def test_a_role_opens_it_from_its_first_day_to_its_last(branches, clock):
    appoint(JAMAL, Role.HEAD, "24187K", now=clock(), days=1)
    jamal = at_desk(JAMAL, now=clock())
    assert shows(jamal, "agent.role.head") and shows(jamal, "agent.right.code")
    assert not shows(jamal, "agent.right.unmask") and "24187K" in shown(jamal)
    assert 'href="/desk/"' in jamal.get("/profile/").html, "the head of every page leads there"
    clock.advance(days=2)
    jamal = prove_factor(home(JAMAL), JAMAL, now=clock())
    assert jamal.get(DESK).page.status_code == 404 and 'href="/desk/"' not in jamal.get("/profile/").html


def test_the_home_says_for_whom_and_what(branches, clock):
    youssef = at_desk(YOUSSEF, now=clock())
    assert NAMES["D07"][1] in shown(youssef) and shows(youssef, "agent.right.unmask", "fr")
    assert not shows(youssef, "agent.right.code", "fr"), "that is a teacher's and a head's"


def test_a_unit_with_one_name_is_called_by_it_in_every_language(branches, clock):
    """A list of units may bring either of the two."""
    people.units.add("24187K-2", people.units.Kind.CLASS, ("", "Classe 2"), parent=unit("24187K"))
    appoint(KHADIJA, Role.TEACHER, "24187K-2", now=clock())
    khadija = at_desk(KHADIJA, now=clock())
    for path in (DESK, "/desk/classes/"):
        assert NAMES["24187K-1"][0] in shown(khadija.get(path)) and "Classe 2" in shown(khadija)


def test_a_second_factor_is_set_up_first_and_then_asked(branches, clock):
    youssef = home(YOUSSEF).get(DESK)
    assert youssef.path == "/profile/security/" and shows(youssef, "flash.desk_set_up", "fr")
    app, _ = add_app(youssef, YOUSSEF.password, clock)
    assert youssef.get(DESK).path == DESK
    again = home(YOUSSEF)
    second_step(again, app.code, spare="on")
    clock.advance(seconds=30)
    spared = again.get("/profile/").submit("/sign-out/").sign_in(YOUSSEF.login, YOUSSEF.password)
    assert spared.signed_in and spared.get(DESK).path == "/sign-in/second/", "a device that is spared is not enough"
    assert shows(spared, "flash.desk_factor", "fr")
    assert second_step(spared, app.code).path == DESK, "and back"


def test_the_desk_closes_after_a_quarter_of_an_hour_away(branches, clock):
    """Other pages keep the person's own session, not the desk."""
    youssef = at_desk(YOUSSEF, now=clock())
    for _ in range(3):
        clock.advance(minutes=14)
        assert youssef.get(DESK).path == DESK
    for _ in range(2):
        clock.advance(minutes=8)
        assert youssef.get("/profile/").path == "/profile/"
    assert youssef.get(DESK).path != DESK
    assert youssef.signed_in, "what is his own stays open"


def test_the_desk_closes_after_eight_hours_of_work(branches, clock):
    youssef = at_desk(YOUSSEF, now=clock())
    for _ in range(8 * 6 - 1):
        clock.advance(minutes=10)
        youssef.get(DESK)
    assert youssef.path == DESK
    clock.advance(minutes=10)
    assert youssef.get(DESK).path != DESK


def test_another_sessions_word_opens_nothing(branches, clock):
    """What this browser was told about the desk's last use serves its own session alone."""
    first = at_desk(YOUSSEF, now=clock())
    clock.advance(minutes=14)
    first.get(DESK)
    second = prove_factor(home(YOUSSEF), YOUSSEF, now=clock())
    clock.advance(minutes=10)
    first.get(DESK)
    second.client.cookies["massar-desk"] = first.cookies["massar-desk"]
    clock.advance(minutes=6)
    assert first.get(DESK).path == DESK and second.get(DESK).path != DESK


def test_who_teaches_types_the_password_again(branches, clock):
    """No second factor, and nothing older than a quarter of an hour."""
    khadija = home(KHADIJA).get(DESK)
    assert khadija.path == DESK and shows(khadija, "agent.role.teacher")
    clock.advance(minutes=15)
    session = khadija.cookies["massar-session"]
    assert khadija.get(DESK).path == "/desk/prove/" and shows(khadija, "flash.desk_password")
    khadija.submit("/desk/prove/", password="wrong")
    assert khadija.page.status_code == 422 and khadija.get(DESK).path == "/desk/prove/"
    khadija.submit("/desk/prove/", password=KHADIJA.password)
    assert khadija.path == DESK and khadija.cookies["massar-session"] != session, "the cookie is a new one"


def test_a_teacher_with_a_second_factor_proves_that(branches, clock):
    khadija = home(KHADIJA)
    app, _ = add_app(khadija, KHADIJA.password, clock)
    clock.advance(minutes=15)
    khadija.get(DESK).submit("/desk/prove/", password=KHADIJA.password)
    assert khadija.path == "/sign-in/second/"
    assert second_step(khadija, app.code).path == DESK


def test_a_person_is_named_by_a_reference_of_this_session(branches, clock):
    """ATK-135: no number to count up, and of no use to anybody else."""
    youssef, fatima = at_desk(YOUSSEF, now=clock()), facts(FATIMA)
    mine = agents.recognise(_signed_in(youssef, clock), now=clock())
    token = agents.reference(mine, fatima.id)
    assert agents.find(mine, token, people.rights.Right.STATE, now=clock()).person == fatima
    other = agents.recognise(_signed_in(at_desk(YOUSSEF, now=clock()), clock), now=clock())
    for agent, named in ((other, token), (mine, token[:-2]), (mine, str(fatima.id)), (mine, "é"), (mine, "A" * 4000)):
        assert agents.find(agent, named, people.rights.Right.STATE, now=clock()) is None
    assert agents.unseal(mine, "search", token) is None, "nor as anything else"


def test_a_refusal_is_written_down_with_the_agent(branches, clock):
    mine = agents.recognise(_signed_in(at_desk(YOUSSEF, now=clock()), clock), now=clock())
    for person, why in ((YOUSSEF, "self"), (SALMA, "privileged")):
        token = agents.reference(mine, facts(person).id)
        assert agents.find(mine, token, people.rights.Right.STATE, now=clock()) is None
        refused = audit_log.of_person(facts(YOUSSEF).id)[0]
        assert (refused.event, refused.outcome, refused.detail["of"]) == ("desk_refused", why, facts(person).id)
    people.directory.disable(facts(FATIMA).id)
    token = agents.reference(mine, facts(FATIMA).id)
    assert agents.find(mine, token, people.rights.Right.STATE, now=clock()), "it can be looked at"
    assert agents.find(mine, token, people.rights.Right.RECOVER, now=clock()) is None


def test_an_act_names_the_branch_that_did_it(branches, clock):
    """Of several branches the one above the person."""
    appoint(YOUSSEF, Role.DIRECTORATE_DESK, "D08", now=clock())
    mine = agents.recognise(_signed_in(at_desk(YOUSSEF, now=clock()), clock), now=clock())
    allowed = agents.permit(mine, facts(FATIMA).id, people.rights.Right.UNMASK, now=clock())
    assert (allowed.by, allowed.unit) == (Role.DIRECTORATE_DESK, "D07")


def _signed_in(visitor, clock):
    return close_sessions.authenticate(cookie=visitor.cookies["massar-session"], now=clock())
