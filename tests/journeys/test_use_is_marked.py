"""A message whose code or secret was typed in is marked as used, once, and no other (conversion)."""

import pytest

from massar.domain.delivery.models import Message
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL
from tests.support.steps import actions, home, prove_contact, save_contact
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases

PHONE, E164 = "0661123456", "+212661123456"


def used(purpose: str) -> list:
    return list(Message.objects.filter(purpose=purpose).order_by("id").values_list("used_at", flat=True))


def test_the_right_code_marks_its_message(cast, post, clock):
    jamal = save_contact(home(JAMAL), JAMAL.password, phone=PHONE, email="jamal@example.org")
    code = post.code(E164)
    prove = actions(jamal.get("/profile/"), "/prove/")
    jamal.submit(prove[1], code=f"{(int(code) + 1) % 1_000_000:06d}")
    assert used("contact_code") == [None, None], "a wrong one tells nothing"
    clock.advance(minutes=1)
    jamal.submit(actions(jamal.get("/profile/"), "/prove/")[1], code=code)
    assert used("contact_code") == [None, clock()], "the one by SMS"
    proved = clock()
    clock.advance(minutes=1)
    jamal.submit(actions(jamal.get("/profile/"), "/resend/")[0])
    prove_contact(jamal, post, "jamal@example.org")
    assert used("contact_code") == [None, proved, clock()], "after a new code the newest"


def test_a_claimed_temporary_password_marks_its_message(cast, post, clock):
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    first = post.secret(FATIMA_PHONE)
    clock.advance(minutes=2)
    Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    second = post.secret(FATIMA_PHONE)
    Visitor().sign_in(FATIMA.login, "kdmwt-47392")
    assert used("temporary_password") == [None, None]
    Visitor().sign_in(FATIMA.login, first)
    moment = clock()
    assert used("temporary_password") == [moment, None], "the message that carried it"
    clock.advance(minutes=1)
    Visitor().sign_in(FATIMA.login, first)
    clock.advance(minutes=11)
    Visitor().sign_in(FATIMA.login, second)
    assert used("temporary_password") == [moment, None], "once, and not when it is typed too late"
