"""Cases at the help desk through HTTP: a number on the person's screen, two agents, and on in that browser alone."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction

from massar.core import local_time
from massar.core.audit import api as audit_log
from massar.domain.delivery.models import Message
from massar.domain.desk import api as desk
from massar.domain.desk.models import Case
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.models import Contact, RoleGrant
from massar.interfaces.commands import main as program
from massar.interfaces.commands import units as command
from massar.journeys import after_restore, personal_data
from massar.journeys.account import close_sessions, defend, freeze_account
from massar.journeys.desk import agents, open_case
from massar.journeys.messages import watch_messages
from massar.journeys.people.import_people import NewPerson, add
from tests.cast import (
    FATIMA,
    FATIMA_PHONE,
    HALIMA_PHONE,
    ILYAS,
    JAMAL,
    KHADIJA,
    NEW,
    RIM,
    SALMA,
    STRANGER,
    YOUSSEF,
    facts,
    family,
)
from tests.support.alike import Seen, assert_alike
from tests.support.authenticator import App, add_app, second_step
from tests.support.canary import everything_stored, readable_forms
from tests.support.desk import NAMES, As, Role, appoint, move, plant, prove_factor
from tests.support.desk_cases import ASK, CASE, NUMBER, agent, confirm, propose, shows_number, state
from tests.support.paper import text_of
from tests.support.steps import actions, home, recover, shown, shows
from tests.support.visitor import Visitor, solve

pytestmark = pytest.mark.django_db
PUPIL = NewPerson("r130012345@taalim.ma", "هبة", "جلال", "Hiba", "Jalal", role="pupil")


@pytest.fixture
def branches(cast, clock) -> None:
    """Youssef's desk is D07's, Khadija's the academy's, Jamal heads the school; all but Salma may need help."""
    plant()
    appoint(YOUSSEF, Role.DIRECTORATE_DESK, "D07", now=clock())
    appoint(KHADIJA, Role.ACADEMY_DESK, "A07", now=clock())
    appoint(JAMAL, Role.HEAD, "24187K", now=clock())


def test_a_person_without_a_contact_gets_in_by_two_agents(branches, clock, post):
    """The whole way, and everybody hears of it."""
    phone, number = shows_number(FATIMA.login)
    first = propose(agent(YOUSSEF, clock), number)
    assert state(number) == "proposed" and shows(first, "agent.case.waits", "fr")
    assert shows(phone.get(CASE), "case.second")
    clock.advance(minutes=2)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    assert state(number) == "approved"
    phone.get(CASE).submit("/recovery/desk/number/go-on/")
    assert phone.path == "/password/change/"
    assert 'name="current"' not in phone.html, "there is no temporary password to type"
    phone.submit("/password/change/", new=NEW, confirm=NEW)
    assert phone.signed_in and state(number) == "done"
    case = desk.cases.by_id(Case.objects.get().pk)
    assert case.minutes == 2 and case.ciphertext is None
    sms, mail = post.messages(FATIMA_PHONE), post.messages(FATIMA.login)
    assert "شباك" in sms[0].text and "/not-me/" in mail[0].text, "told at once, with the link that stops it"
    assert [m for m in post.messages(JAMAL.login) if "فاطمة الزهراء العلوي" in m.text], "the head is told"
    assert facts(FATIMA).frozen_until > clock(), "contacts are frozen as after any recovery"
    history = phone.get("/devices/history/")
    assert shows(history, "activity.desk_approved") and number in shown(history)
    assert facts(YOUSSEF).first_ar not in shown(history), "the branch stands there, never the agent"
    assert Visitor().sign_in(FATIMA.login, NEW).signed_in


def test_known_and_unknown_logins_are_shown_a_number_alike(branches, clock):
    for login in (FATIMA.login, STRANGER, SALMA.login):
        visitor, number = shows_number(login)
        assert state(number) == "open" and shows(visitor, "case.tell")
    at = agent(YOUSSEF, clock)
    for login in (STRANGER, SALMA.login, YOUSSEF.login, KHADIJA.login):
        _, number = shows_number(login)
        at.get("/desk/cases/").submit("/desk/cases/", number=number)
        assert at.page.status_code == 422 and shows(at, "error.case_unknown", "fr"), login


def test_the_number_is_typed_in_any_script_and_a_slip_is_told(branches, clock):
    _, number = shows_number(FATIMA.login)
    at = agent(YOUSSEF, clock)
    arabic = number.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")).replace("-", " ")
    at.get("/desk/cases/").submit("/desk/cases/", number=arabic)
    assert at.path == f"/desk/cases/{number.replace('-', '')}/"
    swapped = number[:-1] + str((int(number[-1]) + 1) % 10)
    at.get("/desk/cases/").submit("/desk/cases/", number=swapped)
    assert at.page.status_code == 422 and shows(at, "error.case_number", "fr")


def test_atk_138_the_number_serves_its_own_browser_once(branches, clock):
    phone, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    other, _ = shows_number(FATIMA.login)
    for stranger in (Visitor(), other):
        stranger.get(ASK)
        stranger.client.post("/recovery/desk/number/go-on/", {"csrfmiddlewaretoken": stranger.token})
        assert "massar-change" not in stranger.cookies
    phone.get(CASE).submit("/recovery/desk/number/go-on/").get(CASE).submit("/recovery/desk/number/go-on/")
    assert phone.path == "/password/change/", "an answer may be lost"
    token = phone.token
    phone.submit("/password/change/", new=NEW, confirm=NEW)
    phone.client.post("/recovery/desk/number/go-on/", {"csrfmiddlewaretoken": phone.token or token})
    assert "massar-change" not in phone.cookies and state(number) == "done"


def test_atk_138_nobody_confirms_the_own_proposal(branches, clock):
    """Nor in the same browser, in whosever name."""
    _, number = shows_number(FATIMA.login)
    first = propose(agent(YOUSSEF, clock), number)
    first.get(f"/desk/cases/{number.replace('-', '')}/")
    assert "/confirm/" not in first.html
    answer = first.client.post(
        f"/desk/cases/{number.replace('-', '')}/confirm/", {"aware": "on", "csrfmiddlewaretoken": first.token}
    )
    assert answer["Location"] == "/desk/cases/" and state(number) == "proposed"
    first.get("/profile/").submit("/sign-out/")
    second = prove_factor(first.sign_in(KHADIJA.login, KHADIJA.password), KHADIJA, now=clock()).get("/desk/")
    confirm(second, number)
    assert second.page.status_code == 422 and state(number) == "proposed", shown(second)
    assert shows(second, "error.case_same_place", "fr")


def test_atk_138_ten_minutes_and_no_more(branches, clock):
    phone, number = shows_number(FATIMA.login)
    clock.advance(minutes=9)
    propose(agent(YOUSSEF, clock), number)
    second = agent(KHADIJA, clock, address="203.0.113.9").get(f"/desk/cases/{number.replace('-', '')}/")
    clock.advance(minutes=1)
    second.submit(actions(second, "/confirm/")[0], aware="on")
    assert second.path == "/desk/cases/" and state(number) == "proposed"
    assert phone.get(CASE).path == ASK, "the person is told to show a new number"
    phone, late = shows_number(FATIMA.login)
    clock.advance(minutes=10)
    at = agent(YOUSSEF, clock)
    at.get("/desk/cases/").submit("/desk/cases/", number=late)
    assert at.page.status_code == 422
    desk.cases.expire(now=clock())
    assert state(number) == "expired" and not Case.objects.filter(number=late.replace("-", "")).exists()


def test_atk_138_an_approval_that_is_not_used_ends(branches, clock):
    phone, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE)
    clock.advance(minutes=10)
    phone.submit("/recovery/desk/number/go-on/")
    assert phone.path == ASK and "massar-change" not in phone.cookies


def test_atk_138_a_case_of_another_branch_is_none(branches, clock):
    move(FATIMA, "30000S", now=clock())
    _, number = shows_number(FATIMA.login)
    at = agent(YOUSSEF, clock)
    at.get("/desk/cases/").submit("/desk/cases/", number=number)
    assert at.page.status_code == 422 and shows(at, "error.case_unknown", "fr")
    for step in ("", "propose/", "confirm/", "decline/", "receipt/"):
        path = f"/desk/cases/{number.replace('-', '')}/{step}"
        typed = {
            "csrfmiddlewaretoken": at.token,
            "kind": "password",
            "identity": "on",
            "present": "on",
            "reason": "x",
            "aware": "on",
        }
        answer = at.client.get(path) if step in ("", "receipt/") else at.client.post(path, typed)
        assert answer.status_code in (303, 404), path
    assert state(number) == "open"


def test_atk_138_a_case_shown_in_an_agents_own_browser_is_refused(branches, clock, settings):
    """By the cookie of known devices, of whichever agent; and without it, by network and kind of browser: then another
    network is needed. In the demo, where all sit at one machine, the page says what to do."""
    at = agent(YOUSSEF, clock)
    at.get("/profile/").submit("/sign-out/")
    _, number = shows_number(FATIMA.login, at)
    propose(agent(YOUSSEF, clock), number)
    assert state(number) == "open", "its browser knows the agent"
    private = Visitor(**{"user-agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/130.0"})
    private.client.defaults["REMOTE_ADDR"] = "198.51.100.7"
    _, number = shows_number(FATIMA.login, private)
    propose(agent(YOUSSEF, clock), number)
    assert state(number) == "proposed"
    near = confirm(agent(KHADIJA, clock, address="198.51.100.8"), number)
    assert near.page.status_code == 422 and shows(near, "error.case_near") and state(number) == "proposed"
    assert not shows(near, "demo.case")
    settings.MASSAR = replace(settings.MASSAR, mode="demo")
    near = confirm(agent(KHADIJA, clock, address="198.51.100.8"), number)
    assert near.page.status_code == 422 and shows(near, "demo.case")
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    assert state(number) == "approved"


@pytest.mark.parametrize(("made", "by"), [(KHADIJA, YOUSSEF), (YOUSSEF, KHADIJA)], ids=["the second", "the first"])
def test_atk_138_of_two_neither_was_made_an_agent_by_the_other(branches, clock, made, by):
    _, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    RoleGrant.objects.filter(person_id=facts(made).id).update(granted_by=facts(by).id)
    refused = confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    assert shows(refused, "error.case_below") and state(number) == "proposed"


def test_atk_138_a_role_that_was_taken_back_proposes_nothing(branches, clock):
    _, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    second = agent(KHADIJA, clock, address="203.0.113.9")
    RoleGrant.objects.filter(person_id=facts(YOUSSEF).id).update(revoked_at=clock())
    confirm(second, number)
    assert shows(second, "error.case_proposer_gone") and state(number) == "proposed"


@pytest.mark.parametrize("begun", [False, True], ids=["before going on", "at the change form"])
@pytest.mark.parametrize("lost", ["account", "role"])
def test_atk_138_what_the_agents_lost_before_the_new_password_opens_nothing(branches, clock, lost, begun):
    """ATK-138: frozen by the owner, or the role taken back by who has seen what the agent does: until it is saved."""
    phone, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE)
    if begun:
        phone.submit("/recovery/desk/number/go-on/")
        assert phone.path == "/password/change/"
    if lost == "account":
        freeze_account.by_operator(person=facts(KHADIJA), reason="stolen", now=clock())
    else:
        [held] = people.roles.holding(facts(KHADIJA).id, on=clock().date())
        people.roles.revoke(facts(KHADIJA).id, held.role, held.code, on=clock().date(), now=clock())
    if begun:
        phone.submit("/password/change/", new=NEW, confirm=NEW)
    else:
        phone.submit("/recovery/desk/number/go-on/")
        assert phone.path == ASK and "massar-change" not in phone.cookies
    assert not phone.signed_in and state(number) == "approved"
    assert home(FATIMA).signed_in, "the old password is the password still"


@pytest.mark.parametrize("who", [YOUSSEF, KHADIJA], ids=["the first", "the second"])
def test_atk_138_an_agent_whose_account_was_shut_meanwhile_opens_nothing(branches, clock, who):
    """It may have been a thief's word: its owner has pressed "this was not me"."""
    _, early = shows_number(FATIMA.login)
    phone, number = shows_number(FATIMA.login)
    second = agent(KHADIJA, clock, address="203.0.113.9")
    for one in (early, number):
        propose(agent(YOUSSEF, clock), one)
    confirm(second, number)
    phone.get(CASE)
    freeze_account.by_operator(person=facts(who), reason="stolen", now=clock())
    phone.submit("/recovery/desk/number/go-on/")
    assert phone.path == ASK and "massar-change" not in phone.cookies
    if who is YOUSSEF:
        confirm(second, early)
        assert shows(second, "error.case_proposer_gone") and state(early) == "proposed"


