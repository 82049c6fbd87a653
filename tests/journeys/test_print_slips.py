"""Printing and withdrawing slips: for whom, by which agent, and what is told to whom."""

from datetime import timedelta

import pytest
from django.db import transaction

from massar.core.audit import api as audit_log
from massar.domain.credentials import api as credentials
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.interfaces.commands import main as program
from massar.journeys.account import freeze_account
from massar.journeys.desk import agents, print_slips, void_slips
from massar.journeys.outcomes import Done, Problem, TooManyAttempts
from massar.journeys.people import import_people
from massar.journeys.people.import_people import NewPerson
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, NEW, SALMA, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.desk import As, Kind, Role, appoint, move, plant, unit
from tests.support.steps import in_session, shows
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases
CLASS, OTHER, OTHER_CLASS = "24187K-1", "30000S", "24187K-2"
PUPILS = [
    NewPerson(login=f"x13000000{n}@taalim.ma", first_ar="ريم", last_ar=last, role="pupil")
    for n, last in enumerate(("العمراني", "بناني", "جلال"))
]


@pytest.fixture
def school(cast, clock) -> None:
    """Three pupils in a class that Khadija teaches, a fourth elsewhere; Jamal is head, Youssef sits at the desk."""
    plant()
    people.units.add(OTHER_CLASS, Kind.CLASS, ("القسم الثاني", "Classe 2"), parent=unit("24187K"))
    for pupil in (*PUPILS, NewPerson(login="x999@taalim.ma", role="pupil")):
        assert import_people.add(pupil, now=clock()) == Done()
        move(pupil, CLASS if pupil in PUPILS else OTHER, As.PUPIL, now=clock())
    appoint(KHADIJA, Role.TEACHER, CLASS, now=clock())
    appoint(JAMAL, Role.HEAD, "24187K", now=clock())
    appoint(YOUSSEF, Role.DIRECTORATE_DESK, "D07", now=clock())


def agent(person: NewPerson, now) -> agents.Agent:
    found = agents.recognise(in_session(facts(person)), now=now)
    assert found
    return found


def chosen(by: NewPerson | None, code: str, *kinds: As, now) -> list[str]:
    found = print_slips.choose(unit(code), kinds, agent=by and agent(by, now), now=now)
    return [one.person.login for one in found.holders]


def printed(holders, now, *, by: NewPerson | None = None, at=None) -> list[print_slips.Slip]:
    helper = agent(by, now) if by else None
    printing = print_slips.begin(holders, unit=at, agent=helper, now=now)
    assert print_slips.finish(printing, agent=helper, reason="rentrée", now=now) == []
    return printing.slips


def print_class(by: NewPerson | None, now) -> list[print_slips.Slip]:
    found = print_slips.choose(unit(CLASS), [As.PUPIL], agent=by and agent(by, now), now=now)
    return printed(found.holders, now, by=by, at=unit(CLASS))


def test_a_class_gets_slips_but_for_who_has_a_password(school, clock):
    now, logins = clock(), [one.login for one in PUPILS]
    assert chosen(KHADIJA, CLASS, As.PUPIL, now=now) == logins == chosen(None, "24187K", As.PUPIL, now=now)
    slip = print_class(KHADIJA, now)[1]
    assert Visitor().sign_in(slip.holder.person.login, slip.code).choose(NEW).signed_in
    people.directory.disable(facts(PUPILS[2]).id)
    found = print_slips.choose(unit(CLASS), [As.PUPIL], agent=None, now=clock())
    assert ([one.person.login for one in found.holders], found.active, found.shut) == (logins[:1], 1, 1)


def test_atk_135_nobody_gets_a_slip_from_another_branch(school, clock):
    for by in (KHADIJA, JAMAL, YOUSSEF):
        assert chosen(by, OTHER, As.PUPIL, now=clock()) == []
    assert chosen(KHADIJA, "24187K", As.STAFF, now=clock()) == [], "a teacher helps pupils alone"
    assert len(print_class(JAMAL, clock())) == len(print_class(YOUSSEF, clock())) == 3
    slip = printed([print_slips.Holder(facts(NewPerson(login="x999@taalim.ma")))], clock())[0]
    number = credentials.handed.read_number(slip.number)
    for by in (KHADIJA, JAMAL, YOUSSEF):
        assert void_slips.void(*number, agent=agent(by, clock()), reason="-", now=clock()) == []
        assert void_slips.slips_of(*number, agent=agent(by, clock()), now=clock()) == []
    assert len(void_slips.void(*number, agent=None, reason="lost", now=clock())) == 1


