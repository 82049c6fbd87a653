"""The profile: two contacts, the code typed on the page, the password asked again, and what is refused and why."""

import re

import pytest
from django.db import connection

from massar.core.audit import api as audit_log
from massar.domain.people.models import Contact
from massar.journeys.people import import_people
from tests.cast import FATIMA, JAMAL, KHADIJA, YOUSSEF, YOUSSEF_EMAIL, enter, facts
from tests.support.captured import captured
from tests.support.steps import actions, home, prove_contact, save_contact, secrets, shown, shows
from tests.support.visitor import CODE, Visitor

PHONE, E164 = "0661123456", "+212661123456"


@pytest.fixture
def jamal(cast):
    return home(JAMAL)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_phone_and_mail_in_one_save_and_encrypted_at_rest(jamal, post):
    save_contact(jamal, JAMAL.password, phone=PHONE, email="Jamal@Example.org")
    assert jamal.path == "/profile/" and shows(jamal, "flash.code_sent")
    assert len(actions(jamal, "/prove/")) == 2
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            told = repr([[bytes(v) if isinstance(v, memoryview) else v for v in row] for row in cursor.fetchall()])
            assert "661123456" not in told and "jamal@example" not in told, table
    assert CODE.search(post.messages(E164)[-1].text) and CODE.search(post.messages("jamal@example.org")[-1].text)


@pytest.mark.parametrize("typed", [
    "0661123456", "06 61 12 34 56", "06-61-12-34-56", "+212 6 61 12 34 56", "00212661123456", "+212(0)661123456",
    "٠٦٦١١٢٣٤٥٦", "۰۶۶۱۱۲۳۴۵۶", "０６６１１２３４５６", "\u200e0661123456\u200f", "661123456",
])  # fmt: skip
def test_many_spellings_are_one_number(jamal, post, typed):
    save_contact(jamal, JAMAL.password, phone=typed)
    assert len(post.messages(E164)) == 1
    assert shows(prove_contact(jamal, post, E164), "flash.contact_proved")
    assert '<bdi dir="ltr">06 61 12 34 56</bdi>' in re.sub(r"\s+", " ", jamal.html.replace("\u00a0", " "))


REFUSED = {
    "phone_fixed": ["0522334455", "0537123456"],
    "phone_premium": ["0801123456", "0898123456"],
    "phone_satellite": ["+8821612345", "+870773123456"],
    "phone_country": ["+33612345678"],
    "phone_shape": ["0661O23456", "4" * 40, "0661123456 0662000333", "0661123456/0662000333", "0661123456;ext=5",
                    "tel:0661123456", "0661", "جمال"],
    "email_institution": ["jamal@taalim.ma", "jamal.jalal@taalim.ma", "x@men.gov.ma", "x@ac-rabat.men.gov.ma"],
    "email_shape": ["jamal", "jamal@example", "jаmal@example.org", "a@x.ma,b@x.ma", ".jamal@example.org"],
}  # fmt: skip


@pytest.mark.parametrize(("why", "typed"), [(why, one) for why, all_ in REFUSED.items() for one in all_])
def test_atk_058_060_what_can_not_be_a_contact_is_refused_with_the_reason(jamal, post, why, typed):
    save_contact(jamal, JAMAL.password, **{why.partition("_")[0]: typed})
    assert jamal.page.status_code == 422 and shows(jamal, f"error.{why}")
    assert f'value="{typed}"' in jamal.html, "what was typed stays in the form"
    post.work()
    assert post.sms.received == post.email.received == []


def test_changing_contacts_asks_for_the_password(jamal, post):
    save_contact(jamal, "Wrong*5820-word", phone=PHONE)
    assert jamal.page.status_code == 422 and shows(jamal, "error.password_wrong")
    save_contact(jamal, "", phone=PHONE)
    assert jamal.page.status_code == 422 and shows(jamal, "error.required")
    assert post.messages(E164) == []
    khadija = home(KHADIJA).get("/profile/")
    khadija.submit(actions(khadija, "/remove/")[0], password="Wrong*5820-word")
    assert khadija.page.status_code == 422 and shows(khadija, "error.password_wrong")


def test_what_can_not_be_a_code_costs_no_try_a_wrong_one_counts_and_the_fifth_spends_it(jamal, post):
    save_contact(jamal, JAMAL.password, phone=PHONE)
    prove = actions(jamal.get("/profile/"), "/prove/")[0]
    for typed in ("12345", "1234567", "12345a", "abcdef", "٤٨٢٩١", "²³⁴⁵⁶⁷", "—", "482 91", "code"):
        jamal.submit(prove, code=typed)
        assert jamal.page.status_code == 422 and shows(jamal, "error.code_shape")
    assert Contact.objects.get(state="proposed").code_tries == 0
    code = post.code(E164)
    for left in (4, 3, 2, 1):
        jamal.submit(prove, code=wrong(code))
        assert jamal.page.status_code == 422 and shows(jamal, "error.code_wrong") and str(left) in shown(jamal)
    assert shows(jamal.submit(prove, code=wrong(code)), "error.code_spent")
    assert shows(jamal.submit(prove, code=code), "error.code_spent"), "the right one comes too late"


