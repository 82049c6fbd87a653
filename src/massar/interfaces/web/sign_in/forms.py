from django import forms

from massar.interfaces.base import form_fields


class SignInForm(forms.Form):
    """User name in any spelling, password as typed."""

    user = form_fields.line()
    password = form_fields.secret()