def test_atk_139_not_for_oneself_a_superior_an_operator_or_a_shut_account(branches, clock):
    at, disabled = agent(YOUSSEF, clock), facts(FATIMA)
    people.directory.disable(disabled.id)
    for login in (YOUSSEF.login, KHADIJA.login, SALMA.login, FATIMA.login):
        _, number = shows_number(login)
        at.get("/desk/cases/").submit("/desk/cases/", number=number)
        assert at.page.status_code == 422, login
    people.directory.enable(disabled.id)
    _, number = shows_number(FATIMA.login)
    propose(at, number)
    second = agent(KHADIJA, clock, address="203.0.113.9")
    people.directory.freeze(disabled.id, now=clock())
    confirm(second, number)
    assert shows(second, "error.case_frozen") and state(number) == "proposed"


def test_who_walks_away_from_a_shared_computer_can_leave_nothing_open_there(branches, clock):
    """Whoever sits down next in the hall within ten minutes would go on."""
    phone, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE).submit("/recovery/desk/number/close/")
    assert phone.path == "/recovery/" and state(number) == "closed"
    assert shows(phone.get(CASE), "case.over") and "go-on" not in phone.html


def test_a_second_factor_is_still_asked_for(branches, clock):
    """A recovery never removes a factor, the desk's neither."""
    app, _ = add_app(home(FATIMA), FATIMA.password, clock)
    phone, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE).submit("/recovery/desk/number/go-on/")
    assert phone.path == "/sign-in/second/" and "massar-change" not in phone.cookies
    assert phone.get("/password/change/").path == "/sign-in/second/"
    clock.advance(seconds=30)
    second_step(phone, app.code)
    phone.get("/password/change/")
    assert phone.path == "/password/change/" and 'name="current"' not in phone.html
    phone.submit("/password/change/", new=NEW, confirm=NEW)
    assert phone.signed_in and state(number) == "done"


