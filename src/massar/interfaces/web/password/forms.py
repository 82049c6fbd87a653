from typing import Any

from django import forms

from massar.interfaces.base import form_fields


class PasswordForm(forms.Form):
    """Three passwords exactly as typed; the rules judge them in the journey.

    current_known: the temporary password was typed right before; the form does not ask for it again.
    """

    current = form_fields.secret()
    new = form_fields.secret()
    confirm = form_fields.secret()

    def __init__(self, data: Any = None, *, current_known: bool = False):
        super().__init__(data)
        self.fields["current"].required = not current_known
