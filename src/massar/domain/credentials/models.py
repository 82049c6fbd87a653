"""Passwords, the last five of them, temporary passwords, and slips that were printed."""

from django.db import models
from django.db.models.functions import Coalesce


class Password(models.Model):
    """The password in use. `ciphertext` holds the PHC string, bound to the account (decision 15). `devices_since`:
    device cookies older than this are strangers again (set by a recovery, and for everybody after a restore).
    `recovered_at`: when the account was last recovered or frozen. `due_for`: the campaign that asks for another
    password at the next sign-in; None: nobody does."""

    person = models.OneToOneField("people.Person", primary_key=True, on_delete=models.CASCADE, related_name="+")
    ciphertext = models.BinaryField()
    changed_at = models.DateTimeField()
    devices_since = models.DateTimeField(null=True)
    recovered_at = models.DateTimeField(null=True)
    due_for = models.BigIntegerField(null=True)

    class Meta:
        indexes = [models.Index(fields=["due_for"], name="credentials_due", condition=models.Q(due_for__isnull=False))]


class FormerPassword(models.Model):
    """One of the last five passwords, so that it is not chosen again."""

    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    ciphertext = models.BinaryField()
    replaced_at = models.DateTimeField()


class SlipBatch(models.Model):
    """Slips that were printed together; see `handed`. unit_id: for which class or establishment; None: one person.
    printed_by: the agent; None: a command. printed_at: since when they serve; None: the printing did not end, and
    nothing of it ever served."""

    unit_id = models.IntegerField(null=True)
    printed_by = models.BigIntegerField(null=True)
    begun_at = models.DateTimeField()
    printed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["unit_id", "-id"], name="credentials_slips_of"),
            models.Index(
                fields=["printed_by"], name="credentials_slips_by", condition=models.Q(printed_by__isnull=False)
            ),
        ]


class TemporaryPassword(models.Model):
    """An issued recovery code that looks like a password (NIST SP 800-63B-4 §4.2.1.2). State moves: `temporary.MOVES`.

    `secret_hmac` is a keyed HMAC over account, channel, contact and secret: a row moved to another account fits
    nothing. `expires_at` stays empty until the worker fixes it just before the first attempt (decision 3). `ciphertext`
    holds the secret until its end, so that it can be sent again; bound to `secret_hmac`. Rows of one secret, each with
    its asking browser and that one's tries, have one `secret_hmac`. `known`: asked for from a known device, and counted
    apart. `purpose`: "recovery", "vouching" for a code that lets a browser in, "slip" or "class" for what is handed
    over (`handed`): these have no contact and no ciphertext. batch, place: of a slip, its number."""

    class State(models.TextChoices):
        ISSUED = "issued"
        CLAIMED = "claimed"
        CONSUMED = "consumed"
        DEAD = "dead"

    person = models.ForeignKey("people.Person", on_delete=models.CASCADE, related_name="+")
    channel = models.CharField(max_length=5)
    contact_id = models.BigIntegerField()
    secret_hmac = models.CharField(max_length=64)
    ciphertext = models.BinaryField(null=True)
    known = models.BooleanField(db_default=False)  # the last version's workers do not name it
    purpose = models.CharField(max_length=8, db_default="recovery")  # nor this
    state = models.CharField(max_length=8, default=State.ISSUED)
    recovery_browser_hmac = models.CharField(max_length=64, blank=True)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    asker_tries = models.PositiveIntegerField(default=0)
    claim = models.CharField(max_length=22, blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=20, blank=True)
    batch = models.ForeignKey(SlipBatch, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    place = models.PositiveIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["person", "-id"], name="credentials_temporary_of"),
            models.Index(
                fields=["batch", "place"], name="credentials_slips_in", condition=models.Q(batch__isnull=False)
            ),
            models.Index(
                fields=["expires_at"], name="credentials_to_wipe", condition=models.Q(ciphertext__isnull=False)
            ),
            models.Index(
                Coalesce("expires_at", "issued_at"),
                name="credentials_running",
                condition=models.Q(state__in=["issued", "claimed"]),
            ),
        ]
