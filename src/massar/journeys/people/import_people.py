"""Adding one person. Lists of them: import_sheet.py."""

from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import transaction

from massar.core import normalize, text
from massar.core.audit import api as audit_log
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.domain.policy import api as policy
from massar.journeys.account import change_password, edit_profile
from massar.journeys.outcomes import Done, Problem, Problems

LONGEST_NAME = 100


@dataclass(frozen=True)
class NewPerson:
    """What is known of a person who gets an account. Contacts given here are vouched for by whoever adds them. payroll,
    other_address: what leads to the account beside its login."""

    login: str
    first_ar: str = ""
    last_ar: str = ""
    first_latin: str = ""
    last_latin: str = ""
    language: str = "ar"
    role: str = "staff"
    establishment: tuple[str, str, str] | None = None
    email: str = ""
    phone: str = ""
    payroll: str = ""
    other_address: str = ""
    password: str = field(default="", repr=False)


@transaction.atomic
def add(new: NewPerson, *, now: datetime) -> Done | Problems:
    """Add a person with an initial password that keeps the rules. Nothing is written when something is wrong."""
    login, contacts, problems = _read(new)
    names = _other_names(new, problems)
    _refuse_taken(login, names, problems)
    if problems:
        return Problems(problems)
    names_ar, names_latin = (new.first_ar, new.last_ar), (new.first_latin, new.last_latin)
    person_id = people.directory.create(
        login=login, names_ar=names_ar, names_latin=names_latin, language=new.language, role=new.role,
        establishment=new.establishment, now=now,
    )  # fmt: skip
    people.directory.add_names(person_id, names.values())
    for kind, value in contacts.items():
        contact = people.contacts.propose(person_id, kind, value, now=now)
        people.contacts.prove(contact.id, person_id, now=now, wait=now - now)
    if new.password:
        person = people.directory.by_id(person_id, now=now)
        wrong = change_password.broken_rules(new.password, person, now) if person else []
        if wrong:
            transaction.set_rollback(True)
            return Problems({"password": wrong})
        phc = credentials.passwords.hash_password(policy.canonical(new.password))
        credentials.passwords.save(person_id, phc, now=now)
    audit_log.record_event("person_added", now=now, person_id=person_id)
    return Done()


def name_fits(name: str, longest: int = LONGEST_NAME) -> bool:
    """Marks that can't be seen could make a name read as another one's (ATK-096)."""
    return len(name) <= longest and not normalize.has_invisible(name)


def institution_address(typed: str) -> str:
    """An address at a domain of the institution in canonical form; '' where it is none."""
    address = text.login(typed) or ""
    return address if address.partition("@")[2] in settings.MASSAR.institution_domains else ""


def _read(new: NewPerson) -> tuple[str, dict[str, str], dict[str, list[Problem]]]:
    """Return login and contacts as they are stored, and what is wrong."""
    problems: dict[str, list[Problem]] = {}
    names, school = (new.first_ar, new.last_ar, new.first_latin, new.last_latin), new.establishment or ()
    if not all(map(name_fits, names)) or not all(name_fits(one, 2 * LONGEST_NAME) for one in school):
        problems["name"] = [Problem("name_shape")]
    login = institution_address(new.login)
    if not login:
        problems["login"] = [Problem("login_shape")]
    contacts: dict[str, str] = {}
    for kind, typed in (("email", new.email), ("phone", new.phone)):
        read = edit_profile.read_contact(kind, typed) if typed else ""
        if isinstance(read, Problem):
            problems[kind] = [read]
        elif read:
            contacts[kind] = read
    return login, contacts, problems


def _other_names(new: NewPerson, problems: dict[str, list[Problem]]) -> dict[str, tuple[str, str]]:
    """Return, by field, the other names as they are stored: (before the @, domain), (payroll number, '')."""
    names = {}
    if new.payroll:
        if number := text.payroll(new.payroll):
            names["payroll"] = (number, "")
        else:
            problems["payroll"] = [Problem("payroll_shape")]
    if new.other_address:
        name, at, domain = institution_address(new.other_address).partition("@")
        if at:
            names["other_address"] = (name, domain)
        else:
            problems["other_address"] = [Problem("login_shape")]
    return names


def _refuse_taken(login: str, names: dict[str, tuple[str, str]], problems: dict[str, list[Problem]]) -> None:
    """What somebody has already, and what was given twice here."""
    name, _, domain = login.partition("@")
    wanted = {"login": (name, domain), **names}
    held = people.directory.taken(wanted.values())
    for place, one in wanted.items():
        if one in held or (place != "login" and one == wanted["login"]):
            problems.setdefault(place, [Problem("login_taken")])