@pytest.mark.parametrize(("zero", "way"), [
    ("0", " {0} {1} "), ("0", "{0}-{1}"), ("٠", "{0}–{1}"), ("٠", "{0}.{1}"), ("۰", "{0}\u00a0{1}"),
    ("۰", "{0}\u200f{1}"), ("०", "«{0}{1}»"), ("०", " \u200f{0} {1}\u200e "), ("０", "{0}_{1}."),
])  # fmt: skip
def test_a_code_in_any_digits_with_any_separator(jamal, post, zero, way):
    save_contact(jamal, JAMAL.password, phone=PHONE)
    code = "".join(chr(ord(zero) + int(d)) for d in post.code(E164))
    prove = actions(jamal.get("/profile/"), "/prove/")[0]
    assert shows(jamal.submit(prove, code=way.format(code[:3], code[3:])), "flash.contact_proved")


def test_resending_waits_a_minute_and_ends_the_older_code(jamal, post, clock):
    save_contact(jamal, JAMAL.password, phone=PHONE)
    first = post.code(E164)
    assert "data-countdown=" in jamal.html and shows(jamal, "prove.resend_at")
    resend = actions(jamal, "/resend/")[0]
    jamal.submit(resend)
    assert shows(jamal, "error.wait_email"), "the wait is said, and what can be done meanwhile"
    assert len(post.messages(E164)) == 1
    clock.advance(seconds=60)
    jamal.get("/profile/")
    assert "data-countdown=" not in jamal.html
    jamal.submit(resend)
    assert shows(jamal, "flash.code_sent") and len(post.messages(E164)) == 2
    second = post.code(E164)
    prove = actions(jamal, "/prove/")[0]
    if first != second:
        assert shows(jamal.submit(prove, code=first), "error.code_wrong")
    assert shows(jamal.submit(prove, code=second), "flash.contact_proved")


def test_a_mistyped_number_is_cancelled_or_replaced(jamal, post):
    save_contact(jamal, JAMAL.password, phone="0661999999")
    old = post.code("+212661999999")
    jamal.submit(actions(jamal.get("/profile/"), "/cancel/")[0])
    assert shows(jamal, "flash.contact_cancelled") and actions(jamal, "/prove/") == []
    save_contact(jamal, JAMAL.password, phone="0661888888")
    save_contact(jamal, JAMAL.password, phone=PHONE)
    assert len(actions(jamal, "/prove/")) == 1, "one field, one proposal"
    jamal.submit(actions(jamal, "/prove/")[0], code=old)
    assert jamal.page.status_code == 422


@pytest.mark.parametrize(("kind", "values"), [
    ("phone", ("0661777777", "0661888888", FATIMA.phone)),
    ("email", ("one@example.org", "two@example.org", YOUSSEF_EMAIL)),
])  # fmt: skip
def test_whether_another_account_has_a_contact_shows_in_no_statement(jamal, kind, values):
    """The first makes the waiting contact that each of the others takes the place of."""
    seen = []
    for value in values:
        with captured() as statements:
            save_contact(jamal, JAMAL.password, **{kind: value})
        seen.append((jamal.page.status_code, jamal.path, statements))
    assert shows(jamal, "flash.code_sent") and seen[1] == seen[2]


def test_saving_the_same_again_sends_nothing(jamal, post):
    save_contact(jamal, JAMAL.password, phone=PHONE)
    prove_contact(jamal, post, E164)
    before = len(post.messages(E164))
    save_contact(jamal, JAMAL.password, phone="+212661123456")
    assert shows(jamal, "flash.saved_nothing") and len(post.messages(E164)) == before


def test_the_code_lives_ten_minutes_and_who_comes_back_days_later_can_start_again(jamal, post, clock):
    """A proposal whose code ran out long ago is not shown; typing the same number again sends a new code."""
    save_contact(jamal, JAMAL.password, phone=PHONE)
    code = post.code(E164)
    prove = actions(jamal.get("/profile/"), "/prove/")[0]
    clock.advance(minutes=10)
    assert shows(jamal.submit(prove, code=code), "error.code_expired")
    assert not Contact.objects.filter(state="proved", person_id=facts(JAMAL).id).exists()
    clock.advance(days=2)
    jamal = save_contact(home(JAMAL), JAMAL.password, phone=PHONE)
    assert shows(jamal, "flash.code_sent")
    assert shows(prove_contact(jamal, post, E164), "flash.contact_proved")


