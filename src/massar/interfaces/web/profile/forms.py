from django import forms

from massar.interfaces.base import form_fields


class Contacts(forms.Form):
    """The two contacts and the password; an empty contact stays as it is."""

    email = form_fields.line(required=False)
    phone = form_fields.line(60, required=False)
    password = form_fields.secret()

    def clean(self):
        typed = super().clean()
        if not (typed.get("email") or typed.get("phone") or self.errors):
            self.add_error("email", "error.required")
        return typed


class Code(forms.Form):
    code = form_fields.line(60)


class Password(forms.Form):
    password = form_fields.secret()
