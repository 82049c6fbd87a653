from typing import Any

from django import forms

from massar.interfaces.base import form_fields


class ContactsForm(forms.Form):
    """The two contacts and the password; an empty contact stays as it is."""

    email = form_fields.line(required=False)
    phone = form_fields.line(60, required=False)
    password = form_fields.secret()

    def clean(self) -> dict[str, Any]:
        if not (self.cleaned_data.get("email") or self.cleaned_data.get("phone") or self.errors):
            self.add_error("email", "error.required")
        return self.cleaned_data


class CodeForm(forms.Form):
    code = form_fields.line(60)


class RemoveForm(forms.Form):
    password = form_fields.secret()