def test_whoever_did_not_ask_stops_it_by_the_notice(branches, clock, post):
    """“This was not me”: the claim dies, and the desk does not open it again."""
    phone, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE).submit("/recovery/desk/number/go-on/")
    link = re.search(r"/not-me/\S+/", post.messages(FATIMA.login)[0].text)[0]
    owner = Visitor().get(link)
    owner.submit(owner.path)
    phone.submit("/password/change/", new=NEW, confirm=NEW)
    assert not phone.signed_in and facts(FATIMA).frozen_at and state(number) != "done"
    _, again = shows_number(FATIMA.login)
    refused = propose(agent(YOUSSEF, clock), again)
    assert refused.page.status_code == 422 and shows(refused, "error.case_frozen", "fr")


def test_one_agent_is_enough_for_a_pupil_at_the_own_school(branches, clock):
    assert add(PUPIL, now=clock())
    move(PUPIL, "24187K-1", As.PUPIL, now=clock())
    phone, number = shows_number("R130012345")
    head = propose(agent(JAMAL, clock), number)
    assert state(number) == "approved" and shows(head, "agent.case.approved")
    phone.get(CASE).submit("/recovery/desk/number/go-on/")
    assert phone.path == "/password/change/"
    _, number = shows_number("R130012345")
    propose(agent(YOUSSEF, clock), number)
    assert state(number) == "proposed", "of a directorate two"
    _, number = shows_number("R130012345", Visitor())
    propose(prove_factor(home(JAMAL), JAMAL, now=clock()), number)
    assert state(number) == "proposed", "nor where the pupil's browser looks like the head's own"
    _, number = shows_number(FATIMA.login)
    propose(agent(JAMAL, clock), number)
    assert state(number) == "proposed", "for staff two"


def replaces(clock, login: str, contact: str, kind: str = "phone") -> tuple[Visitor, str]:
    phone, number = shows_number(login)
    propose(agent(YOUSSEF, clock), number, kind="contact", contact_kind=kind, contact=contact)
    return phone, number


def test_a_contact_is_added_by_two_and_proved_by_the_person(branches, clock, post):
    phone, number = replaces(clock, FATIMA.login, "06 61 99 88 77")
    assert not Contact.objects.filter(state="proposed").exists() and state(number) == "proposed"
    second = agent(KHADIJA, clock, address="203.0.113.9").get(f"/desk/cases/{number.replace('-', '')}/")
    assert "+212661998877" in shown(second)
    confirm(second, number)
    phone.get(CASE).submit("/recovery/desk/number/contact/", code="000000")
    assert phone.page.status_code == 422 and state(number) == "approved"
    phone.submit("/recovery/desk/number/contact/", code=post.code("+212661998877"))
    assert phone.path == CASE and state(number) == "done"
    new = next(c for c in people.contacts.of_person(facts(FATIMA).id, clock()) if c.value == "+212661998877")
    assert new.counts_from == clock() + timedelta(hours=72)
    mail = post.messages(FATIMA.login)[-1].text
    link = re.search(r"/contacts/cancel/\S+/", mail)[0]
    owner = Visitor().get(link)
    owner.submit(owner.path)
    assert Contact.objects.get(pk=new.id).state == "cancelled"
    assert people.contacts.matching(facts(FATIMA).id, "phone", FATIMA_PHONE, clock()), "the old one stays"


def test_atk_057_a_contact_of_the_desks_goes_with_this_was_not_me_though_it_counts(branches, clock, post):
    """The owner reads the letter late: by then whoever stood at the desk could open the frozen account with it."""
    phone, number = replaces(clock, FATIMA.login, "06 61 99 88 77")
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE).submit("/recovery/desk/number/contact/", code=post.code("+212661998877"))
    link = re.search(r"/not-me/\S+/", post.messages(FATIMA.login)[-1].text)[0]
    clock.advance(hours=80)
    assert people.contacts.matching(facts(FATIMA).id, "phone", "+212661998877", clock())
    owner = Visitor().get(link)
    owner.submit(owner.path)
    assert facts(FATIMA).frozen_at
    assert people.contacts.matching(facts(FATIMA).id, "phone", "+212661998877", clock()) is None


@pytest.mark.both_databases
def test_guardians_hear_of_a_contact_that_the_desk_adds(branches, clock, post):
    """As of one that the child adds: most pupils have no contact of their own that would tell it."""
    family(now=clock())
    move(ILYAS, "24187K-1", As.PUPIL, now=clock())
    phone, number = replaces(clock, ILYAS.login, "06 61 99 88 77")
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE).submit("/recovery/desk/number/contact/", code=post.code("+212661998877"))
    assert state(number) == "done" and ILYAS.first_ar in post.messages(HALIMA_PHONE)[-1].text


