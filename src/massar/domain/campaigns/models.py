"""Campaigns: something is asked of many people, counted first, confirmed by a person, done at a pace."""

from django.db import models


class Campaign(models.Model):
    """One campaign. Moves of its state: `store.MOVES`.

    Who is meant: the people of a unit and all below it (None: of the country), as that kind of belonging (None: any),
    who hold that role ('': any or none), or a list (`Target`). changed_before: of a forced change, only passwords that
    are older. due_day: the day that a reminder names. pace: people an hour.

    people, emails, texts, segments, cost: what it comes to, as counted (cost in thousandths); done: of how many people
    it was done. place: the id of the last person that was looked at. by, approved_by: people; None: a command."""

    class Kind(models.TextChoices):
        CHANGE = "change"
        CONTACTS = "contacts"
        PHONES = "phones"

    class State(models.TextChoices):
        COUNTING = "counting"
        COUNTED = "counted"
        CONFIRMED = "confirmed"
        RUNNING = "running"
        STOPPED = "stopped"
        DONE = "done"
        CANCELLED = "cancelled"

    class Why(models.TextChoices):
        OLD = "old"
        RULES = "rules"
        EXPOSED = "exposed"

    kind = models.CharField(max_length=8)
    state = models.CharField(max_length=9, default=State.COUNTING)
    name = models.CharField(max_length=80)
    why = models.CharField(max_length=8, blank=True)
    unit_id = models.IntegerField(null=True)
    belongs_as = models.PositiveSmallIntegerField(null=True)
    role = models.CharField(max_length=20, blank=True)
    listed = models.BooleanField(default=False)
    changed_before = models.DateTimeField()
    due_day = models.DateField(null=True)
    pace = models.PositiveIntegerField()
    people = models.PositiveIntegerField(default=0)
    emails = models.PositiveIntegerField(default=0)
    texts = models.PositiveIntegerField(default=0)
    segments = models.PositiveIntegerField(default=0)
    cost = models.BigIntegerField(default=0)
    counted_at = models.DateTimeField(null=True)
    place = models.BigIntegerField(default=0)
    last = models.BigIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    by = models.BigIntegerField(null=True)
    approved_by = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_at"], name="campaigns_at_work", condition=models.Q(state__in=("counting", "running"))
            )
        ]


class Target(models.Model):
    """A person whom the list of a campaign names."""

    pk = models.CompositePrimaryKey("campaign_id", "person_id")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="+", db_index=False)
    person_id = models.BigIntegerField()
