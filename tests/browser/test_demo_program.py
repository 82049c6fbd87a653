"""`massar demo` as a program: it starts, keeps its data, and leaves nothing behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.browser.conftest import Opener
from tests.browser.walk import Walk
from tests.support.product import STOP_SECONDS, Product, running_product

YOUSSEF = "youssef.benali@men.gov.ma"


def test_ctrl_c_stops_everything_and_a_second_start_keeps_the_data(tmp_path: Path, open_page: Opener):
    """Who was signed in before the stop is signed in after it: the session is in the data that was kept."""
    with running_product(tmp_path) as first:
        walk = Walk(open_page(first), first, "fr")
        walk.opens_the_first_page()
        walk.types_user_and_password(YOUSSEF, first.people[YOUSSEF])
        walk.is_home("Youssef Benali")
        cookies = walk.page.context.cookies()
        walk.page.context.close()
        assert first.stop() == 0
        assert first.processes() == []
    with running_product(tmp_path) as second:
        assert second.people == first.people
        walk = Walk(open_page(second), second, "fr")
        walk.page.context.add_cookies(cookies)
        walk.page.goto("/")
        walk.is_home("Youssef Benali")
        walk.page.context.close()
        assert second.stop() == 0
        assert second.processes() == []


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP], ids=["terminated", "terminal closed"])
def test_no_part_outlives_the_demo(fresh_product: Product, sent: signal.Signals):
    """A window that is closed, or a system that shuts down, ends the parts as Ctrl-C does."""
    assert len(fresh_product.processes()) > 3
    fresh_product.process.send_signal(sent)
    fresh_product.process.wait(STOP_SECONDS)
    assert fresh_product.have_all_ended()
