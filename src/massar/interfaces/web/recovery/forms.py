import re

from django import forms

from massar.core import ids, text
from massar.interfaces.base import form_fields
from massar.journeys.account.edit_profile import read_contact
from massar.journeys.outcomes import Problem

_ASK_ID = re.compile(r"[A-Za-z0-9_-]{43}")


class RecoveryForm(forms.Form):
    """Only the shape is judged here, from what was typed alone: nothing is looked up."""

    user = form_fields.line()
    channel = forms.ChoiceField(
        choices=[("email", ""), ("phone", "")],
        error_messages={"required": "error.choice", "invalid_choice": "error.choice"},
    )
    email = form_fields.line(required=False)
    phone = form_fields.line(60, required=False)
    ask_id = forms.CharField(max_length=43, required=False)

    def clean_user(self) -> str:
        typed: str = self.cleaned_data["user"]
        if text.login(typed) is None:
            raise forms.ValidationError("error.login_shape")
        return typed

    def clean_ask_id(self) -> str:
        """Return the form's own number; one that is not of our shape is replaced."""
        typed: str = self.cleaned_data["ask_id"]
        return typed if _ASK_ID.fullmatch(typed) else ids.token()

    def clean(self) -> None:
        channel = self.cleaned_data.get("channel")
        if channel and channel not in self.errors:
            typed = self.cleaned_data.get(channel, "")
            problem = read_contact(channel, typed) if typed else Problem("required")
            if isinstance(problem, Problem):
                self.add_error(channel, form_fields.as_error(problem))
