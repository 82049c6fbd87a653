"""Numbers of each branch, counted now and then; no row is about a person."""

from django.db import models


class Figure(models.Model):
    """A unit with all below it. belongs_as: the kind of belonging, 0 for all. one, two: people with a proved contact,
    with two. recoveries, median (seconds, None without any), emails, texts, segments, cost (thousandths): of the last
    days that are kept."""

    pk = models.CompositePrimaryKey("unit_id", "belongs_as")
    unit_id = models.IntegerField()
    belongs_as = models.PositiveSmallIntegerField()
    people = models.PositiveIntegerField()
    activated = models.PositiveIntegerField()
    one = models.PositiveIntegerField()
    two = models.PositiveIntegerField()
    recoveries = models.PositiveIntegerField()
    median = models.PositiveIntegerField(null=True)
    emails = models.PositiveIntegerField()
    texts = models.PositiveIntegerField()
    segments = models.PositiveIntegerField()
    cost = models.BigIntegerField()


class FigureDay(models.Model):
    """What the last count of a day said of everybody in a directorate or above."""

    pk = models.CompositePrimaryKey("unit_id", "day")
    unit_id = models.IntegerField()
    day = models.DateField()
    people = models.PositiveIntegerField()
    activated = models.PositiveIntegerField()
    one = models.PositiveIntegerField()
    two = models.PositiveIntegerField()


class FigureRun(models.Model):
    """The last count, and when the next one is due. seconds: how long it took."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    counted_at = models.DateTimeField(null=True)
    seconds = models.FloatField(default=0)
    due_at = models.DateTimeField()