def test_a_contact_whose_case_is_dead_waits_for_nobody(branches, clock, post):
    """Late, left, given up for another number, signed out everywhere: or its row would wait in the profile, where its
    code could be asked for again, without the desk and without the wait."""
    for number, end in enumerate(("late", "left", "another", "signed out")):
        phone, case = replaces(clock, FATIMA.login, f"066199880{number}")
        confirm(agent(KHADIJA, clock, address="203.0.113.9"), case)
        contact = Contact.objects.get(state="proposed")
        clock.advance(minutes=10 if end == "late" else 2)
        open_case.end_late(now=clock())
        if end == "left":
            phone.get(CASE).submit("/recovery/desk/number/close/")
        elif end == "another":
            shows_number(FATIMA.login, phone)
        elif end == "signed out":
            with transaction.atomic():
                close_sessions.end_everything(facts(FATIMA), now=clock(), why="test")
        contact.refresh_from_db()
        assert (contact.state, contact.code_hmac) == ("cancelled", ""), end
        assert state(case) in ("expired", "closed")


def test_a_first_contact_waits_too(branches, clock, post):
    """By their own hand it would count at once; by others' it does not."""
    phone, number = replaces(clock, JAMAL.login, "jamal@example.org", "email")
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE).submit("/recovery/desk/number/contact/", code=post.code("jamal@example.org"))
    [new] = people.contacts.of_person(facts(JAMAL).id, clock())
    assert new.waits(clock()) and new.counts_from == clock() + timedelta(hours=72)


def test_atk_141_twenty_contacts_a_day_for_each_agent(branches, clock):
    at = agent(YOUSSEF, clock)
    for number in range(21):
        _, case = shows_number(FATIMA.login)
        propose(at, case, kind="contact", contact=f"06611122{number:02d}")
        assert state(case) == ("proposed" if number < 20 else "open"), number
        clock.advance(minutes=1)
    assert at.page.status_code == 429
    refused = [e for e in audit_log.of_person(facts(YOUSSEF).id) if e.event == "desk_refused"]
    assert refused[0].outcome == "cap"
    clock.advance(hours=20)
    _, case = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), case, kind="contact", contact="0661112299")
    assert state(case) == "open", "nothing comes back within the day"
    clock.advance(hours=4)
    _, case = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), case, kind="contact", contact="0661112299")
    assert state(case) == "proposed"


def used_up(limit: limits.RateLimit, owner: int, now, *, besides: int = 0, of_day: bool = True) -> None:
    """Let an agent, or a branch, have done so much of it today that only `besides` are left."""
    bucket = limit.bucket(owner, *([now.date()] if of_day else []), units=limit.burst - besides)
    assert limits.consume([bucket], now=now) is None


@pytest.mark.parametrize("step", ["propose", "confirm"])
def test_atk_141_passwords_at_the_desk_have_an_end_each_day(branches, clock, step):
    """The sixty-first that one agent proposes, and the hundred and twenty-first that one confirms, wait for a colleague
    or for tomorrow."""
    who, limit = {
        "propose": (YOUSSEF, limits.rate_limits.APPROVE_AGENT), "confirm": (KHADIJA, limits.rate_limits.CONFIRM_AGENT),
    }[step]  # fmt: skip
    used_up(limit, facts(who).id, clock(), besides=1)
    first, second = agent(YOUSSEF, clock), agent(KHADIJA, clock, address="203.0.113.9")
    reached = []
    for _ in range(2):
        _, number = shows_number(FATIMA.login)
        propose(first, number)
        if step == "confirm":
            confirm(second, number)
        reached.append(state(number))
        clock.advance(minutes=1)
    assert reached == {"propose": ["proposed", "open"], "confirm": ["approved", "proposed"]}[step]
    at = first if step == "propose" else second
    assert at.page.status_code == 429 and "00:00" in shown(at) and at.page["Retry-After"]
    refused = [event for event in audit_log.of_person(facts(who).id) if event.event == "desk_refused"]
    assert [event.outcome for event in refused] == ["cap"]


@pytest.mark.both_databases
def test_atk_141_far_more_than_usual_is_told_to_operators_alone(branches, clock):
    """Twice a day is usual; the eleventh on one day stands out, and nothing that the branch does ends it."""
    branch, day = people.units.by_code("D07").id, 0
    for day in range(1, 31):
        _approved(branch, 2, clock() - timedelta(days=day))
    _approved(branch, 10, clock())
    overview = watch_messages.Overview(now=clock())
    assert not [one for one in overview.alarms if one.id == "desk-volume"]
    _approved(branch, 1, clock())
    [alarm] = [one for one in watch_messages.Overview(now=clock()).alarms if one.id == "desk-volume"]
    assert alarm.about == ("D07",)
    assert shows(prove_factor(home(SALMA), SALMA, now=clock()).get("/desk/messages/"), "alarm.desk_volume")


def _approved(branch: int, times: int, at) -> None:
    for _ in range(times):
        number = desk.cases.open_case("", desk.Machine("", "", frozenset(), ""), now=at)
        Case.objects.filter(number=number).update(
            kind="password", state="done", branch_id=branch, approved_at=at, ended_at=at, person_id=1
        )


@pytest.mark.both_databases
def test_a_lost_factor_waits_as_by_the_persons_own_journey(branches, clock, post):
    """The agent begins the wait; a link stops it; nothing is removed before its end."""
    add_app(home(FATIMA), FATIMA.password, clock)
    at = agent(YOUSSEF, clock)
    path = _person_path(at, FATIMA, clock)
    at.get(path).submit(path, reason="téléphone perdu, carte vue")
    assert at.path.startswith("/desk/cases/"), shown(at)
    assert shows(at, "case.kind.factor", "fr") and shows(at, "case.state.done", "fr")
    mail = next(m.text for m in post.messages(FATIMA.login) if "/factors/keep/" in m.text)
    again = at.get(path).submit(path, reason="encore")
    assert again.page.status_code == 422 and shows(again, "error.no_factor", "fr")
    assert Visitor().sign_in(FATIMA.login, FATIMA.password).path == "/sign-in/second/"
    owner = Visitor().get(re.search(r"/factors/keep/\S+/", mail)[0])
    owner.submit(owner.path)
    clock.advance(hours=73)
    assert Visitor().sign_in(FATIMA.login, FATIMA.password).path == "/sign-in/second/", "it was stopped"


