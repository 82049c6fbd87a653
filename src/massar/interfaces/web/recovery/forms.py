from django import forms
from django.conf import settings

from massar.core import ids, phone, text
from massar.interfaces.base import form_fields
from massar.journeys.account.edit_profile import is_institution_address
from massar.journeys.account.recover_password import canonical_contact


class Ask(forms.Form):
    """Only the shape is judged here, from what was typed alone: nothing is looked up."""

    user = form_fields.line()
    channel = forms.ChoiceField(
        choices=[("email", ""), ("phone", "")],
        error_messages={"required": "error.choice", "invalid_choice": "error.choice"},
    )
    email = form_fields.line(required=False)
    phone = form_fields.line(60, required=False)
    ask_id = forms.CharField(max_length=43, required=False)

    def clean_user(self):
        if text.login(self.cleaned_data["user"]) is None:
            raise forms.ValidationError("error.login_shape")
        return self.cleaned_data["user"]

    def clean_ask_id(self):
        """The form's own number; one that is not of our shape is replaced."""
        typed = self.cleaned_data["ask_id"]
        return (
            typed
            if len(typed) == 43 and typed.replace("-", "a").replace("_", "a").isalnum() and typed.isascii()
            else ids.token()
        )

    def clean(self):
        channel = self.cleaned_data.get("channel")
        if channel and channel not in self.errors:
            self._judge(channel, self.cleaned_data.get(channel, ""))
        return self.cleaned_data

    def _judge(self, channel: str, typed: str) -> None:
        if not typed:
            self.add_error(channel, "error.required")
        elif channel == "email" and text.email(typed) and is_institution_address(text.email(typed)):
            self.add_error("email", "error.email_institution")
        elif canonical_contact(channel, typed) is None:
            self.add_error(channel, f"error.{_why(channel, typed)}")


def _why(channel: str, typed: str) -> str:
    if channel == "email":
        return "email_shape"
    try:
        phone.mobile(typed, settings.MASSAR.phone_countries, settings.MASSAR.mobile_ranges)
    except phone.BadPhone as bad:
        return bad.reason
    return "phone_country"
