"""Logs: one JSON object a line on stderr, with the request's id and never a secret or a typed value."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str] = ContextVar("request_id", default="")


class JsonLines(logging.Formatter):
    """Line ends, control and bidi marks inside values are escaped by JSON (ASCII only): no forged lines (ATK-145)."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "where": record.name,
            "what": record.getMessage(),
        }
        if request_id.get():
            line["request"] = request_id.get()
        if record.exc_info:
            line["trace"] = _frames(record)
        return json.dumps(line, ensure_ascii=True)


def _frames(record: logging.LogRecord) -> list[str]:
    """File, line and function of each frame and the kind of the exception. Its message may hold what was typed: left out."""
    frames, kind = [], record.exc_info[0].__name__
    trace = record.exc_info[2]
    while trace:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return [*frames[-12:], kind]


def set_up(level: int = logging.INFO) -> None:
    """Everything to stderr as JSON lines. Called once by each process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)
    logging.getLogger("django.request").setLevel(logging.ERROR)  # a 404 is no news
    logging.getLogger("django.security").setLevel(logging.WARNING)
