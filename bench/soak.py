"""`make soak`: a day of strangers at one account, at a driven clock, while its owner comes every hour.

In one process, against the product's tables: strangers call the journeys from hundreds of networks, with scripts that
never tire, a wrong password or the owner's right contact at hand, and wait out every challenge. The owner is a browser
without scripts, through HTTP: she signs in where she is known, signs in on a new browser, and recovers. What is told is
how long each of her tries takes, in the product's time.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median_low
from typing import Any

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.support.settings")
if not apps.ready:
    django.setup()

from django.core.management import call_command
from django.db import connection
from django.test.utils import setup_test_environment

from bench import machine, place, report
from massar.core import clock as product_clock
from massar.core import ids
from massar.core.browser import Browser
from massar.domain.credentials.models import TemporaryPassword
from massar.domain.people import api as people
from massar.journeys.account import defend, recover_password, sign_in
from massar.journeys.outcomes import ChallengeRequired
from tests.cast import FATIMA, FATIMA_PHONE, enter
from tests.conftest import FrozenClock
from tests.support.faults import Arrival, PostOffice
from tests.support.visitor import TEMPORARY, Visitor  # type: ignore[attr-defined]

STEP = timedelta(seconds=5)
MOST = timedelta(minutes=2)  # of one try of the owner
GIVEN_UP = timedelta(minutes=15)
BEFORE = timedelta(minutes=2)  # a message that came so shortly before the ask serves too
PAGE = Path(__file__).resolve().parents[1] / "docs" / "security" / "soak.md"
MARKS = ("<!-- figures: begin (make soak) -->", "<!-- figures: end -->")
CODE, PASSWORD = "رمز متصفح جديد", "كلمة مرور مؤقتة"  # what the two messages call what they carry
ACTS = ("signs in on a known browser", "signs in on a new browser", "recovers on a new browser")


@dataclass(frozen=True)
class Load:
    """What strangers do in an hour, from so many networks; `accounts`: how many one password an hour is tried on."""

    wrong: float = 10_000
    asks: float = 2_000
    codes: float = 2_000
    accounts: int = 5_000
    networks: int = 500

    def scaled(self, by: float) -> Load:
        accounts = max(1, int(self.accounts * by))
        return replace(self, wrong=self.wrong * by, asks=self.asks * by, codes=self.codes * by, accounts=accounts)


class Soak:
    """One account besieged. `waits`: by act, how long each try of the owner took; `seen`: what strangers met."""

    def __init__(self, clock: FrozenClock, load: Load, *, step: timedelta = STEP):
        self.clock, self.load, self.step = clock, load, step
        enter(FATIMA, now=clock())
        for number in range(load.accounts):
            people.directory.create(login=_teacher(number), now=clock())
        self.post = PostOffice(clock, workers=1)
        self.password, self.known = FATIMA.password, Visitor().sign_in(FATIMA.login, FATIMA.password)
        self.waits: dict[str, list[timedelta]] = {act: [] for act in ACTS}
        self.seen: Counter[str] = Counter()
        self.owed: Counter[str] = Counter()
        self.numbers = itertools.count()
        self.fresh = (f"Tamarin&{number}-oued" for number in itertools.count(6000))
        self.later: list[tuple[datetime, int, Callable[[], Any]]] = []

    def run(self, hours: int, tell: Callable[[str], None]) -> None:
        """Each hour the owner comes three times, at moments that drift through the strangers' rhythm."""
        began = self.clock()
        acts = (self.sign_in_where_known, self.sign_in_anew, self.recover)
        for hour in range(hours):
            for number, (name, act) in enumerate(zip(ACTS, acts, strict=True)):
                self.let_pass_until(began + timedelta(hours=hour, minutes=6 + 18 * number, seconds=37 * hour % 720))
                asked_at = self.clock()
                act()
                self.waits[name].append(self.clock() - asked_at)
            worst = max(max(waits) for waits in self.waits.values())
            tell(
                f"hour {hour + 1} of {hours}: {self.seen['tries'] + self.seen['asks']} by strangers, worst wait {worst}"
            )
        self.let_pass_until(began + timedelta(hours=hours))

    # --- the owner, without scripts

    def sign_in_where_known(self) -> None:
        if self.known.signed_in:
            self.known.get("/").submit("/sign-out/")
        self._through(self.known.sign_in(FATIMA.login, self.password, solves=False))
        assert self.known.signed_in, "a known browser never waits"

    def sign_in_anew(self) -> None:
        """By the password, and where the page says to wait by the code that it offers."""
        browser = Visitor()
        self._through(browser.sign_in(FATIMA.login, self.password, solves=False))
        if not browser.signed_in:
            self.seen["new browsers that needed a code"] += 1
            assert 'href="/let-in/"' in browser.html, browser.html
            asked = self._through(
                browser.get("/let-in/").submit("/let-in/", user=FATIMA.login, channel="phone", phone=FATIMA.phone)
            )
            self._type_what_comes(asked, CODE, self._enter_code, "/sign-in/")
            self._through(browser.sign_in(FATIMA.login, self.password, solves=False))
        assert browser.signed_in, browser.html

    def recover(self) -> None:
        """The browser in which she recovers is the known one from then on."""
        browser = self._through(Visitor().ask(FATIMA.login, phone=FATIMA.phone))
        secret = self._type_what_comes(browser, PASSWORD, self._enter_temporary, "/password/expired/")
        self.password, self.known = next(self.fresh), browser
        assert browser.change(secret, self.password).signed_in, browser.html

    def _enter_code(self, browser: Visitor, code: str) -> None:
        browser.get("/let-in/code/?by=phone").submit("/let-in/code/", user=FATIMA.login, code=code)

    def _enter_temporary(self, browser: Visitor, secret: str) -> None:
        self._through(browser.sign_in(FATIMA.login, secret, solves=False))

    def _type_what_comes(self, browser: Visitor, kind: str, type_it: Callable[[Visitor, str], None], then: str) -> str:
        """Type what each message says until it opens the page `then`; return it. The same secret may come again."""
        since, typed = self.clock(), set()
        while self.clock() < since + GIVEN_UP:
            self.let_pass()
            for one in reversed(self._messages(since - BEFORE)):
                found = TEMPORARY.findall(one.message.text)
                if kind in one.message.text and found and (one.at, found[0]) not in typed:
                    typed.add((one.at, found[0]))
                    type_it(browser, found[0])
                    if browser.path == then:
                        return str(found[0])
        raise AssertionError(f"no message with {kind} served within {GIVEN_UP}")

    def _messages(self, since: datetime) -> list[Arrival]:
        """What came to the owner's phone since then, oldest first."""
        arrived = self.post.providers["sms"].arrived
        newest = itertools.takewhile(lambda one: one.at >= since, reversed(arrived))
        return [one for one in newest if one.message.to == FATIMA_PHONE][::-1]

    def _through(self, browser: Visitor) -> Visitor:
        """Wait out the page of a challenge, as often as it comes."""
        while browser.puzzle:
            wait = browser.page.headers["Retry-After"]  # type: ignore[attr-defined]
            ready = self.clock() + timedelta(seconds=int(wait))
            self.seen["challenges of the owner"] += 1
            self.let_pass_until(ready)
            browser.go_on()
        return browser

    # --- time, and the strangers in it

    def let_pass_until(self, moment: datetime) -> None:
        while self.clock() < moment:
            self.let_pass()

    def let_pass(self) -> None:
        """One step: what strangers do in it, and the worker's turns."""
        self.clock.advance(seconds=self.step.total_seconds())
        share = self.step / timedelta(hours=1)
        for what, an_hour in (("wrong", self.load.wrong), ("asks", self.load.asks), ("codes", self.load.codes),
                              ("sprayed", self.load.accounts)):  # fmt: skip
            self.owed[what] += an_hour * share  # type: ignore[assignment]
            while self.owed[what] >= 1:
                self.owed[what] -= 1
                self._strike(what, next(self.numbers))
        while self.later and self.later[0][0] <= self.clock():
            heapq.heappop(self.later)[2]()
        while self.post.workers[0].turn():
            pass

    def _strike(self, what: str, number: int) -> None:
        network = number % self.load.networks
        browser = Browser(network=f"10.{network // 250}.{network % 250}.0/24", recovery_browser=ids.token())
        if what == "wrong":
            self._guess(FATIMA.login, f"Wrong*{number}-word", browser)
        elif what == "sprayed":
            hour = int(self.clock().timestamp()) // 3600
            self._guess(_teacher(number % self.load.accounts), f"Maroc@{hour}-liberte", browser)
        else:
            self._ask("recovery" if what == "asks" else "vouching", browser)

    def _guess(self, login: str, password: str, browser: Browser, answer: defend.ChallengeAnswer | None = None) -> None:
        """A challenge is waited out, and the try comes back."""
        outcome = sign_in.enter(typed_login=login, password=password, browser=browser, now=self.clock(), answer=answer)
        self.seen["tries"] += answer is None
        self.seen[type(outcome).__name__] += 1
        if isinstance(outcome, ChallengeRequired):
            self._come_back(outcome, lambda given: self._guess(login, password, browser, given))

    def _ask(self, purpose: str, browser: Browser, answer: defend.ChallengeAnswer | None = None) -> None:
        """With the right name and the right contact."""
        outcome = recover_password.ask(
            typed_login=FATIMA.login, channel="phone", typed_contact=FATIMA_PHONE, ask_id=ids.token(), browser=browser,
            purpose=purpose, answer=answer, now=self.clock(),
        )  # fmt: skip
        self.seen["asks"] += answer is None
        if isinstance(outcome, ChallengeRequired):
            self._come_back(outcome, lambda given: self._ask(purpose, browser, given))

    def _come_back(self, met: ChallengeRequired, act: Callable[[defend.ChallengeAnswer], None]) -> None:
        given = defend.ChallengeAnswer(met.challenge, "")
        heapq.heappush(self.later, (met.until or met.challenge.ready_at, next(self.numbers), lambda: act(given)))

    # --- what is told

    def figures(self) -> str:
        rows = []
        for act, waits in self.waits.items():
            late = sum(one > MOST for one in waits)
            rows.append([act, str(len(waits)), str(late), _seconds(median_low(waits)), _seconds(max(waits))])
        owner = report.table("The owner", ["", "tries", "over two minutes", "median wait", "worst wait"], rows)
        sent = [one for one in self.post.providers["sms"].arrived if one.message.to == FATIMA_PHONE]
        met = {**self.seen, "SMS to the owner's phone": len(sent), "rows of secrets": TemporaryPassword.objects.count()}
        strangers = report.table("The strangers", ["", "number"], [[name, str(met[name])] for name in sorted(met)])
        return f"{owner}\n{strangers}"


