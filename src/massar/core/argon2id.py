"""Argon2id (RFC 9106): version 1.3, one lane, 32 bytes; cost, salt and result in one `$argon2id$` string.

Two libraries give the same bytes. libsodium picks the machine's vector instructions at run time, and maps its memory
anew for each hash, for which the kernel takes a quarter to a third of the time where the host has no huge pages. The
reference library is here only where an operator has built it for the machine (docs/operate/run.md); it works in memory
that stays. Which one is faster lies with processor and host, so `massar serve` measures at its start (ADR 88)."""

import ctypes
import mmap
import multiprocessing
import re
import resource
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from hmac import compare_digest
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from nacl.bindings import crypto_pwhash_alg, crypto_pwhash_ALG_ARGON2ID13

from massar.core import ids

try:
    from _argon2_cffi_bindings import ffi, lib
except ImportError:  # the rule: no requirement of ours
    ffi = lib = None

Derive = Callable[[bytes, bytes, int, int], bytes]  # of password, salt, KiB of memory and passes

DIGEST = 32
USUAL = "libsodium"
WORTH_IT = 0.9  # of the usual library's time: what is hardly faster is not worth another library
_TRIES = 3
_VERSION = 0x13
_STRING = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,8}),t=([1-9][0-9]{0,8}),p=1\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})"
)


def make(password: str, *, memory_kib: int, passes: int) -> str:
    """The `$argon2id$` string of a password under a new salt."""
    salt = ids.salt()
    digest = _in_use[0](password.encode(), salt, memory_kib, passes)
    return f"$argon2id$v=19$m={memory_kib},t={passes},p=1${_text(salt)}${_text(digest)}"


def fits(password: str, phc: str) -> bool:
    """Whether the password belongs to a string that `make` made, or libsodium; whatever is typed, it costs one hash.
    Raises ValueError for another string."""
    if not (parts := _STRING.fullmatch(phc)):
        raise ValueError("no $argon2id$ string of one lane, 16 bytes of salt and 32 of result")
    memory_kib, passes, salt, digest = parts.groups()
    found = _in_use[0](password.encode(), _bytes(salt), int(memory_kib), int(passes))
    return compare_digest(found, _bytes(digest))


def _text(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4))


# The two libraries


def _by_libsodium(password: bytes, salt: bytes, memory_kib: int, passes: int) -> bytes:
    return crypto_pwhash_alg(DIGEST, password, salt, passes, memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13)


# By ctypes: cffi's own calls back stand in a page that is written and executed, which a service may be refused.
_LEND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t)
_TAKE_BACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t)


def _pointer(kind: str, call_back: Any) -> Any:
    return ffi.cast(kind, ctypes.cast(call_back, ctypes.c_void_p).value)


class _Reference:
    """libargon2, one hash at a time, in memory that stays: of its own the allocator would keep as much for each thread.
    The library wipes it after each hash, and no core dump holds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._memory: Any = None
        self._lend = _LEND(self._lent)
        self._take_back = _TAKE_BACK(lambda *_: None)

    def __call__(self, password: bytes, salt: bytes, memory_kib: int, passes: int) -> bytes:
        with self._lock:
            self._make_room(memory_kib * 1024)
            return self._derived(password, salt, memory_kib, passes)

    def _make_room(self, size: int) -> None:
        if self._memory is not None and len(self._memory) >= size:
            return
        room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # shared, a fork would write into it
        if hasattr(mmap, "MADV_DONTDUMP"):
            room.madvise(mmap.MADV_DONTDUMP)
        self._memory = ffi.from_buffer("uint8_t[]", room)

    def _lent(self, place: Any, size: int) -> int:
        if size <= len(self._memory):  # else the place stays empty, and the library says so
            place[0] = int(ffi.cast("uintptr_t", self._memory))
        return 0

    def _derived(self, password: bytes, salt: bytes, memory_kib: int, passes: int) -> bytes:
        result = ffi.new("uint8_t[]", DIGEST)
        fields = {
            "out": result, "outlen": DIGEST, "version": _VERSION, "t_cost": passes, "m_cost": memory_kib, "lanes": 1,
            "pwd": ffi.from_buffer("uint8_t[]", password), "pwdlen": len(password),
            "salt": ffi.from_buffer("uint8_t[]", salt), "saltlen": len(salt),
            "threads": 1, "allocate_cbk": _pointer("int(*)(uint8_t **, size_t)", self._lend),
            "free_cbk": _pointer("void(*)(uint8_t *, size_t)", self._take_back),
        }  # fmt: skip
        context = ffi.new("argon2_context *", fields)
        if fault := lib.argon2_ctx(context, lib.Argon2_id):
            raise RuntimeError(f"libargon2: {ffi.string(lib.argon2_error_message(fault)).decode()}")
        return bytes(ffi.buffer(result))


LIBRARIES: dict[str, Derive] = {USUAL: _by_libsodium}
if ffi:
    LIBRARIES["libargon2"] = _Reference()
_in_use: list[Derive] = [_by_libsodium]  # one, chosen at the start of the process


def use(name: str) -> None:
    """Hash by this library from now on. Raises KeyError where it is not here."""
    _in_use[0] = LIBRARIES[name]


# Which one is faster here


class Measured(NamedTuple):
    """Of one hash: milliseconds of CPU, and pages that the kernel had to map (4 KiB each, or huge)."""

    milliseconds: float
    page_faults: int


def measured(memory_kib: int, passes: int) -> dict[str, Measured]:
    """By library, the best of three. Each in a process of its own: what was built for another processor ends that
    process alone, and is left out."""
    found = {name: _apart(name, memory_kib, passes) for name in LIBRARIES}
    return {name: one for name, one in found.items() if one}


def fastest(found: Mapping[str, Measured]) -> str:
    """The library to use: the usual one, unless another takes less than nine tenths of its time."""
    others = [name for name in found if name != USUAL]
    best = min(others, key=lambda name: found[name].milliseconds, default=USUAL)
    if USUAL in found and found[best].milliseconds >= WORTH_IT * found[USUAL].milliseconds:
        return USUAL
    return best


def _apart(name: str, memory_kib: int, passes: int) -> Measured | None:
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe(duplex=False)
    child = fork.Process(target=_measure, args=(there, name, memory_kib, passes))
    child.start()
    there.close()
    try:
        return Measured(*here.recv())
    except EOFError:
        return None
    finally:
        here.close()
        child.join()


def _measure(told: "Connection[object, object]", name: str, memory_kib: int, passes: int) -> None:
    derive, times, faults = LIBRARIES[name], [], 0
    derive(b"", bytes(16), memory_kib, passes)  # not counted: the first one finds nothing in the caches
    for _ in range(_TRIES):
        began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        derive(b"nobody has this password", bytes(16), memory_kib, passes)
        times.append(time.process_time() - began)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    told.send((min(times) * 1000, faults))
