"""The demo's people stand where its words say: an agent, a head, a teacher with a class, a mother of three."""

from dataclasses import replace

import pytest
from django.conf import settings
from django.test import override_settings

from massar.core import local_time
from massar.domain.people import api as people
from massar.domain.people.models import Guardianship, Person, RoleGrant
from massar.interfaces.demo import cast
from tests.cast import facts

pytestmark = pytest.mark.django_db
Right = people.rights.Right


@pytest.fixture
def seeded(clock):
    with override_settings(MASSAR=replace(settings.MASSAR, mode="demo")):
        yield cast.seed()


def test_everybody_of_the_cast_may_do_what_the_screen_says(seeded, clock):
    today = local_time.local(clock()).date()

    def may(agent, person, right) -> bool:
        return (
            people.rights.judge(right, people.roles.standing(facts(agent).id, facts(person).id, on=today)).by
            is not None
        )

    assert may(cast.NAJAT, cast.FATIMA, Right.RECOVER) and may(cast.NAJAT, cast.ILYAS, Right.APPROVE)
    assert may(cast.HASSAN, cast.FATIMA, Right.RECOVER) and not may(cast.HASSAN, cast.YOUSSEF, Right.SEARCH)
    assert may(cast.NADIA, cast.ILYAS, Right.CODE) and not may(cast.NADIA, cast.FATIMA, Right.SEARCH)
    assert not may(cast.HASSAN, cast.NAJAT, Right.SEARCH) and not may(cast.NADIA, cast.HASSAN, Right.SEARCH)
    children = {one.pupil_id for one in people.guardians.of_guardian(facts(cast.HALIMA).id, now=clock())}
    assert children == {facts(one).id for one in (cast.ILYAS, cast.RIM, cast.YASSINE)}
    assert facts(cast.ILYAS).establishment_latin == "Lycée Ibn Khaldoun", "of a pupil in a class it is the school"


def test_a_second_start_adds_nobody_and_says_the_same(seeded, clock):
    counted = [table.objects.count() for table in (Person, RoleGrant, Guardianship)]
    with override_settings(MASSAR=replace(settings.MASSAR, mode="demo")):
        assert cast.seed() == seeded and counted[0] == cast.COUNTRY + len(cast.PEOPLE)
    assert [table.objects.count() for table in (Person, RoleGrant, Guardianship)] == counted
    assert any(cast.RIM.password in line for line in seeded) and sum("(none)" in line for line in seeded) == 2