def test_atk_138_what_still_waits_goes_with_the_account_of_who_began_it(branches, clock, post):
    """A thief at the desk has three days; the agent who presses "this was not me" ends what the desk began by it."""
    add_app(home(FATIMA), FATIMA.password, clock)
    first = agent(YOUSSEF, clock)
    path = _person_path(first, FATIMA, clock)
    first.get(path).submit(path, reason="téléphone perdu, carte vue")
    phone, number = replaces(clock, FATIMA.login, "0661998877")
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE).submit("/recovery/desk/number/contact/", code=post.code("+212661998877"))
    new = Contact.objects.get(pk=Case.objects.get(number=number.replace("-", "")).contact_id)
    assert new.waits(clock()) and factors.losses.waiting(facts(FATIMA).id)
    clock.advance(hours=1)
    freeze_account.by_operator(person=facts(KHADIJA), reason="stolen", now=clock())
    new.refresh_from_db()
    assert new.state == "cancelled", "by the word of the second agent too"
    assert people.contacts.matching(facts(FATIMA).id, "phone", FATIMA_PHONE, clock()), "the old one stays"
    assert factors.losses.waiting(facts(FATIMA).id), "she had no part in that"
    freeze_account.by_operator(person=facts(YOUSSEF), reason="stolen", now=clock())
    assert factors.losses.waiting(facts(FATIMA).id) is None
    told = {message.about for message in Message.objects.filter(person_id=facts(FATIMA).id)}
    assert {"contact_change_cancelled", "factors_found"} <= told


def _person_path(at: Visitor, person, clock) -> str:
    signed_in = close_sessions.authenticate(cookie=at.cookies["massar-session"], now=clock())
    token = agents.reference(agents.recognise(signed_in, now=clock()), facts(person).id)
    return f"/desk/people/{token}/factors-lost/"


def test_the_list_of_directorates_is_the_same_for_everybody(branches, clock):
    """It is chosen from a list, and never from the account."""
    desk.offices.save(
        people.units.by_code("D07").id, desk.OfficeFacts("0536 00 00 00", "شارع محمد الخامس", "Av. Mohammed V")
    )
    visitor = Visitor().get(ASK)
    assert "?at=D07#where" in visitor.html and "?at=D08#where" in visitor.html and "24187K" not in visitor.html
    visitor.get(f"{ASK}?at=D07")
    assert "0536 00 00 00" in shown(visitor) and "شارع محمد الخامس" in shown(visitor)
    for at in ("24187K", "nothing", "M", "%00"):
        assert "0536" not in shown(Visitor().get(f"{ASK}?at={at}"))


@pytest.mark.both_databases
def test_the_branch_sees_its_requests_without_names(branches, clock):
    _, number = shows_number(FATIMA.login)
    at = propose(agent(YOUSSEF, clock), number)
    listed = at.get("/desk/cases/")
    assert number in shown(listed) and facts(FATIMA).last_latin not in shown(listed)
    move(YOUSSEF, "30000S", now=clock())
    other = agent(KHADIJA, clock).get("/desk/cases/")
    assert number in shown(other), "the academy sees its directorates"
    appoint(SALMA, Role.DIRECTORATE_DESK, "D08", now=clock())
    elsewhere = agent(SALMA, clock).get("/desk/cases/")
    assert number not in shown(elsewhere)


def test_the_desk_declines_with_a_reason_that_the_person_reads(branches, clock, post):
    phone, number = shows_number(FATIMA.login)
    at = agent(YOUSSEF, clock)
    at.get("/desk/cases/").submit("/desk/cases/", number=number)
    at.submit(actions(at, "/decline/")[0], reason="la photo n'est pas la sienne")
    assert state(number) == "refused" and shows(phone.get(CASE), "case.refused")
    [told] = [e for e in audit_log.of_person(facts(FATIMA).id) if e.event == "desk_declined"]
    assert told.detail["reason"] == "la photo n'est pas la sienne" and told.detail["case"] == number
    [sms], letter = post.messages(FATIMA_PHONE), post.messages(FATIMA.login)[-1]
    assert "رفض الشباك" in sms.text and "رفض الشباك" in letter.text, "it may have been somebody else who stood there"
    assert "la photo" not in letter.text and "/not-me/" not in letter.text


def test_atk_141_whoever_declines_all_day_comes_to_an_end(branches, clock):
    used_up(limits.rate_limits.DECLINE_AGENT, facts(YOUSSEF).id, clock())
    _, number = shows_number(FATIMA.login)
    at = agent(YOUSSEF, clock)
    at.get("/desk/cases/").submit("/desk/cases/", number=number)
    at.submit(actions(at, "/decline/")[0], reason="non")
    assert shows(at, "flash.desk_declines", "fr") and state(number) == "open"


def test_what_is_kept_of_a_case_is_told_to_its_person(branches, clock):
    _, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    [kept] = [one for one in personal_data.TABLE if one.name == "desk_cases"]
    [row] = personal_data.rows_of(kept, facts(FATIMA).id, most=0)
    assert row["number"] == number.replace("-", "") and row["reason"] == "carte vue"
    assert str(facts(YOUSSEF).id) not in map(str, row.values())


def test_atk_017_a_number_tells_nobody_who_has_an_account(branches, clock, monkeypatch):
    """The same bytes, statements and hashes for whoever is named; nothing is looked up."""
    people.directory.disable(facts(JAMAL).id)
    tried = {"known": FATIMA.login, "unknown": STRANGER, "disabled": JAMAL.login, "operator": SALMA.login}
    seen = {name: Seen(monkeypatch, ASK, {"user": login}) for name, login in tried.items()}
    assert_alike(seen)
    assert seen["known"].status == 303 and seen["known"].hashes == 0
    assert not [one for one in seen["known"].statements if "people_person" in one or "people_alias" in one]


def test_strangers_can_not_make_numbers_costly(branches, clock):
    """A network has its own limit; a browser that knows an account has one beside it."""
    spent = limits.rate_limits.CASE_NETWORK.bucket("127.0.0.0/24", units=200)
    assert limits.consume([spent], now=clock()) is None
    stranger = Visitor().get(ASK).submit(ASK, user=STRANGER)
    assert stranger.page.status_code == 429 and stranger.page["Retry-After"] and not Case.objects.exists()
    known = home(FATIMA)
    known.get("/profile/").submit("/sign-out/")
    assert shows_number(FATIMA.login, known)


def test_in_a_siege_a_stranger_meets_a_challenge_before_the_number(branches, clock):
    defend.order_siege("on", accounts=[], person_id=None, until=clock() + timedelta(hours=1), now=clock())
    visitor = Visitor().get(ASK).submit(ASK, user=FATIMA.login)
    assert visitor.puzzle and not Case.objects.exists()
    visitor.go_on(solve(visitor.puzzle))
    assert visitor.path == CASE and NUMBER.search(shown(visitor))


