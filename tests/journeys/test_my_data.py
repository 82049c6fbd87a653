"""“My data”: what is kept and why; a copy for the owner alone, after a proof, as a file and as pages."""

import json

import pytest

from massar.core.audit import api as audit_log
from massar.domain.people import api as people
from massar.interfaces.base import pdf
from massar.journeys import personal_data
from massar.journeys.account import my_data
from tests.cast import FATIMA, FATIMA_PHONE, YOUSSEF, YOUSSEF_EMAIL
from tests.support.paper import text_of
from tests.support.steps import home, shown, shows
from tests.support.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
PAGE = "/profile/my-data/"


def copy_of(visitor: Visitor, person, form: str = "json"):
    visitor.get(PAGE).submit(PAGE, form=form, password=person.password)
    return visitor.page


def test_the_page_says_what_why_and_how_long_in_every_language(cast):
    visitor = home(YOUSSEF).get("/profile/")
    assert f'href="{PAGE}"' in visitor.html
    for language in ("ar", "fr", "en"):
        visitor.client.cookies["massar-language"] = language
        visitor.get(PAGE)
        assert visitor.page.status_code == 200
        for kept in personal_data.TABLE:
            assert shows(visitor, f"data.kind.{kept.name}", language)
            assert shows(visitor, f"data.kind.{kept.name}.why", language)
        assert "90" in shown(visitor) and "0800 00 11 22" in shown(visitor)


def test_a_stranger_is_sent_to_sign_in(db):
    asks, sends = Visitor().client.get(PAGE), Visitor().get("/sign-in/")
    typed = {"form": "json", "password": "x", "csrfmiddlewaretoken": sends.token}
    for answer in (asks, sends.client.post(PAGE, typed)):
        assert answer.status_code == 303 and answer["Location"] == "/sign-in/"


def test_the_copy_holds_all_of_the_owner_and_nothing_of_others(cast, post):
    """Contacts in full, sessions, messages, the audit log; no secret, no HMAC, no row of anybody else."""
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL), Visitor().ask(FATIMA.login, phone=FATIMA_PHONE)
    post.work()
    home(FATIMA)
    answer = copy_of(home(YOUSSEF), YOUSSEF)
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    assert answer["Content-Disposition"] == 'attachment; filename="massar-data-2026-02-15.json"'
    text = answer.content.decode()
    told = {one["kind"]: one for one in json.loads(text)["kept"]}
    assert set(told) == {kept.name for kept in personal_data.TABLE if kept.given}
    assert told["identity"]["rows"][0]["login"] == YOUSSEF.login
    assert {one["value"] for one in told["contacts"]["rows"]} == {YOUSSEF_EMAIL, "+212662000333"}
    assert "temporary_password" in {one["purpose"] for one in told["messages"]["rows"]} and told["sessions"]["rows"]
    assert {"sign_in", "data_exported"} <= {one["event"] for one in told["activity"]["rows"]}
    assert told["activity"]["rows"][0]["at"].endswith("+00:00")
    strangers = (FATIMA.login, FATIMA_PHONE, FATIMA_PHONE.lstrip("+"), "argon2", YOUSSEF.password)
    assert [one for one in strangers if one in text] == []


def test_without_the_password_there_is_no_copy(cast):
    visitor = home(YOUSSEF).get(PAGE)
    visitor.submit(PAGE, form="json", password="Not-the-one-55!")
    assert visitor.page.status_code == 422 and shows(visitor, "error.password_wrong", "fr")
    assert YOUSSEF_EMAIL not in visitor.html
    visitor.submit(PAGE, form="exe", password=YOUSSEF.password)
    assert visitor.page.status_code == 422 and "Content-Disposition" not in visitor.page


def test_five_copies_a_day_each_in_the_audit_log(cast, clock):
    visitor = home(YOUSSEF)
    assert [copy_of(visitor, YOUSSEF).status_code for _ in range(6)] == [200] * 5 + [429]
    assert visitor.page["Retry-After"] and "data.export" not in visitor.html
    person = json.loads(copy_of(home(FATIMA), FATIMA).content)["account"]
    assert person == FATIMA.login, "one person's copies are nobody else's"
    owner = people.directory.by_login(YOUSSEF.login, now=clock())
    assert len([e for e in audit_log.of_person(owner.id) if e.event == "data_exported"]) == 5
    clock.advance(hours=5)
    assert copy_of(home(YOUSSEF), YOUSSEF).status_code == 200


@pytest.mark.parametrize("language", ["ar", "fr"])
def test_the_pages_give_back_the_same_words(cast, language):
    visitor = home(YOUSSEF)
    visitor.client.cookies["massar-language"] = language
    answer = copy_of(visitor, YOUSSEF, "pdf")
    assert answer["Content-Type"] == "application/pdf" and answer["Cache-Control"] == "no-store"
    assert answer.content.startswith(b"%PDF-") and len(answer.content) < 200_000
    words = text_of(answer.content)
    said = "بياناتي الشخصية" if language == "ar" else "Mes données personnelles"
    assert all(one in words for one in (said, YOUSSEF.login, YOUSSEF_EMAIL, "0800 00 11 22"))


def test_names_with_lam_alef_and_allah_come_back_letter_by_letter():
    names = ("عبد الله جلال", "الإدارة لأن الآن", "لالة فاطمة الزهراء")
    row = [{"label": "الاسم", "value": {"text": name, "ltr": False}} for name in names]
    kind = {"title": "الهوية", "why": "", "lasts": "", "rows": [row], "note": ""}
    told = {"lang": "ar", "title": "بياناتي", "product": "مسار", "intro": "", "made": "", "kinds": [kind],
            "correct": {"title": "التصحيح", "text": "#import \"@preview/x:1.0.0\" #read(\"/etc/passwd\")"}}  # fmt: skip
    words = text_of(pdf.render("my_data.typ", told))
    assert all(name in words for name in names)
    assert "@preview/x" in words and "root:" not in words, "what was typed is text, never markup"


def test_a_copy_is_bounded_whatever_strangers_do(cast, clock):
    """The newest refusals alone, and the file says so; all that is the owner's own; of it the pages read what they
    print."""
    visitor, person, few = (
        home(YOUSSEF),
        people.directory.by_login(YOUSSEF.login, now=clock()),
        personal_data.MOST_REFUSALS + 5,
    )
    refused = [audit_log.AuditEvent("proof_refused", clock(), person_id=person.id) for _ in range(few)]
    audit_log.record_events(refused)
    answer = json.loads(copy_of(visitor, YOUSSEF).content)
    (activity,) = (one["rows"] for one in answer["kept"] if one["kind"] == "activity")
    events = [one["event"] for one in activity]
    assert events.count("proof_refused") == personal_data.MOST_REFUSALS and "sign_in" in events
    assert str(personal_data.MOST_REFUSALS) in answer["note"]
    (pages,) = (one.rows for one in my_data.collect(person, 41) if one.kept.name == "activity")
    assert len(pages) == 41
