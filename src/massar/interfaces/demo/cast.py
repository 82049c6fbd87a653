"""The cast: the same people in the demo, the tests, the screenshots and the documentation. All of them are invented."""

from django.conf import settings

from massar.core import clock
from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.journeys.outcomes import Problems
from massar.journeys.people.import_people import NewPerson, add

_KHALDOUN = ("24187K", "ثانوية ابن خلدون التأهيلية", "Lycée Ibn Khaldoun")
_DIRECTORATE = ("10000D", "المديرية الإقليمية", "Direction provinciale")
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
HALIMA = NewPerson(
    login="w130000001@taalim.ma", first_ar="حليمة", last_ar="التازي", first_latin="Halima", last_latin="Tazi",
    role="guardian", establishment=_KHALDOUN, phone="0663000444", password="Fanous+3941-azul",
)  # fmt: skip
ILYAS, RIM, YASSINE = (
    NewPerson(
        login=f"{code}@taalim.ma", first_ar=arabic, last_ar="التازي", first_latin=latin, last_latin="Tazi",
        role="pupil", establishment=_KHALDOUN,
    )
    for code, arabic, latin in (
        ("x130000001", "إلياس", "Ilyas"), ("x130000002", "ريم", "Rim"), ("x130000003", "ياسين", "Yassine")
    )
)  # fmt: skip
STRANGER = "nobody.atall@taalim.ma"
PEOPLE = (
    (JAMAL, "the guide's person, no contact yet"),
    (FATIMA, "a phone only"),
    (YOUSSEF, "e-mail and phone, French"),
    (KHADIJA, "an e-mail only"),
    (SALMA, "operator: sees the traffic of messages"),
)


def seed() -> list[str]:
    """Add who is missing in the demo; one line for each person. A password that was changed since is not shown.

    Raises ValueError outside the demo: their passwords are printed."""
    if not settings.MASSAR.demo:
        raise ValueError("demo people are for the demo only")
    lines = []
    for person, note in PEOPLE:
        if people.directory.by_login(person.login, now=clock.now()) is None:
            outcome = add(person, now=clock.now())
            if isinstance(outcome, Problems):
                raise ValueError(f"the cast breaks the rules: {outcome.of}")
        known = people.directory.by_login(person.login, now=clock.now())
        stored = credentials.passwords.stored(known.id if known else None)
        fits = credentials.passwords.is_right(person.password, stored, known=True)
        lines.append(f"    {person.login:<32} {person.password if fits else '(changed by you)':<20}  {note}")
    return lines
