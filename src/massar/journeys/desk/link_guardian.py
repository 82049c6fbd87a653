"""At the desk: somebody comes to answer for a pupil, or does so no more (ADR 87).

    number of the pupil's case --> an agent names the guardian --> a second agent confirms
        --> who has an account: the link stands        --> who has none: a code to the phone, typed in that browser
                                                           --> account and link, in one transaction

Nothing stands of a new guardian before the code was right. A link only lets messages arrive: handing one over is the
guardian's yes, each time (ADR 79). Its end is one agent's word, at once: a ruling about custody waits for nobody."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from massar.core import encryption, ids, local_time, text
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.delivery import api as delivery
from massar.domain.desk import api as desk
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.api import rights
from massar.journeys.account import edit_profile, guardians
from massar.journeys.desk import agents, open_case
from massar.journeys.desk.agents import Agent, Found
from massar.journeys.outcomes import Done, Gone, Problem, Problems, TooManyAttempts
from massar.journeys.people import import_people

MOST = 6  # who answer for one pupil at a time
Relation = people.guardians.Relation
_NAMES = ("first_ar", "last_ar", "first_latin", "last_latin")


class NamedGuardian(NamedTuple):
    """Who is to answer for a pupil, as an agent types it: a user name, or a phone; of who has no account the names too,
    in one script at least."""

    relation: int
    login: str = ""
    phone: str = ""
    first_ar: str = ""
    last_ar: str = ""
    first_latin: str = ""
    last_latin: str = ""

    @property
    def names(self) -> dict[str, str]:
        return {name: text.one_line(getattr(self, name)) for name in _NAMES}


class Proposed(NamedTuple):
    """Whom a case is about to make a guardian, as agents read it. login: '' for who has no account yet."""

    names: str
    relation: int
    login: str = ""
    phone: str = ""


class _By(NamedTuple):
    """Which agent's word decided, by which role, of which unit."""

    agent_id: int
    role: str
    unit: str


class SeenGuardian(NamedTuple):
    """A link of today: the guardian, and what names this one in the agent's form."""

    guardian: people.PersonFacts
    link: people.guardians.Link
    reference: str


def read(agent: Agent, pupil: people.PersonFacts, named: NamedGuardian, *, now: datetime) -> dict[str, str] | Problems:
    """What a case keeps of what was typed, or what is wrong with it."""
    typed = {"relation": str(int(named.relation))}
    if named.login:
        found = people.directory.by_login(text.login(named.login), now=now)
        if found is None:
            return Problems({"guardian": [Problem("guardian_unknown")]})
        typed["guardian"] = str(found.id)
    else:
        phone = edit_profile.read_contact("phone", named.phone)
        if isinstance(phone, Problem):
            return Problems({"guardian_phone": [phone]})
        held = people.guardians.holders([phone], now=now).get(phone, [])
        if len(held) > 1:
            return Problems({"guardian": [Problem("guardian_several")]})
        typed |= {"guardian": str(held[0].id)} if held else {"phone": phone, **named.names}
    problem = judge(typed, pupil, (agent.person.id,), now=now)
    return Problems({problem[0]: [Problem(problem[1])]}) if problem else typed


def judge(
    typed: dict[str, str], pupil: people.PersonFacts, agent_ids: tuple[int | None, ...], *, now: datetime
) -> tuple[str, str] | None:
    """Why these two can't be linked now, as (field, problem). Nobody makes oneself a guardian, nor decides who else
    answers for the own child."""
    links = people.guardians.all_of_pupil(pupil.id, on=local_time.local(now).date())
    if len(links) >= MOST:
        return "guardian", "guardian_most"
    if not pupil.is_pupil:
        return "guardian", "guardian_no_pupil"
    if people.guardians.is_family(pupil.id, list(filter(None, agent_ids))):
        return "guardian", "guardian_own_child"
    if "guardian" not in typed:
        return _judge_new(typed, now)
    guardian = people.directory.by_id(int(typed["guardian"]), now=now)
    if guardian is None or not guardian.active or guardian.is_pupil or guardian.operates:
        return "guardian", "guardian_kind_desk"
    if guardian.id in agent_ids:
        return "guardian", "guardian_self"
    return ("guardian", "guardian_stands") if guardian.id in {one.guardian_id for one in links} else None


def _judge_new(typed: dict[str, str], now: datetime) -> tuple[str, str] | None:
    names = [typed.get(name, "") for name in _NAMES]
    if not all(map(import_people.name_fits, names)):
        return "first_ar", "name_shape"
    if not (all(names[:2]) or all(names[2:])):
        return "first_ar", "guardian_names"
    if people.guardians.holders([typed["phone"]], now=now):  # somebody has proved it since
        return "guardian_phone", "guardian_stands"
    return (
        ("guardian_phone", "phone_too_many") if edit_profile.serves_too_many("phone", typed["phone"], 0, now) else None
    )


