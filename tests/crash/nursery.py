"""Workers to be killed: one process that has loaded the product, and forks a real worker for each line it reads.

    python -m tests.crash.nursery

A line is `PLACE MINUTES`. The worker runs `massar worker`'s own code and kills itself with SIGKILL at PLACE (`-`,
`last`: never); its clock is MINUTES ahead. Answers `pid N` when it runs and `ended STATUS` when it is gone. Leases and
pauses are shortened here, so that what a dead worker held is free again after a second; those of the `last` are not, so
that it takes nothing twice on a busy machine.
"""

import argparse
import os
import signal
import sys
from datetime import timedelta
from importlib import import_module

import django

LEASE, LONG_LEASE = timedelta(seconds=1), timedelta(minutes=2)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(work, when=lambda done: True):
    """`work`, and death after it where `when` says so of what it gave."""

    def work_then_die(*args, **kwargs):
        done = work(*args, **kwargs)
        return die() if when(done) else done

    return work_then_die


die_instead = then_die(lambda *args, **kwargs: None)


def places(answer, deliver, delivery):
    """By name: (module, function, what replaces it)."""
    outbox, requests = delivery.outbox, delivery.requests
    return {
        "request-claimed": (requests, "claim", then_die(requests.claim)),
        "answer-before-commit": (outbox, "put", then_die(outbox.put)),
        "answer-after-commit": (answer, "answer", then_die(answer.answer)),
        "claimed": (outbox, "claim", then_die(outbox.claim, when=bool)),
        "expiry-fixed": (outbox, "fix_expiry", then_die(outbox.fix_expiry)),
        "attempt-written": (outbox, "begin_attempts", then_die(outbox.begin_attempts)),
        "before-send": (deliver, "hand_over", die_instead),
        "sent": (deliver, "settle", die_instead),
        "settled-before-commit": (outbox, "accept", then_die(outbox.accept)),
        "settled": (deliver, "settle", then_die(deliver.settle)),
    }


def main() -> None:
    django.setup()
    # Models can only be imported once the settings are read.
    answer = import_module("massar.journeys.account.recover_password")
    deliver = import_module("massar.journeys.messages.leased_delivery").LeasedDelivery
    delivery = import_module("massar.domain.delivery.api")
    worker, clock = import_module("massar.interfaces.commands.worker"), import_module("massar.core.clock")
    delivery.outbox.GRACE = timedelta(0)
    delivery.outbox.BACKOFF = (1,) * 11
    known = places(answer, deliver, delivery)
    options = argparse.Namespace(quiet=False, senders=4)
    print("ready", flush=True)
    for line in sys.stdin:
        place, minutes = line.split()
        child = os.fork()
        if child == 0:
            lease = LONG_LEASE if place == "last" else LEASE
            delivery.outbox.LEASE = delivery.requests.LEASE = lease
            delivery.ProviderOptions.longest = property(lambda _: lease)  # noqa: B023 - as below
            if place in known:
                module, name, replacement = known[place]
                setattr(module, name, replacement)
            now, ahead = clock.now, timedelta(minutes=int(minutes))
            clock.now = lambda: now() + ahead  # noqa: B023 - the child runs no further turn of this loop
            worker.Worker.__init__.__kwdefaults__["tick"] = clock.now
            os._exit(worker.run(options))
        print(f"pid {child}", flush=True)
        print(f"ended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}", flush=True)


if __name__ == "__main__":
    main()
