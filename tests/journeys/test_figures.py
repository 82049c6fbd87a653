"""Figures of branches: counted exactly, seen within one's own branch, silent about few."""

import re
from collections import defaultdict
from datetime import timedelta
from itertools import chain, product, repeat

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
    begin, moments = clock(), chain([clock()], repeat(clock() + timedelta(minutes=1)))
    assert count.turn(tick=lambda: next(moments))
    assert not figures.store.claim(now=begin + timedelta(minutes=50)), "fifty times as long as it took"
    assert figures.store.claim(now=begin + timedelta(minutes=51))


def test_one_that_is_late_changes_nothing(branches, clock):
    """Its lease ended in a step that took too long, and another worker has counted since."""
    assert count.turn(tick=clock)
    before, until = figures.store.run(), figures.store.LEASE
    late = clock() - timedelta(seconds=1)
    figures.store.replace([], [], day=clock().date(), now=late)
    assert counted("M") and figures.store.run() == before
    figures.store.go_on(now=clock())
    assert not figures.store.claim(now=clock() + until), "no turn is made shorter"


PLACE = people.units.UnitFacts(1, "1", 4, None, "", "", None, None)


def told(number: int, **more: int) -> see_figures.BranchFigures:
    return see_figures.told(PLACE, figures.FigureFacts(1, 0, number, **more))


def test_of_few_people_nothing_is_told():
    assert told(12, activated=9, one=9, texts=30, cost=9999) == see_figures.BranchFigures(PLACE, few=True)
    assert not told(13).few and not see_figures.told(PLACE, None).few
    assert told(22, one=22).share(20) is None and told(23, one=23).share(25) == 100, "HESA: 22.5"
    assert told(100, recoveries=7, median=60).median is None and told(100, recoveries=8, median=60).median == 60


def test_no_difference_tells_how_many_the_few_are():
    """Everybody without the pupils, an academy without its directorates: each pair of numbers that is told may come of
    at least four sizes of those who are hidden, up to ten of them, and of three numbers of what they did."""
    sizes, did = defaultdict(set), defaultdict(set)
    for rest, few in product(range(93), range(1, see_figures.SMALL)):
        if not told(rest).few:
            sizes[told(rest + few).people, told(rest).people].add(few)
        all_, others = told(200, activated=rest + few), told(150, activated=rest)
        did[all_.activated, others.activated].add(few)
        did[others.activated, others.activated].add(0)
    assert all(len(some) >= 4 or min(some) > 10 for some in sizes.values())
    assert all(len(some) >= 3 or min(some) > 10 for some in did.values())
    numbers = told(1013, activated=998, one=501, two=13, recoveries=33, emails=77, texts=12, segments=13, cost=7501)
    assert all(one % see_figures.BASE == 0 for one in numbers[1:7] + numbers[8:]) and numbers.never % 5 == 0


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
        cells = [
            cell for line in lines[1:] for n, cell in enumerate(line.split(";")[2:]) if n != 6 and cell.isdecimal()
        ]
        assert len(cells) > 100 and all(int(cell) % see_figures.BASE == 0 for cell in cells), "all but the median"


def test_the_history_is_rounded_and_has_no_days_of_few(country, clock):
    unit_id = unit("MEN").id
    for day, number in ((1, 22), (2, 23), (3, 1003)):
        on = clock().date() - timedelta(days=day)
        row = figures.FigureFacts(unit_id, 0, number, 3, 2, 1)
        figures.store.replace([], [row], day=on, now=clock())
    html = prove_factor(home(SALMA), SALMA, now=clock()).get("/desk/figures/?unit=MEN").html
    days = [f'<bdi dir="ltr">{clock().date() - timedelta(days=day)}</bdi>' in html for day in (1, 2, 3)]
    assert days == [False, True, True] and re.search(r"1\D?005", html) and not re.search(r"1\D?003", html)


def test_a_page_view_counts_nobody(country, clock):
    salma = prove_factor(home(SALMA), SALMA, now=clock())
    with captured() as statements:
        salma.get("/desk/figures/")
    assert not any("people_belonging" in one and "COUNT" in one for one in statements)
    assert sum("figures_" in one for one in statements) <= 3
