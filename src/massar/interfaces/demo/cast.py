"""The cast: the same people in the demo, the tests, the screenshots and the documentation. All of them are invented."""

from datetime import datetime

from django.conf import settings
from django.db import transaction

from massar.core import clock, local_time
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.journeys.outcomes import Problems
from massar.journeys.people import demo_country, grant_roles
from massar.journeys.people.import_people import NewPerson, add

_KHALDOUN = ("24187K", "ثانوية ابن خلدون التأهيلية", "Lycée Ibn Khaldoun")
_DIRECTORATE = ("10000D", "المديرية الإقليمية", "Direction provinciale")
_CLASS = ("24187K-1-1", "الأولى 1", "1re année 1")
COUNTRY = 920  # invented people beside them: a school of the usual size, in a tree of the whole country
JAMAL = NewPerson(
    login="jamal.jalal@taalim.ma", first_ar="جمال", last_ar="جلال", first_latin="Jamal", last_latin="Jalal",
    establishment=_KHALDOUN, password="Zitoune#4821-safi",
)  # fmt: skip
FATIMA = NewPerson(
    login="fatima.zahra.alaoui@taalim.ma", first_ar="فاطمة الزهراء", last_ar="العلوي", first_latin="Fatima Zahra",
    last_latin="Alaoui", establishment=_KHALDOUN, phone="0661000222", password="Nakhla!7350-bleue",
)  # fmt: skip
YOUSSEF = NewPerson(
    login="youssef.benali@men.gov.ma", first_ar="يوسف", last_ar="بنعلي", first_latin="Youssef", last_latin="Benali",
    language="fr", establishment=_DIRECTORATE, email="youssef.benali@example.org", phone="0662000333",
    password="Marjane*2964-lune",
)  # fmt: skip
KHADIJA = NewPerson(
    login="khadija.idrissi@taalim.ma", first_ar="خديجة", last_ar="الإدريسي", first_latin="Khadija",
    last_latin="Idrissi", establishment=_KHALDOUN, email="khadija@example.org", password="Sahrij+5173-vert",
)  # fmt: skip
SALMA = NewPerson(
    login="salma.bennani@men.gov.ma", first_ar="سلمى", last_ar="بناني", first_latin="Salma", last_latin="Bennani",
    role="operator", establishment=_DIRECTORATE, email="salma.bennani@example.org", password="Qantara+6184-jaune",
)  # fmt: skip
# Those whom the desk is about: an agent of the directorate, a head, a teacher, a mother with three pupils of the class.
NAJAT = NewPerson(
    login="najat.amrani@men.gov.ma", first_ar="نجاة", last_ar="العمراني", first_latin="Najat", last_latin="Amrani",
    establishment=_DIRECTORATE, email="najat.amrani@example.org", password="Argan!2759-dune",
)  # fmt: skip
HASSAN = NewPerson(
    login="hassan.ouazzani@taalim.ma", first_ar="حسن", last_ar="الوزاني", first_latin="Hassan", last_latin="Ouazzani",
    establishment=_KHALDOUN, phone="0664000555", password="Safran*8136-toit",
)  # fmt: skip
NADIA = NewPerson(
    login="nadia.chraibi@taalim.ma", first_ar="نادية", last_ar="الشرايبي", first_latin="Nadia", last_latin="Chraibi",
    establishment=_KHALDOUN, phone="0665000666", password="Amande#4592-lac",
)  # fmt: skip
HALIMA = NewPerson(
    login="w130000452@taalim.ma", first_ar="حليمة", last_ar="التازي", first_latin="Halima", last_latin="Tazi",
    role="guardian", establishment=_KHALDOUN, phone="0663000444", password="Fanous+3941-azul",
)  # fmt: skip
ILYAS, RIM, YASSINE = (
    NewPerson(
        login=f"{code}@taalim.ma", first_ar=arabic, last_ar="التازي", first_latin=latin, last_latin="Tazi",
        role="pupil", establishment=_CLASS, password=password,
    )
    for code, arabic, latin, password in (
        ("x130000417", "إلياس", "Ilyas", ""), ("x130000429", "ريم", "Rim", "gazelle-olive-47"),
        ("x130000438", "ياسين", "Yassine", ""),
    )
)  # fmt: skip
STRANGER = "nobody.atall@taalim.ma"
# Who, what the terminal says of them, and what the screen does (after `demo.note_`; '' says what contacts there are).
PEOPLE = (
    (JAMAL, "the guide's person, no contact yet", ""),
    (FATIMA, "a phone only", ""),
    (YOUSSEF, "e-mail and phone, French", ""),
    (KHADIJA, "an e-mail only", ""),
    (SALMA, "operator: sees the traffic of messages", "operator"),
    (NAJAT, "agent of the directorate: the desk", "agent"),
    (HASSAN, "head of the school: the desk", "head"),
    (NADIA, "teacher of a class: the desk", "teacher"),
    (HALIMA, "guardian of three pupils", "guardian"),
    (RIM, "pupil, knows her password", "pupil"),
    (ILYAS, "pupil, has none yet", "pupil"),
    (YASSINE, "pupil, has none yet", "pupil"),
)
_ROLES = (
    (NAJAT, people.rights.Role.DIRECTORATE_DESK, _DIRECTORATE), (HASSAN, people.rights.Role.HEAD, _KHALDOUN),
    (NADIA, people.rights.Role.TEACHER, _CLASS),
)  # fmt: skip