def test_no_secret_stands_in_a_page_a_row_or_the_audit_log(branches, clock, post):
    """Canaries: the new password, the cookie that opens the change, the code of a new contact, the contact itself."""
    phone, number = shows_number(FATIMA.login)
    first = propose(agent(YOUSSEF, clock), number)
    second = confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE).submit("/recovery/desk/number/go-on/")
    change = phone.cookies["massar-change"].partition(".")[2]
    pages = [at.get(path).page.content for at in (first, second) for path in _pages(number)]
    phone.submit("/password/change/", new=NEW, confirm=NEW)
    pages += [at.get(path).page.content for at in (first, second) for path in _pages(number)]
    phone, another = replaces(clock, FATIMA.login, "0661998877")
    second.get("/desk/")
    confirm(second, another)
    code = post.code("+212661998877")
    pages += [at.get(path).page.content for at in (first, second) for path in _pages(another)]
    phone.get(CASE).submit("/recovery/desk/number/contact/", code=code)
    assert state(another) == "done"
    post.work()
    everything = everything_stored() + b"\0".join(pages)
    for canary in (NEW, change, code):
        assert not [form for form in readable_forms(canary) if form in everything], canary
    assert not [form for form in readable_forms("+212661998877") if form in everything_stored()]


def _pages(number: str) -> list[str]:
    path = f"/desk/cases/{number.replace('-', '')}/"
    return ["/desk/cases/", path, f"{path}receipt/"]


@pytest.mark.both_databases
def test_a_hundred_contacts_a_day_for_each_directorate(branches, clock):
    """ATK-141: agents who take turns share it; another directorate has its own."""
    used_up(limits.rate_limits.REPLACE_BRANCH, people.units.by_code("D07").id, clock())
    _, number = replaces(clock, FATIMA.login, "0661998877")
    assert state(number) == "open"
    move(FATIMA, "30000S", now=clock())
    appoint(YOUSSEF, Role.DIRECTORATE_DESK, "D08", now=clock())
    _, number = replaces(clock, FATIMA.login, "0661998877")
    assert state(number) == "proposed"


def test_a_restored_copy_opens_nothing_that_was_approved(branches, clock):
    phone, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE)
    after_restore.end_everything(now=clock())
    phone.submit("/recovery/desk/number/go-on/")
    assert state(number) == "closed" and "massar-change" not in phone.cookies


@pytest.mark.both_databases
def test_the_office_of_a_unit_is_recorded_by_command(branches, capsys):
    run = program.build_parser().parse_args(
        ["units", "office", "D07", "--phone", "0536 00 00 00", "--hours", "9 h – 16 h"]
    )
    assert getattr(command, run.run)(run) == 0
    more = program.build_parser().parse_args(["units", "office", "D07", "--hours", ""])
    assert getattr(command, more.run)(more) == 0 and "0536 00 00 00" in capsys.readouterr().out
    assert desk.offices.of_unit(people.units.by_code("D07").id) == desk.OfficeFacts(phone="0536 00 00 00")


def test_atk_138_the_second_agents_browser_shows_no_number_either(branches, clock):
    at = agent(KHADIJA, clock, address="203.0.113.9")
    at.get("/profile/").submit("/sign-out/")
    _, number = shows_number(FATIMA.login, at)
    propose(agent(YOUSSEF, clock), number)
    refused = confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    assert shows(refused, "error.case_own_browser") and state(number) == "proposed"


@pytest.mark.both_databases
def test_atk_138_a_head_confirms_nothing(branches, clock):
    _, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    confirm(agent(JAMAL, clock, address="203.0.113.9"), number)
    assert state(number) == "proposed"


def test_wrong_numbers_of_an_agent_have_a_limit(branches, clock):
    at = agent(YOUSSEF, clock)
    spent = limits.rate_limits.CASE_TYPED.bucket(facts(YOUSSEF).id, units=59)
    assert limits.consume([spent], now=clock()) is None
    for status in (422, 429):
        at.get("/desk/cases/").submit("/desk/cases/", number=desk.numbers.draw(clock()))
        assert at.page.status_code == status
    _, number = shows_number(FATIMA.login)
    assert at.get(f"/desk/cases/{number.replace('-', '')}/").page.status_code == 429, "by its address neither"


def test_numbers_are_guessed_by_no_other_address_either(branches, clock):
    """Each act names a number, and a wrong one is as wrong there as in the form."""
    at, who = agent(YOUSSEF, clock).get("/desk/cases/"), facts(YOUSSEF).id
    said = {"kind": "password", "identity": "on", "present": "on", "aware": "on", "reason": "-"}
    typed, tries = {**said, "csrfmiddlewaretoken": at.token}, limits.rate_limits.CASE_TYPED
    for act in ("receipt", "propose", "confirm", "decline"):
        ask = at.client.get if act == "receipt" else at.client.post
        limits.refund([], reset=[tries.bucket(who)])
        used_up(tries, who, clock(), besides=1, of_day=False)
        for _ in range(2):
            answer = ask(f"/desk/cases/{desk.numbers.draw(clock())}/{act}/", typed)
        assert limits.remaining(tries.bucket(who), now=clock()) == 0, act
        _, number = shows_number(FATIMA.login)
        answer = ask(f"/desk/cases/{number.replace('-', '')}/{act}/", typed)
        assert answer.status_code == (303 if act == "decline" else 429) and state(number) == "open", act


def test_an_account_that_was_frozen_before_the_browser_goes_on_stays_shut(branches, clock):
    phone, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    people.directory.freeze(facts(FATIMA).id, now=clock())
    phone.get(CASE).submit("/recovery/desk/number/go-on/")
    assert "massar-change" not in phone.cookies and state(number) == "approved"


def test_a_case_that_was_closed_meanwhile_pays_for_no_password(branches, clock):
    phone, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE).submit("/recovery/desk/number/go-on/")
    Case.objects.update(state="closed")
    phone.submit("/password/change/", new=NEW, confirm=NEW)
    assert not phone.signed_in and Visitor().sign_in(FATIMA.login, FATIMA.password).signed_in


@pytest.mark.parametrize("language", ["ar", "fr"])
def test_the_receipt_says_number_person_and_clock_and_no_agent(branches, clock, language):
    """On paper, in the person's language; what is copied out are the same words."""
    people.directory.set_language(facts(FATIMA).id, language)
    phone, number = shows_number(FATIMA.login)
    first = propose(agent(YOUSSEF, clock), number)
    clock.advance(minutes=2)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    phone.get(CASE).submit("/recovery/desk/number/go-on/").submit("/password/change/", new=NEW, confirm=NEW)
    answer = first.get(f"/desk/cases/{number.replace('-', '')}/receipt/").page
    assert answer["Content-Type"] == "application/pdf" and answer["Cache-Control"] == "no-store"
    words = text_of(answer.content)
    branch = NAMES["D07"][0 if language == "ar" else 1]
    told = {"ar": ("فاطمة الزهراء العلوي", "دقيقتان"), "fr": ("Fatima Zahra Alaoui", "2 minutes")}[language]
    assert all(one in words for one in (number, FATIMA.login, branch, "0800 00 11 22", *told)), words
    agents_of_it = (facts(YOUSSEF), facts(KHADIJA))
    assert not [one for one in agents_of_it if one.name("ar") in words or one.name("fr") in words]
    assert "carte vue" not in words and FATIMA_PHONE[-6:] not in words


