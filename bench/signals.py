"""Does time tell who has an account, and in what state? Every place that answers before it knows who asks.

    python -m bench.signals [--only PART …] [--quick] [--write]

Kinds of tries that must not be told apart are shuffled together in small blocks on one warm connection, so that slow
minutes strike all alike. What is told is how well an observer beside the server tells two kinds apart by time (`auc`).
Bytes are compared too: another status, another header or a longer page ends the run. How many samples are taken
depends on nothing that is measured; there is no "once more".
"""

import argparse
import contextlib
import gc
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.utils import sha256, websafe_encode
from fido2.webauthn import AuthenticatorData, CollectedClientData

from bench import auc, load, machine, people, place, report, tokens
from bench.client import Answer, Browser
from bench.people import ASKER, Cast, credential_id

PAGE = Path(__file__).resolve().parents[1] / "docs" / "security" / "signals.md"
MARKS = ("<!-- figures: begin (bench.signals, {}) -->", "<!-- figures: end ({}) -->")
AIM = (0.45, 0.55)
# With MOST samples an interval is 0.041 wide where nothing is to be seen, and one of two hundred reaches beyond the aim
# by chance. With LEAST it is 0.051 wide, and one of twenty does.
MOST, LEAST, QUICK = 1500, 1000, 40
LIVE = 500
WARM = 4  # rounds that are not counted
BLOCK = 5  # rounds that are shuffled together
HEADS = ["", "AUC", "95 % interval", "CPU: AUC", "95 % interval", "samples of each", "p50 ms", "p50 ms"]
WRONG_CODE = "zzzzz-99999"
COOKIE = "__Host-massar-{}"
START = time.monotonic()

Ask = Callable[[Browser, int], Answer]


class Scene(NamedTuple):
    """Tries that are answered with the same page. `kinds`: by name; `pairs`: of the names that are compared."""

    title: str
    path: str
    status: int
    kinds: dict[str, Ask]
    pairs: list[tuple[str, str]]


def say(what: str) -> None:
    print(f"[{time.monotonic() - START:4.0f} s] {what}", file=sys.stderr, flush=True)


# What is tried -------------------------------------------------------------------------------------------------------


def _as_stranger(browser: Browser, number: int, **cookies: str) -> None:
    """A browser that has the form and nothing else, in one of two thousand networks: none fails often."""
    browser.as_with_form()
    browser.jar |= {COOKIE.format(name): value for name, value in cookies.items()}
    browser.address = f"10.{200 + number // 250 % 8}.{number % 250}.9"


def _invented(number: int) -> str:
    """A name that somebody has, in a domain that nobody has."""
    return people.login(number).replace("@taalim.ma", "@taalim.mx")


def _password(login: Callable[[int], str]) -> Ask:
    """No password at many accounts: that would be a spray."""

    def ask(browser: Browser, number: int) -> Answer:
        _as_stranger(browser, number)
        return load.post_sign_in(browser, login(number), f"{people.WRONG_PASSWORD}-{number}")

    return ask


def _code(login: Callable[[int], str]) -> Ask:
    def ask(browser: Browser, number: int) -> Answer:
        _as_stranger(browser, number)
        return load.post_sign_in(browser, login(number), WRONG_CODE)

    return ask


def _vouching_code(login: Callable[[int], str]) -> Ask:
    def ask(browser: Browser, number: int) -> Answer:
        _as_stranger(browser, number, asked=ASKER)
        return browser.post("/let-in/code/", {"user": login(number), "code": WRONG_CODE})

    return ask


def _contact(path: str, login: Callable[[int], str], contact: Callable[[int], int]) -> Ask:
    """Asks for a secret; `contact`: whose number or address is typed (even: an address)."""

    def ask(browser: Browser, number: int) -> Answer:
        _as_stranger(browser, number)
        whose = contact(number)
        typed = {"channel": "email", "email": people.email(whose), "phone": ""}
        if whose % 2:
            typed = {"channel": "phone", "email": "", "phone": people.phone(whose)}
        return browser.post(path, {"user": login(number), **typed, "ask_id": load.form_number(number)})

    return ask


