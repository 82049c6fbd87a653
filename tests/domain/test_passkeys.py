"""Passkeys without pages: what is asked, what is believed, and what a row that was moved opens."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from fido2.cose import ES384
from hypothesis import given
from hypothesis import strategies as st

from massar.domain.factors import api as factors
from massar.domain.factors.models import Factor, Passkey
from massar.domain.people import api as people
from tests.support.passkey_device import FLAG, Authenticator, eddsa, es256, rs256

NOW = datetime(2026, 2, 15, 1, 55, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ADD, SIGN_IN = ("add", 7), ("sign-in", "browser")
passkeys, webauthn = factors.passkeys, factors.webauthn


@pytest.fixture
def person(db) -> int:
    return people.directory.create(login="a.b@taalim.ma", now=NOW)


def new_challenge(*bound, now=NOW) -> bytes:
    return webauthn.challenge(*bound, now=now)


def made(device: Authenticator, person: int, *, bound=ADD, now=NOW):
    options = passkeys.creation_options(person, login="a.b@taalim.ma", name="A B", challenge=new_challenge(*bound))
    return webauthn.read_new(device.make(options), *ADD, now=now)


def keep(person: int, new, name="phone") -> bool:
    return passkeys.add(person, new, name=name, now=NOW)


def enrolled(person: int, **facts) -> Authenticator:
    device = Authenticator(**facts)
    assert keep(person, made(device, person))
    return device


def signed(device: Authenticator, *, bound=SIGN_IN, now=NOW, **whose):
    """The proof or the refusal for one signature, asked and given now."""
    options = passkeys.request_options(new_challenge(*bound, now=now))
    return passkeys.prove(device.get(options), *SIGN_IN, now=now, **whose)


def used(device: Authenticator, now: datetime):
    """Why a signature does not count; "" when it does."""
    proof = signed(device, now=now)
    refused = proof if isinstance(proof, factors.PasskeyMismatch) else passkeys.use(proof, now=now)
    return refused.why if refused else ""


def test_what_a_browser_is_asked(person):
    device, challenge = enrolled(person), new_challenge(*ADD)
    asked = json.loads(passkeys.creation_options(person, login="a.b@taalim.ma", name="A B", challenge=challenge))
    assert asked["rp"]["id"] == "localhost" and asked["attestation"] == "none"
    assert [one["alg"] for one in asked["pubKeyCredParams"]] == [-7, -8, -257]
    wanted = {"residentKey": "required", "requireResidentKey": True, "userVerification": "required"}
    assert asked["authenticatorSelection"] == wanted
    assert asked["excludeCredentials"] == [
        {"type": "public-key", "id": json.loads(device.get(passkeys.request_options(challenge)))["id"],
         "transports": ["hybrid", "internal"]}
    ]  # fmt: skip
    anybody = json.loads(passkeys.request_options(challenge))
    assert "allowCredentials" not in anybody and anybody["userVerification"] == "required"
    theirs = json.loads(passkeys.request_options(challenge, person_id=person))
    assert theirs["allowCredentials"] == asked["excludeCredentials"]


def test_the_handle_on_the_device_tells_nothing_of_the_person_and_is_one_for_all_their_passkeys(person):
    """WebAuthn §14.6.1. One handle: on one device a second passkey replaces the first, it does not stand beside it."""
    first, second = enrolled(person), enrolled(person)
    other = enrolled(people.directory.create(login="c.d@taalim.ma", now=NOW))
    assert first.user_handle == second.user_handle != other.user_handle and len(first.user_handle) == 32
    assert "a.b" not in repr(first.user_handle), "neither the name nor a part of it"


@pytest.mark.parametrize("kind", [es256, eddsa, rs256])
def test_a_passkey_proves_its_owner(person, kind):
    device = enrolled(person, kind=kind)
    proof = signed(device)
    assert (proof.person_id, proof.name) == (person, "phone")
    assert passkeys.use(proof, now=NOW) is None
    [factor] = factors.held.of_person(person)
    assert (factor.kind, factor.name, factor.used_at) == ("passkey", "phone", NOW)
    assert isinstance(signed(device, person_id=person, now=NOW + MINUTE), passkeys.Proof)
    assert signed(device, person_id=person + 1) == factors.PasskeyMismatch("refused", person, "phone")


def test_nothing_of_a_passkey_can_be_read_in_its_rows(person):
    device = enrolled(person)
    factor, row = Factor.objects.get(), Passkey.objects.get()
    stored = bytes(factor.secret_ciphertext) + row.credential_hmac.encode() + factor.uid.encode()
    for secret in (device.credential_id, device.credential_id.hex().encode(), device.key[-2], device.user_handle):
        assert secret not in stored


WRONG = {
    "another site": {"origin": "https://evil.example"},
    "a subdomain of ours": {"origin": "http://sub.localhost:8000"},
    "another port of ours": {"origin": "http://localhost:8001"},
    "our name without its port": {"origin": "http://localhost"},
    "another RP ID": {"rp_id": "evil.example"},
    "a frame of another origin": {"client": {"cross_origin": True}},
    "a page around ours": {"client": {"topOrigin": "https://evil.example"}},
    "nobody was there": {"flags": FLAG.UV},
    "nobody was verified": {"flags": FLAG.UP},
    "backed up, and can't be": {"flags": FLAG.UP | FLAG.UV | FLAG.BS},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_atk_030_an_answer_that_is_not_ours_is_refused_at_both_ceremonies(person, wrong):
    """The right one counts: so it is this one thing that is refused."""
    device = enrolled(person)
    assert made(Authenticator(**wrong), person) is None
    for name, value in wrong.items():
        setattr(device, name, value)
    assert signed(device) == factors.PasskeyMismatch("refused", person, "phone")
    for name in wrong:
        setattr(device, name, getattr(Authenticator(), name))
    assert used(device, NOW) == ""


def test_atk_030_the_key_the_handle_and_the_way_it_is_backed_up_must_be_those_of_the_row(person):
    device = enrolled(person)
    own = device.sign
    _, device.sign = es256()
    assert used(device, NOW) == "refused"
    device.sign, handle = own, device.user_handle
    for wrong in (b"somebody else's", None):
        device.user_handle = wrong
        assert used(device, NOW) == "refused"
    assert isinstance(signed(device, person_id=person), passkeys.Proof), "an old key names nobody; we have named one"
    device.user_handle = handle
    device.flags |= FLAG.BE
    assert used(device, NOW) == "refused", "what could not be copied can't be copied later"
    device.flags &= ~FLAG.BE
    assert used(device, NOW) == ""


def test_a_new_key_must_be_of_a_kind_that_was_asked_for(person):
    def es384():
        private = ec.generate_private_key(ec.SECP384R1())
        return ES384.from_cryptography_key(private.public_key()), None

    assert made(Authenticator(kind=es384), person) is None
    assert made(Authenticator(credential_id=b"x" * 1024), person) is None
    assert made(Authenticator(), person)


@pytest.mark.parametrize(("bound", "minutes", "why"), [
    (("sign-in", "another browser"), 0, "challenge"),
    (("step-up", "browser"), 0, "challenge"),
    (("sign-in", "browser", ""), 0, "challenge"),
    (("sign-inb", "rowser"), 0, "challenge"),
    (SIGN_IN, 5, ""),
    (SIGN_IN, 5.001, "late"),
])  # fmt: skip
def test_atk_030_a_challenge_is_for_one_browser_one_action_and_five_minutes(person, bound, minutes, why):
    device = enrolled(person)
    answer = device.get(passkeys.request_options(new_challenge(*bound)))
    proof = passkeys.prove(answer, *SIGN_IN, now=NOW + minutes * MINUTE)
    assert proof == factors.PasskeyMismatch(why) if why else isinstance(proof, passkeys.Proof)


def test_atk_030_a_challenge_that_was_not_made_here(person):
    device, genuine = enrolled(person), new_challenge(*SIGN_IN)
    later = (webauthn.made_at(genuine) + 10**9).to_bytes(8, "big") + genuine[8:]
    for forged in (b"x" * 16, b"x" * 72, genuine[:-1] + bytes([genuine[-1] ^ 1]), genuine + b"x", genuine[:40], later):
        answer = device.get(passkeys.request_options(forged))
        assert passkeys.prove(answer, *SIGN_IN, now=NOW) == factors.PasskeyMismatch("challenge")
    assert webauthn.read_new(Authenticator().make(
        passkeys.creation_options(person, login="a", name="b", challenge=genuine)), *ADD, now=NOW) is None  # fmt: skip


def test_atk_030_what_was_signed_counts_once(person):
    device = enrolled(person, step=0, flags=FLAG.UP | FLAG.UV | FLAG.BE | FLAG.BS)
    then = NOW + 2 * MINUTE
    challenges = [new_challenge(*SIGN_IN, now=NOW + n * MINUTE) for n in (0, 1)]
    older, answer = (device.get(passkeys.request_options(one)) for one in challenges)
    assert passkeys.use(passkeys.prove(answer, *SIGN_IN, now=then), now=then) is None
    for again in (answer, older):
        refused = passkeys.use(passkeys.prove(again, *SIGN_IN, now=then), now=then)
        assert refused == factors.PasskeyMismatch("replay", person, "phone")
    assert used(device, then) == "", "the next challenge is a new one"


def test_atk_030_a_counter_that_does_not_grow_is_a_copy(person):
    """Synced passkeys keep no counter: theirs is zero for good."""
    device = enrolled(person)
    assert used(device, NOW) == ""
    device.counter -= 1
    assert used(device, NOW + MINUTE) == "counter"
    device.counter = -1
    assert used(device, NOW + 2 * MINUTE) == "counter", "zero after a number is no new beginning"
    device.counter = 7
    assert used(device, NOW + 3 * MINUTE) == ""
    synced = enrolled(person, step=0, flags=FLAG.UP | FLAG.UV | FLAG.BE | FLAG.BS)
    assert [used(synced, NOW + n * MINUTE) for n in (4, 5)] == ["", ""]


def test_a_clock_that_was_ahead_leaves_no_challenge_and_keeps_nobody_out(person):
    """As ATK-148: a node was a day ahead for a while; what was asked and signed there is worth nothing now."""
    device, ahead = enrolled(person, step=0), NOW + timedelta(days=1)
    kept = device.get(passkeys.request_options(new_challenge(*SIGN_IN, now=ahead)))
    assert used(device, ahead) == ""
    assert passkeys.prove(kept, *SIGN_IN, now=NOW) == factors.PasskeyMismatch("late")
    assert used(device, NOW) == "" and used(device, NOW) == "replay"
    a_little = device.get(passkeys.request_options(new_challenge(*SIGN_IN, now=NOW + MINUTE)))
    assert isinstance(passkeys.prove(a_little, *SIGN_IN, now=NOW), passkeys.Proof), "clocks of two nodes differ"


def test_a_passkey_is_kept_once_and_never_comes_back(person):
    """What made a removed passkey is still in the browser's history of requests: sent again it makes nothing."""
    device = Authenticator()
    new = made(device, person)
    other = people.directory.create(login="c.d@taalim.ma", now=NOW)
    assert keep(person, new, "phone")
    assert not keep(person, new, "again") and not passkeys.add(other, new, name="mine", now=NOW)
    proof, [factor] = signed(device), factors.held.of_person(person)
    assert factors.held.remove(factor.id, person, now=NOW)
    assert passkeys.use(proof, now=NOW).why == "unknown", "it was removed while it was being verified"
    assert signed(device) == factors.PasskeyMismatch("unknown") and passkeys.of_person(person) == []
    assert not keep(person, new, "back")
    assert Factor.objects.filter(state="active").count() == 0


