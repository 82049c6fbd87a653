"""What is asked for a person, a site or a message is found by an index: a year of rows must not make it slow."""

from collections.abc import Callable

import pytest

from massar.domain.sites import api as sites
from massar.interfaces.demo.cast import FATIMA, YOUSSEF
from tests.cast import FATIMA_PHONE
from tests.sso.relying_party import MACHINE, STRICT, Surfer, party, register
from tests.support.plans import whole_reads
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases

NEW = "Rivière#4827-ocre"


@pytest.fixture
def all_by_index(vendor) -> Callable:
    if vendor != "sqlite":
        pytest.skip("SQLite alone tells its plan whatever the tables hold")

    def judge(job: Callable[[], object]) -> None:
        asked, whole = whole_reads(job)
        assert asked > 10 and whole == {}

    return judge


def test_signing_in_and_looking_around(cast, post, all_by_index):
    visitor = Visitor()

    def walk():
        visitor.sign_in(YOUSSEF.login, YOUSSEF.password)
        for path in ("/", "/profile/", "/devices/", "/password/change/"):
            assert visitor.get(path).page.status_code == 200
        visitor.submit("/sign-out/")

    all_by_index(walk)


def test_recovery_from_the_request_to_the_new_password(cast, post, clock, all_by_index):
    visitor = Visitor()

    def walk():
        post.worker.last["sweep"] = clock()  # forgetting what is old may look at all of it
        visitor.ask(FATIMA.login, phone="0661000222")
        temporary = post.secret(FATIMA_PHONE)
        visitor.sign_in(FATIMA.login, temporary)
        visitor.change(temporary, NEW)
        post.work()

    all_by_index(walk)
    assert visitor.get("/").signed_in


def test_a_site_and_its_tokens(cast, clock, settings, all_by_index):
    register(settings, STRICT, MACHINE)
    sites.keys.forget_opened()
    rp = party(clock, STRICT, scope="openid profile email school offline_access")
    machine = party(clock, MACHINE)

    def round_trip():
        tokens = rp.enter(Surfer(), YOUSSEF)
        rp.about(tokens)
        fresh = rp.refresh(tokens.refresh).json()
        machine.post("introspection_endpoint", token=fresh["access_token"])
        machine.post("token_endpoint", grant_type="client_credentials")
        rp.refresh(tokens.refresh)  # a copy: the family ends
        rp.post("revocation_endpoint", token=fresh["refresh_token"])

    all_by_index(round_trip)
