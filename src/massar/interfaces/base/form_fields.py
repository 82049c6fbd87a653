"""Form fields whose errors are message ids; the templates turn them into sentences."""

from collections.abc import Iterable
from datetime import datetime

from django import forms
from django.core.exceptions import ValidationError

from massar.core import local_time
from massar.interfaces.base.request import Request
from massar.journeys.outcomes import Problem, Problems


def line(longest: int = 254, *, required: bool = True, strip: bool = True) -> forms.CharField:
    said = {"required": "required", "max_length": "too_long", "null_characters_not_allowed": "too_long"}
    told = {code: f"error.{id}" for code, id in said.items()}
    return forms.CharField(max_length=longest, required=required, strip=strip, error_messages=told)


def choice(values: Iterable[str], *, required: bool = True, said: str = "error.desk_choice") -> forms.ChoiceField:
    """One of these; the page names them. said: what whoever chose none of them reads."""
    told = dict.fromkeys(("required", "invalid_choice"), said)
    return forms.ChoiceField(choices=[(value, "") for value in values], required=required, error_messages=told)


def secret() -> forms.CharField:
    """Make a field for a password exactly as typed (ASVS 6.2.8): spaces at its ends are not taken away here."""
    return line(512, strip=False)


def show_problems(form: forms.Form, problems: Problems) -> None:
    for name, found in problems.of.items():
        for problem in found:
            form.add_error(name, as_error(problem))


def show_wait(form: forms.Form, until: datetime, request: Request, *, sentence: str = "error.wait") -> None:
    """Say above the form until when to wait; what was typed stays."""
    text = local_time.until(until, request.now, request.language)
    form.add_error(None, ValidationError(sentence, params={"until": text}))


def as_error(problem: Problem) -> ValidationError:
    message_id = problem.id if problem.id.startswith("rule.") else f"error.{problem.id}"
    return ValidationError(message_id, params=dict(problem.args) or None)