def test_atk_142_a_passkey_given_to_another_person_or_another_row_opens_nothing(person):
    device, other = enrolled(person), people.directory.create(login="c.d@taalim.ma", now=NOW)
    theirs = enrolled(other)
    mine, hers = Factor.objects.order_by("id")

    def refused(which: Authenticator) -> bool:
        return signed(which) == factors.PasskeyMismatch("unknown")

    Factor.objects.filter(pk=mine.pk).update(person_id=other)
    assert refused(device) and [one.id for one in passkeys.of_person(other)] == [hers.pk]
    Factor.objects.filter(pk=mine.pk).update(person_id=person)
    assert not refused(device)
    Factor.objects.filter(pk=hers.pk).update(secret_ciphertext=mine.secret_ciphertext)
    assert refused(theirs), "her row with my key"
    Factor.objects.filter(pk=hers.pk).update(secret_ciphertext=hers.secret_ciphertext)
    swapped = Passkey.objects.get(factor=mine).credential_hmac
    Passkey.objects.filter(factor=mine).delete()
    Passkey.objects.filter(factor=hers).update(credential_hmac=swapped)
    assert refused(device) and refused(theirs), "my device led to her row"


HONEST = st.sampled_from(["make", "get"])


@given(which=HONEST, at=st.integers(0, 2000), instead=st.text(max_size=3), length=st.integers(0, 40))
def test_whatever_is_posted_is_an_answer_or_a_refusal(which, at, instead, length):
    """A piece of an honest answer taken out or replaced: never an exception, and believed only where what was signed is
    still as it was."""
    device, challenge = Authenticator(), new_challenge(*ADD)
    options = webauthn.creation_options(user_handle=b"h" * 32, login="a", name="b", held=[], challenge=challenge)
    honest = device.make(options)
    credential = webauthn.read_new(honest, *ADD, now=NOW).credential
    if which == "get":
        honest = device.get(webauthn.request_options(challenge=challenge))
    at %= len(honest)
    answer = honest[:at] + instead + honest[at + length :]
    if which == "make":
        webauthn.read_new(answer, *ADD, now=NOW)
        return
    found, whole = webauthn.read_assertion(answer), webauthn.read_assertion(honest)
    assert webauthn.verify(whole, credential)
    assert found is None or not webauthn.verify(found, credential) or what_was_signed(found) == what_was_signed(whole)


