"""When something breaks: a page that says what to do, an id that stands in the log, and nothing of what was typed."""

from __future__ import annotations

import logging

import pytest
from django.test import Client

from massar.core import log
from massar.interfaces.frame import page
from massar.journeys import sign_in

TYPED = {"user": "jamal.jalal@taalim.ma", "password": "Canary&5501-secret"}


@pytest.fixture
def broken(monkeypatch, db):
    """Sign-in meets a fault whose message holds what was typed."""

    def fail(**typed):
        raise RuntimeError(f"broken by {typed}")

    monkeypatch.setattr(sign_in, "enter", fail)
    return Client(raise_request_exception=False)


def test_the_fault_page_names_an_id_that_stands_in_the_log(broken, caplog):
    caplog.handler.setFormatter(log.JsonLines())
    with caplog.at_level(logging.ERROR):
        answer = broken.post("/sign-in/", TYPED)
    assert answer.status_code == 500 and answer.headers["Cache-Control"] == "no-store"
    reference = answer.wsgi_request.fault_id
    assert reference in answer.content.decode()
    assert reference in caplog.text and "RuntimeError" in caplog.text
    assert "Canary" not in caplog.text and "Canary" not in answer.content.decode()


def test_the_last_page_stands_when_the_fault_page_falls_too(broken, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no catalogue, no context")

    monkeypatch.setattr(page, "render", fail)
    answer = broken.post("/sign-in/", TYPED)
    assert answer.status_code == 500
    for words in ("الخدمة غير متاحة حاليا", "Service momentanément indisponible", "not available right now"):
        assert words in answer.content.decode()
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
