"""Which data keys the database is written with, and which processes hold which. No key stands here."""

from django.db import models
from django.db.models import Q


class DataKey(models.Model):
    """A key of MASSAR_DATA_KEYS by its name. `check_value` tells it from any other, and is empty where rows stand under
    a key that no process has had so far. Moves: `state.MOVES`.
    written_until: when another key took its place."""

    class State(models.TextChoices):
        HELD = "held"
        WRITES = "writes"
        OLD = "old"
        RETIRED = "retired"

    name = models.CharField(max_length=16, primary_key=True)
    check_value = models.CharField(max_length=64)
    state = models.CharField(max_length=8)
    since = models.DateTimeField()
    written_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=Q(state="writes"), name="keyring_one_writes"),
        ]


class LastingKey(models.Model):
    """The key of one purpose that outlives a change of data keys (`encryption.LASTING`), encrypted under them."""

    purpose = models.CharField(max_length=30, primary_key=True)
    ciphertext = models.BinaryField()


class Process(models.Model):
    """A program that serves just now: which keys it holds (names between commas) and which one it writes with."""

    name = models.CharField(max_length=120, primary_key=True)
    holds = models.TextField()
    writes = models.CharField(max_length=16, blank=True)
    seen_at = models.DateTimeField()


class Unopened(models.Model):
    """A row that could not be opened: which, why, and when last. `place`: table and id."""

    place = models.CharField(max_length=160, primary_key=True)
    why = models.CharField(max_length=120)
    seen_at = models.DateTimeField(db_index=True)
