"""Every alarm can be understood: a runbook page that answers five questions, words in three languages, its limit."""

from __future__ import annotations

import re

import pytest

from massar.domain.delivery.alarms import TABLE, ActiveAlarm, Alarm
from tests.house.catalogues import LANGUAGES, catalogue
from tests.house.laws import ROOT
from tests.house.tree import commands_of_the_code

OPERATE = ROOT / "docs" / "operate"
QUESTIONS = ("What people notice.", "What to look at.", "What to do.", "When it ends.")


@pytest.mark.parametrize("alarm", TABLE, ids=lambda alarm: alarm.id)
def test_an_alarm_has_its_runbook_page(alarm: Alarm):
    text = (ROOT / ActiveAlarm(alarm.id, ()).page).read_text("utf-8")
    assert f"Alarm `{alarm.id}`." in text, "what it means"
    assert [question for question in QUESTIONS if f"**{question}**" not in text] == []
    looked_at = set(re.findall(r"^massar ([a-z]+)", text, re.MULTILINE))
    assert looked_at and looked_at <= commands_of_the_code(), "commands to look with"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("alarm", TABLE, ids=lambda alarm: alarm.id)
def test_an_alarm_has_its_words(alarm: Alarm, language: str):
    word = ActiveAlarm(alarm.id, ()).word
    assert {f"alarm.{word}", f"alarm.{word}.text"} <= set(catalogue(language))


def test_the_list_of_alarms_is_that_of_the_code():
    page = (OPERATE / "messages.md").read_text("utf-8")
    listed = re.findall(r"^\| \[([a-z0-9-]+)\]\(alarms/\1\.md\) \| ([^|]+) \|", page, re.MULTILINE)
    assert listed == [(alarm.id, f"{alarm.limit} {alarm.unit}") for alarm in TABLE]


def test_no_page_is_about_an_alarm_nobody_knows():
    """A page that waits for its alarm has its words already."""
    words = {id.removeprefix("alarm.").replace("_", "-") for id in catalogue("en") if re.fullmatch(r"alarm\.\w+", id)}
    assert {path.stem for path in (OPERATE / "alarms").glob("*.md")} == words
