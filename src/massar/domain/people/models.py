"""People, the establishment they belong to, and the contacts that may receive a temporary password."""

from datetime import datetime, timedelta

from django.db import models

from massar.core import text

# Numbers that nobody uses are given to others: no operator of the country says after how long (docs/adr/0071).
PHONE_SERVES = timedelta(days=365)  # then its person is asked to prove it again
PHONE_ASKED = timedelta(days=30)  # and after these it is the last to be used


class Establishment(models.Model):
    """A school or office. `code` is the GRESA code where it has one."""

    code = models.CharField(max_length=16, unique=True)
    name_ar = models.CharField(max_length=200)
    name_latin = models.CharField(max_length=200)


class Person(models.Model):
    """One account. `login` is the institution address in canonical form; `local` its part before the @. frozen_at:
    since when it is frozen; reopened_at: when that last ended. Its moves stand in `directory`."""

    class State(models.TextChoices):
        ACTIVE = "active"
        DISABLED = "disabled"

    login = models.CharField(max_length=254, unique=True)
    local = models.CharField(max_length=64, db_index=True)
    first_name_ar = models.CharField(max_length=100, blank=True)
    last_name_ar = models.CharField(max_length=100, blank=True)
    first_name_latin = models.CharField(max_length=100, blank=True)
    last_name_latin = models.CharField(max_length=100, blank=True)
    establishment = models.ForeignKey(Establishment, null=True, on_delete=models.PROTECT, related_name="+")
    language = models.CharField(max_length=2, default="ar")
    role = models.CharField(max_length=20, default="staff")
    state = models.CharField(max_length=10, default=State.ACTIVE)
    contacts_frozen_until = models.DateTimeField(null=True)
    frozen_at = models.DateTimeField(null=True)
    reopened_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()


class Contact(models.Model):
    """A personal e-mail or phone. It is stored encrypted; `contacts` gives it with its `value`. `value_hmac` finds the
    same value on other accounts. bounced_at: when a message came back because the address does not exist. It still
    serves; the person is told. entered_in, proved_in: the sessions in which it was typed and its code was. undone_at:
    when a recovery dropped it, or took its removal back. State moves are in `contacts.MOVES`. Whether a proved contact
    counts is a matter of time: see `counts`."""

    class Kind(models.TextChoices):
        EMAIL = "email"
        PHONE = "phone"

    class State(models.TextChoices):
        PROPOSED = "proposed"
        PROVED = "proved"
        CANCELLED = "cancelled"

    value: str
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=5)
    state = models.CharField(max_length=10, default=State.PROPOSED)
    value_ciphertext = models.BinaryField()
    value_hmac = models.CharField(max_length=64, db_index=True)
    uid = models.CharField(max_length=22)
    proposed_at = models.DateTimeField()
    proved_at = models.DateTimeField(null=True)
    counts_from = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    bounced_at = models.DateTimeField(null=True)
    entered_in = models.BigIntegerField(null=True)
    proved_in = models.BigIntegerField(null=True)
    undone_at = models.DateTimeField(null=True)
    code_hmac = models.CharField(max_length=64, blank=True)
    code_sent_at = models.DateTimeField(null=True)
    code_expires_at = models.DateTimeField(null=True)
    code_tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["person", "state"], name="people_contacts_of")]

    @property
    def proved(self) -> bool:
        return self.state == self.State.PROVED

    def counts(self, now: datetime) -> bool:
        """Whether recovery may use it."""
        return self.receives(now) and not self.waits(now)

    def waits(self, now: datetime) -> bool:
        return self.proved and self.counts_from is not None and self.counts_from > now

    def receives(self, now: datetime) -> bool:
        """Notices go to every proved contact that has not ended, the waiting ones included."""
        return self.proved and (self.ends_at is None or self.ends_at > now)

    def old(self, now: datetime) -> bool:
        """Whether its person is asked to prove it again: a phone that was not proved for a year."""
        shown = self.kind == self.Kind.PHONE and self.receives(now) and self.ends_at is None
        return shown and self.proved_at is not None and now - self.proved_at >= PHONE_SERVES

    def lapsed(self, now: datetime) -> bool:
        """Whether recovery leaves it alone where there is another contact: it was asked for in vain."""
        return self.old(now) and self.proved_at is not None and now - self.proved_at >= PHONE_SERVES + PHONE_ASKED

    @property
    def masked(self) -> str:
        return text.masked_email(self.value) if self.kind == self.Kind.EMAIL else text.masked_phone(self.value)
