"""Changing the password: the dialog, both its buttons, the reasons, what ends and who is told."""

import re
from itertools import pairwise

import pytest

from massar.core.audit import api as audit_log
from massar.domain.credentials.models import FormerPassword
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, NEW, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.steps import home, recover, shown, shows
from tests.support.visitor import Visitor
from tests.support.words import saying


@pytest.fixture
def granted(cast, post):
    """Fatima's browser with a right temporary password, and that password."""
    visitor = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret(FATIMA_PHONE)
    return visitor.sign_in(FATIMA.login, secret), secret


def test_the_dialog_has_two_ways_out(granted):
    visitor, _ = granted
    assert visitor.path == "/password/expired/" and "<dialog" in visitor.html
    assert "انتهاء صلاحية كلمة المرور" in shown(visitor), "the guide's words"
    assert 'href="/password/change/"' in visitor.html and 'action="/password/close/"' in visitor.html


def test_the_form_asks_three_and_lists_the_rules(granted):
    visitor, _ = granted
    visitor.get("/password/change/")
    for name in ("current", "new", "confirm"):
        assert f'name="{name}"' in visitor.html
    seen = re.sub(r"<li[^>]* hidden.*?</li>", "", visitor.html, flags=re.DOTALL)
    for rule in ("length_min", "letter", "digit", "symbol", "name", "establishment"):
        assert saying("ar", f"rule.{rule}").search(seen), rule
    for rule in ("common", "login", "phone", "temporary_shape", "invisible", "length_max"):
        assert not saying("ar", f"rule.{rule}").search(seen), f"{rule} is told when it is broken"
    assert visitor.html.count('autocomplete="new-password"') == 2
    current = re.search(r'<input id="id_current"[^>]*>', visitor.html)[0]
    assert 'autocomplete="one-time-code"' in current, "no browser fills in the password that is forgotten"
    name = re.search(r'<input[^>]*autocomplete="username"[^>]*>', visitor.html)[0]
    assert f'value="{FATIMA.login}"' in name and "readonly" in name
    assert shows(visitor, "password.current_is_temporary")
    assert re.search(r'data-rule="length_min"[^>]*data-min="12"', visitor.html), "what the live list needs"
    assert "data-words='[" in visitor.html and "Fatima" in visitor.html


@pytest.mark.parametrize(("new", "rule"), [
    ("Short#1", "length_min"), ("onlyletters-here", "digit"), ("84726105937#19", "letter"),
    ("tamarinoued6048", "symbol"), ("Fatima@2024xy!", "name"), ("العلوي@2024xy!z", "name"),
    ("KHALDOUN#2026a-b", "establishment"), ("P@ssw0rd123!", "common"), ("abcdefghijk1!", "common"),
    ("kdmwt-47392", "temporary_shape"), ("Tamarin&6048\u200foued", "invisible"), ("a1#" + "b" * 130, "length_max"),
])  # fmt: skip
def test_each_refusal_names_its_reason_without_scripts(granted, new, rule):
    visitor, secret = granted
    visitor.change(secret, new)
    assert visitor.page.status_code == 422 and shows(visitor, f"rule.{rule}.refused")
    assert shows(visitor, "form.summary") and 'href="#id_new"' in visitor.html
    assert new not in visitor.html, "a password is never sent back"
    assert home(FATIMA).signed_in, "nothing changed"


def test_the_temporary_password_is_asked_once_more(granted):
    visitor, secret = granted
    for wrong, new in ((FATIMA.password, NEW), ("bbbbb-22222", "Short#1")):
        visitor.change(wrong, new)
        assert visitor.page.status_code == 422 and shows(visitor, "error.password_wrong")
    visitor.submit("/password/change/", new=NEW, confirm=NEW)
    assert shows(visitor, "error.required") and 'name="current"' in visitor.html
    visitor.change(secret.upper().replace("-", "\u2011"), NEW)
    assert visitor.signed_in


def test_what_was_typed_right_is_not_asked_again(granted):
    """Kept on the server with the change session, never in the page; a refusal of the new one asks for that alone."""
    visitor, secret = granted
    visitor.change(secret, "Short#1")
    assert visitor.page.status_code == 422 and shows(visitor, "password.temporary_right")
    assert 'name="current"' not in visitor.html and secret not in visitor.html
    assert shows(visitor.get("/password/change/"), "password.temporary_right")
    visitor.submit("/password/change/", new=NEW, confirm=NEW + "x")
    assert shows(visitor, "rule.mismatch.refused") and 'name="current"' not in visitor.html
    visitor.submit("/password/change/", new=NEW, confirm=NEW)
    assert visitor.path == "/password/changed/" and visitor.signed_in


