"""Hostile passwords at the form, numbered as in docs/security/attack-cases.md. The rules have tests of their own."""

import unicodedata
from dataclasses import replace
from itertools import product

import pytest
from django.test import Client

from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import Password
from massar.journeys.people import import_people
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, NEW, STRANGER, enter, facts
from tests.support.steps import home, save_contact, shows
from tests.support.visitor import Visitor


@pytest.fixture
def hashes(monkeypatch):
    """How often the hash ran."""
    counted = []
    fits = credentials.passwords.verify
    monkeypatch.setattr(credentials.passwords, "verify", lambda *a, **k: (counted.append(1), fits(*a, **k))[1])
    return counted


def busy(*args, **kwargs):
    raise credentials.Busy


def test_atk_066_what_is_too_long_is_refused_before_anything_costly(cast, hashes):
    body = f"user={JAMAL.login}&password={'a' * 2_500_000}"
    answer = Client().post("/sign-in/", data=body, content_type="application/x-www-form-urlencoded")
    visitor = Visitor().sign_in(JAMAL.login, "a" * 600)
    assert answer.status_code == 413 and hashes == []
    assert visitor.page.status_code == 422 and shows(visitor, "error.too_long")
    visitor = home(JAMAL)
    visitor.change(JAMAL.password, "Tamarin&6048-" + "o" * 120)
    assert visitor.page.status_code == 422 and shows(visitor, "rule.length_max.refused")
    visitor.change(JAMAL.password, "Tamarin&6048-" + "o" * 600)
    assert visitor.page.status_code == 422 and shows(visitor, "error.too_long")


def test_every_try_costs_exactly_one_hash(cast, post, hashes, clock):
    """Decision 4: right, wrong, unknown, code-shaped, right code, late code."""
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret(FATIMA_PHONE)
    passwords = (FATIMA.password, "Wrong*5820-word", "bbbbb-22222", secret)
    for login, password in [*product((FATIMA.login, STRANGER), passwords), (FATIMA.login, secret)]:
        hashes.clear()
        Visitor().sign_in(login, password)
        assert len(hashes) == 1, (login, password)
        clock.advance(minutes=2)  # at last the code is late


def test_atk_067_a_full_queue_says_come_back_and_charges_nobody(cast, monkeypatch):
    inside = home(JAMAL)
    monkeypatch.setattr(credentials.passwords, "verify", busy)
    visitors = [home(JAMAL) for _ in range(30)]
    assert all(shows(visitor, "come_back.title") for visitor in visitors)
    pages = [visitor.page for visitor in visitors]
    pages += [inside.change(JAMAL.password, NEW).page, save_contact(inside, JAMAL.password, phone="0661123456").page]
    assert {page.status_code for page in pages} == {503} and all(int(page["Retry-After"]) >= 3 for page in pages)


def test_atk_077_a_late_difference_is_a_difference(cast):
    """No truncation (ASVS 6.2.8)."""
    long = ("Tamarin&6048-oued " * 8)[:127] + "x"
    assert home(JAMAL).change(JAMAL.password, long).path == "/password/changed/"
    for place in (72, 100, 127):
        assert not Visitor().sign_in(JAMAL.login, long[:place] + "~" + long[place + 1 :]).signed_in
    assert Visitor().sign_in(JAMAL.login, long).signed_in


def test_atk_078_an_arabic_pass_phrase_is_a_password(cast):
    visitor = home(JAMAL)
    phrase = "القط يشرب الحليب ٣ مرات!"
    visitor.change(JAMAL.password, phrase)
    assert visitor.path == "/password/changed/"
    assert Visitor().sign_in(JAMAL.login, phrase).signed_in
    visitor.change(phrase, "القط يشرب الحليب² مرات!")
    assert shows(visitor, "rule.digit.refused"), "a superscript is no digit"


def test_composed_and_decomposed_are_the_same_password_and_spaces_around_are_forgiven(cast):
    composed = "Forêt&6048-rivière"
    home(JAMAL).change(JAMAL.password, composed)
    assert Visitor().sign_in(JAMAL.login, f" {unicodedata.normalize('NFD', composed)} ").signed_in


@pytest.mark.parametrize("mark", ["\u202e", "\u200f", "\u2066", "\u200b", "\ufeff"])
def test_atk_080_invisible_marks_are_refused_when_set_and_forgiven_when_typed(cast, mark):
    visitor = Visitor().sign_in(JAMAL.login, f"{mark}{JAMAL.password}{mark}")
    assert visitor.signed_in
    visitor.change(JAMAL.password, f"Tamarin&{mark}6048-oued")
    assert visitor.page.status_code == 422 and shows(visitor, "rule.invisible.refused")


def test_nist_profile_is_a_setting(cast, settings):
    settings.MASSAR = replace(settings.MASSAR, password_profile="nist")
    visitor = home(JAMAL)
    visitor.change(JAMAL.password, "Brq9#77!vlam")
    assert shows(visitor, "rule.length_min.refused")
    visitor.change(JAMAL.password, "sept chevaux dans la brume")
    assert visitor.path == "/password/changed/", "no composition rule"


def test_atk_075_076_odd_names_do_not_break_the_form(clock, db):
    odd = import_people.NewPerson("odd.names@taalim.ma", first_latin="(.*)+$", last_latin="B", first_ar="😀",
                                  last_ar="٣", password="Girafe&7194-sable")  # fmt: skip
    enter(odd, now=clock())
    assert home(odd).change(odd.password, NEW).path == "/password/changed/"


def test_a_hash_is_argon2id_encrypted_and_renewed_once_the_cost_was_raised(cast, settings, monkeypatch):
    before = credentials.passwords.stored(facts(JAMAL).id)
    assert b"argon2" not in bytes(Password.objects.get(person_id=facts(JAMAL).id).ciphertext)
    assert before.phc.startswith("$argon2id$v=19$m=256,t=1,p=1$")
    settings.MASSAR = replace(settings.MASSAR, argon2=type(settings.MASSAR.argon2)(512, 2))
    with monkeypatch.context() as patch:
        patch.setattr(credentials.passwords, "hash_password", busy)
        assert home(JAMAL).signed_in, "a busy moment spoils no sign-in"
    assert credentials.passwords.stored(facts(JAMAL).id) == before
    assert home(JAMAL).signed_in
    after = credentials.passwords.stored(facts(JAMAL).id)
    assert "m=512,t=2,p=1" in after.phc and after.changed_at == before.changed_at
    assert home(JAMAL).signed_in