def test_atk_139_neither_agents_themselves_nor_their_equals(school, clock):
    """Of staff without a password: a head among the people of the head's own school."""
    for login in ("karim.tazi", "amal.saidi"):
        newcomer = NewPerson(login=f"{login}@taalim.ma")
        assert import_people.add(newcomer, now=clock()) == Done()
        move(newcomer, "24187K", now=clock())
    appoint(NewPerson(login="amal.saidi@taalim.ma"), Role.HEAD, "24187K", now=clock())
    assert chosen(JAMAL, "24187K", As.STAFF, now=clock()) == ["karim.tazi@taalim.ma"]
    assert chosen(YOUSSEF, "24187K", As.STAFF, now=clock()) == ["amal.saidi@taalim.ma", "karim.tazi@taalim.ma"]
    assert chosen(YOUSSEF, "10000D", As.STAFF, now=clock()) == [], f"nor {SALMA.login}, who watches over all"


def test_an_account_in_use_is_no_business_of_one_agent_but_a_pupils(school, clock, post):
    assert not print_slips.may_recover(agent(JAMAL, clock()), facts(FATIMA).id, now=clock())
    assert print_slips.may_recover(agent(KHADIJA, clock()), facts(PUPILS[0]).id, now=clock())
    how = {"permission": None, "now": clock()}
    assert print_slips.for_one(facts(FATIMA), recovers=False, **how) == Problem("slip_active")
    holder = print_slips.for_one(facts(FATIMA), recovers=True, **how)
    [slip] = printed([holder], clock())
    assert len(post.messages(FATIMA_PHONE)) == 1, "told before anything is changed"
    assert Visitor().sign_in(FATIMA.login, slip.code).change(slip.code, NEW).signed_in
    people.directory.disable(facts(FATIMA).id)
    assert print_slips.for_one(facts(FATIMA), recovers=True, **how) == Problem("slip_shut")


def test_a_frozen_account_is_one_in_use(school, clock):
    frozen = facts(PUPILS[0])
    freeze_account.by_operator(person=frozen, reason="test", now=clock())
    assert chosen(None, CLASS, As.PUPIL, now=clock()) == [one.login for one in PUPILS[1:]]
    how = {"permission": None, "now": clock()}
    assert print_slips.for_one(facts(PUPILS[0]), recovers=False, **how) == Problem("slip_active")


def test_the_history_says_which_branch_printed_and_withdrew(school, clock, post):
    slip = print_class(KHADIJA, clock())[0]
    void_slips.void(
        *credentials.handed.read_number(slip.number), agent=agent(JAMAL, clock()), reason="lost", now=clock()
    )
    withdrawn, made, *_ = audit_log.of_person(slip.holder.person.id)
    told = {"by": facts(KHADIJA).id, "role": "teacher", "unit": CLASS, "reason": "rentrée", "number": slip.number}
    assert (made.event, made.detail) == ("slip_printed", told) and slip.code not in str(made)
    assert withdrawn.event == "slip_voided" and withdrawn.detail["unit"] == "24187K"
    assert withdrawn.detail["reason"] == "lost"
    post.work()
    assert not post.email.received and not post.sms.received, "a school's slips are not a school's messages"


def test_who_chooses_a_password_while_the_pages_are_made_keeps_it(school, clock):
    holders = [print_slips.Holder(facts(one)) for one in PUPILS]
    older = printed(holders[:1], clock())[0]
    printing = print_slips.begin(holders, unit=unit(CLASS), agent=None, now=clock())
    assert Visitor().sign_in(PUPILS[0].login, older.code).choose(NEW).signed_in
    people.directory.disable(facts(PUPILS[1]).id)
    stale = print_slips.finish(printing, agent=None, reason="-", now=clock())
    assert [one.holder.person.login for one in stale] == [PUPILS[0].login, PUPILS[1].login]
    assert Visitor().sign_in(PUPILS[0].login, printing.slips[0].code).path == "/sign-in/"
    assert Visitor().sign_in(PUPILS[2].login, printing.slips[2].code).path == "/password/expired/"


def enters(slip: print_slips.Slip) -> bool:
    """Whether its code opens the page that asks for a password; else it is said to be over."""
    at = Visitor().sign_in(slip.holder.person.login, slip.code)
    assert at.path == "/password/expired/" or shows(at, "problem.expired_slip"), at.path
    return at.path == "/password/expired/"


def test_atk_138_slips_of_the_suspicious_time_go_with_their_agents_account(school, clock):
    """They may be a thief's; what was printed long before is not, and a recovery of the agent's brings none back."""
    before = print_class(KHADIJA, clock())
    clock.advance(days=4)
    helper, first = agent(KHADIJA, clock()), print_slips.Holder(facts(PUPILS[0]))
    [since] = printed([first], clock(), by=KHADIJA)
    half_done = print_slips.begin([print_slips.Holder(facts(PUPILS[1]))], unit=None, agent=helper, now=clock())
    freeze_account.by_operator(person=facts(KHADIJA), reason="stolen", now=clock())
    assert not enters(since) and enters(before[2])
    assert print_slips.finish(half_done, agent=helper, reason="-", now=clock()) == half_done.slips
    assert enters(before[1]), "a printing that came to nothing has ended nothing"
    [voided] = [event for event in audit_log.of_person(facts(PUPILS[0]).id) if event.event == "slip_voided"]
    assert voided.detail == {"number": since.number, "reason": freeze_account.VOIDED}
    freeze_account.reopen(person=facts(KHADIJA), reason="recognised", now=clock())
    assert not enters(since)