def test_a_receipt_is_of_what_was_acted_upon_and_of_the_branch(branches, clock):
    _, number = shows_number(FATIMA.login)
    at = agent(YOUSSEF, clock)
    path = f"/desk/cases/{number.replace('-', '')}/receipt/"
    assert at.get(path).page.status_code == 404, "nothing was done yet"
    propose(at, number)
    assert at.get(path).page.status_code == 200
    appoint(SALMA, Role.DIRECTORATE_DESK, "D08", now=clock())
    assert agent(SALMA, clock).get(path).page.status_code == 404


def test_a_recovery_ends_what_the_desk_has_approved(branches, clock, post):
    """The owner hears of it, says “this was not me”, and recovers by a contact: the other browser goes nowhere."""
    thief, number = shows_number(FATIMA.login)
    propose(agent(YOUSSEF, clock), number)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    thief.get(CASE)
    owner = Visitor().get(re.search(r"/not-me/\S+/", post.messages(FATIMA.login)[0].text)[0])
    owner.submit(owner.path)
    assert recover(post, FATIMA, FATIMA_PHONE, NEW).signed_in and not facts(FATIMA).frozen_at
    thief.submit("/recovery/desk/number/go-on/")
    assert "massar-change" not in thief.cookies and state(number) == "closed"


def test_a_teacher_sees_and_stops_no_case(branches, clock):
    """Whoever may not approve learns nothing of it."""
    assert add(PUPIL, now=clock())
    move(PUPIL, "24187K-1", As.PUPIL, now=clock())
    RoleGrant.objects.filter(person_id=facts(KHADIJA).id).delete()
    appoint(KHADIJA, Role.TEACHER, "24187K-1", now=clock())
    _, number = shows_number("r130012345")
    propose(agent(YOUSSEF, clock), number)
    teacher, path = home(KHADIJA).get("/desk/"), f"/desk/cases/{number.replace('-', '')}/"
    assert teacher.get(path).page.status_code == 404 and teacher.get(f"{path}receipt/").page.status_code == 404
    teacher.get("/desk/cases/")
    teacher.client.post(f"{path}decline/", {"reason": "x", "csrfmiddlewaretoken": teacher.token})
    assert state(number) == "proposed"


def test_a_code_that_did_not_arrive_is_sent_again(branches, clock, post):
    """In the browser of the number, a minute later; the older one no longer fits."""
    phone, number = replaces(clock, FATIMA.login, "0661998877")
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    first = post.code("+212661998877")
    phone.get(CASE).submit("/recovery/desk/number/contact/again/")
    assert phone.page.status_code == 429
    clock.advance(minutes=1)
    phone.get(CASE).submit("/recovery/desk/number/contact/again/")
    assert phone.path == CASE
    newest = post.code("+212661998877")
    if first != newest:
        phone.submit("/recovery/desk/number/contact/", code=first)
        assert phone.page.status_code == 422
    phone.submit("/recovery/desk/number/contact/", code=newest)
    assert state(number) == "done"
    stranger = Visitor().get(ASK)
    stranger.client.post("/recovery/desk/number/contact/again/", {"csrfmiddlewaretoken": stranger.token})
    assert len(post.messages("+212661998877")) == 2


# -- nothing is left but an identity card: the password and every second factor are lost


def begin_wait(clock, person=FATIMA, at=None) -> Visitor:
    """An agent of the directorate, whom the person stands before, begins the wait; the person's browser."""
    phone, number = shows_number(person.login)
    propose(at or agent(YOUSSEF, clock), number, kind="factor")
    assert state(number) == "done", shown(phone.get(CASE))
    return phone


def approved(clock, person=FATIMA, first=YOUSSEF) -> tuple[Visitor, Visitor]:
    """Two agents let a browser go on: (that browser, the first agent's)."""
    phone, number = shows_number(person.login)
    at = propose(agent(first, clock), number)
    confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    return phone.get(CASE), at


@pytest.mark.both_databases
@pytest.mark.parametrize("needs_factor", [False, True], ids=["who may have none", "who must have one"])
def test_from_an_identity_card_to_a_new_password_and_a_new_factor(branches, clock, post, settings, needs_factor):
    """Two visits, 72 hours between them; everybody hears of each step, and nothing changes before the last one."""
    old, codes = add_app(home(FATIMA), FATIMA.password, clock)
    phone = begin_wait(clock).get(CASE)
    assert shows(phone, "case.wait_begun") and shows(phone, "case.wait_both")
    assert "/factors/keep/" in post.messages(FATIMA.login)[-1].text and "شباك" in post.messages(FATIMA_PHONE)[-1].text
    clock.advance(hours=73)
    phone, number = shows_number(FATIMA.login)
    first = agent(YOUSSEF, clock).get("/desk/cases/").submit("/desk/cases/", number=number)
    assert shows(first, "agent.case.factor_over", "fr")
    propose(first, number)
    second = confirm(agent(KHADIJA, clock, address="203.0.113.9"), number)
    assert shows(phone.get(CASE), "case.factor_goes") and state(number) == "approved", shown(second)
    if needs_factor:
        settings.MASSAR = replace(settings.MASSAR, second_factor_roles=factors.required.read(("*",)))
    phone.submit("/recovery/desk/number/go-on/")
    assert phone.path == "/password/change/" and factors.held.of_person(facts(FATIMA).id), "nothing is gone yet"
    phone.submit("/password/change/", new=NEW, confirm=NEW)
    assert factors.held.of_person(facts(FATIMA).id) == [] and factors.backup.left(facts(FATIMA).id) == 0
    if needs_factor:
        assert phone.path == "/sign-in/second/app/" and not phone.signed_in, "nothing opens before the new one"
        new = App(phone.html, clock)
        phone.submit("/sign-in/second/app/", code=new.code)
        assert phone.get("/profile/").signed_in
    else:
        assert shows(phone, "changed.factors_gone")
        new, _ = add_app(phone, NEW, clock)
    told = [m.text for m in post.messages(FATIMA.login)]
    assert [m for m in told if "/not-me/" in m], "each step"
    clock.advance(minutes=1)
    again = Visitor().sign_in(FATIMA.login, NEW)
    assert not second_step(again, codes[0]).signed_in and not second_step(again, old.code).signed_in
    assert second_step(again, new.code).signed_in