def _passkey(named: Callable[[int], bytes]) -> Ask:
    """An answer of a device that is not the owner's, with the id of a passkey that somebody has, or nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV

    def ask(browser: Browser, number: int) -> Answer:
        _as_stranger(browser, number)
        asked, name = json.loads(browser.passkey_options), websafe_encode(named(number))
        client = CollectedClientData.create("webauthn.get", asked["challenge"], f"https://{place.HOST}")
        data = AuthenticatorData.create(sha256(asked["rpId"].encode()), flags, 1)
        signature = key.sign(data + sha256(client), ec.ECDSA(SHA256()))
        said = {"clientDataJSON": client, "authenticatorData": data, "signature": signature, "userHandle": bytes(32)}
        response = {part: websafe_encode(value) for part, value in said.items()}
        answer = {"id": name, "rawId": name, "type": "public-key", "response": response}
        return browser.post("/sign-in/passkey/", {"answer": json.dumps(answer), "name": ""})

    return ask


def _forged(path: str, person_id: Callable[[int], int]) -> Ask:
    """The page of a half-done sign-in, with a cookie that names a person and was never given."""

    def ask(browser: Browser, number: int) -> Answer:
        _as_stranger(browser, number, second=f"{person_id(number):05d}.{load.form_number(number)}")
        return browser.get(path)

    return ask


def _forged_link(loss_id: Callable[[int], int], person_id: Callable[[int], int]) -> Ask:
    """The page that stops the wait of a lost factor, with a signature that is none."""

    def ask(browser: Browser, number: int) -> Answer:
        _as_stranger(browser, number)
        return browser.get(f"/factors/keep/{loss_id(number):09d}-{person_id(number):09d}-{'0' * 64}/")

    return ask


def _named_by_site(login: Callable[[int], str]) -> Ask:
    """The sign-in page, where passkeys are asked for, after a site has said who is to sign in."""
    wanted = {
        "response_type": "code",
        "client_id": "bench_es256",
        "redirect_uri": tokens.CALLBACK.format(slug="bench_es256"),
        "scope": "openid",
        "state": "s" * 20,
        "nonce": "n" * 20,
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
    }

    def ask(browser: Browser, number: int) -> Answer:
        _as_stranger(browser, number)
        browser.get(f"/authorize?{urlencode({**wanted, 'login_hint': login(number)})}")
        return browser.get("/sign-in/")

    return ask


class Tried(NamedTuple):
    """`ids`: of the persons of the cast by number; `first_loss`: the id of the first loss that waits."""

    cast: Cast
    ids: list[int]
    first_loss: int

    def known(self, which: Callable[[int], int]) -> Callable[[int], str]:
        return lambda number: people.login(which(number))

    def id(self, which: Callable[[int], int]) -> Callable[[int], int]:
        return lambda number: self.ids[which(number)]

    def with_hash(self) -> list[Scene]:
        return [self._sign_in()]

    def without_hash(self) -> list[Scene]:
        return [self._vouching_codes(), *self._passkeys(), *self._second_steps(), *self._asking()]

    def few(self, number: int) -> int:
        """As often the same one as those who have a secret alive."""
        return number % self.cast.live

    def _sign_in(self) -> Scene:
        cast, known = self.cast, self.known
        kinds = {
            "unknown": _password(people.nobody),
            "known": _password(known(cast.plain)),
            "its name, an invented domain": _password(lambda number: _invented(cast.plain(number))),
            "frozen": _password(known(cast.frozen)),
            "code, unknown": _code(lambda number: people.nobody(self.few(number))),
            "code, none alive": _code(known(self.few)),
            "code, a temporary password alive": _code(known(cast.temporary)),
            "code, a vouching code alive": _code(known(cast.vouched)),
        }
        passwords, codes = list(kinds)[:4], list(kinds)[4:]
        pairs = [(one, "unknown") for one in passwords[1:]] + [("known", passwords[2])]
        pairs += [(one, "code, unknown") for one in codes[1:]] + [(one, codes[1]) for one in codes[2:]]
        return Scene("Sign-in", "/sign-in/", 422, kinds, [*pairs, CONTROL])

    def _vouching_codes(self) -> Scene:
        known = self.known
        kinds = {
            "unknown": _vouching_code(lambda number: people.nobody(self.few(number))),
            "none alive": _vouching_code(known(self.few)),
            "one alive, asked for here": _vouching_code(known(self.cast.vouched)),
            "a temporary password alive": _vouching_code(known(self.cast.temporary)),
        }
        first, *others = kinds
        pairs = [(one, first) for one in others] + [(others[1], others[0])]
        return Scene("Wrong code to let a browser in", "/let-in/code/", 422, kinds, pairs)

    def _passkeys(self) -> list[Scene]:
        cast, known = self.cast, self.known
        named = {
            "unknown": _named_by_site(people.nobody),
            "without a passkey": _named_by_site(known(cast.plain)),
            "with a passkey": _named_by_site(known(cast.with_passkey)),
        }
        first, *others = named
        pairs = [(one, first) for one in others] + [(others[1], others[0])]
        answers = {
            "somebody's passkey": _passkey(lambda number: credential_id(cast.with_passkey(number))),
            "nobody's passkey": _passkey(lambda number: credential_id(-1 - number)),
        }
        start = Scene("Sign-in page, a site has named the account", "/sign-in/", 200, named, pairs)
        two = (next(iter(answers)), list(answers)[1])
        return [start, Scene("Passkey that does not fit", "/sign-in/", 422, answers, [two])]

    def _second_steps(self) -> list[Scene]:
        cast, scenes = self.cast, []
        for title, path in (("Second step", "/sign-in/second/"), ("Lost factor", "/sign-in/second/lost/")):
            kinds = {
                "half-done sign-in": _forged(path, self.id(cast.with_passkey)),
                "known": _forged(path, self.id(cast.plain)),
                "unknown": _forged(path, lambda number: 90_000 + number),
            }
            first, second, third = kinds
            pairs = [(first, second), (first, third), (second, third)]
            scenes.append(Scene(f"{title}, made-up cookie", "/sign-in/", 303, kinds, pairs))
        loss = lambda number: self.first_loss + number  # noqa: E731
        links = {
            "its loss waits": _forged_link(loss, self.id(cast.with_passkey)),
            "none waits": _forged_link(loss, self.id(cast.plain)),
        }
        pair = (next(iter(links)), list(links)[1])
        return [*scenes, Scene("Lost factor, made-up link", "/sign-in/", 200, links, [pair])]

    def _asking(self) -> list[Scene]:
        """The last scenes: they leave secrets alive."""
        cast, known, scenes = self.cast, self.known, []
        nobodys = lambda number: 50_000 + number  # noqa: E731
        for title, path in (("Recovery asked for", "/recovery/"), ("Vouching asked for", "/let-in/")):
            kinds = {
                "right contact": _contact(path, known(cast.plain), cast.plain),
                "wrong contact": _contact(path, known(cast.plain), nobodys),
                "without a contact": _contact(path, known(cast.without_contact), nobodys),
                "unknown": _contact(path, people.nobody, nobodys),
            }
            right, wrong, without, unknown = kinds
            pairs = [(right, wrong), (right, without), (right, unknown), (wrong, unknown), (without, unknown)]
            scenes.append(Scene(title, path, 303, kinds, pairs))
        return scenes


CONTROL = ("known", "code, none alive")  # what was typed differs: the measurement must see it

# Measuring -----------------------------------------------------------------------------------------------------------


class Sample(NamedTuple):
    """Seconds until the answer was there, and nanoseconds of CPU that the server took for it."""

    seconds: float
    cpu: float


def measure(scene: Scene, server: place.Program, samples: int, *, minutes: float) -> tuple[list[list[str]], list[bool]]:
    """The rows under HEADS, and for each but the control whether its interval lies within the aim. After so many
    minutes LEAST samples are enough."""
    end = time.monotonic() + 60 * minutes
    chance, browser = random.Random(20261123), Browser(server.port)
    processes = machine.family(server.pid)
    taken: dict[str, list[Sample]] = {name: [] for name in scene.kinds}
    looks: dict[str, set[tuple[object, ...]]] = {name: set() for name in scene.kinds}
    gc.freeze()
    order = [*range(samples, samples + WARM), *range(samples)]
    for start in range(0, len(order), BLOCK):
        if start >= LEAST + WARM and time.monotonic() > end:
            break
        browser.jar = {}
        browser.get(scene.path)
        browser.remember_form()
        block = [(number, name) for number in order[start : start + BLOCK] for name in scene.kinds]
        chance.shuffle(block)
        for number, name in block:
            before = machine.cpu_nanoseconds(processes)
            answer = scene.kinds[name](browser, number)
            cpu = machine.cpu_nanoseconds(processes) - before
            if answer.status != scene.status:
                raise SystemExit(f"{scene.title}, {name}: answered with {answer.status} for the {number}th")
            if number < samples:
                taken[name].append(Sample(answer.seconds, cpu))
                looks[name].add((answer.size, *(key for key, _ in answer.headers)))
    _same_looks(scene, looks)
    return _rows(scene, taken)


def _same_looks(scene: Scene, looks: dict[str, set[tuple[object, ...]]]) -> None:
    """Sizes and headers, of all kinds the same ones."""
    first, *others = looks
    for other in others:
        if looks[other] != looks[first]:
            told = [looks[first] - looks[other], looks[other] - looks[first]]
            raise SystemExit(f"{scene.title}: {first!r} and {other!r} are told apart by bytes: {told}")


def _rows(scene: Scene, taken: dict[str, list[Sample]]) -> tuple[list[list[str]], list[bool]]:
    rows, within = [], []
    for pair in scene.pairs:
        by_time = auc.compare(*([one.seconds for one in taken[kind]] for kind in pair))
        by_cpu = auc.compare(*([one.cpu for one in taken[kind]] for kind in pair))
        name = f"{scene.title}: {' – '.join(pair)}"
        if pair == CONTROL:
            name = f"{name} (control)"
        else:
            within.append(by_time.within(*AIM))
        medians = (f"{1000 * median(one.seconds for one in taken[kind]):.2f}" for kind in pair)
        rows.append([name, *_shown(by_time), *_shown(by_cpu), str(len(taken[pair[0]])), *medians])
    return rows, within


def _shown(found: auc.Auc) -> list[str]:
    return [f"{found.value:.3f}", f"{found.low:.3f} – {found.high:.3f}"]


# Places --------------------------------------------------------------------------------------------------------------

DELAY = ("commit_delay=5000", "commit_siblings=0")  # µs; 0: also where nobody else is committing


class Part(NamedTuple):
    """What is measured in a database of its own. `options`: of PostgreSQL; None: SQLite."""

    title: str
    options: tuple[str, ...] | None
    scenes: Callable[[Tried], list[Scene]]


PARTS = {
    "sqlite-sign-in": Part("SQLite: sign-in", None, Tried.with_hash),
    "sqlite-pages": Part("SQLite: other pages", None, Tried.without_hash),
    "postgres-sign-in": Part("PostgreSQL: sign-in", (), Tried.with_hash),
    "postgres-pages": Part("PostgreSQL: other pages", (), Tried.without_hash),
    "commit-delay": Part("PostgreSQL with a commit_delay of 5 ms: sign-in", DELAY, Tried.with_hash),
}


@contextlib.contextmanager
def _standing(part: Part, cast: Cast) -> Iterator[tuple[str, place.Program, Tried]]:
    """The cast in a database of its own, the server before it and a worker beside; yields (version, server, …)."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="massar-signals-")))
        stack.enter_context(machine.on_core(machine.OTHER_CORE))
        sink = stack.enter_context(place.open_sink(folder))
        address, version = "", "SQLite"
        if part.options is not None:
            found, version = stack.enter_context(place.open_postgres(*part.options))
            if found is None:
                raise SystemExit("no PostgreSQL server program was found (package postgresql)")
            address = found
        one = place.furnish("signals", folder, address, sink, tokens.sites_file(folder))
        told = json.loads(one.run("-m", "bench.signal_people", str(cast.size), str(cast.live)))
        server = stack.enter_context(one.serving(["-m", "massar", "serve", "--host", "127.0.0.1", "--processes", "1"]))
        stack.enter_context(one.working(machine.OTHER_CORE))
        end = time.monotonic() + 600
        while not cast.waited_for <= sink.arrivals().keys():
            if time.monotonic() > end:
                raise SystemExit("the secrets that are to be alive were not all handed over")
            time.sleep(0.5)
        yield version, server, Tried(cast, **told)


