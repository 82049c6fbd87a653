from django import forms

from massar.interfaces.frame import fields


class Change(forms.Form):
    """Three passwords exactly as typed; the rules judge them in the journey."""

    current = fields.secret()
    new = fields.secret()
    confirm = fields.secret()
