"""Argon2id by two libraries: the bytes of a third one, memory that does not grow, a choice by what is measured."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from nacl import pwhash

from massar.core import argon2id
from massar.core.argon2id import LIBRARIES, USUAL, Measured
from massar.interfaces.commands import serve, web_process

ROOT = Path(__file__).resolve().parents[2]
BOTH = [USUAL, "libargon2"]
WORDS = ["", "Tamarin&6048-", "كلمة السر الطويلة", "x" * 200]


@pytest.fixture(autouse=True)
def _the_usual_afterwards():
    yield
    argon2id.use(USUAL)


def test_the_judge_of_these_tests_gives_the_vector_of_the_rfc():
    """RFC 9106 §5.3, by OpenSSL: of four lanes with a key, which is more than libsodium takes."""
    made = Argon2id(salt=b"\2" * 16, length=32, iterations=3, lanes=4, memory_cost=32, secret=b"\3" * 8, ad=b"\4" * 12)
    told = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    assert made.derive(b"\1" * 32).hex() == told


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(("memory_kib", "passes"), [(12288, 3), (8, 1), (1001, 2)])
def test_each_library_gives_the_bytes_of_openssl(name, memory_kib, passes):
    salt = bytes(range(16))
    for word in WORDS:
        judge = Argon2id(salt=salt, length=32, iterations=passes, lanes=1, memory_cost=memory_kib)
        assert LIBRARIES[name](word.encode(), salt, memory_kib, passes) == judge.derive(word.encode())


@pytest.mark.parametrize("name", BOTH)
def test_a_string_fits_whichever_library_made_it(name):
    argon2id.use(name)
    for word in WORDS:
        made = argon2id.make(word, memory_kib=64, passes=1)
        assert made != argon2id.make(word, memory_kib=64, passes=1)
        assert pwhash.verify(made.encode(), word.encode())
        Argon2id.verify_phc_encoded(word.encode(), made)
        theirs = pwhash.argon2id.str(word.encode(), opslimit=2, memlimit=100 * 1024).decode()
        for other in BOTH:
            argon2id.use(other)
            assert argon2id.fits(word, made) and not argon2id.fits(word + "y", made)
            assert argon2id.fits(word, theirs) and not argon2id.fits(word + "y", theirs)
        argon2id.use(name)


@pytest.mark.parametrize("phc", ["", "$argon2id$", "$argon2i$v=19$m=64,t=1,p=1$", "!", "$argon2id$v=19$m=64,t=1,p=2$"])
def test_another_string_is_nobodys_password(phc):
    with pytest.raises(ValueError, match=r"argon2id"):
        argon2id.fits("word", phc + "A" * 22 + "$" + "A" * 43)


def test_the_second_library_works_in_memory_that_stays_and_is_wiped():
    hash_by, room = LIBRARIES["libargon2"], 2048
    derive = lambda _: hash_by(b"word", bytes(16), room, 1)  # noqa: E731

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4

    with ThreadPoolExecutor(12) as pool:
        first = list(pool.map(derive, range(12)))
        before = resident()
        assert set(pool.map(derive, range(120))) == set(first)
        assert resident() - before < room / 2, "each thread keeps a room of its own"
    assert argon2id.measured(room, 1)["libargon2"].page_faults < room / 4 / 10
    assert not any(bytes(hash_by._memory))
    assert hash_by(b"word", bytes(16), 2 * room, 1) == LIBRARIES[USUAL](b"word", bytes(16), 2 * room, 1)  # it grows
    with pytest.raises(RuntimeError, match="libargon2: "):
        hash_by(b"word", bytes(16), 1, 1)


def test_a_build_for_another_processor_is_left_out(monkeypatch):
    monkeypatch.setitem(LIBRARIES, "libargon2", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    found = argon2id.measured(64, 1)
    assert [*found] == [USUAL] and argon2id.fastest(found) == USUAL


def test_both_work_where_a_service_may_make_no_code():
    """As under systemd's MemoryDenyWriteExecute=yes (prctl(2), PR_SET_MDWE)."""
    program = (
        "import ctypes, sys; refused = ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0\n"
        "from massar.core import argon2id; print(refused, *argon2id.measured(64, 1))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT / "src")
    assert done.stdout.split()[1:] == BOTH


def test_what_is_hardly_faster_is_not_taken():
    table = {89: "libargon2", 91: USUAL, 150: USUAL}
    for time, name in table.items():
        assert argon2id.fastest({USUAL: Measured(100, 3072), "libargon2": Measured(time, 0)}) == name
    assert argon2id.fastest({"libargon2": Measured(9, 0)}) == "libargon2"


def test_the_server_hashes_by_what_was_measured(monkeypatch, settings):
    settings.MASSAR = SimpleNamespace(argon2=SimpleNamespace(memory_kib=64, passes=1))
    asked = []
    found = {USUAL: Measured(13, 3072), "libargon2": Measured(9, 0)}
    monkeypatch.setattr(argon2id, "measured", lambda *cost: asked.append(cost) or found)
    assert serve._hashes_by() == "libargon2" and asked == [(64, 1)]
    monkeypatch.setattr(argon2id, "LIBRARIES", {USUAL: LIBRARIES[USUAL]})
    assert serve._hashes_by() == USUAL and len(asked) == 1  # with one library nothing is measured


def test_the_processes_of_the_server_take_the_library_that_it_names(monkeypatch):
    ours, theirs = os.pipe()
    os.close(theirs)
    monkeypatch.setattr(sys, "argv", ["web", "--socket", str(ours), "--processes", "1", "--argon2", "libargon2"])
    monkeypatch.setattr(web_process, "WebServer", lambda *_: SimpleNamespace(serve=lambda **_: None))
    monkeypatch.setattr(web_process, "multiprocessing", SimpleNamespace(set_start_method=lambda _: None))
    monkeypatch.setattr(web_process, "signal", SimpleNamespace(signal=lambda *_: None, SIGINT=0, SIG_DFL=0))
    monkeypatch.setattr(web_process, "socket", SimpleNamespace(socket=lambda fileno: os.close(fileno)))
    web_process.main()
    made = argon2id._in_use[0]
    assert made is LIBRARIES["libargon2"]
