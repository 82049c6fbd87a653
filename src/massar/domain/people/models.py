"""Units, people, where they belong, what they may do there, and contacts that may receive a temporary password."""

from datetime import datetime, timedelta

from django.db import models

from massar.core import text

# Numbers that nobody uses are given to others: no operator of the country says after how long (docs/adr/0071).
PHONE_SERVES = timedelta(days=365)  # then its person is asked to prove it again
PHONE_ASKED = timedelta(days=30)  # and after these it is the last to be used


class Unit(models.Model):
    """A part of the ministry: one tree, from the ministry down to a class. `code`: that of an establishment is its
    GRESA code where it has one. since, until: first and last day; None: open. What is closed counts nowhere."""

    class Kind(models.IntegerChoices):
        MINISTRY = 1
        ACADEMY = 2
        DIRECTORATE = 3
        ESTABLISHMENT = 4
        CLASS = 5

    id = models.AutoField(primary_key=True)  # four bytes: it stands in the row of everybody's belonging
    code = models.CharField(max_length=32)
    kind = models.PositiveSmallIntegerField()
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="+")
    name_ar = models.CharField(max_length=200)
    name_latin = models.CharField(max_length=200)
    since = models.DateField(null=True)
    until = models.DateField(null=True)

    class Meta:
        # Not `unique=True`: of a text PostgreSQL then gets a second index, for LIKE, that nothing reads. So everywhere.
        constraints = [models.UniqueConstraint(fields=["code"], name="people_unit_code")]


class Person(models.Model):
    """One account. `login` is the institution address in canonical form; `local` its part before the @. role: what kind
    of person it is (staff, pupil, guardian, operator); what it may do for others stands in `RoleGrant`. frozen_at:
    since when it is frozen; reopened_at: when that last ended. Its moves stand in `directory`."""

    class State(models.TextChoices):
        ACTIVE = "active"
        DISABLED = "disabled"

    login = models.CharField(max_length=254)
    local = models.CharField(max_length=64)
    first_name_ar = models.CharField(max_length=100, blank=True)
    last_name_ar = models.CharField(max_length=100, blank=True)
    first_name_latin = models.CharField(max_length=100, blank=True)
    last_name_latin = models.CharField(max_length=100, blank=True)
    language = models.CharField(max_length=2, default="ar")
    role = models.CharField(max_length=20, default="staff")
    state = models.CharField(max_length=10, default=State.ACTIVE)
    contacts_frozen_until = models.DateTimeField(null=True)
    frozen_at = models.DateTimeField(null=True)
    reopened_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["login"], name="people_person_login")]
        indexes = [models.Index(fields=["local"], name="people_person_local")]


class Alias(models.Model):
    """Another name of an account: a second institution address (`name` before the @, `domain` behind it), or a payroll
    number (`domain` is empty). Nobody else has it, be it as a login or as another name."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=64)
    domain = models.CharField(max_length=190, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "domain"], name="people_alias_name")]


class Belonging(models.Model):
    """From day to day a person belongs to a unit: a pupil to a class where it is known, else to the establishment. Of
    several today the lowest kind is the main one. until: the last day; None: open. Columns stand widest first, and no
    id of its own: eight million of them."""

    class Kind(models.IntegerChoices):
        STAFF = 1
        PUPIL = 2
        GUARDIAN = 3
        COMPLEMENT = 4  # staff who complete their hours at another establishment

    pk = models.CompositePrimaryKey("person_id", "unit_id", "since")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="+")
    since = models.DateField()
    until = models.DateField(null=True)
    kind = models.PositiveSmallIntegerField()


class Guardianship(models.Model):
    """From day to day a guardian answers for a pupil, who has several, as a guardian has several pupils. until: the
    last day; each has one, and a list of a new year moves it. made_by: the agent who made it; None: a list or a command
    did. As `Belonging`: columns stand widest first, and no id of its own, for there are millions."""

    class Relation(models.IntegerChoices):
        MOTHER = 1
        FATHER = 2
        TUTOR = 3

    pk = models.CompositePrimaryKey("pupil_id", "guardian_id", "since")
    pupil = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    guardian = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    made_by = models.BigIntegerField(null=True)
    since = models.DateField()
    until = models.DateField()
    relation = models.PositiveSmallIntegerField()


class RoleGrant(models.Model):
    """A role of a person at a unit and everything below it, from `since` to the last day `until`. kind: whose place it
    is, one's own, an acting head's, a deputy's. granted_by: the person who did; None: a command did."""

    class Kind(models.TextChoices):
        OWN = "own"
        ACTING = "acting"
        DEPUTY = "deputy"

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    unit = models.ForeignKey(Unit, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=20)
    kind = models.CharField(max_length=6, default=Kind.OWN)
    since = models.DateField()
    until = models.DateField()
    reason = models.CharField(max_length=200)
    granted_by = models.BigIntegerField(null=True)
    granted_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)


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
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=5)
    state = models.CharField(max_length=10, default=State.PROPOSED)
    value_ciphertext = models.BinaryField()
    value_hmac = models.CharField(max_length=64)
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
        indexes = [
            models.Index(fields=["person", "state"], name="people_contacts_of"),
            models.Index(fields=["value_hmac"], name="people_contact_value"),
        ]

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


class ImportRun(models.Model):
    """One import of a list; see `import_runs`. digest: of the list and of what was said about it."""

    digest = models.CharField(max_length=64)
    position = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["digest"], condition=models.Q(finished_at__isnull=True), name="people_importrun_open"
            )
        ]


class ListJob(models.Model):
    """A list that an agent sent by the page; see `list_jobs`."""

    uid = models.CharField(max_length=22)
    holds = models.CharField(max_length=6)
    name = models.CharField(max_length=100)
    size = models.PositiveIntegerField()
    said = models.TextField()
    state = models.CharField(max_length=10)
    why = models.TextField()
    sent_by = models.BigIntegerField()
    said_by = models.BigIntegerField(null=True)
    approved_by = models.BigIntegerField(null=True)
    language = models.CharField(max_length=2)
    turn = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField()
    added = models.PositiveIntegerField()
    changed = models.PositiveIntegerField()
    unchanged = models.PositiveIntegerField()
    refused = models.PositiveIntegerField()
    sent_at = models.DateTimeField()
    began_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["uid"], name="people_listjob_uid")]


class ListExport(models.Model):
    """A list of a branch that was made to leave; see `exports`. Its id is the number that stands in it."""

    uid = models.CharField(max_length=22)
    asked_by = models.BigIntegerField(null=True)
    desk_id = models.IntegerField(null=True)
    unit_id = models.IntegerField()
    who = models.CharField(max_length=8)
    ending = models.CharField(max_length=4)
    language = models.CharField(max_length=2)
    reason = models.CharField(max_length=200)
    state = models.CharField(max_length=8)
    why = models.CharField(max_length=10)
    turn = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField()
    asked_at = models.DateTimeField()
    moved_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["uid"], name="people_listexport_uid")]


class ExportPart(models.Model):
    """A piece of such a list, encrypted."""

    export = models.ForeignKey(ListExport, on_delete=models.CASCADE, related_name="+")
    number = models.PositiveSmallIntegerField()
    ciphertext = models.BinaryField()


class ListPart(models.Model):
    """A piece of the list, or of what came of it, encrypted."""

    job = models.ForeignKey(ListJob, on_delete=models.CASCADE, related_name="+")
    part = models.CharField(max_length=6)
    number = models.PositiveSmallIntegerField()
    ciphertext = models.BinaryField()
