"""A worker for tests: one provider for each channel; senders work in the test's own thread: stories have one order."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future

from massar.domain.delivery import api as delivery
from massar.interfaces.commands.worker import Worker
from massar.journeys.sso.deliver_logouts import BINDINGS


class AtOnce(Executor):
    """A pool that runs what it is given in this thread, and lets a kill through."""

    def submit(self, work, *args) -> Future:
        future: Future = Future()
        future.set_result(work(*args))
        return future


def worker_with(providers: Mapping[str, delivery.Provider], clock, **settings) -> Worker:
    """A worker with one provider for each channel. It has looked at what is too old to keep a moment ago: each test's
    first turn would, through all tables, and hardly any has something that old."""
    sites = {channel: provider for channel, provider in providers.items() if channel in BINDINGS}
    people = {channel: [provider] for channel, provider in providers.items() if channel not in BINDINGS}
    registry = delivery.ProviderRegistry(people)
    worker = Worker(registry, **{"sites": sites, "tick": clock, "pool": AtOnce(), **settings})
    worker.last["retention"] = worker.tick()
    return worker


def turning(providers: Mapping[str, delivery.Provider], clock) -> Callable[[], None]:
    """Such a worker, turned until nothing is due."""
    worker = worker_with(providers, clock)

    def turn() -> None:
        while worker.turn():
            pass

    return turn