def test_a_page_that_still_asks_is_judged_by_what_was_typed(granted):
    """Two tabs: the older one has the field; a wrong temporary password in it is told."""
    visitor, secret = granted
    older = visitor.get("/password/change/").page
    visitor.change(secret, "Short#1")
    visitor.page = older
    visitor.submit("/password/change/", current="bbbbb-22222", new=NEW, confirm=NEW)
    assert shows(visitor, "error.password_wrong") and 'name="current"' in visitor.html
    visitor.submit("/password/change/", current=secret, new=NEW, confirm=NEW)
    assert visitor.signed_in


def test_another_browser_is_asked_for_it_again(granted):
    """The note belongs to one change session: the claim that moves leaves it behind, and so does closing the form."""
    visitor, secret = granted
    visitor.change(secret, "Short#1")
    other = Visitor().sign_in(FATIMA.login, secret)
    assert 'name="current"' in other.get("/password/change/").html
    visitor.submit("/password/change/", new=NEW, confirm=NEW)
    assert visitor.path == "/sign-in/" and not visitor.signed_in
    visitor.sign_in(FATIMA.login, secret).submit("/password/close/")
    assert 'name="current"' in visitor.sign_in(FATIMA.login, secret).get("/password/change/").html


def test_the_summary_names_each_field_once(granted):
    visitor, secret = granted
    visitor.change(secret, "short", "shorter")
    summary = visitor.html.split('class="summary"')[1].split("</div>")[0]
    assert summary.count('href="#id_new"') == 1 and summary.count('href="#id_confirm"') == 1
    words = re.sub(r"<[^>]*>", "", summary)
    assert words.count("كلمة المرور الجديدة:") == 2, "the field, and the field that confirms it"
    assert shows(visitor, "rule.length_min.refused") and shows(visitor, "rule.digit.refused")


def test_after_the_change_one_is_home_and_signed_in_and_nobody_else_is(granted):
    """The old password works until the new one is saved."""
    visitor, secret = granted
    elsewhere = home(FATIMA)
    assert elsewhere.signed_in
    visitor.change(secret, NEW)
    assert visitor.path == "/password/changed/" and "<dialog" in visitor.html and shows(visitor, "changed.text")
    assert 'href="/"' in visitor.html and visitor.get("/").path == "/"
    assert "massar-change" not in visitor.cookies
    assert not elsewhere.signed_in
    assert elsewhere.get("/").path == "/sign-in/" and shows(elsewhere, "flash.sign_in_again")
    assert not home(FATIMA).signed_in and Visitor().sign_in(FATIMA.login, NEW).signed_in


def test_a_notice_goes_to_every_contact_and_tells_no_secret(cast, post):
    visitor = Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    secret = post.secret(YOUSSEF_EMAIL)
    visitor.sign_in(YOUSSEF.login, secret).change(secret, NEW)
    for to in (YOUSSEF.login, YOUSSEF_EMAIL, "+212662000333"):
        notice = post.messages(to)[-1]
        assert notice.language == "fr"
        assert secret not in notice.text and NEW not in notice.text
        assert "0800 00 11 22" in notice.text, "whom to call if it was somebody else"
    assert "http" not in post.messages("+212662000333")[-1].text


def test_atk_088_the_voluntary_change(cast, post):
    """It asks for the current password each time."""
    elsewhere, visitor = home(JAMAL), home(JAMAL)
    before = visitor.cookies["massar-session"]
    visitor.change("Wrong*5820-word", NEW)
    assert visitor.page.status_code == 422 and shows(visitor, "error.password_wrong")
    assert not shows(visitor, "password.current_is_temporary")
    visitor.change(JAMAL.password, "Short#1")
    assert 'name="current"' in visitor.html and 'autocomplete="current-password"' in visitor.html
    assert elsewhere.signed_in
    visitor.change(JAMAL.password, NEW)
    assert visitor.path == "/password/changed/" and visitor.signed_in and not elsewhere.signed_in
    assert visitor.cookies["massar-session"] != before
    assert shows(visitor, "changed.text") and not shows(visitor, "changed.sites_later"), "no site waits"
    assert not shows(visitor.get("/"), "site.opens_from")
    assert len(post.messages(JAMAL.login)) == 1, "no contact of his own, but his institution mailbox hears of it"
    assert not home(JAMAL).signed_in
    events = [r.event for r in reversed(audit_log.of_person(facts(JAMAL).id))]
    assert events[:3] == ["person_added", "sign_in", "sign_in"]
    assert events[3:6] == ["proof_refused", "password_changed", "sign_in"]


