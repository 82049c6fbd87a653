"""What a person proves besides the password: apps that show codes, passkeys, printed backup codes."""

from django.db import models


class Factor(models.Model):
    """One second factor. State moves: `held.MOVES`; `moved_at` is the moment of the last one. enrolled_in: the session,
    or half-done sign-in, that began it and alone may prove it.

    The columns below `used_at` are an app's (RFC 6238): `secret_ciphertext` holds its key, bound to this row, and is
    wiped when the factor is removed; `last_step` is the time step of the last code that was accepted. What a passkey
    has beside stands in a table of its own."""

    class Kind(models.TextChoices):
        APP = "app"
        PASSKEY = "passkey"

    class State(models.TextChoices):
        ENROLLED = "enrolled"
        ACTIVE = "active"
        REMOVED = "removed"

    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=8, default=State.ENROLLED)
    uid = models.CharField(max_length=22)
    name = models.CharField(max_length=60, blank=True)
    enrolled_at = models.DateTimeField()
    enrolled_in = models.CharField(max_length=30, blank=True, db_default="")
    moved_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    secret_ciphertext = models.BinaryField(null=True)
    last_step = models.BigIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["person", "state"], name="factors_of")]


class Passkey(models.Model):
    """What a passkey has beside (`passkeys`). `credential_hmac` finds it by its id; the row of a removed one stays, so
    that what made it can't make it again. `challenged_at`: when the challenge was made (µs since 1970) that was signed
    last. `sign_count`: the authenticator's counter, 0 where it keeps none."""

    factor = models.OneToOneField(Factor, on_delete=models.CASCADE, primary_key=True, related_name="+")
    credential_hmac = models.CharField(max_length=64, unique=True)
    sign_count = models.BigIntegerField()
    backed_up = models.BooleanField()
    challenged_at = models.BigIntegerField(default=0)


class BackupCode(models.Model):
    """One printed code: good once, in place of a factor that is not at hand. Only its keyed HMAC, over the account too,
    is stored. A new set deletes the old one."""

    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    code_hmac = models.CharField(max_length=64)
    made_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class Loss(models.Model):
    """All factors are lost, says somebody who knows the password. State moves: `losses.MOVES`.

    It begins with a code that is sent to a proved contact (`contact_id`) and ends in the removal of every factor, not
    before `ends_at`."""

    class State(models.TextChoices):
        PROVING = "proving"
        WAITING = "waiting"
        CANCELLED = "cancelled"
        DONE = "done"

    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, default=State.PROVING)
    asked_at = models.DateTimeField()
    contact_id = models.BigIntegerField()
    code_hmac = models.CharField(max_length=64)
    code_expires_at = models.DateTimeField()
    code_tries = models.PositiveSmallIntegerField(default=0)
    ends_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["person", "state"], name="factors_losses_of")]
        constraints = [
            models.UniqueConstraint(fields=["person"], condition=models.Q(state="waiting"), name="factors_one_wait")
        ]