def _teacher(number: int) -> str:
    return f"teacher.{number}@taalim.ma"


def _seconds(wait: timedelta) -> str:
    return f"{wait.total_seconds():.0f} s"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=int, default=24, help="of the product's clock")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the strangers' numbers")
    parser.add_argument("--postgres", action="store_true", help="on a throw-away PostgreSQL instead of SQLite")
    parser.add_argument("--write", action="store_true", help=f"put the figures into docs/security/{PAGE.name} too")
    asked = parser.parse_args()
    if asked.postgres and not os.environ.get("MASSAR_TEST_DATABASE_URL"):
        return _again_on_postgres()
    setup_test_environment(debug=False)
    call_command("migrate", verbosity=0)
    clock = FrozenClock(product_clock.now())
    product_clock.now = clock
    load, start = Load().scaled(asked.scale), time.monotonic()
    soak = Soak(clock, load)

    def tell(line: str) -> None:
        print(f"[{time.monotonic() - start:5.0f} s] {line}", file=sys.stderr, flush=True)

    facts = [*machine.described(connection.vendor), f"begun {machine.begun()}"]
    soak.run(asked.hours, tell)
    facts += _facts(asked.hours, load, time.monotonic() - start)
    text = "\n".join(f"* {fact}" for fact in facts) + "\n\n" + soak.figures()
    print(text)
    if asked.write:
        report.write(text, PAGE, MARKS)
    return int(any(wait > MOST for waits in soak.waits.values() for wait in waits))


def _again_on_postgres() -> int:
    with place.open_postgres() as (address, _):
        if address is None:
            print("no PostgreSQL server program was found (package postgresql)", file=sys.stderr)
            return 2
        command = [sys.executable, "-m", "bench.soak", *sys.argv[1:]]
        return subprocess.run(command, env={**os.environ, "MASSAR_TEST_DATABASE_URL": address}).returncode


def _facts(hours: int, load: Load, wall: float) -> list[str]:
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    return [
        f"{hours} hours of the product in {wall / 60:.0f} minutes "
        f"({(cpu.ru_utime + cpu.ru_stime) / 60:.0f} of the processor)",
        f"an hour: {load.wrong:.0f} wrong passwords, {load.asks:.0f} recoveries and {load.codes:.0f} codes asked for "
        f"with the right contact at one account; one password on {load.accounts} others; from {load.networks} networks",
    ]


if __name__ == "__main__":
    sys.exit(main())