def proposed(case: desk.CaseFacts, language: str, *, now: datetime) -> Proposed | None:
    """Whom a case names, while it lives."""
    typed = case.typed if case.kind == desk.cases.Kind.GUARDIAN else {}
    if "relation" not in typed:
        return None
    relation = int(typed["relation"])
    if "guardian" in typed:
        person = people.directory.by_id(int(typed["guardian"]), now=now)
        return Proposed(person.name(language), relation, login=person.login) if person else None
    arabic, latin = (f"{typed[first]} {typed[last]}".strip() for first, last in (_NAMES[:2], _NAMES[2:]))
    return Proposed(text.of_language(language, arabic, latin), relation, phone=typed["phone"])


def carry_out(
    agent: Agent, case: desk.CaseFacts, pupil: people.PersonFacts, permission: rights.Permission, *, browser: Browser,
    now: datetime,
) -> Done | TooManyAttempts | Gone:  # fmt: skip
    """What the second agent's word does, in its transaction, under the pupil's lock."""
    typed = case.typed
    if judge(typed, pupil, (case.agent_id, agent.person.id), now=now):
        return Gone()
    if "guardian" not in typed:
        return _send_code(case, pupil, typed, browser, now) or Done()
    if not desk.cases.finish(case.id, now=now):
        return Gone()
    by = _By(agent.person.id, str(permission.by), permission.unit)
    _stand(pupil, int(typed["guardian"]), int(typed["relation"]), by, case, now)
    return Done()


def _send_code(
    case: desk.CaseFacts, pupil: people.PersonFacts, typed: dict[str, str], browser: Browser, now: datetime
) -> TooManyAttempts | None:
    wait = edit_profile.may_send(pupil.id, {"phone": typed["phone"]}, browser, now)
    if wait:
        return wait
    code, life = ids.contact_code(), settings.MASSAR.contact_code
    signed = encryption.data_keys().sign("guardian-code", case.id, typed["phone"], code)
    desk.cases.keep(case, {**typed, "code": signed, "until": (now + life).isoformat()})
    delivery.outbox.put(
        purpose="contact_code", channel="sms", language=pupil.language, person_id=pupil.id, to=typed["phone"], now=now,
        within=life, expires_at=now + life, priority=2, values={"code": code, "host": settings.MASSAR.host},
    )  # fmt: skip
    return None


@transaction.atomic
def send_again(*, browser: Browser, now: datetime) -> Done | TooManyAttempts | Gone:
    """Send the new guardian another code; the older one no longer fits. Tries stay counted."""
    case = desk.cases.of_browser(open_case.machine(browser, now))
    pupil = _waiting_for_code(case, now)
    if case is None or pupil is None:
        return Gone()
    wait = _send_code(case, pupil, case.typed, browser, now)
    return wait or Done(masked=text.masked_phone(case.typed["phone"]))


def _waiting_for_code(case: desk.CaseFacts | None, now: datetime) -> people.PersonFacts | None:
    """The pupil, locked, whose approved case waits for the code of a new guardian."""
    if case is None or case.person_id is None or case.kind != desk.cases.Kind.GUARDIAN:
        return None
    people.contacts.lock(case.person_id)
    pupil = people.directory.by_id(case.person_id, now=now)
    waits = desk.cases.is_approved(case, now=now) and "code" in case.typed and open_case.agents_stand(case, now)
    return pupil if pupil and pupil.active and waits else None


@transaction.atomic
def prove(*, code: str, browser: Browser, now: datetime) -> Done | Problems | Gone:
    """Judge the code of a new guardian's phone, typed in the browser that showed the number. Right: there is an account
    with that phone, and the link stands; `masked` is its user name."""
    case = desk.cases.of_browser(open_case.machine(browser, now))
    pupil, plain = _waiting_for_code(case, now), text.code(code)
    if case is None or pupil is None:
        return Gone()
    typed = case.typed
    wrong = _judge_code(case, typed, plain, now)
    if wrong:
        return Problems({"code": [wrong]})
    if judge(typed, pupil, (case.agent_id, case.second_id), now=now) or not desk.cases.finish(case.id, now=now):
        return Gone()
    delivery.outbox.used(pupil.id, "contact_code", to=typed["phone"], now=now)
    guardian = _add(pupil, typed, now)
    by = _By(case.second_id or 0, case.second_role, case.unit)
    _stand(pupil, guardian.id, int(typed["relation"]), by, case, now)
    return Done(masked=guardian.login)


def _judge_code(case: desk.CaseFacts, typed: dict[str, str], code: str, now: datetime) -> Problem | None:
    """Each try is charged to the case before it is compared, whichever code it was of."""
    if not ids.is_contact_code(code):
        return Problem("code_shape")
    tries = limits.rate_limits.GUARDIAN_CODE.bucket(case.id)
    if limits.consume([tries], now=now):
        return Problem("code_spent", {"left": 0})
    if not encryption.data_keys().verify(typed["code"], "guardian-code", case.id, typed["phone"], code):
        return Problem("guardian_code_wrong")
    return Problem("code_expired", {"left": 0}) if datetime.fromisoformat(typed["until"]) <= now else None