def what_was_signed(answer) -> tuple[bytes, bytes]:
    return bytes(answer.data), bytes(answer.response.response.client_data)


@pytest.mark.parametrize("posted", ["", "null", "[]", "7", '"x"', "{}", '{"response": 7}', "{" * 5000, "x" * 9000])
def test_what_is_no_answer_at_all(posted):
    assert webauthn.read_assertion(posted) is None and webauthn.read_new(posted, *ADD, now=NOW) is None


@pytest.mark.parametrize(("address", "possible"), [
    ("http://localhost:8000", True), ("https://compte.example.ma", True), ("http://127.0.0.1:8000", False),
    ("https://192.0.2.7", False), ("http://[::1]:8000", False), ("http://compte.example.ma", False),
])  # fmt: skip
def test_where_browsers_make_passkeys(monkeypatch, address, possible):
    monkeypatch.setattr(settings, "MASSAR", replace(settings.MASSAR, public_url=address))
    assert webauthn.possible() is possible


@pytest.mark.parametrize("address", ["https://Compte.Example.MA", "https://compte.example.ma:443"])
def test_the_origin_is_spelt_as_browsers_spell_it(person, monkeypatch, address):
    monkeypatch.setattr(settings, "MASSAR", replace(settings.MASSAR, public_url=address))
    device = Authenticator(origin="https://compte.example.ma")
    assert keep(person, made(device, person)) and used(device, NOW) == ""