def test_a_lost_factor_is_asked_for_before_the_wait_is_over_and_long_after(branches, clock):
    add_app(home(FATIMA), FATIMA.password, clock)
    begin_wait(clock)
    for wait, says in ((timedelta(hours=71), "case.factor_waits"), (timedelta(days=31), "case.factor_goes")):
        clock.advance(seconds=wait.total_seconds())
        phone, _ = approved(clock)
        assert shows(phone, says)
        phone.submit("/recovery/desk/number/go-on/")
        assert phone.path == "/sign-in/second/" and "massar-change" not in phone.cookies
        assert shows(phone.get("/sign-in/second/lost/"), "factor.lost.waits"), "and told why"
    factors.losses.sweep(now=clock())
    assert factors.losses.waiting(facts(FATIMA).id) is None
    begin_wait(clock)


@pytest.mark.parametrize("by", ["/factors/keep/", "/not-me/"])
def test_whoever_did_not_ask_stops_the_wait_until_the_last_moment(branches, clock, post, by):
    """By either link of the mail about its beginning, while the change form stands open in the other's browser. In a
    session, with a factor that was found, by a new password: as any wait (`test_lost_factors`)."""
    add_app(home(FATIMA), FATIMA.password, clock)
    begin_wait(clock)
    link = re.search(rf"{by}\S+/", post.messages(FATIMA.login)[-1].text)[0]
    clock.advance(hours=73)
    phone, _ = approved(clock)
    phone.submit("/recovery/desk/number/go-on/")
    assert phone.path == "/password/change/"
    stopped = Visitor().get(link)
    stopped.submit(stopped.path)
    phone.submit("/password/change/", new=NEW, confirm=NEW)
    assert not phone.signed_in and factors.held.of_person(facts(FATIMA).id)
    assert Visitor().sign_in(FATIMA.login, NEW).path == "/sign-in/", "the password is the old one"


def test_atk_138_an_agent_alone_gets_past_no_second_factor(branches, clock):
    """The agent begins the wait of somebody who never came, and shows the number on an own phone: a second agent is
    asked in any case."""
    add_app(home(FATIMA), FATIMA.password, clock)
    at = agent(YOUSSEF, clock)
    path = _person_path(at, FATIMA, clock)
    at.get(path).submit(path, reason="appel")
    clock.advance(hours=73)
    phone, number = shows_number(FATIMA.login)
    at = propose(agent(YOUSSEF, clock), number)
    typed = {"aware": "on", "csrfmiddlewaretoken": at.token}
    at.client.post(f"/desk/cases/{number.replace('-', '')}/confirm/", typed)
    assert state(number) == "proposed"
    phone.get(CASE).client.post("/recovery/desk/number/go-on/", {"csrfmiddlewaretoken": phone.token})
    assert "massar-change" not in phone.cookies and "massar-second" not in "".join(phone.cookies)


def test_atk_138_for_a_pupil_whose_factor_goes_one_agent_is_not_enough(branches, clock):
    """Who heads the school may serve the directorate as well, and have begun the wait."""
    family(now=clock())
    move(RIM, "24187K-1", As.PUPIL, now=clock())
    add_app(home(RIM), RIM.password, clock)
    appoint(JAMAL, Role.DIRECTORATE_DESK, "D07", now=clock())
    begin_wait(clock, RIM, agent(JAMAL, clock))
    clock.advance(hours=73)
    _, number = shows_number(RIM.login)
    propose(agent(JAMAL, clock), number)
    assert state(number) == "proposed"


def test_atk_050_a_stolen_phone_gets_past_no_factor_that_its_owner_reported_lost(branches, clock, post):
    """The thief reads the owner's messages, and waits as long as the owner does: a recovery still asks for the factor;
    the desk's next approval lets in the browser that the owner shows there, and no other."""
    add_app(home(FATIMA), FATIMA.password, clock)
    begin_wait(clock)
    clock.advance(hours=73)
    thief = Visitor().ask(FATIMA.login, phone=FATIMA_PHONE)
    secret = post.secret(FATIMA_PHONE)
    thief.sign_in(FATIMA.login, secret)
    assert thief.path == "/sign-in/second/" and shows(thief.get("/sign-in/second/lost/"), "factor.lost.waits")
    thief.get("/password/change/")
    assert thief.path == "/sign-in/second/" and factors.held.of_person(facts(FATIMA).id)
    phone, _ = approved(clock)
    thief.get(ASK).client.post("/recovery/desk/number/go-on/", {"csrfmiddlewaretoken": thief.token})
    assert "massar-change" not in thief.cookies
    phone.submit("/recovery/desk/number/go-on/").submit("/password/change/", new=NEW, confirm=NEW)
    assert phone.signed_in
    assert thief.sign_in(FATIMA.login, secret).path == "/sign-in/", "what the phone was sent serves no more"


def test_a_head_reports_a_lost_factor_with_a_second_agent(branches, clock):
    """So whoever lives far from the directorate goes to the own school, twice."""
    add_app(home(FATIMA), FATIMA.password, clock)
    phone, number = shows_number(FATIMA.login)
    propose(agent(JAMAL, clock), number, kind="factor")
    assert state(number) == "proposed" and factors.losses.waiting(facts(FATIMA).id) is None
    confirm(agent(YOUSSEF, clock, address="203.0.113.9"), number)
    assert state(number) == "done" and factors.losses.waiting(facts(FATIMA).id)
    assert shows(phone.get(CASE), "case.wait_begun")
    _, again = shows_number(FATIMA.login)
    at = agent(JAMAL, clock).get("/desk/cases/").submit("/desk/cases/", number=again)
    at.client.post(actions(at, "/propose/")[0], {"csrfmiddlewaretoken": at.token, "kind": "factor", "identity": "on",
                                                "present": "on", "reason": "encore"})  # fmt: skip
    assert state(again) == "open", "one wait at a time"


def test_atk_141_waits_for_lost_factors_of_a_day_have_an_end(branches, clock):
    add_app(home(FATIMA), FATIMA.password, clock)
    day = local_time.local(clock()).date()
    spent = limits.rate_limits.LOSS_AGENT.bucket(facts(YOUSSEF).id, day, units=20)
    assert limits.consume([spent], now=clock()) is None
    _, number = shows_number(FATIMA.login)
    at = propose(agent(YOUSSEF, clock), number, kind="factor")
    assert at.page.status_code == 429 and state(number) == "open"
    propose(agent(JAMAL, clock), number, kind="factor")
    assert state(number) == "proposed", "each agent has own ones"
