"""Fills the outbox with temporary passwords by SMS, by the product's own functions: asked for and answered, not sent.

    python -m bench.filling people FIRST LAST        (accounts FIRST … LAST-1, each with a proved phone)
    python -m bench.filling queue FIRST LAST         (one message to each of them)

All messages appear at once, by one commit, so that workers that wait begin together. Settings: those of the place.
"""

import sys

from django.db import transaction

from bench import load, people, seeding  # seeding sets Django up: before the imports of models
from massar.core import clock
from massar.core.browser import Browser
from massar.domain.delivery import api as delivery
from massar.journeys.account import recover_password

LANGUAGES = ("ar", "fr")


@transaction.atomic
def queue(numbers: range) -> None:
    for number in numbers:
        recover_password.ask(
            typed_login=people.login(number),
            channel="sms",
            typed_contact=people.phone(number),
            ask_id=load.form_number(number),
            browser=Browser(network=f"10.{number // 250 % 250}.{number % 250}.0", language=LANGUAGES[number % 2]),
            now=clock.now(),
        )
    outcomes = {
        recover_password.answer(claimed, now=clock.now())
        for claimed in delivery.requests.claim(len(numbers), now=clock.now())
    }
    if outcomes != {"sent"}:
        raise SystemExit(f"not every request led to a message: {outcomes}")


def main() -> None:
    what, numbers = sys.argv[1], range(*map(int, sys.argv[2:]))
    if what == "people":
        seeding.enter(numbers, lambda _: "phone")
    else:
        queue(numbers)


if __name__ == "__main__":
    main()
