"""Message ids that are put together at run time: every value that can stand at the end has its sentence.

The table is exact: a beginning that pages or code complete must be listed with where its ends come from, so that a new
channel, state or purpose fails here and not as `desk.channel.soap` on somebody's screen.
"""

import ast
import re
from collections.abc import Iterable
from typing import get_args

import pytest

from massar.domain.delivery import alarms, breaker, models, provider, wording
from massar.interfaces.demo import views as demo
from massar.journeys.account import close_sessions
from massar.journeys.messages import deliver_messages, leased_delivery
from massar.journeys.sso import deliver_logouts
from tests.house.catalogues import INTERFACES, TEMPLATES, catalogue
from tests.house.laws import PRODUCT, python_files

COMPLETED_IN_PAGES = re.compile(r"""\b[tn]\(\s*'([^']*\.[^']*)'\s*~""")
PEOPLE = ("email", "phone")
KINDS = ("info", "success", "warning", "danger")


def literals(pattern: str, *places: str) -> set[str]:
    """What stands in the one group of a pattern, in the product's code under those places."""
    code = "\n".join(path.read_text("utf-8") for place in places for path in python_files(PRODUCT / place))
    return set(re.findall(pattern, code))


def sso_problems() -> set[str]:
    found = literals(r'Refused\(\s*"(\w+)"', "journeys", "interfaces/sso")
    found |= literals(r'problem="(\w+)"', "interfaces/sso")
    return {problem for problem in found if "_" not in problem}  # the others are the words of OAuth, for programs


QUEUE = ("waiting", "claimed", "queued", "sending", "awaiting_receipt")  # what is not final: metrics.read_queue
ENDS: dict[str, Iterable[str]] = {
    "notice.": KINDS,
    "sso.told.": ("waiting", "confirmed", "failed", "open", "unreachable"),  # LogoutStatus.state
    "prove.title_": PEOPLE,
    "profile.": PEOPLE,
    "contact.none_": PEOPLE,
    "contact.remove_": PEOPLE,
    "sso.error.": [f"{problem}{part}" for problem in sso_problems() for part in (".title", ".text")],
    "message.about.": wording.EVENTS,
    "message.purpose.": literals(r'purpose="(\w+)"', "journeys"),
    "message.state.": models.Message.State.values,
    "desk.channel.": (*deliver_messages.CHANNELS, *deliver_logouts.BINDINGS),
    "desk.breaker.": [str(state).replace("-", "_") for state in breaker.State.values],
    "desk.state.": QUEUE,
    "desk.outcome.": (*(kind.outcome for kind in get_args(provider.Refusal)), leased_delivery.Fault.outcome),
    "desk.plot.": [f"{plot}{part}" for plot in literals(r'Plot\("(\w+)"', "interfaces/ops") for part in ("", ".note")],
    "alarm.": [f"{one.id.replace('-', '_')}{part}" for one in alarms.TABLE for part in ("", ".text")],
    "desk.": ("sent", "delivered", "late", "failed", "expired"),
    "demo.step_": demo.STEPS,
    "demo.fault_": [name for _, name in demo.FAULTS],
    "activity.": close_sessions.SHOWN,
    "how.": literals(r'how="(\w+)"', "journeys"),
    "rule.": (),  # rules and their refusals, fault pages, fields: each family has a test in test_catalogues.py
    "errors.": (),
    "error.": literals(r'Problem\("(\w+)"', "journeys")
    - {"login_shape", "login_taken", "name_shape"},  # said by a command
}


def beginnings() -> Iterable[str]:
    """Of every id that a template or the pages' code completes."""
    for path in TEMPLATES:
        yield from COMPLETED_IN_PAGES.findall(path.read_text("utf-8"))
    for node in (node for path in python_files(INTERFACES) for node in ast.walk(ast.parse(path.read_text("utf-8")))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("t", "n", "gettext") and node.args:
            first = node.args[0]
            if isinstance(first, ast.JoinedStr) and isinstance(first.values[0], ast.Constant):
                yield first.values[0].value


def test_the_table_is_exact():
    assert set(beginnings()) == set(ENDS)


@pytest.mark.parametrize("beginning", [name for name, ends in ENDS.items() if ends])
def test_every_end_has_its_sentence(beginning: str):
    assert {f"{beginning}{end}" for end in ENDS[beginning]} - set(catalogue("ar")) == set()


def test_the_values_are_found_where_they_stand():
    assert {"request", "site", "address"} <= sso_problems()
    assert {"temporary_password", "contact_code", "notice", "site_logout"} <= set(ENDS["message.purpose."])
    assert len(list(ENDS["desk.plot."])) >= 8 and len(list(ENDS["how."])) >= 2
