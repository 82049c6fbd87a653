"""The guide from its first step to its last, through HTTP, reading what was delivered."""

import pytest

from tests.cast import JAMAL, NEW
from tests.support.steps import actions, home
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases


def test_jamal_walks_the_whole_guide(cast, post, clock):
    """Steps 1 to 11: sign in, save and prove a contact, forget the password, recover it by SMS, change it, home."""
    jamal = home(JAMAL)
    assert jamal.path == "/" and "جمال جلال" in jamal.html and "/profile/" in jamal.html
    assert "notice warning" in jamal.html, "the banner asks for contacts"

    jamal.get("/profile/").submit("/profile/", phone="٠٦٦١١٢٣٤٥٦", password=JAMAL.password)
    jamal.submit(actions(jamal, "/prove/")[0], code=post.code("+212661123456"))
    assert "notice success" in jamal.html
    assert "notice warning" not in jamal.get("/").html, "the banner is gone"
    jamal.submit("/sign-out/")

    jamal.ask("JAMAL.JALAL@TAALIM.MA ", phone="0661123456")
    assert jamal.path == "/recovery/asked/"
    secret = post.secret("+212661123456")
    jamal.submit("/sign-in/", user=JAMAL.login, password=secret)
    assert jamal.path == "/password/expired/" and not jamal.signed_in
    jamal.change(secret, NEW)
    assert jamal.path == "/password/changed/" and "تم تغيير كلمة المرور بنجاح" in jamal.html
    assert jamal.signed_in
    sites = [f"{name}.men.gov.ma" for name in ("massar", "haraka", "notifrh", "retraite", "sise")]
    assert all(site in jamal.get("/").html for site in ("www.taalim.ma", *sites))

    assert Visitor().sign_in(JAMAL.login, NEW).signed_in
    assert not home(JAMAL).signed_in