def seed() -> list[str]:
    """Add who is missing in the demo; one line for each person. A password that was changed since is not shown.

    Raises ValueError outside the demo: their passwords are printed."""
    if not settings.MASSAR.demo:
        raise ValueError("demo people are for the demo only")
    now = clock.now()
    if not people.directory.anybody():
        _enter_country(now)
    lines = []
    for person, note, _ in PEOPLE:
        if people.directory.by_login(person.login, now=now) is None:
            outcome = add(person, now=now)
            if isinstance(outcome, Problems):
                raise ValueError(f"the cast breaks the rules: {outcome.of}")
        lines.append(f"    {person.login:<32} {_password(person, now):<20}  {note}")
    _give_roles(now)
    _link_family(now)
    return lines


def _password(person: NewPerson, now: datetime) -> str:
    if not person.password:
        return "(none)"
    stored = credentials.passwords.stored(_id(person, now))
    fits = credentials.passwords.is_right(person.password, stored)
    return person.password if fits else "(changed by you)"


def _enter_country(now: datetime) -> None:
    """The tree of the whole country, with one school of invented people, and in it the units of the cast."""
    today = local_time.local(now).date()
    for _ in demo_country.enter(demo_country.parts(COUNTRY), now=now, since=today):
        pass
    above = people.units.by_code("A04")
    kinds = people.units.Kind
    for (code, *names), kind in (
        (_DIRECTORATE, kinds.DIRECTORATE), (_KHALDOUN, kinds.ESTABLISHMENT), (_CLASS, kinds.CLASS),
    ):  # fmt: skip
        people.units.add(code, kind, (names[0], names[1]), parent=above)
        above = people.units.by_code(code)


def _give_roles(now: datetime) -> None:
    """Each once; in a demo that an older version has begun there is no tree, and so there are none."""
    today = local_time.local(now).date()
    for person, role, (code, *_) in _ROLES:
        holder, unit = people.directory.by_login(person.login, now=now), people.units.by_code(code)
        if holder and unit and unit.kind == people.rights.AT[role] and not people.roles.of_person(holder.id):
            grant_roles.grant(
                person=holder, role=role, unit=unit, kind=people.roles.Kind.OWN, since=today,
                until=today + people.roles.LONGEST, reason="the demo", now=now,
            )  # fmt: skip


@transaction.atomic
def _link_family(now: datetime) -> None:
    today, mother = local_time.local(now).date(), _id(HALIMA, now)
    until, relation = today + people.guardians.LONGEST, people.guardians.Relation.MOTHER
    children = [_id(child, now) for child in (ILYAS, RIM, YASSINE)]
    if not people.guardians.standing([(child, mother) for child in children], on=today):
        people.guardians.put([people.guardians.NewLink(child, mother, relation, today, until) for child in children])


def _id(person: NewPerson, now: datetime) -> int:
    found = people.directory.by_login(person.login, now=now)
    return found.id if found else 0