def test_ten_accounts_may_share_a_phone_and_not_eleven(clock, post):
    """Families (decision 12): the tenth is welcome, the eleventh hears why not."""
    sharers = [import_people.NewPerson(f"sharer.{n}@taalim.ma", phone=PHONE) for n in range(9)]
    tenth, eleventh = (import_people.NewPerson(f"p.{n}@taalim.ma", password=JAMAL.password) for n in (10, 11))
    enter(*sharers, tenth, eleventh, now=clock())
    ten, eleven = home(tenth), home(eleventh)
    save_contact(eleven, JAMAL.password, phone=PHONE)  # still free for one more
    early = post.code(E164)
    save_contact(ten, JAMAL.password, phone=PHONE)
    assert shows(prove_contact(ten, post, E164), "flash.contact_proved")
    eleven.submit(actions(eleven.get("/profile/"), "/prove/")[0], code=early)
    assert eleven.page.status_code == 422 and shows(eleven, "error.phone_too_many")
    clock.advance(days=2)
    eleven = save_contact(home(eleventh), JAMAL.password, phone=PHONE)
    assert eleven.page.status_code == 422 and shows(eleven, "error.phone_too_many")


def test_the_first_contact_counts_as_soon_as_it_is_proved(jamal, post):
    save_contact(jamal, JAMAL.password, email="jamal@example.org")
    Visitor().ask(JAMAL.login, email="jamal@example.org")
    assert secrets(post, "jamal@example.org") == []
    prove_contact(jamal, post, "jamal@example.org")
    assert shows(jamal, "contact.since") and not shows(jamal, "contact.counts_from")
    Visitor().ask(JAMAL.login, email="jamal@example.org")
    assert len(secrets(post, "jamal@example.org")) == 1


def test_notices_go_to_the_other_contacts_when_one_is_removed(cast, post):
    youssef = home(YOUSSEF).get("/profile/")
    youssef.submit(actions(youssef, "/remove/")[1], password=YOUSSEF.password)
    assert shows(youssef, "flash.contact_removal", "fr") and shows(youssef, "contact.ends_at", "fr")
    for to in (YOUSSEF.login, YOUSSEF_EMAIL, "+212662000333"):
        assert len(post.messages(to)) == 1, to


def test_nobody_touches_the_contacts_of_others(cast, post):
    save_contact(home(KHADIJA), KHADIJA.password, phone=PHONE)
    code = post.code(E164)
    hers = Contact.objects.get(state="proposed").pk
    mail = Contact.objects.get(person_id=facts(KHADIJA).id, state="proved").pk
    thief = home(JAMAL).get("/profile/")
    token = thief.token
    for path in (f"{hers}/prove/", f"{hers}/cancel/", f"{hers}/resend/", f"{mail}/remove/", f"{mail}/cancel/"):
        fields = {"csrfmiddlewaretoken": token, "code": code, "password": JAMAL.password}
        assert thief.client.post(f"/profile/contacts/{path}", fields).status_code == 303
    assert Contact.objects.get(pk=hers).state == "proposed"
    assert Contact.objects.get(pk=mail).ends_at is None
    assert len(post.messages(E164)) == 1


def test_every_step_of_the_profile_leaves_a_row(jamal, post):
    save_contact(jamal, JAMAL.password, phone=PHONE)
    prove_contact(jamal, post, E164)
    jamal.submit(actions(jamal, "/remove/")[0], password=JAMAL.password)
    jamal.submit(actions(jamal, "/cancel/")[0])
    rows = [r for r in reversed(audit_log.of_person(facts(JAMAL).id)) if r.event.startswith("contact")]
    told = [("proposed", ""), ("proved", "counts"), ("removed", ""), ("cancelled", "")]
    assert [(r.event, r.outcome) for r in rows] == [(f"contact_{step}", outcome) for step, outcome in told]
    assert {r.detail["contact"] for r in rows} == {"06••••••56"}


def test_no_contact_is_asked_for_twice_in_a_row(jamal, post, clock):
    """Six codes a day for an account: the next one waits, and the page says until when."""
    for number in range(6):
        save_contact(jamal, JAMAL.password, phone=f"06611200{number:02d}")
        assert shows(jamal, "flash.code_sent")
        clock.advance(seconds=61)
    save_contact(jamal, JAMAL.password, phone="0661130000")
    assert jamal.page.status_code == 429 and shows(jamal, "error.wait_email")
    assert 3600 < int(jamal.page.headers["Retry-After"]) <= 4 * 3600
