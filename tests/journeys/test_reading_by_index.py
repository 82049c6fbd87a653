"""What is asked for a person, a site or a message is found by an index: a year of rows must not make it slow."""

import pytest

from massar.domain.credentials import api as credentials
from massar.domain.desk import api as desk
from massar.domain.sites import api as sites
from massar.interfaces.demo.cast import FATIMA, JAMAL, YOUSSEF
from massar.journeys.account import my_data
from tests.cast import FATIMA_PHONE, facts
from tests.sso.relying_party import MACHINE, STRICT, Surfer, party, register
from tests.support.desk import Role, appoint, at_desk, plant
from tests.support.plans import reads
from tests.support.steps import recover
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases

NEW = "Rivière#4827-ocre"


@pytest.fixture
def by_index(vendor, cast):
    """The test's statements are judged at its end."""
    if vendor != "sqlite":
        pytest.skip("SQLite alone tells its plan whatever the tables hold")
    with reads() as found:
        yield
    assert len(found.asked) > 7 and found.whole == {}


def test_signing_in_and_looking_around(by_index, post):
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    for path in ("/", "/profile/", "/devices/", "/password/change/"):
        assert visitor.get(path).page.status_code == 200
    visitor.submit("/sign-out/")


def test_recovery_from_the_request_to_the_new_password(by_index, post, clock):
    post.worker.last |= dict.fromkeys(("sweep", "retention"), clock())  # forgetting what is old may look at all of it
    assert recover(post, FATIMA, FATIMA_PHONE, NEW).get("/").signed_in
    post.work()


def test_a_site_and_its_tokens(by_index, clock, settings):
    register(settings, STRICT, MACHINE)
    sites.keys.forget_opened()
    rp = party(clock, STRICT, scope="openid profile email school offline_access")
    machine = party(clock, MACHINE)
    tokens = rp.enter(Surfer(), YOUSSEF)
    rp.about(tokens)
    fresh = rp.refresh(tokens.refresh).json()
    machine.post("introspection_endpoint", token=fresh["access_token"])
    machine.post("token_endpoint", grant_type="client_credentials")
    rp.refresh(tokens.refresh)  # a copy: the family ends
    rp.post("revocation_endpoint", token=fresh["refresh_token"])


def test_a_copy_of_all_that_is_kept_of_a_person(by_index):
    my_data.collect(facts(YOUSSEF))


def test_what_is_ended_every_minute(by_index, clock):
    for _ in range(4):
        credentials.temporary.sweep(now=clock())
        desk.cases.expire(now=clock())


def test_the_pages_of_the_ministrys_desk(by_index, clock):
    plant()
    appoint(JAMAL, Role.MINISTRY_DESK, "M", now=clock())
    jamal = at_desk(JAMAL, now=clock())
    for page in ("sites", "campaigns", "figures", "season", "import", "cases"):
        assert jamal.get(f"/desk/{page}/").page.status_code == 200, page
