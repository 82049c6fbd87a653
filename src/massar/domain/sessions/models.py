"""Who is signed in where, who may only change a password, and who still owes the second factor. Three tables: one is
never mistaken for another."""

from django.db import models


class Session(models.Model):
    """A full sign-in. `cookie_hmac` is a keyed HMAC over account and cookie secret: an edited row opens nothing. `amr`:
    what was proved in it, words of RFC 8176 with spaces between. second_at: when a second factor was, last."""

    cookie_hmac = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    how = models.CharField(max_length=20)
    amr = models.CharField(max_length=60, db_default="pwd")  # the last version's processes do not name it
    second_at = models.DateTimeField(null=True)
    signed_in_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    network = models.CharField(max_length=50, blank=True)
    browser = models.CharField(max_length=60, blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=20, blank=True)

    class Meta:
        indexes = [models.Index(fields=["person", "ended_at"], name="sessions_of")]


class ChangeSession(models.Model):
    """Opened by a temporary password, or by one of which another is asked (temporary_id 0); good for the change page
    and nothing else (decision 7). current_right_at: when the temporary password was typed right on the change page; it
    is not asked for again. amr: what else was proved before it was opened, as in `Session`."""

    cookie_hmac = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    temporary_id = models.BigIntegerField()
    claim = models.CharField(max_length=22)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    current_right_at = models.DateTimeField(null=True)
    amr = models.CharField(max_length=60, blank=True, db_default="")


class PendingSignIn(models.Model):
    """A first step without its second (`pending`). temporary_id, claim: the temporary password that was right; 0 and ''
    after the password in use."""

    cookie_hmac = models.CharField(max_length=64, unique=True)
    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    temporary_id = models.BigIntegerField(default=0)
    claim = models.CharField(max_length=22, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True)
