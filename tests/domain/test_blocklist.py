"""The list of common passwords: what it refuses, how big and how fast it is, that it can be made again."""

import time

import pytest

from massar.domain.policy import api, blocklist, make_blocklist

NOBODY = api.Owner(login="", names=(), establishments=(), phones=())
COMMON = {
    "guide": "Maroc@202620 Massar@123456 Taalim#2025!! P@ssw0rd123! P@ssw0rd1234 Azerty@12345 "
    "مسار@2026مسار مسار@٢٠٢٦مسار Casablanca@2026 Education@2025 CASABLANCA@2026 C4s4bl4nc4@2026 "
    "Ｃasablanca@2026 abcd@1234abcd 2025@casablanca "
    "Wydad@123456789 Marrakech2024! aaaaaaaaaa1@",
    "nist": "motdepassemotdepasse 123456789012345 azertyazertyazerty qqqqqqqqqqqqqqq",
}


@pytest.mark.parametrize(("profile", "password"), [(p, one) for p, all_ in COMMON.items() for one in all_.split()])
def test_common_passwords_are_refused_with_their_reason(profile, password):
    found = api.refusals(password, facts=NOBODY, profile=api.PROFILES[profile])
    assert [refusal.id for refusal in found] == ["common"]


@pytest.mark.parametrize("password", ["Maroc@2026#!?..", "!!2026!!M4ss4r##", "#وزارة#20262026#", "motdepasse!!9183"])
def test_a_context_word_is_no_password_whatever_stands_around_it(password):
    assert blocklist.in_blocklist(password)


@pytest.mark.parametrize(
    "password", ["Vqk7#pLd92vR", "cheval bleu 42!", "Maroc-lampe-42!", "وردة-قمر-نهر-7", "", "@2026!"]
)
def test_other_passwords_are_not(password):
    assert not blocklist.in_blocklist(password)


def test_made_again_it_is_the_same_file(tmp_path):
    target = tmp_path / "again.bin"
    assert make_blocklist.main(target) == len(blocklist.entries()) >= 50_000
    assert target.read_bytes() == blocklist.FILE.read_bytes() and target.stat().st_size < 2_500_000


def test_look_up_takes_microseconds():
    blocklist.in_blocklist("warm")
    passwords = [f"Vqk7#pLd92vR{turn}" for turn in range(5000)]
    started = time.perf_counter()
    assert not any(map(blocklist.in_blocklist, passwords))
    each = (time.perf_counter() - started) / len(passwords)
    print(f"\nin_blocklist(): {each * 1e6:.1f} µs")
    assert each < 0.0005


def test_a_file_of_another_kind_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(blocklist, "FILE", tmp_path / "blocklist.bin")
    blocklist.FILE.write_bytes(b"nothing")
    blocklist.entries.cache_clear()
    with pytest.raises(OSError, match="make blocklist"):
        blocklist.in_blocklist("anything")
    blocklist.entries.cache_clear()
