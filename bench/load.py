"""The crowd, in a process of its own: many browsers at once on one server. Prints one JSON object.

    python -m bench.load KIND PORT --seconds S --browsers B --people FROM:TO

KIND  sign_in    right passwords, each by a browser that has the form and no account yet (page fetched once)
      visit      page, sign-in, home: all three for each person
      recovery   right contacts asked for on the recovery page, each person once
      home       the home page of people who are signed in
"""

import argparse
import gc
import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import NotRequired, TypedDict

from bench import people
from bench.client import Answer, Browser

Prepare = Callable[[Browser, int], None]
Step = Callable[[Browser, int], float | None]


class Found(TypedDict):
    """What a crowd measured: how long it took, the seconds of each success, how many failed; `cpu`: of the server."""

    seconds: float
    times: list[float]
    bad: int
    cpu: NotRequired[float]


class Crowd:
    """`step(browser, number)` is repeated by every browser until time or people run out."""

    def __init__(self, port: int, first: int, last: int, *, endless: bool = True):
        self.port, self.bad = port, 0
        whole = range(first, last)
        self._numbers = itertools.cycle(whole) if endless else iter(whole)
        self._lock = threading.Lock()
        self.times: list[float] = []

    def run(self, browsers: int, seconds: float, prepare: Prepare, step: Step) -> Found:
        """Every browser prepares itself; then all start together. Times are those of successes."""
        ready = [Browser(self.port, f"198.51.{100 + index}.7") for index in range(browsers)]
        for index, browser in enumerate(ready):
            prepare(browser, index)
        start = time.perf_counter()
        threads = [threading.Thread(target=self._repeat, args=(b, step, start + seconds)) for b in ready]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"seconds": time.perf_counter() - start, "times": self.times, "bad": self.bad}

    def _repeat(self, browser: Browser, step: Step, end: float) -> None:
        while time.perf_counter() < end:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            taken = step(browser, number)
            with self._lock:
                if taken is None:
                    self.bad += 1
                else:
                    self.times.append(taken)


def fetch_form(browser: Browser, index: int) -> None:
    browser.get("/sign-in/")
    browser.remember_form()


def sign_in(browser: Browser, number: int) -> float | None:
    browser.as_with_form()
    answer = post_sign_in(browser, people.login(number), people.password(number))
    signed_in = any(name.endswith("session") for name in browser.jar)
    return answer.seconds if answer.status == 303 and signed_in else None


def post_sign_in(browser: Browser, login: str, password: str) -> Answer:
    return browser.post("/sign-in/", {"user": login, "password": password})


def visit(browser: Browser, number: int) -> float | None:
    browser.jar = {}
    page = browser.get("/sign-in/")
    browser.remember_form()
    taken, after = sign_in(browser, number), home(browser, number)
    return page.seconds + taken + after if taken and after else None


def fetch_recovery_form(browser: Browser, index: int) -> None:
    browser.get("/recovery/")
    browser.remember_form()


def recovery(browser: Browser, number: int) -> float | None:
    answer = ask(browser, people.login(number), number, number)
    return answer.seconds if answer.status == 303 else None


def ask(browser: Browser, login: str, contact: int, network: int) -> Answer:
    """Asks with the contact of person `contact`: people of even number have an e-mail, the others a phone."""
    browser.as_with_form()
    browser.address = f"10.{network // 250 % 250}.{network % 250}.9"
    typed = {"channel": "email", "email": people.email(contact), "phone": ""}
    if contact % 2:
        typed = {"channel": "phone", "email": "", "phone": people.phone(contact)}
    return browser.post("/recovery/", {"user": login, **typed, "ask_id": form_number(contact)})


def form_number(number: int) -> str:
    """In the shape of the forms' own numbers (43 signs), a different one for each call and process."""
    return f"{time.monotonic_ns():020d}{number:023d}"


def enter_first(browser: Browser, index: int) -> None:
    fetch_form(browser, index)
    if sign_in(browser, index) is None:
        raise SystemExit("the reader could not sign in")


def home(browser: Browser, number: int) -> float | None:
    answer = browser.get("/")
    return answer.seconds if answer.status == 200 else None


KINDS: dict[str, tuple[Prepare, Step]] = {
    "sign_in": (fetch_form, sign_in),
    "visit": (fetch_form, visit),
    "recovery": (fetch_recovery_form, recovery),
    "home": (enter_first, home),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.load")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--browsers", type=int, default=16)
    parser.add_argument("--people", required=True)
    asked = parser.parse_args()
    first, last = map(int, asked.people.split(":"))
    gc.freeze()
    crowd = Crowd(asked.port, first, last, endless=asked.kind != "recovery")
    print(json.dumps(crowd.run(asked.browsers, asked.seconds, *KINDS[asked.kind])))


if __name__ == "__main__":
    main()
