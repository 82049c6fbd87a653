"""Logs: one JSON object a line on stderr, with the request's id and never a secret or a typed value."""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str] = ContextVar("request_id", default="")


class JsonLines(logging.Formatter):
    """Line ends, control and bidi marks inside values are escaped by JSON (ASCII only): no forged lines (ATK-145)."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(), "where": record.name, "what": record.getMessage(),
        }  # fmt: skip
        if request_id.get():
            line["request"] = request_id.get()
        if record.exc_info and record.exc_info[0]:
            # File, line and function of each frame; not the exception's message, which may hold what was typed.
            codes = [(frame.f_code, number) for frame, number in traceback.walk_tb(record.exc_info[2])][-12:]
            frames = [f"{code.co_filename.rpartition('/')[2]}:{number} {code.co_name}" for code, number in codes]
            line["trace"] = [*frames, record.exc_info[0].__name__]
        return json.dumps(line, ensure_ascii=True)


def lower_what_strangers_cause(record: logging.LogRecord) -> bool:
    """A body that is too big, a form with too many fields or a foreign host is no fault of ours: Django's error with a
    trace becomes a line of information. Forms that were refused are told by `errors.csrf_failure` already."""
    if not record.name.startswith("django.security"):
        return True
    record.levelno, record.levelname, record.exc_info = logging.INFO, "INFO", None
    return record.name != "django.security.csrf" and logging.root.isEnabledFor(logging.INFO)


def name_the_route(record: logging.LogRecord) -> bool:
    """Say `/not-me/<str:token>/` where Django says what was asked for: the path of a link from a letter is a secret."""
    request = getattr(record, "request", None)
    found = getattr(request, "resolver_match", None)
    if found and isinstance(record.args, tuple):
        path = getattr(request, "path", None)
        record.args = tuple(f"/{found.route}" if one == path else one for one in record.args)
    return True


def set_up(level: int = logging.INFO) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(lower_what_strangers_cause)
    handler.addFilter(name_the_route)
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)
    logging.getLogger("django.request").setLevel(logging.ERROR)  # a 404 is no news
    logging.getLogger("django.security").setLevel(logging.WARNING)
    logging.getLogger("fido2").setLevel(logging.WARNING)  # it would write the id of every passkey that is used
