from django import forms

from massar.interfaces.frame import fields


class SignIn(forms.Form):
    """User name in any spelling, password as typed."""

    user = fields.line()
    password = fields.secret()