def _add(pupil: people.PersonFacts, typed: dict[str, str], now: datetime) -> people.PersonFacts:
    """An account without a password, which its owner activates by the phone; it belongs to the pupil's school, so that
    somebody may help there."""
    day = local_time.local(now).date()
    while True:  # until a number is free
        login = f"w{ids.between(0, 10**9 - 1):09d}@{settings.MASSAR.institution_domains[0]}"
        new = import_people.NewPerson(
            login, first_ar=typed["first_ar"], last_ar=typed["last_ar"], first_latin=typed["first_latin"],
            last_latin=typed["last_latin"], language=pupil.language, role="guardian", phone=typed["phone"],
        )  # fmt: skip
        outcome = import_people.add(new, now=now)
        if isinstance(outcome, Done):
            break
        if "login" not in outcome.of:
            raise RuntimeError(f"a guardian whom two agents have confirmed can't be added: {sorted(outcome.of)}")
    guardian = people.directory.by_login(login, now=now)
    assert guardian is not None
    school = people.belonging.branch_of(pupil.id, on=day, lowest=people.units.Kind.ESTABLISHMENT)
    if school:
        people.belonging.begin(guardian.id, school, people.belonging.Kind.GUARDIAN, since=day)
    return guardian


def _stand(
    pupil: people.PersonFacts, guardian_id: int, relation: int, by: _By, case: desk.CaseFacts, now: datetime
) -> None:
    """Let the link stand from today until the school year is over, and tell both, and the pupil's other guardians."""
    day = local_time.local(now).date()
    until = people.guardians.school_year_ends(day)
    link = people.guardians.NewLink(pupil.id, guardian_id, relation, day, until, by.agent_id)
    before = people.guardians.of_pupils([pupil.id], now=now)
    people.guardians.put([link])
    audit_log.record_event(
        "guardian_linked", now=now, person_id=pupil.id, guardian=guardian_id, reason=case.reason, by=by.agent_id,
        role=by.role, unit=by.unit, case=case.shown,
    )  # fmt: skip
    audit_log.record_event(
        "child_linked", now=now, person_id=guardian_id, pupil=pupil.id, by=by.agent_id, role=by.role, unit=by.unit,
        case=case.shown,
    )  # fmt: skip
    guardians.tell_linked([link], before, now=now)


def of(agent: Agent, found: Found, *, now: datetime) -> list[SeenGuardian]:
    """Who answers for the pupil today."""
    links = people.guardians.all_of_pupil(found.person.id, on=local_time.local(now).date())
    facts = people.directory.by_ids([one.guardian_id for one in links], now=now)
    return [
        SeenGuardian(facts[one.guardian_id], one, agents.seal(agent, "guardian", str(one.guardian_id)))
        for one in links
        if one.guardian_id in facts
    ]


def end(
    agent: Agent, found: Found, reference: str, *, reason: str, browser: Browser, now: datetime
) -> str | Problems | TooManyAttempts | Gone:
    """End a link at once, and what its guardian was told; the number of the act. Gone: there is none any more. Of the
    own child another agent does: one word is enough for it, and parents part in anger."""
    named, pupil, day = agents.unseal(agent, "guardian", reference), found.person, local_time.local(now).date()
    if named is None:
        return Gone()
    guardian_id = int(named)
    with transaction.atomic():
        if not agents.hold(agent, pupil.id, guardian_id, now=now):
            return Gone()
        if people.guardians.is_family(pupil.id, [agent.person.id]):
            agents.refuse(agent, pupil.id, rights.Right.LINK, "guardian_own_child", now)
            return Problems({"who": [Problem("guardian_own_child")]})
        spent = agents.charge(agent, limits.rate_limits.UNLINK_AGENT, now=now)
        if spent:
            agents.refuse(agent, pupil.id, rights.Right.LINK, "cap", now)
            return spent
        if not people.guardians.end(pupil.id, guardian_id, last=day - timedelta(days=1)):
            transaction.set_rollback(True)
            return Gone()
        machine, kind = open_case.machine(browser, now), desk.cases.Kind.UNLINKED
        proposal = agents.proposal_of(agent, pupil, found.permission, kind, machine, reason, now)
        number = desk.cases.record_act(proposal, now=now)
        shown = desk.numbers.shown(number)
        guardians.stop_told(pupil.id, guardian_id, now=now)
        agents.record(
            "guardian_unlinked", agent, pupil, found.permission, now=now, reason=reason, guardian=guardian_id,
            case=shown,
        )  # fmt: skip
        guardian = people.directory.by_id(guardian_id, now=now)
        if guardian:
            agents.record("child_unlinked", agent, guardian, found.permission, now=now, pupil=pupil.id, case=shown)
            guardians.tell_unlinked(pupil, guardian, now=now)
        return number