def _measured(which: str, quick: bool, minutes: float) -> tuple[str, bool]:
    """The section of one part, and whether every interval lies within the aim."""
    most = QUICK if quick else MOST
    cast = Cast(most + WARM, min(LIVE, most))
    rows, within, loads, begun = [], [], [os.getloadavg()[0]], machine.begun()
    part, start = PARTS[which], time.monotonic()
    say(f"{part.title}: people")
    with _standing(part, cast) as (version, server, tried):
        facts = machine.described(version)
        os.sched_setaffinity(0, {machine.OTHER_CORE})
        for scene in part.scenes(tried):
            say(f"{which}: {scene.title}")
            more, good = measure(scene, server, most, minutes=minutes)
            rows += more
            within += good
            loads.append(os.getloadavg()[0])
            for row in more:
                say(" | ".join(row))
    took = (time.monotonic() - start) / 60
    facts += [
        f"begun {begun}; {took:.0f} minutes",
        f"load average of the machine meanwhile (a minute's, after each page): {min(loads):.1f} to {max(loads):.1f}",
        f"intervals within {AIM[0]} to {AIM[1]}: {sum(within)} of {len(within)}",
    ]
    text = "\n".join(f"* {fact}" for fact in facts)
    return f"{text}\n\n{report.table(part.title, HEADS, rows)}", all(within)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.signals", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts alone")
    parser.add_argument("--quick", action="store_true", help="few samples, to see whether everything works")
    parser.add_argument(
        "--minutes", type=float, default=60, help=f"for one page; after them {LEAST} samples of {MOST} are enough"
    )
    parser.add_argument("--write", action="store_true", help=f"put the figures into docs/security/{PAGE.name} too")
    asked = parser.parse_args()
    problem = machine.fit_for_this()
    if problem or (asked.quick and asked.write):
        print(problem or "what few samples show is not written down", file=sys.stderr)
        return 2
    place.forget_settings()
    good = True
    for which in asked.only:
        text, within = _measured(which, asked.quick, asked.minutes)
        good = good and within
        print(text)
        if asked.write:
            begin, end = (mark.format(which) for mark in MARKS)
            report.write(text, PAGE, (begin, end))
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
