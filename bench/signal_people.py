"""The people whom `bench.signals` tries (`people.Cast`), as a program in the settings of the place.

python -m bench.signal_people SIZE LIVE        (prints ids as JSON)
"""

import json
import sys
from collections.abc import Callable
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction
from fido2.cose import ES256
from fido2.webauthn import Aaguid, AttestedCredentialData

from bench import load, people, seeding  # seeding sets Django up: before the imports of models
from massar.core import clock
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.factors import api as factors
from massar.domain.factors.models import Loss
from massar.domain.people import api as domain_people
from massar.domain.people.models import Person
from massar.domain.sessions import api as sessions
from massar.journeys.account import recover_password

WAIT = timedelta(hours=72)


def _kind_of(cast: people.Cast) -> Callable[[int], str]:
    """Contacts for those alone who are asked about them: proving one costs ten statements."""
    having = {*range(cast.size), *range(cast.temporary(0), cast.everybody.stop)}
    return lambda number: "" if number not in having else "phone" if number % 2 else "email"


@transaction.atomic
def _make_differences(cast: people.Cast, ids: dict[int, int]) -> int:
    """Freeze, add passkeys, half-done sign-ins and losses that wait; return the id of the first loss."""
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    key = ES256({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
    now = clock.now()
    losses = []
    for number in range(cast.size):
        domain_people.directory.freeze(ids[cast.frozen(number)], now=now)
        owner = ids[cast.with_passkey(number)]
        credential = AttestedCredentialData.create(Aaguid.NONE, people.credential_id(cast.with_passkey(number)), key)
        made = factors.webauthn.NewPasskey(credential, ("internal",), 1, False, False)
        factors.passkeys.add(owner, made, name="", now=now)
        sessions.pending.open_for(owner, now=now)
        losses.append(Loss(person_id=owner, contact_id=0, asked_at=now, code_expires_at=now, ends_at=now + WAIT))
        losses[-1].state = Loss.State.WAITING
    return Loss.objects.bulk_create(losses)[0].pk


def _ask_for_secrets(cast: people.Cast) -> None:
    """By the product's own functions; the worker delivers what they put into the outbox."""
    purposes = {credentials.temporary.RECOVERY: cast.temporary, credentials.temporary.VOUCHING: cast.vouched}
    for purpose, numbered in purposes.items():
        for number in map(numbered, range(cast.live)):
            recover_password.ask(
                typed_login=people.login(number),
                channel="sms" if number % 2 else "email",
                typed_contact=people.phone(number) if number % 2 else people.email(number),
                ask_id=load.form_number(number),
                browser=Browser(network=f"10.99.{number % 250}.0/24", language="ar", recovery_browser=people.ASKER),
                purpose=purpose,
                now=clock.now(),
            )
    claimed = delivery.requests.claim(2 * cast.live, now=clock.now())
    outcomes = {recover_password.answer(one, now=clock.now()) for one in claimed}
    if len(claimed) != 2 * cast.live or outcomes != {"sent"}:
        raise SystemExit(f"not every request led to a message: {len(claimed)}, {outcomes}")


def main() -> None:
    cast = people.Cast(*map(int, sys.argv[1:]))
    seeding.enter(cast.everybody, _kind_of(cast))
    found = dict(Person.objects.values_list("login", "pk"))
    ids = {number: found[people.login(number)] for number in cast.everybody}
    first_loss = _make_differences(cast, ids)
    _ask_for_secrets(cast)
    print(json.dumps({"ids": list(ids.values()), "first_loss": first_loss}))


if __name__ == "__main__":
    main()