def test_guessing_the_current_password_from_a_borrowed_session_is_slowed(cast):
    visitor = home(JAMAL)
    codes = [visitor.change("Wrong*5820-word", NEW).page.status_code for _ in range(35)]
    assert codes[:10] == [422] * 10 and codes[-1] == 429
    assert int(visitor.page.headers["Retry-After"]) > 0


def test_the_current_and_the_last_five_are_not_taken_again(cast, clock):
    used = [JAMAL.password, *(f"Tamarin&60{n}8-oued" for n in range(1, 7))]
    visitor = home(JAMAL)
    for current, new in pairwise(used):
        assert visitor.change(current, new).signed_in
    assert FormerPassword.objects.filter(person_id=facts(JAMAL).id).count() == 5
    for old in used[1:]:
        visitor.change(used[-1], old)
        assert visitor.page.status_code == 422 and shows(visitor, "rule.reused.refused"), old
    assert visitor.change(used[-1], used[0]).path == "/password/changed/", "the sixth before is forgotten"


def test_a_known_browser_stays_known_after_a_routine_change_but_not_after_a_recovery(cast, post, clock):
    known = home(FATIMA)
    home(FATIMA).change(FATIMA.password, NEW)
    stranger = Visitor()
    for _ in range(25):
        stranger.sign_in(FATIMA.login, "Wrong*5820-word")
    assert known.sign_in(FATIMA.login, NEW).signed_in, "its own limit"
    clock.advance(seconds=1)
    recover(post, FATIMA, FATIMA_PHONE, "Girafe&7194-sable")
    for _ in range(25):
        stranger.sign_in(FATIMA.login, "Wrong*5820-word")
    assert shows(known.sign_in(FATIMA.login, "Girafe&7194-sable"), "problem.wait"), "a stranger like any other"


@pytest.mark.both_databases
def test_sites_that_wait_after_a_recovery_say_so_with_the_date(granted, clock):
    """Haraka and Retraite: in the dialog and on their cards, until they open."""
    visitor, secret = granted
    visitor.change(secret, NEW)
    assert shows(visitor, "changed.sites_later") and shown(visitor).count("ابتداءً من الأربعاء 18 فبراير 2026") == 2
    assert "الحركة الانتقالية:" in shown(visitor) and "التقاعد النسبي:" in shown(visitor)
    assert shows(visitor.get("/"), "site.opens_from")
    assert shown(visitor).count("يفتح ابتداءً من الأربعاء 18 فبراير 2026") == 2, "the four others open"
    clock.advance(hours=71, minutes=59)
    assert shows(Visitor().sign_in(FATIMA.login, NEW), "site.opens_from")
    clock.advance(minutes=1)
    assert not shows(Visitor().sign_in(FATIMA.login, NEW), "site.opens_from")


def test_no_password_ever_expires_by_age(cast, clock):
    """NIST SP 800-63B-4 §3.1.1.2: the dialog comes after a recovery only."""
    clock.advance(days=5 * 365)
    assert home(KHADIJA).path == "/"


def test_twenty_wrong_repeats_close_the_form_and_the_right_code_opens_it_again(granted):
    visitor, secret = granted
    for _ in range(20):
        assert visitor.change("bbbbb-22222", NEW).page.status_code == 422
    assert visitor.change(secret, NEW).page.status_code == 429
    visitor.sign_in(FATIMA.login, secret).change(secret, NEW)
    assert visitor.signed_in


def test_a_change_page_left_open_too_long_leads_back(granted, clock):
    visitor, secret = granted
    page = visitor.get("/password/change/").page
    clock.advance(minutes=15)
    visitor.page = page
    visitor.submit("/password/change/", current=secret, new=NEW, confirm=NEW)
    assert visitor.path == "/sign-in/" and shows(visitor, "flash.sign_in_again")
