"""Two guardians, or a guardian and the end of a link, at the same moment: real threads on the real database."""

from datetime import timedelta

import pytest

from massar.core import ids, local_time
from massar.core.browser import Browser
from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import TemporaryPassword
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Message
from massar.domain.people import api as people
from massar.journeys.account import children, freeze_account, recover_password
from massar.journeys.outcomes import Done
from massar.journeys.people import import_people
from massar.journeys.people.import_guardians import GuardianList
from massar.journeys.people.import_people import NewPerson
from massar.journeys.people.sheet_list import ImportReport, Said
from tests.cast import HALIMA, HALIMA_PHONE, ILYAS, RIM, facts, family, link
from tests.support.faults import at_once
from tests.support.steps import in_session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
FATHER = NewPerson(login="w130000009@taalim.ma", role="guardian", phone="0663000777", password="Qandil+3941-azul")
FATHER_PHONE = "+212663000777"


@pytest.fixture
def at_home(transactional_db, clock):
    """Both parents and the children, committed."""
    family(now=clock())
    import_people.add(FATHER, now=clock())
    for child in (ILYAS, RIM):
        link(FATHER, child, now=clock(), relation=people.guardians.Relation.FATHER)


def put_in(child: NewPerson, phone: str, browser: str, clock) -> None:
    asked = recover_password.typed(child.login, "phone", phone, Browser(recovery_browser=browser))
    assert delivery.requests.put(ids.token(), asked, now=clock())


def answers(clock):
    """Every worker takes one request."""
    return lambda _: [recover_password.answer(one, now=clock()) for one in delivery.requests.claim(1, now=clock())]


def test_two_guardians_who_ask_at_once_are_both_answered(at_home, clock):
    """Their locks are taken in one order, whoever comes first, and both secrets live."""
    for child in (ILYAS, RIM):
        put_in(child, HALIMA_PHONE, f"mothers-{child.login}", clock)
        put_in(child, FATHER_PHONE, f"fathers-{child.login}", clock)
    assert at_once(4, answers(clock)) == [["sent"]] * 4
    assert Message.objects.filter(purpose="temporary_password").count() == 4
    for child in (ILYAS, RIM):
        live = TemporaryPassword.objects.filter(person_id=facts(child).id, state__in=credentials.temporary.LIVE)
        assert live.count() == 2


def test_a_guardian_who_is_frozen_beside_the_answer_leaves_no_secret_behind(at_home, clock):
    """Whichever comes first: the answer sends nothing, or what it sent is dead."""
    put_in(ILYAS, HALIMA_PHONE, "a-browser", clock)
    mother = facts(HALIMA)

    def work(number: int):
        if number:
            return freeze_account.by_operator(person=mother, reason="called", now=clock())
        return answers(clock)(0)

    said, froze = at_once(2, work)
    assert froze == Done() and said in (["sent"], ["no_match"])
    live = TemporaryPassword.objects.filter(person_id=facts(ILYAS).id, state__in=credentials.temporary.LIVE)
    assert not live.exists()


def test_a_link_that_ends_beside_the_answer_leaves_no_secret_behind(at_home, clock, tmp_path):
    put_in(ILYAS, HALIMA_PHONE, "a-browser", clock)
    yesterday = local_time.local(clock()).date() - timedelta(days=1)
    path = tmp_path / "over.csv"
    path.write_text(f"code;tuteur;jusqu'au\n{ILYAS.login};{HALIMA.login};{yesterday}\n", encoding="utf-8")

    def work(number: int):
        if number:
            return tuple(GuardianList(path, Said()).write(ImportReport(), now=clock()).tally)
        return answers(clock)(0)

    said, tally = at_once(2, work)
    assert tally == (0, 1, 0, 0) and said in (["sent"], ["no_match"])
    live = TemporaryPassword.objects.filter(person_id=facts(ILYAS).id, state__in=credentials.temporary.LIVE)
    assert not live.exists()


def test_both_stop_at_once(at_home, clock):
    put_in(ILYAS, HALIMA_PHONE, "a-browser", clock)
    answers(clock)(0)
    parents = [(facts(HALIMA), HALIMA.password), (facts(FATHER), FATHER.password)]

    def stop(number: int):
        person, password = parents[number]
        return children.stop(
            signed_in=in_session(person), child_id=facts(ILYAS).id, password=password, browser=Browser(), now=clock()
        )

    assert at_once(2, stop) == [Done(), Done()]
    assert credentials.temporary.running([facts(ILYAS).id], now=clock()) == set()
