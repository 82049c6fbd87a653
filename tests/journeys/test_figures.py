"""Figures of branches: counted exactly, seen within one's own branch, silent about few."""

from datetime import timedelta

import pytest

from massar.domain.credentials.models import Password, TemporaryPassword
from massar.domain.delivery.models import Message
from massar.domain.figures import api as figures
from massar.domain.people import api as people
from massar.journeys import season
from massar.journeys.figures import count, see_figures
from massar.journeys.people import demo_country
from tests.cast import FATIMA, JAMAL, SALMA, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.captured import captured
from tests.support.desk import As, Role, appoint, at_desk, move, plant, prove_factor, unit
from tests.support.steps import home, recover

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def branches(cast, clock):
    plant()


def counted(code: str, kind: int = figures.EVERYBODY):
    return figures.store.of_units([unit(code).id], belongs_as=kind).get(unit(code).id)


def test_everybody_is_counted_once_in_each_branch_above(branches, clock):
    move(FATIMA, "30000S", now=clock())
    people.belonging.begin(facts(FATIMA).id, unit("24187K").id, As.COMPLEMENT, since=clock().date())
    move(YOUSSEF, "24187K-1", As.PUPIL, now=clock())
    count.count(now=clock())
    assert [counted(code).people for code in ("M", "A07", "D07", "D08", "30000S")] == [5, 5, 4, 1, 1]
    assert (counted("24187K").people, counted("24187K", As.PUPIL).people) == (3, 1), "a class counts for its school"
    assert counted("24187K-1") is None and counted("D08", As.PUPIL) is None
    one = counted("M")
    assert one.activated == Password.objects.count() and one.one > one.two >= 0


def test_recoveries_messages_and_their_cost(branches, clock, post):
    recover(post, YOUSSEF, YOUSSEF_EMAIL, "Couscous-mint-4!")
    post.work()
    TemporaryPassword.objects.update(issued_at=clock() - timedelta(minutes=4))
    Message.objects.filter(channel="sms").update(cost=250, segments=1)
    count.count(now=clock())
    one, ours = counted("10000D"), counted("D07")
    assert (one.recoveries, one.median) == (1, 240) and ours.recoveries == 1
    sent = Message.objects.exclude(submitted_at=None)
    assert ours.emails + ours.texts == sent.count() and ours.cost == 250 * ours.texts
    clock.advance(days=31)
    count.count(now=clock())
    assert counted("D07").recoveries == counted("D07").emails == 0, "of the last days alone"


def test_it_is_counted_when_due_and_by_one(branches, clock):
    assert count.turn(tick=clock) and not count.turn(tick=clock)
    clock.advance(minutes=14, seconds=59)
    assert not count.turn(tick=clock)
    clock.advance(seconds=1)
    season.order(clock() + timedelta(hours=1), by=None, now=clock())
    assert not count.turn(tick=clock), "it rests in a season"
    season.order(None, by=None, now=clock())
    assert count.turn(tick=clock)
    clock.advance(minutes=15)
    figures.store.schedule(seconds=0, due_at=clock())
    begin = clock()
    moments = iter([begin, begin + timedelta(minutes=1), begin + timedelta(minutes=1)])
    assert count.turn(tick=lambda: next(moments))
    assert not figures.store.claim(now=begin + timedelta(minutes=50)), "fifty times as long as it took"
    assert figures.store.claim(now=begin + timedelta(minutes=51))


def test_of_few_people_nothing_is_told():
    def row(number: int, people_there: int):
        place = people.units.UnitFacts(number, str(number), 4, None, "", "", None, None)
        return see_figures.BranchFigures(place, people_there, False, people_there, 1)

    def few(*sizes: int) -> list[bool]:
        return [one.few for one in see_figures.hidden([row(n, size) for n, size in enumerate(sizes, 1)])]

    assert few(9) == [True] and few(10) == [False] and few(0, 50) == [False, False]
    assert few(100, 9, 50) == [False, True, True], "else the sum would tell"
    assert few(9, 8, 50) == [True, True, False]
    [one] = see_figures.hidden([row(1, 9)])
    assert one.share(one.one) is None and one.activated == 0


@pytest.fixture
def country(cast, clock):
    """Schools with some hundred people, counted."""
    for _ in demo_country.enter(demo_country.parts(900), now=clock(), since=clock().date()):
        pass
    count.count(now=clock())


def test_an_agent_sees_the_own_branch_alone(country, clock):
    ours, other = (people.units.by_code(code) for code in ("D0101", "D0102"))
    appoint(JAMAL, Role.DIRECTORATE_DESK, "D0101", now=clock())
    jamal = at_desk(JAMAL, now=clock()).get("/desk/figures/")
    assert jamal.page.status_code == 200 and ours.name_ar in jamal.html
    for school in people.units.children(ours.id, on=clock().date()):
        assert jamal.get(f"/desk/figures/?unit={school.code}").page.status_code == 200
    for code in (other.code, "A01", "MEN", "NONE"):
        assert jamal.get(f"/desk/figures/?unit={code}").page.status_code == 404
    assert jamal.get("/desk/figures/?as=nobody").page.status_code == 404
    assert jamal.get("/desk/figures/csv/?unit=MEN").page.status_code == 404


def test_an_operator_sees_the_country_and_a_teacher_nothing(country, clock):
    salma = prove_factor(home(SALMA), SALMA, now=clock()).get("/desk/figures/")
    assert salma.page.status_code == 200 and salma.html.count("<tr") >= 12
    some_class = next(u for u in people.units.below(unit("MEN").id, on=clock().date()) if u.kind == 5)
    appoint(YOUSSEF, Role.TEACHER, some_class.code, now=clock())
    assert home(YOUSSEF).get("/desk/figures/").page.status_code == 404
    assert home(FATIMA).get("/desk/figures/").page.status_code == 404


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_table_leaves_as_a_file(country, clock, kind):
    salma = prove_factor(home(SALMA), SALMA, now=clock())
    answer = salma.client.get(f"/desk/figures/{kind}/?unit=MEN&as=pupil")
    content = b"".join(answer) if answer.streaming else answer.content
    assert answer.status_code == 200 and "attachment" in answer["Content-Disposition"]
    assert content.startswith(b"\xef\xbb\xbf" if kind == "csv" else b"PK")
    if kind == "csv":
        lines = content.decode("utf-8-sig").splitlines()
        assert len(lines) > 12 and lines[1].startswith("MEN;")


def test_a_page_view_counts_nobody(country, clock):
    salma = prove_factor(home(SALMA), SALMA, now=clock())
    with captured() as statements:
        salma.get("/desk/figures/")
    assert not any("people_belonging" in one and "COUNT" in one for one in statements)
    assert sum("figures_" in one for one in statements) <= 3