def test_whoever_takes_a_role_back_says_what_becomes_of_its_slips(school, clock, capsys):
    appoint(KHADIJA, Role.TEACHER, OTHER_CLASS, now=clock())
    slips = print_class(KHADIJA, clock())
    asked = ("revoke", "teacher", KHADIJA.login, "--reason", "mutation", "--at")
    assert program.main([*asked, CLASS]) == 1 and "--slips void" in capsys.readouterr().err
    assert program.main([*asked, OTHER_CLASS]) == 0, "none was printed there"
    assert program.main([*asked, CLASS, "--slips", "keep"]) == 0 and enters(slips[0])
    assert program.main(["people", "disable", KHADIJA.login]) == 0
    told = f"3 slip(s) that this person printed still serve: `massar slips void --by {KHADIJA.login}"
    assert told in capsys.readouterr().out
    appoint(KHADIJA, Role.TEACHER, CLASS, now=clock())
    assert program.main([*asked, CLASS, "--slips", "void"]) == 0 and not enters(slips[1])


def test_all_slips_of_an_agent_are_withdrawn_by_command(school, clock, capsys):
    slips = print_class(KHADIJA, clock())
    [other] = printed([print_slips.Holder(facts(NewPerson(login="x999@taalim.ma")))], clock(), by=JAMAL)
    assert program.main(["slips", "void", "--by", KHADIJA.login, "--reason", "lost bag"]) == 0
    assert "3 slips of theirs were withdrawn" in capsys.readouterr().out
    assert [enters(slip) for slip in (*slips, other)] == [False, False, False, True]
    for words in (["--by", "nobody@taalim.ma"], [], ["12-3", "--by", KHADIJA.login]):
        assert program.main(["slips", "void", *words, "--reason", "-"]) == 1


def test_an_agents_slips_of_a_day_are_counted(school, clock, monkeypatch):
    monkeypatch.setattr(limits.rate_limits, "SLIPS_DAY", limits.RateLimit("slips-day", 5, timedelta(hours=1)))
    assert len(print_class(KHADIJA, clock())) == 3
    holders = [print_slips.Holder(facts(one)) for one in PUPILS]
    refused = print_slips.begin(holders, unit=None, agent=agent(KHADIJA, clock()), now=clock())
    assert refused == TooManyAttempts(clock() + timedelta(hours=1))
    assert len(credentials.handed.batches()) == 1
    assert len(print_class(JAMAL, clock())) == 3, "each has their own"


def test_slips_that_recover_are_counted_as_class_codes_are(school, clock, monkeypatch):
    """ATK-141: of first passwords a school needs two thousand in a day, of recoveries no more than by voice."""
    codes = limits.rate_limits.CLASS_CODES_DAY
    assert limits.consume([codes.bucket(facts(KHADIJA).id, units=codes.burst - 1)], now=clock()) is None
    helper = agent(KHADIJA, clock())
    again = [print_slips.Holder(facts(one), recovers=True) for one in PUPILS]
    begun = [print_slips.begin([one], unit=None, agent=helper, now=clock()) for one in again[:2]]
    assert [isinstance(one, TooManyAttempts) for one in begun] == [False, True]
    assert len(print_class(KHADIJA, clock())) == 3, "first passwords are printed all the same"


def test_a_slip_is_over_at_the_end_of_its_last_day(clock):
    """In the country, whose clocks change that night."""
    assert print_slips.last_moment(clock()).isoformat() == "2026-05-16T23:00:00+00:00"


def test_what_was_printed_together_is_found_by_its_unit(school, clock):
    print_class(KHADIJA, clock())
    printed([print_slips.Holder(facts(PUPILS[0]))], clock())
    assert [one.slips for one in void_slips.batches(unit("24187K"), now=clock())] == [3]
    assert [one.slips for one in void_slips.batches(None, now=clock())] == [1, 3]
    with transaction.atomic():
        assert void_slips.batches(unit(OTHER), now=clock()) == []


def test_contacts_of_a_slip_for_an_account_in_use_are_told_by_mail_too(school, clock, post):
    printed([print_slips.for_one(facts(YOUSSEF), recovers=True, permission=None, now=clock())], clock())
    [letter] = post.messages(YOUSSEF_EMAIL)
    assert "/not-me/" in letter.text and "fiche" in letter.text
