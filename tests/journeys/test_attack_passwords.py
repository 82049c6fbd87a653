"""Hostile passwords at the form, numbered as in docs/security/attack-cases.md. The rules have tests of their own."""

from __future__ import annotations

import unicodedata

import pytest
from django.test import Client

from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import Password
from massar.domain.policy import api as policy
from massar.interfaces.demo.cast import FATIMA, JAMAL
from massar.journeys.people import import_people
from tests.cast import FATIMA_PHONE, enter, facts
from tests.support.steps import production, shows
from tests.support.visitor import Visitor

NEW = "Tamarin&6048-oued"


@pytest.fixture
def hashes(monkeypatch):
    """How often the hash ran."""
    counted = []
    fits = credentials.hashing.verify
    monkeypatch.setattr(credentials.hashing, "verify", lambda *a, **k: (counted.append(1), fits(*a, **k))[1])
    return counted


def test_atk_066_megabytes_are_refused_before_anything_costly(cast, hashes):
    body = f"user={JAMAL.login}&password={'a' * 2_500_000}"
    answer = Client().post("/sign-in/", data=body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400 and hashes == []


def test_atk_066_a_few_kilobytes_are_a_field_error(cast, hashes):
    visitor = Visitor().sign_in(JAMAL.login, "a" * 600)
    assert visitor.page.status_code == 422 and shows(visitor, "error.too_long") and hashes == []


def test_atk_066_at_the_change_form(cast):
    visitor = Visitor().sign_in(JAMAL.login, JAMAL.password)
    visitor.change(JAMAL.password, "Tamarin&6048-" + "o" * 120)
    assert visitor.page.status_code == 422 and shows(visitor, "rule.length_max.refused")
    visitor.change(JAMAL.password, "Tamarin&6048-" + "o" * 600)
    assert visitor.page.status_code == 422 and shows(visitor, "error.too_long")


def test_every_try_costs_exactly_one_hash(cast, post, hashes, clock):
    """Decision 4: right, wrong, unknown, code-shaped, right code, late code."""
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    secret = post.secret(FATIMA_PHONE)
    tried = [
        (FATIMA.login, FATIMA.password),
        (FATIMA.login, "Wrong*5820-word"),
        ("nobody.atall@taalim.ma", "Wrong*5820-word"),
        ("nobody.atall@taalim.ma", secret),
        (FATIMA.login, "bbbbb-22222"),
        (FATIMA.login, secret),
    ]
    for login, password in tried:
        hashes.clear()
        Visitor().sign_in(login, password)
        assert len(hashes) == 1, (login, password)
    clock.advance(minutes=11)
    hashes.clear()
    Visitor().sign_in(FATIMA.login, secret)
    assert len(hashes) == 1


def test_atk_067_a_full_queue_says_come_back_and_charges_nobody(cast, monkeypatch):
    def busy(*args, **kwargs):
        raise credentials.Busy

    inside = Visitor().sign_in(JAMAL.login, JAMAL.password)
    monkeypatch.setattr(credentials.hashing, "verify", busy)
    for _ in range(30):
        visitor = Visitor().sign_in(JAMAL.login, JAMAL.password)
        assert visitor.page.status_code == 503 and visitor.page.headers["Retry-After"] == "3"
        assert shows(visitor, "problem.busy")
    inside.change(JAMAL.password, NEW)
    assert inside.page.status_code == 503 and inside.page.headers["Retry-After"] == "3"
    inside.get("/profile/").submit("/profile/", phone="0661123456", password=JAMAL.password)
    assert inside.page.status_code == 503 and inside.page.headers["Retry-After"] == "3"
    monkeypatch.undo()


def test_atk_067_known_devices_pass_first_and_the_queue_is_bounded():
    queue = credentials.hashing.HashQueue(longest=2, timeout=0.01)
    queue.acquire(known=False)
    for _ in range(3):
        with pytest.raises(credentials.Busy):
            queue.acquire(known=False)
    queue.release()
    queue.acquire(known=True)
    queue.release()


@pytest.mark.parametrize("place", [72, 100, 127])
def test_atk_077_a_late_difference_is_a_difference(cast, place):
    """No truncation (ASVS 6.2.8)."""
    long = ("Tamarin&6048-oued " * 8)[:127] + "x"
    visitor = Visitor().sign_in(JAMAL.login, JAMAL.password)
    visitor.change(JAMAL.password, long)
    assert visitor.path == "/password/changed/"
    other = long[:place] + ("y" if long[place] != "y" else "z") + long[place + 1 :]
    assert not Visitor().sign_in(JAMAL.login, other).signed_in
    assert Visitor().sign_in(JAMAL.login, long).signed_in


def test_atk_078_an_arabic_pass_phrase_is_a_password(cast):
    visitor = Visitor().sign_in(JAMAL.login, JAMAL.password)
    phrase = "القط يشرب الحليب ٣ مرات!"
    visitor.change(JAMAL.password, phrase)
    assert visitor.path == "/password/changed/"
    assert Visitor().sign_in(JAMAL.login, phrase).signed_in
    visitor.change(phrase, "القط يشرب الحليب² مرات!")
    assert shows(visitor, "rule.digit.refused"), "a superscript is no digit"


def test_composed_and_decomposed_are_the_same_password(cast):
    visitor = Visitor().sign_in(JAMAL.login, JAMAL.password)
    composed = "Forêt&6048-rivière"
    visitor.change(JAMAL.password, composed)
    assert Visitor().sign_in(JAMAL.login, unicodedata.normalize("NFD", composed)).signed_in


@pytest.mark.parametrize("mark", ["\u202e", "\u200f", "\u2066", "\u200b", "\ufeff"])
def test_atk_080_invisible_marks_are_refused_when_set_and_forgiven_when_typed(cast, mark):
    visitor = Visitor().sign_in(JAMAL.login, f"{mark}{JAMAL.password}{mark}")
    assert visitor.signed_in
    visitor.change(JAMAL.password, f"Tamarin&{mark}6048-oued")
    assert visitor.page.status_code == 422 and shows(visitor, "rule.invisible.refused")


def test_spaces_around_are_forgiven_at_sign_in(cast):
    assert Visitor().sign_in(JAMAL.login, f" {JAMAL.password} ").signed_in


def test_nist_profile_is_a_setting(cast, settings):
    settings.MASSAR = production(MASSAR_MODE="test", MASSAR_PUBLIC_URL=None, MASSAR_DATA_KEYS=None,
                                 MASSAR_SECRET_KEY=None, MASSAR_ARGON2="256,1",
                                 MASSAR_PASSWORD_PROFILE="nist")  # fmt: skip
    visitor = Visitor().sign_in(JAMAL.login, JAMAL.password)
    visitor.change(JAMAL.password, "Brq9#77!vlam")
    assert shows(visitor, "rule.length_min.refused")
    visitor.change(JAMAL.password, "sept chevaux dans la brume")
    assert visitor.path == "/password/changed/", "no composition rule"


def test_atk_075_076_odd_names_do_not_break_the_form(clock, db):
    odd = import_people.NewPerson("odd.names@taalim.ma", first_latin="(.*)+$", last_latin="B", first_ar="😀",
                                  last_ar="٣", password="Girafe&7194-sable")  # fmt: skip
    enter(odd, now=clock())
    visitor = Visitor().sign_in(odd.login, odd.password)
    visitor.change(odd.password, NEW)
    assert visitor.path == "/password/changed/"


def test_hashes_are_argon2id_encrypted_and_bound_to_the_account(cast):
    row = Password.objects.get(person_id=facts(JAMAL).id)
    assert b"argon2" not in bytes(row.ciphertext)
    phc = credentials.passwords.stored(row.person_id).phc
    assert phc.startswith("$argon2id$v=19$m=256,t=1,p=1$")


def test_old_parameters_are_renewed_at_the_next_sign_in(cast, settings):
    before = credentials.passwords.stored(facts(JAMAL).id)
    settings.MASSAR = production(MASSAR_MODE="test", MASSAR_PUBLIC_URL=None, MASSAR_DATA_KEYS=None,
                                 MASSAR_SECRET_KEY=None, MASSAR_ARGON2="512,2")  # fmt: skip
    assert Visitor().sign_in(JAMAL.login, JAMAL.password).signed_in
    after = credentials.passwords.stored(facts(JAMAL).id)
    assert "m=512,t=2,p=1" in after.phc and after.changed_at == before.changed_at
    assert Visitor().sign_in(JAMAL.login, JAMAL.password).signed_in


def test_a_busy_moment_does_not_spoil_a_sign_in_that_renews_its_hash(cast, settings, monkeypatch):
    settings.MASSAR = production(MASSAR_MODE="test", MASSAR_PUBLIC_URL=None, MASSAR_DATA_KEYS=None,
                                 MASSAR_SECRET_KEY=None, MASSAR_ARGON2="512,2")  # fmt: skip

    def busy(*args, **kwargs):
        raise credentials.Busy

    monkeypatch.setattr(credentials.hashing, "hash_password", busy)
    assert Visitor().sign_in(JAMAL.login, JAMAL.password).signed_in


def test_the_cast_keeps_the_rules(cast):
    profile = policy.PROFILES["guide"]
    names = policy.Owner(login=JAMAL.login, names=facts(JAMAL).names, establishments=(), phones=(), emails=())
    assert policy.refusals(JAMAL.password, facts=names, profile=profile) == []
